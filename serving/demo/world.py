"""The invented organisation on disk: its past, its coming days, and attacks that wait for their turn.

    plan.json             what this is (`Plan`), and how far it has come
    days/NNN.ndjson       events of a day in order of arrival, the coming days too
    attacks/N.ndjson      planted events by attack and stage, without their final times
    service/              data directory of the service
    log.ndjson            its log

The organisation's clock is the real one, so its nights are nights. Its week is moved by whole days where
today would be a weekend: there would be nothing to see.
"""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from features.errors import InputError
from training.simulate.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORM = 1
PLAN, LOCK = "plan.json", "lock"
AHEAD_DAYS = 2
"""Coming days that are simulated beforehand: as long a run goes on where the one before ended."""
ATTACKS = 4
DAY_MS = 86_400_000
WORKING_DAYS = 4
"""Monday to Thursday: when the most people of all sites are at work."""
_TIME = re.compile(rb'"time":(\d+)')


class Plan(msgspec.Struct):
    """What was prepared, and how far it has come.

    users, days, seed
        Of the simulation; days of history.
    first
        First day of the history, as events have it (ISO 8601, UTC).
    shift_days
        By how many days events are later than the simulation had them.
    history, history_ms
        Events that were history when this was prepared, and until when it goes, ms since 1970.
    sent_ms
        Everything that arrives until then has been handed to the service.
    learned
        Whether the history is in the service.
    attacks
        How many attacks were begun.
    """

    users: int
    days: int
    seed: int
    first: str
    shift_days: int
    history: int
    history_ms: int
    sent_ms: int
    learned: bool = False
    attacks: int = 0
    form: int = FORM

    @property
    def end_ms(self) -> int:
        """When the last simulated day is over."""
        first = datetime.fromisoformat(self.first).replace(tzinfo=UTC)
        return round(first.timestamp() * 1000) + (self.days + 1 + AHEAD_DAYS) * DAY_MS


class Planted(msgspec.Struct, array_like=True):
    """A planted event: its stage from 0, its campaign's kind and person, when it was simulated, who shows it,
    and its body without its id.
    """

    stage: int
    kind: str
    person: str
    time_ms: int
    entities: list[tuple[str, str]]
    body: str


class Arrival(NamedTuple):
    """An event as one line of JSON, and when it arrives, ms since 1970."""

    at_ms: int
    line: bytes


def load(folder: Path) -> Plan | None:
    """What lies in a folder, None for nothing; InputError where something else does."""
    try:
        plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)
    except FileNotFoundError:
        if folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
            raise InputError(f"{folder}: is not empty, and no demo; name another folder with --out") from None
        return None
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None  # of another version: not worth keeping
    return plan if plan.form == FORM else None


def save(folder: Path, plan: Plan) -> None:
    """Write the plan, at once or not at all."""
    part = folder / f"{PLAN}.part"
    part.write_bytes(msgspec.json.encode(plan) + b"\n")
    part.replace(folder / PLAN)


def clear(folder: Path) -> None:
    """Remove what `load` knows as a demo, and nothing else."""
    for name in ("days", "attacks", "service"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (PLAN, f"{PLAN}.part", "log.ndjson"):
        (folder / name).unlink(missing_ok=True)


def shift_of(today: date) -> int:
    """Days by which the organisation's week is moved: a Saturday or Sunday becomes a Wednesday."""
    return max(0, today.weekday() - 2) if today.weekday() >= 5 else 0


def simulate(
    folder: Path, users: int, days: int, seed: int, now_ms: int, progress: Callable[[int, int], None]
) -> Plan:
    """Write the past, the coming days and the attacks; returns the plan, which is saved too.

    progress: told the days done, of all. Memory does not grow with the days.
    """
    from training.simulate.campaigns import staging
    from training.simulate.worktime import Day
    from training.simulate.writer import Simulation, event_uids

    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    shift = shift_of(today)
    start = today - timedelta(days=days + shift)
    simulation = Simulation(seed, users, days + 1 + AHEAD_DAYS, start, 0)
    dates = [start + timedelta(days=index) for index in range(days)]
    index = max(index for index, one in enumerate(dates) if one.weekday() < WORKING_DAYS)
    campaigns = {
        campaign.number: campaign
        for campaign in staging.stage(simulation.world, Day(index, dates[index]), ATTACKS)
    }
    simulation.campaigns += campaigns.values()
    (folder / "days").mkdir(parents=True, exist_ok=True)
    (folder / "attacks").mkdir(exist_ok=True)
    planted: dict[int, list[Planted]] = {}
    history, newest = 0, 0
    for number, records in enumerate(simulation):
        lines = []
        for uid, record in zip(event_uids(seed, number, len(records)), records, strict=True):
            if record.mark is not None:
                at = record.mark.campaign - staging.FIRST_NUMBER
                attack, step = divmod(at, len(staging.STAGES))
                campaign = campaigns[record.mark.campaign]
                planted.setdefault(attack, []).append(
                    Planted(
                        step,
                        campaign.kind,
                        campaign.person.name,
                        record.time_ms,
                        list(record.mark.entities),
                        record.body,
                    )
                )
                continue
            time_ms = record.time_ms + shift * DAY_MS
            newest = max(newest, time_ms)
            history += newest <= now_ms
            body = staging.moved(record, time_ms).body if shift else record.body
            lines.append(f'{{"metadata":{{"uid":"{uid}",{body}\n')
        (folder / "days" / f"{number:03d}.ndjson").write_text("".join(lines))
        progress(number + 1, simulation.days)
    for attack, events in planted.items():
        (folder / "attacks" / f"{attack}.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(events))
    first = (start + timedelta(days=shift)).isoformat()
    plan = Plan(users, days, seed, first, shift, history, now_ms, 0)
    save(folder, plan)
    return plan


def arrivals(folder: Path, after_ms: int = 0) -> Iterator[Arrival]:
    """Events in order of arrival, after a moment; a late one comes with the newest before it."""
    newest = 0
    for path in sorted((folder / "days").glob("*.ndjson")):
        with path.open("rb") as lines:
            for line in lines:
                found = _TIME.search(line)
                newest = max(newest, int(found.group(1)) if found else 0)
                if newest > after_ms:
                    yield Arrival(newest, line)


def attack(folder: Path, number: int) -> list[list[Planted]]:
    """Planted events of an attack by stage; they take turns when there were more than ATTACKS."""
    paths = sorted((folder / "attacks").glob("*.ndjson"))
    events = msgspec.json.Decoder(Planted).decode_lines(paths[number % len(paths)].read_bytes())
    stages: dict[int, list[Planted]] = {}
    for event in events:
        stages.setdefault(event.stage, []).append(event)
    return [stages[step] for step in sorted(stages)]


def timed(events: list[Planted], at_ms: int, span_ms: int, prefix: str) -> list[Arrival]:
    """Lines of a stage from one moment on, within a span. prefix: of the events' ids."""
    from training.simulate.campaigns.staging import retimed

    records = retimed([Record(event.time_ms, event.body, None) for event in events], at_ms, span_ms)
    return [
        Arrival(record.time_ms, f'{{"metadata":{{"uid":"{prefix}-{place}",{record.body}\n'.encode())
        for place, record in enumerate(records)
    ]
