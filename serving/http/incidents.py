"""Routes about incidents, see `serving.incidents`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.routing import Route

from features.errors import InputError
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_JUDGE, MAY_READ
from serving.incidents import lookup, verdicts
from serving.triage.verdicts import Opinion
from serving.triage.words import STATES, checked_verdict

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from serving.http.ports import Acts

MOST_ROWS = 1000
TEXT_LENGTH = 200
KINDS = ("user", "host", "src_ip")


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
    states = tuple(filter(None, query.get("state", "").split(",")))
    if unknown := set(states) - set(STATES):
        raise InputError(f"state={min(unknown)[:20]!r}: some of {', '.join(STATES)}, with commas")
    kind = query.get("entity_kind", "")
    if kind and kind not in KINDS:
        raise InputError(f"entity_kind={kind[:20]!r}: one of {', '.join(KINDS)}")
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
        min_risk=_risk(query.get("min_risk", "0")),
        states=states,
        assignee=query.get("assignee"),
        verdict_id=_verdict(query.get("verdict_id")),
        text=query.get("text", "")[:TEXT_LENGTH],
        sort=query.get("sort", "last"),
        limit=parts.whole(query.get("limit", "100"), "limit", MOST_ROWS),
        after=query.get("after", ""),
    )


def _risk(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"min_risk={text[:20]!r} is no number") from error
    if not abs(value) < 1e308:
        raise InputError(f"min_risk={text[:20]!r} is no number")
    return value


def _verdict(text: str | None) -> int | None:
    """0 for none."""
    if text is None:
        return None
    return 0 if text == "none" else checked_verdict(parts.whole(text, "verdict_id", 99))


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
