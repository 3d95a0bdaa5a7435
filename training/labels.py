"""Verdicts as a data set: who said what of which entity-day when, how sure it is, and what the day looked
like.

One row a verdict, those that were taken back included (`TABLE`). What can be learned from is one lesson an
entity-day (`lessons`): nobody contradicts it, and who was shown it again without knowing did not either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from features.baselines import DAY_US
from models.feedback.feedback import HARMLESS, SUSPICIOUS, TRUE_POSITIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MOMENT = pa.timestamp("us", tz="UTC")
TABLE = pa.schema(
    [
        ("tenant", pa.string()),
        ("uid", pa.string()),
        ("subject", pa.string()),
        ("entity_kind", pa.string()),
        ("entity", pa.string()),
        ("day", pa.date32()),
        ("event_uid", pa.string()),
        ("alert_id", pa.string()),
        ("verdict_id", pa.int16()),
        ("reason", pa.string()),
        ("analyst", pa.string()),
        ("at", _MOMENT),
        ("alert_written_at", _MOMENT),
        ("delay_seconds", pa.float64()),
        ("holds", pa.bool_()),
        ("reverted_at", _MOMENT),
        ("reverted_by", pa.string()),
        ("disagrees", pa.bool_()),
        ("golden_agree", pa.int32()),
        ("golden_differ", pa.int32()),
        ("why", pa.string()),
        ("risk", pa.float64()),
        ("factor", pa.float64()),
        ("evidence_from", pa.string()),
        ("evidence", pa.map_(pa.string(), pa.float64())),
    ]
)
"""Columns of the data set; docs/feedback.md says what each means."""


class Lesson(NamedTuple):
    """What is known of an entity-day, days since 1970-01-01 UTC.

    true: an attack (True), nothing (False); None where nobody has judged it, or people contradict each other.
    known_day: first day on which that could have been learned from. risk: nats, as it was shown. evidence:
    nats beyond the everyday by cause, {} if they are no longer known. at_us: the newest verdict.
    """

    entity_kind: str
    entity: str
    day: int
    true: bool | None
    known_day: int
    risk: float
    evidence: Mapping[str, float]
    at_us: int = 0

    @property
    def key(self) -> tuple[str, str, int]:
        """Which entity-day it is."""
        return self.entity_kind, self.entity, self.day


def table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The data set. rows: mappings with the columns of `TABLE`; moments and days as whole numbers."""
    kept = list(rows)
    columns = []
    for column in TABLE:
        values = [row[column.name] for row in kept]
        if column.name == "evidence":
            values = [sorted(value.items()) for value in values]
        plain = pa.int64() if column.type == _MOMENT else pa.int32() if column.name == "day" else column.type
        columns.append(pa.array(values, plain).cast(column.type))
    return pa.table(columns, schema=TABLE)


def opinion(verdict_ids: Iterable[int]) -> bool | None:
    """What verdicts that hold come to; None when they contradict each other, or decide nothing."""
    said = set(verdict_ids)
    nothing = bool(said & set(HARMLESS))
    if nothing and said & {TRUE_POSITIVE, SUSPICIOUS}:
        return None
    return True if TRUE_POSITIVE in said else False if nothing else None


def lessons(rows: Iterable[Mapping[str, Any]]) -> list[Lesson]:
    """One lesson for each judged entity-day that can be learned from, in the order in which they were known.

    A verdict on one event counts for its day only if it is a true positive. Left out is what people
    contradict, and what half of those contradict who judged it again without seeing what had been said.
    A lesson is known from the day behind the one that it is about, and as many whole days later as the
    verdict came after its alert: so a back-fill of old events, judged years later, is learned from in its
    own order. O(verdicts).
    """
    found: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["holds"] and (row["subject"] != "event" or row["verdict_id"] == TRUE_POSITIVE):
            found.setdefault((row["entity_kind"], row["entity"], row["day"]), []).append(row)
    made = [lesson for group in found.values() if (lesson := _lesson(group)) is not None]
    return sorted(made, key=lambda one: (one.known_day, one.at_us, one.key))


def _lesson(group: Sequence[Mapping[str, Any]]) -> Lesson | None:
    said = opinion(row["verdict_id"] for row in group)
    first = group[0]
    if said is None or first["risk"] is None:
        return None
    if first["golden_differ"] > 0 and first["golden_differ"] >= first["golden_agree"]:
        return None
    late_us = max(max(row["delay_seconds"] or 0.0, 0.0) * 1e6 for row in group)
    return Lesson(
        first["entity_kind"],
        first["entity"],
        first["day"],
        said,
        first["day"] + 1 + int(late_us // DAY_US),
        first["risk"],
        next((row["evidence"] for row in group if row["evidence"]), {}),
        max(row["at"] for row in group),
    )
