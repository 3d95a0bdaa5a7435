"""`POST /v1/reveal`: who is behind a pseudonym, with a reason that stands in the audit log."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
from starlette.routing import Route

from features.errors import InputError
from serving import audit
from serving.accounts.pseudonyms import FORM, Pseudonyms
from serving.audit import Deed
from serving.http import parts
from serving.http.ports import CORE
from serving.http.roles import MAY_JUDGE
from serving.triage.desk import writing
from serving.triage.words import REASON_LENGTH, Missing, words

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from serving.http.ports import Acts


class RevealBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whose name, and why."""

    pseudonym: str
    reason: str


def routes() -> list[Route]:
    """What there is."""
    return [Route("/v1/reveal", _reveal, methods=["POST"])]


async def _reveal(request: Request) -> Response:
    caller = parts.allowed(request, MAY_JUDGE)
    given = await parts.body(request, RevealBody)
    if not words(given.reason, "reason", REASON_LENGTH, lines=True).strip():
        raise InputError("reason: why the name is needed; it stands in the audit log")
    if not FORM.fullmatch(given.pseudonym):
        raise InputError("pseudonym: such as user-3f2a90cc01d4")
    core: Acts = request.scope[CORE]
    name = (await Pseudonyms(core).of(caller.tenant)).by_pseudonym.get(given.pseudonym)
    if name is None:
        raise Missing("there is no user behind this pseudonym")
    # the log says that it was asked, not who it is: whoever reads it would know without asking
    deed = Deed(caller.key_id, "pseudonym.reveal", given.pseudonym, caller.role, {"reason": given.reason})

    def write() -> None:
        with writing(core.database) as connection:
            audit.append(connection, time.time_ns() // 1000, caller.tenant, deed)

    await asyncio.to_thread(write)
    return parts.json({"pseudonym": given.pseudonym, "name": name})
