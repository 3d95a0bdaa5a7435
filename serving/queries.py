"""What people ask the store: alerts and entity-days of one tenant. Every query names the tenant."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, or_, select

from serving.days import day_of, number_of
from serving.store.tables import alerts, entity_days

if TYPE_CHECKING:
    from serving.store.database import Database

_SEVERITIES = ((12.0, 5), (9.0, 4), (6.0, 3), (3.0, 2))
"""Risk at which a finding is critical, high, medium or low (OCSF severity_id). Risk is the negative natural
logarithm of a tail probability: of e^9, about 8,000 quiet entity-days, one reaches 9 by chance."""
_OCSF_VERSION = "1.8.0"


class Wanted(msgspec.Struct, frozen=True):
    """Which alerts are asked for.

    first, last
        Days (inclusive), None for no bound.
    entity_kind
        "" for all kinds.
    min_risk
        Least risk.
    limit
        Most rows.
    after
        Id of the last alert of the page before, "" for the first page.
    """

    first: date | None = None
    last: date | None = None
    entity_kind: str = ""
    min_risk: float = 0.0
    limit: int = 100
    after: str = ""


def find_alerts(database: Database, tenant: str, wanted: Wanted) -> list[dict[str, Any]]:
    """Alerts as OCSF findings, newest day first and then by risk; nothing after an id that is unknown."""
    c = alerts.c
    conditions = [c.tenant == tenant, c.risk >= wanted.min_risk]
    if wanted.first is not None:
        conditions.append(c.day >= number_of(wanted.first))
    if wanted.last is not None:
        conditions.append(c.day <= number_of(wanted.last))
    if wanted.entity_kind:
        conditions.append(c.entity_kind == wanted.entity_kind)
    with database.read() as connection:
        if wanted.after:
            before = connection.execute(
                select(c.day, c.risk, c.alert_id).where(c.tenant == tenant, c.alert_id == wanted.after)
            ).first()
            if before is None:
                return []
            day, risk, alert_id = before
            conditions.append(
                or_(
                    c.day < day,
                    and_(c.day == day, c.risk < risk),
                    and_(c.day == day, c.risk == risk, c.alert_id > alert_id),
                )
            )
        query = select(alerts).where(*conditions).order_by(c.day.desc(), c.risk.desc(), c.alert_id)
        rows = connection.execute(query.limit(wanted.limit)).mappings().all()
    return [finding(dict(row)) for row in rows]


def find_alert(database: Database, tenant: str, alert_id: str) -> dict[str, Any] | None:
    """One alert as an OCSF finding, None if the tenant has no such."""
    query = select(alerts).where(alerts.c.tenant == tenant, alerts.c.alert_id == alert_id)
    with database.read() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else finding(dict(row))


def find_days(
    database: Database, tenant: str, entity_kind: str, entity: str, limit: int
) -> list[dict[str, Any]]:
    """Closed days of an entity, newest first; parts of a day that arrived late are rows of their own."""
    c = entity_days.c
    query = (
        select(entity_days)
        .where(c.tenant == tenant, c.entity_kind == entity_kind, c.entity == entity)
        .order_by(c.day.desc(), c.closed_on.desc())
        .limit(limit)
    )
    with database.read() as connection:
        rows = connection.execute(query).mappings().all()
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
    return {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "type_uid": 200401,
        "time": row["raised_us"] // 1000,
        "start_time": start_ms,
        "end_time": start_ms + 86_399_999,
        "severity_id": next((severity for bar, severity in _SEVERITIES if row["risk"] >= bar), 1),
        "status_id": 1,
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
            "product": {"name": "habitus", "vendor_name": "habitus"},
        },
        "unmapped": {
            "entity_kind": kind,
            "entity": entity,
            "day": day.isoformat(),
            "risk": row["risk"],
            "n_events": row["n_events"],
            "reasons": reasons,
        },
    }
