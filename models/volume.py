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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from features.lowlevel import prefetch
from features.measures import BYTES_IN, BYTES_OUT, DAY, DISTINCT, FIVE_MINUTES, FRESH, HOUR, WINDOW_US
from features.moments import SUMS, Blocks, add_moment, first_cell
from features.windows import LATE, ROWS, TODAY, Open, Seen, last_hour, trace_home, trace_key
from models.calibration import THRESHOLD_NATS, Histograms, bin_of, calibrated, observe
from models.habit import COUNTS as COUNT_COLUMNS

if TYPE_CHECKING:
    from features.measures import Cells
    from models.activity import Findings

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
EVERYDAY_SIGMAS = 1.5
"""A count that lies less than this above the mean of a distribution with shape >= 1 has at most 2.6 nats: it
is below THRESHOLD_NATS without a logarithm being taken.
"""
TABLED = 4096
"""Counts below this have their grid number and the logarithm of their factorial in a table."""
LOOK_AHEAD, LOOK_FARTHER = 4, 8
"""Events between asking for a cache line and using it; what tells where that line is, is asked for before."""

NO_GROUP = -2
"""In place of a block: the entity belongs to no peer group. (-1: the group has no block yet.)"""

DONE, NEEDS_ROOM, NEEDS_OUTPUT, NEEDS_CLOSE = range(4)
FIVE_US, HOUR_US, DAY_US = WINDOW_US
FIVES_AN_HOUR = HOUR_US // FIVE_US
COUNT, MEAN, WINDOWS, PEER_MEAN, ORG_MEAN, SLOW_MEAN = range(COUNT_COLUMNS)
"""What a volume finding's six numbers are."""


class Layout(NamedTuple):
    """Cells compiled for these kernels, see `features.measures.Cells`.

    first, how, column, cells, per_kind
        As there.
    strata
        int64 (kinds,): first calibration stratum of each kind; cells follow in their order.
    kept_first, kept
        Measures whose window w of kind k is kept: kept[kept_first[3 * k + w] : kept_first[3 * k + w + 1]].
    grids
        int16 (TABLED,): `grid` of every whole amount.
    """

    first: np.ndarray
    how: np.ndarray
    column: np.ndarray
    cells: np.ndarray
    per_kind: np.ndarray
    strata: np.ndarray
    kept_first: np.ndarray
    kept: np.ndarray
    grids: np.ndarray


def layout(cells: Cells, strata: np.ndarray) -> Layout:
    """The layout of compiled cells."""
    kept = [
        [
            measure
            for measure in range(cells.first[kind], cells.first[kind + 1])
            if cells.cells[measure, window] >= 0
        ]
        for kind in range(len(cells.per_kind))
        for window in range(len(WINDOW_US))
    ]
    return Layout(
        cells.first,
        cells.how,
        cells.column,
        cells.cells,
        cells.per_kind,
        strata,
        np.cumsum([0, *map(len, kept)]).astype(np.int64),
        np.array([measure for measures in kept for measure in measures], np.int64),
        np.array([grid(float(amount)) for amount in range(TABLED)], np.int16),
    )


class Level(NamedTuple):
    """One level's windows, sum and sum of squares of a cell, decayed as of now."""

    n: float
    x: float
    xx: float


class Expected(NamedTuple):
    """What is usual for a cell. mean, variance (mean < 0: unknown), the entity's own windows, and the means
    of its peers (of everybody where it has none) and of everybody.
    """

    mean: float
    variance: float
    windows: float
    peer_mean: float
    org_mean: float


@njit(cache=True, inline="always")
def _levels(
    sums: np.ndarray, first: int, cell: int, active: int, is_log: bool, fast: float, slow: float
) -> tuple[Level, Level]:
    """Fast and slow sums of a cell of a block (first < 0: there is none): n counts all active windows for
    counts (cell `active`), those with traffic for logarithms.

    fast, slow: factors that make weights windows as of now.
    """
    n, slow_n, x, xx, slow_x, slow_xx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if first >= 0:
        at = SUMS * (first + cell)
        n, slow_n = np.float64(sums[at]), np.float64(sums[at + 3])
        x, xx = np.float64(sums[at + 1]), np.float64(sums[at + 2])
        slow_x, slow_xx = np.float64(sums[at + 4]), np.float64(sums[at + 5])
        if not is_log:
            at = SUMS * (first + active)
            n, slow_n = max(n, np.float64(sums[at])), max(slow_n, np.float64(sums[at + 3]))
    return Level(n * fast, x * fast, xx * fast), Level(slow_n * slow, slow_x * slow, slow_xx * slow)


