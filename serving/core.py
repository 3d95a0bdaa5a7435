"""The core: takes submissions, makes them durable, acknowledges, decodes, scores and learns. See `Core`."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from features import bodies
from features.errors import InputError
from features.sources.registry import MODULES, decoder_class
from models.detector import Detector
from serving import journal, lake, sinks
from serving.checkpoints import Folders, Writer
from serving.intake import Intake, Item
from serving.journal import Entry, Journal, JournalError, Kind, Operation
from serving.recovery import Tenants, by_tenant, check_tenant
from serving.settings import CoreSettings
from serving.sinks import StoreSinks
from serving.state import locked
from serving.store.database import default_url, open_database
from serving.submission import COUNTED, Protocol, Receipt, Refused, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from serving.store.database import Database
    from serving.submission import Submission
    from serving.tenant import TenantState

log = logging.getLogger(__name__)

T = TypeVar("T")


TICK_SECONDS = 0.2
MEND_SECONDS = 1.0
SEGMENT_ROWS = 200_000
"""Scored events of a tenant that are held in memory for the lake."""
WRITER_JOBS = 8
"""Background jobs that may wait before the engine does."""
HOUSE_SECONDS = 600.0
ALERT_SHARE = 0.05
"""Part of the engine's time that looking for alerts may take."""


