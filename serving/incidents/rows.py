"""Incidents in the store: written with the alerts they are made of, followed when people work on those.

All functions work inside of a transaction that may write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import zstandard
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from serving.incidents.keeping import gravest
from serving.store.tables import alerts, incident_alerts, incidents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from serving.incidents.keeping import Link, Told

BODY_BYTES = 16 << 20
FOLLOWED = 500
"""Alerts asked about in one query: a database takes only so many parameters."""


def write(connection: Connection, tenant: str, told: Sequence[Told], now_us: int) -> list[dict[str, Any]]:
    """Write what became of incidents; returns the rows of those that stand for something new, with `change`.

    What is told again, or is older than what is written, changes nothing: a recovery tells everything again.
    """
    fresh = []
    for one in told:
        if one.change == "merged":
            _merge(connection, tenant, one.incident_id, one.into, now_us)
            continue
        c = incidents.c
        mine = (c.tenant == tenant, c.incident_id == one.incident_id)
        known = connection.execute(select(c.revision, c.merged_into).where(*mine)).first()
        if known is not None and (known.revision > one.revision or known.merged_into):
            continue
        values = _values(one, now_us)
        if known is None:
            row = {"tenant": tenant, "incident_id": one.incident_id, "opened_us": now_us, **values}
            connection.execute(insert(incidents), [row])
        else:
            connection.execute(update(incidents).where(*mine).values(values))
        _link(connection, tenant, one.incident_id, one.links)
        follow(connection, tenant, one.incident_id)
        if known is None or known.revision < one.revision:
            row = dict(connection.execute(select(incidents).where(*mine)).mappings().one())
            fresh.append({**row, "change": one.change})
    return fresh


def _values(one: Told, now_us: int) -> dict[str, Any]:
    about = one.description
    if about is None:
        raise AssertionError("an incident without a description is one that was merged")
    body = {"description": about, "ties": one.ties}
    return {
        "revision": one.revision,
        "updated_us": now_us,
        "first_us": one.first_us,
        "last_us": one.last_us,
        "risk": about.risk,
        "severity_id": about.severity_id,
        "title": about.title,
        "active": one.active,
        "closed_for": one.closed_for,
        "alerts": about.alerts,
        "events": about.events,
        "entities": msgspec.json.encode(one.parties).decode(),
        "techniques": msgspec.json.encode([likely.uid for likely in about.techniques]).decode(),
        "body": zstandard.ZstdCompressor().compress(msgspec.json.encode(body)),
    }


def body_of(row: Any) -> dict[str, Any]:
    """Description and ties of a row, as JSON has them."""
    packed = zstandard.ZstdDecompressor().decompress(bytes(row["body"]), max_output_size=BODY_BYTES)
    found: dict[str, Any] = msgspec.json.decode(packed)
    return found


def _link(connection: Connection, tenant: str, incident_id: str, links: Iterable[Link]) -> None:
    rows = [{"tenant": tenant, "incident_id": incident_id, **link._asdict()} for link in links]
    if not rows:
        return
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = make(incident_alerts)
    changing = {name: statement.excluded[name] for name in ("incident_id", "risk")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["tenant", "alert_id"], set_=changing), rows
    )
    name_incident(connection, tenant, [link.alert_id for link in links])


def name_incident(connection: Connection, tenant: str, alert_ids: Sequence[str]) -> None:
    """Write into the rows of alerts which incident they are part of, and let that follow."""
    known = incident_alerts.c
    of_alert = (
        select(known.incident_id)
        .where(known.tenant == alerts.c.tenant, known.alert_id == alerts.c.alert_id)
        .scalar_subquery()
    )
    for first in range(0, len(alert_ids), FOLLOWED):
        some = alert_ids[first : first + FOLLOWED]
        connection.execute(
            update(alerts)
            .where(alerts.c.tenant == tenant, alerts.c.alert_id.in_(some))
            .values(incident_id=func.coalesce(of_alert, ""))
        )


def joined(connection: Connection, tenant: str, alert_ids: Sequence[str]) -> None:
    """Alerts have just been written: say which incidents they are part of."""
    name_incident(connection, tenant, alert_ids)
    for first in range(0, len(alert_ids), FOLLOWED):
        some = alert_ids[first : first + FOLLOWED]
        query = select(alerts.c.incident_id).where(
            alerts.c.tenant == tenant, alerts.c.alert_id.in_(some), alerts.c.incident_id != ""
        )
        for incident_id in sorted(connection.execute(query.distinct()).scalars()):
            follow(connection, tenant, incident_id)


def _merge(connection: Connection, tenant: str, old: str, into: str, now_us: int) -> None:
    known = incident_alerts.c
    connection.execute(
        update(incident_alerts)
        .where(known.tenant == tenant, known.incident_id == old)
        .values(incident_id=into)
    )
    connection.execute(
        update(alerts).where(alerts.c.tenant == tenant, alerts.c.incident_id == old).values(incident_id=into)
    )
    c = incidents.c
    connection.execute(
        update(incidents)
        .where(c.tenant == tenant, c.incident_id == old)
        .values(merged_into=into, active=False, closed_for="merged", updated_us=now_us)
    )
    # what was merged into the old one before is part of the new one
    connection.execute(
        update(incidents).where(c.tenant == tenant, c.merged_into == old).values(merged_into=into)
    )


def follow(connection: Connection, tenant: str, incident_id: str, now_us: int = 0) -> None:
    """Bring state, assignee and verdict of an incident up to those of its alerts.

    now_us: when people changed one of them; 0 when nobody did.
    """
    c = alerts.c
    rows = connection.execute(
        select(c.state, c.assignee, c.verdict_id).where(c.tenant == tenant, c.incident_id == incident_id)
    ).all()
    if not rows:
        return
    values: dict[str, Any] = {
        "state": state_of([row.state for row in rows]),
        "assignee": rows[0].assignee if len({row.assignee for row in rows}) == 1 else "",
        "verdict_id": _verdict_of([row.verdict_id for row in rows]),
    }
    if now_us:
        values["updated_us"] = now_us
    mine = (incidents.c.tenant == tenant, incidents.c.incident_id == incident_id)
    connection.execute(update(incidents).where(*mine).values(values))


def state_of(states: Sequence[str]) -> str:
    """State of an incident: new or closed when all of its alerts are, contained when none is left that is
    not, in progress when somebody works on one, else triaged.
    """
    found = set(states)
    if len(found) == 1:
        return states[0]
    if found <= {"contained", "closed"}:
        return "contained"
    return "in_progress" if "in_progress" in found else "triaged"


def _verdict_of(said: Sequence[int | None]) -> int | None:
    given = {number for number in said if number is not None}
    if None in said or not given:
        return None
    return gravest(given)


def forget(connection: Connection, tenant: str, before_us: int) -> None:
    """Drop incidents whose last sign (event time) is older than a moment."""
    c, known = incidents.c, incident_alerts.c
    old = select(c.incident_id).where(c.tenant == tenant, c.last_us < before_us)
    connection.execute(
        update(alerts)
        .where(alerts.c.tenant == tenant, alerts.c.incident_id != "", alerts.c.incident_id.in_(old))
        .values(incident_id="")
    )
    connection.execute(delete(incident_alerts).where(known.tenant == tenant, known.incident_id.in_(old)))
    connection.execute(delete(incidents).where(c.tenant == tenant, c.last_us < before_us))
