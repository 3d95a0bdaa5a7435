"""Routes of signing in at an OpenID provider: away to it, and back; see `serving.accounts.oidc`.

The cookie between the two has SameSite=Lax, since the provider's page leads the browser back; it is good for
nothing but finishing the sign-in that this browser began.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from serving.accounts.oidc import NotSignedIn
from serving.http.dialects import Refusal
from serving.http.logs import FIELDS
from serving.http.ports import PEOPLE
from serving.http.sessions import cookie_header

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.accounts.oidc import Provider
    from serving.accounts.people import People

_LOG = logging.getLogger("habitus.http")
SECONDS = 600


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/console/oidc/start", _start, methods=["GET"]),
        Route("/console/oidc/callback", _callback, methods=["GET"]),
    ]


def _provider(request: Request) -> tuple[People, Provider]:
    people: People = request.scope[PEOPLE]
    if people.provider is None:
        raise Refusal(404, "this service knows no OpenID provider; see `habitus serve --help`")
    return people, people.provider


async def _start(request: Request) -> Response:
    people, provider = _provider(request)
    fresh = (secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))
    try:
        started = await asyncio.to_thread(provider.start, fresh)
    except NotSignedIn as error:
        return _back(people, error)
    return Response(
        status_code=303, headers={"location": started.url, "set-cookie": _cookie(people, started.cookie)}
    )


async def _callback(request: Request) -> Response:
    people, provider = _provider(request)
    kept = request.cookies.get(_name(people), "")
    try:
        person = await asyncio.to_thread(provider.finish, dict(request.query_params), kept)
        token = await asyncio.to_thread(people.sign_in.with_provider, person)
    except NotSignedIn as error:
        return _back(people, error)
    answer = Response(status_code=303, headers={"location": "/console/"})
    answer.headers.append("set-cookie", cookie_header(people, token))
    answer.headers.append("set-cookie", _cookie(people, ""))
    return answer


def _back(people: People, error: NotSignedIn) -> Response:
    """To the page, which says it in its own words: nothing of the provider's answer is shown."""
    _LOG.warning("sign-in at the provider failed", extra={FIELDS: {"reason": str(error)[:300]}})
    headers = {"location": f"/console/?signin={error.code}", "set-cookie": _cookie(people, "")}
    return Response(status_code=303, headers=headers)


def _name(people: People) -> str:
    return f"{people.cookie}-oidc"


def _cookie(people: People, value: str) -> str:
    secure = "; Secure" if people.is_secure else ""
    age = SECONDS if value else 0
    return f"{_name(people)}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}"
