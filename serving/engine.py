"""The engine's thread: applies what is on disk in that order, and owns all learned state."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from serving.gauges import fill_of
from serving.intake import Item
from serving.journal import Kind, Operation
from serving.recovery import by_tenant
from serving.submission import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving.backlog import Backlog, Commit
    from serving.checkpoints import Writer
    from serving.intake import Intake
    from serving.recovery import Tenants
    from serving.settings import CoreSettings
    from serving.sinks import StoreSinks
    from serving.status import Status
    from serving.tenant import TenantState

log = logging.getLogger(__name__)

TICK_SECONDS = 0.2
SEGMENT_ROWS = 200_000
"""Scored events of a tenant that are held in memory for the lake."""
WRITER_JOBS = 8
"""Background jobs that may wait before the engine does."""
HOUSE_SECONDS = 600.0
MEASURE_SECONDS = 5.0
ALERT_SHARE = 0.05
"""Part of the engine's time that looking for alerts may take."""


class Alerted(NamedTuple):
    """When a tenant's alerts are due again (monotonic seconds); position and alerts at the last look."""

    due: float
    position: int = 0
    raised: int = 0


class Engine:
    """Work of one thread; `run` is what the thread does.

    Parameters
    ----------
    tenants
        The states.
    backlog
        Where groups and questions come from.
    intake
        Where the engine puts operations of its own: flushes go through the journal like everything else.
    sinks, writer
        Where results go.
    keep_house
        Retention and the like; runs now and then on the writer's thread.
    """

    def __init__(
        self,
        tenants: Tenants,
        backlog: Backlog,
        intake: Intake,
        sinks: StoreSinks,
        writer: Writer,
        settings: CoreSettings,
        status: Status,
        keep_house: Callable[[], None],
    ) -> None:
        self._tenants = tenants
        self._backlog = backlog
        self._intake = intake
        self._sinks = sinks
        self._writer = writer
        self._settings = settings
        self._status = status
        self._keep_house = keep_house
        self._touched: dict[str, float] = {}
        self._saved: dict[str, tuple[float, int, int]] = {}
        self._alerted: dict[str, Alerted] = {}
        self._house_at = 0.0
        self._measured_at = -MEASURE_SECONDS

    def begin(self) -> None:
        """After the replay and before `run`: start the timers."""
        now = time.monotonic()
        for name, state in self._tenants.states.items():
            self._touched[name] = now
            self._saved.setdefault(name, (now, self._writer.durable(name).position, state.ledger.received))
        self._house_at = now

    def run(self, fail: Callable[[Exception], None]) -> None:
        """Work until the backlog is complete and empty. fail: told about an error of our own."""
        try:
            while True:
                overfull = self._writer.waiting > WRITER_JOBS and not self._status.stopping.is_set()
                turn = self._backlog.take(TICK_SECONDS, hold=overfull)
                for call in turn.calls:
                    call("")
                if turn.commit is not None:
                    try:
                        self._apply(turn.commit)
                    except BaseException:
                        self._backlog.put_back(turn.commit)  # so that those who wait for it are told
                        raise
                elif turn.last:
                    break
                self._after()
                if overfull:
                    self._writer.wait_for_room(WRITER_JOBS, TICK_SECONDS / 4)
            for state in self._tenants.states.values():
                self._save(state)
        except Exception as error:  # noqa: BLE001 - the thread's edge; `fail` logs it
            fail(error)

    def _apply(self, commit: Commit) -> None:
        waiting = {entry.seq: item for entry, item in zip(*commit, strict=True)}
        now = time.monotonic()
        gauges = self._status.gauges
        for tenant, own in by_tenant(commit.entries).items():
            state = self._tenants.get(tenant, own[0].received_us)
            receipts = self._tenants.apply(state, own)
            self._flush_sinks()  # who is told of quarantined records finds them there
            for entry, receipt in zip(own, receipts, strict=True):
                item = waiting[entry.seq]
                self._status.counts["events"] += receipt.received
                if entry.operation.kind is Kind.FLUSH:
                    self._status.flushing.discard(tenant)
                if item.future is not None and not item.future.done():
                    item.future.set_result(receipt if item.want_scores else receipt._replace(scores=None))
            if any(entry.operation.kind is Kind.SUBMISSION for entry in own):
                self._touched[tenant] = now
            self._cut(self._tenants.states[tenant])
            gauges.changed(tenant)
        self._backlog.done(commit)
        gauges.apply_seconds.observe(time.monotonic() - now)

    def _after(self) -> None:
        """What is due between two groups: flushes, alerts, checkpoints, and the retention."""
        now = time.monotonic()
        settings = self._settings
        for tenant, state in list(self._tenants.states.items()):
            lingered = now - self._touched.get(tenant, now) > settings.linger_seconds
            idle = tenant not in self._status.flushing and not self._status.trouble
            if lingered and idle and (len(state.buffer) or state.look_due(time.time_ns() // 1000)):
                self._flush(state, now)
            self._look_for_alerts(state, now)
        self._flush_sinks()
        for state in list(self._tenants.states.values()):
            at, position, received = self._saved.setdefault(state.tenant, (now, 0, 0))
            grown = state.ledger.received - received >= settings.checkpoint_events
            if state.position > position and (grown or now - at >= settings.checkpoint_seconds):
                self._save(state)
        if now - self._measured_at > MEASURE_SECONDS:
            self._measured_at = now
            fills = self._status.gauges.fills
            for name, state in list(self._tenants.states.items()):
                fills[name] = fill_of(state)
        if now - self._house_at > HOUSE_SECONDS and self._writer.waiting <= WRITER_JOBS:
            self._house_at = now
            self._writer.run(self._keep_house)

    def _flush(self, state: TenantState, now: float) -> None:
        self._touched[state.tenant] = now
        self._status.flushing.add(state.tenant)
        try:
            self._intake.put(Item(Operation(state.tenant, Kind.FLUSH)))
        except Refused:
            self._status.flushing.discard(state.tenant)
        else:
            self._status.counts["flushes"] += 1

    def _look_for_alerts(self, state: TenantState, now: float) -> None:
        known = self._alerted.setdefault(state.tenant, Alerted(now + self._settings.alert_seconds))
        raised = state.detector.alerts.raised_today
        fresh = 0 < raised != known.raised
        if not fresh and (now < known.due or state.position == known.position):
            return
        began = time.monotonic()
        if raised:  # else there is nothing to bring up to date, and a day's frame is dear
            self._sinks.raise_alerts(state)
        took = time.monotonic() - began
        pause = max(self._settings.alert_seconds, took / ALERT_SHARE)
        self._alerted[state.tenant] = Alerted(began + took + pause, state.position, raised)

    def _flush_sinks(self) -> None:
        try:
            self._sinks.flush()
        except SQLAlchemyError:
            if not self._status.trouble:
                log.exception("results cannot be written; they are kept until they can be")

    # ---------------------------------------------------------------- segments and checkpoints

    def _cut(self, state: TenantState) -> None:
        if self._sinks.rows[state.tenant] >= SEGMENT_ROWS:
            self._new_segment(state)

    def _new_segment(self, state: TenantState) -> None:
        waiting = self._sinks.cut(state)
        if waiting:
            self._writer.segment(state.tenant, state.segment, waiting, self._sinks.learned)

    def _save(self, state: TenantState) -> None:
        """Hand a checkpoint to the writer, with the lake segments that belong to it."""
        if state.position == self._saved.get(state.tenant, (0.0, -1, 0))[1]:
            return
        self._flush_sinks()
        if self._sinks.pending:
            return  # a checkpoint would skip over results that are only here
        self._new_segment(state)
        arrays, settings = state.export()
        self._writer.checkpoint(state.tenant, arrays, settings)
        self._saved[state.tenant] = (time.monotonic(), state.position, state.ledger.received)
        self._status.counts["checkpoints"] += 1

    def after_replayed(self, state: TenantState) -> None:
        """A tenant's part of a group was replayed: what is held in memory stays bounded."""
        self._cut(state)
        received = self._saved.setdefault(state.tenant, (0.0, 0, state.ledger.received))[2]
        if state.ledger.received - received >= self._settings.checkpoint_events:
            self._save(state)
