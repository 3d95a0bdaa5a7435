"""Incidents that people ask the store for. Every query names the tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import and_, or_, select

from features.behaviours import ENTITY_KINDS
from features.errors import InputError
from serving import cursors
from serving.incidents.finding import incident_finding
from serving.incidents.rows import body_of
from serving.queries import finding
from serving.store.tables import alerts, incident_alerts, incidents
from serving.triage.words import Missing

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serving.store.database import Database

SORTS = ("last", "risk", "opened", "updated")


class Wanted(msgspec.Struct, frozen=True):
    """Which incidents are asked for.

    from_us, to_us
        That touch this time (event time, microseconds UTC); None for no bound.
    entity_kind, entity
        One that an alert is about; "" for all.
    technique
        An ATT&CK id, with its sub-techniques.
    active
        Whether it still takes in alerts; None for all.
    min_severity, min_risk, states, assignee, verdict_id, text
        As in `serving.queries.Wanted`; text is looked for in title and entities.
    sort
        One of SORTS; the newest or highest first.
    limit, after
        Most rows, and where the page before ended.
    """

    from_us: int | None = None
    to_us: int | None = None
    entity_kind: str = ""
    entity: str = ""
    technique: str = ""
    active: bool | None = None
    min_severity: int = 1
    min_risk: float = 0.0
    states: tuple[str, ...] = ()
    assignee: str | None = None
    verdict_id: int | None = None
    text: str = ""
    sort: str = "last"
    limit: int = 100
    after: str = ""


class Page(NamedTuple):
    """Incidents as OCSF findings, and the cursor of the page behind them; None on the last one."""

    incidents: list[dict[str, Any]]
    following: str | None


def find(database: Database, tenant: str, wanted: Wanted) -> Page:
    """Incidents that fit, a page at a time; InputError if `after` is no cursor of this order."""
    c = incidents.c
    order = {"last": c.last_us, "risk": c.risk, "opened": c.opened_us, "updated": c.updated_us}.get(
        wanted.sort
    )
    if order is None:
        raise InputError(f"sort={wanted.sort[:20]!r}: one of {', '.join(SORTS)}")
    conditions = [c.tenant == tenant, c.merged_into == "", *_conditions(wanted)]
    if wanted.after:
        (value,), key = cursors.read(wanted.after, wanted.sort, 1)
        conditions.append(or_(order < value, and_(order == value, c.incident_id > key)))
    query = select(incidents).where(*conditions).order_by(order.desc(), c.incident_id)
    with database.read() as connection:
        rows = connection.execute(query.limit(wanted.limit + 1)).mappings().all()
    page, following = rows[: wanted.limit], None
    if len(rows) > len(page):
        following = cursors.written(wanted.sort, [page[-1][order.name]], page[-1]["incident_id"])
    return Page([incident_finding(dict(row)) for row in page], following)


def _conditions(wanted: Wanted) -> list[Any]:
    c = incidents.c
    found: list[Any] = [c.risk >= wanted.min_risk, c.severity_id >= wanted.min_severity]
    if wanted.from_us is not None:
        found.append(c.last_us >= wanted.from_us)
    if wanted.to_us is not None:
        found.append(c.first_us <= wanted.to_us)
    if wanted.entity or wanted.entity_kind:
        # whole names of the JSON list: quotes and all that is escaped are as they were written
        kinds = (wanted.entity_kind,) if wanted.entity_kind else ENTITY_KINDS
        end = f'{_escaped(wanted.entity)}"' if wanted.entity else ""
        found.append(or_(*(c.entities.contains(f'"{kind}:{end}', autoescape=True) for kind in kinds)))
    if wanted.technique:
        found.append(c.techniques.contains(f'"{_escaped(wanted.technique)}', autoescape=True))
    if wanted.active is not None:
        found.append(c.active.is_(wanted.active))
    if wanted.states:
        found.append(c.state.in_(wanted.states))
    if wanted.assignee is not None:
        found.append(c.assignee == wanted.assignee)
    if wanted.verdict_id is not None:
        number = wanted.verdict_id
        found.append(c.verdict_id == number if number else c.verdict_id.is_(None))
    if wanted.text:
        found.append(
            or_(
                c.title.icontains(wanted.text, autoescape=True),
                c.entities.icontains(_escaped(wanted.text), autoescape=True),
            )
        )
    return found


def _escaped(text: str) -> str:
    return msgspec.json.encode(text)[1:-1].decode()


def row_of(connection: Connection, tenant: str, incident_id: str) -> dict[str, Any]:
    """The row of an incident, or of the one it was merged into; Missing if the tenant has no such."""
    c = incidents.c
    for _ in range(2):
        query = select(incidents).where(c.tenant == tenant, c.incident_id == incident_id)
        row = connection.execute(query).mappings().first()
        if row is None:
            break
        if not row["merged_into"]:
            return dict(row)
        incident_id = row["merged_into"]
    raise Missing("there is no incident with this id")


def links_of(connection: Connection, tenant: str, incident_id: str) -> list[dict[str, Any]]:
    """Its alerts as the incident knows them, the riskiest first."""
    c = incident_alerts.c
    query = select(incident_alerts).where(c.tenant == tenant, c.incident_id == incident_id)
    return [dict(row) for row in connection.execute(query.order_by(c.risk.desc(), c.alert_id)).mappings()]


def show(database: Database, tenant: str, incident_id: str) -> dict[str, Any]:
    """An incident in full: `incident` (OCSF), `description`, `ties`, and its `alerts` (OCSF findings).

    An alert that was raised a moment ago may be named in the incident and not be among its alerts yet.

    Raises
    ------
    Missing
        If the tenant has no such.
    """
    with database.read() as connection:
        row = row_of(connection, tenant, incident_id)
        links = links_of(connection, tenant, row["incident_id"])
        c = alerts.c
        query = select(alerts).where(c.tenant == tenant, c.incident_id == row["incident_id"])
        own = connection.execute(query.order_by(c.risk.desc(), c.alert_id)).mappings().all()
    return {
        "incident": incident_finding(row, links),
        **body_of(row),
        "alerts": [finding(dict(alert)) for alert in own],
    }
