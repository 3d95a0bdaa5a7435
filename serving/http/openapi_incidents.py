"""Paths and schemas of `serving.http.incidents` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http.openapi_parts import KIND, in_path, in_query, json_answer, ref, refusals
from serving.incidents.lookup import SORTS
from serving.triage.words import REASON_LENGTH, STATES, VERDICTS

_TEXT = {"type": "string"}
_READ = refusals("400", "401", "403", "404", "503")
_REFUSED = refusals("400", "401", "403", "404", "408", "409", "413", "415", "429", "503")
_INCIDENT = in_path("incident_id", _TEXT)
_ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key judges what failed before and changes nothing else",
    "schema": {"type": "string", "maxLength": 200},
}

PATHS: dict[str, dict[str, Any]] = {
    "/v1/incidents": {
        "get": {
            "summary": "Incidents as OCSF Incident Findings, the latest first unless sorted otherwise",
            "parameters": [
                in_query("from", "That last to this moment or longer (event time), ISO 8601", _TEXT),
                in_query("to", "That begin at this moment or before", _TEXT),
                in_query("entity_kind", "With an entity of this kind", KIND),
                in_query("entity", "With this entity, by its name", _TEXT),
                in_query("technique", "With this ATT&CK technique or one of its sub-techniques", _TEXT),
                in_query("active", "Whether it still takes in alerts", {"type": "boolean"}),
                in_query(
                    "min_severity", "Least severity_id", {"type": "integer", "minimum": 1, "maximum": 5}
                ),
                in_query("min_risk", "Least risk", {"type": "number", "minimum": 0}),
                in_query("state", f"Any of {', '.join(STATES)}, with commas", _TEXT),
                in_query("assignee", "Who has all of its alerts; empty for nobody", _TEXT),
                in_query("verdict_id", "OCSF verdict_id, or `none`", _TEXT),
                in_query("text", "In the title or an entity's name", {"type": "string", "maxLength": 200}),
                in_query("sort", "Highest or newest first", {"enum": list(SORTS), "default": "last"}),
                in_query(
                    "limit", "Most rows", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
                ),
                in_query("after", "`next` of the page before", _TEXT),
            ],
            "responses": {"200": json_answer("A page", ref("Incidents")), **_READ},
        }
    },
    "/v1/incidents/{incident_id}": {
        "get": {
            "summary": "One incident: story, timeline, scope, techniques, next steps, ties and alerts",
            "description": "An id that was merged into another answers with that one.",
            "parameters": [_INCIDENT],
            "responses": {"200": json_answer("The incident", ref("IncidentInFull")), **_READ},
        }
    },
    "/v1/incidents/{incident_id}/verdict": {
        "post": {
            "summary": "Give the same verdict on all alerts of an incident",
            "parameters": [_INCIDENT, _ONCE],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": ref("IncidentVerdict")}},
            },
            "responses": {"201": json_answer("Given", ref("IncidentJudged")), **_REFUSED},
        },
        "delete": {
            "summary": "Take back the newest verdict on each alert of an incident, and what they did",
            "parameters": [_INCIDENT, _ONCE],
            "responses": {"200": json_answer("Taken back", ref("IncidentJudged")), **_REFUSED},
        },
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Incident": {
        "type": "object",
        "description": "OCSF 1.8 Incident Finding (class 2005); what is habitus' own stands in `unmapped`.",
        "required": ["class_uid", "time", "severity_id", "finding_info_list", "metadata"],
        "properties": {
            "class_uid": {"const": 2005},
            "time": {"type": "integer"},
            "severity_id": {"type": "integer", "minimum": 0, "maximum": 6},
            "finding_info_list": {"type": "array", "items": {"type": "object"}},
            "metadata": {"type": "object"},
        },
    },
    "Incidents": {
        "type": "object",
        "required": ["incidents", "next"],
        "properties": {
            "incidents": {"type": "array", "items": ref("Incident")},
            "next": {"type": ["string", "null"]},
        },
    },
    "IncidentInFull": {
        "type": "object",
        "required": ["incident", "description", "ties", "alerts"],
        "properties": {
            "incident": ref("Incident"),
            "description": {"type": "object"},
            "ties": {"type": "array", "items": {"type": "object"}},
            "alerts": {"type": "array", "items": ref("Finding")},
        },
    },
    "IncidentVerdict": {
        "type": "object",
        "required": ["verdict_id"],
        "additionalProperties": False,
        "properties": {
            "verdict_id": {"enum": list(VERDICTS)},
            "reason": {**_TEXT, "maxLength": REASON_LENGTH},
            "state": {"enum": ["", *STATES[1:]]},
            "unlearn": {"type": "boolean", "default": False},
        },
    },
    "IncidentJudged": {
        "type": "object",
        "required": ["incident", "verdicts", "failed"],
        "properties": {
            "incident": ref("Incident"),
            "verdicts": {"type": "array", "items": {"type": "object", "required": ["verdict"]}},
            "failed": {"type": "array", "items": {"type": "object", "required": ["alert_id", "error"]}},
        },
    },
}
