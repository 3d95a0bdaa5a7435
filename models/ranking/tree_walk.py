"""Walking trees that are kept as arrays (trees, nodes); a leaf goes to itself.

Indices are trusted to be inside.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def leaf_sums(
    points: np.ndarray,
    feature: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    threshold: np.ndarray,
    value: np.ndarray,
    depth: int,
    start: float,
) -> np.ndarray:
    """float64 (n,): `start` and what the leaf of each tree adds for points, floats (n, C).

    depth: steps from a root to the deepest leaf, or more.
    """
    total = np.full(points.shape[0], start)
    # row by row within a tree: its nodes stay in the nearest cache
    for tree in range(feature.shape[0]):
        for row in range(points.shape[0]):
            node = 0
            for _ in range(depth):
                if left[tree, node] == node:
                    break
                goes_left = points[row, feature[tree, node]] <= threshold[tree, node]
                node = left[tree, node] if goes_left else right[tree, node]
            total[row] += value[tree, node]
    return total
