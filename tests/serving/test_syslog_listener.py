from __future__ import annotations

import asyncio
import socket

from serving.submission import Busy, Refused
from serving.syslog_listener import SyslogListeners
from tests.serving.doubles import MemoryCore

LINE = b"<86>2026-03-01T10:00:00Z web sshd[1]: Accepted password for ann from 10.0.0.1 port 1 ssh2"


def run(send, core, lines=1):
    """Start both listeners, let `send(tcp, udp)` write, and wait until the core has so many records."""
    dropped = []

    async def whole():
        listeners = SyslogListeners(core, "acme", dropped.append)
        await listeners.start(("127.0.0.1", 0), ("127.0.0.1", 0))
        await asyncio.to_thread(send, *listeners.ports)
        async with asyncio.timeout(20):
            while len(core.records) < lines:
                await asyncio.sleep(0.01)
        await listeners.stop()

    asyncio.run(whole())
    return dropped


def test_lines_and_counted_messages_come_by_tcp_under_the_listener_s_tenant():
    core = MemoryCore()

    def send(tcp, udp):
        with socket.create_connection(("127.0.0.1", tcp)) as connection:
            connection.sendall(LINE + b"\n" + b"%d %b" % (len(LINE), LINE) + LINE)

    run(send, core, 3)
    assert core.records == [LINE] * 3
    assert {(taken.tenant, taken.source) for taken in core.taken} == {("acme", "syslog")}


def test_datagrams_are_messages():
    core = MemoryCore()

    def send(tcp, udp):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(20):
                sender.sendto(LINE + b"\n", ("127.0.0.1", udp))

    assert run(send, core, 20) == []
    assert core.records == [LINE] * 20


def test_what_cannot_be_taken_now_is_taken_later():
    core = MemoryCore(failing=[Busy("busy", 0.01), Refused("the disk is full"), Busy("busy", 0.01)])

    def send(tcp, udp):
        with socket.create_connection(("127.0.0.1", tcp)) as connection:
            connection.sendall(LINE + b"\n")

    assert run(send, core) == []
    assert core.records == [LINE]


def test_a_stream_that_makes_no_sense_is_closed_and_others_go_on():
    core = MemoryCore()

    def send(tcp, udp):
        with socket.create_connection(("127.0.0.1", tcp)) as connection:
            connection.sendall(b"9999999 x")
            assert connection.recv(10) == b""
        with socket.create_connection(("127.0.0.1", tcp)) as connection:
            connection.sendall(LINE + b"\n")

    run(send, core)
    assert core.records == [LINE]