@njit(cache=True, inline="always")
def expected(own: Level, peers: Level, everybody: Level, grouped: bool) -> Expected:
    """Each level shrunk to the one above it."""
    if everybody.n < LEAST_WINDOWS or everybody.x <= 0.0:
        return Expected(-1.0, 0.0, 0.0, -1.0, 0.0)
    mean, square = everybody.x / everybody.n, everybody.xx / everybody.n
    org_mean = mean
    if grouped:
        mean = (peers.x + K_WINDOWS * mean) / (peers.n + K_WINDOWS)
        square = (peers.xx + K_WINDOWS * square) / (peers.n + K_WINDOWS)
    peer_mean = mean
    mean = (own.x + K_WINDOWS * mean) / (own.n + K_WINDOWS)
    square = (own.xx + K_WINDOWS * square) / (own.n + K_WINDOWS)
    return Expected(mean, square - mean * mean, own.n, peer_mean, org_mean)


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


@njit(cache=True, inline="always")
def usual(
    own: np.ndarray,
    above: np.ndarray,
    entity: int,
    group: int,
    organisation: int,
    cell: int,
    active: int,
    is_log: bool,
    fast: float,
    slow: float,
) -> tuple[Expected, Expected]:
    """What the fast and the slow history expect of a cell.

    entity, group, organisation: first cells of their blocks in `own` and `above`; group NO_GROUP: it has
    none. fast, slow: factors that make weights windows as of now.
    """
    org, org_slow = _levels(above, organisation, cell, active, is_log, fast, slow)
    peers, peers_slow = _levels(above, group, cell, active, is_log, fast, slow)
    mine, mine_slow = _levels(own, entity, cell, active, is_log, fast, slow)
    grouped = group != NO_GROUP
    return expected(mine, peers, org, grouped), expected(mine_slow, peers_slow, org_slow, grouped)


@njit(cache=True)
def judged(fast: Expected, slow: Expected, is_log: bool, amount: float) -> float:
    """Raw evidence of an amount, against the fast or the slow history, whichever it departs from more."""
    x = log1p(amount) if is_log else amount
    best = 0.0
    for one in (slow, fast):
        if one.mean < 0.0:
            continue
        if is_log:
            best = max(best, log_nats(x, one.mean, one.variance, one.windows))
        else:
            best = max(best, count_nats(x, one.mean, one.variance))
    return best


@njit(cache=True)
def everyday(count: float, mean: float, variance: float) -> bool:
    """Whether `count_nats` is surely at most THRESHOLD_NATS: a look that takes few logarithms or none.

    With shape r < 1 the tail is at least its first term over 1 - ratio of the first two, and that term, with
    Gamma(count + r) / Gamma(count + 1) >= (count + r)^(r - 1) (Wendel, American Mathematical Monthly 55,
    1948) and 1 / Gamma(r) >= r, at least r (count + r)^(r - 1) success^r (1 - success)^count.
    """
    if count <= mean or mean < 0.0:
        return True
    spread = max(variance, mean * 1.05 + 1e-9)
    shape = mean * mean / (spread - mean)
    if shape >= 1.0:
        away = count - mean
        return away * away <= EVERYDAY_SIGMAS**2 * spread
    success = mean / spread
    ratio = (count + shape) / (count + 1.0) * (1.0 - success)
    least = (
        log(shape / ((count + shape) * (1.0 - ratio)))
        + shape * log((count + shape) * success)
        + count * log1p(-success)
    )
    return -least <= THRESHOLD_NATS - 1e-6


@njit(cache=True, inline="always")
def grid(amount: float) -> int:
    """Number of the half power of two at or below an amount; amounts are judged when it grows."""
    mantissa, exponent = frexp(amount)
    return 2 * exponent + (1 if mantissa >= 0.70710678 else 0)


@njit(cache=True, inline="always")
def _grew(old: float, new: float, grids: np.ndarray) -> bool:
    """Whether an amount has passed another half power of two. grids: `Layout.grids`."""
    if new < TABLED and new == np.floor(new):
        return bool(grids[np.int64(new)] != grids[np.int64(old)])
    return old <= 0.0 or grid(new) != grid(old)


