"""Paths and schemas of `serving.http.triaging` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http.openapi_parts import KIND, in_path, in_query, json_answer, ref, refusals
from serving.triage.words import NAME_LENGTH, NOTE_LENGTH, REASON_LENGTH, STATES, VERDICTS

_TEXT = {"type": "string"}
_READ = refusals("400", "401", "403", "404", "503")
_REFUSED = refusals("400", "401", "403", "404", "408", "409", "413", "415", "429", "503")
_ALERT = in_path("alert_id", _TEXT)
_ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key is answered as the first and changes nothing",
    "schema": {"type": "string", "maxLength": 200},
}
_VERSION = {
    "type": ["integer", "null"],
    "minimum": 0,
    "description": "`unmapped.version` of the alert as it was seen; 409 if it has another one by now",
}
_STATE = {"enum": list(STATES[1:])}
_VERDICT: dict[str, Any] = {
    "verdict_id": {
        "enum": list(VERDICTS),
        "description": "OCSF: " + ", ".join(f"{number} {name.lower()}" for number, name in VERDICTS.items()),
    },
    "reason": {**_TEXT, "maxLength": REASON_LENGTH},
    "state": {"enum": ["", *STATES[1:]], "description": "The state that the alert moves to with it"},
    "unlearn": {
        "type": "boolean",
        "default": False,
        "description": "With a true positive: take the day's events of the entity out of what is normal",
    },
    "version": _VERSION,
}


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": ref(name)}}}


def _post(summary: str, name: str, answer: dict[str, Any], status: str = "200") -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": [_ALERT, _ONCE],
        "requestBody": _body(name),
        "responses": {status: answer, **_REFUSED},
    }


_LIMIT = in_query("limit", "Most rows", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
_FINDING = json_answer("The alert as it is now", ref("Finding"))
_IF_VERSION = in_query("version", "As in a body", {"type": "integer", "minimum": 0})

PATHS: dict[str, dict[str, Any]] = {
    "/v1/alerts/{alert_id}/verdict": {
        "post": _post(
            "Say what an alert was; what is held back, scored and learned follows",
            "Verdict",
            json_answer("Given", ref("Judged")),
            "201",
        ),
        "delete": {
            "summary": "Take back the newest verdict on an alert, and what it did",
            "parameters": [_ALERT, _ONCE, _IF_VERSION],
            "responses": {"200": json_answer("Taken back", ref("Judged")), **_REFUSED},
        },
    },
    "/v1/alerts/{alert_id}/state": {"post": _post("Move an alert to another state", "State", _FINDING)},
    "/v1/alerts/{alert_id}/assign": {"post": _post("Give an alert to somebody", "Assignee", _FINDING)},
    "/v1/alerts/{alert_id}/notes": {"post": _post("Add a note to an alert", "Note", _FINDING, "201")},
    "/v1/alerts/{alert_id}/history": {
        "get": {
            "summary": "Who did what to an alert, oldest first",
            "parameters": [
                _ALERT,
                _LIMIT,
                in_query("after", "`next` of the page before", {"type": "integer", "minimum": 0}),
            ],
            "responses": {"200": json_answer("A page", ref("History")), **_READ},
        }
    },
    "/v1/verdicts": {
        "get": {
            "summary": "Verdicts, newest first",
            "parameters": [
                in_query("alert_id", "Only of this alert", _TEXT),
                in_query(
                    "disagreeing",
                    "`true`: only those that another one contradicts that holds, too",
                    {"type": "boolean"},
                ),
                in_query("reverted", "`false` leaves out those that were taken back", {"type": "boolean"}),
                _LIMIT,
                in_query("after", "`next` of the page before", _TEXT),
            ],
            "responses": {"200": json_answer("A page", ref("Verdicts")), **_READ},
        },
        "post": {
            "summary": "Say what an entity's day, or one event of it, was",
            "parameters": [_ONCE],
            "requestBody": _body("SubjectVerdict"),
            "responses": {"201": json_answer("Given", ref("Judged")), **_REFUSED},
        },
    },
    "/v1/verdicts/{uid}": {
        "delete": {
            "summary": "Take back a verdict, and what it did",
            "parameters": [in_path("uid", _TEXT), _ONCE, _IF_VERSION],
            "responses": {"200": json_answer("Taken back", ref("Judged")), **_REFUSED},
        }
    },
    "/v1/golden": {
        "get": {
            "summary": "A past alert with a settled verdict, for the caller to judge once more",
            "description": "`alert` is null when there is none; the same one until it is answered or the day"
            " (UTC) is over. What was said of it is not shown.",
            "responses": {"200": json_answer("The golden alert", {"type": "object"}), **_READ},
        }
    },
    "/v1/golden/{alert_id}/verdict": {
        "post": {
            "summary": "Say what a golden alert was; changes nothing but the caller's agreement",
            "parameters": [_ALERT],
            "requestBody": _body("Golden"),
            "responses": {"201": json_answer("Whether it agrees", {"type": "object"}), **_REFUSED},
        }
    },
    "/v1/views": {
        "get": {
            "summary": "Saved views of the alerts",
            "responses": {"200": json_answer("By name", {"type": "object"}), **_READ},
        }
    },
    "/v1/views/{name}": {
        "put": {
            "summary": "Save a query of /v1/alerts under a name",
            "parameters": [in_path("name", _TEXT)],
            "requestBody": _body("View"),
            "responses": {"200": json_answer("Saved", ref("View")), **_REFUSED},
        },
        "delete": {
            "summary": "Forget a saved view",
            "parameters": [in_path("name", _TEXT)],
            "responses": {"204": {"description": "Forgotten"}, **_REFUSED},
        },
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Conflict": {
        "type": "object",
        "required": ["error", "status"],
        "properties": {"error": _TEXT, "status": {"const": 409}, "present": {"type": "object"}},
    },
    "Verdict": {
        "type": "object",
        "required": ["verdict_id"],
        "additionalProperties": False,
        "properties": _VERDICT,
    },
    "SubjectVerdict": {
        "type": "object",
        "required": ["verdict_id", "entity_kind", "entity", "day"],
        "additionalProperties": False,
        "properties": {
            **_VERDICT,
            "entity_kind": KIND,
            "entity": _TEXT,
            "day": {"type": "string", "format": "date"},
            "event_uid": {**_TEXT, "description": "Only this event of the day"},
        },
    },
    "Judged": {
        "type": "object",
        "required": ["verdict", "alert"],
        "properties": {
            "verdict": {"type": "object", "required": ["uid", "verdict_id", "subject"]},
            "alert": {"anyOf": [ref("Finding"), {"type": "null"}]},
            "effect": {
                "type": "object",
                "description": "Events that were held back and are learned, kept out, or wait again now, and"
                " unlearned ones that came back; absent in the answer to a repeated request",
            },
            "unlearned": {"type": "object"},
        },
    },
    "State": {
        "type": "object",
        "required": ["state"],
        "additionalProperties": False,
        "properties": {"state": _STATE, "version": _VERSION},
    },
    "Assignee": {
        "type": "object",
        "required": ["assignee"],
        "additionalProperties": False,
        "properties": {
            "assignee": {
                **_TEXT,
                "maxLength": NAME_LENGTH,
                "description": '"me" is the caller\'s key, "" nobody',
            },
            "version": _VERSION,
        },
    },
    "Note": {
        "type": "object",
        "required": ["text"],
        "additionalProperties": False,
        "properties": {"text": {**_TEXT, "minLength": 1, "maxLength": NOTE_LENGTH}, "version": _VERSION},
    },
    "Golden": {
        "type": "object",
        "required": ["verdict_id"],
        "additionalProperties": False,
        "properties": {"verdict_id": _VERDICT["verdict_id"]},
    },
    "View": {
        "type": "object",
        "required": ["query"],
        "properties": {"query": {**_TEXT, "maxLength": 2000}},
    },
    "History": {
        "type": "object",
        "required": ["lines", "next"],
        "properties": {
            "lines": {"type": "array", "items": {"type": "object"}},
            "next": {"type": ["integer", "null"]},
        },
    },
    "Verdicts": {
        "type": "object",
        "required": ["verdicts", "next"],
        "properties": {
            "verdicts": {"type": "array", "items": {"type": "object"}},
            "next": {"type": ["string", "null"]},
        },
    },
}
