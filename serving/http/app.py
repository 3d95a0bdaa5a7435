"""The application in front of everything: who asks, may they, how much, and then the fast routes.

It is plain ASGI, because a framework's routing and middleware cost more than an event's whole scoring. What
it does not know it hands to the application behind it (BentoML's, with the reading API mounted), with the
caller's tenant in the scope.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, NamedTuple, cast

from features.errors import HabitusError
from serving.accounts.pseudonyms import Pseudonyms
from serving.http import console, dialects, elastic, hec_routes, openapi, sessions
from serving.http.dialects import NO_PERMISSION, Answer, ClientGone, Dialect, Refusal
from serving.http.direct import answer_at_once
from serving.http.ingest import IngestRoutes
from serving.http.live import Live
from serving.http.logs import FIELDS
from serving.http.metrics import CONTENT_TYPE, HttpMetrics
from serving.http.ports import CALLER, CORE, KEYS, PEOPLE
from serving.http.request import Request, Room
from serving.http.roles import ANYBODY, MAY_INGEST, MAY_READ, MAY_TRY
from serving.http.veil import Veil
from serving.submission import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from serving.accounts.people import People
    from serving.accounts.sessions import Visitor
    from serving.http.ports import Acts, Ingest, KeyRing
    from serving.http.request import Message, Receive, Scope, Send
    from serving.http.settings import Settings

    Handler = Callable[[Request, Callable[[int], None]], Awaitable[Answer]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("habitus.http")

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
LIVE = "/v1/live"
"""A stream that a page leaves open: that it is open does not mean that anybody sits before it."""
_INNER_PATHS = ("/v1/", "/score", "/schema.json")
"""What the application behind may be asked for; the rest of BentoML's own pages is not served."""


class Route(NamedTuple):
    """A route of this application; `label` names it in metrics."""

    label: str
    handler: Handler
    dialect: Dialect
    roles: frozenset[str]


