"""Paths and schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http import (
    openapi_acting,
    openapi_console,
    openapi_context,
    openapi_except,
    openapi_incidents,
    openapi_notify,
    openapi_triage,
    openapi_weights,
)
from serving.http.openapi_parts import KIND, in_path, in_query, json_answer, ref, refusals
from serving.queries import SORTS
from serving.triage.words import STATES

_INGEST = refusals("400", "401", "403", "408", "413", "415", "429", "503")
_READ = refusals("400", "401", "403", "404", "429", "503")
_EVENTS = {
    "required": True,
    "description": "Content-Encoding gzip, deflate or zstd is understood.",
    "content": {
        "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        "application/x-ndjson": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
    },
}
_SOURCE = {
    "name": "source",
    "in": "query",
    "description": "Log source of all records; auto looks at them.",
    "schema": {"type": "string", "default": "auto"},
}


def _open(summary: str, content_type: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "get": {
            "summary": summary,
            "security": [],
            "responses": {
                "200": {"description": "OK", "content": {content_type: {"schema": schema}}},
                **more,
            },
        }
    }


_LIMIT = in_query("limit", "Most rows", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
_BULK: dict[str, Any] = {
    "summary": "Send events as Elasticsearch shippers do",
    "description": "Every item is taken; errors is always false. Busy is 503 for the whole request.",
    "requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
    "responses": {
        "200": json_answer("On disk", ref("BulkAnswer")),
        **refusals("400", "401", "403", "408", "413", "415", "503"),
    },
}
_INDEX = {"name": "index", "in": "path", "required": True, "schema": {"type": "string"}}
_HEC: dict[str, Any] = {
    "summary": "Send events as to Splunk's HTTP Event Collector",
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {}}, "text/plain": {"schema": {}}},
    },
    "responses": {
        "200": json_answer("On disk", ref("HecAnswer")),
        **{
            status: json_answer(about["description"], ref("HecAnswer"))
            for status, about in refusals("400", "401", "403", "408", "413", "415", "503").items()
        },
    },
}

PATHS: dict[str, dict[str, Any]] = {
    "/v1/events": {
        "post": {
            "summary": "Send events; answered when they are on disk",
            "parameters": [_SOURCE],
            "requestBody": _EVENTS,
            "responses": {"202": json_answer("On disk and decoded", ref("Counts")), **_INGEST},
        }
    },
    "/v1/score": {
        "post": {
            "summary": "Score events in the order sent, and learn from them",
            "parameters": [
                _SOURCE,
                {
                    "name": "learn",
                    "in": "query",
                    "description": "false changes nothing and keeps nothing.",
                    "schema": {"type": "boolean", "default": True},
                },
            ],
            "requestBody": _EVENTS,
            "responses": {
                "200": json_answer("One score a record", {"type": "array", "items": ref("EventScore")}),
                **_INGEST,
            },
        }
    },
    "/_bulk": {"post": _BULK, "put": _BULK},
    "/{index}/_bulk": {
        "post": {**_BULK, "parameters": [_INDEX]},
        "put": {**_BULK, "parameters": [_INDEX]},
    },
    "/v1/logs": {
        "post": {
            "summary": "OTLP/HTTP logs",
            "requestBody": {
                "required": True,
                "content": {
                    "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
                    "application/json": {"schema": {"type": "object"}},
                },
            },
            "responses": {
                status: {
                    "description": about["description"],
                    "content": {"application/x-protobuf": {"schema": {}}, "application/json": {"schema": {}}},
                }
                for status, about in {"200": {"description": "On disk"}, **_INGEST}.items()
            },
        }
    },
    "/v1/usage": {
        "get": {
            "summary": "The tenant's ledger, what was shed and forgotten, and its limits",
            "responses": {"200": json_answer("Numbers", {"type": "object"}), **_READ},
        }
    },
    "/v1/alerts": {
        "get": {
            "summary": "Alerts as OCSF Detection Findings, newest day first unless sorted otherwise",
            "parameters": [
                in_query("from", "First day (UTC), YYYY-MM-DD", {"type": "string", "format": "date"}),
                in_query("to", "Last day", {"type": "string", "format": "date"}),
                in_query("entity_kind", "Only of this kind", KIND),
                in_query("entity", "Only of this entity, by its name", {"type": "string"}),
                in_query("min_risk", "Least risk", {"type": "number", "minimum": 0}),
                in_query(
                    "min_severity", "Least severity_id", {"type": "integer", "minimum": 1, "maximum": 5}
                ),
                in_query("state", f"Any of {', '.join(STATES)}, with commas", {"type": "string"}),
                in_query("assignee", "Who has it; empty for those that nobody has", {"type": "string"}),
                in_query("verdict_id", "OCSF verdict_id, or `none`", {"type": "string"}),
                in_query("text", "In the entity's name or a reason", {"type": "string", "maxLength": 200}),
                in_query("ids", "Only these, at most 200, with commas", {"type": "string"}),
                in_query("since", "Raised at or after this moment, ISO 8601", {"type": "string"}),
                in_query("sort", "Highest or newest first", {"enum": list(SORTS), "default": "day"}),
                _LIMIT,
                in_query("after", "`next` of the page before", {"type": "string"}),
                in_query(
                    "fields",
                    "queue: a few fields of each, with the entity's last 14 days; limit to 10,000",
                    {"enum": ["", "queue"]},
                ),
                in_query(
                    "sparks",
                    "How many lines of the queue, from the first, come with their last 14 days",
                    {"type": "integer", "minimum": 0, "maximum": 2000, "default": 2000},
                ),
            ],
            "responses": {"200": json_answer("A page", ref("Alerts")), **_READ},
        }
    },
    "/v1/alerts/{alert_id}": {
        "get": {
            "summary": "One alert",
            "parameters": [in_path("alert_id", {"type": "string"})],
            "responses": {"200": json_answer("The finding", ref("Finding")), **_READ},
        }
    },
    "/v1/alerts/{alert_id}/receipt": {
        "get": {
            "summary": "What an alert's risk was made of; `habitus explain` works it out again",
            "parameters": [in_path("alert_id", {"type": "string"})],
            "responses": {"200": json_answer("The receipt", {"type": "object"}), **_READ},
        }
    },
    "/v1/metrics/soc": {
        "get": {
            "summary": "How fast and how well alerts are worked on; definitions in docs/triage.md",
            "parameters": [
                in_query("from", "Alerts raised at or after this moment, ISO 8601", {"type": "string"}),
                in_query("to", "And before this one; by default the last 30 days", {"type": "string"}),
            ],
            "responses": {"200": json_answer("Numbers", {"type": "object"}), **_READ},
        }
    },
    "/v1/entities/{kind}/{entity}": {
        "get": {
            "summary": "Days of an entity, newest first, the open one included",
            "parameters": [in_path("kind", KIND), in_path("entity", {"type": "string"}), _LIMIT],
            "responses": {"200": json_answer("Its days", ref("Entity")), **_READ},
        }
    },
    "/v1/baselines/{entity}": {
        "get": {
            "summary": "What is normal for a user, host or address",
            "parameters": [in_path("entity", {"type": "string"}), _LIMIT],
            "responses": {"200": json_answer("Its habits, heaviest first", ref("Baseline")), **_READ},
        }
    },
    "/services/collector": {"post": _HEC},
    "/services/collector/event": {"post": _HEC},
    "/services/collector/raw": {"post": _HEC},
    "/services/collector/health": _open(
        "Can events be sent?",
        "application/json",
        ref("HecAnswer"),
        **{"503": json_answer("Not now", ref("HecAnswer"))},
    ),
    "/healthz": _open("Is the process alive?", "application/json", {"type": "object"}),
    "/readyz": _open(
        "Is recovery done, and can events be taken?",
        "application/json",
        {"type": "object"},
        **{"503": json_answer("Not now", {"type": "object"})},
    ),
    "/metrics": _open("Prometheus metrics", "text/plain", {"type": "string"}),
    **openapi_acting.PATHS,
    **openapi_triage.PATHS,
    **openapi_notify.PATHS,
    **openapi_except.PATHS,
    **openapi_weights.PATHS,
    **openapi_incidents.PATHS,
    **openapi_console.PATHS,
    **openapi_context.PATHS,
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Error": {
        "type": "object",
        "required": ["error", "status"],
        "properties": {"error": {}, "status": {"type": "integer"}},
    },
    "Counts": {
        "type": "object",
        "description": "received = accepted + duplicate + quarantined; late is part of accepted.",
        "required": ["received", "accepted", "duplicate", "quarantined", "late"],
        "properties": {
            name: {"type": "integer", "minimum": 0}
            for name in ("received", "accepted", "duplicate", "quarantined", "late")
        },
    },
    "EventScore": {
        "type": "object",
        "required": [
            "event_uid",
            "time",
            "risk",
            "evidence",
            "p_value",
            "top_channel",
            "reason",
            "held",
            "outcome",
        ],
        "properties": {
            "event_uid": {"type": "string"},
            "time": {"type": "string", "description": "ISO 8601, UTC"},
            "risk": {"type": "number", "minimum": 0, "maximum": 100},
            "evidence": {"type": "number", "description": "nats"},
            "p_value": {"type": "number", "minimum": 0, "maximum": 1},
            "top_channel": {"type": "string"},
            "reason": {"type": "string"},
            "held": {"type": "boolean", "description": "Waits for clearance before it is learned"},
            "outcome": {"enum": ["scored", "late", "duplicate", "quarantined"]},
        },
    },
    "BulkAnswer": {
        "type": "object",
        "required": ["took", "errors", "items"],
        "properties": {
            "took": {"type": "integer", "minimum": 0},
            "errors": {"const": False},
            "items": {"type": "array", "items": {"type": "object"}},
        },
    },
    "HecAnswer": {
        "type": "object",
        "required": ["text", "code"],
        "properties": {
            "text": {"type": "string"},
            "code": {"type": "integer"},
            "ackId": {"type": "integer"},
        },
    },
    "Alerts": {
        "type": "object",
        "required": ["alerts", "next"],
        "properties": {
            "alerts": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
            "next": {"type": ["string", "null"]},
        },
    },
    "Finding": {
        "type": "object",
        "description": "OCSF 1.8 Detection Finding (class 2004); what is habitus' own stands in `unmapped`.",
        "required": ["class_uid", "time", "severity_id", "finding_info", "metadata"],
        "properties": {
            "class_uid": {"const": 2004},
            "time": {"type": "integer"},
            "severity_id": {"type": "integer", "minimum": 0, "maximum": 6},
            "finding_info": {"type": "object", "required": ["uid", "title"]},
            "metadata": {"type": "object"},
        },
    },
    "Entity": {
        "type": "object",
        "required": ["entity_kind", "entity", "days"],
        "properties": {
            "entity_kind": {"type": "string"},
            "entity": {"type": "string"},
            "days": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["day", "risk", "alert", "n_events", "reasons", "open"],
                },
            },
        },
    },
    "Baseline": {
        "type": "object",
        "required": ["entity", "habits", "total"],
        "properties": {
            "entity": {"type": "string"},
            "habits": {"type": "array", "items": {"type": "object"}},
            "total": {"type": "integer", "minimum": 0},
        },
    },
    **openapi_acting.SCHEMAS,
    **openapi_triage.SCHEMAS,
    **openapi_notify.SCHEMAS,
    **openapi_except.SCHEMAS,
    **openapi_weights.SCHEMAS,
    **openapi_incidents.SCHEMAS,
    **openapi_console.SCHEMAS,
    **openapi_context.SCHEMAS,
}
