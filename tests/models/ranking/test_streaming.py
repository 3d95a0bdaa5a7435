import numpy as np
import pytest

from models.ranking.streaming import WINDOW, DriftWatch, HalfSpaces


@pytest.fixture(scope="module")
def usual():
    return np.random.default_rng(0).normal(size=(2 * WINDOW + 40, 6)).clip(-1, 4).astype(np.float32)


def test_half_space_trees_find_a_far_day_strange(usual):
    spaces = HalfSpaces(6, 1)
    spaces.learn(usual)
    far, near = spaces.score(np.array([[9.0] * 6, [0.0] * 6], np.float32))
    assert far > near


def test_scoring_changes_nothing(usual):
    spaces = HalfSpaces(6, 1)
    spaces.learn(usual)
    before = spaces.export().tobytes()
    spaces.score(usual[:20])
    assert spaces.export().tobytes() == before


def test_scores_are_those_of_river(usual):
    spaces = HalfSpaces(6, 1)
    spaces.learn(usual)
    asked = np.random.default_rng(4).normal(size=(200, 6)) * 3
    theirs = [spaces._model.score_one(row) for row in spaces._rows(asked)]
    assert spaces.score(asked).tolist() == theirs


@pytest.mark.parametrize("learned", [0, 3, WINDOW, WINDOW + 77])
def test_restored_trees_go_on_like_the_original(usual, learned):
    spaces = HalfSpaces(6, 1)
    spaces.learn(usual[:learned])
    again = HalfSpaces.restored(6, 1, spaces.export())
    for each in (spaces, again):
        each.learn(usual[learned : learned + WINDOW])
    assert again.score(usual[:50]).tobytes() == spaces.score(usual[:50]).tobytes()


def test_without_measures_nothing_is_strange():
    spaces = HalfSpaces(0, 1)
    spaces.learn(np.zeros((3, 0)))
    assert spaces.score(np.zeros((2, 0))).tolist() == [0.0, 0.0]


def test_a_drift_is_found_and_steady_outputs_are_not_one():
    rng = np.random.default_rng(2)
    watch = DriftWatch()
    assert not any(watch.learn(rng.exponential(1.0, 200)) for _ in range(20))
    assert any(watch.learn(rng.exponential(3.0, 200)) for _ in range(5))
    assert watch.drifts >= 1


def test_a_restored_watch_goes_on_like_the_original():
    rng = np.random.default_rng(3)
    watch = DriftWatch()
    watch.learn(rng.exponential(1.0, 900))
    again = DriftWatch.restored(watch.export())
    later = [rng.exponential(1.5, 300) for _ in range(5)]
    assert [watch.learn(part) for part in later] == [again.learn(part) for part in later]
    assert again.export().tobytes() == watch.export().tobytes()
