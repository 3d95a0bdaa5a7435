"""Weights by cause change a risk within narrow bounds, are data, and leave nothing behind when they end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.baselines import Baselines
from features.errors import InputError
from models.feedback.feedback import Feedback, Things
from models.feedback.weights import BOUND, EASE, Seen, Weights, decoded, factor, leading, shares

CAUSES = ("process", "network", "return")
NATS = st.lists(st.floats(0.0, 1e4), min_size=3, max_size=3)
WEIGHT = st.floats(1.0 / BOUND, BOUND)


def factors(feedback: Feedback, evidence: np.ndarray) -> np.ndarray:
    baselines = Baselines()
    entity = np.zeros(len(evidence), np.int64)
    row, cause = np.nonzero(evidence)
    things = Things(row, cause, np.zeros(len(row), np.int64), evidence[row, cause])
    return feedback.factors(baselines, CAUSES, entity, 20_000, evidence, evidence, things)


@given(NATS, st.lists(WEIGHT, min_size=3, max_size=3))
def test_no_weights_more_than_double_or_halve_a_risk(nats: list[float], weights: list[float]) -> None:
    evidence = np.array([nats])
    found = factor(np.array(weights), evidence, evidence)
    assert 1.0 / BOUND - 1e-12 <= found[0] <= BOUND + 1e-12


def test_evidence_of_a_cause_counts_by_its_weight() -> None:
    feedback = Feedback()
    feedback.weigh(Weights(by_cause={"process": 2.0, "network": 0.5}))
    evidence = np.array([[8.0, 0.0, 0.0], [0.0, 8.0, 0.0], [0.0, 0.0, 8.0], [0.0, 0.0, 0.0]])
    assert factors(feedback, evidence).tolist() == pytest.approx(
        [(16 + EASE) / (8 + EASE), (4 + EASE) / (8 + EASE), 1.0, 1.0]
    )


def test_equal_weights_leave_every_risk_as_it_is_to_the_bit() -> None:
    evidence = np.random.default_rng(3).gamma(1.0, 3.0, (50, 3))
    weighed = Feedback()
    weighed.weigh(Weights(by_cause=dict.fromkeys(CAUSES, 1.0)))
    assert factors(weighed, evidence).tolist() == factors(Feedback(), evidence).tolist() == [1.0] * 50


def test_weights_are_kept_with_the_feedback_and_gone_when_they_end() -> None:
    feedback, before = Feedback(), Feedback().export()
    feedback.weigh(Weights(by_cause={"process": 1.5}, seen={"process": Seen(12, 15)}, fit="batch"))
    again = Feedback.restored(feedback.export())
    assert again.weights == feedback.weights
    assert not again.says_nothing
    again.weigh(None)
    assert again.export() == before
    assert again.says_nothing


@pytest.mark.parametrize("weight", [BOUND * 1.01, 0.49, 0.0, -1.0, float("nan"), float("inf")])
def test_weights_out_of_bounds_are_refused_and_change_nothing(weight: float) -> None:
    feedback = Feedback()
    with pytest.raises(InputError, match=r"'process'.*give one from 0\.5 to 2"):
        feedback.weigh(Weights(by_cause={"process": weight}))
    assert feedback.weights is None


def test_a_state_with_weights_out_of_bounds_is_no_state() -> None:
    kept = Feedback().export() | {"weights": {"by_cause": {"process": 9.0}}}
    with pytest.raises(ValueError, match=r"from 0\.5 to 2"):
        Feedback.restored(kept)


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"by_cause": {"a": "x"}}', b'{"by_cause": {}, "more": 1}', b"\xff", b""]
)
def test_what_is_no_weights_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="these are no weights"):
        decoded(content)


def test_weights_survive_their_own_text_and_null_ends_them() -> None:
    weights = Weights(by_cause={"network": 0.75, "process": 1.25}, seen={"process": Seen(3, 4)}, fit="online")
    assert decoded(weights.encoded()) == weights
    assert decoded(b"null") is None
    assert weights.said("process") == "process x 1.25: 3 of 4 verdicts on it were true"
    assert weights.said("return") == "return x 1.00"


def test_a_cause_that_this_version_does_not_know_has_no_effect() -> None:
    feedback = Feedback()
    feedback.weigh(Weights(by_cause={"of another version": 2.0}))
    assert factors(feedback, np.array([[3.0, 2.0, 1.0]])).tolist() == [1.0]


def test_shares_are_of_what_was_found() -> None:
    found = shares({"process": 6.0, "network": 1.5, "return": -1.0})
    assert found == pytest.approx({"network": 1.5 / 8.0, "process": 6.0 / 8.0})
    assert shares({}) == {}
    assert leading({"process": 1.0, "network": 1.0}) == "network"
    assert leading({"process": 0.0}) == ""
