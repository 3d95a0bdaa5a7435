"""Routes about incidents, see `serving.incidents`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.routing import Route

from features.behaviours import ENTITY_KINDS
from features.errors import InputError
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_JUDGE, MAY_READ
from serving.incidents import lookup, verdicts
from serving.triage.verdicts import Opinion

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from serving.http.ports import Acts

MOST_ROWS = 1000
TEXT_LENGTH = 200


class IncidentVerdictBody(msgspec.Struct, forbid_unknown_fields=True):
    """A verdict on all alerts of an incident."""

    verdict_id: int
    reason: str = ""
    state: str = ""
    unlearn: bool = False


def routes() -> list[Route]:
    """What there is."""
    incident = "/v1/incidents/{incident_id}"
    return [
        Route("/v1/incidents", _list, methods=["GET"]),
        Route(incident, _show, methods=["GET"]),
        Route(f"{incident}/verdict", _judge, methods=["POST"]),
        Route(f"{incident}/verdict", _revert, methods=["DELETE"]),
    ]


async def _list(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    wanted = _wanted(request)
    found = await asyncio.to_thread(lookup.find, core.database, caller.tenant, wanted)
    return parts.json({"incidents": found.incidents, "next": found.following})


def _wanted(request: Request) -> lookup.Wanted:
    query = request.query_params
    states = parts.states(query.get("state", ""))
    kind = query.get("entity_kind", "")
    if kind and kind not in ENTITY_KINDS:
        raise InputError(f"entity_kind={kind[:20]!r}: one of {', '.join(ENTITY_KINDS)}")
    active = query.get("active")
    if active not in (None, "true", "false"):
        raise InputError(f"active={str(active)[:20]!r}: true or false")
    return lookup.Wanted(
        from_us=parts.moment(query["from"], "from") if "from" in query else None,
        to_us=parts.moment(query["to"], "to") if "to" in query else None,
        entity_kind=kind,
        entity=query.get("entity", ""),
        technique=query.get("technique", "")[:TEXT_LENGTH],
        active=None if active is None else active == "true",
        min_severity=parts.whole(query.get("min_severity", "1"), "min_severity", 5),
        min_risk=parts.number(query.get("min_risk", "0"), "min_risk"),
        states=states,
        assignee=query.get("assignee"),
        verdict_id=parts.verdict(query.get("verdict_id")),
        text=query.get("text", "")[:TEXT_LENGTH],
        sort=query.get("sort", "last"),
        limit=parts.whole(query.get("limit", "100"), "limit", MOST_ROWS),
        after=query.get("after", ""),
    )


async def _show(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    key = request.path_params["incident_id"]
    return parts.json(await asyncio.to_thread(lookup.show, core.database, caller.tenant, key))


async def _judge(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    content = await parts.raw_body(request)
    given = parts.formed(content, IncidentVerdictBody)
    asked = parts.asked(request, caller, content, None)
    opinion = Opinion(given.verdict_id, given.reason, given.state, given.unlearn)
    key = request.path_params["incident_id"]
    return parts.json(await verdicts.give(core, core.database, asked, key, opinion), 201)


async def _revert(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    core: Acts = request.scope[CORE]
    asked = parts.asked(request, caller, b"", None)
    key = request.path_params["incident_id"]
    return parts.json(await verdicts.revert(core, core.database, asked, key))
