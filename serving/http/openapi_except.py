"""Paths and schemas of `serving.http.excepting` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http.openapi_parts import KIND, in_path, in_query, json_answer, ref, refusals

_TEXT = {"type": "string"}
_READ = refusals("400", "401", "403", "404", "503")
_REFUSED = refusals("400", "401", "403", "404", "408", "409", "413", "415", "429", "503")
_BODY = {"required": True, "content": {"application/json": {"schema": ref("NewException")}}}
_ANSWER = ref("Exception")

PATHS: dict[str, dict[str, Any]] = {
    "/v1/exceptions": {
        "get": {
            "summary": "What is not to count although it is odd, newest first",
            "parameters": [
                in_query(
                    "limit",
                    "Most rows",
                    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
                )
            ],
            "responses": {"200": json_answer("Exceptions", {"type": "object"}), **_READ},
        },
        "post": {
            "summary": "Make an exception; one for more than one entity is only proposed",
            "description": "It holds from the next event on, and for what is in the books.",
            "requestBody": _BODY,
            "responses": {"201": json_answer("The exception", _ANSWER), **_REFUSED},
        },
    },
    "/v1/exceptions/preview": {
        "post": {
            "summary": "What an exception would change of the days in the books",
            "requestBody": _BODY,
            "responses": {
                "200": json_answer("Entity-days with their risk after it", {"type": "object"}),
                **_REFUSED,
            },
        }
    },
    "/v1/exceptions/{uid}/approve": {
        "post": {
            "summary": "Let a proposed exception hold; for somebody else than who proposed it",
            "parameters": [in_path("uid", _TEXT)],
            "responses": {"200": json_answer("The exception", _ANSWER), **_REFUSED},
        }
    },
    "/v1/exceptions/{uid}": {
        "delete": {
            "summary": "Take an exception away: what it hid counts again",
            "parameters": [in_path("uid", _TEXT)],
            "responses": {"200": json_answer("The exception", _ANSWER), **_REFUSED},
        }
    },
}

_NAMED: dict[str, Any] = {
    "entity_kind": KIND,
    "entity": {**_TEXT, "description": "Name of the entity, or leave it out and name behaviour and value"},
    "group": {**_TEXT, "description": "Peer group, instead of an entity"},
    "behaviour": {**_TEXT, "description": "A channel's name, or the part of it before the slash"},
    "value": {**_TEXT, "description": "The odd value, or its beginning with * behind it"},
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "NewException": {
        "type": "object",
        "required": ["entity_kind", "until", "reason"],
        "additionalProperties": False,
        "properties": {
            **_NAMED,
            "until": {**_TEXT, "description": "ISO 8601, within 400 days; UTC where there is no zone"},
            "reason": {**_TEXT, "minLength": 1, "maxLength": 2000},
        },
    },
    "Exception": {
        "type": "object",
        "required": ["uid", "state", "wide"],
        "properties": {
            **_NAMED,
            "uid": _TEXT,
            "state": {"enum": ["proposed", "holds", "lifted"]},
            "wide": {"type": "boolean"},
            "until": {"type": "integer"},
        },
    },
}
