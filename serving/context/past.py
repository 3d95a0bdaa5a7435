"""What the store knows around an alert or an entity: earlier days, alerts that are alike, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from serving.days import day_of
from serving.store.tables import alerts, entity_days, verdicts
from serving.triage.verdicts import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

HISTORY_DAYS = 60
MOST_ALIKE = 10
MOST_FOUND = 100


def newest_day(connection: Connection, tenant: str) -> int | None:
    """The last day of which there is anything (since 1970, UTC)."""
    days = [
        connection.execute(select(func.max(table.c.day)).where(table.c.tenant == tenant)).scalar()
        for table in (alerts, entity_days)
    ]
    return max((int(day) for day in days if day is not None), default=None)


def risks(connection: Connection, tenant: str, kind: str, entity: str, last: int) -> list[dict[str, Any]]:
    """The entity's risk on the HISTORY_DAYS days up to one, oldest first; days without it are left out.

    The days are named: there is no index by entity.
    """
    days = range(last - HISTORY_DAYS + 1, last + 1)
    found: dict[int, dict[str, Any]] = {}
    for table in (entity_days, alerts):
        c = table.c
        query = select(table).where(
            c.tenant == tenant, c.day.in_(days), c.entity_kind == kind, c.entity == entity
        )
        for row in connection.execute(query).mappings():
            line = found.setdefault(
                row["day"], {"day": day_of(row["day"]).isoformat(), "risk": row["risk"], "alert": None}
            )
            line["risk"] = max(line["risk"], row["risk"])
            if table is alerts:
                line["alert"] = row["alert_id"]
    return [found[day] for day in sorted(found)]


def alike(connection: Connection, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Other alerts of the same entity, then judged ones of the same kind and leading channel."""
    c = alerts.c
    others = (c.tenant == row["tenant"], c.alert_id != row["alert_id"])
    same = and_(c.entity_kind == row["entity_kind"], c.entity == row["entity"])
    queries = [select(alerts).where(*others, same)]
    if row["channel"]:
        judged = (c.channel == row["channel"], c.verdict_id.is_not(None), ~same)
        queries.append(select(alerts).where(*others, *judged))
    out = []
    for query in queries:
        for found in connection.execute(query.order_by(c.day.desc()).limit(MOST_ALIKE // 2)).mappings():
            reason = _reason(connection, row["tenant"], found["alert_id"])
            line = {name: found[name] for name in ("entity_kind", "entity", "risk", "state", "verdict_id")}
            day = day_of(found["day"]).isoformat()
            out.append({"id": found["alert_id"], "day": day, **line, "reason": reason})
    return out


def _reason(connection: Connection, tenant: str, alert_id: str) -> str:
    c = verdicts.c
    query = (
        select(c.reason)
        .where(c.tenant == tenant, c.alert_id == alert_id, c.reverted_us.is_(None))
        .order_by(c.at_us.desc())
        .limit(1)
    )
    return connection.execute(query).scalar() or ""


def verdicts_of(connection: Connection, tenant: str, kind: str, entity: str) -> list[dict[str, Any]]:
    """Verdicts about an entity, newest first."""
    c = verdicts.c
    query = (
        select(verdicts)
        .where(c.tenant == tenant, c.entity_kind == kind, c.entity == entity)
        .order_by(c.at_us.desc())
        .limit(MOST_FOUND)
    )
    return [shown(dict(row)) for row in connection.execute(query).mappings()]


def risks_on(connection: Connection, tenant: str, day: int) -> dict[tuple[str, str], float]:
    """Risk of those entities that have an alert on a day: as many as the budget of a day allows."""
    c = alerts.c
    query = select(c.entity_kind, c.entity, c.risk).where(c.tenant == tenant, c.day == day)
    return {(kind, name): float(risk) for kind, name, risk in connection.execute(query)}


def last_seen(connection: Connection, tenant: str, found: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Entities with their highest risk of the last two weeks, and the last day in the books."""
    newest = newest_day(connection, tenant) or 0
    known: dict[tuple[str, str], tuple[float, int]] = {}
    for table in (entity_days, alerts):
        c = table.c
        for kind in {kind for kind, _ in found}:
            names = [name for other, name in found if other == kind]
            query = select(c.entity, c.risk, c.day).where(
                c.tenant == tenant,
                c.day.in_(range(newest - 13, newest + 1)),
                c.entity_kind == kind,
                c.entity.in_(names),
            )
            for name, risk, day in connection.execute(query):
                most, last = known.get((kind, name), (0.0, 0))
                known[kind, name] = (max(most, risk), max(last, day))
    out = []
    for kind, name in found:
        risk, day = known.get((kind, name), (None, None))
        seen = None if day is None else day_of(day).isoformat()
        out.append({"kind": kind, "entity_kind": kind, "entity": name, "risk": risk, "last_seen": seen})
    return sorted(out, key=lambda one: -(one["risk"] or 0.0))
