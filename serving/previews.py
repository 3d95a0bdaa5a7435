"""Scores of events that are not learned: on a copy of the tenant's state, beside the engine.

The engine's thread only copies arrays, as for a checkpoint; the copy is made into a detector and asked in a
thread of its own. One at a time, since a copy is as large as the state, and never more often than the engine
can spare.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from features.dedup import Deduper
from models.detector import Detector
from serving.results import Nowhere
from serving.submission import Busy
from serving.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    import numpy as np

    from features.enrich import GeoDatabase
    from serving.journal import Entry
    from serving.settings import CoreSettings
    from serving.status import Status
    from serving.submission import Receipt

WAITING = 8
"""Questions that may wait for the one that is being answered."""
SHARE = 0.1
"""Part of the engine's time that copying may take."""
PATIENCE_SECONDS = 1.0


class Snapshot(NamedTuple):
    """What a tenant's detector had learned at one moment. seconds: what copying it took."""

    tenant: str
    arrays: dict[str, np.ndarray]
    exported: dict[str, Any]
    settings: CoreSettings
    geo: GeoDatabase
    seconds: float


def taken(state: TenantState) -> Snapshot:
    """A copy of what was learned; on the thread that owns the state. O(state) time and memory."""
    started = time.monotonic()
    arrays, exported = state.snapshot()
    seconds = time.monotonic() - started
    return Snapshot(state.tenant, arrays, exported, state.settings, state.detector.geo, seconds)


def previewed(snapshot: Snapshot, entry: Entry) -> Receipt:
    """Scores of events that are not learned, known ones among them. The snapshot is used up."""
    copy = Detector.restored(snapshot.arrays, snapshot.exported, geo=snapshot.geo)
    copy.deduper = Deduper()
    return TenantState(snapshot.tenant, copy, snapshot.settings, Nowhere()).apply([entry])[0]


class Previews:
    """Answers questions one after the other. Thread-safe."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._worker = ThreadPoolExecutor(1, "habitus-preview")
        self._lock = threading.Lock()
        self._asked = 0
        self._not_before = 0.0

    def ask(self, snapshot: Callable[[], Future[Snapshot]], entry: Entry) -> Future[Receipt]:
        """The scores of a submission's events, as if they came now.

        Parameters
        ----------
        snapshot
            Has the engine copy the tenant's state.

        Raises
        ------
        Busy
            If too many wait already.
        """
        with self._lock:
            if self._asked > WAITING:
                raise Busy("too many questions with learn=false are waiting", PATIENCE_SECONDS, "previews")
            self._asked += 1
        future = self._worker.submit(self._answer, snapshot, entry)
        future.add_done_callback(self._answered)
        return future

    def _answered(self, _: Future[Receipt]) -> None:
        with self._lock:
            self._asked -= 1

    def _answer(self, snapshot: Callable[[], Future[Snapshot]], entry: Entry) -> Receipt:
        self._status.stopping.wait(max(0.0, self._not_before - time.monotonic()))
        found = snapshot().result()
        self._not_before = time.monotonic() + found.seconds / SHARE
        return previewed(found, entry)

    def stop(self) -> None:
        """End the thread, after those who wait have been told."""
        self._worker.shutdown()
