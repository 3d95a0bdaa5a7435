"""The console's static files and a double of its API (docs/console.md), in a thread of this process.

It keeps sessions, roles, tenants, verdicts and views as the service does, so that a browser can be led
through whole stories in seconds, with ten thousand alerts or with hostile names.
tests/console/test_service.py leads the browser through the real service.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import secrets
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.console.double_desk import Desk, alert_of
from tests.console.office_alerts import DAY_MS
from tests.service_process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from tests.console.office import Office

STATIC = Path(__file__).resolve().parents[2] / "serving" / "console" / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'"
)
ACCOUNTS = {
    "zoe": ("acme", "analyst", "Zoë Keller"),
    "dana": ("acme", "admin", "Dana Novak"),
    "sam": ("acme", "scientist", "Sam Nasser"),
    "eve": ("other", "analyst", "Eve Brandt"),
    "demo": ("demo", "admin", "Demo"),
}
PASSWORD = "correct horse battery"
TOTP = "123456"


class Double(Desk):
    """One running double.

    offices: by tenant. delay_seconds: added to every answer of the API, to see what stands meanwhile.
    """

    def __init__(self, offices: dict[str, Office]) -> None:
        self.offices = offices
        self.sessions: dict[str, dict[str, Any]] = {}
        self.delay_seconds = 0.0
        self.broken: set[str] = set()
        self.needs_totp: set[str] = set()
        self.must_change: set[str] = set()
        self.changed: list[str] = []
        self.port = free_port()
        self.paths: list[str] = []
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), port=self.port, log_level="error", lifespan="off", ws="none")
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Double]:
        """Start, and stop at the end."""
        self._thread.start()
        until = time.monotonic() + 30
        while not self._server.started:
            if time.monotonic() > until:
                raise AssertionError("the double did not start")
            time.sleep(0.01)
        try:
            yield self
        finally:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(10)

    # -------------------------------------------------------------------------------- routes

    def _app(self) -> Starlette:
        table = {
            ("GET", "/v1/alerts"): self._alerts,
            ("POST", "/v1/alerts/verdicts"): self._bulk,
            ("GET", "/v1/alerts/{id}"): lambda office, r, body, who: office.finding(alert_of(office, r)),
            ("GET", "/v1/alerts/{id}/context"): lambda office, r, body, who: office.context(
                alert_of(office, r)
            ),
            ("GET", "/v1/alerts/{id}/events"): lambda office, r, body, who: {
                "events": office.events(alert_of(office, r))
            },
            ("GET", "/v1/alerts/{id}/history"): self._history,
            ("POST", "/v1/alerts/{id}/verdict"): self._verdict,
            ("DELETE", "/v1/alerts/{id}/verdict"): self._take_back,
            ("POST", "/v1/alerts/{id}/state"): self._state,
            ("POST", "/v1/alerts/{id}/assign"): self._assign,
            ("POST", "/v1/alerts/{id}/notes"): self._note,
            ("GET", "/v1/verdicts"): self._verdicts,
            ("POST", "/v1/reveal"): lambda office, r, body, who: {**body, "name": "alice.martin"},
            ("GET", "/v1/incidents"): lambda office, *_: {
                "incidents": [office.incident()["incident"]],
                "next": None,
            },
            ("GET", "/v1/incidents/{id}"): lambda office, *_: office.incident(),
            ("POST", "/v1/incidents/{id}/verdict"): self._judge_incident,
            ("GET", "/v1/budget"): lambda office, *_: office.budget(),
            ("GET", "/v1/views"): lambda office, *_: {"views": list(office.views.values())},
            ("PUT", "/v1/views/{name}"): self._keep_view,
            ("DELETE", "/v1/views/{name}"): lambda office, r, *_: (
                office.views.pop(r.path_params["name"]) and None
            ),
            ("GET", "/v1/entities"): self._entities,
            ("GET", "/v1/entities/{kind}/{name:path}/context"): lambda office, r, *_: office.entity_context(
                **_named(r)
            ),
            ("POST", "/v1/entities/{kind}/{name:path}/unlearn"): lambda *_: {
                "events": 37,
                "never_learned": 4,
                "missing_weight": 0.2,
            },
            ("GET", "/v1/entities/{kind}/{name:path}"): lambda office, r, *_: office.entity(**_named(r)),
            ("GET", "/v1/baselines/{name:path}"): lambda office, r, *_: office.habits(r.path_params["name"]),
            ("GET", "/v1/exceptions"): lambda office, *_: {"exceptions": office.exceptions},
            ("POST", "/v1/exceptions"): self._make_exception,
            ("POST", "/v1/exceptions/preview"): self._preview,
            ("DELETE", "/v1/exceptions/{uid}"): self._lift,
            ("GET", "/v1/golden"): self._golden,
            ("POST", "/v1/golden/{id}/verdict"): self._answer_golden,
            ("GET", "/v1/channels"): self._admin(lambda office, *_: {"channels": office.channels}),
            ("POST", "/v1/channels"): self._admin(self._make_channel),
            ("POST", "/v1/channels/{id}/test"): self._admin(self._test_channel),
            ("POST", "/v1/channels/{id}/retry"): self._admin(lambda *_: {"messages": 1}),
            ("DELETE", "/v1/channels/{id}"): self._admin(self._remove_channel),
            ("GET", "/v1/notifications"): lambda office, *_: {"messages": office.messages},
            ("GET", "/v1/models"): lambda office, *_: office.models(),
            ("POST", "/v1/models/promote"): lambda *_: {"active": "13"},
            ("GET", "/v1/operations"): lambda office, *_: office.operations(),
            ("GET", "/v1/usage"): lambda *_: {
                "entities": 412,
                "habits": 91_204,
                "held": 118,
                "habits_dropped": 0,
                "shed": {},
                "limits": {"events_per_second": 5000, "entities": 100_000},
            },
            ("GET", "/v1/quarantine"): lambda office, *_: {"records": office.quarantine, "next": None},
            ("POST", "/v1/quarantine/retry"): self._retry,
            ("GET", "/v1/keys"): self._admin(
                lambda office, *_: {
                    "keys": [
                        {
                            "id": "4f2a",
                            "role": "collector",
                            "label": office.word("filebeat, floor 2"),
                            "created": "2026-01-04T10:00:00Z",
                            "revoked": None,
                        }
                    ]
                }
            ),
            ("GET", "/v1/accounts"): self._admin(
                lambda *_: {
                    "accounts": [
                        {
                            "login": login,
                            "name": name,
                            "role": role,
                            "disabled": False,
                            "totp": False,
                            "last_sign_in": None,
                        }
                        for login, (tenant, role, name) in ACCOUNTS.items()
                        if tenant == "acme"
                    ]
                }
            ),
            ("GET", "/v1/audit"): self._admin(
                lambda office, *_: {
                    "lines": [
                        {
                            "number": 2,
                            "at": "2026-03-10T09:12:44Z",
                            "actor": "zoe",
                            "action": "verdict.give",
                            "subject": "a00009",
                            "detail": {"reason": office.word("moved")},
                            "hash": "9f",
                        }
                    ],
                    "next": None,
                }
            ),
            ("GET", "/v1/metrics/soc"): lambda *_: {
                "alerts": 0,
                "agreement": [{"analyst": "zoe", "answered": 8, "agreed": 6, "share": 0.75}],
            },
        }
        routes = [
            Route(path, self._route(method, work), methods=[method]) for (method, path), work in table.items()
        ]
        return Starlette(
            routes=[
                Route("/console/session", self._session, methods=["GET", "POST", "DELETE"]),
                Route("/console/session/options", lambda _: JSONResponse({"oidc": None}), methods=["GET"]),
                Route("/console/session/password", self._password, methods=["POST"]),
                Route("/v1/live", self._live),
                *routes,
                Route("/console/{path:path}", _static),
            ],
            exception_handlers={HTTPException: _refused},
        )

    def _route(self, method: str, work: Any) -> Any:
        async def answer(request: Request) -> Response:
            self.paths.append(f"{method} {request.url.path}")
            who = self._who(request)
            if method != "GET" and request.headers.get("x-csrf-token") != who["csrf"]:
                raise HTTPException(403, "X-CSRF-Token is missing or wrong")
            if request.url.path in self.broken:
                raise HTTPException(503, "the service is busy; send it again")
            body = await request.body()
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            found = work(self.offices[who["tenant"]], request, json.loads(body) if body else {}, who)
            return JSONResponse(found) if found is not None else Response(status_code=204)

        return answer

    def _who(self, request: Request) -> dict[str, Any]:
        who = self.sessions.get(request.cookies.get("session", ""))
        if who is None:
            raise HTTPException(401, "sign in")
        return who

    def _admin(self, work: Any) -> Any:
        def checked(office: Office, request: Request, body: Any, who: dict[str, Any]) -> Any:
            if who["role"] != "admin":
                raise HTTPException(403, "this needs the role admin")
            return work(office, request, body, who)

        return checked

    # -------------------------------------------------------------------------------- session

    async def _session(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse(self._who(request))
        if request.method == "DELETE":
            self.sessions.pop(request.cookies.get("session", ""), None)
            return Response(status_code=204)
        body = await request.json()
        login = body["login"]
        if login not in ACCOUNTS or body["password"] != PASSWORD:
            raise HTTPException(401, "login and password do not fit")
        if login in self.needs_totp and body.get("totp") != TOTP:
            return JSONResponse({"error": "the code is needed", "totp_required": True}, 401)
        tenant, role, name = ACCOUNTS[login]
        token = secrets.token_urlsafe()
        self.sessions[token] = {
            "login": login,
            "name": name,
            "tenant": tenant,
            "role": role,
            "csrf": secrets.token_urlsafe(),
            "expires": self.offices[tenant].now_ms + DAY_MS // 2,
            "totp": False,
            "pseudonymous": False,
            "must_change": login in self.must_change,
        }
        answer = JSONResponse(self.sessions[token])
        answer.set_cookie("session", token, httponly=True, samesite="strict")
        return answer

    async def _password(self, request: Request) -> Response:
        who = self._who(request)
        who["must_change"] = False
        self.must_change.discard(who["login"])
        return Response(status_code=204)

    # -------------------------------------------------------------------------------- live

    async def _live(self, request: Request) -> Response:
        who = self._who(request)
        office = self.offices[who["tenant"]]

        async def stream() -> AsyncIterator[str]:
            yield f'event: hello\ndata: {{"now": {office.now_ms}}}\n\n'
            told = len(self.changed)
            while not self._server.should_exit:
                await asyncio.sleep(0.05)
                if len(self.changed) > told:
                    ids = [one for one in self.changed[told:] if one in office.alerts]
                    told = len(self.changed)
                    if ids:
                        told_now = {"ids": ids, "total_open": 1, "by_state": {}}
                        yield f"event: alerts\ndata: {json.dumps(told_now)}\n\n"

        return StreamingResponse(
            stream(), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )


def _named(request: Request) -> dict[str, str]:
    return {"kind": request.path_params["kind"], "name": request.path_params["name"]}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail, "status": error.status_code}, error.status_code)


async def _static(request: Request) -> Response:
    path = request.path_params["path"]
    file = STATIC / path if path.startswith(("js/", "css/", "img/")) else STATIC / "index.html"
    if not file.resolve().is_relative_to(STATIC) or not file.is_file():
        raise HTTPException(404, "no such file")
    kind = {".js": "text/javascript"}.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    headers = {
        "content-security-policy": CSP,
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }
    return Response(file.read_bytes(), media_type=kind, headers=headers)
