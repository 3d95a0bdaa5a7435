"""The HTTP server process: uvicorn with bounds on what a client may send before it is known who it is."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from serving.http.logs import FIELDS

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Sequence

    from serving.http.settings import Settings

_LOG = logging.getLogger("habitus.http")

SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter while others want it. The event loop wants it for every packet,
a moment each time, and the engine keeps it for as long as it may: Python's 5 ms, two or three times in a
request, would be most of the time to an answer.
"""
HEAD_BYTES = 64 << 10
"""Bytes of a request line with its headers: more than browsers and proxies send, less than a nuisance."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_CONFLICTING = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Gives a request's head so many seconds, and HEAD_BYTES bytes.

    It also refuses what proxies in front may read differently (RFC 9112 section 6.3): a Content-Length
    beside a Transfer-Encoding, two Content-Lengths, two Hosts or none.
    """

    head_seconds = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._came = self._came_since = 0  # bytes: last, and since the chunk that the last message ended in
        self._heads = 0
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the head before they are parsed."""
        if self._refused:
            return
        begun, heads = self._in_head, self._heads
        self._came = len(data)
        self._came_since += self._came
        if begun:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        # nearly every head comes whole: a timer for each would be made to be thrown away
        elif begun and heads == self._heads and self._head_timer is None and not self._refused:
            self._start_timer()

    def on_headers_complete(self) -> None:
        """Look at the head before anybody is asked to answer it."""
        self._stop_timer()
        self._in_head = False
        self._heads += 1
        if self._refused:
            return
        # no head is longer than what came since it began, which is nearly always little
        if self._came_since > HEAD_BYTES and self._head_length() > HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        elif _is_ambiguous([name for name, _ in self.headers], self.parser.get_http_version()):
            self._refuse(_CONFLICTING)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next head."""
        self._in_head = True
        self._head_bytes = 0
        self._came_since = self._came
        if not self._refused:
            super().on_message_complete()

    def _head_length(self) -> int:
        return sum(len(name) + len(value) for name, value in self.headers) + len(self.url)

    def _refuse(self, answer: bytes) -> None:
        self._refused = True
        _LOG.info("refused a request's head")
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._in_head and not self.transport.is_closing():
            self.transport.close()


def _is_ambiguous(names: list[bytes], version: str) -> bool:
    lengths = names.count(b"content-length")
    encodings = names.count(b"transfer-encoding")
    hosts = names.count(b"host")
    return lengths + encodings > 1 or hosts > 1 or (hosts == 0 and version == "1.1")


class _Server(Server):
    """Says where it listens in the form of the other lines, and ends what would go on for ever."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end before the server waits for its requests."""
        if (closing := getattr(self.config.app, "closing", None)) is not None:
            closing()
        await super().shutdown(sockets)

    def _log_started_message(self, listeners: Sequence[Any]) -> None:
        scheme = "https" if self.config.is_ssl else "http"
        for listener in listeners:
            name = listener.getsockname()
            host = f"[{name[0]}]" if ":" in name[0] else name[0]
            _LOG.info("listening", extra={FIELDS: {"url": f"{scheme}://{host}:{name[1]}"}})


def make_server(app: Any, settings: Settings) -> Server:
    """A server that is ready to run; it stops on SIGINT and SIGTERM when its requests are answered.

    It makes the interpreter change threads every SWITCH_SECONDS.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    config = Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=type("Bounded", (BoundedProtocol,), {"head_seconds": settings.body_seconds}),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.stop_seconds,
        limit_concurrency=settings.connections,
        backlog=1024,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    return _Server(config)
