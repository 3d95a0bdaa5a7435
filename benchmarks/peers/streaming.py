"""Streaming detectors: every row is scored, then learned, in order of day.

river's half-space trees (Tan, Ting, Liu, IJCAI 2011), the mean of five seeds, on features brought into [0, 1]
by quantiles of the past; PySAD's LODA (Pevny, Machine Learning 2016) on standardised features.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers.batch import VIEWS
from benchmarks.peers.common import Peer, ranked, standardised

if TYPE_CHECKING:
    from training.pedb.vectors import DayMatrix

SEEDS = (0, 1, 2, 3, 4)
LOW, HIGH = 0.01, 0.99
TREES, HEIGHT = 25, 8


def by_day(days: DayMatrix, test_days: np.ndarray) -> list[np.ndarray]:
    """Rows of each day up to the last test day, in order of day, then of entity."""
    rows = np.flatnonzero(ranked(days) & (days.day <= test_days.max()))
    rows = rows[np.lexsort((days.entity[rows], days.day[rows]))]
    starts = np.flatnonzero(np.diff(days.day[rows]) > 0) + 1
    return np.split(rows, starts)


def unit_interval(x: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Columns in [0, 1]: the past's 1% to 99% quantile is the middle third."""
    low, high = np.quantile(past, (LOW, HIGH), axis=0)
    width = np.where(high > low, high - low, 1.0)
    return np.clip((x - low) / width / 3 + 1 / 3, 0.0, 1.0)


def half_space_trees(view: str, days: DayMatrix, test_days: np.ndarray) -> np.ndarray:
    """Mean score of river's half-space trees over five seeds; a window is a day of entities."""
    from river.anomaly import HalfSpaceTrees

    x = VIEWS[view](days)
    score = np.full(len(x), np.nan)
    daily = by_day(days, test_days)
    window = max(int(np.median([len(rows) for rows in daily])), 10)
    forests = [HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=window, seed=seed) for seed in SEEDS]
    names = list(days.columns)
    past = np.zeros(0, np.int64)
    for rows in daily:
        if len(past):
            # the quantiles are those of the days before, so a day does not set its own scale
            scaled = unit_interval(x[rows], x[past]).tolist()
            for row, values in zip(rows.tolist(), scaled, strict=True):
                named = dict(zip(names, values, strict=True))
                if days.day[row] >= test_days.min():
                    score[row] = float(np.mean([forest.score_one(named) for forest in forests]))
                for forest in forests:
                    forest.learn_one(named)
        past = np.concatenate([past, rows])
    return np.where(np.isin(days.day, test_days), score, np.nan)


def streaming_loda(view: str, days: DayMatrix, test_days: np.ndarray) -> np.ndarray:
    """Score of PySAD's LODA."""
    from pysad.models import LODA

    x = VIEWS[view](days)
    score = np.full(len(x), np.nan)
    model = LODA(random_state=SEEDS[0])
    past = np.zeros(0, np.int64)
    for rows in by_day(days, test_days):
        if len(past):
            scaled = standardised(np.concatenate([x[past], x[rows]]), np.arange(len(past)))[len(past) :]
            for row, values in zip(rows.tolist(), scaled, strict=True):
                if days.day[row] >= test_days.min():
                    score[row] = float(model.score_partial(values))
                model.fit_partial(values)
        past = np.concatenate([past, rows])
    return np.where(np.isin(days.day, test_days), score, np.nan)


STREAMING_PEERS: dict[str, Peer] = {
    "river half-space trees, global": partial(half_space_trees, "global"),
    "river half-space trees, own": partial(half_space_trees, "own"),
    "PySAD LODA, global": partial(streaming_loda, "global"),
    "PySAD LODA, own": partial(streaming_loda, "own"),
}
