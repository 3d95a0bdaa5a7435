"""The thread that empties the outbox: at least once, in order, no channel waiting for another."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from serving.notify import cef, channels, chat, messages, outbox, webhook
from serving.notify.addresses import Undelivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving.notify.addresses import Network
    from serving.notify.channels import Channel
    from serving.notify.outbox import Parcel
    from serving.store.database import Database

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
WORKERS = 4


class Deliverer:
    """Sends one parcel to where its channel leads.

    Parameters
    ----------
    network
        Which private networks may be reached.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        try:
            self._version = version("habitus")
        except PackageNotFoundError:
            self._version = "0"

    def __call__(self, channel: Channel, parcel: Parcel) -> None:
        """Send it; Undelivered when that failed as far as is known."""
        target = channel.target
        if channel.kind == "webhook":
            webhook.post(
                webhook.Url.parsed(target.url),
                webhook.secret_bytes(target.secret),
                parcel.key,
                messages.body(parcel.kind, parcel.key, parcel.alerts),
                self._network,
                int(time.time()),
            )
        elif channel.kind == "syslog":
            most = cef.DATAGRAM_BYTES if target.transport == "udp" else cef.STREAM_BYTES
            found = parcel.alerts or [messages.trial_finding(channel.tenant)]
            lines = [cef.message(alert, parcel.key, self._version, most) for alert in found]
            cef.send(lines, target.host, target.port, target.transport, self._network)
        else:
            title, text = messages.text(parcel.kind, parcel.key, parcel.alerts)
            chat.send(target.url, title, text, urgent=parcel.urgent, network=self._network)


class Sender:
    """Sends what is due. `start` and `stop` run it beside the service; `turn` is one look at the outbox.

    Parameters
    ----------
    database
        The store.
    deliver
        Sends a parcel, or raises Undelivered.
    now_us
        The clock, microseconds since 1970 UTC.
    """

    def __init__(
        self,
        database: Database,
        deliver: Callable[[Channel, Parcel], None],
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._database = database
        self._deliver = deliver
        self._now_us = now_us
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._busy: set[tuple[str, str]] = set()
        self._counts: Counter[str] = Counter()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name="habitus-sender", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being sent now; what is left is sent after the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def numbers(self) -> dict[str, int]:
        """Messages sent, attempts that failed, messages given up, and how many wait; from any thread."""
        with self._lock:
            counted = {
                f"notifications_{name}_total": self._counts[name] for name in ("sent", "failed", "dead")
            }
        return {**counted, "notifications_waiting": self._waiting}

    def _run(self) -> None:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="habitus-sender") as pool:
            while not self._stopping.wait(TICK_SECONDS):
                try:
                    for name in self._due():
                        pool.submit(self._serve, name)
                except SQLAlchemyError as error:
                    log.warning("the outbox cannot be read now: %s", error)

    def turn(self) -> None:
        """Serve every channel for which something is due, once, in this thread."""
        for name in self._due():
            self._serve(name)

    def _due(self) -> list[tuple[str, str]]:
        """Channels for which something is due and that nobody serves; they count as served from now on."""
        with self._database.read() as connection:
            found = outbox.waiting_channels(connection, self._now_us())
            self._waiting = outbox.count_waiting(connection)
        with self._lock:
            free = [name for name in found if name not in self._busy]
            self._busy.update(free)
        return free

    def _serve(self, name: tuple[str, str]) -> None:
        try:
            self._send_due(name)
        except SQLAlchemyError as error:
            log.warning("the outbox cannot be written now: %s", error)
        except Exception:
            log.exception("a channel of %s failed", name[0])
        finally:
            with self._lock:
                self._busy.discard(name)

    def _send_due(self, name: tuple[str, str]) -> None:
        with self._database.write() as connection:
            channel = channels.find(connection, *name)
            if channel is None:
                dead = outbox.bury(connection, *name, self._now_us(), "the channel was removed")
                self._count("dead", dead)
                return
            parcels = outbox.make_parcels(connection, channel, self._now_us())
        for parcel in parcels:
            if self._stopping.is_set():
                return
            # 1 send, 2 strike off: ending between the two sends it again, under the same key
            try:
                self._deliver(channel, parcel)
            except Exception as error:  # noqa: BLE001 - whatever it is, it may be better next time
                self._failed(channel, parcel, error)
                return  # a receiver that is down is not asked for every message
            with self._database.write() as connection:
                outbox.mark_sent(connection, channel, parcel, self._now_us())
            self._count("sent", max(len(parcel.alerts), 1))

    def _failed(self, channel: Channel, parcel: Parcel, error: Exception) -> None:
        if isinstance(error, Undelivered):
            why = str(error)
        else:
            log.error("a notification of %s failed", channel.tenant, exc_info=error)
            why = f"an error inside of the service ({type(error).__name__})"
        with self._database.write() as connection:
            dead = outbox.mark_failed(connection, channel, parcel, self._now_us(), why)
        self._count("failed", 1)
        if dead:
            self._count("dead", max(len(parcel.alerts), 1))
            log.error("a notification to channel %s of %s is given up", channel.channel_id, channel.tenant)

    def _count(self, name: str, number: int) -> None:
        with self._lock:
            self._counts[name] += number
