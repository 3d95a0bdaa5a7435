"""Pieces that the OpenAPI document is made of."""

from __future__ import annotations

from typing import Any

KIND = {"type": "string", "enum": ["user", "host", "src_ip"]}
_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
_RETRY = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}


def refusals(*statuses: str) -> dict[str, Any]:
    """Documented refusals by status."""
    known: dict[str, Any] = {
        "400": {"description": "The request cannot be read; the message says why", "content": _ERROR},
        "401": {"description": "No key, or one that is not known or was revoked", "content": _ERROR},
        "403": {"description": "The key's role does not allow this", "content": _ERROR},
        "404": {"description": "There is no such thing in this tenant", "content": _ERROR},
        "408": {"description": "The body did not arrive in time", "content": _ERROR},
        "409": {
            "description": "Not what the caller saw any more; `present` is what it is now",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Conflict"}}},
        },
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


def json_answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An answer in JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def ref(name: str) -> dict[str, str]:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def in_query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter of the query."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}
