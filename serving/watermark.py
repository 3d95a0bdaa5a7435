"""Events wait here until nothing older is to be expected, and leave in the order of their times."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.columns import Batch, concatenated
from features.errors import StateError
from features.interner import StringTable

if TYPE_CHECKING:
    from collections.abc import Callable

NEVER = -(1 << 62)


@dataclass(frozen=True)
class Waiting:
    """Events with what must not get lost on their way.

    uids: object array (n,) of text. tag: int64 (n,), a number that the owner gave; 0 for none.
    """

    batch: Batch
    uids: np.ndarray
    tag: np.ndarray

    def take(self, rows: np.ndarray | slice) -> Waiting:
        """Some of the rows, in the given order."""
        return Waiting(self.batch.take(rows), self.uids[rows], self.tag[rows])

    def __len__(self) -> int:
        return len(self.tag)


def joined(parts: list[Waiting]) -> Waiting:
    """Several as one; an empty one for none, and a single one as it is."""
    if len(parts) == 1:
        return parts[0]
    return Waiting(
        concatenated([part.batch for part in parts]),
        np.concatenate([np.zeros(0, object), *(part.uids for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.tag for part in parts)]),
    )


class WatermarkBuffer:
    """Puts the events of one tenant in event time.

    The watermark is the newest event time so far minus `lateness_us`: what is older has had its time to
    arrive. Events of one time keep the order of their arrival, so the order in which events within the
    watermark arrive decides nothing but that.

    Parameters
    ----------
    lateness_us
        How much later than newer ones an event may arrive and still be scored in its place.
    limit
        Most events that wait; beyond it the oldest leave early. It bounds memory, and depends on nothing but
        the events, so a replay does the same.
    skew_us
        An event further than this ahead of the moment it was received does not move the watermark: one sender
        with a wrong clock must not make everybody else late. It waits for its time, or for `limit`.
    """

    def __init__(self, lateness_us: int, limit: int, skew_us: int) -> None:
        self.lateness_us = lateness_us
        self.limit = limit
        self.skew_us = skew_us
        self.newest_us = NEVER
        self.released_us = NEVER
        self.added_us = NEVER
        self._parts: list[Waiting] = []
        self._count = 0
        self._nothing = joined([])

    def __len__(self) -> int:
        return self._count

    def late(self, time_us: np.ndarray) -> np.ndarray:
        """Bool (n,): which times are older than what has left already."""
        found: np.ndarray = time_us < self.released_us
        return found

    def add(self, events: Waiting, received_us: int) -> None:
        """Let events wait that were received then."""
        times = events.batch.time_us
        if not len(times):
            return
        self.added_us = int(times.max())
        believable = times[times <= received_us + self.skew_us]
        if len(believable):
            self.newest_us = max(self.newest_us, int(believable.max()))
        in_order = len(times) == 1 or bool((times[1:] >= times[:-1]).all())
        self._parts.append(events if in_order else events.take(np.argsort(times, kind="stable")))
        self._count += len(times)

    def passed(
        self, events: Waiting, place: np.ndarray, received_us: np.ndarray
    ) -> tuple[np.ndarray, Waiting]:
        """Let the events of one submission after the other wait, and leave with all that came before them.

        Parameters
        ----------
        events
            Of all of them; their tags become odd where an event is late.
        place
            int64 (n,) the submission of each event, ascending.
        received_us
            int64, when each submission was received.

        Returns
        -------
        tuple[np.ndarray, Waiting]
            bool (n,): which were late then. And what left, in its order. O(n) where nothing else waits and
            submissions are in order.
        """
        if self._count or not len(events):
            return self._passed_one_by_one(events, place, received_us)
        times = events.batch.time_us
        starts = np.ones(len(times), np.bool_)
        starts[1:] = place[1:] != place[:-1]
        if not (starts[1:] | (times[1:] >= times[:-1])).all():
            events = events.take(order := np.lexsort((times, place)))
            late, left = self.passed(events, place, received_us)
            back = np.empty(len(late), np.bool_)
            back[order] = late
            return back, left
        newest = np.maximum.accumulate(times[np.append(np.flatnonzero(starts)[1:] - 1, len(times) - 1)])
        before = np.maximum(np.concatenate([[self.released_us], newest[:-1]]), self.released_us)
        late = times < before[np.cumsum(starts) - 1]
        believable = times[times <= received_us[place] + self.skew_us]
        if len(believable):
            self.newest_us = max(self.newest_us, int(believable.max()))
        self.added_us = int(times[-1])
        self.released_us = max(self.released_us, int(newest[-1]))
        return late, Waiting(events.batch, events.uids, events.tag | late)

    def _passed_one_by_one(
        self, events: Waiting, place: np.ndarray, received_us: np.ndarray
    ) -> tuple[np.ndarray, Waiting]:
        late = np.zeros(len(events), np.bool_)
        leaving: list[Waiting] = []
        stops = np.searchsorted(place, np.arange(len(received_us)), side="right").tolist()
        for received, (first, stop) in zip(
            received_us.tolist(), itertools.pairwise([0, *stops]), strict=True
        ):
            if first == stop:
                continue
            part = events.take(slice(first, stop))
            late[first:stop] = self.late(part.batch.time_us)
            self.add(Waiting(part.batch, part.uids, part.tag | late[first:stop]), received)
            leaving.append(self.upto(max(self.added_us, received + self.skew_us)))
        return late, joined(leaving)

    def ready(self) -> Waiting:
        """Take out what the watermark has passed, and what is too much, in event time."""
        taken = self.upto(self.newest_us - self.lateness_us) if self.newest_us != NEVER else self._nothing
        if self._count > self.limit:
            times = np.sort(np.concatenate([part.batch.time_us for part in self._parts]))
            # a quarter of the room at once, or the next batch would have to sort everything again
            surplus = int(times[self._count - self.limit + self.limit // 4 - 1])
            taken = joined([taken, self.upto(surplus)])
        return taken

    def all(self) -> Waiting:
        """Take out everything, in event time."""
        return self.upto(-NEVER)

    def upto(self, bound_us: int) -> Waiting:
        """Take out what is not later than a moment, in event time."""
        if not self._parts:
            return self._nothing
        taken: list[Waiting] = []
        kept: list[Waiting] = []
        for part in self._parts:
            times = part.batch.time_us
            if times[0] > bound_us:
                kept.append(part)
                continue
            cut = int(np.searchsorted(times, bound_us, side="right"))
            taken.append(part if cut == len(times) else part.take(slice(0, cut)))
            if cut < len(times):
                kept.append(part.take(slice(cut, len(times))))
        if not taken:
            return self._nothing
        self._parts = kept
        out = joined(taken)
        if len(taken) > 1:
            out = out.take(np.argsort(out.batch.time_us, kind="stable"))
        self._count -= len(out)
        self.released_us = max(self.released_us, int(out.batch.time_us[-1]))
        return out

    def rewrite(self, change: Callable[[Batch], Batch]) -> None:
        """Put other ids in the place of those of the events that wait."""
        self._parts = [Waiting(change(part.batch), part.uids, part.tag) for part in self._parts]

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        """Arrays and settings of a checkpoint."""
        waiting = joined(self._parts)
        texts = StringTable(room=max(16, len(waiting)))
        ids = texts.intern_many(waiting.uids.tolist())
        blob, offsets = texts.export()
        arrays = {f"batch_{name}": array.copy() for name, array in waiting.batch._asdict().items()}
        arrays |= {"uid": ids, "uid_blob": blob, "uid_offsets": offsets, "tag": waiting.tag.copy()}
        arrays["parts"] = np.array([len(part) for part in self._parts], np.int64)
        return arrays, {"newest_us": self.newest_us, "released_us": self.released_us}

    def resume(self, arrays: dict[str, np.ndarray], settings: dict[str, int]) -> None:
        """Go on with what was exported; StateError when it contradicts itself."""
        texts = StringTable.restored(arrays["uid_blob"], arrays["uid_offsets"])
        uids = np.array(texts.many(arrays["uid"]), object)
        batch = Batch(*(arrays[f"batch_{name}"].copy() for name in Batch._fields))
        everything = Waiting(batch, uids, arrays["tag"].copy())
        stops = np.cumsum(arrays["parts"])
        if len(everything) != (stops[-1] if len(stops) else 0):
            raise StateError("the events that wait contradict their own count")
        self._parts = [
            everything.take(slice(stop - size, stop))
            for stop, size in zip(stops.tolist(), arrays["parts"].tolist(), strict=True)
        ]
        self._count = len(everything)
        self.newest_us, self.released_us = int(settings["newest_us"]), int(settings["released_us"])