@njit(cache=True)
def close_window(
    open_: Open,
    own: Blocks,
    above: Blocks,
    histograms: Histograms,
    layout_: Layout,
    row: int,
    window: int,
    group: int,
    organisation: int,
    fast: float,
    slow: float,
    score: float,
) -> None:
    """Learn one entity's window of one length, and empty it. group (0: none), organisation: ids. fast, slow,
    score: weights of the day.
    """
    kind, at = np.int64(open_.kind[row]), 3 * np.int64(open_.kind[row]) + window
    active = layout_.per_kind[kind] + window
    length = layout_.per_kind[kind] + len(WINDOW_US)
    mine = first_cell(own, open_.entity[row], length)
    everybody = first_cell(above, organisation, length)
    peers = first_cell(above, group, length) if group != 0 else NO_GROUP
    any_ = False
    for index in range(layout_.kept_first[at], layout_.kept_first[at + 1]):
        measure = layout_.kept[index]
        cell = layout_.cells[measure, window]
        amount = open_.counts[row, cell]
        if amount <= 0.0:
            continue
        any_ = True
        is_log = layout_.how[measure] == BYTES_IN or layout_.how[measure] == BYTES_OUT
        x = log1p(amount) if is_log else amount
        raw = 0.0
        if amount >= LEAST_COUNT:
            now, before = usual(
                own.sums,
                above.sums,
                mine,
                peers,
                everybody,
                cell,
                active,
                is_log,
                1.0 / fast,
                1.0 / slow,
            )
            raw = judged(now, before, is_log, amount)
            if now.mean < 0.0:
                now = before
            if now.mean >= 0.0:
                spread = sqrt(max(now.variance, LEAST_LOG_SPREAD**2 if is_log else now.mean))
                x = min(x, now.mean + WINSOR_SIGMAS * spread + (1.0 if is_log else 3.0))
        observe(histograms, layout_.strata[kind] + cell, bin_of(raw), score)
        add_moment(own.sums, mine + cell, x, fast, slow)
        add_moment(above.sums, everybody + cell, x, fast, slow)
        if group != 0:
            add_moment(above.sums, peers + cell, x, fast, slow)
        open_.counts[row, cell] = 0.0
    if any_ or window > 0:
        add_moment(own.sums, mine + active, 0.0, fast, slow)
        add_moment(above.sums, everybody + active, 0.0, fast, slow)
        if group != 0:
            add_moment(above.sums, peers + active, 0.0, fast, slow)


@njit(cache=True, inline="always")
def _block_or_none(first: np.ndarray, holder: int) -> int:
    return np.int64(first[holder]) if holder != 0 else NO_GROUP


@njit(cache=True, inline="always")
def _look_farther(row_of: np.ndarray, own_first: np.ndarray, columns: np.ndarray, row: int) -> None:
    """Ask for what says where an event's entities have their counts and sums."""
    for place in range(columns.shape[1] - 3, columns.shape[1]):
        prefetch(row_of, np.int64(columns[row, place]))
        prefetch(own_first, np.int64(columns[row, place]))


@njit(cache=True, inline="always")
def _look_ahead(
    row_of: np.ndarray,
    fives: np.ndarray,
    counts: np.ndarray,
    width: int,
    own_first: np.ndarray,
    own_sums: np.ndarray,
    columns: np.ndarray,
    row: int,
) -> None:
    """Ask for the beginning of an event's entities' counts and sums, where the commonest measures are."""
    for place in range(columns.shape[1] - 3, columns.shape[1]):
        at = np.int64(row_of[columns[row, place]])
        if at >= 0:
            prefetch(fives, at)
            prefetch(counts, at * width)
            prefetch(counts, at * width + 8)
        begin = SUMS * np.int64(own_first[columns[row, place]])
        if begin >= 0:
            prefetch(own_sums, begin)
            prefetch(own_sums, begin + 16)


@njit(cache=True, inline="always")
def _look_for_traces(
    traces: np.ndarray,
    first: np.ndarray,
    how: np.ndarray,
    column_of: np.ndarray,
    columns: np.ndarray,
    row: int,
    mask: int,
) -> None:
    """Ask for the places of the values that an event may count."""
    for kind in range(3):
        entity = np.int64(columns[row, columns.shape[1] - 3 + kind])
        if entity == 0:
            continue
        for measure in range(first[kind], first[kind + 1]):
            if mask >> measure & 1 != 0 and how[measure] == DISTINCT:
                value = np.int64(columns[row, column_of[measure]])
                if value != 0:
                    prefetch(traces, trace_home(traces, trace_key(entity, measure, value)))


