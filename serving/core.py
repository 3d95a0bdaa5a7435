"""The core: takes submissions, makes them durable, acknowledges, decodes, scores and learns. See `Core`."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from features import bodies
from features.errors import InputError
from features.sources.registry import MODULES
from serving.backlog import Backlog
from serving.checkpoints import Durable, Folders, Writer
from serving.committer import Committer
from serving.days import DAY_US
from serving.engine import Engine
from serving.house import House
from serving.intake import Intake, Item
from serving.journal import Entry, Journal, Kind, Operation, operation_of
from serving.learned import Learned
from serving.numbers import limits, nothing_yet, tenant_numbers
from serving.previews import Previews, taken
from serving.quota import OverQuota, Rates
from serving.recovery import Tenants, check_tenant
from serving.replies import Mailbox, Reply
from serving.settings import CoreSettings
from serving.sinks import StoreSinks
from serving.state import locked
from serving.status import Status
from serving.store.database import default_url, open_database
from serving.submission import Busy, Protocol, Receipt, Refused, TooLarge
from serving.unlearning import Unlearn, Unlearned, checked_name
from serving.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from serving.audit import Deed
    from serving.following.follower import Follower
    from serving.store.database import Database
    from serving.submission import Submission
    from serving.tenant import TenantState

log = logging.getLogger(__name__)

T = TypeVar("T")


class Core:
    """Durable, then acknowledged; scored in event time; the state rebuilt from disk after any end.

    Three threads: the committer (`serving.committer`) writes what waits in groups and acknowledges, the
    engine (`serving.engine`) applies what is on disk in that order and owns all learned state, the writer
    (`serving.checkpoints`) puts checkpoints and lake segments on disk. The engine may lag behind the
    committer by `backlog_bytes`.

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
        self._status = Status()
        self._stopping = self._status.stopping
        self._backlog = Backlog(self.settings.backlog_bytes)
        self._intake = Intake(
            self.settings.queue_bytes, self.settings.tenant_queue_bytes, self._backlog.hurry
        )
        self._rates = Rates(self.settings.quota_of)
        self._mailbox: Mailbox | None = None
        self._previews = Previews(self._status)
        self.follower: Follower | None = None
        """Makes tenants' models those of a registry, if somebody started one."""
        self._threads: list[threading.Thread] = []
        self._replayed = 0

    # ---------------------------------------------------------------- life

    @property
    def ready(self) -> bool:
        """Whether recovery is done and submissions are taken."""
        return self._status.ready

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
            warm_up()
            engine = self._recover()
        except BaseException:
            self._stack.close()
            raise
        engine.begin()
        self._committer = Committer(
            self.data_dir, self._intake, self._journal, self._backlog, self.settings, self._status
        )
        for name, work in (("engine", engine.run), ("committer", self._committer.run)):
            thread = threading.Thread(target=work, args=(self._fail,), name=f"habitus-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._status.ready = True

    def _recover(self) -> Engine:
        """Open everything, load the checkpoints, and apply the journal behind them."""
        self._database = open_database(self._url)
        self._stack.callback(self._database.close)
        folders = Folders(self.data_dir)
        sinks = StoreSinks(
            self._database, Learned(folders.learned), self._status.gauges.tails, folders.models
        )
        self._writer = Writer(folders, self._status.gauges)
        self._tenants = Tenants(self._database, folders, self.settings, sinks, self._writer.settle)
        floor = self._tenants.load_all()
        self._journal = Journal(
            self._database, floor, self._tenants.newest_us, round(self.settings.future_seconds * 1e6)
        )
        self._stack.callback(self._journal.close)
        for name, state in self._tenants.states.items():
            newest_us = state.detector.clock.newest_us
            self._writer.loaded(name, Durable(state.position, state.segment, newest_us))
        self._writer.start()
        self._stack.callback(self._writer.stop)
        self._house = House(self._database, folders, self._tenants, self._writer, self.settings, self._status)
        engine = Engine(
            self._tenants,
            self._backlog,
            self._intake,
            sinks,
            self._writer,
            self.settings,
            self._status,
            self._house.keep,
        )
        self._replayed = self._tenants.replay(engine.after_replayed)
        sinks.flush()
        return engine

    def stop(self) -> None:
        """Write and apply what was taken in, write checkpoints, and let go of the directory."""
        if not self._threads:
            self._stack.close()
            return
        self._status.ready = False
        self._intake.close()
        self._status.stopping.set()
        engine, committer = self._threads
        committer.join()
        self._backlog.complete()
        engine.join()
        self._backlog.give_up("the service is stopping; ask again")
        self._previews.stop()
        self._stack.close()

    def __enter__(self) -> Core:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _fail(self, error: Exception) -> None:
        """The process edge: say so, take nothing more, answer everybody."""
        log.critical("the core stopped: %s", error, exc_info=error)
        why = f"the service failed ({type(error).__name__}: {error}); restart it"
        self._status.failed = why
        self._status.ready = False
        self._intake.close()
        left = [
            item for item in self._backlog.give_up(why) if item.future is not None and not item.future.done()
        ]
        self._committer.refuse([*left, *self._intake.everything()], why)

    # ---------------------------------------------------------------- taking in

    async def submit(
        self, submission: Submission, *, learn: bool = True, want_scores: bool = False
    ) -> Receipt:
        """Take a submission; returns when it is durable, and decoded or scored where the answer says so.

        learn: False answers the scores that the events would get, and neither keeps nor changes anything;
        it costs memory and time in proportion to the tenant's state, beside the engine. want_scores: only for
        Protocol.SCORE.

        Raises
        ------
        Busy
            If too much waits already, or the tenant has sent more than its quota.
        Refused
            If nothing can be written now. Nothing of the submission was kept.
        TooLarge
            If it is over `submission_bytes`.
        InputError
            If the tenant or the source is none.
        """
        if not learn:
            return await asyncio.wrap_future(self.offer(submission, learn=False))
        self._check(submission)
        loop = asyncio.get_running_loop()
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = Mailbox(loop)
        reply = Reply(self._mailbox)
        self._put(operation_of(submission), reply, want_scores=want_scores)
        return await reply.future

    def offer(
        self, submission: Submission, *, learn: bool = True, want_scores: bool = False
    ) -> Future[Receipt]:
        """`submit` for threads."""
        self._check(submission)
        operation = operation_of(submission)
        if not learn:
            self._take_rate(operation)
            entry = Entry(0, 0, time.time_ns() // 1000, operation._replace(protocol=Protocol.SCORE.value))
            return self._preview(entry)
        return self._soon(operation, want_scores=want_scores)

    def _soon(self, operation: Operation, *, want_scores: bool = False) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        self._put(operation, future, want_scores=want_scores)
        return future

    def _put(
        self, operation: Operation, future: Future[Receipt] | Reply, *, want_scores: bool = False
    ) -> None:
        """Let an operation wait for the committer."""
        if why := self._status.refusal:
            raise Refused(why)
        if self._status.trouble:
            self._status.counts["refused"] += 1
            raise Refused(self._status.trouble)
        events = self._take_rate(operation)
        try:
            self._intake.put(Item(operation, future, want_scores))
        except (Busy, Refused) as error:
            self._rates.give_back(operation.tenant, events)
            if isinstance(error, Busy):
                self._status.count_shed(operation.tenant, error.reason)
            raise

    def _preview(self, entry: Entry) -> Future[Receipt]:
        tenant = entry.operation.tenant
        if why := self._status.refusal:
            raise Refused(why)
        try:
            return self._previews.ask(lambda: self.ask(lambda: taken(self.state_of(tenant))), entry)
        except Busy as error:
            self._status.count_shed(tenant, error.reason)
            raise

    def _take_rate(self, operation: Operation) -> int:
        """Count a submission's events against its tenant's quota; returns how many, 0 where it has none."""
        if operation.kind is not Kind.SUBMISSION or not self._rates.limits(operation.tenant):
            return 0
        events = bodies.count_records(operation.body)
        try:
            self._rates.take(operation.tenant, events)
        except OverQuota as error:
            self._status.count_shed(operation.tenant, error.reason)
            raise
        return events

    def _check(self, submission: Submission) -> None:
        check_tenant(submission.tenant)
        if submission.source != "auto" and submission.source not in MODULES:
            raise InputError(f"unknown source {submission.source!r}: one of auto, {', '.join(MODULES)}")
        if len(submission.body) > self.settings.submission_bytes:
            limit = self.settings.submission_bytes
            raise TooLarge(f"{len(submission.body):,} bytes are more than the limit of {limit:,}; split it")

    async def flush(self, tenant: str) -> None:
        """Score what waits for the watermark now; returns when it is done."""
        await asyncio.wrap_future(self._soon(Operation(check_tenant(tenant), Kind.FLUSH)))

    async def operate(self, operation: Operation) -> Receipt:
        """Journal and apply an operation that is no submission; returns when it has been applied.

        Raises
        ------
        HabitusError
            What its `beside` raised; then nothing was kept.
        Busy, Refused
            As `submit`.
        """
        return await asyncio.wrap_future(self._soon(operation))

    async def unlearn(
        self, tenant: str, kind: str, name: str, from_us: int, to_us: int, actor: Deed, verdict: str = ""
    ) -> Unlearned:
        """Take an entity's events in [from_us, to_us) out of what is normal, as if never learned.

        Events that wait for the watermark are scored first; what arrives for the window later is learned.
        What is older than `learned_days` is left alone.

        Parameters
        ----------
        actor
            Who does it, for the audit log; action, subject and detail are filled in here.
        verdict
            Uid of the verdict that asks for it; taking that back undoes this.

        Raises
        ------
        InputError
            If nothing is known of this entity, or the window is empty.
        Busy, Refused
            As `submit`.
        """
        if from_us >= to_us:
            raise InputError("the window is empty: its end must be after its beginning")

        def look() -> tuple[str, int]:
            state = self.state_of(tenant)
            return checked_name(state.detector, kind, name), self.oldest_learned_us(state)

        known, oldest_us = await asyncio.wrap_future(self.ask(look))
        request = Unlearn(kind, known, from_us, to_us, oldest_us, verdict)
        detail: dict[str, object] = {"from_us": from_us, "to_us": to_us}
        if verdict:
            detail["verdict"] = verdict
        deed = actor._replace(action="entity.unlearn", subject=f"{kind} {known}", detail=detail)
        operation = Operation(tenant, Kind.UNLEARN, body=request.encoded(), deed=deed)
        receipt = await self.operate(operation)
        if receipt.taken_back is None:
            raise Refused("the engine failed on it; the log says more")
        return Unlearned(known, max(from_us, oldest_us), to_us, receipt.taken_back)

    def operate_soon(self, operation: Operation) -> Future[Receipt]:
        """`operate` for threads."""
        return self._soon(operation)

    # ---------------------------------------------------------------- reading

    def tenants(self) -> list[str]:
        """Names of all tenants that something has come in for; from any thread."""
        return sorted(self._tenants.states)

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """Run something on the engine's thread between two groups, where state is never torn."""
        future: Future[T] = Future()

        def answer(why: str) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if why:
                future.set_exception(Refused(why))
                return
            try:
                future.set_result(question())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                future.set_exception(error)

        if why := self._status.refusal:
            raise Refused(why)
        self._backlog.call(answer)
        return future

    def oldest_learned_us(self, state: TenantState) -> int:
        """How far back what was learned is kept event by event, microseconds UTC; on the engine's thread."""
        return state.detector.clock.newest_us - round(self.settings.learned_days * DAY_US)

    def state_of(self, tenant: str) -> TenantState:
        """A tenant's state, made when it is new; on the engine's thread, see `ask`."""
        found = self._tenants.states.get(tenant)
        if found is None:
            found = self._tenants.get(check_tenant(tenant), time.time_ns() // 1000)
        return found

    async def open_days(self, tenant: str) -> pd.DataFrame:
        """Entity-days of the open day, see `models.days.DayBook.frame`."""
        return await asyncio.wrap_future(self.ask(lambda: self.state_of(tenant).open_days()))

    async def baseline(self, tenant: str, name: str) -> pd.DataFrame:
        """Habits of an entity, see `features.baselines.Baselines.habits`; InputError when it is unknown."""

        def habits() -> pd.DataFrame:
            detector = self.state_of(tenant).detector
            return detector.baselines.habits(detector.known_name(name))

        return await asyncio.wrap_future(self.ask(habits))

    async def digest(self, tenant: str) -> str:
        """SHA-256 of a tenant's state."""
        return await asyncio.wrap_future(self.ask(lambda: self.state_of(tenant).digest()))

    @property
    def database(self) -> Database:
        """The store; open from `start` to `stop`."""
        return self._database

    def usage(self, tenant: str) -> dict[str, Any]:
        """A tenant's own numbers and limits."""
        state = self._tenants.states.get(tenant)
        return {
            **(nothing_yet() if state is None else tenant_numbers(state)),
            "shed": dict(self._status.shed.get(tenant, {})),
            "limits": limits(self.settings.quota_of(tenant)),
        }

    def _lag_seconds(self) -> float:
        """How long the oldest acknowledged submission that is not scored has waited."""
        oldest_us = self._backlog.oldest_us()
        return 0.0 if oldest_us is None else max(0.0, time.time() - oldest_us / 1e6)

    def metrics(self) -> dict[str, Any]:
        """A snapshot of counters and gauges; names say their units. From any thread, without waiting."""
        tenants = {
            name: {
                **tenant_numbers(state),
                "position": state.position,
                "checkpoint_position": self._writer.durable(name).position,
                "shed": dict(self._status.shed.get(name, {})),
            }
            for name, state in list(self._tenants.states.items())
        }
        shed: Counter[str] = Counter()
        for counter in list(self._status.shed.values()):
            shed.update(counter)
        return {
            **self._status.counts,
            **self._status.gauges.numbers(),
            "lag_seconds": self._lag_seconds(),
            "shed": dict(shed),
            "ready": self.ready,
            "queue_bytes": self._intake.size,
            "backlog_bytes": self._backlog.size,
            "backlog_groups": len(self._backlog),
            "journal_position": self._journal.last_seq,
            "journal_trouble": self._status.trouble,
            "writer_jobs": self._writer.waiting,
            "writer_trouble": self._writer.failing,
            "replayed_entries": self._replayed,
            "second_models": sum(state.second is not None for state in list(self._tenants.states.values())),
            **({} if self.follower is None else self.follower.numbers()),
            "free_bytes": shutil.disk_usage(self.data_dir).free,
            "tenants": tenants,
        }
