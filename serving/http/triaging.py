"""Routes with which people work on alerts: verdicts, states, assignees, notes, history, saved views.

Everything belongs to the caller's tenant. A change can name the `version` that its caller saw, and carry an
`Idempotency-Key`: see `serving.triage.rows`.
"""

from __future__ import annotations

import asyncio
import time
from datetime import date
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from features.behaviours import ENTITY_KINDS
from features.errors import InputError
from serving.days import number_of
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_JUDGE, MAY_READ
from serving.triage import golden, register, verdicts
from serving.triage.desk import Desk
from serving.triage.verdicts import Opinion, Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from serving.http.ports import Acts
    from serving.triage.verdicts import Given
    from serving.triage.words import Asked

MOST_LINES = 1000


class VerdictBody(msgspec.Struct, forbid_unknown_fields=True):
    """A verdict on an alert."""

    verdict_id: int
    reason: str = ""
    state: str = ""
    unlearn: bool = False
    version: int | None = None


class SubjectBody(msgspec.Struct, forbid_unknown_fields=True):
    """A verdict on an entity's day, or one event of it."""

    verdict_id: int
    entity_kind: str
    entity: str
    day: str
    event_uid: str = ""
    reason: str = ""
    state: str = ""
    unlearn: bool = False
    version: int | None = None


