"""Members that are fitted on all past entity-days at once: neighbours, histogram, isolation forest.

Each is fitted for every entity kind by itself: a distance among hosts says nothing of one among users.
Scores are raw, higher is stranger; `models.ranking.tails` makes nats of them by the kind's own past.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from models.ranking.tree_walk import leaf_sums

if TYPE_CHECKING:
    from models.days import DayTable

BIN_WIDTH = 0.5
BIN_FIRST, BINS = -1.0, 32
"""Bins of z: what lies beyond the last one counts as in it."""
TREES = 100
TREE_ROWS = 256
"""Trees, and rows for each: the defaults of Liu, Ting, Zhou, "Isolation Forest", ICDM 2008."""
BENIGN_SHARE = 0.995
"""Share of the past with the lowest total evidence that neighbours are looked for in: the rest is not what an
unlabelled past vouches for.
"""
LEAST_SPREAD = 0.01
OWN_DAYS = 3.0
"""Days that the kind's usual distance weighs beside an entity's own."""
OWN_SHARE, OWN_FLOOR = 0.5, 0.25
"""An entity's spread of ln(distance): the kind's variance counts this share for OWN_DAYS days, and it is
never below this part of the kind's.
"""
NEAR = 0.05
"""Added to a distance before its logarithm: nearer than this is the same place."""
DIGITS = 5
"""Decimals kept of a distance: a matrix product rounds differently for other sizes of a batch."""


def evidence_space(evidence: np.ndarray) -> np.ndarray:
    """float32 (n, E): ln(1 + nats) by cause."""
    return np.asarray(np.log1p(np.maximum(evidence, 0.0)), np.float32)


def count_space(days: DayTable, z: np.ndarray) -> np.ndarray:
    """float32 (n, 2 C): ln(1 + counts), and the same relative to the entity's own days."""
    return np.concatenate([np.log1p(days.counts).astype(np.float32), z], axis=1)


@dataclass(frozen=True)
class Neighbours:
    """Mean distance to the nearest past days (Angiulli, Pizzuti, "Fast Outlier Detection in High Dimensional
    Spaces", 2002).

    Attributes
    ----------
    reference
        float32 (m, D) past days.
    neighbours
        How many the distance is averaged over; fewer where there are fewer.
    spread
        Added to every column's own spread: differences that small say little.
    """

    reference: np.ndarray
    neighbours: int
    spread: float = LEAST_SPREAD

    @cached_property
    def _scale(self) -> np.ndarray:
        """Every column by its own spread, so that none outweighs the others by its unit."""
        return np.asarray(1.0 / (self.reference.std(0, dtype=np.float64) + self.spread), np.float32)

    @cached_property
    def _model(self) -> Any:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(algorithm="brute").fit(self.reference * self._scale)

    def score(self, points: np.ndarray, *, own_place: bool = False) -> np.ndarray:
        """float64 (n,) mean distances. own_place: the points (or what they were made of) are among the
        reference, so that each leaves its nearest one out. O(n m D).
        """
        left_out = int(own_place)
        count = min(self.neighbours + left_out, len(self.reference))
        if count <= left_out or not len(points):
            return np.zeros(len(points))
        first, same = _distinct(points)
        distances = np.asarray(self._model.kneighbors(points[first] * self._scale, count)[0], np.float64)
        return np.asarray(np.round(distances[:, left_out:].mean(1), DIGITS)[same], np.float64)


