"""Routes about the tenant's accounts, for admins; see `serving.accounts.book`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from serving.audit import Deed
from serving.http.dialects import Refusal
from serving.http.parts import allowed, body, iso, json
from serving.http.ports import PEOPLE
from serving.http.roles import MAY_ADMINISTER

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.accounts.book import Account
    from serving.accounts.people import People
    from serving.http.ports import Caller


class AccountBody(msgspec.Struct, forbid_unknown_fields=True):
    """An account to be made; oidc: signs in at the OpenID provider only."""

    login: str
    role: str
    name: str = ""
    oidc: bool = False


def routes() -> list[Route]:
    """What there is."""
    return [
        Route("/v1/accounts", _accounts, methods=["GET"]),
        Route("/v1/accounts", _make, methods=["POST"]),
        Route("/v1/accounts/{login}", _disable, methods=["DELETE"]),
        Route("/v1/accounts/{login}/reset", _reset, methods=["POST"]),
    ]


async def _accounts(request: Request) -> Response:
    caller, people = _asked(request)
    found = await asyncio.to_thread(people.book.all, caller.tenant)
    return json({"accounts": [_shown(account) for account in found]})


async def _make(request: Request) -> Response:
    caller, people = _asked(request)
    wanted = await body(request, AccountBody)
    password = await asyncio.to_thread(
        lambda: people.book.create(
            caller.tenant, wanted.login, wanted.role, wanted.name, _who(caller), oidc=wanted.oidc
        )
    )
    return json({"login": wanted.login.strip().lower(), "password": password or None}, 201)


async def _disable(request: Request) -> Response:
    caller, people = _asked(request)
    login = request.path_params["login"]
    await asyncio.to_thread(people.book.disable, login, _who(caller), caller.tenant)
    people.sessions.forget()
    return Response(status_code=204)


async def _reset(request: Request) -> Response:
    caller, people = _asked(request)
    login = request.path_params["login"]
    password = await asyncio.to_thread(people.book.reset, login, _who(caller), caller.tenant)
    people.sessions.forget()
    return json({"login": login, "password": password or None})


def _asked(request: Request) -> tuple[Caller, People]:
    caller = allowed(request, MAY_ADMINISTER)
    people: People | None = request.scope.get(PEOPLE)
    if people is None:
        raise Refusal(404, "this service has no accounts")
    return caller, people


def _who(caller: Caller) -> Deed:
    return Deed(caller.key_id, "", "", caller.role)


def _shown(account: Account) -> dict[str, Any]:
    return {
        "login": account.login,
        "name": account.name,
        "role": account.role,
        "totp": account.totp,
        "oidc": account.oidc,
        "must_change": account.must_change,
        "created": iso(account.created_us),
        "disabled": None if account.disabled_us is None else iso(account.disabled_us),
    }
