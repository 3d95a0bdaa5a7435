"""The volume channel: too many failures, destinations, bytes, first-time things for this entity.

A count in a window is compared with a negative binomial distribution (a Poisson rate that is itself gamma
distributed) whose mean and spread are the entity's own, shrunk to its peer group and that to the
organisation: K_WINDOWS windows of the level above are mixed into each level. Bytes are compared as logarithms
with Student's t. Raw evidence is -ln of the tail probability; it is calibrated like every other channel's
(`models.calibration`), one stratum a (measure, window), from what closed windows turned out to hold. A window
is judged while it is open, whenever its count passes the next half power of two.

What is learned of a closed window is capped (WINSOR): one burst does not become the new normal.
"""

from __future__ import annotations

from math import exp, frexp, lgamma, log, log1p, pi, sqrt

import numpy as np
from numba import njit

from features.intmap import slot_of
from features.measures import BYTES_IN, BYTES_OUT, DISTINCT, FIVE_MINUTES, FRESH, HOUR, WINDOW_US
from features.moments import FAST, SLOW, MomentArrays, add_moment, moment_key
from features.windows import LATE, ROWS, TODAY, Known, Open, Seen, last_hour
from models.calibration import THRESHOLD_NATS, Histograms, bin_of, calibrated, observe
from models.habit import COUNTS as COUNT_COLUMNS

K_WINDOWS = 4.0
"""Windows of the level above that a level's own history is worth less than."""
LEAST_COUNT = 3.0
"""Counts below this are never evidence."""
LEAST_WINDOWS = 8.0
"""Windows of the organisation before which nothing is judged."""
WINSOR_SIGMAS = 5.0
LEAST_LOG_SPREAD = 0.5
"""Standard deviation of ln(bytes) below which nobody's traffic is believed to stay."""
MOST_NATS = 40.0

DONE, NEEDS_ROOM, NEEDS_OUTPUT, NEEDS_CLOSE = range(4)
FIVE_US, HOUR_US, DAY_US = WINDOW_US
COUNT, MEAN, WINDOWS, PEER_MEAN, ORG_MEAN, SLOW_MEAN = range(COUNT_COLUMNS)
"""What a volume finding's six numbers are."""


@njit(cache=True)
def _level(sums: np.ndarray, active: int, slot: int, at: int, is_log: bool) -> tuple[float, float, float]:
    """(n, x, x^2) of one level: n counts all active windows for counts, those with traffic for logarithms."""
    if slot < 0:
        n = np.float64(sums[active, at]) if active >= 0 and not is_log else 0.0
        return n, 0.0, 0.0
    n = np.float64(sums[slot, at])
    if not is_log and active >= 0:
        n = max(n, np.float64(sums[active, at]))
    return n, np.float64(sums[slot, at + 1]), np.float64(sums[slot, at + 2])


@njit(cache=True)
def _slot_or_none(keys: np.ndarray, key: int) -> int:
    slot = slot_of(keys, key)
    return slot if keys[slot] != 0 else -1


