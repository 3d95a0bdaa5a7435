"""Routes that change something: unlearning and keys; and the audit log, which says who did.

Like the reading API (`serving.http.reading`, which they are part of) they belong to the caller's tenant. What
is done and its line in the audit log are one transaction.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from features.errors import InputError
from serving import audit
from serving.audit import Deed
from serving.http.dialects import NO_PERMISSION, Refusal
from serving.http.ports import CALLER, CORE, KEYS
from serving.http.roles import MAY_ADMINISTER, MAY_JUDGE
from serving.state import parse_moment
from serving.submission import TooLarge

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.http.ports import Acts, Caller, KeyStore
    from serving.keys import KeyInfo

BODY_BYTES = 1 << 16
BODY_SECONDS = 30.0
MOST_LINES = 1000

T = TypeVar("T")


class WindowBody(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Events from one moment to before another, ISO 8601; UTC where there is no zone."""

    start: str
    end: str


class KeyBody(msgspec.Struct):
    """A key to be made."""

    role: str
    label: str = ""


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/v1/entities/{kind}/{entity:path}/unlearn", _unlearn, methods=["POST"]),
        Route("/v1/keys", _keys, methods=["GET"]),
        Route("/v1/keys", _make_key, methods=["POST"]),
        Route("/v1/keys/{key_id}", _revoke_key, methods=["DELETE"]),
        Route("/v1/audit", _audit, methods=["GET"]),
    ]


async def _unlearn(request: Request) -> Response:
    caller = _allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    body = await _body(request, WindowBody)
    from_us, to_us = _moment(body.start, "from"), _moment(body.end, "to")
    kind, entity = request.path_params["kind"], request.path_params["entity"]
    who = Deed(caller.key_id, "", "", caller.role)
    done = await core.unlearn(caller.tenant, kind, entity, from_us, to_us, who)
    return _json(
        {
            "entity_kind": kind,
            "entity": done.entity,
            "from": _iso(done.from_us),
            "to": _iso(done.to_us),
            "events": done.taken.events,
            "never_learned": done.taken.held,
            "missing_weight": done.taken.missing_weight,
        }
    )


async def _keys(request: Request) -> Response:
    caller = _allowed(request, MAY_ADMINISTER)
    keys: KeyStore = request.scope[KEYS]
    found = await asyncio.to_thread(keys.all, caller.tenant)
    return _json({"keys": [_shown(key) for key in found]})


async def _make_key(request: Request) -> Response:
    caller = _allowed(request, MAY_ADMINISTER)
    keys: KeyStore = request.scope[KEYS]
    body = await _body(request, KeyBody)
    key = await asyncio.to_thread(
        lambda: keys.create(caller.tenant, body.role, body.label, actor=caller.key_id, actor_role=caller.role)
    )
    return _json({"key": key}, 201)


async def _revoke_key(request: Request) -> Response:
    caller = _allowed(request, MAY_ADMINISTER)
    keys: KeyStore = request.scope[KEYS]
    key_id = request.path_params["key_id"]
    try:
        await asyncio.to_thread(
            lambda: keys.revoke(key_id, caller.tenant, actor=caller.key_id, actor_role=caller.role)
        )
    except InputError as error:
        raise Refusal(404, "there is no valid key with this id") from error
    return Response(status_code=204)


async def _audit(request: Request) -> Response:
    caller = _allowed(request, MAY_ADMINISTER)
    query = request.query_params
    limit = _whole(query.get("limit", "100"), "limit", MOST_LINES)
    before = _whole(query["before"], "before", 1 << 62) if "before" in query else 0
    core: Acts = request.scope[CORE]
    found = await asyncio.to_thread(audit.lines, core.database, caller.tenant, limit, before)
    lines = [
        {
            "number": line["number"],
            "at": _iso(line["at_us"]),
            "actor": line["actor"],
            "action": line["action"],
            "subject": line["subject"],
            "detail": msgspec.json.decode(line["detail"]),
            "hash": bytes(line["hash"]).hex(),
        }
        for line in found
    ]
    return _json({"lines": lines, "next": lines[-1]["number"] if len(lines) == limit else None})


def _allowed(request: Request, roles: frozenset[Any]) -> Caller:
    caller: Caller = request.scope[CALLER]
    if caller.role not in roles:
        raise Refusal(403, NO_PERMISSION)
    return caller


async def _body(request: Request, form: type[T]) -> T:
    """A small JSON body of a form."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "send this without Content-Encoding")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > BODY_BYTES:
                    raise TooLarge(f"a body of more than {BODY_BYTES:,} bytes is not needed here")
                parts.append(part)
    except TimeoutError as error:
        raise Refusal(408, f"the body did not arrive within {BODY_SECONDS:g} seconds") from error
    try:
        return msgspec.json.decode(b"".join(parts), type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body is not as documented at /docs: {error}") from error


def _shown(key: KeyInfo) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "role": key.role,
        "label": key.label,
        "created": _iso(key.created_us),
        "revoked": None if key.revoked_us is None else _iso(key.revoked_us),
    }


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _moment(text: str, name: str) -> int:
    """Microseconds since 1970 UTC."""
    try:
        return round(parse_moment(text, name).astimezone(UTC).timestamp() * 1e6)
    except OverflowError as error:
        raise InputError(f"{name}={text[:40]!r} is no year of ours") from error


def _iso(moment_us: Any) -> str:
    return datetime.fromtimestamp(int(moment_us) / 1e6, UTC).isoformat()


def _whole(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and 1 <= int(text) <= most):
        raise InputError(f"{name}={text[:20]!r}: a number from 1 to {most}")
    return int(text)
