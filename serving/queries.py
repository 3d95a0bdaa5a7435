"""What people ask the store: alerts and entity-days of one tenant. Every query names the tenant."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import zstandard
from sqlalchemy import and_, case, func, or_, select

from features.errors import InputError
from serving import cursors
from serving.days import day_of, number_of
from serving.store.tables import alerts, entity_days, receipts
from serving.triage.words import SEVERITY, STATUS, VERDICTS, least_risk, severity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from serving.store.database import Database

RECEIPT_BYTES = 16 << 20
_OCSF_VERSION = "1.8.0"


SORTS = ("day", "risk", "raised", "updated")
DAYS_AT_ONCE = 366
"""Days of one entity that one query asks for."""
LEARNING_DAYS = 7
"""From a tenant's first day on: what is usual is not known yet, and risk is on no scale (docs/scores.md)."""


class Wanted(msgspec.Struct, frozen=True):
    """Which alerts are asked for.

    first, last
        Days (inclusive), None for no bound.
    entity_kind, entity
        "" for all.
    min_risk, min_severity
        Least risk; least OCSF severity_id.
    states
        Any of these; none for all.
    assignee
        None for all, "" for those that nobody has.
    verdict_id
        None for all, 0 for those without a verdict.
    text
        Anywhere in the entity's name or in a reason, whatever the case.
    since_us
        Raised at or after this moment, microseconds UTC.
    ids
        Only these, None for all.
    sort
        One of SORTS; the highest or newest first. By risk, what was raised while the tenant was still
        learning comes behind everything else.
    limit
        Most rows.
    after
        Where the page before ended (`Page.following`), "" for the first page.
    """

    first: date | None = None
    last: date | None = None
    entity_kind: str = ""
    entity: str = ""
    min_risk: float = 0.0
    min_severity: int = 1
    states: tuple[str, ...] = ()
    assignee: str | None = None
    verdict_id: int | None = None
    text: str = ""
    since_us: int | None = None
    ids: tuple[str, ...] | None = None
    sort: str = "day"
    limit: int = 100
    after: str = ""


class Page(NamedTuple):
    """Alerts as OCSF findings, and the cursor of the page behind them; None on the last one."""

    alerts: list[dict[str, Any]]
    following: str | None


def find_alerts(database: Database, tenant: str, wanted: Wanted) -> Page:
    """Alerts that fit, a page at a time.

    What changes between two pages (risk while a day is open, `updated`) may be on both or on neither.

    Raises
    ------
    InputError
        If `after` is no cursor of this order.
    """
    with database.read() as connection:
        page, following = page_rows(connection, list(alerts.c), tenant, wanted)
        until = learning_until(connection, tenant)
    return Page([finding(dict(row) | {"learning": row["day"] < until}) for row in page], following)


def learning_until(connection: Connection, tenant: str) -> int:
    """The first day (since 1970, UTC) on which a tenant is not learning any more; 0 when nothing is known of
    it. O(1): both minima are ends of an index.
    """
    first = [
        connection.execute(select(func.min(table.c.day)).where(table.c.tenant == tenant)).scalar()
        for table in (alerts, entity_days)
    ]
    return min((int(day) + LEARNING_DAYS for day in first if day is not None), default=0)


def page_rows(
    connection: Connection, columns: list[Any], tenant: str, wanted: Wanted
) -> tuple[Sequence[RowMapping], str | None]:
    """Rows of a page, and the cursor of the next one; errors as `find_alerts`.

    columns: of the alerts, the id among them.
    """
    order = _order(wanted.sort, learning_until(connection, tenant) if wanted.sort == "risk" else 0)
    conditions = conditions_of(tenant, wanted)
    if wanted.after:
        values, alert_id = cursors.read(wanted.after, wanted.sort, len(order))
        conditions.append(_behind(order, [*values, alert_id]))
    places = [column.label(f"order_{place}") for place, column in enumerate(order)]
    query = (
        select(*columns, *places)
        .where(*conditions)
        .order_by(*(column.desc() for column in order), alerts.c.alert_id)
    )
    rows = connection.execute(query.limit(wanted.limit + 1)).mappings().all()
    page = rows[: wanted.limit]
    following = None
    if len(rows) > len(page):
        last = [page[-1][place.name] for place in places]
        following = cursors.written(wanted.sort, last, page[-1]["alert_id"])
    return page, following


