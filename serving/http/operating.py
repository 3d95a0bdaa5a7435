"""Routes of operations and models: sources, quarantine, and what the scores are made with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.routing import Route

from features.errors import InputError
from serving import modelling, operations
from serving.audit import Deed
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_JUDGE, MAY_PROMOTE, MAY_READ
from serving.operations import MOST_AT_ONCE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from serving.http.ports import Acts

MOST_ROWS = 500


class RetryBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which records: by their ids, or all of one reason."""

    ids: list[str] = []
    reason: str = ""


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/v1/operations", _operations, methods=["GET"]),
        Route("/v1/quarantine", _quarantine, methods=["GET"]),
        Route("/v1/quarantine/retry", _retry_many, methods=["POST"]),
        Route("/v1/quarantine/{record_id}/retry", _retry, methods=["POST"]),
        Route("/v1/models", _models, methods=["GET"]),
        Route("/v1/models/{action:str}", _act, methods=["POST"]),
    ]


class ActBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why a model is promoted or rolled back; for the audit log."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


async def _operations(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    tenant = caller.tenant
    usage = dict(core.usage(tenant))
    found = await asyncio.to_thread(operations.sources, core.database, tenant)
    lag = await asyncio.wrap_future(core.ask(lambda: modelling.lag_seconds(core.state_of(tenant))))
    names = ("received", "scored", "duplicate", "late", "quarantined", "waiting")
    return parts.json(
        {
            "sources": found,
            "ledger": {name: usage.get(name, 0) for name in names},
            "shed": usage.get("shed", {}),
            "limits": usage.get("limits", {}),
            "sizes": {name: usage.get(name, 0) for name in ("entities", "habits", "held")},
            "newest_event": lag.newest_ms,
            "lag_seconds": lag.seconds,
        }
    )


async def _quarantine(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    query = request.query_params
    limit = parts.whole(query.get("limit", "100"), "limit", MOST_ROWS)
    after, reason = query.get("after", ""), query.get("reason", "")
    return parts.json(
        await asyncio.to_thread(operations.put_aside, core.database, caller.tenant, limit, after, reason)
    )


async def _retry_many(request: Request) -> Response:
    given = await parts.body(request, RetryBody)
    if bool(given.ids) == bool(given.reason) or len(given.ids) > MOST_AT_ONCE:
        raise InputError(f"give ids (at most {MOST_AT_ONCE}) or a reason")
    return await _again(request, given.ids, given.reason)


async def _retry(request: Request) -> Response:
    return await _again(request, [request.path_params["record_id"]], "")


async def _again(request: Request, ids: list[str], reason: str) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core = request.scope[CORE]
    who = Deed(caller.key_id, "", "", caller.role)
    chosen = [operations.record_id(one) for one in ids]
    return parts.json(await operations.read_again(core, core.database, caller.tenant, who, chosen, reason))


async def _models(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    tenant = caller.tenant
    running = await asyncio.wrap_future(core.ask(lambda: modelling.running(core.state_of(tenant))))
    said = await asyncio.to_thread(modelling.said, core.database, tenant)
    follower = core.follower
    if follower is None:
        about: dict[str, Any] = {"registry": None, "champion": None, "challenger": None, "actions": []}
    else:
        registry = await asyncio.to_thread(follower.status, tenant)
        named = registry["aliases"]
        about = {
            "registry": registry,
            "champion": named.get("champion"),
            "challenger": named.get("challenger"),
            "actions": [
                action
                for action, alias in (("promote", "challenger"), ("rollback", "champion"))
                if alias in named
            ],
        }
    return parts.json({**running, **said, **about})


async def _act(request: Request) -> Response:
    caller = parts.allowed(request, MAY_PROMOTE)
    given = await parts.body(request, ActBody)
    follower = request.scope[CORE].follower
    if follower is None:
        raise InputError("no registry is followed: start the service with --models")
    action = request.path_params["action"]
    model = follower.model_of(caller.tenant)
    deed = Deed(caller.key_id, f"model.{action}", model, caller.role, {"reason": given.reason})
    job = await asyncio.to_thread(follower.actions.begin, caller.tenant, model, action, deed)
    return parts.json(job._asdict(), status=202)
