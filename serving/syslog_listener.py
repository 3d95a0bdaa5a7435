"""Listeners for syslog over TCP (with TLS when the service has it) and UDP.

TCP has no acknowledgement but its own flow control: a connection is read again when what it sent is on disk,
so a sender is held up and loses nothing that it keeps. UDP has neither: what does not fit is dropped and
counted.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from features.errors import HabitusError
from serving.http.logs import FIELDS
from serving.protocols import framing, syslog
from serving.submission import Busy, Protocol, Refused, TooLarge

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from serving.http.ports import Ingest

_LOG = logging.getLogger("habitus.syslog")

READ_BYTES = 256 << 10
CONNECTIONS = 1024
DATAGRAM_BYTES = 8 << 20
"""Datagrams that wait to be taken; more are dropped."""
_FLUSH_SECONDS = 0.05
_PAUSE_SECONDS = 0.5


class SyslogListeners:
    """Both listeners of one tenant.

    Parameters
    ----------
    core
        Where messages go.
    tenant
        Whose they are.
    dropped
        Called with the number of messages that were lost.
    """

    def __init__(self, core: Ingest, tenant: str, dropped: Callable[[int], None]) -> None:
        self._core = core
        self._tenant = tenant
        self._dropped = dropped
        self._server: asyncio.Server | None = None
        self._udp: _Datagrams | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self,
        tcp: tuple[str, int] | None,
        udp: tuple[str, int] | None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Listen; OSError if an address cannot be had."""
        if tcp is not None:
            self._server = await asyncio.start_server(self._connected, tcp[0], tcp[1], ssl=context)
        if udp is not None:
            loop = asyncio.get_running_loop()
            _, protocol = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._dropped), local_addr=udp
            )
            self._udp = protocol
            self._spawn(self._flush_for_ever(protocol))

    @property
    def ports(self) -> tuple[int, int]:
        """TCP and UDP ports, 0 for none."""
        tcp = self._server.sockets[0].getsockname()[1] if self._server else 0
        return tcp, self._udp.port if self._udp else 0

    async def stop(self) -> None:
        """Close; datagrams that wait are taken."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._udp is not None:
            self._udp.close()
            await self._take(self._udp.waiting())

    def _spawn(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(cast("asyncio._CoroutineLike[None]", work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= CONNECTIONS:
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        framer = syslog.Framer()
        try:
            while data := await reader.read(READ_BYTES):
                await self._take(framer.feed(data))
            await self._take(framer.finish())
        except syslog.BadStream as error:
            peer = writer.get_extra_info("peername") or ("",)
            _LOG.warning(
                "a syslog connection was closed", extra={FIELDS: {"client": peer[0], "why": str(error)}}
            )
        except (ConnectionError, OSError):
            pass
        finally:
            writer.close()

    async def _flush_for_ever(self, datagrams: _Datagrams) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self._take(datagrams.waiting())

    async def _take(self, lines: list[bytes]) -> None:
        """Give lines to the core; waits for as long as it has no room."""
        for part in framing.parts(syslog.frame(lines), self._tenant, Protocol.SYSLOG):
            while True:
                try:
                    await self._core.submit(part.submission)
                except Busy as busy:
                    await asyncio.sleep(busy.retry_after_s)
                except Refused:
                    await asyncio.sleep(_PAUSE_SECONDS)
                except (TooLarge, HabitusError) as error:
                    self._dropped(len(part.indices))
                    _LOG.warning("syslog messages were dropped", extra={FIELDS: {"why": str(error)}})
                    break
                else:
                    break


class _Datagrams(asyncio.DatagramProtocol):
    """Messages that came by UDP and wait to be taken."""

    def __init__(self, dropped: Callable[[int], None]) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0
        self._dropped = dropped
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        line = syslog.line_of(data)
        if not line:
            return
        if self._bytes + len(line) > DATAGRAM_BYTES:
            self._dropped(1)
            return
        self._lines.append(line)
        self._bytes += len(line)

    def waiting(self) -> list[bytes]:
        """What came since the last call."""
        lines, self._lines, self._bytes = self._lines, [], 0
        return lines

    @property
    def port(self) -> int:
        """The local port."""
        if self._transport is None:
            return 0
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Receive no more."""
        if self._transport is not None:
            self._transport.close()
