"""How unusual is a session among past ones?

Two questions, each answered by the distance to the nearest past sessions (Angiulli, Pizzuti, 2002): in the
space of what was counted, and in that of the evidence found. Sessions with a new partner are compared with
sessions with new partners, the others with the others: what is usual at a first meeting is odd at the tenth.
Each distance becomes nats among past sessions of its kind, and the two are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from models.ranking.members import Neighbours, evidence_space
from models.ranking.tails import Tail
from models.sessions.history import chosen
from models.sessions.views import FRESH_DAYS

if TYPE_CHECKING:
    from models.sessions.history import SessionTable

REFERENCE = 8_000
"""Past sessions in which neighbours are looked for, of each kind of meeting."""
JUDGED = 3_000
"""Of these, how many tell what distances are usual."""
LEAST = 60
"""Past sessions below which nothing is said."""
NEIGHBOURS = 8
SPREAD = 0.05
"""Added to every column's spread: differences that small say nothing."""
SPACES = ("counts", "evidence")


def points(table: SessionTable, space: str) -> np.ndarray:
    """float32 (n, D): ln(1 + counts) with ln(1 + age) and ln(1 + earlier days); or ln(1 + nats) by cause."""
    if space == "evidence":
        return evidence_space(table.evidence)
    known = np.stack([table.age_days, table.days], axis=1)
    return np.asarray(np.log1p(np.concatenate([table.counts, known], axis=1)), np.float32)


@dataclass(frozen=True)
class Space:
    """One space of one kind of meeting.

    used: columns that varied in the past; reference: float32 (m, used) past sessions; tail: of distances.
    """

    used: np.ndarray
    reference: np.ndarray
    tail: Tail

    @cached_property
    def _neighbours(self) -> Neighbours:
        return Neighbours(self.reference, NEIGHBOURS, SPREAD)

    @classmethod
    def fitted(cls, past: np.ndarray, judged: np.ndarray) -> Space:
        """past: float32 (m, D); judged: rows of it that tell what is usual."""
        used = np.flatnonzero(np.ptp(past, axis=0) > 0)
        reference = np.ascontiguousarray(past[:, used])
        bare = cls(used, reference, Tail.fitted(np.zeros(0)))
        if not len(used):
            return bare
        return cls(used, reference, Tail.fitted(bare._neighbours.score(reference[judged], own_place=True)))

    def nats(self, wide: np.ndarray) -> np.ndarray:
        """float64 (n,) of points, float32 (n, D)."""
        if not len(self.used):
            return np.zeros(len(wide))
        return self.tail.of(self._neighbours.score(np.ascontiguousarray(wide[:, self.used])))


class Scorer:
    """Spaces of one view: by kind of meeting (0 known, 1 new) and space; None where the past is too short."""

    def __init__(self, spaces: dict[tuple[int, str], Space]) -> None:
        self.spaces = spaces

    @classmethod
    def fitted(cls, past: SessionTable, seed: int) -> Scorer:
        """Of past sessions; O(REFERENCE x JUDGED)."""
        spaces = {}
        for meeting in (0, 1):
            part = past.take(np.flatnonzero((past.age_days <= FRESH_DAYS) == meeting))
            part = part.take(chosen(part, REFERENCE, seed))
            if len(part.day) < LEAST:
                continue
            judged = chosen(part, JUDGED, seed + 1)
            for space in SPACES:
                spaces[meeting, space] = Space.fitted(points(part, space), judged)
        return cls(spaces)

    def nats(self, table: SessionTable) -> np.ndarray:
        """float64 (n,): nats of each session, 0 where nothing can be said."""
        out = np.zeros(len(table.day))
        for (meeting, space), fitted in self.spaces.items():
            rows = np.flatnonzero((table.age_days <= FRESH_DAYS) == meeting)
            if len(rows):
                out[rows] += fitted.nats(points(table.take(rows), space))
        return out

    def farthest(self, table: SessionTable) -> tuple[np.ndarray, np.ndarray]:
        """What is most unlike past sessions of the kind of meeting: float64 (n, counts) how far each count is
        above their mean in spreads (-inf where nothing is known), and float64 (n, counts) their median.
        """
        z = np.full(table.counts.shape, -np.inf)
        usual = np.zeros(table.counts.shape)
        for meeting in (0, 1):
            space = self.spaces.get((meeting, "counts"))
            rows = np.flatnonzero((table.age_days <= FRESH_DAYS) == meeting)
            if space is None or not len(rows):
                continue
            column = space.used[space.used < table.counts.shape[1]]
            past = space.reference[:, : len(column)]
            above = np.log1p(table.counts[np.ix_(rows, column)]) - past.mean(axis=0)
            z[np.ix_(rows, column)] = above / (past.std(axis=0) + SPREAD)
            usual[np.ix_(rows, column)] = np.expm1(np.median(past, axis=0))
        return z, usual

    def export(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        arrays: dict[str, np.ndarray] = {}
        for (meeting, space), fitted in self.spaces.items():
            name = f"{prefix}_{meeting}_{space}"
            arrays |= {f"{name}_used": fitted.used, f"{name}_reference": fitted.reference}
            arrays |= fitted.tail.export(f"{name}_tail")
        return arrays

    @classmethod
    def restored(cls, prefix: str, arrays: dict[str, np.ndarray]) -> Scorer:
        """The scorer that was exported."""
        spaces = {}
        for meeting in (0, 1):
            for space in SPACES:
                name = f"{prefix}_{meeting}_{space}"
                if f"{name}_used" in arrays:
                    spaces[meeting, space] = Space(
                        arrays[f"{name}_used"].copy(),
                        arrays[f"{name}_reference"].copy(),
                        Tail.restored(f"{name}_tail", arrays),
                    )
        return cls(spaces)