class Front:
    """The outermost ASGI application.

    Parameters
    ----------
    inner
        Answers what is not answered here; also gets the lifespan events.
    core, keys
        See `serving.http.ports`.
    settings
        Limits and times.
    people
        Whoever may sign in to the console; None for a service without one.
    """

    def __init__(
        self,
        inner: Application,
        core: Ingest,
        keys: KeyRing,
        settings: Settings,
        metrics: HttpMetrics | None = None,
        people: People | None = None,
    ) -> None:
        self._inner = inner
        self._people = people
        self._live = Live()
        self._pseudonyms = Pseudonyms(cast("Acts", core))
        self._console: Application | None = None if people is None else console.application(self._live)
        self._written: set[asyncio.Task[None]] = set()
        self._core = core
        self._keys = keys
        self._settings = settings
        self.metrics = HttpMetrics(core.metrics) if metrics is None else metrics
        self._room = Room(settings.in_flight_bytes)
        self._headers = (*_HEADERS, _STRICT_TRANSPORT) if settings.is_encrypted else _HEADERS
        self._lines = b"".join(b"%b: %b\r\n" % header for header in self._headers)
        self._ingest = IngestRoutes(core, settings, self.metrics)
        self._routes = self._fast_routes()
        self._bulk = Route("bulk", self._ingest.bulk, Dialect.ELASTIC, MAY_INGEST)

    def _fast_routes(self) -> dict[tuple[str, str], Route]:
        ingest = self._ingest
        routes = {
            ("POST", "/v1/events"): Route("events", ingest.events, Dialect.NATIVE, MAY_INGEST),
            ("POST", "/v1/score"): Route("score", ingest.score, Dialect.NATIVE, MAY_TRY),
            ("POST", "/v1/logs"): Route("otlp", ingest.logs, Dialect.OTLP_PROTOBUF, MAY_INGEST),
        }
        for path in hec_routes.EVENT:
            routes["POST", path] = Route("hec", ingest.hec_event, Dialect.HEC, MAY_INGEST)
        for path in hec_routes.RAW:
            routes["POST", path] = Route("hec", ingest.hec_raw, Dialect.HEC, MAY_INGEST)
        for path in hec_routes.ACK:
            routes["POST", path] = Route("hec_ack", ingest.hec_ack, Dialect.HEC, MAY_INGEST)
        return routes

    def closing(self) -> None:
        """The service is about to stop: nothing is to wait for pages that are open."""
        self._live.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._inner(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        route = self._route_of(request)
        label, dialect = (route.label, route.dialect) if route else _unrouted(request)
        if label == "otlp" and request.media_type == "application/json":
            dialect = Dialect.OTLP_JSON
        status, known = 0, True
        behind = self._inner
        try:
            answer = self._public(request)
            if answer is None and route is None and self._console is not None and _is_console(request.path):
                label, behind = "console", self._console
                request.caller = self._visitor(request)
            elif answer is None:
                known = self._admit(request, route, dialect)
                if route is not None:
                    with self._room.holding() as take:
                        answer = await route.handler(request, take)
                else:
                    answer = self._unrouted_answer(request)
                    if request.path == LIVE and self._console is not None:
                        label, behind = "live", self._console
        except ClientGone:
            status = 499
            answer = None
        except HabitusError as error:
            known = request.caller is not None
            answer = dialects.spoken(dialects.refusal_of(error, dialect), dialect)
            status = answer.status
        except Exception:  # noqa: BLE001 - the edge of a request: logged, and answered without telling more
            _LOG.exception("a request failed", extra={FIELDS: self._about(request)})
            answer = dialects.spoken(
                Refusal(500, "an error inside of the service; its log says more"), dialect
            )
        if answer is not None:
            status = answer.status
            await self._send(request, answer, send)
        elif not status:
            label = "other" if behind is self._inner else label
            status = await self._behind(request, scope, receive, send, behind)
        self._account(request, label, status, time.perf_counter() - started, known=known)

    # ---------------------------------------------------------------------------------------------- routing

    def _route_of(self, request: Request) -> Route | None:
        found = self._routes.get((request.method, request.path))
        if found is None and request.method in ("POST", "PUT") and request.path.endswith("/_bulk"):
            return self._bulk
        return found

    def _public(self, request: Request) -> Answer | None:
        """What needs no key."""
        if request.method not in ("GET", "HEAD"):
            return None
        path = request.path
        if path in ("/healthz", "/livez"):
            return Answer(200, b'{"status":"alive"}')
        if path == "/readyz":
            ready = self._core.ready
            return Answer(
                200 if ready else 503, b'{"status":"ready"}' if ready else b'{"status":"not ready"}'
            )
        if path == "/metrics":
            self.metrics.in_flight.set(self._room.taken)
            return Answer(200, self.metrics.text(), CONTENT_TYPE)
        if path in hec_routes.HEALTH:
            return hec_routes.health(ready=self._core.ready)
        if path == "/openapi.json":
            return Answer(200, openapi.document_json())
        if path == "/docs":
            return openapi.page()
        if path == "/" and b"text/html" in request.headers.get(b"accept", b"") and not request.secret():
            place = b"/docs" if self._console is None else b"/console/"
            return Answer(303, b"", headers=((b"location", place),))
        return None

    def _admit(self, request: Request, route: Route | None, dialect: Dialect) -> bool:
        secret = request.secret()
        request.caller = self._keys.verify(secret) if secret else self._member(request)
        if request.caller is None:
            self.metrics.refused_keys.inc()
            by_page = b"sec-fetch-mode" in request.headers
            raise dialects.unauthenticated(dialect, given=bool(secret), by_page=by_page)
        allowed = [method for method, path in self._routes if path == request.path] if route is None else []
        if allowed:
            raise Refusal(405, f"use {allowed[0]}", ((b"allow", ", ".join(allowed).encode()),))
        if request.caller.role not in (route.roles if route is not None else _roles_of(request)):
            raise Refusal(403, NO_PERMISSION)
        return True

    def _visitor(self, request: Request) -> Visitor | None:
        """Who has the session of the cookie that came along."""
        if self._people is None or b"cookie" not in request.headers:
            return None
        visitor = self._people.sessions.find(request.cookie(self._people.cookie))
        if visitor is not None and request.path != LIVE and self._people.sessions.use(visitor):
            # not waited for, and no error: a full disk must not keep anybody from reading
            task = asyncio.get_running_loop().create_task(self._in_use(self._people, visitor))
            self._written.add(task)
            task.add_done_callback(self._written.discard)
        return visitor

    @staticmethod
    async def _in_use(people: People, visitor: Visitor) -> None:
        with contextlib.suppress(Refused):
            await asyncio.to_thread(people.sessions.written, visitor)

    def _member(self, request: Request) -> Visitor | None:
        """Who asks with a session instead of a key; Refusal when it is not our own page that does."""
        if not request.path.startswith("/v1/"):
            return None
        visitor = self._visitor(request)
        if visitor is None:
            return None
        if request.method not in ("GET", "HEAD"):
            sessions.refuse_foreign(visitor, request.headers.get(b"x-csrf-token", b"").decode("latin-1"))
        if visitor.must_change:
            raise Refusal(403, sessions.MUST_CHANGE)
        return visitor

    def _unrouted_answer(self, request: Request) -> Answer | None:
        found = elastic.answer(request, ready=self._core.ready)
        if found is not None:
            return found
        if request.method == "HEAD" and not request.path.startswith("/v1/"):
            # shippers ask in this way whether an index or a template is there
            return Answer(200, b"", headers=(dialects.ELASTIC_PRODUCT,))
        if not request.path.startswith(_INNER_PATHS):
            raise Refusal(404, "no such route; see /docs")
        return None

    # ------------------------------------------------------------------------------------------- the way out

    async def _send(self, request: Request, answer: Answer, send: Send) -> None:
        if answer.status < 400 and not answer.headers and request.method != "HEAD":
            length = len(answer.body)
            head = b"content-type: %b\r\ncontent-length: %d\r\n" % (answer.content_type, length)
            if answer_at_once(send, answer.status, head + self._lines, answer.body):
                return
        headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
        headers += answer.headers
        if answer.headers:
            given = {name for name, _ in answer.headers}
            headers += [header for header in self._headers if header[0] not in given]
        else:
            headers += self._headers
        if answer.status >= 400 and request.body_bytes == 0 and request.method in ("POST", "PUT"):
            # the body was not read: what is left of it must not be taken for the next request
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if request.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _behind(
        self, request: Request, scope: Scope, receive: Receive, send: Send, behind: Application
    ) -> int:
        """Let the application behind answer, with our headers; returns the status."""
        status = 500
        started = False

        async def sending(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() != b"server"]
                given = {name.lower() for name, _ in kept}
                message = {
                    **message,
                    "headers": kept + [header for header in self._headers if header[0] not in given],
                }
            await send(message)

        try:
            known = {CALLER: request.caller, CORE: self._core, KEYS: self._keys, PEOPLE: self._people}
            if getattr(request.caller, "pseudonymous", False) and request.path.startswith("/v1/"):
                behind = Veil(behind, await self._pseudonyms.of(request.tenant))
            await behind({**scope, **known}, receive, sending)
        except HabitusError as error:
            if started:
                raise
            answer = dialects.spoken(dialects.refusal_of(error, Dialect.NATIVE), Dialect.NATIVE)
            await self._send(request, answer, send)
            return answer.status
        except Exception:
            _LOG.exception("a request failed", extra={FIELDS: self._about(request)})
            if started:
                raise
            await self._send(request, Answer(500, b'{"error":"an error inside of the service"}'), send)
            return 500
        return status

    # --------------------------------------------------------------------------------------------- accounting

    def _about(self, request: Request) -> dict[str, object]:
        client = request.scope.get("client") or ("", 0)
        caller = request.caller
        return {
            "method": request.method,
            "path": request.path,
            "client": client[0],
            "tenant": caller.tenant if caller else "",
            "key_id": caller.key_id if caller else "",
            "bytes": request.body_bytes,
        }

    def _account(self, request: Request, label: str, status: int, seconds: float, *, known: bool) -> None:
        self.metrics.answered(label, status, seconds)
        # what went well on the way in is counted, not logged: it would be a line for every batch
        if status >= 400 or (label == "other" and known):
            fields = {**self._about(request), "status": status, "milliseconds": round(1000 * seconds, 1)}
            level = logging.WARNING if status >= 500 else logging.INFO
            _LOG.log(level, "request", extra={FIELDS: fields})


def _unrouted(request: Request) -> tuple[str, Dialect]:
    path = request.path
    if path.startswith("/services/collector"):
        return "hec", Dialect.HEC
    if path.startswith("/v1/") or path in (
        "/healthz",
        "/livez",
        "/readyz",
        "/metrics",
        "/docs",
        "/openapi.json",
    ):
        return "read", Dialect.NATIVE
    if path == "/" or path.startswith("/_") or request.method == "HEAD":
        return "elastic", Dialect.ELASTIC
    return "read", Dialect.NATIVE


def _is_console(path: str) -> bool:
    return path == "/console" or path.startswith("/console/")


def _roles_of(request: Request) -> frozenset[str]:
    """Who may use a route of the application behind."""
    if request.path == "/score":
        return MAY_TRY
    if request.path.startswith("/v1/"):
        return MAY_READ
    return ANYBODY
