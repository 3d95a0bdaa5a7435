"""What peers share: which rows they see when, and in what form."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from training.pedb.vectors import DayMatrix, entity_z

REFIT_DAYS = 7
FIT_ROWS = 20_000
"""A fit sees at most so many rows, drawn from the past: neighbours cost their square."""
Z_LIMIT = 10.0
"""One count of a thousand deviations would be all that a distance sees."""

Peer = Callable[[DayMatrix, np.ndarray], np.ndarray]


def ranked(days: DayMatrix) -> np.ndarray:
    """(n,) whether a row is a user's or a host's."""
    return days.kind != "src_ip"


def never_seen_before(days: DayMatrix, test_days: np.ndarray) -> np.ndarray:
    """How many values an entity showed for the first time that day."""
    score = days.column("first_seen").astype(np.float64)
    return np.where(np.isin(days.day, test_days) & ranked(days), score, np.nan)


def blocks(days: DayMatrix, test_days: np.ndarray, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows to fit on, rows to score) for each week of test days: everything before it, then its own rows."""
    test_days = np.sort(test_days)
    usable = ranked(days)
    for start in range(0, len(test_days), REFIT_DAYS):
        week = test_days[start : start + REFIT_DAYS]
        past = np.flatnonzero(usable & (days.day < week[0]))
        if len(past) > FIT_ROWS:
            past = np.sort(np.random.default_rng((seed, int(week[0]))).choice(past, FIT_ROWS, replace=False))
        yield past, np.flatnonzero(usable & np.isin(days.day, week))


def logarithms(days: DayMatrix) -> np.ndarray:
    """(n, C) float64 log1p counts."""
    return np.log1p(np.maximum(days.counts, 0).astype(np.float64))


def own_deviations(days: DayMatrix) -> np.ndarray:
    """(n, C) float64 deviations from the entity's own past, cut at 10."""
    return np.clip(entity_z(days), -Z_LIMIT, Z_LIMIT)


def standardised(x: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Columns in deviations of the past rows; a column that never varied is 0 there and stays in its unit."""
    spread = x[past].std(axis=0)
    return (x - x[past].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
