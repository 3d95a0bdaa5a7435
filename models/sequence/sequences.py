"""Sequences of tokens, ragged, in flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Sequences:
    """n sequences. tokens: (m,) tokens of all, one after the other (uint64 hashes or int64 codes). starts:
    int64 (n + 1,) where each begins; the last is m. owner: int64 (n,) whose each is.
    """

    tokens: np.ndarray
    starts: np.ndarray
    owner: np.ndarray

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.owner)

    @property
    def lengths(self) -> np.ndarray:
        """int64 (n,)."""
        return np.diff(self.starts)

    def pick(self, rows: np.ndarray) -> Sequences:
        """Some of the sequences, in the order given."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.repeat(self.starts[:-1][rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return Sequences(self.tokens[at], starts, self.owner[rows])

    def padded(self, fill: int, width: int) -> np.ndarray:
        """int64 (n, width): tokens from the left, then `fill`; longer ones are cut."""
        lengths = np.minimum(self.lengths, width)
        out = np.full((len(self), width), fill, np.int64)
        column = np.arange(width)
        inside = column[None, :] < lengths[:, None]
        out[inside] = self.tokens[(self.starts[:-1, None] + column[None, :])[inside]]
        return out


def sequences_of(parts: Sequence[Sequence[int] | np.ndarray], owner: Sequence[int] | np.ndarray) -> Sequences:
    """Sequences out of lists of codes."""
    arrays = [np.asarray(part, np.int64) for part in parts]
    lengths = [len(part) for part in arrays]
    return Sequences(
        np.concatenate([np.zeros(0, np.int64), *arrays]),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
        np.asarray(owner, np.int64),
    )
