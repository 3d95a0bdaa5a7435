"""Ground truth: which entity-days belong to which campaign, and when the organisation itself changed."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from features.errors import InputError
from training.pedb.protocol import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_Row = TypeVar("_Row")

DRIFT_SHARE = 0.1
"""An oddity of one kind that begins for this share of the entities on one day changed the organisation."""

EPOCH = date(1970, 1, 1).toordinal()
DAY_MS = 86_400_000


class Label(msgspec.Struct, frozen=True):
    """One campaign at one entity on one UTC day, as `labels.ndjson` has it (further fields are ignored).

    start, end: RFC 3339 times of its first and last event there; empty when unknown (then the whole day).
    """

    campaign: str
    kind: str
    day: str
    entity_kind: str
    entity: str
    start: str = ""
    end: str = ""
    difficulty: str = ""


class Oddity(msgspec.Struct, frozen=True):
    """A benign oddity, as `oddities.ndjson` has it: what happened, to whom, on which UTC days."""

    kind: str
    entity_kind: str
    entity: str
    days: list[str]


class Campaign(NamedTuple):
    """Name, kind, difficulty ("" if not graded), and the time of its first event (ms since epoch)."""

    name: str
    kind: str
    difficulty: str
    start_ms: int


class Truth(NamedTuple):
    """Campaigns in order of name; labelled entity-days, and what is to be left out of the judgement.

    marks: (entity kind, entity, day) -> campaign number -> first event there (ms since epoch).
    withheld: entity-days of campaigns nobody may look at yet; neither hits nor false alerts.
    """

    campaigns: list[Campaign]
    marks: dict[tuple[str, str, int], dict[int, int]]
    withheld: frozenset[tuple[str, str, int]]


def day_number(text: str) -> int:
    """Days since 1970-01-01 of an ISO date; InputError if it is none."""
    try:
        return date.fromisoformat(text[:10]).toordinal() - EPOCH
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is not a date: days are written as 2026-02-28") from error


def _milliseconds(text: str, day: int) -> int:
    """Time of a label; the begin of its day when it is not known."""
    if not text:
        return day * DAY_MS
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is not a time: write it as 2026-02-28T12:30:00Z") from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def read_labels(path: Path) -> list[Label]:
    """Labels of an NDJSON file; InputError when it cannot be read as such."""
    return _read(path, Label, "campaign, kind, day, entity_kind, entity")


def read_oddities(path: Path) -> list[Oddity]:
    """Oddities of an NDJSON file; InputError when it cannot be read as such."""
    return _read(path, Oddity, "kind, entity_kind, entity, days")


def _read(path: Path, kind: type[_Row], fields: str) -> list[_Row]:
    try:
        return msgspec.json.Decoder(kind).decode_lines(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: not an NDJSON file with {fields} ({str(error)[:200]})") from error


def truth_of(labels: Iterable[Label], withheld_kinds: Iterable[str] = ()) -> Truth:
    """Ground truth from labels; campaigns of withheld kinds are set aside.

    A campaign begins with its first label of any entity kind and on any day; only its users and hosts can be
    found.
    """
    hidden = set(withheld_kinds)
    rows = sorted(labels, key=lambda row: (row.campaign, row.day, row.entity_kind, row.entity))
    start: dict[str, int] = {}
    about: dict[str, Label] = {}
    for row in rows:
        if about.setdefault(row.campaign, row).kind != row.kind:
            raise InputError(
                f"campaign {row.campaign!r} has the kinds {about[row.campaign].kind}, {row.kind}"
            )
        first = _milliseconds(row.start, day_number(row.day))
        start[row.campaign] = min(start.get(row.campaign, first), first)
    names = [name for name in sorted(about) if about[name].kind not in hidden]
    number = {name: index for index, name in enumerate(names)}
    campaigns = [Campaign(name, about[name].kind, about[name].difficulty, start[name]) for name in names]
    marks: dict[tuple[str, str, int], dict[int, int]] = defaultdict(dict)
    withheld: set[tuple[str, str, int]] = set()
    for row in rows:
        if row.entity_kind not in KINDS:
            continue
        day = day_number(row.day)
        key = (row.entity_kind, row.entity, day)
        if row.kind in hidden:
            withheld.add(key)
        else:
            time = _milliseconds(row.start, day)
            known = marks[key]
            known[number[row.campaign]] = min(known.get(number[row.campaign], time), time)
    return Truth(campaigns, dict(marks), frozenset(withheld - marks.keys()))


def drift_days(oddities: Iterable[Oddity], entities: int) -> frozenset[int]:
    """Days on which the organisation changed: an oddity about no single user or host, or one kind of oddity
    that begins for at least a tenth of the entities on the same day.
    """
    begins: dict[tuple[str, int], set[str]] = defaultdict(set)
    found: set[int] = set()
    for oddity in oddities:
        if not oddity.days:
            continue
        first = day_number(min(oddity.days))
        if oddity.entity_kind not in KINDS:
            found.add(first)
        else:
            begins[oddity.kind, first].add(oddity.entity)
    found |= {day for (_, day), names in begins.items() if len(names) >= DRIFT_SHARE * max(entities, 10)}
    return frozenset(found)
