"""Paths and schemas of `serving.http.weighing` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from models.feedback.weights import BOUND
from serving.http.openapi_parts import in_query, json_answer, ref, refusals

_READ = refusals("400", "401", "403", "503")
_REFUSED = refusals("400", "401", "403", "408", "413", "415", "429", "503")
_REASON = {"type": "string", "minLength": 1, "maxLength": 2000}
_ANSWER = {
    "type": "object",
    "required": ["weights"],
    "properties": {"weights": {"oneOf": [ref("Weights"), {"type": "null"}]}},
}

PATHS: dict[str, dict[str, Any]] = {
    "/v1/weights": {
        "get": {
            "summary": "How much the evidence of each cause counts; null when all counts the same",
            "responses": {"200": json_answer("Weights", _ANSWER), **_READ},
        },
        "put": {
            "summary": "Let causes count by these weights, from now on and for the days in the books",
            "requestBody": {"required": True, "content": {"application/json": {"schema": ref("NewWeights")}}},
            "responses": {"200": json_answer("The weights", _ANSWER), **_REFUSED},
        },
        "delete": {
            "summary": "Let all evidence count the same again",
            "parameters": [in_query("reason", "Why; for the audit log", _REASON)],
            "responses": {"200": json_answer("None", _ANSWER), **_REFUSED},
        },
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "NewWeights": {
        "type": "object",
        "required": ["weights", "reason"],
        "additionalProperties": False,
        "properties": {"weights": ref("Weights"), "reason": _REASON},
    },
    "Weights": {
        "type": "object",
        "required": ["by_cause"],
        "additionalProperties": False,
        "properties": {
            "by_cause": {
                "type": "object",
                "additionalProperties": {"type": "number", "minimum": 1.0 / BOUND, "maximum": BOUND},
            },
            "seen": {"type": "object", "description": "Verdicts by leading cause: true, and judged in all"},
            "fit": {"type": "string", "maxLength": 100},
            "until": {"type": "string", "maxLength": 100},
        },
    },
}