@njit(cache=True)
def expected(
    moments: MomentArrays,
    holders: np.ndarray,
    cell: int,
    window: int,
    cells: int,
    is_log: bool,
    decay: np.ndarray,
    at: int,
    out: np.ndarray,
) -> None:
    """Mean, variance and own windows of an entity's cell, then the means of its peers and of everybody.

    holders: entity, group (0: none), organisation. at: FAST or SLOW. decay: factor that makes weights windows
    as of now. out: (5,) mean, variance, own windows, peer mean, organisation mean; mean < 0 when unknown.
    """
    keys, sums = moments.keys, moments.sums
    mean, square = -1.0, 0.0
    for level in range(2, -1, -1):
        holder = holders[level]
        if holder == 0:
            out[3] = mean
            continue
        n, x, xx = _level(
            sums,
            _slot_or_none(keys, moment_key(holder, cells + window)),
            _slot_or_none(keys, moment_key(holder, cell)),
            at,
            is_log,
        )
        n, x, xx = n * decay[at // 3], x * decay[at // 3], xx * decay[at // 3]
        if level == 2:
            if n < LEAST_WINDOWS or x <= 0.0:
                out[0] = -1.0
                return
            mean, square = x / n, xx / n
            out[4] = mean
        else:
            mean = (x + K_WINDOWS * mean) / (n + K_WINDOWS)
            square = (xx + K_WINDOWS * square) / (n + K_WINDOWS)
            if level == 1:
                out[3] = mean
            else:
                out[2] = n
    out[0] = mean
    out[1] = square - mean * mean


@njit(cache=True)
def count_nats(count: float, mean: float, variance: float) -> float:
    """-ln of an upper bound of P(X >= count) for a negative binomial X; 0 at or below the mean.

    The ratio of two terms of the tail tends to 1 - success. When shape >= 1 it falls, so a geometric series
    with the first ratio bounds the tail. When shape < 1 it rises: blocks of doubling length are bounded by
    the ratio at their end, until the terms vanish by themselves. O(log(variance / mean)).
    """
    if count <= mean:
        return 0.0
    spread = max(variance, mean * 1.05 + 1e-9)
    shape = mean * mean / (spread - mean)
    success = mean / spread
    log_failure = log1p(-success)
    start = lgamma(count + shape) - lgamma(count + 1.0)
    first = start - lgamma(shape) + shape * log(success) + count * log_failure
    if shape >= 1.0:
        ratio = (count + shape) / (count + 1.0) * (1.0 - success)
        if ratio >= 1.0:  # rounding: above the mean it is less
            return 0.0
        return min(max(-(first - log1p(-ratio)), 0.0), MOST_NATS)
    place, tail = count, 0.0
    while place * success < 4.0:
        term = exp(lgamma(place + shape) - lgamma(place + 1.0) - start + (place - count) * log_failure)
        ratio = (2.0 * place + shape) / (2.0 * place + 1.0) * (1.0 - success)
        tail += term * (1.0 - ratio**place) / (1.0 - ratio)
        place *= 2.0
    term = exp(lgamma(place + shape) - lgamma(place + 1.0) - start + (place - count) * log_failure)
    return min(max(-(first + log(tail + term / success)), 0.0), MOST_NATS)


@njit(cache=True)
def log_nats(value: float, mean: float, variance: float, windows: float) -> float:
    """-ln of an upper bound of P(Y >= value) for Student's t with spread and degrees of freedom from the
    windows.
    """
    spread = sqrt(max(variance, LEAST_LOG_SPREAD**2))
    z = (value - mean) / spread
    if z <= 0.5:
        return 0.0
    freedom = min(2.0 + windows, 30.0)
    density = (
        lgamma((freedom + 1.0) / 2.0)
        - lgamma(freedom / 2.0)
        - 0.5 * log(freedom * pi)
        - (freedom + 1.0) / 2.0 * log1p(z * z / freedom)
    )
    # tail <= density * z * (1 + freedom / z^2) / freedom: the density falls faster than its power law
    return min(max(-(density + log(z * (1.0 + freedom / (z * z)) / freedom)), 0.0), MOST_NATS)


@njit(cache=True)
def judged(
    moments: MomentArrays,
    holders: np.ndarray,
    cell: int,
    window: int,
    cells: int,
    is_log: bool,
    decay: np.ndarray,
    amount: float,
    scratch: np.ndarray,
) -> float:
    """Raw evidence of an amount in one cell, against the fast or the slow history, whichever it departs from
    more.

    scratch: (6,) left with what the fast history expects, or the slow one where the fast one has faded, and
    the mean of the slow one.
    """
    x = log1p(amount) if is_log else amount
    best = 0.0
    for at in (SLOW, FAST):
        scratch[2] = 0.0
        scratch[3] = -1.0
        expected(moments, holders, cell, window, cells, is_log, decay, at, scratch)
        if at == SLOW:
            scratch[5] = scratch[0]
        if scratch[0] < 0.0:
            continue
        if is_log:
            nats = log_nats(x, scratch[0], scratch[1], scratch[2])
        else:
            nats = count_nats(x, scratch[0], scratch[1])
        best = max(best, nats)
    if scratch[0] < 0.0 <= scratch[5]:
        expected(moments, holders, cell, window, cells, is_log, decay, SLOW, scratch)
    return best


@njit(cache=True, inline="always")
def grid(amount: float) -> int:
    """Number of the half power of two at or below an amount; amounts are judged when it grows."""
    mantissa, exponent = frexp(amount)
    return 2 * exponent + (1 if mantissa >= 0.70710678 else 0)


@njit(cache=True)
def _learn_cell(
    moments: MomentArrays,
    histograms: Histograms,
    holders: np.ndarray,
    cell: int,
    window: int,
    cells: int,
    stratum: int,
    is_log: bool,
    decay: np.ndarray,
    weights: np.ndarray,
    amount: float,
    scratch: np.ndarray,
) -> None:
    """Take in what a closed window held."""
    raw = 0.0
    if amount >= LEAST_COUNT:
        raw = judged(moments, holders, cell, window, cells, is_log, decay, amount, scratch)
    else:
        scratch[0] = -1.0
    observe(histograms, stratum, bin_of(raw), weights[2])
    x = log1p(amount) if is_log else amount
    if scratch[0] >= 0.0:
        spread = sqrt(max(scratch[1], scratch[0] if not is_log else LEAST_LOG_SPREAD**2))
        x = min(x, scratch[0] + WINSOR_SIGMAS * spread + (1.0 if is_log else 3.0))
    for level in range(3):
        if holders[level] != 0:
            key = moment_key(holders[level], cell)
            add_moment(moments.keys, moments.sums, moments.meta, key, x, weights[0], weights[1])


@njit(cache=True)
def close_window(
    open_: Open,
    moments: MomentArrays,
    histograms: Histograms,
    group: np.ndarray,
    organisation: np.ndarray,
    first: np.ndarray,
    how: np.ndarray,
    cell_of: np.ndarray,
    per_kind: np.ndarray,
    strata: np.ndarray,
    row: int,
    window: int,
    decay: np.ndarray,
    weights: np.ndarray,
    holders: np.ndarray,
    scratch: np.ndarray,
) -> None:
    """Learn one entity's window of one length, and empty it."""
    kind = np.int64(open_.kind[row])
    entity = open_.entity[row]
    holders[0], holders[1], holders[2] = entity, group[entity], organisation[kind]
    cells = per_kind[kind]
    any_ = False
    for measure in range(first[kind], first[kind + 1]):
        cell = cell_of[measure, window]
        if cell < 0:
            continue
        amount = open_.counts[row, cell]
        if amount > 0.0:
            any_ = True
            is_log = how[measure] in (BYTES_IN, BYTES_OUT)
            _learn_cell(
                moments,
                histograms,
                holders,
                cell,
                window,
                cells,
                strata[kind] + cell,
                is_log,
                decay,
                weights,
                amount,
                scratch,
            )
            open_.counts[row, cell] = 0.0
    if any_ or window > 0:
        for level in range(3):
            if holders[level] != 0:
                key = moment_key(holders[level], cells + window)
                add_moment(moments.keys, moments.sums, moments.meta, key, 0.0, weights[0], weights[1])


@njit(cache=True, nogil=True)
def observe_rows(  # noqa: C901 - one loop on purpose, like the engine's
    open_: Open,
    seen: Seen,
    known: Known,
    moments: MomentArrays,
    histograms: Histograms,
    group: np.ndarray,
    organisation: np.ndarray,
    first: np.ndarray,
    how: np.ndarray,
    column_of: np.ndarray,
    cell_of: np.ndarray,
    per_kind: np.ndarray,
    strata: np.ndarray,
    masks: np.ndarray,
    activity: int,
    columns: np.ndarray,
    time_us: np.ndarray,
    bytes_in: np.ndarray,
    bytes_out: np.ndarray,
    fresh: np.ndarray,
    decay: np.ndarray,
    weights: np.ndarray,
    room: int,
    found_row: np.ndarray,
    found_channel: np.ndarray,
    found_entity: np.ndarray,
    found_raw: np.ndarray,
    found_nats: np.ndarray,
    found_counts: np.ndarray,
    woken_row: np.ndarray,
    woken_entity: np.ndarray,
    produced: np.ndarray,
    start: int,
) -> tuple[int, int]:
    """Count events, judge windows that grew; returns (next row, DONE | NEEDS_...).

    masks: int64 (values,): bit m set when measure m counts events of that activity. decay, weights: of today,
    see `Volume`. produced: [findings, entities seen for the first time today].
    """
    width = columns.shape[1]
    holders = np.zeros(3, np.int64)
    scratch = np.zeros(6)
    for row in range(start, columns.shape[0]):
        day = time_us[row] // DAY_US
        if day > open_.meta[TODAY]:
            return row, NEEDS_CLOSE
        if day < open_.meta[TODAY]:
            open_.meta[LATE] += 1
            continue
        if produced[0] + 3 * how.shape[0] > found_row.shape[0] or produced[1] + 3 > woken_row.shape[0]:
            return row, NEEDS_OUTPUT
        if open_.meta[ROWS] + 3 > open_.entity.shape[0] or moments.meta[0] + room > moments.meta[1]:
            return row, NEEDS_ROOM
        hour, five = time_us[row] // HOUR_US, time_us[row] // FIVE_US
        mask = masks[columns[row, activity]]
        for kind in range(3):
            entity = columns[row, width - 3 + kind]
            if entity == 0:
                continue
            at = open_.row_of[entity]
            if at < 0:
                at = open_.meta[ROWS]
                open_.meta[ROWS] += 1
                open_.row_of[entity] = at
                open_.entity[at] = entity
                open_.kind[at] = kind
                open_.hour[at] = hour
                open_.five[at] = five
                woken_row[produced[1]] = row
                woken_entity[produced[1]] = entity
                produced[1] += 1
            for window in (HOUR, FIVE_MINUTES):
                now, opened = (hour, open_.hour) if window == HOUR else (five, open_.five)
                if now > opened[at]:
                    close_window(
                        open_,
                        moments,
                        histograms,
                        group,
                        organisation,
                        first,
                        how,
                        cell_of,
                        per_kind,
                        strata,
                        at,
                        window,
                        decay,
                        weights,
                        holders,
                        scratch,
                    )
                    opened[at] = now
            on_time = hour == open_.hour[at]
            holders[0], holders[1], holders[2] = entity, group[entity], organisation[kind]
            for measure in range(first[kind], first[kind + 1]):
                if mask >> measure & 1 == 0:
                    continue
                amount = 1.0
                hour_amount = 1.0
                counting = how[measure]
                if counting == DISTINCT:
                    value = columns[row, column_of[measure]]
                    if value == 0:
                        continue
                    before = last_hour(seen.tags, seen.hours, open_.meta, entity, measure, value, hour)
                    amount = 1.0 if before < day * 24 else 0.0
                    hour_amount = 1.0 if before < hour else 0.0
                elif counting == BYTES_IN:
                    amount = hour_amount = np.float64(bytes_in[row])
                elif counting == BYTES_OUT:
                    amount = hour_amount = np.float64(bytes_out[row])
                elif counting == FRESH:
                    amount = hour_amount = np.float64(fresh[row, kind])
                if hour_amount == 0.0:
                    continue
                is_log = counting in (BYTES_IN, BYTES_OUT)
                for window in range(3):
                    cell = cell_of[measure, window]
                    more = amount if window == 2 else hour_amount
                    if cell < 0 or more == 0.0 or (window < 2 and not on_time):
                        continue
                    old = open_.counts[at, cell]
                    new = old + more
                    open_.counts[at, cell] = new
                    if new < LEAST_COUNT or (old > 0.0 and grid(new) == grid(old)):
                        continue
                    raw = judged(moments, holders, cell, window, per_kind[kind], is_log, decay, new, scratch)
                    if raw <= THRESHOLD_NATS:
                        continue
                    stratum = strata[kind] + cell
                    nats = calibrated(histograms, stratum, bin_of(raw), raw, decay[2])
                    if nats <= THRESHOLD_NATS:
                        continue
                    place = produced[0]
                    found_row[place] = row
                    found_channel[place] = stratum
                    found_entity[place] = entity
                    found_raw[place] = raw
                    found_nats[place] = nats
                    found_counts[place, COUNT] = new
                    found_counts[place, MEAN] = scratch[0]
                    found_counts[place, WINDOWS] = scratch[2]
                    found_counts[place, PEER_MEAN] = scratch[3]
                    found_counts[place, ORG_MEAN] = scratch[4]
                    found_counts[place, SLOW_MEAN] = scratch[5]
                    produced[0] += 1
    return columns.shape[0], DONE


@njit(cache=True, nogil=True)
def close_rows(
    open_: Open,
    moments: MomentArrays,
    histograms: Histograms,
    group: np.ndarray,
    organisation: np.ndarray,
    first: np.ndarray,
    how: np.ndarray,
    cell_of: np.ndarray,
    per_kind: np.ndarray,
    strata: np.ndarray,
    begin: int,
    end: int,
    decay: np.ndarray,
    weights: np.ndarray,
    holders: np.ndarray,
    scratch: np.ndarray,
) -> None:
    """Learn all windows of a range of rows and empty them; the caller has made room."""
    for row in range(begin, end):
        for window in range(3):
            close_window(
                open_,
                moments,
                histograms,
                group,
                organisation,
                first,
                how,
                cell_of,
                per_kind,
                strata,
                row,
                window,
                decay,
                weights,
                holders,
                scratch,
            )


@njit(cache=True, nogil=True)
def judge_counts(
    moments: MomentArrays,
    histograms: Histograms,
    group: np.ndarray,
    organisation: np.ndarray,
    kind_of: np.ndarray,
    first: np.ndarray,
    how: np.ndarray,
    cell_of: np.ndarray,
    what: np.ndarray,
    per_kind: np.ndarray,
    strata: np.ndarray,
    column_of: np.ndarray,
    window: int,
    decay: np.ndarray,
    entity: np.ndarray,
    counts: np.ndarray,
    out: np.ndarray,
) -> None:
    """Evidence beyond the everyday that counts of a window would give, the strongest by cause, into `out`."""
    holders, scratch = np.zeros(3, np.int64), np.zeros(6)
    for row in range(entity.shape[0]):
        who = entity[row]
        kind = np.int64(kind_of[who])
        holders[0], holders[1], holders[2] = who, group[who], organisation[kind]
        for measure in range(first[kind], first[kind + 1]):
            cell = cell_of[measure, window]
            amount = counts[row, what[measure]]
            if cell < 0 or amount < LEAST_COUNT:
                continue
            is_log = how[measure] in (BYTES_IN, BYTES_OUT)
            raw = judged(moments, holders, cell, window, per_kind[kind], is_log, decay, amount, scratch)
            if raw <= THRESHOLD_NATS:
                continue
            stratum = strata[kind] + cell
            nats = calibrated(histograms, stratum, bin_of(raw), raw, decay[2])
            column = column_of[stratum]
            out[row, column] = max(out[row, column], nats - THRESHOLD_NATS)