class Core:
    """Durable, then acknowledged; scored in event time; the state rebuilt from disk after any end.

    Three threads: the committer writes what waits in groups and acknowledges, the engine applies what is on
    disk in that order and owns all learned state, the writer puts checkpoints and lake segments on disk. The
    engine may lag behind the committer by `backlog_bytes`.

    Parameters
    ----------
    data_dir
        Data directory; one core a directory.
    settings
        Limits and times.
    url
        Store; SQLite in the data directory by default.
    """

    def __init__(self, data_dir: Path, settings: CoreSettings | None = None, url: str | None = None) -> None:
        self.data_dir = data_dir
        self.settings = settings or CoreSettings()
        self._url = url or default_url(data_dir)
        self._stack = ExitStack()
        self._intake = Intake(self.settings.queue_bytes, self.settings.tenant_queue_bytes)
        self._backlog: deque[tuple[list[Entry], list[Item]]] = deque()
        self._backlog_bytes = 0
        self._calls: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._committed_all = False
        self._stopping = threading.Event()
        self._trouble = ""
        self._failed = ""
        self._counts: dict[str, int] = dict.fromkeys(
            ("submissions", "commits", "events", "bytes", "refused", "busy", "checkpoints", "flushes"), 0
        )
        self._touched: dict[str, float] = {}
        self._flushing: set[str] = set()
        self._saved: dict[str, tuple[float, int, int]] = {}
        self._alerted: dict[str, tuple[float, int]] = {}
        self._house_at = 0.0
        self._replayed = 0
        self.ready = False

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Lock the directory, recover, and begin to work; returns when everything is ready.

        Raises
        ------
        StateError
            If another process writes here, or what is on disk is damaged.
        InputError
            If the store cannot be opened.
        """
        self._stack.enter_context(locked(self.data_dir))
        try:
            _load()
            self._database = open_database(self._url)
            self._stack.callback(self._database.close)
            self._folders = Folders(self.data_dir)
            self._sinks = StoreSinks(self._database)
            self._tenants = Tenants(self._database, self._folders, self.settings, self._sinks)
            floor = self._tenants.load_all()
            self._journal = Journal(self._database, floor)
            self._stack.callback(self._journal.close)
            self._writer = Writer(self._folders)
            self._writer.durable = {name: state.position for name, state in self._tenants.states.items()}
            self._writer.start()
            self._stack.callback(self._writer.stop)
            self._replayed = self._tenants.replay(self._after_replayed)
            self._sinks.flush()
        except BaseException:
            self._stack.close()
            raise
        now = time.monotonic()
        for name, state in self._tenants.states.items():
            self._touched[name] = now
            self._saved.setdefault(name, (now, self._writer.durable.get(name, 0), state.ledger.received))
        self._house_at = now
        self._committer = threading.Thread(target=self._commit_all, name="habitus-committer", daemon=True)
        self._engine = threading.Thread(target=self._apply_all, name="habitus-engine", daemon=True)
        self._engine.start()
        self._committer.start()
        self.ready = True

    def stop(self) -> None:
        """Write and apply what was taken in, write checkpoints, and let go of the directory."""
        if not self.ready and not hasattr(self, "_engine"):
            self._stack.close()
            return
        self.ready = False
        self._intake.close()
        self._stopping.set()
        self._committer.join()
        with self._changed:
            self._committed_all = True
            self._changed.notify_all()
        self._engine.join()
        self._stack.close()

    def __enter__(self) -> Core:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- taking in

    async def submit(
        self, submission: Submission, *, learn: bool = True, want_scores: bool = False
    ) -> Receipt:
        """Take a submission; returns when it is durable, and decoded or scored where the answer says so.

        learn: False answers the scores that the events would get, and neither keeps nor changes anything;
        it costs time in proportion to the tenant's state. want_scores: only for Protocol.SCORE.

        Raises
        ------
        Busy
            If too much waits already.
        Refused
            If nothing can be written now. Nothing of the submission was kept.
        TooLarge
            If it is over `submission_bytes`.
        InputError
            If the tenant or the source is none.
        """
        return await asyncio.wrap_future(self.offer(submission, learn=learn, want_scores=want_scores))

    def offer(
        self, submission: Submission, *, learn: bool = True, want_scores: bool = False
    ) -> Future[Receipt]:
        """`submit` for threads."""
        self._check(submission)
        operation = Operation(
            submission.tenant,
            Kind.SUBMISSION,
            submission.protocol.value,
            submission.body,
            submission.source,
            submission.ids,
        )
        if not learn:
            entry = Entry(0, 0, time.time_ns() // 1000, operation._replace(protocol=Protocol.SCORE.value))
            return self.ask(lambda: self._state(submission.tenant).preview(entry))
        if self._failed or not self.ready:
            raise Refused(self._failed or "the service is starting or stopping; send it again")
        if self._trouble:
            self._counts["refused"] += 1
            raise Refused(self._trouble)
        future: Future[Receipt] = Future()
        try:
            self._intake.put(Item(operation, future, want_scores))
        except Exception:
            self._counts["busy"] += 1
            raise
        return future

    def _check(self, submission: Submission) -> None:
        check_tenant(submission.tenant)
        if submission.source != "auto" and submission.source not in MODULES:
            raise InputError(f"unknown source {submission.source!r}: one of auto, {', '.join(MODULES)}")
        if len(submission.body) > self.settings.submission_bytes:
            limit = self.settings.submission_bytes
            raise TooLarge(f"{len(submission.body):,} bytes are more than the limit of {limit:,}; split it")

    # ---------------------------------------------------------------- the committer's thread

    def _commit_all(self) -> None:
        try:
            while True:
                if self._journal.broken:
                    self._mend()
                    if self._journal.broken and self._stopping.is_set():
                        self._refuse(self._intake.take(1 << 62, 1 << 30, 0.0), self._trouble)
                        return
                    continue
                self._wait_for_engine()
                group = self._intake.take(
                    self.settings.group_bytes, self.settings.group_submissions, TICK_SECONDS
                )
                if group:
                    self._commit(group)
                elif self._stopping.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - the thread's edge; `_fail` logs it
            self._fail(error)

    def _wait_for_engine(self) -> None:
        with self._changed:
            while self._backlog_bytes > self.settings.backlog_bytes and not self._failed:
                self._changed.wait(TICK_SECONDS)

    def _commit(self, group: list[Item]) -> None:
        # 1 whoever went away before anything was written is left out; 2 write; 3 acknowledge; 4 hand on
        group = [item for item in group if item.future is None or item.future.set_running_or_notify_cancel()]
        if not group:
            return
        free = shutil.disk_usage(self.data_dir).free
        if free < self.settings.min_free_bytes:
            self._trouble = f"only {free >> 20} MiB are free on the disk of {self.data_dir}: make room"
            self._refuse(group, self._trouble)
            self._stopping.wait(MEND_SECONDS)
            if shutil.disk_usage(self.data_dir).free >= self.settings.min_free_bytes:
                self._trouble = ""
            return
        self._trouble = ""
        try:
            entries = self._journal.append([item.operation for item in group])
        except JournalError as error:
            self._trouble = str(error)
            log.error("a commit failed: %s", error)
            self._refuse(group, self._trouble)
            return
        size = 0
        for item in group:
            size += item.size
            operation = item.operation
            uncounted = operation.kind is Kind.SUBMISSION and operation.protocol not in COUNTED
            if item.future is not None and uncounted:
                count = bodies.count_records(item.operation.body)
                item.future.set_result(Receipt(count, count, 0, 0, 0))
        self._counts["commits"] += 1
        self._counts["submissions"] += sum(item.future is not None for item in group)
        self._counts["bytes"] += size
        with self._changed:
            self._backlog.append((entries, group))
            self._backlog_bytes += size
            self._changed.notify_all()

    def _refuse(self, group: list[Item], why: str) -> None:
        for item in group:
            if item.future is None:
                self._flushing.discard(item.operation.tenant)
            else:
                self._counts["refused"] += 1
                if not item.future.done():
                    item.future.set_exception(Refused(why))

    def _mend(self) -> None:
        try:
            self._journal.mend()
        except JournalError as error:
            self._trouble = str(error)
            self._refuse(self._intake.take(1 << 62, 1 << 30, 0.0), self._trouble)
            self._stopping.wait(MEND_SECONDS)
        else:
            self._trouble = ""
            log.warning("the journal is writable again")

    # ---------------------------------------------------------------- the engine's thread

    def _apply_all(self) -> None:
        try:
            while True:
                with self._changed:
                    if not self._backlog and not self._calls and not self._committed_all:
                        self._changed.wait(TICK_SECONDS)
                    calls = [self._calls.popleft() for _ in range(len(self._calls))]
                    overfull = self._writer.waiting > WRITER_JOBS and not self._stopping.is_set()
                    work = self._backlog.popleft() if self._backlog and not overfull else None
                for call in calls:
                    call()
                if work is not None:
                    self._apply(*work)
                elif self._committed_all and not self._backlog:
                    break
                self._after()
                if overfull:
                    time.sleep(TICK_SECONDS / 4)
            for state in self._tenants.states.values():
                self._save(state)
        except Exception as error:  # noqa: BLE001 - the thread's edge; `_fail` logs it
            self._fail(error)

    def _apply(self, entries: list[Entry], group: list[Item]) -> None:
        waiting = {entry.seq: item for entry, item in zip(entries, group, strict=True)}
        now = time.monotonic()
        for tenant, own in by_tenant(entries).items():
            state = self._tenants.get(tenant, own[0].received_us)
            receipts = self._tenants.apply(state, own)
            self._flush_sinks()  # who is told of quarantined records finds them there
            for entry, receipt in zip(own, receipts, strict=True):
                item = waiting[entry.seq]
                self._counts["events"] += receipt.received
                if entry.operation.kind is Kind.FLUSH:
                    self._flushing.discard(tenant)
                if item.future is not None and not item.future.done():
                    item.future.set_result(receipt if item.want_scores else receipt._replace(scores=None))
            if any(entry.operation.kind is Kind.SUBMISSION for entry in own):
                self._touched[tenant] = now
            self._cut(self._tenants.states[tenant])
        with self._changed:
            self._backlog_bytes -= sum(item.size for item in group)
            self._changed.notify_all()

    def _after(self) -> None:
        """What is due between two groups: flushes, alerts, checkpoints, and the retention."""
        now = time.monotonic()
        for tenant, state in list(self._tenants.states.items()):
            lingered = now - self._touched.get(tenant, now) > self.settings.linger_seconds
            if lingered and len(state.buffer) and tenant not in self._flushing and not self._trouble:
                self._flush(state, now)
            self._look_for_alerts(state, now)
        self._flush_sinks()
        for state in list(self._tenants.states.values()):
            at, position, received = self._saved.setdefault(state.tenant, (now, 0, 0))
            grown = state.ledger.received - received >= self.settings.checkpoint_events
            if state.position > position and (grown or now - at >= self.settings.checkpoint_seconds):
                self._save(state)
        if now - self._house_at > HOUSE_SECONDS:
            self._house_at = now
            self._writer.run(self._keep_house)

    def _flush(self, state: TenantState, now: float) -> None:
        self._touched[state.tenant] = now
        self._flushing.add(state.tenant)
        try:
            self._intake.put(Item(Operation(state.tenant, Kind.FLUSH)))
        except Refused:
            self._flushing.discard(state.tenant)
        else:
            self._counts["flushes"] += 1

    def _look_for_alerts(self, state: TenantState, now: float) -> None:
        due, position = self._alerted.setdefault(state.tenant, (now + self.settings.alert_seconds, 0))
        if now < due or state.position == position:
            return
        self._sinks.raise_alerts(state)
        took = time.monotonic() - now
        pause = max(self.settings.alert_seconds, took / ALERT_SHARE)
        self._alerted[state.tenant] = (now + took + pause, state.position)

    def _flush_sinks(self) -> None:
        try:
            self._sinks.flush()
        except SQLAlchemyError:
            if not self._trouble:
                log.exception("results cannot be written; they are kept until they can be")

    def _cut(self, state: TenantState) -> None:
        if self._sinks.rows[state.tenant] >= SEGMENT_ROWS:
            self._new_segment(state)

    def _new_segment(self, state: TenantState) -> None:
        waiting = self._sinks.tables.pop(state.tenant, [])
        self._sinks.rows.pop(state.tenant, None)
        if waiting:
            state.segment += 1
            self._writer.segment(state.tenant, state.segment, waiting)

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
        self._counts["checkpoints"] += 1

    def _after_replayed(self, state: TenantState) -> None:
        self._cut(state)
        received = self._saved.setdefault(state.tenant, (0.0, 0, state.ledger.received))[2]
        if state.ledger.received - received >= self.settings.checkpoint_events:
            self._save(state)

    def _keep_house(self) -> None:
        now_us = time.time_ns() // 1000
        settings = self.settings
        held = [self._writer.durable.get(name, 0) for name in list(self._tenants.states)]
        before = now_us - round(settings.journal_days * 86_400e6)
        journal.prune(self._database, min(held, default=0), before, settings.journal_bytes)
        sinks.keep_house(
            self._database,
            now_us,
            quarantine_days=settings.quarantine_days,
            quarantine_records=settings.quarantine_records,
            entity_days_days=settings.entity_days_days,
        )
        for name in list(self._tenants.states):
            lake.remove_before(self._folders.lake(name), now_us, settings.lake_days)

    def _fail(self, error: Exception) -> None:
        """The process edge: say so, take nothing more, answer everybody."""
        log.critical("the core stopped: %s", error, exc_info=error)
        self._failed = f"the service failed ({type(error).__name__}: {error}); restart it"
        self.ready = False
        with self._changed:
            self._changed.notify_all()
        self._intake.close()
        left = [item for _, group in self._backlog for item in group]
        self._refuse(
            [item for item in left if item.future is not None and not item.future.done()], self._failed
        )
        self._refuse(self._intake.take(1 << 62, 1 << 30, 0.0), self._failed)

    # ---------------------------------------------------------------- reading

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """Run something on the engine's thread between two groups, where state is never torn."""
        future: Future[T] = Future()

        def answer() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(question())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                future.set_exception(error)

        if self._failed or not self.ready:
            raise Refused(self._failed or "the service is starting or stopping; ask again")
        with self._changed:
            self._calls.append(answer)
            self._changed.notify_all()
        return future

    def _state(self, tenant: str) -> TenantState:
        found = self._tenants.states.get(tenant)
        if found is None:
            found = self._tenants.get(check_tenant(tenant), time.time_ns() // 1000)
        return found

    async def flush(self, tenant: str) -> None:
        """Score what waits for the watermark now; returns when it is done."""
        future: Future[Receipt] = Future()
        self._intake.put(Item(Operation(check_tenant(tenant), Kind.FLUSH), future))
        await asyncio.wrap_future(future)

    async def open_days(self, tenant: str) -> pd.DataFrame:
        """Entity-days of the open day, see `models.days.DayBook.frame`."""
        return await asyncio.wrap_future(self.ask(lambda: self._state(tenant).open_days()))

    async def baseline(self, tenant: str, name: str) -> pd.DataFrame:
        """Habits of an entity, see `features.baselines.Baselines.habits`; InputError when it is unknown."""

        def habits() -> pd.DataFrame:
            detector = self._state(tenant).detector
            return detector.baselines.habits(detector.known_name(name))

        return await asyncio.wrap_future(self.ask(habits))

    async def digest(self, tenant: str) -> str:
        """SHA-256 of a tenant's state."""
        return await asyncio.wrap_future(self.ask(lambda: self._state(tenant).digest()))

    @property
    def database(self) -> Database:
        """The store; open from `start` to `stop`."""
        return self._database

    def metrics(self) -> dict[str, Any]:
        """A snapshot of counters and gauges; names say their units. From any thread, without waiting."""
        tenants = {
            name: {
                **{key: getattr(state.ledger, key) for key in state.ledger.__dataclass_fields__},
                "position": state.position,
                "checkpoint_position": self._writer.durable.get(name, 0),
                "entities": state.detector.baselines.entities.count,
                "habits": len(state.detector.baselines),
                "held": state.detector.engine.held_count,
            }
            for name, state in list(self._tenants.states.items())
        }
        return {
            **self._counts,
            "ready": self.ready,
            "queue_bytes": self._intake.size,
            "backlog_bytes": self._backlog_bytes,
            "backlog_groups": len(self._backlog),
            "journal_position": self._journal.last_seq,
            "journal_trouble": self._trouble,
            "writer_jobs": self._writer.waiting,
            "writer_trouble": self._writer.failing,
            "replayed_entries": self._replayed,
            "free_bytes": shutil.disk_usage(self.data_dir).free,
            "tenants": tenants,
        }


WARM_UP = tuple(
    b'{"class_uid":3002,"activity_id":1,"status_id":1,"time":%d,"user":{"name":"warm-%d"},"device":{"hostname":"up-%d"},'
    b'"src_endpoint":{"ip":"192.0.2.%d"},"metadata":{"uid":"%d"}}'
    % (1_767_225_600_000 + hour * 3_600_000, number, number, number, hour * 10 + number)
    for hour in range(3)
    for number in range(4)
)
"""Some hours of an organisation of nobody: kernels of the night are loaded in the night."""


def _load() -> None:
    """Import and compile what the first submission would otherwise wait for: seconds, or minutes where no
    compiled kernels are kept yet. Ready means ready.
    """
    import pandas  # noqa: F401 - see above

    for name in MODULES:
        decoder_class(name)
    log.info("loading kernels; the first time on a machine they are compiled, which takes minutes")
    detector = Detector()
    found = bodies.decode(detector.reader(), [bodies.Body(b"\n".join(WARM_UP), "auto", None, 0)])
    detector.score_learn(found.batch)
