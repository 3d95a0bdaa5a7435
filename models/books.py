"""What a detector only writes down while events come, and reads when somebody looks.

No score of an event depends on these books, so the events of small batches wait here and are written down
together: a request of one event then costs no more than one event's share of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.behaviours import WIDTH
from features.columns import Batch
from models.engine import Evidence, empty_evidence

if TYPE_CHECKING:
    from models.days import DayBook
    from models.engine import Scores
    from models.feedback.feedback import Feedback
    from models.ranking.sample import EventSample
    from models.sequence.book import SequenceBook
    from models.sessions.sessions import Sessions

WAITING_EVENTS = 4096
"""Events that wait at most; they take half a megabyte."""


class _Waiting(NamedTuple):
    """Room for WAITING_EVENTS events. fresh, sampled: see `Books.add`."""

    batch: Batch
    fresh: np.ndarray
    sampled: np.ndarray


def _room() -> _Waiting:
    n = WAITING_EVENTS
    batch = Batch(
        np.empty(n, np.int64),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty((n, WIDTH), np.int32),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
    )
    return _Waiting(batch, np.empty((n, 3), np.uint8), np.empty(n, np.bool_))


class Books:
    """The books of one detector. Whoever asks for one gets it with all events that were added.

    Parameters
    ----------
    days, sessions, sample, sequences
        The books; no sequences where the model of them is off.
    """

    def __init__(
        self, days: DayBook, sessions: Sessions, sample: EventSample, sequences: SequenceBook | None
    ) -> None:
        self._days, self._sessions, self._sample, self._sequences = days, sessions, sample, sequences
        self._waiting: _Waiting | None = None
        self._count = 0
        self._found: list[Evidence] = []

    # ---------------------------------------------------------------- reading

    @property
    def days(self) -> DayBook:
        """Findings, events and counts by entity and day."""
        self.settle()
        return self._days

    @days.setter
    def days(self, book: DayBook) -> None:
        self.settle()
        self._days = book

    @property
    def sessions(self) -> Sessions:
        """Sessions of the open day and of the past."""
        self.settle()
        return self._sessions

    @property
    def sample(self) -> EventSample:
        """Raw events that invented days are made of."""
        self.settle()
        return self._sample

    @sample.setter
    def sample(self, sample: EventSample) -> None:
        self.settle()
        self._sample = sample

    @property
    def sequences(self) -> SequenceBook | None:
        """The order of events; None where the model of it is off."""
        self.settle()
        return self._sequences

    @property
    def feedback(self) -> Feedback:
        """What analysts said. Nothing that waits has a part in it, so nothing is written down for it."""
        return self._days.feedback

    # ---------------------------------------------------------------- writing

    def add(self, batch: Batch, scores: Scores, sampled: np.ndarray | None = None) -> None:
        """Take in a scored batch, now or with what comes later: every reader sees it.

        sampled: bool (n,), events that the sample may have; all by default. What is kept is copied. O(n).
        """
        n = len(batch.time_us)
        if n >= WAITING_EVENTS:
            self.settle()
            self._write(batch, scores.fresh, scores.details, sampled)
            return
        if self._count + n > WAITING_EVENTS:
            self.settle()
        if self._waiting is None:
            self._waiting = _room()
        first, last = self._count, self._count + n
        for room, array in zip(self._waiting.batch, batch, strict=True):
            room[first:last] = array
        self._waiting.fresh[first:last] = scores.fresh
        self._waiting.sampled[first:last] = True if sampled is None else sampled
        if len(scores.details.row):
            found = scores.details.take(np.flatnonzero(scores.details.gain > 0))
            self._found.append(found._replace(row=found.row + first))
        self._count = last

    def settle(self) -> None:
        """Write down what waits."""
        if self._waiting is None:
            return
        waiting, count, found = self._waiting, self._count, _joined(self._found)
        # the room is given away, not used again: books may keep parts of what they are given
        self._waiting, self._count, self._found = None, 0, []
        sampled = waiting.sampled[:count]
        chosen = None if sampled.all() else sampled
        self._write(waiting.batch.take(slice(0, count)), waiting.fresh[:count], found, chosen)

    def _write(self, batch: Batch, fresh: np.ndarray, found: Evidence, sampled: np.ndarray | None) -> None:
        self._sample.add(batch if sampled is None else batch.take(np.flatnonzero(sampled)))
        self._days.add(batch, found)
        self._sessions.add(batch, fresh, found)
        if self._sequences is not None:
            self._sequences.add(batch)


def _joined(found: list[Evidence]) -> Evidence:
    parts = [empty_evidence(0), *found]
    return Evidence(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
