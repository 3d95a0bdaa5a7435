"""Checkpoints and lake segments, written behind the engine's back: one thread, in order, failures retried."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from features import checkpoint
from features.errors import StateError
from models.detector import Detector
from serving import lake
from serving.gauges import Gauges

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from serving.learned import Learned

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Folders:
    """Where a tenant's files lie in a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def state(self, tenant: str) -> Path:
        """Checkpoints."""
        return self.data_dir / "tenants" / tenant / "state"

    def lake(self, tenant: str) -> Path:
        """Scored events."""
        return self.data_dir / "tenants" / tenant / "lake"

    def learned(self, tenant: str) -> Path:
        """What was learned, event by event."""
        return self.data_dir / "tenants" / tenant / "learned"

    @property
    def models(self) -> Path:
        """Models that were fetched and prepared."""
        return self.data_dir / "models"


class Durable(NamedTuple):
    """What the newest checkpoint on disk holds: journal position, segments, newest trusted event time."""

    position: int = 0
    segment: int = 0
    newest_us: int = -(1 << 62)


class Writer:
    """Runs jobs one after the other in a thread of its own.

    A job that fails for want of room is tried again until it succeeds or the writer is stopped: what comes
    behind it may rely on it.
    """

    def __init__(self, folders: Folders, gauges: Gauges | None = None) -> None:
        self._folders = folders
        self._gauges = gauges or Gauges()
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._busy = False
        self.failing = ""
        """Why the current job does not succeed; "" when all is well."""
        self._durable: dict[str, Durable] = {}
        self._thread = threading.Thread(target=self._run, name="habitus-writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def durable(self, tenant: str) -> Durable:
        """What of a tenant is safe; of a tenant without a checkpoint, nothing."""
        return self._durable.get(tenant, Durable())

    def loaded(self, tenant: str, durable: Durable) -> None:
        """A checkpoint that was found on disk."""
        self._durable[tenant] = durable

    @property
    def waiting(self) -> int:
        """Jobs that are not done."""
        return len(self._jobs) + self._busy

    def segment(self, tenant: str, number: int, tables: list[pa.Table], learned: Learned) -> None:
        """Write a lake segment and the learned one of its number."""
        self._put(lambda: self._write_segment(tenant, number, tables, learned))

    def checkpoint(self, tenant: str, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> None:
        """Write a checkpoint, after all that was asked for before."""
        taken = time.monotonic()
        self._put(lambda: self._write_checkpoint(tenant, arrays, settings, taken))

    def run(self, job: Callable[[], None]) -> None:
        """Any other work that may take its time."""
        self._put(job)

    def _write_segment(self, tenant: str, number: int, tables: list[pa.Table], learned: Learned) -> None:
        folder = self._folders.lake(tenant)
        folder.mkdir(parents=True, exist_ok=True)
        lake.write_segment(folder, number, tables)
        learned.write(tenant, number)

    def _write_checkpoint(
        self, tenant: str, arrays: dict[str, np.ndarray], settings: dict[str, Any], taken: float
    ) -> None:
        began = time.monotonic()
        checkpoint.write(self._folders.state(tenant), arrays, settings, Detector.schema())
        gauges = self._gauges
        gauges.checkpoint_seconds = time.monotonic() - began
        gauges.checkpoint_bytes = sum(array.nbytes for array in arrays.values())
        gauges.saved(tenant, taken)
        own = settings["service"]
        newest_us = int(settings["clock"]["newest_us"])
        self._durable[tenant] = Durable(int(own["position"]), int(own["segment"]), newest_us)

    def _put(self, job: Callable[[], None]) -> None:
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._jobs and not self._stopping:
                    self._changed.wait()
                if not self._jobs:
                    return
                job = self._jobs.popleft()
                self._busy = True
            self._do(job)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _do(self, job: Callable[[], None]) -> None:
        while True:
            try:
                job()
            except Exception as error:  # whatever it is, the service goes on and says so
                if not self.failing:
                    log.exception("writing in the background fails; it will be tried again")
                self.failing = f"{type(error).__name__}: {error}"
                with self._changed:
                    if self._stopping:
                        # what follows may count on it: a checkpoint on its segments
                        self._jobs.clear()
                        return
                    self._changed.wait(RETRY_SECONDS)
            else:
                self.failing = ""
                return

    def wait_for_room(self, jobs: int, seconds: float) -> None:
        """Return when no more than so many jobs are left, or after so long."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting <= jobs, seconds)

    def settle(self) -> None:
        """Return when nothing waits; StateError when the disk does not take it."""
        with self._changed:
            while self.waiting:
                if self.failing:
                    raise StateError(f"what is on its way to the disk does not get there: {self.failing}")
                self._changed.wait(RETRY_SECONDS)

    def stop(self) -> None:
        """Finish all jobs (one that fails is given up) and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
