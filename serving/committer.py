"""The committer's thread: takes what waits in groups, makes each durable, acknowledges, and hands it on."""

from __future__ import annotations

import logging
import shutil
import time
from typing import TYPE_CHECKING

from features import bodies
from serving.backlog import NEW_SHARE, Commit
from serving.journal import JournalError, Kind
from serving.submission import Receipt, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from features.errors import HabitusError
    from serving.backlog import Backlog
    from serving.intake import Intake, Item
    from serving.journal import Journal
    from serving.settings import CoreSettings
    from serving.status import Status

log = logging.getLogger(__name__)

TICK_SECONDS = 0.2
MEND_SECONDS = 1.0
PACE_SECONDS = 0.05
"""Most that a group is given to grow while the engine is behind: an acknowledgement is that much later."""
LEAD = 2.0
"""How many commits' time before the engine is expected to come back the next group is begun."""


class Committer:
    """Work of one thread; `run` is what the thread does.

    Parameters
    ----------
    data_dir
        Whose disk has to have room.
    intake, journal, backlog
        Where groups come from, are written to, and go.
    """

    def __init__(
        self,
        data_dir: Path,
        intake: Intake,
        journal: Journal,
        backlog: Backlog,
        settings: CoreSettings,
        status: Status,
    ) -> None:
        self._data_dir = data_dir
        self._intake = intake
        self._journal = journal
        self._backlog = backlog
        self._settings = settings
        self._status = status
        self._commit_seconds = 0.0

    def run(self, fail: Callable[[Exception], None]) -> None:
        """Work until the service stops and nothing waits. fail: told about an error of our own."""
        try:
            while True:
                if self._journal.broken:
                    self._mend()
                    if self._journal.broken and self._status.stopping.is_set():
                        self.refuse(self._intake.everything(), self._status.trouble)
                        return
                    continue
                self._backlog.wait_for_room(TICK_SECONDS, lambda: bool(self._status.failed))
                self._intake.wait(TICK_SECONDS)
                self._backlog.wait_for_turn(
                    PACE_SECONDS, LEAD * self._commit_seconds, self._intake.is_patient
                )
                group = self._intake.take(self._settings.group_bytes, self._settings.group_submissions)
                if group:
                    self._commit(group)
                elif self._status.stopping.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - the thread's edge; `fail` logs it
            fail(error)

    def _commit(self, group: list[Item]) -> None:
        # 1 whoever went away before anything was written is left out; 2 write; 3 acknowledge; 4 hand on
        group = [item for item in group if item.future is None or item.future.set_running_or_notify_cancel()]
        if not group or not self._has_room(group):
            return
        status = self._status
        began = time.monotonic()
        refused: dict[int, HabitusError] = {}
        try:
            entries = self._journal.append([item.operation for item in group], refused)
        except JournalError as error:
            status.trouble = str(error)
            log.error("a commit failed: %s", error)
            self.refuse(group, status.trouble)
            return
        for place, refusal in refused.items():
            future = group[place].future
            if future is not None:
                future.set_exception(refusal)
        group = [item for place, item in enumerate(group) if place not in refused]
        if not group:
            return
        commit = Commit(entries, group)
        for item in group:
            if item.future is not None and item.is_hurried:
                count = bodies.count_records(item.operation.body)
                item.future.set_result(Receipt(count, count, 0, 0, 0))
        took = time.monotonic() - began
        self._commit_seconds += NEW_SHARE * (took - self._commit_seconds)
        status.gauges.commit_seconds.observe(took)
        status.counts["commits"] += 1
        status.counts["submissions"] += sum(item.operation.kind is Kind.SUBMISSION for item in group)
        status.counts["bytes"] += commit.size
        self._backlog.put(commit)

    def _has_room(self, group: list[Item]) -> bool:
        status, least = self._status, self._settings.min_free_bytes
        free = shutil.disk_usage(self._data_dir).free
        if free >= least:
            status.trouble = ""
            return True
        status.trouble = f"only {free >> 20} MiB are free on the disk of {self._data_dir}: make room"
        self.refuse(group, status.trouble)
        status.stopping.wait(MEND_SECONDS)
        if shutil.disk_usage(self._data_dir).free >= least:
            status.trouble = ""
        return False

    def refuse(self, group: list[Item], why: str) -> None:
        """Tell everybody in a group that nothing of theirs was kept."""
        for item in group:
            if item.future is None:
                self._status.flushing.discard(item.operation.tenant)
            else:
                self._status.counts["refused"] += 1
                if not item.future.done():
                    item.future.set_exception(Refused(why))

    def _mend(self) -> None:
        try:
            self._journal.mend()
        except JournalError as error:
            self._status.trouble = str(error)
            self.refuse(self._intake.everything(), self._status.trouble)
            self._status.stopping.wait(MEND_SECONDS)
        else:
            self._status.trouble = ""
            log.warning("the journal is writable again")
