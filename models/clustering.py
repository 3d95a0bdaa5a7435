"""Clusters of directions that keep their numbers when they are found again from changed data."""

from __future__ import annotations

import numpy as np

LEAST_MEMBERS = 5
"""Entities that make a group; half of it (rounded up) is enough to stay one."""
LEAST_SILHOUETTE = 0.1
"""Mean silhouette below which there are no groups to speak of (Rousseeuw, "Silhouettes", J. Comput. Appl.
Math. 20, 1987, calls up to 0.25 no substantial structure; clusters in many dimensions score low).
"""
CLEARLY = 0.05
"""How much better another clustering (in silhouette), or closer another group (in cosine), must be for a
change; and how much worse the silhouette of fewer groups may be for them to be preferred.
"""
MOST_GROUPS = 64
STARTS, SWEEPS = 4, 50
FITTED, JUDGED = 10_000, 2_000
"""Points (a random choice of more) that centres are fitted on, and that the silhouette is computed on."""


def numbered(points: np.ndarray, old: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Group numbers of points, like those they had.

    Parameters
    ----------
    points
        Unit vectors, float64 (n, d).
    old
        Present group numbers, int64 (n,), 0 for none.
    rng
        Of the random starts and samples.

    Returns
    -------
    int64 (n,), 0 for points in no group: all of them when there are too few or they show no clusters, and
    those of clusters with too few members.

    Notes
    -----
    The number of groups is the smallest of about sqrt(n / 2) x (1/4, ..., 1.4), at most MOST_GROUPS, whose
    silhouette is within CLEARLY of the best (sqrt(n / 2): Mardia, Kent, Bibby, "Multivariate Analysis",
    1979). O(n groups d), beside O(JUDGED^2 d) for the silhouettes.
    """
    n = len(points)
    none = np.zeros(n, np.int64)
    if n < 2 * LEAST_MEMBERS:
        return none
    fitted = points[np.sort(rng.permutation(n)[:FITTED])]
    judged = np.sort(rng.permutation(n)[:JUDGED])
    centres, quality = _fresh(fitted, points[judged], rng)
    present = np.unique(old[old > 0])
    if len(present) > 1:
        begin = np.array([_unit(points[old == number].sum(axis=0)) for number in present])
        kept = _converged(fitted, begin)
        quality_kept = _silhouette(points[judged], nearest(points[judged], kept))
        if quality_kept >= quality - CLEARLY:
            centres, quality = kept, quality_kept
    if quality < LEAST_SILHOUETTE:
        return none
    found = nearest(points, centres)
    number = _matched(found, old, len(centres))
    here = _steady(points, centres, number, found, old)
    members = np.bincount(here, minlength=len(centres))
    stays = np.isin(number, present)
    enough = members >= np.where(stays, -(-LEAST_MEMBERS // 2), LEAST_MEMBERS)
    return np.where(enough[here], number[here], 0)


def nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Place of the centre with the largest cosine to each point, int64 (n,)."""
    closest: np.ndarray = np.argmax(points @ centres.T, axis=1).astype(np.int64)
    return closest


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / max(float(np.sqrt((vector**2).sum())), 1e-300)
    return unit


def _converged(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Centres after spherical k-means from a start."""
    # scikit-learn's sums depend on how its threads come to finish; these do not
    centres = centres.copy()
    found = np.full(len(points), -1)
    for _ in range(SWEEPS):
        before, found = found, nearest(points, centres)
        if np.array_equal(before, found):
            break
        for place in np.unique(found).tolist():
            centres[place] = _unit(points[found == place].sum(axis=0))
    return centres


def _scattered(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Starting centres far from each other: k-means++ (Arthur, Vassilvitskii, SODA 2007) on 1 - cosine."""
    chosen = [int(rng.integers(len(points)))]
    distance = 1.0 - points @ points[chosen[0]]
    while len(chosen) < count:
        odds = np.maximum(distance, 0.0)
        total = float(odds.sum())
        if total <= 1e-12 * len(points):  # fewer distinct points than centres
            break
        chosen.append(int(np.searchsorted(np.cumsum(odds), rng.random() * total).clip(0, len(points) - 1)))
        distance = np.minimum(distance, 1.0 - points @ points[chosen[-1]])
    return points[chosen]


def _fresh(points: np.ndarray, judged: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Centres found from random starts, and their silhouette; as few as do nearly as well as any."""
    middle = np.sqrt(len(points) / 2.0)
    counts = sorted({min(MOST_GROUPS, max(2, round(middle * 2.0 ** (step / 4)))) for step in range(-8, 3)})
    tried = []
    for count in counts:
        runs = [_converged(points, _scattered(points, count, rng)) for _ in range(STARTS)]
        tightness = [float((points @ centres.T).max(axis=1).sum()) for centres in runs]
        centres = runs[int(np.argmax(tightness))]
        tried.append((centres, _silhouette(judged, nearest(judged, centres))))
    best = max(quality for _, quality in tried)
    return next(each for each in tried if each[1] >= best - CLEARLY)


def _silhouette(points: np.ndarray, found: np.ndarray) -> float:
    """Mean silhouette in cosine distance; -1 when all are in one cluster or each in its own."""
    from sklearn.metrics import silhouette_score

    clusters = len(np.unique(found))
    if not 2 <= clusters < len(points):
        return -1.0
    return float(silhouette_score(points, found, metric="cosine"))


def _matched(found: np.ndarray, old: np.ndarray, clusters: int) -> np.ndarray:
    """Number of each cluster: that of the old group it shares most members with (an assignment that keeps as
    many members as possible), else one not used yet.
    """
    from scipy.optimize import linear_sum_assignment

    present = np.unique(old[old > 0])
    number = np.zeros(clusters, np.int64)
    if len(present):
        overlap = np.zeros((clusters, len(present)), np.int64)
        had = old > 0
        np.add.at(overlap, (found[had], np.searchsorted(present, old[had])), 1)
        rows, columns = linear_sum_assignment(-overlap)
        shared = overlap[rows, columns] > 0
        number[rows[shared]] = present[columns[shared]]
    fresh = np.flatnonzero(number == 0)
    number[fresh] = int(present.max(initial=0)) + 1 + np.arange(len(fresh))
    return number


def _steady(
    points: np.ndarray, centres: np.ndarray, number: np.ndarray, found: np.ndarray, old: np.ndarray
) -> np.ndarray:
    """Cluster of each point: the old one while there is one and no other is clearly closer."""
    place_of = {int(each): place for place, each in enumerate(number)}
    before = np.array([place_of.get(int(each), -1) for each in old], np.int64)
    cosine = points @ centres.T
    rows = np.arange(len(points))
    stays = (before >= 0) & (cosine[rows, found] - cosine[rows, np.maximum(before, 0)] < CLEARLY)
    return np.where(stays, before, found)
