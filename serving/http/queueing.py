"""Routes of the queue as a whole: the budget, and verdicts on many alerts at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Route

from features.errors import HabitusError, InputError
from serving.days import day_of
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_JUDGE, MAY_READ
from serving.submission import Busy, Refused
from serving.triage import numbers, verdicts
from serving.triage.verdicts import Opinion, Subject
from serving.triage.words import KEY_LENGTH, checked_state, checked_verdict

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from serving.http.ports import Acts
    from serving.triage.words import Asked

MOST_AT_ONCE = 500
SIDE_BY_SIDE = 16
"""Verdicts on their way at the same time: the journal writes those that wait together in one commit."""


class VerdictsBody(msgspec.Struct, forbid_unknown_fields=True):
    """One opinion about several alerts."""

    ids: list[str]
    verdict_id: int
    reason: str = ""
    state: str = ""


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/v1/budget", _budget, methods=["GET"]),
        Route("/v1/alerts/verdicts", _judge_many, methods=["POST"]),
    ]


async def budget(core: Acts, tenant: str) -> dict[str, Any]:
    """The budget as JSON has it."""
    told = await asyncio.wrap_future(core.ask(lambda: numbers.budget_of(core.state_of(tenant))))
    day = told["day"]
    told["today"] = 0
    if day is not None:
        told["today"] = await asyncio.to_thread(numbers.raised_on, core.database, tenant, day)
        told["day"] = day_of(day).isoformat()
    return told


async def _budget(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    return parts.json(await budget(request.scope[CORE], caller.tenant))


async def _judge_many(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    content = await parts.raw_body(request)
    given = parts.formed(content, VerdictsBody)
    ids = list(dict.fromkeys(given.ids))
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        raise InputError(f"ids: from 1 to {MOST_AT_ONCE} alerts at once")
    checked_verdict(given.verdict_id)
    if given.state:
        checked_state(given.state)
    asked = parts.asked(request, caller, content, None)
    opinion = Opinion(given.verdict_id, given.reason, given.state)
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def judge(alert_id: str) -> str:
        async with room:
            return await _judge(core, asked, alert_id, opinion)

    troubles = await asyncio.gather(*map(judge, ids))
    failed = [{"id": alert_id, "error": why} for alert_id, why in zip(ids, troubles, strict=True) if why]
    done = [alert_id for alert_id, why in zip(ids, troubles, strict=True) if not why]
    return parts.json({"done": done, "failed": failed})


async def _judge(core: Acts, asked: Asked, alert_id: str, opinion: Opinion) -> str:
    """Why a verdict could not be given, "" when it was."""
    if asked.key:  # a request that is repeated repeats each of its verdicts
        asked = asked._replace(
            key=f"{asked.key}/{alert_id}"[:KEY_LENGTH], what=asked.what + alert_id.encode()
        )
    try:
        await verdicts.give(core, asked, Subject(alert_id), opinion)
    except (Busy, Refused) as error:
        return f"not now: {error}"
    except HabitusError as error:
        return str(error)
    return ""
