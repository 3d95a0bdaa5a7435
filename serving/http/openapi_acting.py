"""Paths and schemas of `serving.http.acting` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http.openapi_parts import KIND, in_path, in_query, json_answer, ref, refusals

_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "description": "ISO 8601; UTC where there is no zone"}
_REFUSED = refusals("400", "401", "403", "404", "408", "413", "415", "429", "503")


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": ref(name)}}}


PATHS: dict[str, dict[str, Any]] = {
    "/v1/entities/{kind}/{entity}/unlearn": {
        "post": {
            "summary": "Take an entity's events of a window out of what is normal",
            "description": "For analysts, scientists and admins. Scores and alerts that were given stay.",
            "parameters": [in_path("kind", KIND), in_path("entity", _TEXT)],
            "requestBody": _body("Window"),
            "responses": {"200": json_answer("Taken back", ref("Unlearned")), **_REFUSED},
        }
    },
    "/v1/keys": {
        "get": {
            "summary": "The tenant's keys, without their secrets; for admins",
            "responses": {"200": json_answer("Oldest first", ref("Keys")), **_REFUSED},
        },
        "post": {
            "summary": "Make a key; for admins. It is shown this once",
            "requestBody": _body("NewKey"),
            "responses": {"201": json_answer("The key", ref("Key")), **_REFUSED},
        },
    },
    "/v1/keys/{key_id}": {
        "delete": {
            "summary": "Make a key invalid for good; for admins",
            "parameters": [in_path("key_id", _TEXT)],
            "responses": {"204": {"description": "It is invalid"}, **_REFUSED},
        }
    },
    "/v1/audit": {
        "get": {
            "summary": "Who did what, newest first; for admins",
            "description": "Each line's hash seals it and the line before it, of all tenants.",
            "parameters": [
                in_query(
                    "limit",
                    "Most lines",
                    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
                ),
                in_query("before", "`next` of the page before", {"type": "integer", "minimum": 1}),
            ],
            "responses": {"200": json_answer("A page", ref("Audit")), **_REFUSED},
        }
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Window": {"type": "object", "required": ["from", "to"], "properties": {"from": _MOMENT, "to": _MOMENT}},
    "Unlearned": {
        "type": "object",
        "properties": {
            "entity_kind": KIND,
            "entity": _TEXT,
            "from": {**_MOMENT, "description": "As far back as what was learned is kept"},
            "to": _MOMENT,
            "events": {"type": "integer", "minimum": 0},
            "never_learned": {"type": "integer", "minimum": 0, "description": "Of those, held back"},
            "missing_weight": {"type": "number", "description": "What had faded or was dropped already"},
        },
    },
    "NewKey": {
        "type": "object",
        "required": ["role"],
        "properties": {
            "role": {"enum": ["collector", "analyst", "scientist", "admin"]},
            "label": {"type": "string", "maxLength": 120},
        },
    },
    "Key": {"type": "object", "required": ["key"], "properties": {"key": _TEXT}},
    "Keys": {
        "type": "object",
        "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
    },
    "Audit": {
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": {"type": "object"}},
            "next": {"type": ["integer", "null"]},
        },
    },
}