def _distinct(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of different points, and which of these each row is: many quiet days are one point."""
    rows = np.ascontiguousarray(points).view(np.dtype((np.void, points.shape[1] * points.itemsize)))
    _, first, same = np.unique(rows.ravel(), return_index=True, return_inverse=True)
    return first, same


@dataclass(frozen=True)
class OwnDistances:
    """How far from everything an entity usually is: some (a server, a service) lie apart on every day.

    What is compared is the logarithm of a distance (`log_distance`).

    Attributes
    ----------
    entities
        int64 (k,) ids, ascending.
    sums
        float64 (k, 3): days, sum and sum of squares about the kind's mean.
    level
        float64 (2,): mean and standard deviation of the kind.
    """

    entities: np.ndarray
    sums: np.ndarray
    level: np.ndarray

    @classmethod
    def fitted(cls, entity: np.ndarray, x: np.ndarray) -> OwnDistances:
        """Of past days; O(n log n)."""
        level = np.array([x.mean(), x.std()]) if len(x) else np.array([0.0, 1.0])
        entities, place = np.unique(entity.astype(np.int64), return_inverse=True)
        x = x - level[0]
        sums = np.stack(
            [np.bincount(place, weight, len(entities)) for weight in (x * 0 + 1, x, x * x)], axis=1
        )
        return cls(entities, sums.reshape(len(entities), 3), level)

    def score(self, entity: np.ndarray, x: np.ndarray, *, own_place: bool = False) -> np.ndarray:
        """float64 (n,): standard deviations above the entity's own mean, shrunk to the kind's.

        own_place: these very days were fitted, and each leaves itself out.
        """
        x = x - self.level[0]
        sums = np.zeros((len(x), 3))
        if len(self.entities):
            at = np.minimum(np.searchsorted(self.entities, entity), len(self.entities) - 1)
            known = self.entities[at] == entity
            sums[known] = self.sums[at[known]]
        if own_place:
            sums -= np.stack([np.ones(len(x)), x, x * x], axis=1)
        days, total, squares = np.maximum(sums[:, 0], 0.0), sums[:, 1], sums[:, 2]
        spread = self.level[1]
        mean = total / (days + OWN_DAYS)
        variance = (squares + OWN_DAYS * OWN_SHARE * spread**2) / (days + OWN_DAYS) - mean**2
        deviation = np.sqrt(np.maximum(variance, (OWN_FLOOR * spread) ** 2 + 1e-12))
        return np.asarray(np.round((x - mean) / deviation, DIGITS), np.float64)


def log_distance(distance: np.ndarray) -> np.ndarray:
    """Logarithms of distances, float64, with a floor for those that are practically 0."""
    return np.asarray(np.log(distance + NEAR), np.float64)


@dataclass(frozen=True)
class Histogram:
    """Sum over measures of -ln density of z, a histogram each (Goldstein, Dengel, "Histogram-based Outlier
    Score", 2012).

    Attributes
    ----------
    nats
        float64 (C, BINS) -ln of the share of past days in each bin, one pseudo-day a bin.
    """

    nats: np.ndarray

    @staticmethod
    def _bins(z: np.ndarray) -> np.ndarray:
        return np.clip(((z - BIN_FIRST) / BIN_WIDTH).astype(np.int64), 0, BINS - 1)

    @classmethod
    def fitted(cls, z: np.ndarray) -> Histogram:
        """Of past days, float32 (m, C)."""
        measures = z.shape[1]
        bins = cls._bins(z) + BINS * np.arange(measures)
        share = np.bincount(bins.ravel(), minlength=BINS * measures).reshape(measures, BINS) + 1.0
        return cls(-np.log(share / share.sum(1, keepdims=True)))

    def score(self, z: np.ndarray) -> np.ndarray:
        """float64 (n,) mean nats over measures."""
        if not z.shape[1]:
            return np.zeros(len(z))
        return np.asarray(self.nats[np.arange(z.shape[1]), self._bins(z)].mean(1), np.float64)


class Forest:
    """An isolation forest over z. It is not stored: the same rows and seed give the same trees again.

    Parameters
    ----------
    reference
        float32 (m, C) past days.
    seed
        Of the trees.
    """

    def __init__(self, reference: np.ndarray, seed: int) -> None:
        self._walk: tuple[np.ndarray, ...] | None = None
        if len(reference) > 1 and reference.shape[1]:
            self._walk = _grown(np.asarray(reference, np.float32), seed)

    def score(self, z: np.ndarray) -> np.ndarray:
        """float64 (n,) anomaly scores between 0 and 1."""
        if self._walk is None or not len(z):
            return np.zeros(len(z))
        feature, left, right, threshold, length, denominator = self._walk
        points, nodes = np.ascontiguousarray(z, np.float32), feature.shape[1]
        depths = leaf_sums(points, feature, left, right, threshold, length, nodes, 0.0)
        return np.asarray(2.0 ** (-depths / denominator), np.float64)


def _grown(reference: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """The trees as arrays (trees, nodes) with the expected path length of each leaf, and what their sum is
    divided by. scikit-learn has no public door to the lengths; a test compares scores with its own.
    """
    from sklearn.ensemble import IsolationForest
    from sklearn.ensemble._iforest import _average_path_length

    rows = min(TREE_ROWS, len(reference))
    model: Any = IsolationForest(n_estimators=TREES, max_samples=rows, random_state=seed).fit(reference)
    shape = (TREES, max(each.tree_.node_count for each in model.estimators_))
    itself = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
    feature, left, right = np.zeros(shape, np.int32), itself.copy(), itself.copy()
    threshold, length = np.zeros(shape), np.zeros(shape)
    for index, (each, columns) in enumerate(zip(model.estimators_, model.estimators_features_, strict=True)):
        tree, size = each.tree_, each.tree_.node_count
        inner = tree.children_left >= 0
        feature[index, :size][inner] = columns[tree.feature[inner]]
        left[index, :size][inner] = tree.children_left[inner]
        right[index, :size][inner] = tree.children_right[inner]
        threshold[index, :size] = tree.threshold
        length[index, :size] = tree.compute_node_depths() + _average_path_length(tree.n_node_samples) - 1.0
    return feature, left, right, threshold, length, TREES * _average_path_length(np.array([rows]))