@njit(cache=True, nogil=True)
def observe_rows(  # noqa: C901 - one loop on purpose, like the engine's
    open_: Open,
    seen: Seen,
    own: Blocks,
    above: Blocks,
    histograms: Histograms,
    layout_: Layout,
    group: np.ndarray,
    organisation: np.ndarray,
    masks: np.ndarray,
    activity: int,
    columns: np.ndarray,
    time_us: np.ndarray,
    bytes_in: np.ndarray,
    bytes_out: np.ndarray,
    fresh: np.ndarray,
    weights: tuple[float, float, float],
    room: int,
    found: Findings,
    woken_row: np.ndarray,
    woken_entity: np.ndarray,
    produced: np.ndarray,
    start: int,
) -> tuple[int, int]:
    """Count events, judge windows that grew; returns (next row, DONE | NEEDS_...).

    masks: int64 (values,): bit m set when measure m counts events of that activity. weights: of the day, of
    fast and slow sums and of scores. room: cells that one event may add. produced: [findings, entities seen
    for the first time today].
    """
    meta, row_of, counts, fives = open_.meta, open_.row_of, open_.counts, open_.five
    first, how, column_of, cell_of = layout_.first, layout_.how, layout_.column, layout_.cells
    per_kind, strata, grids = layout_.per_kind, layout_.strata, layout_.grids
    kept_first, kept = layout_.kept_first, layout_.kept
    own_first, own_sums, above_first, above_sums = own.first, own.sums, above.first, above.sums
    fast, slow, score = weights
    fast_decay, slow_decay, score_decay = 1.0 / fast, 1.0 / slow, 1.0 / score
    width = columns.shape[1]
    flat_counts = counts.reshape(-1)
    for row in range(start, columns.shape[0]):
        if row + LOOK_FARTHER < columns.shape[0]:
            _look_farther(row_of, own_first, columns, row + LOOK_FARTHER)
            _look_ahead(
                row_of, fives, flat_counts, counts.shape[1], own_first, own_sums, columns, row + LOOK_AHEAD
            )
            _look_for_traces(
                seen.traces,
                first,
                how,
                column_of,
                columns,
                row + LOOK_AHEAD,
                masks[columns[row + LOOK_AHEAD, activity]],
            )
        day = time_us[row] // DAY_US
        if day > meta[TODAY]:
            return row, NEEDS_CLOSE
        if day < meta[TODAY]:
            meta[LATE] += 1
            continue
        if produced[0] + 3 * how.shape[0] > found.row.shape[0] or produced[1] + 3 > woken_row.shape[0]:
            return row, NEEDS_OUTPUT
        if (
            meta[ROWS] + 3 > open_.entity.shape[0]
            or own.meta[0] + room > own.meta[1]
            or above.meta[0] + 2 * room > above.meta[1]
        ):
            return row, NEEDS_ROOM
        hour, five = time_us[row] // HOUR_US, time_us[row] // FIVE_US
        mask = masks[columns[row, activity]]
        for kind in range(3):
            entity = np.int64(columns[row, width - 3 + kind])
            if entity == 0:
                continue
            at = np.int64(row_of[entity])
            if at < 0:
                at = meta[ROWS]
                meta[ROWS] += 1
                row_of[entity] = at
                open_.entity[at] = entity
                open_.kind[at] = kind
                fives[at] = five
                woken_row[produced[1]] = row
                woken_entity[produced[1]] = entity
                produced[1] += 1
            peers, everybody = np.int64(group[entity]), organisation[kind]
            if five > fives[at]:
                if hour > fives[at] // FIVES_AN_HOUR:
                    close_window(
                        open_, own, above, histograms, layout_, at, HOUR, peers, everybody, fast, slow, score
                    )
                # few measures keep five minutes: mostly there is nothing to close
                shortest = 3 * kind + FIVE_MINUTES
                for index in range(kept_first[shortest], kept_first[shortest + 1]):
                    if counts[at, cell_of[kept[index], FIVE_MINUTES]] > 0.0:
                        close_window(
                            open_,
                            own,
                            above,
                            histograms,
                            layout_,
                            at,
                            FIVE_MINUTES,
                            peers,
                            everybody,
                            fast,
                            slow,
                            score,
                        )
                        break
                fives[at] = five
            first_window = FIVE_MINUTES if hour == fives[at] // FIVES_AN_HOUR else DAY
            for measure in range(first[kind], first[kind + 1]):
                if mask >> measure & 1 == 0:
                    continue
                amount = 1.0
                hour_amount = 1.0
                counting = how[measure]
                is_log = False
                if counting == DISTINCT:
                    value = np.int64(columns[row, column_of[measure]])
                    if value == 0:
                        continue
                    before = last_hour(seen.traces, meta, entity, measure, value, hour)
                    amount = 1.0 if before < day * 24 else 0.0
                    hour_amount = 1.0 if before < hour else 0.0
                elif counting == BYTES_IN:
                    amount = hour_amount = np.float64(bytes_in[row])
                    is_log = True
                elif counting == BYTES_OUT:
                    amount = hour_amount = np.float64(bytes_out[row])
                    is_log = True
                elif counting == FRESH:
                    amount = hour_amount = np.float64(fresh[row, kind])
                if hour_amount == 0.0:
                    continue
                for window in range(first_window, 3):
                    cell = cell_of[measure, window]
                    more = amount if window == DAY else hour_amount
                    if cell < 0 or more == 0.0:
                        continue
                    old = counts[at, cell]
                    new = old + more
                    counts[at, cell] = new
                    if new < LEAST_COUNT or not _grew(old, new, grids):
                        continue
                    now, before_now = usual(
                        own_sums,
                        above_sums,
                        np.int64(own_first[entity]),
                        _block_or_none(above_first, peers),
                        np.int64(above_first[everybody]),
                        cell,
                        per_kind[kind] + window,
                        is_log,
                        fast_decay,
                        slow_decay,
                    )
                    if (
                        not is_log
                        and everyday(new, now.mean, now.variance)
                        and everyday(new, before_now.mean, before_now.variance)
                    ):
                        continue
                    raw = judged(now, before_now, is_log, new)
                    if raw <= THRESHOLD_NATS:
                        continue
                    stratum = strata[kind] + cell
                    nats = calibrated(histograms, stratum, bin_of(raw), raw, score_decay)
                    if nats <= THRESHOLD_NATS:
                        continue
                    if now.mean < 0.0:
                        now = before_now
                    place = produced[0]
                    found.row[place] = row
                    found.channel[place] = stratum
                    found.entity[place] = entity
                    found.raw[place] = raw
                    found.nats[place] = nats
                    found.counts[place, COUNT] = new
                    found.counts[place, MEAN] = now.mean
                    found.counts[place, WINDOWS] = now.windows
                    found.counts[place, PEER_MEAN] = now.peer_mean
                    found.counts[place, ORG_MEAN] = now.org_mean
                    found.counts[place, SLOW_MEAN] = before_now.mean
                    produced[0] += 1
    return columns.shape[0], DONE


