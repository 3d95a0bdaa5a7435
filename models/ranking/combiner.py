"""The self-supervised combiner: how much more does this day look distorted than real?

Two forms, both monotone: more evidence, or a stranger member, never makes a day look more real. Both are kept
as plain arrays and evaluated here, so a restored one gives the same bits and nothing is unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import StateError
from models.ranking.settings import LOGISTIC
from models.ranking.tree_walk import leaf_sums

ROUNDS, LEARNING_RATE, LEAVES, LEAF_ROWS, L2 = 120, 0.08, 12, 25, 2.0
"""Boosting: small trees with large leaves, since labels of weak distortions are as good as noise."""
CUTS = 127
"""Places where a feature can be cut: quantiles of the days it is fitted on. Cut here and not by scikit-learn,
whose weighted quantiles took ten times as long as the trees (1.9).
"""
RIDGE = 1e-3
"""Logistic: penalty for each row and squared coefficient of a standardised feature."""


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees as arrays.

    Attributes
    ----------
    feature, left, right
        int32 (trees, nodes): what is compared, and where to go; a leaf goes to itself.
    threshold
        float64 (trees, nodes): left when the feature is at or below it.
    value
        float64 (trees, nodes): what a leaf adds to the logit.
    depth
        Steps from a root to the deepest leaf.
    baseline
        Logit before any tree.
    """

    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    depth: int
    baseline: float

    def logit(self, features: np.ndarray) -> np.ndarray:
        """float64 (n,); O(n trees depth), the same for any batch."""
        if features.shape[1] <= self.feature.max(initial=-1):
            raise ValueError(f"{features.shape[1]} features, but the trees look at more")
        return leaf_sums(
            np.ascontiguousarray(features, np.float64),
            self.feature,
            self.left,
            self.right,
            self.threshold,
            self.value,
            self.depth,
            self.baseline,
        )

    def export(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        arrays = {name: getattr(self, name) for name in ("feature", "left", "right", "threshold", "value")}
        arrays["scalars"] = np.array([self.depth, self.baseline])
        return {f"{prefix}_{name}": array.copy() for name, array in arrays.items()}


@dataclass(frozen=True)
class Linear:
    """A logistic regression: coefficients (F,) of raw features, and the intercept."""

    coefficients: np.ndarray
    intercept: float

    def logit(self, features: np.ndarray) -> np.ndarray:
        """float64 (n,)."""
        # not a matrix product: that rounds differently for other sizes of a batch
        return np.asarray((features * self.coefficients).sum(1) + self.intercept, np.float64)

    def export(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        return {
            f"{prefix}_coefficients": self.coefficients.copy(),
            f"{prefix}_intercept": np.array([self.intercept]),
        }


Combiner = Trees | Linear


def fitted(
    form: str,
    features: np.ndarray,
    strange: np.ndarray,
    weights: np.ndarray,
    rising: np.ndarray,
    seed: int,
) -> Combiner:
    """Fit a combiner.

    Parameters
    ----------
    form
        BOOSTING or LOGISTIC.
    features
        float64 (n, F).
    strange
        bool (n,) distorted days.
    weights
        float64 (n,).
    rising
        bool (F,) features that can only make a day look stranger.
    seed
        Of the boosting's bins.
    """
    if form == LOGISTIC:
        return _linear(features, strange, weights, rising)
    return _trees(features, strange, weights, rising, seed)


def restored(prefix: str, arrays: dict[str, np.ndarray]) -> Combiner:
    """The combiner that was exported."""
    if f"{prefix}_coefficients" in arrays:
        return Linear(arrays[f"{prefix}_coefficients"].copy(), float(arrays[f"{prefix}_intercept"][0]))
    feature, left, right, threshold, value = (
        arrays[f"{prefix}_{name}"].copy() for name in ("feature", "left", "right", "threshold", "value")
    )
    depth, baseline = arrays[f"{prefix}_scalars"].tolist()
    nodes = feature.shape[1] if feature.ndim == 2 else 0
    alike = all(part.shape == feature.shape for part in (left, right, threshold, value))
    if (
        not alike
        or any(((part < 0) | (part >= nodes)).any() for part in (left, right))
        or (feature < 0).any()
    ):
        raise StateError("the trees of the combiner are damaged: restore an older checkpoint")
    return Trees(feature, left, right, threshold, value, int(depth), float(baseline))


def _trees(
    features: np.ndarray, strange: np.ndarray, weights: np.ndarray, rising: np.ndarray, seed: int
) -> Trees:
    from sklearn.ensemble import HistGradientBoostingClassifier

    edges = [
        np.unique(np.quantile(column, np.linspace(0.0, 1.0, CUTS), method="higher")) for column in features.T
    ]
    # code <= c exactly when the feature is <= edges[c]: the trees are grown on codes and kept with edges
    codes = np.stack(
        [np.searchsorted(cuts, column) for cuts, column in zip(edges, features.T, strict=True)], axis=1
    )
    model = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=ROUNDS,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAF_ROWS,
        l2_regularization=L2,
        monotonic_cst=rising.astype(np.int8),
        early_stopping=False,
        random_state=seed,
    )
    model.fit(codes.astype(np.float64), strange, sample_weight=weights)
    return _as_arrays(model, edges)


def _as_arrays(model: Any, edges: list[np.ndarray]) -> Trees:
    """The fitted trees. scikit-learn has no public door to them; a test compares every logit with its own."""
    nodes = [stage[0].nodes for stage in model._predictors]
    shape = (len(nodes), max((len(tree) for tree in nodes), default=1))
    itself = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
    feature, left, right = np.zeros(shape, np.int32), itself.copy(), itself.copy()
    threshold, value = np.zeros(shape), np.zeros(shape)
    depth = 0
    for index, tree in enumerate(nodes):
        size, inner = len(tree), tree["is_leaf"] == 0
        feature[index, :size][inner] = tree["feature_idx"][inner]
        left[index, :size][inner] = tree["left"][inner]
        right[index, :size][inner] = tree["right"][inner]
        threshold[index, :size][inner] = [
            edges[column][int(cut)]
            for column, cut in zip(tree["feature_idx"][inner], tree["num_threshold"][inner], strict=True)
        ]
        value[index, :size] = tree["value"]
        depth = max(depth, int(tree["depth"].max(initial=0)))
    return Trees(
        feature, left, right, threshold, value, depth, float(np.ravel(model._baseline_prediction)[0])
    )


def _linear(features: np.ndarray, strange: np.ndarray, weights: np.ndarray, rising: np.ndarray) -> Linear:
    from scipy.optimize import minimize

    total = weights.sum()
    mean = (weights[:, None] * features).sum(0) / total
    deviation = np.sqrt((weights[:, None] * (features - mean) ** 2).sum(0) / total)
    deviation[deviation < 1e-9] = np.inf  # a constant says nothing
    x = (features - mean) / deviation
    sign = np.where(strange, 1.0, -1.0)
    share = weights / total

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ at[:-1] + at[-1])
        slope = -sign * share * np.exp(-np.logaddexp(0.0, margin))
        gradient = np.append(x.T @ slope + 2.0 * RIDGE * at[:-1], slope.sum())
        return float(share @ np.logaddexp(0.0, -margin) + RIDGE * at[:-1] @ at[:-1]), gradient

    bounds = [(0.0 if up else None, None) for up in rising.tolist()] + [(None, None)]
    start = np.zeros(features.shape[1] + 1)
    found = np.asarray(
        minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300}).x
    )
    coefficients = found[:-1] / deviation
    return Linear(coefficients, float(found[-1] - coefficients @ mean))
