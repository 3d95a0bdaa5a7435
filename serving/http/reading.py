"""The reading API: alerts, entities and baselines of the caller's tenant (a Starlette application), and the
routes of `serving.http.acting`, `triaging`, `notifying` and `excepting`.

Who asks, and what answers, stand in the ASGI scope: `serving.http.app` puts them there.
"""

from __future__ import annotations

import asyncio
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from features.errors import HabitusError, InputError
from serving import queries, soc
from serving.days import DAY_US
from serving.http import (
    accounts,
    acting,
    context,
    excepting,
    incidents,
    notifying,
    operating,
    parts,
    queueing,
    revealing,
    triaging,
    weighing,
)
from serving.http.dialects import Dialect, Refusal, refusal_of, spoken
from serving.http.ports import CALLER, CORE
from serving.triage import queue
from serving.triage.words import Conflict

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.http.ports import Reads

MOST_ROWS = 1000
TEXT_LENGTH = 200


def application() -> Starlette:
    """The application; one can serve any number of cores."""
    routes = [
        *acting.routes(),
        *accounts.routes(),
        *queueing.routes(),
        *revealing.routes(),
        *context.routes(),
        *operating.routes(),
        *triaging.routes(),
        *notifying.routes(),
        *excepting.routes(),
        *weighing.routes(),
        *incidents.routes(),
        Route("/v1/usage", _usage),
        Route("/v1/alerts", _alerts),
        Route("/v1/metrics/soc", _soc),
        Route("/v1/alerts/{alert_id}/receipt", _receipt),
        Route("/v1/alerts/{alert_id}", _alert),
        Route("/v1/entities/{kind}/{entity:path}", _entity),
        Route("/v1/baselines/{entity:path}", _baseline),
        Route("/{path:path}", _nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    return Starlette(routes=routes, exception_handlers={HabitusError: _refused})


def answered(error: HabitusError) -> Response:
    """An error that was raised on purpose, as this API answers it."""
    answer = spoken(refusal_of(error, Dialect.NATIVE), Dialect.NATIVE)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    if isinstance(error, Conflict) and error.present is not None:
        # whoever was too late sees what it is now, without asking again
        told = {"error": str(error), "status": 409, "present": error.present}
        return Response(msgspec.json.encode(told), 409, media_type="application/json")
    return Response(answer.body, answer.status, headers, media_type=answer.content_type.decode())


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HabitusError):
        raise error
    return answered(error)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _asked(request: Request) -> tuple[Reads, str]:
    return request.scope[CORE], request.scope[CALLER].tenant


async def _usage(request: Request) -> Response:
    core, tenant = _asked(request)
    return _json(core.usage(tenant))


async def _alerts(request: Request) -> Response:
    core, tenant = _asked(request)
    query = request.query_params
    if (fields := query.get("fields", "")) not in ("", "queue"):
        raise InputError(f"fields={fields[:20]!r}: queue, or leave it out")
    if fields:
        limit = parts.whole(query.get("limit", str(queue.MOST_ROWS)), "limit", queue.MOST_ROWS)
    else:
        limit = _limit(query.get("limit", "100"))
    wanted = queries.Wanted(
        first=_day(query.get("from"), "from"),
        last=_day(query.get("to"), "to"),
        entity_kind=parts.kind(query["entity_kind"]) if "entity_kind" in query else "",
        entity=query.get("entity", ""),
        min_risk=parts.number(query.get("min_risk", "0"), "min_risk"),
        min_severity=parts.whole(query.get("min_severity", "1"), "min_severity", 5),
        states=parts.states(query.get("state", "")),
        assignee=query.get("assignee"),
        verdict_id=parts.verdict(query.get("verdict_id")),
        text=query.get("text", "")[:TEXT_LENGTH],
        since_us=parts.moment(query["since"], "since") if "since" in query else None,
        sort=query.get("sort", "day"),
        limit=limit,
        after=query.get("after", ""),
        ids=parts.ids(query["ids"]) if "ids" in query else None,
    )
    if fields:
        sparks = parts.whole(query.get("sparks", str(queue.SPARKS)), "sparks", queue.SPARKS, 0)

        def lines() -> Response:
            found = queue.find(core.database, tenant, wanted, sparks=sparks)
            told = {"alerts": found.alerts, "next": found.following, "total": found.total}
            return parts.packed(request, {**told, "learning_until": found.learning_until})

        return await asyncio.to_thread(lines)
    found = await asyncio.to_thread(queries.find_alerts, core.database, tenant, wanted)
    return _json({"alerts": found.alerts, "next": found.following})


async def _soc(request: Request) -> Response:
    core, tenant = _asked(request)
    query = request.query_params
    until_us = parts.moment(query["to"], "to") if "to" in query else time.time_ns() // 1000
    from_us = parts.moment(query["from"], "from") if "from" in query else until_us - soc.DEFAULT_DAYS * DAY_US
    return _json(await asyncio.to_thread(soc.numbers, core.database, tenant, from_us, until_us))


async def _alert(request: Request) -> Response:
    core, tenant = _asked(request)
    found = await asyncio.to_thread(
        queries.find_alert, core.database, tenant, request.path_params["alert_id"]
    )
    if found is None:
        raise Refusal(404, "there is no alert with this id")
    return _json(found)


async def _receipt(request: Request) -> Response:
    core, tenant = _asked(request)
    found = await asyncio.to_thread(
        queries.find_receipt, core.database, tenant, request.path_params["alert_id"]
    )
    if found is None:
        raise Refusal(404, "there is no alert with this id, or no receipt of it")
    return Response(found, media_type="application/json")


async def _entity(request: Request) -> Response:
    core, tenant = _asked(request)
    kind, entity = parts.kind(request.path_params["kind"]), request.path_params["entity"]
    limit = _limit(request.query_params.get("limit", "100"))
    days = await asyncio.to_thread(queries.find_days, core.database, tenant, kind, entity, limit)
    frame = await core.open_days(tenant)
    if len(frame):
        own = frame[(frame["entity_kind"] == kind) & (frame["entity"] == entity)]
        names = ("risk", "alert", "n_events", "reasons")
        days = [
            {"day": str(row["day"])[:10], **{name: _plain(row[name]) for name in names}, "open": True}
            for row in own.to_dict("records")
        ] + days
    if not days:
        raise Refusal(404, f"nothing is known of this {kind}")
    return _json({"entity_kind": kind, "entity": entity, "days": days})


async def _baseline(request: Request) -> Response:
    core, tenant = _asked(request)
    entity = request.path_params["entity"]
    limit = _limit(request.query_params.get("limit", "1000"))
    try:
        frame = await core.baseline(tenant, entity)
    except InputError as error:
        raise Refusal(404, str(error)) from error
    rows = [
        {name: _plain(value) for name, value in row.items()} for row in frame.head(limit).to_dict("records")
    ]
    return _json({"entity": entity, "habits": rows, "total": len(frame)})


async def _nothing(request: Request) -> Response:
    raise Refusal(404, "no such route; see /docs")


def _plain(value: Any) -> Any:
    """A value of a DataFrame as JSON has it."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and value != value:
        return None
    return value


def _day(text: str | None, name: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{name}={text[:20]!r} is no day: write YYYY-MM-DD") from error


def _limit(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 6 or not 1 <= int(text) <= MOST_ROWS:
        raise InputError(f"limit={text[:20]!r}: a number from 1 to {MOST_ROWS}")
    return int(text)
