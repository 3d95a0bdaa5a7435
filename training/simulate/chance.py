"""Random numbers, one independent stream a concern.

A stream is named by the seed and by words ("web", day, person). What one behaviour draws never moves what
another draws, so that adding a behaviour or a person leaves every other event as it was.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from hashlib import shake_128
from struct import Struct
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_LARGEST_MEAN = 500.0
_BLOCK = 24
_WORDS = Struct(f"<{_BLOCK}Q")
_STEP = 2.0**-53


@lru_cache(maxsize=4096)
def _cumulative(n: int, exponent: float) -> tuple[float, ...]:
    ranks = 1.0 / np.arange(1, n + 1) ** exponent
    return tuple((np.cumsum(ranks) / ranks.sum()).tolist())


class Chance:
    """One stream of random choices, the same for the same seed and concern.

    The numbers are words of SHAKE-128 of the concern and a block's number: the same on every machine and with
    every version of a library, and cheap to open, because a simulated day opens dozens of streams for every
    person.

    Parameters
    ----------
    seed
        The simulation's seed, at least 0.
    concern
        What the numbers are for.
    """

    __slots__ = ("_block", "_buffer", "_key")

    def __init__(self, seed: int, *concern: str | int) -> None:
        self._key = repr((seed, concern))
        self._block = 0
        self._buffer: list[float] = []

    def _more(self) -> list[float]:
        self._block += 1
        words = _WORDS.unpack(shake_128(f"{self._key}{self._block}".encode()).digest(_WORDS.size))
        self._buffer = [(word >> 11) * _STEP for word in words]
        return self._buffer

    def _random(self) -> float:
        return (self._buffer or self._more()).pop()

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * (self._buffer or self._more()).pop()

    def happens(self, probability: float) -> bool:
        """Whether something of this probability comes about."""
        return (self._buffer or self._more()).pop() < probability

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return min(int(self._random() * n), n - 1)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[self.below(len(options))]

    def rank(self, n: int, exponent: float = 1.0) -> int:
        """A rank from 0 to n - 1 by Zipf's law: rank r has weight 1 / (r + 1)^exponent."""
        return min(bisect_right(_cumulative(n, exponent), (self._buffer or self._more()).pop()), n - 1)

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
        radius = math.sqrt(-2.0 * math.log(1.0 - self._random()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self._random())

    def exponential(self, mean: float) -> float:
        """A waiting time of the given mean."""
        return -mean * math.log(1.0 - self._random())

    def poisson(self, mean: float) -> int:
        """A count of the given mean (sequential inversion); 0 for a mean of 0 or less."""
        count = 0
        while mean > 0:
            part = min(mean, _LARGEST_MEAN)
            mean -= part
            left, term, step = self._random(), math.exp(-part), 0
            while left > term and step < 4 * _LARGEST_MEAN:
                left -= term
                step += 1
                term *= part / step
            count += step
        return count

    def hexadecimal(self, n_bytes: int) -> str:
        """Random bytes as lower-case hexadecimal text."""
        self._block += 1
        return shake_128(f"{self._key}{self._block}".encode()).hexdigest(n_bytes)
