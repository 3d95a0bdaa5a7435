"""Routes by which people sign in to the console, and look after their own account.

A session is a cookie that scripts cannot read and that no other site's requests carry. Whatever changes
something also needs the header X-CSRF-Token, whose value only pages of this service are told.
"""

from __future__ import annotations

import asyncio
import hmac
import math
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from serving.accounts.signin import Given, WrongCredentials
from serving.accounts.throttle import TooOften
from serving.http import parts
from serving.http.dialects import Refusal
from serving.http.ports import CALLER, PEOPLE

if TYPE_CHECKING:
    from starlette.requests import Request

    from features.errors import HabitusError
    from serving.accounts.people import People
    from serving.accounts.sessions import Visitor

CSRF_HEADER = "x-csrf-token"


class SignInBody(msgspec.Struct, forbid_unknown_fields=True):
    """Who signs in; totp: the code, where one is needed."""

    login: str
    password: str
    totp: str = ""


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True):
    """A change of the password."""

    old: str
    new: str


class CodeBody(msgspec.Struct, forbid_unknown_fields=True):
    """A code of an authenticator."""

    code: str


class ProofBody(msgspec.Struct, forbid_unknown_fields=True):
    """The password, once more."""

    password: str


class PseudonymousBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whether names of people are replaced."""

    on: bool


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/console/session", _show, methods=["GET"]),
        Route("/console/session", _sign_in, methods=["POST"]),
        Route("/console/session", _leave, methods=["DELETE"]),
        Route("/console/session/options", _options, methods=["GET"]),
        Route("/console/session/password", _password, methods=["POST"]),
        Route("/console/session/totp", _begin_totp, methods=["POST"]),
        Route("/console/session/totp/confirm", _confirm_totp, methods=["POST"]),
        Route("/console/session/totp", _remove_totp, methods=["DELETE"]),
        Route("/console/session/pseudonymous", _pseudonymous, methods=["POST"]),
    ]


def answered(error: HabitusError) -> Response | None:
    """Errors of signing in; None for others."""
    if isinstance(error, WrongCredentials):
        told: dict[str, Any] = {"error": str(error), "status": 401}
        if error.totp_required:
            told["totp_required"] = True
        return parts.json(told, 401)
    if isinstance(error, TooOften):
        answer = parts.json({"error": str(error), "status": 429}, 429)
        answer.headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        return answer
    return None


def shown(visitor: Visitor) -> dict[str, Any]:
    """A session as its page sees it."""
    return {
        "login": visitor.key_id,
        "name": visitor.name,
        "tenant": visitor.tenant,
        "role": visitor.role,
        "csrf": visitor.csrf,
        "expires": visitor.expires_us // 1000,
        "totp": visitor.totp,
        "pseudonymous": visitor.pseudonymous,
        "must_change": visitor.must_change,
    }


def refuse_foreign(visitor: Visitor, token: str) -> None:
    """Refusal when a request that changes something lacks what only our own page knows."""
    if not hmac.compare_digest(token.encode("utf-8", "replace"), visitor.csrf.encode()):
        raise Refusal(403, "X-CSRF-Token is missing or not the one of this session: load the page again")


def cookie_header(people: People, token: str) -> str:
    """The cookie; with an empty token it is taken away."""
    secure = "; Secure" if people.is_secure else ""
    gone = "" if token else "; Max-Age=0"
    return f"{people.cookie}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{gone}"


# ------------------------------------------------------------------------------------------------- coming in


async def _options(request: Request) -> Response:
    people: People = request.scope[PEOPLE]
    provider = people.provider
    return parts.json({"oidc": None if provider is None else {"name": provider.settings.name}})


async def _sign_in(request: Request) -> Response:
    people: People = request.scope[PEOPLE]
    _refuse_elsewhere(request)
    body = await parts.body(request, SignInBody)
    given = Given(body.login, body.password, body.totp, _address(request))
    token = await asyncio.to_thread(people.sign_in.with_password, given)
    before: Visitor | None = request.scope[CALLER]
    if before is not None:
        await asyncio.to_thread(people.sign_in.leave, before)
    visitor = await asyncio.to_thread(people.sessions.find, token)
    if visitor is None:
        raise WrongCredentials  # disabled in this very moment
    answer = parts.json(shown(visitor))
    answer.headers["set-cookie"] = cookie_header(people, token)
    return answer


async def _show(request: Request) -> Response:
    return parts.json(shown(_visitor(request)))


async def _leave(request: Request) -> Response:
    people, visitor = _changing(request)
    await asyncio.to_thread(people.sign_in.leave, visitor)
    return Response(status_code=204, headers={"set-cookie": cookie_header(people, "")})


# ------------------------------------------------------------------------------------------ one's own account


async def _password(request: Request) -> Response:
    people, visitor = _changing(request)
    body = await parts.body(request, PasswordBody)
    address = _address(request)
    await asyncio.to_thread(people.sign_in.change_password, visitor, body.old, body.new, address)
    return parts.json(shown(visitor._replace(must_change=False)))


async def _begin_totp(request: Request) -> Response:
    people, visitor = _changing(request, settled=True)
    secret, url = await asyncio.to_thread(people.sign_in.begin_totp, visitor)
    return parts.json({"secret": secret, "url": url})


async def _confirm_totp(request: Request) -> Response:
    people, visitor = _changing(request, settled=True)
    body = await parts.body(request, CodeBody)
    await asyncio.to_thread(people.sign_in.confirm_totp, visitor, body.code, _address(request))
    return parts.json(shown(visitor._replace(totp=True)))


async def _remove_totp(request: Request) -> Response:
    people, visitor = _changing(request, settled=True)
    body = await parts.body(request, ProofBody)
    await asyncio.to_thread(people.sign_in.remove_totp, visitor, body.password, _address(request))
    return parts.json(shown(visitor._replace(totp=False)))


async def _pseudonymous(request: Request) -> Response:
    people, visitor = _changing(request, settled=True)
    body = await parts.body(request, PseudonymousBody)
    await asyncio.to_thread(lambda: people.sign_in.set_pseudonymous(visitor, on=body.on))
    return parts.json(shown(visitor._replace(pseudonymous=body.on)))


# ------------------------------------------------------------------------------------------------------ parts


def _visitor(request: Request) -> Visitor:
    visitor: Visitor | None = request.scope[CALLER]
    if visitor is None:
        raise Refusal(401, "nobody is signed in")
    return visitor


def _changing(request: Request, *, settled: bool = False) -> tuple[People, Visitor]:
    """Who changes something; settled: not before the one-time password was replaced."""
    visitor = _visitor(request)
    refuse_foreign(visitor, request.headers.get(CSRF_HEADER, ""))
    if settled and visitor.must_change:
        raise Refusal(403, MUST_CHANGE)
    return request.scope[PEOPLE], visitor


MUST_CHANGE = "replace the one-time password first: POST /console/session/password"


def _refuse_elsewhere(request: Request) -> None:
    """Signing in is for our own page: another site must not sign somebody in as somebody else."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if site not in ("same-origin", "none") or media_type != "application/json":
        raise Refusal(403, "sign in from the console's own page, with a JSON body")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