def _order(sort: str, learning_until: int) -> list[Any]:
    """Columns of an order, each descending; the id, ascending, comes last."""
    c = alerts.c
    settled = case((c.day >= learning_until, 1), else_=0)
    known: dict[str, list[Any]] = {
        "day": [c.day, c.risk],
        "risk": [settled, c.risk],
        "raised": [c.raised_us],
        "updated": [c.updated_us],
    }
    if sort not in known:
        raise InputError(f"sort={sort[:20]!r}: one of {', '.join(SORTS)}")
    return known[sort]


def _behind(order: list[Any], values: list[Any]) -> Any:
    """What comes after a row of these values."""
    bounds = [alerts.c.alert_id > values[-1]]
    for column, value in zip(reversed(order), reversed(values[:-1]), strict=True):
        bounds = [or_(column < value, and_(column == value, *bounds))]
    return bounds[0]


def conditions_of(tenant: str, wanted: Wanted) -> list[Any]:
    """What an alert of a tenant must be to be wanted; the cursor is left out."""
    c = alerts.c
    found: list[Any] = [c.tenant == tenant, c.risk >= max(wanted.min_risk, least_risk(wanted.min_severity))]
    if wanted.first is not None:
        found.append(c.day >= number_of(wanted.first))
    if wanted.last is not None:
        found.append(c.day <= number_of(wanted.last))
    for column, value in ((c.entity_kind, wanted.entity_kind), (c.entity, wanted.entity)):
        if value:
            found.append(column == value)
    if wanted.states:
        found.append(c.state.in_(wanted.states))
    if wanted.assignee is not None:
        found.append(c.assignee == wanted.assignee)
    if wanted.verdict_id is not None:
        number = wanted.verdict_id
        found.append(c.verdict_id == number if number else c.verdict_id.is_(None))
    if wanted.ids is not None:
        found.append(c.alert_id.in_(wanted.ids))
    if wanted.since_us is not None:
        found.append(c.raised_us >= wanted.since_us)
    if wanted.text:
        # reasons are kept as JSON: what stands in them is escaped in the same way
        escaped = msgspec.json.encode(wanted.text)[1:-1].decode()
        found.append(
            or_(
                c.entity.icontains(wanted.text, autoescape=True),
                c.reasons.icontains(escaped, autoescape=True),
            )
        )
    return found


def find_alert(database: Database, tenant: str, alert_id: str) -> dict[str, Any] | None:
    """One alert as an OCSF finding, None if the tenant has no such."""
    query = select(alerts).where(alerts.c.tenant == tenant, alerts.c.alert_id == alert_id)
    with database.read() as connection:
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return finding(dict(row) | {"learning": row["day"] < learning_until(connection, tenant)})


def find_receipt(database: Database, tenant: str, alert_id: str) -> bytes | None:
    """The newest receipt of an alert (`serving.receipts`) as JSON, None if the tenant has none."""
    c = receipts.c
    query = select(c.body).where(c.tenant == tenant, c.alert_id == alert_id)
    with database.read() as connection:
        packed = connection.execute(query).scalar()
    if packed is None:
        return None
    return zstandard.ZstdDecompressor().decompress(bytes(packed), max_output_size=RECEIPT_BYTES)


def newest_day(connection: Connection, tenant: str) -> int | None:
    """The last closed day, days since 1970; None before there is one."""
    c = entity_days.c
    return connection.execute(select(func.max(c.day)).where(c.tenant == tenant)).scalar()


