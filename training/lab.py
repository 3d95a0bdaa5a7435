"""For notebooks: logs, baselines, models and explanations as DataFrames, with the service's own code behind.

log = read_log("events.ndjson")             a DataFrame, one row an event
lab = learn(log, groups=frame)              scored, then learned, in event time
lab.days                                    entity-days, strangest first
lab.baseline("alice")                       what is normal for her
lab.explain("alice", "2026-03-02")          why that day stands where it stands
lab.events(log, "alice", "2026-03-02")      the events behind it
compare({"a": lab, "b": other}, labels)     figures of PED-B side by side
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features import identity
from features.baselines import DAY_US
from features.behaviours import ENTITY_KINDS, VALUE_COLUMNS
from features.errors import InputError
from models.detector import Detector
from models.feedback.exemptions import Exemption
from models.ranking.ranker import Ranker
from models.ranking.settings import COUNT_NEIGHBOURS, EXCESS, RankerSettings
from models.risk import Budget
from training.events_table import batch_of
from training.history import EPOCH, EventLake, Scratch, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

QUICK = (EXCESS, COUNT_NEIGHBOURS)
"""Members that are fitted in a moment; `RankerSettings().members` are those of the service."""
SLICE = 50_000
SHOWN = 8


def office(folder: Path | str = "office", *, users: int = 8, days: int = 9, seed: int = 5) -> Path:
    """The folder of an invented organisation's logs, written unless it is there.

    events.ndjson, directory.csv, labels.ndjson (planted campaigns) and oddities.ndjson (benign changes).
    """
    from training.simulate.writer import Simulation, write

    folder = Path(folder)
    if not (folder / "events.ndjson").is_file():
        write(Simulation(seed, users, days), folder)
    return folder


def to_lake(path: Path | str, folder: Path | str, source: str = "ocsf") -> EventLake:
    """Lay a log file out as Parquet by day in a folder, unless it is there; read it with DuckDB or pandas."""
    from features.files import open_log

    folder = Path(folder)
    if not folder.is_dir() or not any(folder.rglob("*.parquet")):
        lay_out(Scratch(source=source), [(open_log(path), source)], folder)
    return EventLake.opened(folder)


def read_log(path: Path | str, source: str = "ocsf") -> pd.DataFrame:
    """The events of a log file, in event time.

    Returns
    -------
    DataFrame: time (UTC), class_uid (OCSF), bytes_in, bytes_out, the columns of
    `features.behaviours.VALUE_COLUMNS` as categories ("" where an event has none), src_ip_entity.
    """
    import pandas as pd

    with tempfile.TemporaryDirectory(prefix="habitus-lab-") as scratch:
        tables = list(to_lake(path, Path(scratch) / "lake", source).slices())
    parts = [table.drop_columns(["learned_us", "held"]).to_pandas() for table in tables]
    frame = pd.concat(parts, ignore_index=True)
    for name in VALUE_COLUMNS:  # parts have categories of their own
        frame[name] = frame[name].astype(str).astype("category")
    frame.insert(0, "time", pd.to_datetime(frame.pop("time_us"), unit="us", utc=True))
    filled: pd.DataFrame = frame.fillna({"bytes_in": 0, "bytes_out": 0})
    return filled


@dataclass(frozen=True)
class Baseline:
    """What is normal for an entity. frame: its rows of `features.baselines.Baselines.habits`."""

    name: str
    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        parts = [f"<h4>{escape(self.name)}</h4><table>", _row("th", "behaviour", "usual values", "events")]
        for behaviour, habits in self.frame.groupby("behaviour", sort=False):
            usual = ", ".join(
                f"{escape(str(row.value))} <small>{row.share:.0%}</small>"
                for row in habits.head(SHOWN).itertuples()
            )
            more = f" and {len(habits) - SHOWN:,} more" if len(habits) > SHOWN else ""
            parts.append(
                f"<tr><td>{escape(str(behaviour))}</td><td>{usual}{more}</td>"
                f"<td>{habits['weight'].sum():,.0f}</td></tr>"
            )
        return "".join([*parts, "</table>"])


@dataclass(frozen=True)
class Explanation:
    """Why an entity-day stands where it stands.

    findings: DataFrame of behaviour, value, nats, gain (nats beyond the everyday: they add up), and events of
    the value and in all for the entity itself, its peers and the organisation. reasons: in words.
    """

    title: str
    risk: float
    reasons: list[str]
    findings: pd.DataFrame

    def _repr_html_(self) -> str:
        most = max([*self.findings["gain"], 1e-9])
        parts = [f"<h4>{escape(self.title)}: {self.risk:.2f} nats</h4><ul>"]
        parts += [f"<li>{escape(reason)}</li>" for reason in self.reasons]
        parts += ["</ul><table>", _row("th", "behaviour", "value", "nats beyond the everyday")]
        head = self.findings.head(SHOWN)
        for row, gain in zip(head.itertuples(), head["gain"].to_numpy(np.float64).tolist(), strict=True):
            width = max(0.0, gain) / most * 160
            parts.append(
                f"<tr><td>{escape(str(row.behaviour))}</td><td>{escape(str(row.value))}</td><td>"
                f'<span style="display:inline-block;height:.7em;background:#2e86ab;width:{width:.0f}px">'
                f"</span> {gain:.1f}</td></tr>"
            )
        return "".join([*parts, "</table>"])


def _row(tag: str, *cells: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


@dataclass
class Lab:
    """A detector that has learned a log. detector: the very object that the service runs."""

    detector: Detector
    _verdicts: int = field(default=0, repr=False)

    @property
    def days(self) -> pd.DataFrame:
        """Entity-days, see `models.days.DayBook.frame`: newest day first, strangest first within it."""
        return self.detector.entity_days("").drop(columns="tenant")

    def baseline(self, name: str) -> Baseline:
        """What is normal for a user, host or address; InputError with similar names when it is unknown."""
        known = self.detector.known_name(name)
        return Baseline(known, self.detector.baselines.habits(known))

    def explain(self, name: str, day: date | str) -> Explanation:
        """Why an entity's day stands where it stands; InputError when it was not active that day."""
        import pandas as pd

        known, number = self.detector.known_name(name), _number(day)
        days = self.days
        row = days[(days["entity"] == known) & (pd.to_datetime(days["day"]) == pd.Timestamp(_date(number)))]
        if not len(row):
            raise InputError(
                f"{known}: nothing was seen on {_date(number)}; days with events are in lab.days"
            )
        first = row.iloc[0]
        title = f"{first['entity_kind']} {known} on {_date(number)}"
        found = self._findings(dict(self.detector.baselines.find(known))[first["entity_kind"]], number)
        return Explanation(title, float(first["risk"]), list(first["reasons"]), found)

    def _findings(self, entity: int, day: int) -> pd.DataFrame:
        import pandas as pd

        found, names = self.detector.days.findings(), self.detector.channels.all
        rows = np.zeros(0, np.int64)
        if found is not None:
            rows = np.flatnonzero((found.entity == entity) & (found.day == day) & (found.gain > 0))
            rows = rows[np.argsort(-found.gain[rows], kind="stable")]
        if found is None:
            return pd.DataFrame({name: [] for name in ("behaviour", "value", "nats", "gain", "time")})
        frame = pd.DataFrame(
            {
                "behaviour": [names[int(channel)].name for channel in found.channel[rows]],
                "value": self.detector.baselines.values.many(found.value[rows]),
                "nats": found.nats[rows],
                "gain": found.gain[rows],
                "time": pd.to_datetime(found.time_us[rows], unit="us", utc=True),
            }
        )
        counts = ("own", "own_all", "peers", "peers_all", "organisation", "organisation_all")
        return frame.assign(**{name: found.counts[rows, place] for place, name in enumerate(counts)})

    def events(self, log: pd.DataFrame, name: str, day: date | str) -> pd.DataFrame:
        """The events of a log in which an entity took part on a UTC day, columns without a value left out."""
        known, number = self.detector.known_name(name), _number(day)
        mine = log["time"].dt.date == _date(number)
        mine &= np.logical_or.reduce([(log[kind] == known).to_numpy() for kind in ENTITY_KINDS])
        part = log[mine]
        filled = [column for column in part if not (part[column].astype(str) == "").all()]
        found: pd.DataFrame = part[filled].reset_index(drop=True)
        return found

    def judge(self, name: str, day: date | str, verdict_id: int) -> None:
        """Say what a day was: 1 false positive, 2 true positive, 5 benign (OCSF verdict_id)."""
        known, number = self.detector.known_name(name), _number(day)
        kind = self.detector.baselines.find(known)[0][0]
        self._verdicts += 1
        now_us = self.detector.clock.newest_us
        self.detector.judge(f"lab-{self._verdicts}", known, kind, number, verdict_id, now_us)

    def exempt(self, entity_kind: str, *, days: int = 30, **what: str) -> pd.DataFrame:
        """Make an exception (entity, group, behaviour, value), and return the entity-days that it changes,
        with `risk_after`.
        """
        self._verdicts += 1
        now_us = self.detector.clock.newest_us
        exemption = Exemption(
            uid=f"lab-{self._verdicts}",
            entity_kind=entity_kind,
            since_us=now_us,
            until_us=now_us + days * DAY_US,
            **what,
        )
        changed = self.detector.preview(exemption)
        self.detector.feedback.exempt(exemption, self.detector.channels)
        return changed.drop(columns="tenant")


