"""Between the committer's thread and the engine's: what is on disk and not applied yet, and questions."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving.intake import Item
    from serving.journal import Entry


AHEAD = 1
"""Groups that may wait before the next one is given time to grow: without one the reader would idle."""
NEW_SHARE = 0.5
"""Part of the last group's time in what is expected of the next one."""


class Commit(NamedTuple):
    """One group as it was written: entries and who waits for them, in the same order."""

    entries: list[Entry]
    items: list[Item]

    @property
    def size(self) -> int:
        """Bytes that it counts."""
        return sum(item.size for item in self.items)


class Turn(NamedTuple):
    """What the engine is to do next. last: nothing comes any more."""

    calls: list[Callable[[str], None]]
    commit: Commit | None
    last: bool


class Backlog:
    """A queue with one writer and one reader, bounded by `wait_for_room`; calls come from any thread.

    Parameters
    ----------
    limit_bytes
        Bodies that may wait before the committer does.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._commits: deque[Commit] = deque()
        self._calls: deque[Callable[[str], None]] = deque()
        self._changed = threading.Condition()
        self._complete = False
        self._taken: Commit | None = None
        self._taken_at = 0.0
        self._expected_seconds = 0.0
        self.size = 0
        """Bytes that wait or are being applied."""

    def __len__(self) -> int:
        return len(self._commits)

    def oldest_us(self) -> int | None:
        """When the oldest entry that is not applied was received, microseconds UTC; None where all are."""
        with self._changed:
            commit = self._taken or (self._commits[0] if self._commits else None)
            return None if commit is None else commit.entries[0].received_us

    def put(self, commit: Commit) -> None:
        """Hand a group on."""
        with self._changed:
            self._commits.append(commit)
            self.size += commit.size
            self._changed.notify_all()

    def call(self, function: Callable[[str], None]) -> None:
        """Let the engine call something with "" before the next group, or with why it never will."""
        with self._changed:
            self._calls.append(function)
            self._changed.notify_all()

    def wait_for_room(self, timeout: float, unless: Callable[[], bool]) -> None:
        """Block while there is too much, or until something no longer makes sense."""
        with self._changed:
            while self.size > self._limit_bytes and not unless():
                self._changed.wait(timeout)

    def wait_for_turn(
        self, timeout: float, lead_seconds: float = 0.0, is_patient: Callable[[], bool] = lambda: False
    ) -> None:
        """Block, but not for long, while a group that is written now would only lie there: the next one grows
        meanwhile, and a large group costs less an event than several small ones.

        That is so while AHEAD groups wait that the reader has not begun. It is so as well while the reader is
        at work, `lead_seconds` before it is expected to come back, if `is_patient` says that nobody in the
        group is answered before the reader had it: who comes a moment later is then answered as soon.
        """
        with self._changed:
            until = time.monotonic() + timeout
            while not self._complete:
                bound = until
                if len(self._commits) < AHEAD:
                    if self._taken is None or not is_patient():
                        return
                    bound = min(until, self._taken_at + self._expected_seconds - lead_seconds)
                left = bound - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def hurry(self) -> None:
        """Let `wait_for_turn` ask anew whether everybody is patient."""
        with self._changed:
            self._changed.notify_all()

    def take(self, timeout: float, *, hold: bool) -> Turn:
        """What comes next, after a wait if there is nothing. hold: leave the groups where they are."""
        with self._changed:
            if not self._commits and not self._calls and not self._complete:
                self._changed.wait(timeout)
            calls = [self._calls.popleft() for _ in range(len(self._calls))]
            commit = self._commits.popleft() if self._commits and not hold else None
            if commit is not None:
                self._taken, self._taken_at = commit, time.monotonic()
            self._changed.notify_all()
            return Turn(calls, commit, self._complete and commit is None and not self._commits)

    def done(self, commit: Commit) -> None:
        """A group that was taken is applied."""
        with self._changed:
            self.size -= commit.size
            self._taken = None
            took = time.monotonic() - self._taken_at
            self._expected_seconds += NEW_SHARE * (took - self._expected_seconds)
            self._changed.notify_all()

    def put_back(self, commit: Commit) -> None:
        """A group that was taken will not be applied: `give_up` gives it with the others."""
        with self._changed:
            self._commits.appendleft(commit)
            self._taken = None

    def complete(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self._complete = True
            self._changed.notify_all()

    def give_up(self, why: str) -> list[Item]:
        """Nobody applies anything any more: tell those who asked, and give what was put."""
        with self._changed:
            calls = [self._calls.popleft() for _ in range(len(self._calls))]
            items = [item for commit in self._commits for item in commit.items]
            self._changed.notify_all()
        for call in calls:
            call(why)
        return items
