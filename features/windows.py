"""What every entity did so far in the open five minutes, hour and day; and when it was last seen.

State of another kind than the sums: counts of a window that is still open, last-seen times (a maximum), and a
bounded memory of values seen today. What is given up: an event that arrives after its entity's hour has
closed counts in the day only; after the day has closed it counts nowhere, and is counted as late. Habits take
it in all the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from features.lowlevel import mix64

ROWS, TODAY, LATE, CROWDED = range(4)
WAYS = 4
"""Places where a value's trace may lie; the oldest gives way."""


class Open(NamedTuple):
    """Rows of the entities active today.

    row_of
        int32 (entity ids,): row, -1 for none.
    entity, kind, hour, five
        By row: entity id, kind, open hour and five minutes (counted from 1970).
    counts
        float64 (rows, widest): by cell.
    meta
        [rows used, open day (-1: none), late events, traces that gave way on the day they were left]
    """

    row_of: np.ndarray
    entity: np.ndarray
    kind: np.ndarray
    hour: np.ndarray
    five: np.ndarray
    counts: np.ndarray
    meta: np.ndarray


class Seen(NamedTuple):
    """Traces of (entity, measure, value): tag, and the hour in which it was last seen."""

    tags: np.ndarray
    hours: np.ndarray


class Known(NamedTuple):
    """By entity id: first and last day seen (days since 1970, -1: never), number of days active."""

    first: np.ndarray
    last: np.ndarray
    active: np.ndarray


def empty_open(entities: int, rows: int, cells: int) -> Open:
    """No entity active."""
    return Open(
        np.full(entities, -1, np.int32),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.int8),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        np.zeros((rows, cells)),
        np.array([0, -1, 0, 0], np.int64),
    )


def empty_seen(size: int = 1 << 16) -> Seen:
    """Room for `size` traces (a power of two)."""
    return Seen(np.zeros(size, np.int64), np.zeros(size, np.int32))


def empty_known(entities: int) -> Known:
    """Nobody seen yet."""
    return Known(
        np.full(entities, -1, np.int32), np.full(entities, -1, np.int32), np.zeros(entities, np.int32)
    )


def with_room(array: np.ndarray, size: int, fill: int = 0) -> np.ndarray:
    """The array, at least `size` long; new places hold `fill`."""
    if len(array) >= size:
        return array
    more = np.full((max(size, len(array) * 3 // 2) - len(array), *array.shape[1:]), fill, array.dtype)
    return np.concatenate([array, more])


@njit(cache=True, inline="always")
def last_hour(
    tags: np.ndarray, hours: np.ndarray, meta: np.ndarray, entity: int, measure: int, value: int, hour: int
) -> int:
    """Hour in which the entity last showed the value (-1: not remembered); leaves a trace of `hour`."""
    key = mix64(np.uint64(entity) << np.uint64(40) ^ np.uint64(measure) << np.uint64(32) ^ np.uint64(value))
    tag = np.int64(key | np.uint64(1))
    base = np.int64((key >> np.uint64(20)) & np.uint64(tags.shape[0] - 1)) & ~np.int64(WAYS - 1)
    oldest = base
    for place in range(base, base + WAYS):
        if tags[place] == tag:
            before = hours[place]
            hours[place] = max(before, hour)
            return np.int64(before)
        if hours[place] < hours[oldest] or tags[place] == 0:
            oldest = np.int64(place)
    if tags[oldest] != 0 and hours[oldest] // 24 >= hour // 24:
        meta[CROWDED] += 1
    tags[oldest] = tag
    hours[oldest] = hour
    return np.int64(-1)
