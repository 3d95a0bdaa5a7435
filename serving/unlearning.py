"""Unlearning in the service: an operation of the journal, applied at its place in the stream.

The rows that are taken back come from the learned segments (`serving.learned`), which are never rewritten:
what has been taken back is remembered in the state, by window and by how many events had been scored then. So
an operation finds the same rows in a replay as the first time, and nothing is taken twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from features.behaviours import ENTITY_KINDS
from features.errors import InputError, StateError
from serving.days import DAY_US
from serving.learned import NUMBERED, TakenBack, Window, take_back

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.detector import Detector

SPARE_US = 366 * DAY_US
"""How much longer than a window can reach back it is remembered that it was taken back: an operator may let
learned segments be kept longer from now on.
"""


class Unlearn(msgspec.Struct, frozen=True):
    """Body of the operation.

    entity_kind, entity
        Whose events; the name as the baselines have it.
    from_us, to_us
        Events in [from_us, to_us), microseconds UTC.
    oldest_us
        How far back learned segments are kept, as of the newest trusted event time: what is older is left
        alone, in a replay as the first time.
    verdict
        Uid of the verdict it came with, which undoes it when it is taken back.
    """

    entity_kind: str
    entity: str
    from_us: int
    to_us: int
    oldest_us: int
    verdict: str = ""

    def encoded(self) -> bytes:
        """The body."""
        return msgspec.json.encode(self)

    @property
    def window(self) -> Window:
        """What is really taken back."""
        return Window(self.entity_kind, self.entity, max(self.from_us, self.oldest_us), self.to_us)


def decoded(body: bytes) -> Unlearn:
    """The operation of a journalled body; StateError when it is none."""
    try:
        return msgspec.json.decode(body, type=Unlearn)
    except msgspec.DecodeError as error:
        raise StateError(f"a journalled unlearning cannot be read ({error})") from error


def checked_name(detector: Detector, kind: str, written: str) -> str:
    """An entity's name as the baselines have it; InputError when nothing of that kind is known by it."""
    if kind not in ENTITY_KINDS:
        raise InputError(f"{kind[:20]!r} is no kind of entity: one of {', '.join(ENTITY_KINDS)}")
    name = detector.known_name(written)
    kinds = [found for found, _ in detector.baselines.find(name)]
    if kind not in kinds:
        raise InputError(f"{written[:64]!r} is known as {', '.join(kinds)} and not as {kind}")
    return name


class Unlearned(NamedTuple):
    """The answer: the entity as it is known, the window as far as it was kept, and what was taken back."""

    entity: str
    from_us: int
    to_us: int
    taken: TakenBack


class Past:
    """Windows that were taken back before; part of the state.

    Each with the number of events that had been scored then: what arrived for the window later has been
    learned, and is there to be taken.
    """

    def __init__(self, rows: Sequence[Sequence[Any]] = ()) -> None:
        self._done = [(Window(*row[:4]), int(row[4]), str(row[5]) if len(row) > 5 else "") for row in rows]

    def export(self) -> list[list[Any]]:
        """Rows for a checkpoint."""
        return [[*window, number, verdict] for window, number, verdict in self._done]

    def fresh(self, rows: pa.Table) -> pa.Table:
        """Rows (NUMBERED) without those that were taken back."""
        for window, number, _ in self._done:
            if len(rows):
                gone = pc.and_(window.mask(rows), pc.less(rows["number"], number))
                rows = rows.filter(pc.invert(gone))
        return rows

    def taken(self, recall: Callable[[Window], pa.Table]) -> pa.Table:
        """Rows (NUMBERED) of all that was taken back, some perhaps twice. recall: as in `unlearn`."""
        parts = [recall(window) for window, _, _ in self._done]
        numbers = [number for _, number, _ in self._done]
        gone = [
            rows.filter(pc.less(rows["number"], number)) for rows, number in zip(parts, numbers, strict=True)
        ]
        return pa.concat_tables([NUMBERED.empty_table(), *(rows.cast(NUMBERED) for rows in gone)])

    def add(self, window: Window, number: int, oldest_us: int, verdict: str = "") -> None:
        """Note a window; those that no later one can reach are forgotten."""
        self._done = [one for one in self._done if one[0].to_us > oldest_us - SPARE_US]
        self._done.append((window, number, verdict))

    def undo(self, verdict: str) -> list[tuple[Window, int]]:
        """Strike the windows that were taken back with a verdict; returns them with their numbers."""
        struck = [(window, number) for window, number, uid in self._done if uid and uid == verdict]
        self._done = [one for one in self._done if not one[2] or one[2] != verdict]
        return struck


def unlearn(
    detector: Detector,
    body: bytes,
    past: Past,
    scored: int,
    recall: Callable[[Window], pa.Table],
    learned: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> TakenBack:
    """Apply one operation.

    Parameters
    ----------
    scored
        How many events the tenant has had scored.
    recall
        Gives the learned rows of a window, see `serving.learned.Learned.recall`.
    learned
        Drops rows that were never learned, see `serving.judgement.Labels.without_kept_out`.
    """
    operation = decoded(body)
    window = operation.window
    taken = TakenBack(0, 0, 0.0)
    if window.from_us < window.to_us:
        taken = take_back(detector, learned(past.fresh(recall(window))))
        past.add(window, scored, operation.oldest_us, operation.verdict)
    return taken
