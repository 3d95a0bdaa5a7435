"""An application over a real core with alerts of two tenants, and keys of every role."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import insert

from serving.core import Core
from serving.http.app import Front
from serving.http.reading import application
from serving.http.server import make_server
from serving.http.settings import Settings
from serving.keys import Keys, Role
from serving.store import tables
from tests.durable_events import CALM, START_MS, lines, submission

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = START_MS // 86_400_000


def alert(tenant: str, number: int, **given: Any) -> dict[str, Any]:
    row = {
        "tenant": tenant, "alert_id": f"{tenant}-{number}", "entity_kind": "user", "entity": f"user{number}",
        "day": DAY, "risk": 3.0 * number + 1, "n_events": 10, "reasons": '["first logon to db1"]',
        "raised_us": START_MS * 1000, "updated_us": START_MS * 1000, "seq": 1,
    }  # fmt: skip
    return {**row, **given}


@dataclass
class Desk:
    """The application and who may use it."""

    core: Core
    own: dict[tuple[str, str], str]
    front: Front

    def ask(self, method: str, path: str, who: str = "analyst", tenant: str = "acme", **more: Any) -> Any:
        return asyncio.run(self.once(method, path, self.own[tenant, who], **more))

    def get(self, path: str, tenant: str = "acme") -> Any:
        return self.ask("GET", path, tenant=tenant)

    async def once(self, method: str, path: str, key: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.front, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://habitus") as client:
            headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
            return await client.request(method, path, headers=headers, **more)


def opened(folder, alerts=()) -> Desk:
    """A desk over a new core; `desk.core.stop()` ends it."""
    core = Core(folder, CALM)
    core.start()
    if alerts:
        with core.database.write() as connection:
            connection.execute(insert(tables.alerts), list(alerts))
    return over(core)


def over(core: Core) -> Desk:
    """A desk over a core that somebody else ends."""
    keys = Keys(core.database)
    own = {(tenant, role.value): keys.create(tenant, role) for tenant in ("acme", "globex") for role in Role}
    return Desk(core, own, Front(application(), core, keys, Settings()))


def known_users(core: Core) -> None:
    """Let the core of `acme` know user0 to user5."""
    core.offer(submission(lines(0, 40))).result(300)
    asyncio.run(core.flush("acme"))


def at_once(*calls) -> list[Any]:
    """Results of calls made by threads at the same moment."""
    results: list[Any] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(place: int) -> None:
        gate.wait()
        results[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@contextmanager
def listening(desk: Desk) -> Iterator[str]:
    """Its application on a free port; gives the address, and stops the core in the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server: Any = make_server(desk.front, Settings(port=port))
    server.config.lifespan = "off"
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(600):
        if server.started:
            break
        desk.core._stopping.wait(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)
    desk.core.stop()
