"""Routes about exceptions, see `serving.triage.exceptions`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_JUDGE, MAY_READ
from serving.triage import exceptions
from serving.triage.exceptions import Wish

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.http.ports import Acts

MOST_ROWS = 1000


class ExceptionBody(msgspec.Struct, forbid_unknown_fields=True):
    """An exception; until: ISO 8601, UTC where there is no zone."""

    entity_kind: str
    until: str
    entity: str = ""
    group: str = ""
    behaviour: str = ""
    value: str = ""
    reason: str = ""

    def wish(self) -> Wish:
        """As it is wanted."""
        until_us = parts.moment(self.until, "until")
        return Wish(
            self.entity_kind, self.entity, self.group, self.behaviour, self.value, until_us, self.reason
        )


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/v1/exceptions", _list, methods=["GET"]),
        Route("/v1/exceptions", _make, methods=["POST"]),
        Route("/v1/exceptions/preview", _preview, methods=["POST"]),
        Route("/v1/exceptions/{uid}/approve", _approve, methods=["POST"]),
        Route("/v1/exceptions/{uid}", _lift, methods=["DELETE"]),
    ]


async def _list(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    limit = parts.whole(request.query_params.get("limit", "100"), "limit", MOST_ROWS)
    found = await asyncio.to_thread(exceptions.find, core.database, caller.tenant, limit)
    return parts.json({"exceptions": found})


async def _make(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    content = await parts.raw_body(request)
    wish = parts.formed(content, ExceptionBody).wish()
    asked = parts.asked(request, caller, content, None)
    made = await exceptions.make(core, core.database, asked, wish, time.time_ns() // 1000)
    return Response(made, 201, media_type="application/json")


async def _preview(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    wish = (await parts.body(request, ExceptionBody)).wish()
    now_us = time.time_ns() // 1000
    return parts.json(await exceptions.preview(core, core.database, caller.tenant, wish, now_us))


async def _approve(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    asked = parts.asked(request, caller, b"", None)
    made = await exceptions.approve(core, asked, request.path_params["uid"])
    return Response(made, media_type="application/json")


async def _lift(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    asked = parts.asked(request, caller, b"", None)
    made = await exceptions.lift(core, asked, request.path_params["uid"])
    return Response(made, media_type="application/json")
