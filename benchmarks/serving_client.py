"""The lightest HTTP client that this project could think of: raw sockets, one thread, requests made
beforehand.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUSY = (429, 503)
READ_BYTES = 1 << 18
PAUSE_SECONDS = 0.05
"""After "busy"; the servers ask for a second, which on a machine of its own would be time lost by the client.
"""


def request(path: str, key: str, body: bytes) -> bytes:
    """A request as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: habitus\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    out: memoryview = field(default_factory=lambda: memoryview(b""))
    read: bytearray = field(default_factory=bytearray)
    due: deque[tuple[float, bytes]] = field(default_factory=deque)
    """When each request that is not answered should have been sent, and what it was."""

    def answers(self) -> Iterator[int]:
        """Statuses of the answers that are complete."""
        while True:
            end = self.read.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self.read.find(b"ontent-length: ", 0, end)
            length = int(self.read[at + 15 : self.read.find(b"\r", at)]) if at >= 0 else 0
            if len(self.read) < end + 4 + length:
                return
            status = int(self.read[9:12])
            del self.read[: end + 4 + length]
            yield status


class Client:
    """Connections to one server.

    Parameters
    ----------
    port
        On this machine.
    connections
        How many.
    depth
        Requests that may be under way on one connection (HTTP/1.1 pipelining).
    """

    def __init__(self, port: int, connections: int, depth: int = 1) -> None:
        self._selector = selectors.DefaultSelector()
        self._depth = depth
        self._all: list[_Connection] = []
        self.busy = 0
        for _ in range(connections):
            made = socket.create_connection(("127.0.0.1", port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setblocking(False)
            connection = _Connection(made)
            self._all.append(connection)
            self._selector.register(made, selectors.EVENT_READ, connection)

    def close(self) -> None:
        """Hang up."""
        for connection in self._all:
            connection.socket.close()
        self._selector.close()

    def flood(self, requests: list[bytes], seconds: float) -> tuple[int, float]:
        """Send as fast as answers come; returns how many requests were taken, and the seconds until
        the last.
        """
        waiting = deque(requests)
        done = under_way = 0
        started = time.perf_counter()
        until = started + seconds
        while True:
            now = time.perf_counter()
            for connection in self._all:
                while waiting and now < until and len(connection.due) < self._depth:
                    self._send(connection, waiting.popleft(), now)
                    under_way += 1
            if not under_way:
                return done, time.perf_counter() - started
            for connection, status, _, data in self._events(1.0):
                under_way -= 1
                if status in BUSY:
                    self.busy += 1
                    waiting.appendleft(data)
                    time.sleep(PAUSE_SECONDS)
                elif status >= 300:
                    raise SystemExit(f"the server answered {status}")
                else:
                    done += 1
                _ = connection

    def paced(self, make: Callable[[int], bytes], rate: float, seconds: float) -> np.ndarray:
        """Send so many requests a second whatever the answers do; returns latencies in milliseconds.

        A request's time begins when it was due, not when it was sent: what a slow answer delays counts
        (no coordinated omission). The first tenth is left out.
        """
        count = int(rate * seconds)
        made = [make(number) for number in range(count)]
        late: list[float] = []
        sent = 0
        started = time.perf_counter() + 0.05
        turn = 0
        while len(late) < count:
            now = time.perf_counter()
            while sent < count and started + sent / rate <= now:
                connection = self._all[turn % len(self._all)]
                turn += 1
                self._send(connection, made[sent], started + sent / rate)
                sent += 1
            pause = started + sent / rate - time.perf_counter() if sent < count else 1.0
            for _, status, due, _ in self._events(max(0.0, pause)):
                late.append(time.perf_counter() - due)
                if status in BUSY:
                    self.busy += 1
                elif status >= 300:
                    raise SystemExit(f"the server answered {status}")
        return 1000 * np.array(late[count // 10 :])

    def _send(self, connection: _Connection, data: bytes, due: float) -> None:
        connection.due.append((due, data))
        connection.out = memoryview(bytes(connection.out) + data if connection.out else data)
        self._push(connection)

    def _push(self, connection: _Connection) -> None:
        with contextlib.suppress(BlockingIOError):
            while connection.out:
                connection.out = connection.out[connection.socket.send(connection.out) :]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.out else 0)
        if self._selector.get_key(connection.socket).events != wanted:
            self._selector.modify(connection.socket, wanted, connection)

    def _events(self, timeout: float) -> Iterator[tuple[_Connection, int, float, bytes]]:
        for key, mask in self._selector.select(timeout):
            connection: _Connection = key.data
            if mask & selectors.EVENT_WRITE:
                self._push(connection)
            if mask & selectors.EVENT_READ:
                part = connection.socket.recv(READ_BYTES)
                if not part:
                    raise SystemExit("the server closed a connection")
                connection.read += part
                for status in connection.answers():
                    due, data = connection.due.popleft()
                    yield connection, status, due, data
