"""The habit table: forward-decayed sums by (entity, behaviour, value) in one open-addressing hash table.

A weight is the sum of 2^((t - landmark) / half_life) over the events learned (forward decay: Cormode,
Shkapenyuk, Srivastava, Xu, "Forward Decay", ICDE 2009). Sums are mergeable, independent of order and
reversible; everything below only adds, scales or removes such sums.

Layout: slot s holds its key in `keys[2 s]` and its weight in `weights[2 s + 1]`; both are views of one
buffer, so that a look-up touches one cache line. A key packs entity (24 bits), behaviour (7) and value (32);
0 marks a free slot. The home slot is the mixed key scaled to the table (multiply-shift), linear probing,
removal by backward shift: no tombstones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from features.lowlevel import mix64

ENTITY_BITS, BEHAVIOUR_BITS, VALUE_BITS = 24, 7, 32
MAX_ENTITIES = 1 << ENTITY_BITS
MAX_BEHAVIOURS = 1 << BEHAVIOUR_BITS
MAX_LOAD = 0.8
GROWTH = 1.5
ENTRIES = 0


class Table(NamedTuple):
    """Arrays of a habit table; `meta[0]` counts its entries."""

    keys: np.ndarray
    weights: np.ndarray
    meta: np.ndarray

    @property
    def capacity(self) -> int:
        """Slots."""
        return int(self.keys.shape[0]) // 2

    @property
    def nbytes(self) -> int:
        """Bytes of all slots, free ones included."""
        return int(self.keys.nbytes)


def empty_table(capacity: int) -> Table:
    """A table of `capacity` slots; it holds MAX_LOAD of that."""
    keys = np.zeros(2 * max(16, capacity), np.int64)
    return Table(keys=keys, weights=keys.view(np.float64), meta=np.zeros(1, np.int64))


@njit(cache=True, inline="always")
def pack(entity: int, behaviour: int, value: int) -> int:
    """Key of one habit entry."""
    return np.int64(entity) << 39 | np.int64(behaviour) << 32 | np.int64(value)


@njit(cache=True, inline="always")
def home_slot(key: int, capacity: int) -> int:
    """Where a key belongs when nobody is in its way."""
    return np.int64((mix64(np.uint64(key)) >> np.uint64(32)) * np.uint64(capacity) >> np.uint64(32))


@njit(cache=True, inline="always")
def find(keys: np.ndarray, key: int) -> int:
    """Slot of a key, or of the free slot where it would go (then `keys[2 * slot] == 0`)."""
    capacity = keys.shape[0] >> 1
    slot = home_slot(key, capacity)
    while True:
        held = keys[2 * slot]
        if held == key or held == 0:
            return slot
        slot += 1
        if slot == capacity:
            slot = 0


@njit(cache=True)
def remove_slot(keys: np.ndarray, weights: np.ndarray, slot: int) -> None:
    """Free a slot and move later entries of its run back, so that every key stays reachable."""
    capacity = keys.shape[0] >> 1
    hole = slot
    probe = slot
    while True:
        probe += 1
        if probe == capacity:
            probe = 0
        key = keys[2 * probe]
        if key == 0:
            break
        home = home_slot(key, capacity)
        stays = hole < home <= probe if hole <= probe else home > hole or home <= probe
        if not stays:
            keys[2 * hole] = key
            weights[2 * hole + 1] = weights[2 * probe + 1]
            hole = probe
    keys[2 * hole] = 0
    weights[2 * hole + 1] = 0.0


@njit(cache=True)
def insert_all(keys: np.ndarray, weights: np.ndarray, from_keys: np.ndarray, from_weights: np.ndarray) -> int:
    """Add every entry of one table to another with room for it; returns how many were new there."""
    added = 0
    for slot in range(from_keys.shape[0] >> 1):
        key = from_keys[2 * slot]
        if key == 0:
            continue
        at = find(keys, key)
        if keys[2 * at] == 0:
            keys[2 * at] = key
            weights[2 * at + 1] = 0.0
            added += 1
        weights[2 * at + 1] += from_weights[2 * slot + 1]
    return added


def resized(table: Table, capacity: int) -> Table:
    """The same entries in a table of another capacity."""
    new = empty_table(capacity)
    new.meta[ENTRIES] = insert_all(new.keys, new.weights, table.keys, table.weights)
    return new


def needs_growth(table: Table, extra: int) -> bool:
    """Whether `extra` more entries would pass the load limit."""
    return int(table.meta[ENTRIES]) + extra > int(table.capacity * MAX_LOAD)


def grown(table: Table, extra: int) -> Table:
    """The table with room for at least `extra` more entries."""
    wanted = int((int(table.meta[ENTRIES]) + extra) / MAX_LOAD) + 1
    return resized(table, max(int(table.capacity * GROWTH), wanted))


def entries(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """All keys and weights, sorted by key: the same for any insertion order (weights up to rounding)."""
    used = np.flatnonzero(table.keys[0::2])
    keys = table.keys[2 * used]
    order = np.argsort(keys)
    return keys[order], table.weights[2 * used[order] + 1]


def layout(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """All keys and weights so ordered that adding them to a table of this capacity gives each its slot again.

    That is the order of slots, begun behind a free one: then whatever pushed an entry on has come before it.
    """
    used = np.flatnonzero(table.keys[0::2])
    start = int(np.argmin(table.keys[0::2] != 0))
    used = np.concatenate([used[used > start], used[used < start]])
    return table.keys[2 * used], table.weights[2 * used + 1]


def from_entries(keys: np.ndarray, weights: np.ndarray, capacity: int = 0) -> Table:
    """A table of the given distinct keys and weights; of a fitting capacity if 0 is asked for."""
    table = empty_table(capacity or int(len(keys) / MAX_LOAD * 1.25) + 16)
    pairs = np.empty(2 * len(keys), np.int64)
    pairs[0::2] = keys
    pairs.view(np.float64)[1::2] = weights
    table.meta[ENTRIES] = insert_all(table.keys, table.weights, pairs, pairs.view(np.float64))
    return table


def unpack(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entity, behaviour and value ids of packed keys."""
    return keys >> 39, keys >> 32 & (MAX_BEHAVIOURS - 1), keys & 0xFFFFFFFF
