"""Walking trees that are kept as arrays (trees, nodes); a leaf goes to itself.

Indices are trusted to be inside.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def logit(
    features: np.ndarray,
    feature: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    threshold: np.ndarray,
    value: np.ndarray,
    depth: int,
    baseline: float,
) -> np.ndarray:
    """float64 (n,): the baseline and what the leaf of each tree adds, see `models.ranking.combiner`."""
    total = np.full(features.shape[0], baseline)
    # row by row within a tree: its nodes stay in the nearest cache
    for tree in range(feature.shape[0]):
        for row in range(features.shape[0]):
            node = 0
            for _ in range(depth):
                if left[tree, node] == node:
                    break
                goes_left = features[row, feature[tree, node]] <= threshold[tree, node]
                node = left[tree, node] if goes_left else right[tree, node]
            total[row] += value[tree, node]
    return total


@njit(cache=True)
def path_lengths(
    points: np.ndarray,
    feature: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    threshold: np.ndarray,
    length: np.ndarray,
) -> np.ndarray:
    """float64 (n,): expected path lengths of points, float32 (n, C), summed over trees."""
    total = np.zeros(points.shape[0])
    for tree in range(feature.shape[0]):
        for row in range(points.shape[0]):
            node = 0
            while left[tree, node] != node:
                goes_left = points[row, feature[tree, node]] <= threshold[tree, node]
                node = left[tree, node] if goes_left else right[tree, node]
            total[row] += length[tree, node]
    return total
