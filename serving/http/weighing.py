"""Routes about weights of evidence, see `models.feedback.weights`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.routing import Route

from features.errors import InputError
from models.feedback import weights as weighing
from models.feedback.weights import Weights
from serving.audit import Deed
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_PROMOTE, MAY_READ
from serving.journal import Kind, Operation
from serving.judgement import WEIGHTS_SET
from serving.triage.words import REASON_LENGTH, words

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class WeightsBody(msgspec.Struct, forbid_unknown_fields=True):
    """What causes are to count, and why; the reason is for the audit log."""

    weights: Weights
    reason: str


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/v1/weights", _shown, methods=["GET"]),
        Route("/v1/weights", _set, methods=["PUT"]),
        Route("/v1/weights", _end, methods=["DELETE"]),
    ]


def _answer(weights: Weights | None) -> Response:
    return parts.json({"weights": None if weights is None else msgspec.to_builtins(weights)})


async def _shown(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core = request.scope[CORE]
    found = core.ask(lambda: core.state_of(caller.tenant).detector.feedback.weights)
    return _answer(await asyncio.wrap_future(found))


async def _set(request: Request) -> Response:
    parts.allowed(request, MAY_PROMOTE)
    given = await parts.body(request, WeightsBody)
    return await _weigh(request, weighing.checked(given.weights), given.reason)


async def _end(request: Request) -> Response:
    parts.allowed(request, MAY_PROMOTE)
    return await _weigh(request, None, request.query_params.get("reason", ""))


async def _weigh(request: Request, weights: Weights | None, reason: str) -> Response:
    caller = parts.allowed(request, MAY_PROMOTE)
    if not words(reason, "reason", REASON_LENGTH).strip():
        raise InputError("say why: a reason is needed, for the audit log")
    core = request.scope[CORE]
    told = {"reason": reason} | ({} if weights is None else {"weights": msgspec.to_builtins(weights)})
    deed = Deed(caller.key_id, WEIGHTS_SET, caller.tenant, caller.role, told)
    body = b"null" if weights is None else weights.encoded()
    await core.operate(Operation(caller.tenant, Kind.WEIGHTS, body=body, deed=deed))
    return _answer(weights)
