"""Running the benchmark: simulate or take logs, score them with the real detector, hand over what was scored.

`training.pedb` judges; this module only produces what is judged, through the same replay as `habitus score`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.behaviours import ENTITY_KINDS
from features.errors import InputError
from features.measures import COUNTS
from models.days import joined_days
from training import judging
from training.pedb.truth import drift_days, read_labels, read_oddities, truth_of
from training.pedb.vectors import DayMatrix, numbered

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from models.detector import Detector
    from training.pedb.held_out import HeldOut
    from training.pedb.protocol import Protocol
    from training.pedb.truth import Truth

STAMP = "simulation.json"


@dataclass(frozen=True)
class Dataset:
    """Logs with ground truth. seed and users are 0 for logs that were not simulated."""

    name: str
    events: Path
    labels: Path
    directory: Path | None = None
    oddities: Path | None = None
    seed: int = 0
    users: int = 0


class Scored(NamedTuple):
    """What the detector made of a dataset.

    days: entity-days of `habitus score` with the columns score and tail. vectors: what the peers are fitted
    on. first_day, last_day: that are judged, in days since 1970-01-01 UTC.
    """

    days: pd.DataFrame
    vectors: DayMatrix
    first_day: int
    last_day: int


class Frame(NamedTuple):
    """What a judgement needs besides a ranking."""

    truth: Truth
    drift: frozenset[int]
    age: dict[tuple[str, str], int]


def digest_of(folder: Path) -> str:
    """Digest of the Python and TOML sources under a folder: results of other code are not reused."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".toml") and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def simulated(folder: Path, seed: int, users: int, days: int) -> Dataset:
    """A simulated organisation in a folder of its own, written unless it is there already.

    What is there is used again only if it was made by the same code from the same arguments.
    """
    import training.simulate
    from training.simulate.writer import Simulation, write

    wanted = {
        "seed": seed,
        "users": users,
        "days": days,
        "simulator": digest_of(Path(training.simulate.__file__).parent),
    }
    place = folder / f"users-{users}-days-{days}-seed-{seed}"
    stamp = place / STAMP
    if not (stamp.is_file() and json.loads(stamp.read_bytes()) == wanted):
        stamp.unlink(missing_ok=True)
        write(Simulation(seed, users, days), place)
        stamp.write_text(json.dumps(wanted) + "\n", "utf-8")
    return Dataset(
        place.name,
        place / "events.ndjson",
        place / "labels.ndjson",
        place / "directory.csv",
        place / "oddities.ndjson",
        seed,
        users,
    )


def score(dataset: Dataset, protocol: Protocol, settings: Mapping[str, Any] | None = None) -> Scored:
    """Replay a dataset through a new detector.

    settings: keyword arguments for the detector, for ablations.

    Raises
    ------
    InputError
        If the logs cannot be read, or no day is left after the warm-up.
    """
    from models.detector import Detector
    from serving import directory, replay

    detector = Detector(key_seed=1, **(settings or {}))
    reader = detector.reader()
    logs, _ = replay.choose_sources(reader, [str(dataset.events)])
    if dataset.directory is not None:
        directory.apply(directory.read(dataset.directory), detector)
    days, _ = replay.replay(detector, reader, logs)
    if not len(days):
        raise InputError(f"{dataset.events}: holds no event that could be scored")
    number = days["day"].to_numpy("datetime64[D]").astype(np.int64)
    first, last = int(number.min()) + protocol.warm_up_days, int(number.max())
    if first > last:
        raise InputError(
            f"{dataset.events}: has {last - int(number.min()) + 1} days, all of them warm-up;"
            f" give more than {protocol.warm_up_days} or shorten --warm-up"
        )
    return Scored(judging.scored(days), vectors_of(detector), first, last)


def vectors_of(detector: Detector) -> DayMatrix:
    """Entity-day vectors of all days that the detector has seen, the open one included, with names."""
    tables = [detector.days.table()]
    if detector.activity.today >= 0:
        tables.append(detector.today())
    table = joined_days(tables)
    known = detector.baselines
    kind = np.array(ENTITY_KINDS, object)[table.kind.astype(np.int64)]
    name = np.array(known.values.many(known.entities.name[table.entity]), object)
    return DayMatrix(
        kind,
        name,
        numbered(kind, name),
        table.day.astype(np.int64),
        table.age_days.astype(np.int64),
        table.counts,
        table.evidence,
        tuple(COUNTS),
        tuple(str(cause) for cause in detector.channels.causes),
    )


def frame_of(dataset: Dataset, days: pd.DataFrame, aside: HeldOut) -> Frame:
    """Ground truth of a dataset, less what is held out, and what slices need: changes and first sights."""
    labels = read_labels(dataset.labels)
    people = days[days["entity_kind"].isin(("user", "host"))]
    number = people["day"].to_numpy("datetime64[D]").astype(np.int64)
    first = people.assign(day=number).groupby(["entity_kind", "entity"])["day"].min()
    age = dict(zip(first.index.to_list(), first.astype(int).to_list(), strict=True))
    drift = frozenset[int]()
    if dataset.oddities is not None:
        drift = drift_days(read_oddities(dataset.oddities), len(age))
    return Frame(truth_of(labels, aside.kinds), drift, age)


def budget_ratios(days: pd.DataFrame, first_day: int, last_day: int) -> list[float]:
    """Realised over allowed alerts in every seven judged days in a row (all of them if there are fewer)."""
    from models.risk import Budget

    number = days["day"].to_numpy("datetime64[D]").astype(np.int64)
    alert = days["alert"].to_numpy(bool)
    realised, allowed = [], []
    for day in range(first_day, last_day + 1):
        today = number == day
        realised.append(int((today & alert).sum()))
        allowed.append(Budget().alerts(int(today.sum())))
    width = min(7, len(realised))
    return [
        sum(realised[start : start + width]) / sum(allowed[start : start + width])
        for start in range(len(realised) - width + 1)
    ]