def learn(
    log: pd.DataFrame,
    groups: pd.DataFrame | None = None,
    *,
    members: Iterable[str] = QUICK,
    off: Iterable[str] = (),
    budget: float = 10.0,
    seed: int = 0,
) -> Lab:
    """A detector that has scored, then learned, the events of a log in event time.

    Parameters
    ----------
    log
        From `read_log`, or any frame with its columns.
    groups
        Peer groups: entity_kind, entity, group.
    members, off
        Members of the ranking, and kinds of channels that are not heard.
    budget
        Alerts a day for every 500 entities.
    seed
        The same log and seed give the same model, bit for bit.
    """
    import pyarrow as pa

    chosen = tuple(members)
    weights = tuple((name, 1.0) for name in chosen)
    if set(dict(RankerSettings().weights)) <= set(chosen):
        weights = RankerSettings().weights
    settings = RankerSettings(members=chosen, weights=weights, seed=seed)
    detector = Detector(
        key_seed=0, ranker=Ranker(settings), off=frozenset(off), budget=Budget(budget), seed=seed
    )
    if groups is not None:
        written = {"user": detector.resolver.user, "host": identity.host, "src_ip": identity.ip}
        for kind, part in groups.groupby("entity_kind"):
            names = [written[str(kind)](name) for name in part["entity"]]
            detector.baselines.set_groups(str(kind), names, part["group"].tolist())
    ordered = log.sort_values("time", kind="stable")
    times = ordered["time"].dt.as_unit("us").astype("int64").to_numpy()
    table = pa.Table.from_pandas(ordered.drop(columns="time"), preserve_index=False)
    table = table.append_column("time_us", pa.array(times))
    for start in range(0, len(table), SLICE):
        detector.score_learn(batch_of(table.slice(start, SLICE), detector.baselines))
    return Lab(detector)


