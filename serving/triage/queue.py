"""The queue as a list that fits on a screen: thousands of alerts, each in a few fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import func, select

from serving.days import day_of
from serving.queries import conditions_of, page_rows
from serving.store.tables import alerts, entity_days
from serving.triage.words import severity_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serving.queries import Wanted
    from serving.store.database import Database

MOST_ROWS = 10_000
SPARK_DAYS = 14
SPARKS = 2_000
"""Entities of a page whose last days are looked up: a list of thousands shows a few dozen at a time."""
NAMES_AT_ONCE = 500


class Line(msgspec.Struct):
    """An alert in the queue. Times are milliseconds UTC; spark: the entity's highest risk on each of its last
    days, oldest first, None where it had none, and None as a whole where it was not looked up.
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
    spark: list[float | None] | None = None


class Lines(NamedTuple):
    """A page, the cursor of the next one, and how many alerts fit over all pages."""

    alerts: list[Line]
    following: str | None
    total: int


_COLUMNS = (
    "alert_id", "day", "raised_us", "updated_us", "state", "risk", "entity_kind", "entity", "reasons",
    "assignee", "verdict_id", "version", "incident_id", "disagrees", "why",
)  # fmt: skip
_REASONS = msgspec.json.Decoder(list[str])


def find(database: Database, tenant: str, wanted: Wanted) -> Lines:
    """Alerts that fit, a page at a time; O(rows of the tenant that fit the index) and 14 look-ups an entity.

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
        found = [_line(dict(row)) for row in rows]
        _draw(connection, tenant, found)
    return Lines(found, following, int(total or 0))


def _line(row: dict[str, Any]) -> Line:
    reasons = _REASONS.decode(row["reasons"])
    return Line(
        row["alert_id"],
        day_of(row["day"]).isoformat(),
        row["raised_us"] // 1000,
        row["updated_us"] // 1000,
        row["state"],
        severity_of(row["risk"]),
        row["risk"],
        row["entity_kind"],
        row["entity"],
        reasons[0] if reasons else "",
        row["assignee"],
        row["verdict_id"],
        row["version"],
        row["incident_id"],
        bool(row["disagrees"]),
        row["why"],
    )


def _draw(connection: Connection, tenant: str, found: list[Line]) -> None:
    """Put the sparks in."""
    c = entity_days.c
    newest = connection.execute(select(func.max(c.day)).where(c.tenant == tenant)).scalar()
    latest = connection.execute(select(func.max(alerts.c.day)).where(alerts.c.tenant == tenant)).scalar()
    if latest is None:
        return
    last = max(int(latest), int(newest or 0))
    sparks: dict[tuple[str, str], list[float | None]] = {}
    for line in found:
        if len(sparks) >= SPARKS:
            break
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
        line.spark = sparks.get((line.entity_kind, line.entity))
