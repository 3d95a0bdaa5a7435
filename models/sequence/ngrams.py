"""The plain alternatives: a unigram model and an n-gram model with back-off, by counting.

What the sequence model has to beat. Interpolated Witten-Bell smoothing (Bell, Cleary, Witten, "Text
Compression", 1990):

    p(t | context) = (count(context t) + d p(t | shorter context)) / (count(context) + d)

with d the number of distinct tokens seen after the context, down to the uniform distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.sequence.vocabulary import BEGIN

if TYPE_CHECKING:
    from models.sequence.sequences import Sequences


@dataclass(frozen=True)
class Ngrams:
    """tables: one an order from 1: context (codes, newest last) -> (total, distinct, count by token)."""

    codes: int
    tables: tuple[dict[tuple[int, ...], tuple[int, dict[int, int]]], ...]

    @classmethod
    def fitted(cls, past: Sequences, codes: int, order: int) -> Ngrams:
        """Of coded sequences. order: 1 is a unigram model. O(m order) time and memory."""
        tables: tuple[dict[tuple[int, ...], dict[int, int]], ...] = tuple({} for _ in range(order))
        for first, last in zip(past.starts[:-1].tolist(), past.starts[1:].tolist(), strict=True):
            line = [BEGIN] * (order - 1) + past.tokens[first:last].tolist()
            for at in range(order - 1, len(line)):
                for length, table in enumerate(tables):
                    counts = table.setdefault(tuple(line[at - length : at]), {})
                    counts[line[at]] = counts.get(line[at], 0) + 1
        return cls(
            codes,
            tuple({key: (sum(found.values()), found) for key, found in table.items()} for table in tables),
        )

    def surprisal(self, asked: Sequences) -> np.ndarray:
        """float64 (m,) -ln p of every token of coded sequences."""
        out = np.zeros(len(asked.tokens))
        order = len(self.tables)
        for first, last in zip(asked.starts[:-1].tolist(), asked.starts[1:].tolist(), strict=True):
            line = [BEGIN] * (order - 1) + asked.tokens[first:last].tolist()
            for at in range(order - 1, len(line)):
                p = 1.0 / self.codes
                for length, table in enumerate(self.tables):
                    found = table.get(tuple(line[at - length : at]))
                    if found is None:
                        break
                    total, counts = found
                    p = (counts.get(line[at], 0) + len(counts) * p) / (total + len(counts))
                out[first + at - order + 1] = -np.log(p)
        return out
