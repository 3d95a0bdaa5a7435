"""The shortest way through the server: one write, the same bytes, and messages where anything is unusual."""

from __future__ import annotations

import asyncio
import re

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.http.server import make_server
from serving.http.settings import Settings
from tests.serving.asgi import KEY, App

EVENT = b'{"class_uid":3002,"time":1767225600000}'


class Wire(asyncio.Transport):
    """Keeps what was written, write by write."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.written.append(b"[closed]")


def asked(data: bytes, *, by_messages: bool = False, stuck: bool = False) -> list[bytes]:
    """What a connection writes when these bytes come in. by_messages: the server is one that we do not know;
    stuck: its client reads nothing until the first answer waits.
    """
    front = App().front

    async def app(scope, receive, send):
        if not by_messages:
            await front(scope, receive, send)
            return

        async def receiving():
            return await receive()

        async def sending(message):
            await send(message)

        await front(scope, receiving, sending)

    async def talk() -> list[bytes]:
        server = make_server(app, Settings())
        server.config.load()
        server.server_state.default_headers = [(b"date", b"Thu, 01 Jan 2026 00:00:00 GMT")]
        protocol = server.config.http_protocol_class(
            config=server.config, server_state=server.server_state, app_state={}
        )
        wire = Wire(protocol)
        protocol.connection_made(wire)
        if stuck:
            protocol.pause_writing()
        protocol.data_received(data)
        for _ in range(20):
            await asyncio.sleep(0)
        if stuck:
            assert not wire.written
            protocol.resume_writing()
        while server.server_state.tasks:
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written

    return asyncio.run(talk())


def post(path: str, *headers: bytes, body: bytes = EVENT) -> bytes:
    lines = [
        b"Host: x",
        b"Authorization: Bearer " + KEY.encode(),
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"POST " + path.encode() + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "data",
    [
        post("/v1/score"),
        post("/v1/score", b"Accept: application/x-ndjson"),
        post("/v1/events", body=(EVENT + b"\n") * 300),
        post("/v1/events", b"Connection: close"),
        post("/v1/events?source=nothing"),
        post("/_bulk", body=b'{"create":{}}\n' + EVENT + b"\n"),
        b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + post("/v1/score"),
    ],
)
def test_what_goes_over_the_wire_is_the_same_by_both_ways(data):
    def without_times(written: list[bytes]) -> bytes:
        return re.sub(rb'"took":\d+|habitus-\d+', b"", b"".join(written))

    shortest, by_messages = asked(data), asked(data, by_messages=True)
    assert shortest[0].startswith(b"HTTP/1.1 ")
    assert without_times(shortest) == without_times(by_messages)


def test_head_and_body_of_an_answer_are_one_write():
    assert len([part for part in asked(post("/v1/score")) if part != b"[closed]"]) == 1
    assert len([part for part in asked(post("/v1/score") * 3) if part != b"[closed]"]) == 3


def test_an_answer_waits_for_a_client_that_does_not_read():
    assert b"".join(asked(post("/v1/score"), stuck=True)).startswith(b"HTTP/1.1 200")


def test_the_server_still_has_what_the_shortest_way_uses():
    code = RequestResponseCycle.send.__code__
    for name in ("flow", "disconnected", "response_started", "default_headers", "keep_alive", "on_response"):
        assert name in code.co_names
