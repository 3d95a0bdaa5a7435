"""Hands the organisation's events to the service: its past as fast as it goes, then each when it happens."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import TimeoutError as Late
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import update

from serving.demo import world
from serving.queries import Wanted, find_alerts
from serving.settings import CoreSettings
from serving.store.database import default_url, open_database
from serving.store.tables import alerts
from serving.submission import Busy, Protocol, Refused, Submission

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serving.core import Core
    from serving.demo.world import Arrival, Plan

TENANT = "demo"
BATCH = 2_000
LEARNING = CoreSettings(
    history_mark_hours=24,
    mark_minutes=1_440,
    backlog_bytes=8 << 20,
    checkpoint_seconds=3_600.0,
    checkpoint_events=1 << 60,
)
"""History is looked at when its days end; an interruption does not wait for a long backlog."""
LIVE = CoreSettings(
    history_mark_hours=24,
    mark_minutes=1,
    lateness_seconds=5.0,
    linger_seconds=2.0,
    alert_seconds=15.0,
)
"""A look a minute: somebody watches. Events come from this process, so they are hardly ever late."""
FIRST_SECONDS = 10.0
"""From readiness to the first event of the attack."""
STAGE_SECONDS, PAUSE_SECONDS = 20.0, 10.0
TICK_SECONDS = 0.5
LOOK_SECONDS = 2.0
SAVE_SECONDS = 10.0
CATCH_UP_MS = 600_000
"""Longer than this without a run, and what was missed is learned like history before anything is served."""


def submit(core: Core, lines: list[bytes], unless: Callable[[], bool]) -> None:
    """Hand lines over as one bulk request; a busy service is asked again, as collectors do."""
    submission = Submission(TENANT, Protocol.BULK, b"".join(lines), "ocsf")
    while not unless():
        try:
            taken = core.offer(submission)
        except Busy as error:
            time.sleep(min(error.retry_after_s, 0.2))
            continue
        while not unless():
            try:
                taken.result(timeout=TICK_SECONDS)
            except Late:
                continue
            return


def learn(core: Core, folder: Path, plan: Plan, until_ms: int, progress: Callable[[int], None]) -> None:
    """Hand over everything that arrived until a moment and was not handed over; returns when it is applied.

    progress: told how many more events are known to the service.
    """
    known = _known(core)
    batch: list[bytes] = []

    def tell() -> None:
        nonlocal known
        now = _known(core)
        progress(now - known)
        known = now

    for arrival in world.arrivals(folder, plan.sent_ms):
        if arrival.at_ms > until_ms:
            break
        batch.append(arrival.line)
        if len(batch) == BATCH:
            submit(core, batch, lambda: False)
            batch = []
            tell()
    if batch:
        submit(core, batch, lambda: False)
    while core.metrics()["backlog_bytes"]:
        time.sleep(0.1)
        tell()
    tell()
    plan.sent_ms, plan.learned = until_ms, True


def date_back(data_dir: Path) -> None:
    """Give alerts of the history the moments at which they would have been raised then.

    They were raised a minute ago, as those of any history that is sent in; in the queue they would all be as
    young as the attack. No service may run on the directory.
    """
    database = open_database(default_url(data_dir))
    try:
        with database.write() as connection:
            then = alerts.c.alerted_us
            connection.execute(
                update(alerts)
                .where(alerts.c.tenant == TENANT, then.is_not(None), then < alerts.c.raised_us)
                .values(raised_us=then, updated_us=then)
            )
    finally:
        database.close()


def _known(core: Core) -> int:
    numbers = core.metrics()["tenants"].get(TENANT, {})
    return int(numbers.get("received", 0))


class Stage(NamedTuple):
    """A part of the attack: when it begins (ms since 1970), its kind and person, and its events."""

    at_ms: int
    kind: str
    person: str
    arrivals: list[Arrival]


class Traffic:
    """A thread that plays the organisation's collectors, and the intruder.

    Parameters
    ----------
    core
        Where events go.
    folder, plan
        Where they come from; the plan is kept up to date on disk.
    say
        Told what happens, a line at a time.
    link
        Makes an alert's id an address of the console.
    first_seconds
        From `start` to the attack.
    """

    def __init__(
        self,
        core: Core,
        folder: Path,
        plan: Plan,
        say: Callable[[str], None],
        link: Callable[[str], str],
        first_seconds: float = FIRST_SECONDS,
    ) -> None:
        self._core = core
        self._folder = folder
        self._plan = plan
        self._say = say
        self._link = link
        self._first_seconds = first_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="habitus-demo", daemon=True)
        self._entities: set[tuple[str, str]] = set()
        self._seen: set[str] = set()
        self._began_us = time.time_ns() // 1000

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and keep how far it came."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        world.save(self._folder, self._plan)

    def _run(self) -> None:
        try:
            self._play(self._stages(round(time.time() * 1000 + self._first_seconds * 1000)))
        except Refused:  # the service is stopping, or has lost its disk and says so itself
            return

    def _stages(self, at_ms: int) -> list[Stage]:
        run = uuid.uuid4().hex
        found = []
        for step, events in enumerate(world.attack(self._folder, self._plan.attacks)):
            begin = at_ms + round(step * (STAGE_SECONDS + PAUSE_SECONDS) * 1000)
            arrivals = world.timed(events, begin, round(STAGE_SECONDS * 1000), f"{run}-{step}")
            found.append(Stage(begin, events[0].kind, events[0].person, arrivals))
            self._entities |= {pair for event in events for pair in event.entities}
        return found

    def _play(self, stages: list[Stage]) -> None:
        coming = world.arrivals(self._folder, self._plan.sent_ms)
        upcoming = next(coming, None)
        planted = [arrival for stage in stages for arrival in stage.arrivals]
        first = stages[0]
        saved = looked = time.monotonic()
        over = False
        while not self._stop.wait(TICK_SECONDS):
            now_ms = time.time() * 1000
            while stages and stages[0].at_ms <= now_ms:
                if stages[0] is first:
                    self._plan.attacks += 1
                self._tell_stage(stages.pop(0))
            due: list[bytes] = []
            while upcoming is not None and upcoming.at_ms <= now_ms and len(due) < BATCH:
                due.append(upcoming.line)
                self._plan.sent_ms = upcoming.at_ms
                upcoming = next(coming, None)
            while planted and planted[0].at_ms <= now_ms:
                due.append(planted.pop(0).line)
            if due:
                submit(self._core, due, self._stop.is_set)
            if upcoming is None and not over:
                over = True
                self._say("the simulated days are over; the next start begins with new ones")
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._tell_alerts()
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                world.save(self._folder, self._plan)

    def _tell_stage(self, stage: Stage) -> None:
        what = stage.kind.replace("_", " ")
        self._say(f"the intruder is at work: {what}, from {stage.person} ({len(stage.arrivals)} events)")

    def _tell_alerts(self) -> None:
        wanted = Wanted(sort="raised", limit=50, since_us=self._began_us)
        for alert in find_alerts(self._core.database, TENANT, wanted).alerts:
            uid = alert["finding_info"]["uid"]
            if uid not in self._seen and _entity(alert) in self._entities:
                self._seen.add(uid)
                kind, name = _entity(alert)
                self._say(f"ALERT on {kind} {name}: {self._link(uid)}")


def _entity(alert: dict[str, object]) -> tuple[str, str]:
    found = alert.get("unmapped")
    about = found if isinstance(found, dict) else {}
    return str(about.get("entity_kind", "")), str(about.get("entity", ""))
