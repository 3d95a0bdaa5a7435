"""Routes that change something: unlearning and keys; and the audit log, which says who did.

Like the reading API (`serving.http.reading`, which they are part of) they belong to the caller's tenant. What
is done and its line in the audit log are one transaction.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from features.errors import InputError
from serving import audit
from serving.audit import Deed
from serving.http.dialects import Refusal
from serving.http.parts import allowed, body, iso, json, moment, whole
from serving.http.ports import CORE, KEYS
from serving.http.roles import MAY_ADMINISTER, MAY_JUDGE

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.http.ports import Acts, KeyStore
    from serving.keys import KeyInfo

MOST_LINES = 1000


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
    caller = allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    window = await body(request, WindowBody)
    from_us, to_us = moment(window.start, "from"), moment(window.end, "to")
    kind, entity = request.path_params["kind"], request.path_params["entity"]
    who = Deed(caller.key_id, "", "", caller.role)
    done = await core.unlearn(caller.tenant, kind, entity, from_us, to_us, who)
    return json(
        {
            "entity_kind": kind,
            "entity": done.entity,
            "from": iso(done.from_us),
            "to": iso(done.to_us),
            "events": done.taken.events,
            "never_learned": done.taken.held,
            "missing_weight": done.taken.missing_weight,
        }
    )


async def _keys(request: Request) -> Response:
    caller = allowed(request, MAY_ADMINISTER)
    keys: KeyStore = request.scope[KEYS]
    found = await asyncio.to_thread(keys.all, caller.tenant)
    return json({"keys": [_shown(key) for key in found]})


async def _make_key(request: Request) -> Response:
    caller = allowed(request, MAY_ADMINISTER)
    keys: KeyStore = request.scope[KEYS]
    wanted = await body(request, KeyBody)
    key = await asyncio.to_thread(
        lambda: keys.create(
            caller.tenant, wanted.role, wanted.label, actor=caller.key_id, actor_role=caller.role
        )
    )
    return json({"key": key}, 201)


async def _revoke_key(request: Request) -> Response:
    caller = allowed(request, MAY_ADMINISTER)
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
    caller = allowed(request, MAY_ADMINISTER)
    query = request.query_params
    limit = whole(query.get("limit", "100"), "limit", MOST_LINES)
    before = whole(query["before"], "before", 1 << 62) if "before" in query else 0
    core: Acts = request.scope[CORE]
    found = await asyncio.to_thread(audit.lines, core.database, caller.tenant, limit, before)
    lines = [
        {
            "number": line["number"],
            "at": iso(line["at_us"]),
            "actor": line["actor"],
            "action": line["action"],
            "subject": line["subject"],
            "detail": msgspec.json.decode(line["detail"]),
            "hash": bytes(line["hash"]).hex(),
        }
        for line in found
    ]
    return json({"lines": lines, "next": lines[-1]["number"] if len(lines) == limit else None})


def _shown(key: KeyInfo) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "role": key.role,
        "label": key.label,
        "created": iso(key.created_us),
        "revoked": None if key.revoked_us is None else iso(key.revoked_us),
    }