@njit(cache=True, nogil=True)
def close_rows(
    open_: Open,
    own: Blocks,
    above: Blocks,
    histograms: Histograms,
    layout_: Layout,
    group: np.ndarray,
    organisation: np.ndarray,
    begin: int,
    end: int,
    weights: tuple[float, float, float],
) -> None:
    """Learn all windows of a range of rows and empty them; the caller has made room."""
    for row in range(begin, end):
        peers, everybody = np.int64(group[open_.entity[row]]), organisation[open_.kind[row]]
        for window in range(3):
            close_window(
                open_,
                own,
                above,
                histograms,
                layout_,
                row,
                window,
                peers,
                everybody,
                weights[0],
                weights[1],
                weights[2],
            )


@njit(cache=True, nogil=True)
def judge_counts(
    own: Blocks,
    above: Blocks,
    histograms: Histograms,
    layout_: Layout,
    group: np.ndarray,
    organisation: np.ndarray,
    kind_of: np.ndarray,
    what: np.ndarray,
    column_of: np.ndarray,
    window: int,
    weights: tuple[float, float, float],
    entity: np.ndarray,
    counts: np.ndarray,
    out: np.ndarray,
) -> None:
    """Evidence beyond the everyday that counts of a window would give, the strongest by cause, into `out`."""
    for row in range(entity.shape[0]):
        who = entity[row]
        kind = np.int64(kind_of[who])
        for measure in range(layout_.first[kind], layout_.first[kind + 1]):
            cell = layout_.cells[measure, window]
            amount = counts[row, what[measure]]
            if cell < 0 or amount < LEAST_COUNT:
                continue
            is_log = layout_.how[measure] == BYTES_IN or layout_.how[measure] == BYTES_OUT
            now, before = usual(
                own.sums,
                above.sums,
                np.int64(own.first[who]),
                _block_or_none(above.first, group[who]),
                np.int64(above.first[organisation[kind]]),
                cell,
                layout_.per_kind[kind] + window,
                is_log,
                1.0 / weights[0],
                1.0 / weights[1],
            )
            raw = judged(now, before, is_log, amount)
            if raw <= THRESHOLD_NATS:
                continue
            stratum = layout_.strata[kind] + cell
            nats = calibrated(histograms, stratum, bin_of(raw), raw, 1.0 / weights[2])
            column = column_of[stratum]
            out[row, column] = max(out[row, column], nats - THRESHOLD_NATS)