def find_days(
    database: Database, tenant: str, entity_kind: str, entity: str, limit: int
) -> list[dict[str, Any]]:
    """Closed days of an entity, newest first; parts of a day that arrived late are rows of their own.

    Days are asked for by number, as the key of the table leads with them: O(days log rows), however many
    entities a day has.
    """
    c = entity_days.c
    rows: list[RowMapping] = []
    with database.read() as connection:
        of_tenant = c.tenant == tenant
        oldest, newest = connection.execute(select(func.min(c.day), func.max(c.day)).where(of_tenant)).one()
        until = newest
        while until is not None and until >= oldest and len(rows) < limit:
            days = range(until, max(until - DAYS_AT_ONCE, oldest - 1), -1)
            query = (
                select(entity_days)
                .where(of_tenant, c.day.in_(days), c.entity_kind == entity_kind, c.entity == entity)
                .order_by(c.day.desc(), c.closed_on.desc())
                .limit(limit - len(rows))
            )
            rows += connection.execute(query).mappings().all()
            until = days[-1] - 1
    return [
        {
            "day": day_of(row["day"]).isoformat(),
            "risk": row["risk"],
            "alert": row["alert"],
            "n_events": row["n_events"],
            "reasons": msgspec.json.decode(row["reasons"]),
            "open": False,
        }
        for row in rows
    ]


def finding(row: dict[str, Any]) -> dict[str, Any]:
    """An alert as an OCSF Detection Finding (class 2004, schema 1.8.0); times are milliseconds UTC."""
    kind, entity = row["entity_kind"], row["entity"]
    day = day_of(row["day"])
    start_ms = 86_400_000 * int(row["day"])
    reasons: list[str] = msgspec.json.decode(row["reasons"])
    evidence = {
        "user": {"user": {"name": entity}},
        "host": {"device": {"hostname": entity, "type_id": 0}},
        "src_ip": {"src_endpoint": {"ip": entity}},
    }.get(kind, {"name": entity})
    severity, state = severity_of(row["risk"]), row["state"]
    incident: dict[str, Any] = {}
    learning = {"learning": row["learning"]} if "learning" in row else {}
    if row["verdict_id"] is not None:
        incident |= {"verdict_id": row["verdict_id"], "verdict": VERDICTS[row["verdict_id"]]}
    if row["assignee"]:
        incident["assignee"] = {"name": row["assignee"]}
    return {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        **_activity(state, row["version"]),
        "time": row["raised_us"] // 1000,
        "start_time": start_ms,
        "end_time": start_ms + 86_399_999,
        "severity_id": severity,
        "severity": SEVERITY[severity],
        "status_id": STATUS[state][0],
        "status": STATUS[state][1],
        **incident,
        "is_alert": True,
        "risk_score": round(row["risk"]),
        "risk_details": "; ".join(reasons[:3]),
        "message": f"{kind} {entity} departed from its habits on {day.isoformat()}",
        "finding_info": {
            "uid": row["alert_id"],
            "title": f"Unusual day of {kind} {entity}",
            "desc": "; ".join(reasons),
            "created_time": row["raised_us"] // 1000,
            "modified_time": row["updated_us"] // 1000,
            "analytic": {"name": "habitus entity-day", "type_id": 2, "type": "Behavioral"},
        },
        "evidences": [evidence],
        "metadata": {
            "version": _OCSF_VERSION,
            "uid": row["alert_id"],
            "tenant_uid": row["tenant"],
            "profiles": ["incident"],
            "product": {"name": "habitus", "vendor_name": "habitus"},
        },
        "unmapped": {
            "entity_kind": kind,
            "entity": entity,
            "day": day.isoformat(),
            "risk": row["risk"],
            "n_events": row["n_events"],
            "reasons": reasons,
            "state": state,
            "version": row["version"],
            "incident_id": row.get("incident_id", ""),
            "disagrees": bool(row.get("disagrees")),
            "why": row.get("why", ""),
            **learning,
            "first_time": _ms(row["first_us"]),
            "acknowledged_time": _ms(row["acknowledged_us"]),
            "contained_time": _ms(row["contained_us"]),
            "closed_time": _ms(row["closed_us"]),
        },
    }


def _ms(moment_us: int | None) -> int | None:
    return None if moment_us is None else moment_us // 1000


def _activity(state: str, version: int) -> dict[str, Any]:
    """OCSF activity: created, updated by somebody, or closed."""
    number = 3 if state == "closed" else 2 if version else 1
    return {"activity_id": number, "type_uid": 200400 + number}