class GoldenBody(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody says of a golden alert."""

    verdict_id: int


class StateBody(msgspec.Struct, forbid_unknown_fields=True):
    """A move to another state."""

    state: str
    version: int | None = None


class AssignBody(msgspec.Struct, forbid_unknown_fields=True):
    """Who works on it: a name, "me" for the caller's key, "" for nobody."""

    assignee: str
    version: int | None = None


class NoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """A note."""

    text: str
    version: int | None = None


class ViewBody(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a saved view, as after the question mark of /v1/alerts."""

    query: str


def routes() -> list[Route]:
    """What there is."""
    alert = "/v1/alerts/{alert_id}"
    return [
        Route(f"{alert}/verdict", _judge_alert, methods=["POST"]),
        Route(f"{alert}/verdict", _revert_alert, methods=["DELETE"]),
        Route(f"{alert}/state", _move, methods=["POST"]),
        Route(f"{alert}/assign", _assign, methods=["POST"]),
        Route(f"{alert}/notes", _note, methods=["POST"]),
        Route(f"{alert}/history", _history, methods=["GET"]),
        Route("/v1/verdicts", _judge_subject, methods=["POST"]),
        Route("/v1/verdicts", _verdicts, methods=["GET"]),
        Route("/v1/verdicts/{uid}", _revert, methods=["DELETE"]),
        Route("/v1/golden", _golden, methods=["GET"]),
        Route("/v1/golden/{alert_id}/verdict", _answer_golden, methods=["POST"]),
        Route("/v1/views", _views, methods=["GET"]),
        Route("/v1/views/{name}", _save_view, methods=["PUT"]),
        Route("/v1/views/{name}", _remove_view, methods=["DELETE"]),
    ]


# -------------------------------------------------------------------------------------------------- verdicts


async def _judge_alert(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    content = await parts.raw_body(request)
    given = parts.formed(content, VerdictBody)
    asked = parts.asked(request, caller, content, given.version)
    opinion = Opinion(given.verdict_id, given.reason, given.state, given.unlearn)
    return await _give(request, asked, Subject(request.path_params["alert_id"]), opinion)


async def _judge_subject(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    content = await parts.raw_body(request)
    given = parts.formed(content, SubjectBody)
    if given.entity_kind not in ENTITY_KINDS:
        raise InputError(f"entity_kind={given.entity_kind[:20]!r}: one of {', '.join(ENTITY_KINDS)}")
    subject = Subject("", given.entity_kind, given.entity, _day(given.day), given.event_uid)
    asked = parts.asked(request, caller, content, given.version)
    opinion = Opinion(given.verdict_id, given.reason, given.state, given.unlearn)
    return await _give(request, asked, subject, opinion)


async def _give(request: Request, asked: Asked, subject: Subject, opinion: Opinion) -> Response:
    core: Acts = request.scope[CORE]
    return _given(await verdicts.give(core, asked, subject, opinion), 201)


async def _revert_alert(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    asked = parts.asked(request, caller, b"", _version(request))
    return _given(await verdicts.revert(core, asked, alert_id=request.path_params["alert_id"]))


async def _revert(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    asked = parts.asked(request, caller, b"", _version(request))
    return _given(await verdicts.revert(core, asked, uid=request.path_params["uid"]))


def _given(given: Given, status: int = 200) -> Response:
    """The answer, with what the verdict did unless the request was a repeated one."""
    answer = msgspec.json.decode(given.answer)
    if given.effect is not None:
        answer["effect"] = given.effect._asdict()
    if given.unlearned is not None:
        answer["unlearned"] = given.unlearned.taken._asdict()
    return parts.json(answer, status)


async def _verdicts(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    query = request.query_params
    wanted = register.Wanted(
        alert_id=query.get("alert_id", ""),
        limit=parts.whole(query.get("limit", "100"), "limit", MOST_LINES),
        after=query.get("after", ""),
        only_valid=query.get("reverted", "true") == "false",
        disagreeing=query.get("disagreeing", "false") == "true",
    )
    found = await asyncio.to_thread(register.find, core.database, caller.tenant, wanted)
    return parts.json(found)


# ---------------------------------------------------------------------------------------------------- golden


async def _golden(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    who = parts.asked(request, caller, b"", None).who.actor
    now_us = time.time_ns() // 1000
    found = await asyncio.to_thread(golden.shown, core.database, caller.tenant, who, now_us)
    return parts.json({"alert": found})


async def _answer_golden(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    content = await parts.raw_body(request)
    given = parts.formed(content, GoldenBody)
    asked = parts.asked(request, caller, content, None)
    alert_id = request.path_params["alert_id"]
    told = await asyncio.to_thread(golden.answer, core.database, asked, alert_id, given.verdict_id)
    return parts.json(told, 201)


# ---------------------------------------------------------------------------------------------------- states


async def _move(request: Request) -> Response:
    asked, given = await _change(request, StateBody)
    return await _desk(request, lambda desk, alert: desk.set_state(asked, alert, given.state))


async def _assign(request: Request) -> Response:
    asked, given = await _change(request, AssignBody)
    assignee = asked.who.actor if given.assignee == "me" else given.assignee
    return await _desk(request, lambda desk, alert: desk.assign(asked, alert, assignee))


async def _note(request: Request) -> Response:
    asked, given = await _change(request, NoteBody)
    return await _desk(request, lambda desk, alert: desk.note(asked, alert, given.text), 201)


async def _change(request: Request, form: type[parts.T]) -> tuple[Asked, parts.T]:
    caller = parts.allowed(request, MAY_JUDGE)
    content = await parts.raw_body(request)
    given = parts.formed(content, form)
    return parts.asked(request, caller, content, getattr(given, "version", None)), given


async def _desk(request: Request, work: Callable[[Desk, str], bytes], status: int = 200) -> Response:
    core: Acts = request.scope[CORE]
    answer = await asyncio.to_thread(work, Desk(core.database), request.path_params["alert_id"])
    return Response(answer, status, media_type="application/json")


async def _history(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    query = request.query_params
    limit = parts.whole(query.get("limit", "100"), "limit", MOST_LINES)
    after = parts.whole(query.get("after", "0"), "after", 1 << 62, 0)
    alert_id = request.path_params["alert_id"]
    found = await asyncio.to_thread(Desk(core.database).history, caller.tenant, alert_id, limit, after)
    names = ("number", "actor", "what", "old", "new")
    lines = [{"time": row["at_us"] // 1000, **{name: row[name] for name in names}} for row in found]
    return parts.json({"lines": lines, "next": found[-1]["number"] if len(found) == limit else None})


# ----------------------------------------------------------------------------------------------------- views


async def _views(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    return parts.json({"views": await asyncio.to_thread(register.views, core.database, caller.tenant)})


async def _save_view(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    content = await parts.raw_body(request)
    given = parts.formed(content, ViewBody)
    asked = parts.asked(request, caller, content, None)
    core: Acts = request.scope[CORE]
    name = request.path_params["name"]
    await asyncio.to_thread(register.save_view, core.database, asked, name, given.query)
    return parts.json({"name": name, "query": given.query})


async def _remove_view(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    asked = parts.asked(request, caller, b"", None)
    await asyncio.to_thread(register.remove_view, core.database, asked, request.path_params["name"])
    return Response(status_code=204)


def _version(request: Request) -> int | None:
    text = request.query_params.get("version")
    return None if text is None else parts.whole(text, "version", (1 << 31) - 1, 0)


def _day(text: str) -> int:
    try:
        return number_of(date.fromisoformat(text))
    except ValueError as error:
        raise InputError(f"day={text[:20]!r} is no day: write YYYY-MM-DD") from error
