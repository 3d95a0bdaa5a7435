"""The composition root: a process's core, keys, listeners and front, from its settings."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from features.errors import StateError
from serving.accounts.oidc import Provider
from serving.accounts.people import People
from serving.core import Core
from serving.following.follower import Follower
from serving.http.app import Front
from serving.http.metrics import HttpMetrics
from serving.http.settings import address
from serving.keys import Keys
from serving.notify.addresses import Network
from serving.notify.sender import Deliverer, Sender
from serving.orphans import stop_with_parent
from serving.quota import Quota, parsed_by_tenant
from serving.settings import CoreSettings
from serving.syslog_listener import SyslogListeners

if TYPE_CHECKING:
    from serving.http.app import Application
    from serving.http.settings import Settings


@dataclass
class Runtime:
    """What one process runs; opened before anything listens, closed after the last answer."""

    settings: Settings
    core: Core
    keys: Keys
    metrics: HttpMetrics
    sender: Sender
    people: People
    follower: Follower | None = None
    listeners: SyslogListeners | None = None
    _closed: bool = field(default=False)

    @classmethod
    def open(cls, settings: Settings, *, stop_with: int = 0, limits: CoreSettings | None = None) -> Runtime:
        """Recover and begin to work; errors as `serving.core.Core.start`.

        stop_with: process id of a parent that this process must not outlive, 0 for none. limits: other
        settings of the core than the defaults, instead of the quotas.
        """
        if stop_with:
            stop_with_parent(stop_with)
        os.umask(0o077)
        limits = limits or CoreSettings(
            quota=Quota.parsed(settings.quota), tenant_quotas=parsed_by_tenant(settings.tenant_quotas)
        )
        core = Core(settings.data_dir, limits, settings.database_url or None)
        core.start()
        sender = Sender(core.database, Deliverer(Network.parsed(settings.notify_allow)))
        sender.start()
        metrics = HttpMetrics(lambda: {**core.metrics(), **sender.numbers()})
        oidc = settings.oidc()
        provider = None if oidc is None else Provider(oidc)
        people = People.over(core.database, is_secure=settings.is_secure, provider=provider)
        runtime = cls(settings, core, Keys(core.database), metrics, sender, people)
        if settings.models:
            runtime.follower = core.follower = Follower(core, settings.models, settings.followed())
            runtime.follower.start()
        return runtime

    def front(self, inner: Application) -> Front:
        """The outermost application, over another one."""
        return Front(inner, self.core, self.keys, self.settings, self.metrics, self.people)

    async def listen(self) -> None:
        """Start the syslog listeners that were asked for; OSError if an address cannot be had."""
        settings = self.settings
        if not (settings.syslog_tcp or settings.syslog_udp):
            return
        context = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        self.listeners = SyslogListeners(self.core, settings.syslog_tenant, self.metrics.dropped.inc)
        await self.listeners.start(
            address(settings.syslog_tcp) if settings.syslog_tcp else None,
            address(settings.syslog_udp) if settings.syslog_udp else None,
            context,
        )

    async def close(self) -> None:
        """Take no more, write what was taken, let go of the directory."""
        if self.listeners is not None:
            await self.listeners.stop()
        await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """`close` without an event loop; a second time does nothing."""
        if not self._closed:
            self._closed = True
            if self.follower is not None:
                self.follower.stop()
            self.sender.stop()
            self.core.stop()


class Holder:
    """Where a process keeps its runtime: BentoML makes the service before the settings are known."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None

    @property
    def is_filled(self) -> bool:
        """Whether there is a runtime."""
        return self._runtime is not None

    @property
    def runtime(self) -> Runtime:
        """The runtime; StateError before the worker has started."""
        if self._runtime is None:
            raise StateError("the service has not started yet")
        return self._runtime

    def fill(self, runtime: Runtime) -> None:
        """Keep a runtime."""
        self._runtime = runtime
