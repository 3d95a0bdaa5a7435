"""Routes with what people want to see around an alert or an entity; see `serving.context`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from features.errors import InputError
from serving.context import page
from serving.context.kept import Kept
from serving.http import parts
from serving.http.dialects import Refusal
from serving.http.ports import CORE
from serving.http.roles import MAY_READ

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST_EVENTS = 500
TEXT_LENGTH = 200


def routes() -> list[Route]:
    """What there is; days that were read are kept for as long as the application."""
    kept = Kept()
    return [
        Route("/v1/alerts/{alert_id}/context", partial(_alert, kept), methods=["GET"]),
        Route("/v1/alerts/{alert_id}/events", partial(_events, kept), methods=["GET"]),
        Route("/v1/entities", _search, methods=["GET"]),
        Route("/v1/entities/{kind}/{entity:path}/context", partial(_entity, kept), methods=["GET"]),
    ]


async def _alert(kept: Kept, request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core, alert_id = request.scope[CORE], request.path_params["alert_id"]
    found = await page.of_alert(core, caller.tenant, alert_id, kept)
    return await asyncio.to_thread(parts.packed, request, found)


async def _events(kept: Kept, request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    limit = parts.whole(request.query_params.get("limit", "50"), "limit", MOST_EVENTS)
    core, alert_id = request.scope[CORE], request.path_params["alert_id"]
    found = await page.events_of_alert(core, caller.tenant, alert_id, limit, kept)
    return await asyncio.to_thread(parts.packed, request, found)


async def _entity(kept: Kept, request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    kind, entity = parts.kind(request.path_params["kind"]), request.path_params["entity"]
    try:
        return parts.json(await page.of_entity(request.scope[CORE], caller.tenant, kind, entity, kept))
    except InputError as error:
        raise Refusal(404, str(error)) from error


async def _search(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    text = request.query_params.get("text", "")
    if not 1 <= len(text) <= TEXT_LENGTH:
        raise InputError(f"text: from 1 to {TEXT_LENGTH} characters to look for in names")
    limit = parts.whole(request.query_params.get("limit", "20"), "limit", page.MOST_MATCHES)
    found = await page.search(request.scope[CORE], caller.tenant, text, limit)
    return parts.json({"entities": found})
