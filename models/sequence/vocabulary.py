"""Which tokens a model knows: those that several sequences have, the most frequent of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.sequence.sequences import Sequences

BEGIN, OTHER, FIRST = 0, 1, 2
"""Codes: before the first token; every token that is not known; the first that is."""
LEAST_SEQUENCES = 2
"""Sequences that a token must be in: what was there once teaches what something unknown looks like."""


@dataclass(frozen=True)
class Vocabulary:
    """tokens: (k,) known tokens, ascending; each one's code is its place and FIRST."""

    tokens: np.ndarray

    def __len__(self) -> int:
        """Codes, BEGIN and OTHER included."""
        return len(self.tokens) + FIRST

    @classmethod
    def fitted(cls, past: Sequences, most: int) -> Vocabulary:
        """The `most` tokens that most sequences have; of equal ones the lower. O(m log m)."""
        which = np.repeat(np.arange(len(past)), past.lengths)
        tokens, place = np.unique(past.tokens, return_inverse=True)
        pairs = np.unique(place.astype(np.int64) * max(1, len(past)) + which)
        holders = np.bincount(pairs // max(1, len(past)), minlength=len(tokens))
        often = np.flatnonzero(holders >= LEAST_SEQUENCES)
        chosen = often[np.argsort(-holders[often], kind="stable")[:most]]
        return cls(np.sort(tokens[chosen]))

    def coded(self, asked: Sequences) -> Sequences:
        """The same sequences as int64 codes."""
        return replace(asked, tokens=self.codes(asked.tokens))

    def codes(self, tokens: np.ndarray) -> np.ndarray:
        """int64 codes of tokens."""
        if not len(self.tokens):
            return np.full(len(tokens), OTHER, np.int64)
        at = np.minimum(np.searchsorted(self.tokens, tokens), len(self.tokens) - 1)
        return np.where(self.tokens[at] == tokens, at + FIRST, OTHER).astype(np.int64)
