"""A state folder: one writer, the detector's checkpoint, and what was learned, event by event, so that it can
be unlearned.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from features.behaviours import ENTITY_KINDS
from features.errors import InputError, StateError
from models.detector import Detector
from serving.learned import SCHEMA, table_of, take_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from features.columns import Batch
    from models.engine import Scores

LEARNED = "learned"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a state folder as its only writer; StateError when somebody else does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"{folder}: another habitus is writing here; wait for it or use another --state"
            ) from error
        yield


class State:
    """A state folder opened for writing: the detector and the Parquet files of what it learned, one a run.

    The checkpoint names the learned files that belong to it, so writing it is the one moment at which a run
    takes effect: a run that ends early leaves files that no checkpoint names, and the next run removes them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.detector = Detector.load(folder)
        self._learned = folder / LEARNED
        self._names: list[str] = list(self.detector.attachments)
        self._learned.mkdir(parents=True, exist_ok=True)
        for path in self._learned.iterdir():
            if path.name not in self._names:
                path.unlink()

    def files(self) -> list[Path]:
        """Learned files, oldest first."""
        return [self._learned / name for name in self._names]

    def _new_path(self, taken: list[str]) -> Path:
        numbers = [int(name.partition(".")[0]) for name in [*self._names, *taken]]
        return self._learned / f"{1 + max(numbers, default=0):06d}.parquet"

    @contextmanager
    def learning(self) -> Iterator[LearnedWriter]:
        """Write what is scored inside; the checkpoint is saved when the block ends without an error."""
        path = self._new_path([])
        with path.open("wb") as file:
            with parquet.ParquetWriter(file, SCHEMA, compression="zstd") as out:
                yield LearnedWriter(self.detector, out)
            file.flush()
            os.fsync(file.fileno())
        self._save([*self._names, path.name])

    def _save(self, names: list[str]) -> None:
        self.detector.attachments = names
        self.detector.save(self.folder)
        self._names = names
        for path in self._learned.iterdir():
            if path.name not in names:
                path.unlink()

    def unlearn(self, entity: str, start: datetime, end: datetime) -> tuple[int, float]:
        """Take all events of an entity in [start, end) out of the baselines, and out of what counts as
        learned.

        Returns the events taken out and the decayed weight that was no longer there. A held event of the
        window is never learned.
        """
        low, high = (round(moment.timestamp() * 1e6) for moment in (start, end))
        taken, missing = 0, 0.0
        names: list[str] = []
        for path in self.files():
            table = parquet.read_table(path, schema=SCHEMA)
            chosen = pc.and_(pc.greater_equal(table["time_us"], low), pc.less(table["time_us"], high))
            mine = pa.array(np.zeros(len(table), np.bool_))
            for kind in ENTITY_KINDS:
                mine = pc.or_(mine, pc.equal(table[kind].cast(pa.string()), entity))
            chosen = pc.and_(chosen, mine)
            part = table.filter(chosen)
            if not len(part):
                names.append(path.name)
                continue
            found = take_back(self.detector, part)
            missing += found.missing_weight
            taken += found.events
            new = self._new_path(names)
            with new.open("wb") as file:
                parquet.write_table(table.filter(pc.invert(chosen)), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            names.append(new.name)
        if taken:
            self._save(names)
        return taken, missing


@contextmanager
def opened(folder: Path) -> Iterator[State]:
    """Lock and open a state folder; a new one is made when there is none."""
    with locked(folder):
        yield State(folder)


class LearnedWriter:
    """Appends scored batches to a learned file."""

    def __init__(self, detector: Detector, out: parquet.ParquetWriter) -> None:
        self._detector = detector
        self._out = out

    def add(self, batch: Batch, _uids: list[str], scores: Scores) -> None:
        """Append one scored batch."""
        self._out.write_table(table_of(self._detector.baselines, batch, scores.learned_us, scores.held))


def parse_moment(text: str, option: str) -> datetime:
    """ISO 8601 date or time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{option} {text}: not ISO 8601, for example 2026-03-01 or 2026-03-01T08:00:00Z"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
