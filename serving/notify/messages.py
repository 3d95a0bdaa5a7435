"""What a notification says: JSON for machines, plain text for people."""

from __future__ import annotations

from typing import Any

import msgspec

from serving.text import printable
from serving.triage.words import SEVERITY

_HARMLESS = str.maketrans({"@": "@\u2060", "<": "\u2039", ">": "\u203a", "`": "'"})
"""Chat services make mentions, links and blocks of these."""
TEXT_ALERTS = 20
REASONS = 3
TEST = "test"
RAISED = "alert.raised"
OPENED, UPDATED = "incident.opened", "incident.updated"
INCIDENT_CLASS = 2005
"""OCSF class_uid of an Incident Finding."""


def body(kind: str, key: str, alerts: list[dict[str, Any]]) -> bytes:
    """For webhooks: {"type", "key", "alerts": OCSF Detection Findings} and "incidents": OCSF Incident
    Findings, where there are some; more than one of them is a digest.
    """
    name = "digest" if kind != TEST and len(alerts) > 1 else kind
    incidents = [one for one in alerts if one.get("class_uid") == INCIDENT_CLASS]
    told: dict[str, Any] = {"type": name, "key": key}
    told["alerts"] = [one for one in alerts if one.get("class_uid") != INCIDENT_CLASS]
    if incidents:
        told["incidents"] = incidents
    return msgspec.json.encode(told, order="deterministic")


def plain(text: str, most: int = 300) -> str:
    """Text from an event that mentions nobody and links nowhere in a chat."""
    return printable(text[:most]).translate(_HARMLESS).replace("://", ":\u2060//")


def text(kind: str, key: str, alerts: list[dict[str, Any]]) -> tuple[str, str]:
    """Title and text for people."""
    if kind == TEST:
        return "habitus: a test", f"This channel works.\n\n{key}"
    lines = []
    for alert in alerts[:TEXT_ALERTS]:
        own = alert["unmapped"]
        severity = SEVERITY[alert["severity_id"]]
        if alert.get("class_uid") == INCIDENT_CLASS:
            heading = plain(alert["message"])
            name = f"incident {own['incident_id']}, alerts: {own['n_alerts']}"
        else:
            heading = f"{own['entity_kind']} {plain(own['entity'])} on {own['day']}"
            name = f"alert {alert['finding_info']['uid']}"
        lines.append(f"{severity}: {heading}")
        lines += [f"  - {plain(reason)}" for reason in own["reasons"][:REASONS]]
        lines.append(f"  {name}")
    if len(alerts) > TEXT_ALERTS:
        lines.append(f"and {len(alerts) - TEXT_ALERTS} more")
    if len(alerts) == 1 and alerts[0].get("class_uid") == INCIDENT_CLASS:
        again = "incident goes on" if kind == UPDATED else "new incident"
        title = f"habitus: {again}: {plain(alerts[0]['message'], 100)}"
    elif len(alerts) == 1:
        own = alerts[0]["unmapped"]
        title = f"habitus: {own['entity_kind']} {plain(own['entity'], 80)} departed from its habits"
    else:
        incidents = sum(alert.get("class_uid") == INCIDENT_CLASS for alert in alerts)
        title = f"habitus: {len(alerts)} {'incidents' if incidents == len(alerts) else 'alerts'}"
    return title, "\n".join([*lines, "", key])


def trial_finding(tenant: str) -> dict[str, Any]:
    """What tells whether a channel of alerts works: an alert that says that it is none."""
    return {
        "severity_id": 1,
        "time": 0,
        "start_time": 0,
        "end_time": 0,
        "finding_info": {"uid": "test", "title": "A test of this channel"},
        "metadata": {"tenant_uid": tenant},
        "unmapped": {
            "entity_kind": "user",
            "entity": "nobody",
            "day": "1970-01-01",
            "risk": 0.0,
            "n_events": 0,
            "reasons": ["a test: nothing happened"],
        },
    }
