"""Collects the sessions of the open day, event by event.

State of another kind than the sums: distinct values of a day, and the strongest finding of each. Both are
emptied when the day closes; what does not fit is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from features.intmap import put_many, slot_of
from models.sessions.views import COUNTS, DISTINCT_COLUMNS, SUMS, TALLIES

if TYPE_CHECKING:
    from features.columns import Batch

ROWS, TAGS, BEST, DROPPED = range(4)
ROW_LIMIT = 1 << 18
"""Sessions of a view and day; events of those that would come on top are counted as dropped."""
TAG_LIMIT = 1 << 22
"""Distinct values and findings kept of a view and day (a row, a column and a value fit 63 bits)."""
FIRST_SUM = len(TALLIES)
FIRST_DISTINCT = FIRST_SUM + len(SUMS)


class Day(NamedTuple):
    """Sessions of one view and day, in the order of their first events.

    keys, row_of
        Open addressing: entity << 32 | partner -> row.
    entity, partner
        By row.
    counts
        float64 (rows, len(COUNTS)).
    evidence
        float64 (rows, causes): nats beyond the everyday, the strongest of each cause and value.
    tags
        Distinct values: (row + 1) << 38 | column << 31 | value.
    best_keys, best
        (row + 1) << 38 | cause << 31 | value -> strongest gain.
    meta
        [rows, tags, findings, events dropped].
    """

    keys: np.ndarray
    row_of: np.ndarray
    entity: np.ndarray
    partner: np.ndarray
    counts: np.ndarray
    evidence: np.ndarray
    tags: np.ndarray
    best_keys: np.ndarray
    best: np.ndarray
    meta: np.ndarray


def empty_day(causes: int, rows: int = 256, tags: int = 4096) -> Day:
    """No session; room for so many (powers of two)."""
    return Day(
        np.zeros(4 * rows, np.int64),
        np.zeros(4 * rows, np.int32),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.int64),
        np.zeros((rows, len(COUNTS))),
        np.zeros((rows, causes)),
        np.zeros(tags, np.int64),
        np.zeros(tags, np.int64),
        np.zeros(tags),
        np.zeros(4, np.int64),
    )


@njit(cache=True, nogil=True)
def _collect(
    day: Day,
    columns: np.ndarray,
    partner: np.ndarray,
    holder: int,
    bits: np.ndarray,
    sums: np.ndarray,
    distinct: np.ndarray,
    first: int,
    row_limit: int,
    tag_limit: int,
    session: np.ndarray,
) -> int:
    """Count events; returns the first that there was no room for. session: row of each event, -1 for none."""
    keys, row_of, entity_of, partner_of, counts, tags, meta = (
        day.keys,
        day.row_of,
        day.entity,
        day.partner,
        day.counts,
        day.tags,
        day.meta,
    )
    for event in range(first, columns.shape[0]):
        entity = np.int64(columns[event, holder])
        if entity == 0 or partner[event] == 0:
            continue
        key = entity << 32 | partner[event]
        slot = slot_of(keys, key)
        if keys[slot] == 0:
            if meta[ROWS] >= row_limit:
                meta[DROPPED] += 1
                continue
            if meta[ROWS] >= entity_of.shape[0] or meta[TAGS] * 2 > tags.shape[0]:
                return event
            row = meta[ROWS]
            meta[ROWS] += 1
            keys[slot] = key
            row_of[slot] = row
            entity_of[row] = entity
            partner_of[row] = partner[event]
        elif meta[TAGS] * 2 > tags.shape[0] and meta[TAGS] < tag_limit:
            return event
        row = np.int64(row_of[slot])
        session[event] = row
        mask = bits[event]
        for tally in range(FIRST_SUM):
            counts[row, tally] += mask >> tally & 1
        for index in range(sums.shape[1]):
            counts[row, FIRST_SUM + index] += sums[event, index]
        for index in range(distinct.shape[0]):
            value = np.int64(columns[event, distinct[index]])
            if value == 0 or meta[TAGS] >= tag_limit:
                continue
            tag = (row + 1) << 38 | np.int64(index) << 31 | value
            place = slot_of(tags, tag)
            if tags[place] == 0:
                tags[place] = tag
                meta[TAGS] += 1
                counts[row, FIRST_DISTINCT + index] += 1
    return columns.shape[0]


@njit(cache=True, nogil=True)
def _weigh(
    day: Day,
    row: np.ndarray,
    cause: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    gain: np.ndarray,
    first: int,
    tag_limit: int,
) -> int:
    """Add findings to their sessions, the strongest of each cause and value; returns the first without
    room.
    """
    for i in range(first, row.shape[0]):
        if day.meta[BEST] >= tag_limit:
            day.meta[DROPPED] += 1
            continue
        if day.meta[BEST] * 2 > day.best_keys.shape[0]:
            return i
        key = (row[i] + 1) << 38 | cause[i] << 31 | value[i]
        slot = slot_of(day.best_keys, key)
        if day.best_keys[slot] == 0:
            day.best_keys[slot] = key
            day.meta[BEST] += 1
        more = gain[i] - day.best[slot]
        if more > 0.0:
            day.best[slot] = gain[i]
            day.evidence[row[i], column[i]] += more
    return row.shape[0]


def _moved(keys: np.ndarray, values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A hash table with `size` slots that holds the same."""
    new_keys, new_values = np.zeros(size, np.int64), np.zeros(size, values.dtype)
    used = np.flatnonzero(keys)
    put_many(new_keys, new_values, keys[used], values[used])
    return new_keys, new_values


