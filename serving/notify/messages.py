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


def body(kind: str, key: str, alerts: list[dict[str, Any]]) -> bytes:
    """For webhooks: {"type", "key", "alerts": OCSF findings}; more than one alert is a digest."""
    name = "digest" if kind == RAISED and len(alerts) > 1 else kind
    return msgspec.json.encode({"type": name, "key": key, "alerts": alerts}, order="deterministic")


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
        lines.append(f"{severity}: {own['entity_kind']} {plain(own['entity'])} on {own['day']}")
        lines += [f"  - {plain(reason)}" for reason in own["reasons"][:REASONS]]
        lines.append(f"  alert {alert['finding_info']['uid']}")
    if len(alerts) > TEXT_ALERTS:
        lines.append(f"and {len(alerts) - TEXT_ALERTS} more")
    if len(alerts) == 1:
        own = alerts[0]["unmapped"]
        title = f"habitus: {own['entity_kind']} {plain(own['entity'], 80)} departed from its habits"
    else:
        title = f"habitus: {len(alerts)} alerts"
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
