import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.tails import Tail

scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def test_nats_are_those_of_the_conformal_tail_probability():
    tail = Tail.fitted(np.arange(1.0, 100.0))
    assert tail.of(np.array([90.0]))[0] == pytest.approx(-np.log((10 + 1) / (99 + 1)))


def test_beyond_the_past_nats_grow_by_one_for_each_mean_excess():
    rng = np.random.default_rng(0)
    tail = Tail.fitted(rng.exponential(2.0, 20_000))
    low, high = tail.of(np.array([40.0, 42.0]))
    assert high - low == pytest.approx(1.0, rel=0.15)


def test_equal_scores_of_the_past_count_against_each_other():
    tail = Tail.fitted(np.array([0.0] * 90 + [1.0] * 9))
    assert tail.of(np.array([0.0, 1.0])).tolist() == pytest.approx([0.0, -np.log(0.1)])


def test_a_past_without_scores_gives_the_score_itself():
    assert Tail.fitted(np.zeros(0)).of(np.array([-1.0, 2.5])).tolist() == [0.0, 2.5]


@given(scores, scores)
def test_nats_never_fall_with_the_score_and_are_never_negative(past, asked):
    tail = Tail.fitted(np.array(past))
    nats = tail.of(np.sort(np.array(asked)))
    assert (nats >= 0).all()
    assert (np.diff(nats) >= 0).all()
    assert np.isfinite(nats).all()


def test_new_extremes_keep_their_order_without_ties():
    tail = Tail.fitted(np.ones(500))
    nats = tail.of(np.array([1.0, 1.001, 2.0, 50.0]))
    assert (np.diff(nats) > 0).all()


def test_recent_scores_can_weigh_more():
    past, weights = np.array([1.0, 1.0, 5.0]), np.array([0.1, 0.1, 10.0])
    assert Tail.fitted(past, weights).of(np.array([5.0]))[0] < Tail.fitted(past).of(np.array([5.0]))[0]


def test_a_restored_tail_says_the_same():
    tail = Tail.fitted(np.random.default_rng(1).normal(size=300))
    again = Tail.restored("x", tail.export("x"))
    asked = np.linspace(-4, 9, 50)
    assert again.of(asked).tobytes() == tail.of(asked).tobytes()
