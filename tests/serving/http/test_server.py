"""The server by its socket: heads that are too long, too slow or can be read in two ways."""

from __future__ import annotations

import re
import socket
import threading
import time

import pytest

from serving.http.app import Front
from serving.http.server import make_server
from serving.http.settings import Settings
from tests.service_process import free_port
from tests.serving.asgi import KEY, KEYS
from tests.serving.doubles import MemoryCore, MemoryKeys

EVENT = b'{"class_uid":3002,"time":1767225600000}'


async def behind(scope, receive, send):
    """Lifespan only."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


@pytest.fixture(scope="module")
def server():
    """(port, core) of a server that runs in a thread."""
    core = MemoryCore()
    settings = Settings(port=free_port(), body_seconds=0.5, stop_seconds=1)
    made = make_server(Front(behind, core, MemoryKeys(dict(KEYS)), settings), settings)
    thread = threading.Thread(target=made.run)
    thread.start()
    while not made.started:
        time.sleep(0.01)
    yield settings.port, core
    made.should_exit = True
    thread.join()


def talk(port: int, data: bytes, *, wait: float = 5.0) -> bytes:
    """Everything that comes back until the server closes, or nothing comes for `wait` seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(data)
        parts = []
        try:
            while part := connection.recv(65536):
                parts.append(part)
        except TimeoutError:
            parts.append(b"[open]")
        except ConnectionError:
            pass  # closed while we were still sending
    return b"".join(parts)


def post(*headers: bytes, body: bytes = EVENT, length: bool = True) -> bytes:
    own = [b"Host: x", b"Authorization: Bearer " + KEY.encode(), b"Connection: close"]
    own += [b"Content-Length: %d" % len(body)] if length else []
    return b"POST /v1/events HTTP/1.1\r\n" + b"\r\n".join([*own, *headers]) + b"\r\n\r\n" + body


def test_a_plain_request_is_answered(server):
    port, core = server
    assert talk(port, post()).startswith(b"HTTP/1.1 202")
    assert core.taken[-1].body == EVENT


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"),
        post(b"Content-Length: 5"),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n", length=False),
        post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n", length=False),
        post(b"Host: y"),
        post(b"Content-Length : 5", length=False),
        post(b"X: a\r\n folded: yes\nContent-Length: 3", length=False),
        b"POST /v1/events HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        post(b"Content-Length: -1", length=False),
        post(b"Content-Length: +5", length=False),
        post(b"X: a\x00b"),
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_head_that_two_servers_may_read_differently_is_refused_and_the_connection_ends(
    server, request_bytes
):
    port, core = server
    before = len(core.taken)
    answer = talk(port, request_bytes + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 202 " not in answer
    assert b"alive" not in answer, "the rest of a refused request was read as another one"
    assert not answer.endswith(b"[open]")
    assert len(core.taken) == before


def test_a_head_over_the_limit_is_refused(server):
    port, _ = server
    assert b" 431 " in talk(port, post(b"X: " + b"a" * 70_000))
    assert b" 202 " not in talk(port, b"GET /" + b"a" * 200_000)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(server, sent):
    port, _ = server
    assert talk(port, sent) == b""


def test_a_body_that_does_not_come_is_given_up(server):
    port, core = server
    before = len(core.taken)
    assert b" 408 " in talk(port, post(b"Content-Length: 100", length=False))
    assert len(core.taken) == before


def test_a_key_is_asked_for_before_the_body_is(server):
    port, _ = server
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    answer = talk(port, head)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"100 Continue" not in answer


def test_a_head_behind_a_long_body_is_measured_on_its_own(server):
    port, core = server
    before = len(core.taken)
    long = EVENT[:-1] + b" " * 60_000 + b"}"
    first = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode()
    first += b"\r\nContent-Length: %d\r\n\r\n" % len(long) + long
    assert talk(port, first + post(b"X: " + b"a" * 60_000)).count(b"HTTP/1.1 202") == 2
    assert len(core.taken) == before + 2
    assert b" 431 " in talk(port, first + post(b"X: " + b"a" * 70_000))


def test_requests_that_come_together_are_answered_in_order(server):
    port, _ = server
    heads = b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/healthz", b"/readyz"))
    answer = talk(port, heads + post())
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"202"]
    assert answer.index(b"alive") < answer.index(b'"ready"') < answer.index(b"accepted")


def test_a_body_that_is_asked_for_is_taken(server):
    port, core = server
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(post(b"Expect: 100-continue").removesuffix(EVENT))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(EVENT[:10])
        time.sleep(0.05)
        connection.sendall(EVENT[10:])
        assert b" 202 " in connection.recv(1000)
    assert core.taken[-1].body == EVENT
