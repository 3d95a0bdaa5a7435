"""A map from int64 keys to int32 values that kernels can probe: linear probing over a power-of-two table."""

from __future__ import annotations

import numpy as np
from numba import njit

from features.lowlevel import mix64


@njit(cache=True)
def slot_of(keys: np.ndarray, key: int) -> int:
    """Slot of a non-zero key, or of the free slot where it would go."""
    mask = keys.shape[0] - 1
    slot = np.int64(mix64(np.uint64(key)) & np.uint64(mask))
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True)
def _get_many(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray, out: np.ndarray) -> None:
    for i in range(wanted.shape[0]):
        slot = slot_of(keys, wanted[i])
        out[i] = values[slot] if wanted[i] != 0 and keys[slot] != 0 else -1


@njit(cache=True)
def put_many(keys: np.ndarray, values: np.ndarray, new_keys: np.ndarray, new_values: np.ndarray) -> int:
    """Set many non-zero keys of a table that has room; returns how many were not there before."""
    added = 0
    for i in range(new_keys.shape[0]):
        slot = slot_of(keys, new_keys[i])
        if keys[slot] == 0:
            keys[slot] = new_keys[i]
            added += 1
        values[slot] = new_values[i]
    return added


class IntMap:
    """Non-zero int64 -> int32 (missing: -1). Grows by doubling at half full; 24 to 48 bytes a key."""

    def __init__(self, room: int = 512) -> None:
        size = 1 << max(5, int(room * 2 - 1).bit_length())
        self.keys = np.zeros(size, np.int64)
        self.values = np.zeros(size, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.keys.nbytes + self.values.nbytes

    def get(self, keys: np.ndarray) -> np.ndarray:
        """Values of many keys, -1 where there is none."""
        out = np.empty(len(keys), np.int32)
        _get_many(self.keys, self.values, keys.astype(np.int64), out)
        return out

    def put(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Set many keys (distinct or not; the last value wins)."""
        if (self._count + len(keys)) * 2 > len(self.keys):
            used = np.flatnonzero(self.keys)
            old_keys, old_values = self.keys[used], self.values[used]
            size = 1 << int((self._count + len(keys)) * 4 - 1).bit_length()
            self.keys = np.zeros(size, np.int64)
            self.values = np.zeros(size, np.int32)
            put_many(self.keys, self.values, old_keys, old_values)
        self._count += put_many(self.keys, self.values, keys.astype(np.int64), values.astype(np.int32))
