"""Paths and schemas of `serving.http.context`, `queueing`, `live` and `operating` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http.openapi_parts import KIND, in_path, in_query, json_answer, ref, refusals

_TEXT = {"type": "string"}
_READ = refusals("400", "401", "403", "404", "429", "503")
_REFUSED = refusals("400", "401", "403", "404", "408", "409", "413", "415", "429", "503")
_ALERT = in_path("alert_id", _TEXT)
_OBJECT = {"type": "object"}


def _limit(most: int, usual: int) -> dict[str, Any]:
    return in_query(
        "limit", "Most rows", {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    )


def _get(summary: str, *parameters: dict[str, Any], description: str = "") -> dict[str, Any]:
    return {
        "get": {
            "summary": summary,
            "description": description,
            "parameters": list(parameters),
            "responses": {"200": json_answer("As it is now", _OBJECT), **_READ},
        }
    }


PATHS: dict[str, dict[str, Any]] = {
    "/v1/live": {
        "get": {
            "summary": "What changes, as server-sent events: hello, alerts, budget, bye",
            "description": "alerts names the ids that changed, at most once a second. Ends after 15 minutes.",
            "parameters": [
                in_query(
                    "seconds",
                    "End after so long",
                    {"type": "integer", "minimum": 0, "maximum": 900, "default": 900},
                )
            ],
            "responses": {
                "200": {"description": "A stream", "content": {"text/event-stream": {"schema": _TEXT}}},
                **_READ,
            },
        }
    },
    "/v1/budget": _get(
        "How many alerts a day people were promised, and how many they got", description="By event days."
    ),
    "/v1/alerts/verdicts": {
        "post": {
            "summary": "One verdict on several alerts, at most 500",
            "description": "Each is given or not; the answer says which were not, and why.",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": ref("ManyVerdicts")}},
            },
            "responses": {"200": json_answer("done and failed", _OBJECT), **_REFUSED},
        }
    },
    "/v1/alerts/{alert_id}/context": _get(
        "Story, evidence, usual against now, timeline, graph, and what is alike",
        _ALERT,
        description="The points of `evidence` add up to the alert's risk.",
    ),
    "/v1/alerts/{alert_id}/events": _get(
        "Events of the alert's entity on its day, the oddest first; raw while the journal has them",
        _ALERT,
        _limit(500, 50),
    ),
    "/v1/entities": _get(
        "Users, hosts and addresses by a part of their names",
        {
            **in_query("text", "Part of a name, whatever the case", {**_TEXT, "minLength": 1}),
            "required": True,
        },
        _limit(500, 20),
    ),
    "/v1/entities/{kind}/{entity}/context": _get(
        "Habits, hours, peers, recent events, verdicts and risk over time",
        in_path("kind", KIND),
        in_path("entity", _TEXT),
    ),
    "/v1/operations": _get("Sources with their rates, the ledger, and how far behind the service is"),
    "/v1/quarantine": _get(
        "Records that could not be read, newest first, and how many for each reason",
        _limit(500, 100),
        in_query("after", "`next` of the page before", _TEXT),
        in_query("reason", "Only with this reason", _TEXT),
    ),
    "/v1/quarantine/retry": {
        "post": {
            "summary": "Read records of the quarantine again: by ids, or of a reason; 500 at once",
            "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Retry")}}},
            "responses": {"200": json_answer("What became of them", _OBJECT), **_REFUSED},
        }
    },
    "/v1/quarantine/{record_id}/retry": {
        "post": {
            "summary": "Read a record of the quarantine again",
            "parameters": [in_path("record_id", _TEXT)],
            "responses": {"200": json_answer("What became of it", _OBJECT), **_REFUSED},
        }
    },
    "/v1/reveal": {
        "post": {
            "summary": "Who is behind a pseudonym; the reason stands in the audit log",
            "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Reveal")}}},
            "responses": {"200": json_answer("The name", _OBJECT), **_REFUSED},
        }
    },
    "/v1/models": _get(
        "What the scores are made with, the budget by day, and what verdicts say",
        description="What is not known is null. beside: the second model, and where it differs.",
    ),
    "/v1/models/{action}": {
        "post": {
            "summary": "Promote the challenger, or bring the former champion back",
            "description": "A promotion replays recent history first; what came of it is at /v1/models under"
            " registry.job.",
            "parameters": [in_path("action", {"type": "string", "enum": ["promote", "rollback"]})],
            "requestBody": {"required": True, "content": {"application/json": {"schema": ref("ModelAct")}}},
            "responses": {"202": json_answer("It has begun", _OBJECT), **_REFUSED},
        }
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "ManyVerdicts": {
        "type": "object",
        "required": ["ids", "verdict_id"],
        "additionalProperties": False,
        "properties": {
            "ids": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 500},
            "verdict_id": {"type": "integer"},
            "reason": {**_TEXT, "maxLength": 2000},
            "state": _TEXT,
        },
    },
    "Reveal": {
        "type": "object",
        "required": ["pseudonym", "reason"],
        "additionalProperties": False,
        "properties": {
            "pseudonym": {**_TEXT, "pattern": "^user-[0-9a-f]{12}$"},
            "reason": {**_TEXT, "minLength": 1, "maxLength": 2000},
        },
    },
    "ModelAct": {
        "type": "object",
        "required": ["reason"],
        "additionalProperties": False,
        "properties": {"reason": {**_TEXT, "minLength": 1, "maxLength": 2000}},
    },
    "Retry": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "ids": {"type": "array", "items": _TEXT, "maxItems": 500},
            "reason": {**_TEXT, "description": "Instead of ids"},
        },
    },
}
