"""Kernels of the table that counts events by entity and day: keys (entity << 32 | day), open addressing."""

from __future__ import annotations

import numpy as np
from numba import njit

from features.intmap import slot_of


@njit(cache=True, nogil=True)
def count_days(
    keys: np.ndarray, counts: np.ndarray, columns: np.ndarray, days: np.ndarray, first: int
) -> tuple[int, int]:
    """Count events by (entity, day); returns (new keys, next row), stops while half the table is free."""
    width = columns.shape[1]
    added = 0
    for row in range(first, columns.shape[0]):
        if added + 3 > keys.shape[0] // 4:
            return added, row
        for kind in range(3):
            entity = np.int64(columns[row, width - 3 + kind])
            if entity != 0:
                key = entity << 32 | days[row]
                slot = slot_of(keys, key)
                if keys[slot] == 0:
                    keys[slot] = key
                    added += 1
                counts[slot] += 1
    return added, columns.shape[0]


@njit(cache=True)
def look_up(keys: np.ndarray, counts: np.ndarray, wanted: np.ndarray, out: np.ndarray) -> None:
    """Counts of some keys into `out`, 0 for those that are not there."""
    for i in range(wanted.shape[0]):
        out[i] = counts[slot_of(keys, wanted[i])]
