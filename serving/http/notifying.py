"""Routes about notifications: channels (for admins, since they lead out of the house), and what became of the
messages.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from features.errors import InputError
from serving import audit
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_ADMINISTER, MAY_READ
from serving.notify import channels, outbox
from serving.notify.channels import Rules, Target
from serving.notify.messages import TEST
from serving.triage.desk import writing
from serving.triage.words import Missing

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.http.ports import Acts
    from serving.notify.channels import Channel
    from serving.store.database import Database
    from serving.triage.words import Asked

MOST_ROWS = 1000
STATES = ("", "waiting", "sent", "dead")


class ChannelBody(msgspec.Struct, forbid_unknown_fields=True):
    """A channel to be made."""

    kind: str
    target: Target
    label: str = ""
    rules: Rules = Rules()


def routes() -> list[Route]:
    """What there is."""
    channel = "/v1/channels/{channel_id}"
    return [
        Route("/v1/channels", _channels, methods=["GET"]),
        Route("/v1/channels", _create, methods=["POST"]),
        Route(channel, _remove, methods=["DELETE"]),
        Route(f"{channel}/test", _test, methods=["POST"]),
        Route(f"{channel}/retry", _retry, methods=["POST"]),
        Route("/v1/notifications", _messages, methods=["GET"]),
    ]


def _admin(request: Request, content: bytes = b"") -> tuple[Database, Asked]:
    caller = parts.allowed(request, MAY_ADMINISTER)
    core: Acts = request.scope[CORE]
    return core.database, parts.asked(request, caller, content, None)


async def _channels(request: Request) -> Response:
    database, asked = _admin(request)

    def look() -> list[Channel]:
        with database.read() as connection:
            return channels.of_tenant(connection, asked.tenant)

    return parts.json({"channels": [channel.shown() for channel in await asyncio.to_thread(look)]})


async def _create(request: Request) -> Response:
    parts.allowed(request, MAY_ADMINISTER)
    content = await parts.raw_body(request)
    database, asked = _admin(request, content)
    wanted = parts.formed(content, ChannelBody)
    made = await asyncio.to_thread(
        channels.create, database, asked, wanted.kind, wanted.label, wanted.target, wanted.rules
    )
    answer = made.shown()
    if made.kind == "webhook":
        answer["secret"] = made.target.secret  # this once
    return parts.json(answer, 201)


async def _remove(request: Request) -> Response:
    database, asked = _admin(request)
    await asyncio.to_thread(channels.remove, database, asked, request.path_params["channel_id"])
    return Response(status_code=204)


async def _test(request: Request) -> Response:
    database, asked = _admin(request)
    key = await asyncio.to_thread(_put_test, database, asked, request.path_params["channel_id"])
    return parts.json({"key": key}, 202)


def _put_test(database: Database, asked: Asked, channel_id: str) -> str:
    now_us = time.time_ns() // 1000
    with writing(database) as connection:
        channel = channels.find(connection, asked.tenant, channel_id)
        if channel is None:
            raise Missing("there is no channel with this id")
        return outbox.put(connection, channel, secrets.token_hex(8), TEST, None, now_us)


async def _retry(request: Request) -> Response:
    database, asked = _admin(request)
    revived = await asyncio.to_thread(_revive, database, asked, request.path_params["channel_id"])
    return parts.json({"messages": revived}, 202)


def _revive(database: Database, asked: Asked, channel_id: str) -> int:
    now_us = time.time_ns() // 1000
    with writing(database) as connection:
        if channels.find(connection, asked.tenant, channel_id) is None:
            raise Missing("there is no channel with this id")
        revived = outbox.revive(connection, asked.tenant, channel_id, now_us)
        deed = asked.who._replace(action="channel.retry", subject=channel_id, detail={"messages": revived})
        audit.append(connection, now_us, asked.tenant, deed)
    return revived


async def _messages(request: Request) -> Response:
    caller = parts.allowed(request, MAY_READ)
    core: Acts = request.scope[CORE]
    query = request.query_params
    only = query.get("state", "")
    if only not in STATES:
        raise InputError(f"state={only[:20]!r}: one of {', '.join(STATES[1:])}")
    limit = parts.whole(query.get("limit", "100"), "limit", MOST_ROWS)

    def look() -> list[dict[str, Any]]:
        with core.database.read() as connection:
            found = outbox.find(connection, caller.tenant, query.get("channel_id", ""), only, limit)
            names = channels.labels(connection, caller.tenant, [row["channel_id"] for row in found])
        return [_shown(row, names) for row in found]

    return parts.json({"messages": await asyncio.to_thread(look)})


def _shown(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    payload = msgspec.json.decode(row["payload"])
    state = "sent" if row["done_us"] is not None else "dead" if row["dead_us"] is not None else "waiting"
    alert = payload["alert"]
    return {
        "key": row["message_key"],
        "channel_id": row["channel_id"],
        "channel": names.get(row["channel_id"], ""),
        "kind": payload["kind"],
        "alert_id": None if alert is None else alert["finding_info"]["uid"],
        "parcel": row["parcel"],
        "state": state,
        "attempts": row["attempts"],
        "error": row["error"],
        "created": row["created_us"] // 1000,
        "next": row["next_us"] // 1000 if state == "waiting" else None,
        "sent": None if row["done_us"] is None else row["done_us"] // 1000,
    }
