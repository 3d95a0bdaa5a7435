"""Keeping house: what its retention no longer covers goes, and small files are merged."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

import pyarrow as pa

from serving import compaction, journal, lake, sinks
from serving.days import DAY_US

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
        now_us = time.time_ns() // 1000
        settings = self._settings
        names = list(self._tenants.states)
        held = [self._writer.durable(name).position for name in names]
        before = now_us - round(settings.journal_days * DAY_US)
        journal.prune(self._database, min(held, default=0), before, settings.journal_bytes)
        sinks.keep_house(
            self._database,
            now_us,
            quarantine_days=settings.quarantine_days,
            quarantine_records=settings.quarantine_records,
            entity_days_days=settings.entity_days_days,
        )
        if not self._left:  # else the round before is not over
            self._left.extend(names)
            self._writer.run(self._next)

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
        now_us = time.time_ns() // 1000
        durable = self._writer.durable(tenant)
        scored, learned = self._folders.lake(tenant), self._folders.learned(tenant)
        lake.remove_before(scored, now_us, self._settings.lake_days)
        # as of the checkpoint: an unlearning that a recovery replays reaches back no further
        oldest_us = durable.newest_us - round(self._settings.learned_days * DAY_US)
        compaction.forget_learned(learned, oldest_us, durable.segment)
        fewer = compaction.merge_lake(scored, durable.segment, now_us // DAY_US)
        fewer += compaction.merge_learned(learned, durable.segment)
        self._status.counts["files_merged"] += fewer
