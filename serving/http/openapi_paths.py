"""Paths and schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
_RETRY = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}


def _refusals(*statuses: str) -> dict[str, Any]:
    known: dict[str, Any] = {
        "400": {"description": "The request cannot be read; the message says why", "content": _ERROR},
        "401": {"description": "No key, or one that is not known or was revoked", "content": _ERROR},
        "403": {"description": "The key's role does not allow this", "content": _ERROR},
        "404": {"description": "There is no such thing in this tenant", "content": _ERROR},
        "408": {"description": "The body did not arrive in time", "content": _ERROR},
        "413": {"description": "Over a limit, which the message names", "content": _ERROR},
        "415": {"description": "A content type or encoding that is not supported", "content": _ERROR},
        "429": {"description": "Busy: nothing was kept, send it again", "content": _ERROR, "headers": _RETRY},
        "503": {
            "description": "Cannot write, or busy: nothing was kept",
            "content": _ERROR,
            "headers": _RETRY,
        },
    }
    return {status: known[status] for status in statuses}


_INGEST = _refusals("400", "401", "403", "408", "413", "415", "429", "503")
_READ = _refusals("400", "401", "403", "404", "429", "503")
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


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


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


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_KIND = {"type": "string", "enum": ["user", "host", "src_ip"]}
_LIMIT = _query("limit", "Most rows", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
_BULK: dict[str, Any] = {
    "summary": "Send events as Elasticsearch shippers do",
    "description": "Every item is taken; errors is always false. Busy is 503 for the whole request.",
    "requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
    "responses": {
        "200": _json("On disk", _ref("BulkAnswer")),
        **_refusals("400", "401", "403", "408", "413", "415", "503"),
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
        "200": _json("On disk", _ref("HecAnswer")),
        **{
            status: _json(about["description"], _ref("HecAnswer"))
            for status, about in _refusals("400", "401", "403", "408", "413", "415", "503").items()
        },
    },
}

PATHS: dict[str, dict[str, Any]] = {
    "/v1/events": {
        "post": {
            "summary": "Send events; answered when they are on disk",
            "parameters": [_SOURCE],
            "requestBody": _EVENTS,
            "responses": {"202": _json("On disk and decoded", _ref("Counts")), **_INGEST},
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
                "200": _json("One score a record", {"type": "array", "items": _ref("EventScore")}),
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
    "/v1/alerts": {
        "get": {
            "summary": "Alerts as OCSF Detection Findings, newest day first",
            "parameters": [
                _query("from", "First day (UTC), YYYY-MM-DD", {"type": "string", "format": "date"}),
                _query("to", "Last day", {"type": "string", "format": "date"}),
                _query("entity_kind", "Only of this kind", _KIND),
                _query("min_risk", "Least risk", {"type": "number", "minimum": 0}),
                _LIMIT,
                _query("after", "`next` of the page before", {"type": "string"}),
            ],
            "responses": {"200": _json("A page", _ref("Alerts")), **_READ},
        }
    },
    "/v1/alerts/{alert_id}": {
        "get": {
            "summary": "One alert",
            "parameters": [_path("alert_id", {"type": "string"})],
            "responses": {"200": _json("The finding", _ref("Finding")), **_READ},
        }
    },
    "/v1/entities/{kind}/{entity}": {
        "get": {
            "summary": "Days of an entity, newest first, the open one included",
            "parameters": [_path("kind", _KIND), _path("entity", {"type": "string"}), _LIMIT],
            "responses": {"200": _json("Its days", _ref("Entity")), **_READ},
        }
    },
    "/v1/baselines/{entity}": {
        "get": {
            "summary": "What is normal for a user, host or address",
            "parameters": [_path("entity", {"type": "string"}), _LIMIT],
            "responses": {"200": _json("Its habits, heaviest first", _ref("Baseline")), **_READ},
        }
    },
    "/services/collector": {"post": _HEC},
    "/services/collector/event": {"post": _HEC},
    "/services/collector/raw": {"post": _HEC},
    "/services/collector/health": _open(
        "Can events be sent?",
        "application/json",
        _ref("HecAnswer"),
        **{"503": _json("Not now", _ref("HecAnswer"))},
    ),
    "/healthz": _open("Is the process alive?", "application/json", {"type": "object"}),
    "/readyz": _open(
        "Is recovery done, and can events be taken?",
        "application/json",
        {"type": "object"},
        **{"503": _json("Not now", {"type": "object"})},
    ),
    "/metrics": _open("Prometheus metrics", "text/plain", {"type": "string"}),
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
}