def compare(labs: Mapping[str, Lab], labels: Path | str, *, warm_up_days: int = 2) -> pd.DataFrame:
    """Figures of PED-B (docs/detection.md), a column a lab; entity-days were scored before they were learned.

    labels: ground truth, as `labels.ndjson` of a simulated organisation; the kinds of campaign that are held
    out do not count.
    """
    import pandas as pd

    from training import stability
    from training.judging import ground_of, judged
    from training.pedb.held_out import held_out
    from training.pedb.protocol import Protocol

    found: dict[str, dict[str, Any]] = {}
    for name, lab in labs.items():
        days = lab.days
        entities = len(stability.people(days)[["entity_kind", "entity"]].drop_duplicates())
        ground = ground_of(Path(labels), None, entities, held_out().kinds)
        protocol = Protocol(warm_up_days=warm_up_days)
        found[name] = judged(days, {}, protocol, Budget(), ground).metrics
    return pd.DataFrame(found)


def _number(day: date | str) -> int:
    try:
        found = date.fromisoformat(day) if isinstance(day, str) else day
        return (date(found.year, found.month, found.day) - EPOCH).days
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{str(day)[:40]!r} is no day such as 2026-03-02") from error


def _date(number: int) -> date:
    return EPOCH + timedelta(days=number)
