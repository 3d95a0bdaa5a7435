"""Paths and schemas of `serving.http.notifying` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http.openapi_parts import in_path, in_query, json_answer, ref, refusals

_TEXT = {"type": "string"}
_READ = refusals("400", "401", "403", "404", "503")
_REFUSED = refusals("400", "401", "403", "404", "408", "413", "415", "429", "503")
_CHANNEL = in_path("channel_id", _TEXT)

PATHS: dict[str, dict[str, Any]] = {
    "/v1/channels": {
        "get": {
            "summary": "Where the tenant's alerts are sent, without secrets; for admins",
            "responses": {"200": json_answer("Oldest first", {"type": "object"}), **_READ},
        },
        "post": {
            "summary": "Send alerts somewhere; for admins. A webhook's secret is shown this once",
            "description": "Webhooks are signed as Standard Webhooks has it; see docs/triage.md.",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": ref("NewChannel")}},
            },
            "responses": {"201": json_answer("The channel", {"type": "object"}), **_REFUSED},
        },
    },
    "/v1/channels/{channel_id}": {
        "delete": {
            "summary": "Send nothing there any more; for admins",
            "parameters": [_CHANNEL],
            "responses": {"204": {"description": "Removed"}, **_REFUSED},
        }
    },
    "/v1/channels/{channel_id}/test": {
        "post": {
            "summary": "Send a test message; for admins. /v1/notifications says what became of it",
            "parameters": [_CHANNEL],
            "responses": {"202": json_answer("Its key", {"type": "object"}), **_REFUSED},
        }
    },
    "/v1/channels/{channel_id}/retry": {
        "post": {
            "summary": "Try again what was given up; for admins",
            "parameters": [_CHANNEL],
            "responses": {"202": json_answer("How many messages", {"type": "object"}), **_REFUSED},
        }
    },
    "/v1/notifications": {
        "get": {
            "summary": "What became of messages, newest first",
            "parameters": [
                in_query("channel_id", "Only of this channel", _TEXT),
                in_query("state", "Only these", {"enum": ["", "waiting", "sent", "dead"]}),
                in_query(
                    "limit",
                    "Most rows",
                    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
                ),
            ],
            "responses": {"200": json_answer("Messages", {"type": "object"}), **_READ},
        }
    },
}

_SEVERITY = {"type": "integer", "minimum": 1, "maximum": 5}
_TIME = {"type": "string", "pattern": "^([0-9]{1,2}:[0-9]{2})?$"}

SCHEMAS: dict[str, dict[str, Any]] = {
    "NewChannel": {
        "type": "object",
        "required": ["kind", "target"],
        "additionalProperties": False,
        "properties": {
            "kind": {"enum": ["webhook", "syslog", "apprise"]},
            "label": {**_TEXT, "maxLength": 120},
            "target": {
                "type": "object",
                "additionalProperties": False,
                "description": "webhook: url, secret (one is made if there is none); syslog: host, port,"
                " transport (CEF in RFC 5424); apprise: url of an allowed scheme",
                "properties": {
                    "url": _TEXT,
                    "secret": _TEXT,
                    "host": _TEXT,
                    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                    "transport": {"enum": ["udp", "tcp", "tls"]},
                },
            },
            "rules": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "about": {"enum": ["incidents", "alerts"], "default": "incidents"},
                    "min_severity": _SEVERITY,
                    "per_hour": {"type": "integer", "minimum": 1, "maximum": 3600},
                    "quiet_from": _TIME,
                    "quiet_to": _TIME,
                    "time_zone": _TEXT,
                    "urgent_severity": {"type": "integer", "minimum": 1, "maximum": 6},
                },
            },
        },
    },
}
