"""A client that calls an ASGI application in this process, and the application under test."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from serving.http.app import Front
from serving.http.settings import Settings
from tests.serving.doubles import MemoryCaller, MemoryCore, MemoryKeys

KEY = "collector-key-of-acme"
KEYS = {
    KEY: MemoryCaller("acme", "collector"),
    "analyst-key-of-acme": MemoryCaller("acme", "analyst"),
    "scientist-key-of-acme": MemoryCaller("acme", "scientist"),
    "admin-key-of-acme": MemoryCaller("acme", "admin"),
    "collector-key-of-globex": MemoryCaller("globex", "collector"),
}


async def nothing_behind(scope: Any, receive: Any, send: Any) -> None:
    """The application behind: says who it was told is asking."""
    caller = scope["habitus.caller"]
    body = f"{caller.tenant}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"secret/1.0")]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class App:
    """The front with everything behind it in memory."""

    core: MemoryCore = field(default_factory=MemoryCore)
    settings: Settings = field(default_factory=lambda: Settings(bulk_patience_seconds=0.2))

    def __post_init__(self) -> None:
        self.front = Front(nothing_behind, self.core, MemoryKeys(dict(KEYS)), self.settings)

    def ask(self, method: str, path: str, *, key: str | None = KEY, **more: Any) -> httpx.Response:
        """One request; `key` None sends no credentials."""

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.front, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://habitus") as client:
                headers = dict(more.pop("headers", {}))
                if key is not None and "authorization" not in {name.lower() for name in headers}:
                    headers["Authorization"] = f"Bearer {key}"
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(once())

    def post(self, path: str, content: bytes = b"", **more: Any) -> httpx.Response:
        """A POST with bytes."""
        return self.ask("POST", path, content=content, **more)
