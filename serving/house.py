"""Keeping house: what its retention no longer covers goes, and small files are merged."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

import pyarrow as pa

from serving import compaction, journal, lake, sinks
from serving.days import DAY_US
from serving.notify import outbox
from serving.triage.rows import forget_requests

if TYPE_CHECKING:
    from serving.checkpoints import Folders, Writer
    from serving.recovery import Tenants
    from serving.settings import CoreSettings
    from serving.status import Status
    from serving.store.database import Database

log = logging.getLogger(__name__)


class House:
    """Runs on the writer's thread, so that nothing else changes files meanwhile; a tenant a job, so that
    checkpoints do not wait for all of them.

    Parameters
    ----------
    database, folders
        What is kept in order.
    tenants, writer
        Say what there is, and how much of it checkpoints hold.
    """

    def __init__(
        self,
        database: Database,
        folders: Folders,
        tenants: Tenants,
        writer: Writer,
        settings: CoreSettings,
        status: Status,
    ) -> None:
        self._database = database
        self._folders = folders
        self._tenants = tenants
        self._writer = writer
        self._settings = settings
        self._status = status
        self._left: deque[str] = deque()

    def keep(self) -> None:
        """Remove what is past its retention from journal and store; then go through the tenants' files."""
        settings = self._settings
        names = list(self._tenants.states)
        held = [self._writer.durable(name).position for name in names]
        now_us = {name: self._now_us(name) for name in names}
        before = max(now_us.values(), default=0) - round(settings.journal_days * DAY_US)
        journal.prune(self._database, min(held, default=0), before, settings.journal_bytes)
        sinks.keep_house(
            self._database,
            now_us,
            quarantine_days=settings.quarantine_days,
            quarantine_records=settings.quarantine_records,
            entity_days_days=settings.entity_days_days,
        )
        with self._database.write() as connection:
            moment_us = time.time_ns() // 1000
            outbox.forget(connection, moment_us)
            forget_requests(connection, moment_us)
        if not self._left:  # else the round before is not over
            self._left.extend(names)
            self._writer.run(self._next)

    def _now_us(self, tenant: str) -> int:
        """What a tenant's retention counts from: the newest time its events vouch for, in its checkpoint.

        The machine's clock alone could be years ahead, once, and everything would be gone. Where nothing
        arrives nothing goes, and a history that is sent in is not removed as soon as it was scored.
        """
        return min(time.time_ns() // 1000, self._writer.durable(tenant).newest_us)

    def _next(self) -> None:
        if self._status.stopping.is_set() or not self._left:
            self._left.clear()
            return
        name = self._left.popleft()
        try:
            self.keep_files(name)
        except (OSError, pa.ArrowException):
            # nothing depends on it, so a checkpoint must not wait until it succeeds
            log.exception("the files of %s stay as they are", name)
        self._writer.run(self._next)

    def keep_files(self, tenant: str) -> None:
        """Remove a tenant's old files, and merge small ones."""
        durable = self._writer.durable(tenant)
        now_us = self._now_us(tenant)
        scored, learned = self._folders.lake(tenant), self._folders.learned(tenant)
        if now_us > 0:
            lake.remove_before(scored, now_us, self._settings.lake_days)
        # as of the checkpoint: an unlearning that a recovery replays reaches back no further
        oldest_us = durable.newest_us - round(self._settings.learned_days * DAY_US)
        compaction.forget_learned(learned, oldest_us, durable.segment)
        fewer = compaction.merge_lake(scored, durable.segment, time.time_ns() // 1000 // DAY_US)
        fewer += compaction.merge_learned(learned, durable.segment)
        self._status.counts["files_merged"] += fewer
