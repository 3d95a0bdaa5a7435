"""`GET /v1/live`: tells a page that is open what has changed, as server-sent events.

However many pages are open, each tenant's store is looked at once a second, and only while somebody listens.
What a slow page has not been sent yet is put together: nothing grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response, StreamingResponse

from features.errors import HabitusError
from serving.http import parts, queueing
from serving.http.ports import CORE, PEOPLE
from serving.http.roles import MAY_READ
from serving.submission import Busy
from serving.triage import numbers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from serving.accounts.people import People
    from serving.http.ports import Acts

EVERY_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
LIFE_SECONDS = 900.0
"""Then the page connects anew, and shows again who it is."""
MOST_IDS = 1_000
MOST_PAGES = 50
"""Of one tenant."""
BUDGET_SECONDS = 10.0


class Page:
    """What one open page has not been sent yet."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}
        self.latest: dict[str, Any] = {}
        self.news = asyncio.Event()

    def take(self, ids: list[str], told: dict[str, Any]) -> None:
        """Add news."""
        for one in ids:
            self.ids[one] = None
        while len(self.ids) > MOST_IDS:
            del self.ids[next(iter(self.ids))]
        self.latest.update(told)
        self.news.set()

    def sent(self) -> bytes:
        """Everything that was not sent, as events."""
        self.news.clear()
        out = []
        for name, told in self.latest.items():
            content = {"ids": list(self.ids), **told} if name == "alerts" else told
            out.append(event(name, content))
        self.ids, self.latest = {}, {}
        return b"".join(out)


def event(name: str, content: object) -> bytes:
    """A server-sent event; JSON has no line breaks of its own."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(content))


class Live:
    """The open pages of all tenants; lives on the event loop."""

    def __init__(self) -> None:
        self._pages: dict[str, set[Page]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def close(self) -> None:
        """End all streams: the service stops."""
        self._closed = True
        for pages in self._pages.values():
            for page in pages:
                page.news.set()

    async def stream(
        self, core: Acts, tenant: str, valid: Callable[[], bool], seconds: float = LIFE_SECONDS
    ) -> AsyncIterator[bytes]:
        """Events of a tenant until the page goes away."""
        page = Page()
        pages = self._pages.setdefault(tenant, set())
        pages.add(page)
        if tenant not in self._tasks:
            self._tasks[tenant] = asyncio.get_running_loop().create_task(self._watch(core, tenant))
        ends = time.monotonic() + seconds
        try:
            yield b"retry: 2000\n" + event("hello", {"now": time.time_ns() // 1_000_000})
            while not self._closed and time.monotonic() < ends:
                try:
                    async with asyncio.timeout(min(HEARTBEAT_SECONDS, ends - time.monotonic())):
                        await page.news.wait()
                except TimeoutError:
                    yield b": still here\n\n"
                if not await asyncio.to_thread(valid):
                    yield event("bye", {})
                    return
                if page.latest:
                    yield page.sent()
                    await asyncio.sleep(EVERY_SECONDS)
        finally:
            pages.discard(page)
            if not pages:
                self._pages.pop(tenant, None)
                if task := self._tasks.pop(tenant, None):
                    task.cancel()

    def is_full(self, tenant: str) -> bool:
        """Whether a tenant has as many pages open as it may."""
        return len(self._pages.get(tenant, ())) >= MOST_PAGES

    async def _watch(self, core: Acts, tenant: str) -> None:
        """Look what changed, and tell the pages."""
        after_us = time.time_ns() // 1000
        first, counted, last_budget = True, 0.0, None
        while not self._closed:
            with contextlib.suppress(HabitusError):
                ids, after_us = await asyncio.to_thread(
                    numbers.changed_since, core.database, tenant, after_us, MOST_IDS
                )
                told: dict[str, Any] = {}
                if ids or first:
                    states = await asyncio.to_thread(numbers.by_state, core.database, tenant)
                    open_ = sum(number for state, number in states.items() if state != "closed")
                    told["alerts"] = {"total_open": open_, "by_state": states}
                if first or ids or time.monotonic() - counted > BUDGET_SECONDS:
                    counted = time.monotonic()
                    with contextlib.suppress(HabitusError):
                        budget = await queueing.budget(core, tenant)
                        if budget != last_budget:
                            told["budget"] = last_budget = budget
                first = False
                if told:
                    for page in self._pages.get(tenant, ()):
                        page.take(ids, told)
            await asyncio.sleep(EVERY_SECONDS)


async def answer(live: Live, request: Request) -> Response:
    """The route."""
    caller = parts.allowed(request, MAY_READ)
    if live.is_full(caller.tenant):
        raise Busy(f"{MOST_PAGES} pages of this tenant are open: close one", HEARTBEAT_SECONDS)
    seconds = parts.whole(request.query_params.get("seconds", "900"), "seconds", int(LIFE_SECONDS), 0)
    people: People | None = request.scope.get(PEOPLE)
    token = "" if people is None else request.cookies.get(people.cookie, "")

    def valid() -> bool:
        return not token or people is None or people.sessions.find(token) is not None

    return StreamingResponse(
        live.stream(request.scope[CORE], caller.tenant, valid, seconds),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
