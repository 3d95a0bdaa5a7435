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
HOUR_BITS = 22
"""Hours since 1970 until the year 2448; what is left of the hash mixes up two values once in 10^12 looks."""
HOURS = (1 << HOUR_BITS) - 1


class Open(NamedTuple):
    """Rows of the entities active today.

    row_of
        int32 (entity ids,): row, -1 for none.
    entity, kind, five
        By row: entity id, kind, open five minutes (counted from 1970), which tell the open hour as well.
    counts
        float64 (rows, widest): by cell.
    meta
        [rows used, open day (-1: none), late events, traces that gave way on the day they were left]
    """

    row_of: np.ndarray
    entity: np.ndarray
    kind: np.ndarray
    five: np.ndarray
    counts: np.ndarray
    meta: np.ndarray


class Seen(NamedTuple):
    """Traces of (entity, measure, value), int64 (traces,): the upper bits of a hash, and in the lower
    HOUR_BITS the hour (since 1970) in which it was last seen; 0: free.
    """

    traces: np.ndarray


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
        np.zeros((rows, cells)),
        np.array([0, -1, 0, 0], np.int64),
    )


def empty_seen(size: int = 1 << 16) -> Seen:
    """Room for `size` traces (a power of two)."""
    return Seen(np.zeros(size, np.int64))


def packed_seen(tags: np.ndarray, hours: np.ndarray) -> Seen:
    """Traces as earlier versions kept them: hash and hour in two arrays."""
    return Seen((tags & ~HOURS) | hours)


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
def trace_key(entity: int, measure: int, value: int) -> np.uint64:
    """Hash of what a trace stands for."""
    return mix64(np.uint64(entity) << np.uint64(40) ^ np.uint64(measure) << np.uint64(32) ^ np.uint64(value))


@njit(cache=True, inline="always")
def trace_home(traces: np.ndarray, key: np.uint64) -> int:
    """First of the WAYS places of a trace."""
    return np.int64((key >> np.uint64(20)) & np.uint64(traces.shape[0] - 1)) & ~np.int64(WAYS - 1)


@njit(cache=True, inline="always")
def last_hour(traces: np.ndarray, meta: np.ndarray, entity: int, measure: int, value: int, hour: int) -> int:
    """Hour in which the entity last showed the value (-1: not remembered); leaves a trace of `hour`."""
    key = trace_key(entity, measure, value)
    tag = np.int64(key) & ~np.int64(HOURS)
    base = trace_home(traces, key)
    oldest, oldest_hour = np.int64(base), np.int64(HOURS)
    for place in range(base, base + WAYS):
        trace = traces[place]
        before = trace & HOURS
        if trace != 0 and trace & ~np.int64(HOURS) == tag:
            traces[place] = tag | max(before, hour)
            return before
        if before < oldest_hour or trace == 0:
            oldest, oldest_hour = np.int64(place), before
    if traces[oldest] != 0 and oldest_hour // 24 >= hour // 24:
        meta[CROWDED] += 1
    traces[oldest] = tag | hour
    return np.int64(-1)
