"""Who talks to whom, how regularly and how much: beacons, chatter and large transfers to one destination.

For every (entity, destination) pair a bounded memory keeps the spread of the logarithm of its waiting times,
and what was said today. Three kinds of raw evidence come from it:

regular   sqrt(n) / 2 * ln(s0 / s) with s the standard deviation of ln(waiting time) over n waiting times and
s0 =
          pi / sqrt(6) that of a memoryless source: how much more regular than chance
chatter   ln of today's events over CHATTER_EVENTS
transfer  ln of today's bytes sent over TRANSFER_BYTES

Each is calibrated within strata of how many entities know the destination and how long this one has known it:
the update server that everybody asks every hour is no news, and neither is the monitor of last month. What an
entity has known for long must also be odd among what is new, or all that is regular would stand out on the
day on which it begins to count as old.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from features.lowlevel import mix64
from features.windows import with_room
from models.calibration import THRESHOLD_NATS, Histograms, bin_of, calibrated, observe
from models.volume import DAY_US, grid

REGULAR, CHATTER, TRANSFER = range(3)
CHANNELS = 3
POPULARITY = (1, 3, 15)
"""Entities that know a destination: alone, up to 3, up to 15, more."""
YOUNG_DAYS = 7
STRATA = CHANNELS * (len(POPULARITY) + 1) * 2
LEAST_GAP_US, MOST_GAP_US = 10_000_000, DAY_US
"""Waiting times outside are no beat: connections of one burst, and nights."""
LEAST_BEATS = 8
MOST_BEATS = 200.0
MEMORYLESS = 1.2825498
LEAST_SPREAD = 0.02
BREAK = 6.0
"""A waiting time this many times the usual one is a pause (a machine asleep), not part of the beat."""
CHATTER_EVENTS, TRANSFER_BYTES = 16.0, 100_000.0
WAYS = 8


class Pairs(NamedTuple):
    """By slot: tag; last beat (us); waiting times counted, mean and sum of squared deviations of their
    logarithm; first day; open day with its beats, events and bytes. known_by: by value id, entities that ever
    reached it. meta: [pairs, pairs that gave way].
    """

    tags: np.ndarray
    last_us: np.ndarray
    beat: np.ndarray
    first_day: np.ndarray
    day: np.ndarray
    today: np.ndarray
    known_by: np.ndarray
    meta: np.ndarray


def empty_pairs(size: int = 1 << 14) -> Pairs:
    """Room for `size` pairs (a power of two)."""
    return Pairs(
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros((size, 3)),
        np.zeros(size, np.int32),
        np.full(size, -1, np.int32),
        np.zeros((size, 3)),
        np.zeros(1024, np.int32),
        np.zeros(2, np.int64),
    )


@njit(cache=True, inline="always")
def _slot(tags: np.ndarray, last_us: np.ndarray, tag: int) -> int:
    """Slot of a pair, or of the free or oldest one of its bucket."""
    base = (tag >> 8) & (tags.shape[0] - 1) & ~np.int64(WAYS - 1)
    oldest = base
    for place in range(base, base + WAYS):
        if tags[place] == tag:
            return place
        if tags[place] == 0:
            return place
        if last_us[place] < last_us[oldest]:
            oldest = place
    return oldest


@njit(cache=True)
def _stratum(channel: int, known_by: int, age_days: int) -> int:
    popularity = 0
    while popularity < 3 and known_by > POPULARITY[popularity]:
        popularity += 1
    return (channel * 4 + popularity) * 2 + (1 if age_days >= YOUNG_DAYS else 0)


@njit(cache=True, nogil=True)
def observe_pairs(  # noqa: C901 - one loop on purpose, like the engine's
    pairs: Pairs,
    histograms: Histograms,
    holder: np.ndarray,
    value: np.ndarray,
    time_us: np.ndarray,
    bytes_out: np.ndarray,
    weight: float,
    decay: float,
    found_row: np.ndarray,
    found_channel: np.ndarray,
    found_raw: np.ndarray,
    found_nats: np.ndarray,
    found_counts: np.ndarray,
    start: int,
) -> tuple[int, int]:
    """Take in events; returns (next row, findings), and stops early when findings or pairs need room.

    holder, value: (n,) entity and destination of each event, 0 for none. weight, decay: of today's scores.
    """
    produced = 0
    raws = np.zeros(CHANNELS)
    size = pairs.tags.shape[0]
    for row in range(start, holder.shape[0]):
        if holder[row] == 0 or value[row] == 0:
            continue
        if produced + CHANNELS > found_row.shape[0] or pairs.meta[0] > size * 0.6:
            return row, produced
        tag = (
            np.int64(mix64(np.uint64(holder[row]) << np.uint64(32) ^ np.uint64(value[row])) >> np.uint64(1))
            | 1
        )
        slot = _slot(pairs.tags, pairs.last_us, tag)
        now = time_us[row]
        day = now // DAY_US
        if pairs.tags[slot] != tag:
            pairs.meta[1 if pairs.tags[slot] != 0 else 0] += 1
            pairs.tags[slot] = tag
            pairs.last_us[slot] = now
            pairs.beat[slot] = 0.0
            pairs.first_day[slot] = day
            pairs.day[slot] = -1
            pairs.known_by[value[row]] += 1
        if day < pairs.day[slot]:
            continue
        today = pairs.today[slot]
        if day > pairs.day[slot]:
            pairs.day[slot] = day
            today[:] = 0.0
        raws[:] = 0.0
        gap = now - pairs.last_us[slot]
        if gap >= LEAST_GAP_US:
            pairs.last_us[slot] = now
            beat = pairs.beat[slot]
            n = beat[0]
            if gap <= MOST_GAP_US and not (n >= 4.0 and gap > BREAK * exp(beat[1]) * 1e6):
                x = log(gap * 1e-6)
                if n >= MOST_BEATS:
                    beat[2] *= (n - 1.0) / n
                    n -= 1.0
                n += 1.0
                away = x - beat[1]
                beat[1] += away / n
                beat[2] += away * (x - beat[1])
                beat[0] = n
                old = today[0]
                today[0] = old + 1.0
                if n >= LEAST_BEATS and today[0] >= 4.0 and grid(today[0]) != grid(max(old, 0.5)):
                    spread = max(sqrt(beat[2] / n), LEAST_SPREAD)
                    raws[REGULAR] = max(0.0, 0.5 * sqrt(min(n, 100.0)) * log(MEMORYLESS / spread))
        old = today[1]
        today[1] = old + 1.0
        if today[1] >= 2.0 * CHATTER_EVENTS and grid(today[1]) != grid(old):
            raws[CHATTER] = log(today[1] / CHATTER_EVENTS)
        if bytes_out[row] > 0:
            old = today[2]
            today[2] = old + bytes_out[row]
            if today[2] >= 2.0 * TRANSFER_BYTES and (old <= 0.0 or grid(today[2]) != grid(old)):
                raws[TRANSFER] = log(today[2] / TRANSFER_BYTES)
        for channel in range(CHANNELS):
            raw = raws[channel]
            if raw <= 0.0:
                continue
            known_by, age_days = pairs.known_by[value[row]], day - pairs.first_day[slot]
            stratum = _stratum(channel, known_by, age_days)
            bin_index = bin_of(raw)
            nats = calibrated(histograms, stratum, bin_index, raw, decay)
            if age_days >= YOUNG_DAYS:
                young = _stratum(channel, known_by, 0)
                nats = min(nats, calibrated(histograms, young, bin_index, raw, decay))
            observe(histograms, stratum, bin_index, weight)
            if nats > THRESHOLD_NATS:
                found_row[produced] = row
                found_channel[produced] = channel
                found_raw[produced] = raw
                found_nats[produced] = nats
                found_counts[produced, 0] = today[channel]
                found_counts[produced, 1] = exp(pairs.beat[slot, 1])
                found_counts[produced, 2] = sqrt(pairs.beat[slot, 2] / max(pairs.beat[slot, 0], 1.0))
                found_counts[produced, 3] = pairs.known_by[value[row]]
                found_counts[produced, 4] = day - pairs.first_day[slot]
                found_counts[produced, 5] = pairs.beat[slot, 0]
                produced += 1
    return holder.shape[0], produced


@njit(cache=True)
def _move(old: Pairs, new: Pairs) -> None:
    for slot in range(old.tags.shape[0]):
        if old.tags[slot] != 0:
            at = _slot(new.tags, new.last_us, old.tags[slot])
            if new.tags[at] == 0:
                new.meta[0] += 1
            else:
                new.meta[1] += 1
            new.tags[at] = old.tags[slot]
            new.last_us[at] = old.last_us[slot]
            new.beat[at] = old.beat[slot]
            new.first_day[at] = old.first_day[slot]
            new.day[at] = old.day[slot]
            new.today[at] = old.today[slot]


def grown(pairs: Pairs, limit: int) -> Pairs:
    """Twice the room; at the limit nothing moves and the count is set back, so that pairs give way to each
    other.
    """
    size = len(pairs.tags)
    if 2 * size > limit:
        pairs.meta[0] = 0
        return pairs
    new = empty_pairs(2 * size)._replace(known_by=pairs.known_by)
    new.meta[1] = pairs.meta[1]
    _move(pairs, new)
    return new


def with_values(pairs: Pairs, values: int) -> Pairs:
    """Room in `known_by` for value ids up to `values`."""
    return pairs._replace(known_by=with_room(pairs.known_by, values + 1))