def _longer(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.zeros_like(array)])


def _with_more_rows(day: Day) -> Day:
    """Twice the room for sessions, and for distinct values, where it is full. Not for findings: tables must
    grow at the same event however the day is cut into batches, and findings come after their batch.
    """
    if day.meta[ROWS] >= len(day.entity):
        keys, row_of = _moved(day.keys, day.row_of, 2 * len(day.keys))
        day = day._replace(
            keys=keys,
            row_of=row_of,
            entity=_longer(day.entity),
            partner=_longer(day.partner),
            counts=_longer(day.counts),
            evidence=_longer(day.evidence),
        )
    if day.meta[TAGS] * 2 > len(day.tags):
        day = day._replace(tags=_moved(day.tags, day.tags, 2 * len(day.tags))[0])
    return day


def _with_more_findings(day: Day) -> Day:
    best_keys, best = _moved(day.best_keys, day.best, 2 * len(day.best_keys))
    return day._replace(best_keys=best_keys, best=best)


def sums_of(batch: Batch, fresh: np.ndarray) -> np.ndarray:
    """What each event adds to SUMS, float64 (n, len(SUMS)). fresh: uint8 (n, 3) values that user, host and
    address showed for the first time.
    """
    sums = np.empty((len(fresh), len(SUMS)))
    sums[:, :3] = fresh
    sums[:, 3] = np.maximum(batch.bytes_in, 0)
    sums[:, 4] = np.maximum(batch.bytes_out, 0)
    return sums


def collected(
    day: Day,
    batch: Batch,
    partner: np.ndarray,
    holder: int,
    bits: np.ndarray,
    sums: np.ndarray,
    findings: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> Day:
    """The day with a scored batch added; arrays are changed in place, or replaced by longer ones.

    partner: int64 (n,), 0 for none. holder: column of the entity. bits: int64 (n,) tallies of each event.
    sums: see `sums_of`. findings: event, cause, evidence column and value (int64), and gain of the findings
    of the batch.
    """
    session = np.full(len(partner), -1, np.int64)
    done = 0
    while done < len(partner):
        done = _collect(
            day,
            batch.columns,
            partner,
            holder,
            bits,
            sums,
            DISTINCT_COLUMNS,
            done,
            ROW_LIMIT,
            TAG_LIMIT,
            session,
        )
        if done < len(partner):
            day = _with_more_rows(day)
    event, cause, column, value, gain = findings
    inside = np.flatnonzero(session[event] >= 0)
    parts = session[event[inside]], cause[inside], column[inside], value[inside], gain[inside]
    done = 0
    while done < len(inside):
        done = _weigh(day, *parts, done, TAG_LIMIT)
        if done < len(inside):
            day = _with_more_findings(day)
    return day


def renumbered(day: Day, values: np.ndarray) -> Day:
    """The day after `entity` and `partner` were given new ids; values: old id -> new id of values."""
    used = int(day.meta[ROWS])
    fresh = day.entity[:used].astype(np.int64) << 32 | day.partner[:used]
    keys, row_of = np.zeros_like(day.keys), np.zeros_like(day.row_of)
    put_many(keys, row_of, fresh, np.arange(used, dtype=np.int32))
    tags, best_keys, best = np.zeros_like(day.tags), np.zeros_like(day.best_keys), np.zeros_like(day.best)
    low = np.int64(0x7FFFFFFF)
    for new, new_values, old, old_values in (
        (tags, tags.copy(), day.tags, day.tags),
        (best_keys, best, day.best_keys, day.best),
    ):
        slots = np.flatnonzero(old)
        renamed = old[slots] & ~low | values[old[slots] & low].astype(np.int64)
        put_many(new, new_values, renamed, old_values[slots])
    return day._replace(keys=keys, row_of=row_of, tags=tags, best_keys=best_keys, best=best)
