"""The queue as a list that fits on a screen: thousands of alerts, each in a few fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import func, select

from serving.days import day_of
from serving.queries import conditions_of, learning_until, newest_day, page_rows
from serving.store.tables import alerts, entity_days
from serving.triage.words import severity_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from serving.queries import Wanted
    from serving.store.database import Database

MOST_ROWS = 10_000
SPARK_DAYS = 14
SPARKS = 2_000
"""Lines of a page whose entities' last days are looked up: of thousands, a few dozen are shown at a time."""
NAMES_AT_ONCE = 500


class Line(msgspec.Struct):
    """An alert in the queue. Times are milliseconds UTC; learning: of days on which the tenant was still
    learning; spark: the entity's highest risk on each of its last days, oldest first, None where it had none,
    and None as a whole where it was not looked up.
    """

    id: str
    day: str
    raised: int
    updated: int
    state: str
    severity: int
    risk: float
    entity_kind: str
    entity: str
    reason: str
    assignee: str
    verdict_id: int | None
    version: int
    incident_id: str
    disagrees: bool
    why: str
    learning: bool
    spark: list[float | None] | None = None


class Lines(NamedTuple):
    """A page, the cursor of the next one, how many alerts fit over all pages, and the first day (ISO 8601,
    UTC) that is not one of learning.
    """

    alerts: list[Line]
    following: str | None
    total: int
    learning_until: str


_COLUMNS = (
    "alert_id", "day", "raised_us", "updated_us", "state", "risk", "entity_kind", "entity", "reasons",
    "assignee", "verdict_id", "version", "incident_id", "disagrees", "why",
)  # fmt: skip
_REASONS = msgspec.json.Decoder(list[str])


def find(database: Database, tenant: str, wanted: Wanted, *, sparks: int = SPARKS) -> Lines:
    """Alerts that fit, a page at a time; O(rows of the tenant that fit the index), and 14 look-ups for
    each of the first lines, so many as `sparks`.

    Raises
    ------
    InputError
        If the cursor is none of this order.
    """
    with database.read() as connection:
        rows, following = page_rows(connection, [alerts.c[name] for name in _COLUMNS], tenant, wanted)
        total = connection.execute(
            select(func.count()).select_from(alerts).where(*conditions_of(tenant, wanted))
        ).scalar()
        until = learning_until(connection, tenant)
        days: dict[int, str] = {}
        found = [_line(row, days, until) for row in rows]
        _draw(connection, tenant, found[:sparks])
    return Lines(found, following, int(total or 0), day_of(until).isoformat())


def _line(row: RowMapping, days: dict[int, str], learning_until: int) -> Line:
    """days: the days that were written before."""
    values: list[Any] = list(row.values())
    (alert_id, day, raised_us, updated_us, state, risk, kind, entity, reasons, assignee, verdict_id, version,
     incident_id, disagrees, why, *_) = values  # fmt: skip
    if day not in days:
        days[day] = day_of(day).isoformat()
    said = _REASONS.decode(reasons)
    return Line(
        alert_id,
        days[day],
        raised_us // 1000,
        updated_us // 1000,
        state,
        severity_of(risk),
        risk,
        kind,
        entity,
        said[0] if said else "",
        assignee,
        verdict_id,
        version,
        incident_id,
        bool(disagrees),
        why,
        day < learning_until,
    )


def _draw(connection: Connection, tenant: str, found: list[Line]) -> None:
    """Put the sparks in."""
    if not found:
        return
    newest = newest_day(connection, tenant)
    latest = connection.execute(select(func.max(alerts.c.day)).where(alerts.c.tenant == tenant)).scalar()
    if latest is None:
        return
    last = max(int(latest), int(newest or 0))
    sparks: dict[tuple[str, str], list[float | None]] = {}
    for line in found:
        sparks.setdefault((line.entity_kind, line.entity), [None] * SPARK_DAYS)
    days = range(last - SPARK_DAYS + 1, last + 1)
    for table in (entity_days, alerts):  # the open day stands among the alerts only
        t = table.c
        for kind in {kind for kind, _ in sparks}:
            names = [name for known, name in sparks if known == kind]
            for start in range(0, len(names), NAMES_AT_ONCE):
                query = select(t.entity, t.day, t.risk).where(
                    t.tenant == tenant,
                    t.day.in_(days),
                    t.entity_kind == kind,
                    t.entity.in_(names[start : start + NAMES_AT_ONCE]),
                )
                for name, day, risk in connection.execute(query):
                    spark = sparks[kind, name]
                    place = day - days[0]
                    spark[place] = max(round(risk, 1), spark[place] or 0.0)
    for line in found:
        line.spark = sparks[line.entity_kind, line.entity]
