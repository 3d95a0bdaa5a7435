"""An incident as an OCSF Incident Finding (class 2005, schema 1.8.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from models.incidents.attack import Likely, ocsf_attacks
from models.incidents.story import Description
from serving.days import DAY_US, day_of
from serving.incidents.rows import body_of
from serving.triage.words import SEVERITY, STATUS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Sequence

_OCSF_VERSION = "1.8.0"


def description_of(row: dict[str, Any]) -> Description:
    """What the incident is about."""
    return msgspec.convert(body_of(row)["description"], Description)


def incident_finding(row: dict[str, Any], links: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """A row of the incidents as JSON has it; times are milliseconds UTC.

    links: its alerts, rows of `incident_alerts`; for the short form they are left out.
    """
    told = description_of(row)
    parties: list[str] = msgspec.json.decode(row["entities"])
    kind, _, entity = parties[0].partition(":")
    state, severity = row["state"], row["severity_id"]
    more: dict[str, Any] = {}
    if row["verdict_id"] is not None:
        more |= {"verdict_id": row["verdict_id"], "verdict": VERDICTS[row["verdict_id"]]}
    if row["assignee"]:
        more["assignee"] = {"name": row["assignee"]}
    if attacks := ocsf_attacks([Likely(*one) for one in told.techniques]):
        more["attacks"] = attacks
    activity = 3 if state == "closed" else 2 if row["updated_us"] > row["opened_us"] else 1
    return {
        "class_uid": 2005,
        "class_name": "Incident Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": activity,
        "type_uid": 200500 + activity,
        "time": row["opened_us"] // 1000,
        "start_time": row["first_us"] // 1000,
        "end_time": row["last_us"] // 1000,
        "severity_id": severity,
        "severity": SEVERITY[severity],
        "status_id": STATUS[state][0],
        "status": STATUS[state][1],
        **more,
        "message": told.title,
        "desc": " ".join(told.story),
        "finding_info_list": [_about(link) for link in links]
        or [{"uid": row["incident_id"], "title": told.title}],
        "metadata": {
            "version": _OCSF_VERSION,
            "uid": row["incident_id"],
            "tenant_uid": row["tenant"],
            "product": {"name": "habitus", "vendor_name": "habitus"},
        },
        "unmapped": {
            "incident_id": row["incident_id"],
            "entity_kind": kind,
            "entity": entity,
            "entities": parties,
            "day": day_of(row["last_us"] // DAY_US).isoformat(),
            "risk": row["risk"],
            "n_events": row["events"],
            "n_alerts": row["alerts"],
            "reasons": [moment.says for moment in sorted(told.timeline, key=lambda one: -one.nats)[:5]],
            "techniques": msgspec.json.decode(row["techniques"]),
            "stages": told.stages,
            "state": state,
            "active": row["active"],
            "closed_for": row["closed_for"],
            "updated_time": row["updated_us"] // 1000,
        },
    }


def _about(link: dict[str, Any]) -> dict[str, Any]:
    day = day_of(link["day"]).isoformat()
    return {
        "uid": link["alert_id"],
        "title": f"Unusual day of {link['entity_kind']} {link['entity']}",
        "desc": f"{link['entity_kind']} {link['entity']} on {day}",
    }
