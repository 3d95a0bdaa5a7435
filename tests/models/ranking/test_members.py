"""Members that are fitted on all past days at once."""

from __future__ import annotations

import numpy as np
import pytest

from models.ranking.members import TREE_ROWS, TREES, Forest, Neighbours


@pytest.fixture(scope="module")
def past() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(900, 7)).astype(np.float32)


@pytest.mark.parametrize("rows", [900, 40, 2])
def test_our_forest_says_what_scikit_learn_says(past: np.ndarray, rows: int) -> None:
    from sklearn.ensemble import IsolationForest

    reference = past[:rows].copy()
    reference[:, 2] = 1.0  # what never varied can tell nothing
    points = 2.0 * np.random.default_rng(4).normal(size=(300, 7)).astype(np.float32)
    theirs = IsolationForest(n_estimators=TREES, max_samples=min(TREE_ROWS, rows), random_state=11)
    expected = -theirs.fit(reference).score_samples(points)
    np.testing.assert_allclose(Forest(reference, 11).score(points), expected, rtol=1e-12)


def test_a_forest_without_a_past_says_nothing(past: np.ndarray) -> None:
    assert (Forest(past[:1], 0).score(past) == 0).all()


@pytest.mark.parametrize("own_place", [False, True])
def test_equal_days_are_as_far_as_one_of_them_alone(past: np.ndarray, own_place: bool) -> None:
    model = Neighbours(past, 5)
    some = past[:6] if own_place else past[:6] + np.float32(0.25)
    repeated = some[[0, 3, 3, 5, 0, 1, 2, 4, 0]]
    together = model.score(repeated, own_place=own_place)
    alone = [model.score(row[None], own_place=own_place)[0] for row in repeated]
    np.testing.assert_array_equal(together, alone)
    assert len(set(alone)) == len(some)
