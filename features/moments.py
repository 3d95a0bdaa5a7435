"""Moments of counts by (holder, cell): how often, how much, how spread, as forward-decayed sums.

The sums are (n, x, x^2) with weights of two half-lives side by side: a fast one that follows the entity, and
a slow one that somebody who drifts a little every day moves away from. Like the habit table they decay by a
landmark, add up, and hold three levels: entity, peer group, organisation. They are float32: means and spreads
need seven digits, and a slot with its key is 32 bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from features.intmap import slot_of

MAX_LOAD = 0.7
CELL_BITS = 8
"""Cells of one entity kind, the counts of active windows included, are fewer than 2^CELL_BITS."""
FAST, SLOW = 0, 3
"""Places of (n, x, x^2) in a row of sums."""


class MomentArrays(NamedTuple):
    """keys: int64 (slots,), 0 free. sums: float32 (slots, 6). meta: [entries, most before room is made]."""

    keys: np.ndarray
    sums: np.ndarray
    meta: np.ndarray


def empty_moments(capacity: int = 1 << 12) -> MomentArrays:
    """Arrays with `capacity` (a power of two) slots."""
    return MomentArrays(
        np.zeros(capacity, np.int64),
        np.zeros((capacity, 6), np.float32),
        np.array([0, int(capacity * MAX_LOAD)], np.int64),
    )


@njit(cache=True, inline="always")
def moment_key(holder: int, cell: int) -> int:
    """Key of a holder's cell."""
    return np.int64(holder) << CELL_BITS | np.int64(cell)


@njit(cache=True)
def add_moment(
    keys: np.ndarray, sums: np.ndarray, meta: np.ndarray, key: int, x: float, fast: float, slow: float
) -> None:
    """Add one observation; the caller has made room."""
    slot = slot_of(keys, key)
    if keys[slot] == 0:
        keys[slot] = key
        meta[0] += 1
    sums[slot, 0] += fast
    sums[slot, 1] += fast * x
    sums[slot, 2] += fast * x * x
    sums[slot, 3] += slow
    sums[slot, 4] += slow * x
    sums[slot, 5] += slow * x * x


@njit(cache=True)
def _refill(
    keys: np.ndarray, sums: np.ndarray, from_keys: np.ndarray, from_sums: np.ndarray, keep: np.ndarray
) -> int:
    count = 0
    for index in range(from_keys.shape[0]):
        if keep[index]:
            slot = slot_of(keys, from_keys[index])
            if keys[slot] == 0:
                keys[slot] = from_keys[index]
                count += 1
            sums[slot] += from_sums[index]
    return count


class Moments:
    """The table, its landmark and its bound.

    Parameters
    ----------
    half_life_days, slow_half_life_days
        Days after which an observation counts half in the fast and in the slow sums.
    max_entries
        Most cells kept; the lightest (by slow weight) are dropped and counted when it is reached. A batch of
        cells that alone takes more than nine tenths of it is let in all the same.
    """

    def __init__(
        self,
        *,
        half_life_days: float = 30.0,
        slow_half_life_days: float = 180.0,
        max_entries: int = 20_000_000,
    ) -> None:
        self.half_life_days = half_life_days
        self.slow_half_life_days = slow_half_life_days
        self.max_entries = max_entries
        self.landmark_day: int | None = None
        self.dropped = 0
        self.arrays = empty_moments()
        self.arrays.meta[1] = min(int(self.arrays.meta[1]), max_entries)

    def __len__(self) -> int:
        return int(self.arrays.meta[0])

    @property
    def nbytes(self) -> int:
        """Bytes held, free slots included."""
        return self.arrays.keys.nbytes + self.arrays.sums.nbytes

    def weights(self, day: int) -> tuple[float, float]:
        """Weights of an observation of a day (days since 1970, UTC), fast and slow; moves the landmark when
        due.
        """
        if self.landmark_day is None:
            self.landmark_day = day
        if day - self.landmark_day > 40 * self.half_life_days:
            steps = day - self.landmark_day
            self.arrays.sums[:, :3] *= np.float32(2.0 ** -min(steps / self.half_life_days, 900.0))
            self.arrays.sums[:, 3:] *= np.float32(2.0 ** -min(steps / self.slow_half_life_days, 900.0))
            self.landmark_day = day
        age = day - self.landmark_day
        return (
            float(2.0 ** max(age / self.half_life_days, -100.0)),
            float(2.0 ** max(age / self.slow_half_life_days, -100.0)),
        )

    def has_room(self, extra: int) -> bool:
        """Whether `extra` more cells fit."""
        return len(self) + extra <= int(self.arrays.meta[1])

    def make_room(self, extra: int) -> None:
        """Grow, or at the bound drop the lightest tenth."""
        keys, sums, _ = self.arrays
        used = np.flatnonzero(keys)
        keep = np.ones(len(used), np.bool_)
        if len(used) + extra > self.max_entries:
            surplus = min(len(used), len(used) + extra - int(self.max_entries * 0.9))
            order = np.lexsort((keys[used], sums[used, SLOW]))
            keep[order[:surplus]] = False
            self.dropped += surplus
        size = 1 << int(np.ceil(np.log2((int(keep.sum()) + extra) / MAX_LOAD * 1.3 + 64)))
        self._rebuild(keys[used], sums[used], keep, max(size, 1 << 12))
        self.arrays.meta[1] = max(self.arrays.meta[1], len(self) + extra)

    def _rebuild(self, keys: np.ndarray, sums: np.ndarray, keep: np.ndarray, size: int) -> None:
        arrays = empty_moments(size)
        arrays.meta[0] = _refill(arrays.keys, arrays.sums, keys, sums, keep)
        arrays.meta[1] = min(int(arrays.meta[1]), self.max_entries)
        self.arrays = arrays

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering of entities (old id -> new id, 0: gone)."""
        used = np.flatnonzero(self.arrays.keys)
        keys, sums = self.arrays.keys[used], self.arrays.sums[used]
        holders = entities[keys >> CELL_BITS].astype(np.int64)
        moved = holders << CELL_BITS | keys & ((1 << CELL_BITS) - 1)
        self._rebuild(moved, sums, holders > 0, self.arrays.keys.shape[0])

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Arrays (by key) and settings of a checkpoint."""
        used = np.flatnonzero(self.arrays.keys)
        used = used[np.argsort(self.arrays.keys[used])]
        arrays = {"moment_keys": self.arrays.keys[used], "moment_sums": self.arrays.sums[used]}
        settings: dict[str, object] = {
            name: getattr(self, name)
            for name in ("half_life_days", "slow_half_life_days", "max_entries", "landmark_day", "dropped")
        }
        return arrays, settings

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], settings: dict[str, object]) -> Moments:
        """The moments that were exported."""
        moments = cls(
            half_life_days=settings["half_life_days"],
            slow_half_life_days=settings["slow_half_life_days"],
            max_entries=settings["max_entries"],
        )
        moments.landmark_day = settings["landmark_day"]  # type: ignore[assignment]
        moments.dropped = settings["dropped"]  # type: ignore[assignment]
        keys = arrays["moment_keys"]
        size = 1 << int(np.ceil(np.log2(len(keys) / MAX_LOAD * 1.3 + 4096)))
        moments._rebuild(keys, arrays["moment_sums"], np.ones(len(keys), np.bool_), size)
        return moments
