"""A retried batch is scored once: remembers the keys of recent events in two generations of a hash set."""

from __future__ import annotations

import numpy as np
from numba import njit

from features.lowlevel import mix64

LIMIT = 4_000_000
"""Keys in one generation. A repeat is recognised for at least this many events; memory stays under 128 MiB.
"""


@njit(cache=True)
def _contains(table: np.ndarray, key: np.uint64) -> bool:
    mask = np.uint64(table.shape[0] - 1)
    slot = mix64(key) & mask
    while table[slot] != 0:
        if table[slot] == key:
            return True
        slot = (slot + np.uint64(1)) & mask
    return False


@njit(cache=True)
def _insert(table: np.ndarray, key: np.uint64) -> None:
    mask = np.uint64(table.shape[0] - 1)
    slot = mix64(key) & mask
    while table[slot] != 0:
        if table[slot] == key:
            return
        slot = (slot + np.uint64(1)) & mask
    table[slot] = key


@njit(cache=True, nogil=True)
def _admit(
    current: np.ndarray, previous: np.ndarray, keys: np.ndarray, first: int, room: int, new: np.ndarray
) -> tuple[int, int]:
    """Mark new keys and add them; stops when `room` keys were added. Returns (next position, keys added)."""
    added = 0
    for i in range(first, keys.shape[0]):
        if added == room:
            return i, added
        key = keys[i] if keys[i] != 0 else np.uint64(1)
        new[i] = not (_contains(current, key) or _contains(previous, key))
        if new[i]:
            _insert(current, key)
            added += 1
    return keys.shape[0], added


class Deduper:
    """Admits each 64-bit key once.

    Keys come from `features.lowlevel.hash_bytes` with a secret seed, so a sender cannot aim at another
    event's key. Two of ten million events share one by chance with a probability of 3e-6.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._current = np.zeros(1 << 12, np.uint64)
        self._previous = np.zeros(1, np.uint64)
        self._count = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._current.nbytes + self._previous.nbytes

    def admit(self, keys: np.ndarray) -> np.ndarray:
        """Bool (n,): True for keys not seen before, in order; they are remembered."""
        new = np.zeros(len(keys), np.bool_)
        position = 0
        while position < len(keys):
            if self._count >= self._limit:
                self._previous, self._current, self._count = self._current, np.zeros(1 << 12, np.uint64), 0
            elif self._count * 2 >= len(self._current):
                old = self._current[self._current != 0]
                self._current = np.zeros(4 * len(self._current), np.uint64)
                _admit(
                    self._current, np.zeros(1, np.uint64), old, 0, len(old) + 1, np.zeros(len(old), np.bool_)
                )
            room = min(self._limit - self._count, len(self._current) // 2 - self._count + 1)
            position, added = _admit(self._current, self._previous, keys, position, room, new)
            self._count += added
        return new

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """Keys of the current and the previous generation, sorted."""
        return np.sort(self._current[self._current != 0]), np.sort(self._previous[self._previous != 0])

    @classmethod
    def restored(cls, current: np.ndarray, previous: np.ndarray, limit: int = LIMIT) -> Deduper:
        """A deduper with the given generations."""
        deduper = cls(limit)
        deduper.admit(previous)
        deduper._previous, deduper._current, deduper._count = (
            deduper._current,
            np.zeros(1 << 12, np.uint64),
            0,
        )
        deduper.admit(current)
        return deduper
