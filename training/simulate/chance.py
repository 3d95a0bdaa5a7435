"""Random numbers, one independent stream a concern.

A stream is named by the seed and by words ("web", day, person). What one behaviour draws never moves what
another draws, so that adding a behaviour or a person leaves every other event as it was.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_BLOCK = 32


@lru_cache(maxsize=4096)
def _cumulative(n: int, exponent: float) -> tuple[float, ...]:
    ranks = 1.0 / np.arange(1, n + 1) ** exponent
    return tuple((np.cumsum(ranks) / ranks.sum()).tolist())


class Chance:
    """One stream of random choices, the same for the same seed and concern on every machine.

    All but `poisson` are built on uniform numbers of PCG64, whose stream numpy keeps stable between versions.

    Parameters
    ----------
    seed
        The simulation's seed, at least 0.
    concern
        What the numbers are for.
    """

    __slots__ = ("_buffer", "_generator")

    def __init__(self, seed: int, *concern: str | int) -> None:
        key = [seed, *(part if isinstance(part, int) else crc32(part.encode()) for part in concern)]
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
        self._buffer: list[float] = []

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        if not self._buffer:
            self._buffer = self._generator.random(_BLOCK).tolist()
        return low + (high - low) * self._buffer.pop()

    def happens(self, probability: float) -> bool:
        """Whether something of this probability comes about."""
        return self.uniform() < probability

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return min(int(self.uniform() * n), n - 1)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[self.below(len(options))]

    def rank(self, n: int, exponent: float = 1.0) -> int:
        """A rank from 0 to n - 1 by Zipf's law: rank r has weight 1 / (r + 1)^exponent."""
        return min(bisect_right(_cumulative(n, exponent), self.uniform()), n - 1)

    def favourite(self, options: Sequence[T], exponent: float = 1.0) -> T:
        """One of the options, the first ones most often (Zipf's law)."""
        return options[self.rank(len(options), exponent)]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All options in random order (Fisher and Yates)."""
        found = list(options)
        for last in range(len(found) - 1, 0, -1):
            other = self.below(last + 1)
            found[last], found[other] = found[other], found[last]
        return found

    def some(self, options: Sequence[T], n: int) -> list[T]:
        """Up to n different options in random order."""
        return self.shuffled(options)[:n]

    def normal(self, mean: float, deviation: float) -> float:
        """A normal number (Box and Muller)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.uniform())

    def exponential(self, mean: float) -> float:
        """A waiting time of the given mean."""
        return -mean * math.log(1.0 - self.uniform())

    def poisson(self, mean: float) -> int:
        """A count of the given mean; 0 for a mean of 0 or less."""
        return int(self._generator.poisson(mean)) if mean > 0 else 0

    def hexadecimal(self, n_bytes: int) -> str:
        """Random bytes as lower-case hexadecimal text."""
        return self._generator.bytes(n_bytes).hex()
