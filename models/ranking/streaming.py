"""Members that learn as days close, without a fit: half-space trees over z, and drift of what comes out.

Both are river's. Neither is a sum: trees keep the masses of two windows, ADWIN keeps buckets of its last
outputs. What that gives up is unlearning; a window of wrong days passes by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

TREES, HEIGHT, WINDOW = 20, 8, 250
"""Half-space trees of Tan, Ting, Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011: window and
size as there, depth 8 (15 there: 500 MB of Python objects), 20 trees where 25 were used.
"""
REACH = 3.0
"""z at which a coordinate is three quarters up its range."""
DRIFT_DELTA = 1e-4
"""Chance that ADWIN (Bifet, Gavalda, "Learning from Time-Changing Data with Adaptive Windowing", 2007) calls
a drift that is none.
"""
DRIFT_KEPT = 20_000
"""Outputs after which a detector starts again with the newer half of them: bounds its memory and its
restore.
"""


def unit_range(z: np.ndarray) -> np.ndarray:
    """Squeeze z into [0, 1], where half-space trees cut: 0.5 at z = 0, monotone."""
    return np.asarray(0.5 + 0.5 * z / (REACH + np.abs(z)), np.float64)


class _Cuts(NamedTuple):
    """One tree as arrays over its nodes, root first; a leaf leads to itself."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray


def _cuts(trees: Sequence[Any], names: Sequence[str]) -> list[_Cuts]:
    column = {name: index for index, name in enumerate(names)}
    found = []
    for tree in trees:
        nodes = list(tree.iter_dfs())
        place = {id(node): index for index, node in enumerate(nodes)}
        cuts = _Cuts(
            np.zeros(len(nodes), np.int64), np.zeros(len(nodes)), *np.tile(np.arange(len(nodes)), (2, 1))
        )
        for index, node in enumerate(nodes):
            if hasattr(node, "children"):
                cuts.feature[index], cuts.threshold[index] = column[node.feature], node.threshold
                cuts.left[index], cuts.right[index] = (place[id(child)] for child in node.children)
        found.append(cuts)
    return found


class HalfSpaces:
    """Half-space trees of one entity kind.

    Parameters
    ----------
    measures
        Number of columns of z.
    seed
        Of the cuts, which are drawn before any day is seen.
    """

    def __init__(self, measures: int, seed: int) -> None:
        from river.anomaly import HalfSpaceTrees

        self._names = [f"{column:04d}" for column in range(measures)]
        self._cuts: list[_Cuts] | None = None
        self._model: Any = HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, seed=seed)

    def score(self, z: np.ndarray) -> np.ndarray:
        """float64 (n,) scores between 0 and 1, 0 before the first window is full; changes nothing."""
        if not self._names or self._model._first_window:
            return np.zeros(len(z))
        # river's score_one, on arrays: a fit scores tens of thousands of days. Masses are whole numbers, so
        # the sums are exact in any order.
        if self._cuts is None:
            self._cuts = _cuts(self._model.trees, self._names)
        mass = np.array([[node.r_mass for node in nodes] for nodes in self._model._tree_nodes], np.float64)
        x, total = unit_range(z), np.zeros(len(z))
        rows = np.arange(len(z))
        for tree, cuts in enumerate(self._cuts):
            node, going = np.zeros(len(z), np.int64), np.ones(len(z), np.bool_)
            for depth in range(HEIGHT + 1):
                here = mass[tree, node]
                total += np.where(going, here * 2.0**depth, 0.0)
                going &= here >= self._model.size_limit
                left = x[rows, cuts.feature[node]] < cuts.threshold[node]
                node = np.where(left, cuts.left[node], cuts.right[node])
        return np.asarray(1.0 - total / self._model._max_score, np.float64)

    def learn(self, z: np.ndarray) -> None:
        """Learn closed days in the order given."""
        for row in self._rows(z):
            self._model.learn_one(row)

    def _rows(self, z: np.ndarray) -> list[dict[str, float]]:
        if not self._names:
            return []
        return [dict(zip(self._names, row, strict=True)) for row in unit_range(z).tolist()]

    def export(self) -> np.ndarray:
        """float64 (1 + nodes,): place in the window, minus one before the first is full; then the masses of
        both windows.
        """
        model = self._model
        masses = [[node.l_mass, node.r_mass] for tree in model._tree_nodes for node in tree]
        return np.array([model.counter, float(model._first_window), *np.ravel(masses)], np.float64)

    @classmethod
    def restored(cls, measures: int, seed: int, state: np.ndarray) -> HalfSpaces:
        """The trees that were exported: the cuts follow from the seed."""
        spaces = cls(measures, seed)
        if len(state) > 2:
            spaces.learn(np.zeros((1, measures)))  # river draws the cuts with the first row
            nodes = [node for tree in spaces._model._tree_nodes for node in tree]
            for node, (left, right) in zip(nodes, state[2:].reshape(-1, 2).tolist(), strict=True):
                node.l_mass, node.r_mass = int(left), int(right)
            spaces._model.counter = int(state[0])
            spaces._model._first_window = bool(state[1])
        return spaces


class DriftWatch:
    """Whether the tail probabilities of a member still look as they did: ADWIN on exp(-nats)."""

    def __init__(self) -> None:
        self._start()
        self.drifts = 0

    def _start(self) -> None:
        from river.drift import ADWIN

        make: Any = ADWIN
        self._model = make(delta=DRIFT_DELTA)
        self._seen: list[float] = []

    def learn(self, nats: Sequence[float] | np.ndarray) -> bool:
        """Take in the calibrated outputs of a closed day; True when a drift was found in them."""
        found = False
        for p in np.exp(-np.asarray(nats, np.float64)).tolist():
            found |= self._update(p)
        self.drifts += int(found)
        return found

    def _update(self, p: float) -> bool:
        if len(self._seen) >= DRIFT_KEPT:
            kept = self._seen[DRIFT_KEPT // 2 :]
            self._start()
            for old in kept:
                self._update(old)
        self._model.update(p)
        self._seen.append(p)
        found = bool(self._model.drift_detected)
        if found:
            self._start()
        return found

    def export(self) -> np.ndarray:
        """float64 (1 + outputs,): drifts found, then the outputs since the last start."""
        return np.array([self.drifts, *self._seen], np.float64)

    @classmethod
    def restored(cls, state: np.ndarray) -> DriftWatch:
        """The watch that was exported: it reads its outputs again."""
        watch = cls()
        for p in state[1:].tolist():
            watch._update(p)
        watch.drifts = int(state[0])
        return watch
