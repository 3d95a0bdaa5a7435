"""A stated share of the budget goes to alerts that a verdict would teach most by."""

from __future__ import annotations

import numpy as np
import pytest

from features.baselines import DAY_US
from features.errors import InputError
from models.alerts import AlertBook
from models.days import empty_days
from models.feedback.feedback import Verdict
from models.feedback.precision import unknown, variances
from models.risk import Budget

FIRST = 20_000
ENTITIES = 400


def table(day):
    entity = np.arange(1, ENTITIES + 1, dtype=np.int32)
    return empty_days(1)._replace(
        kind=np.zeros(ENTITIES, np.int8),
        entity=entity,
        day=np.full(ENTITIES, day, np.int32),
        n_events=np.full(ENTITIES, 24),
    )


def days(share, count=20, unknown_of=lambda risk: None):
    """(highest risks, places of what was raised, places of what was raised to learn from) of each day."""
    book = AlertBook(Budget(page_nats=1e9, learn_share=share))
    rng = np.random.default_rng(5)
    for day in range(FIRST, FIRST + count):
        risk = rng.exponential(1.0, ENTITIES)
        days_table = table(day)
        book.close((day + 1) * DAY_US, day, days_table, risk, unknown_of(risk))
        key = days_table.entity.astype(np.int64) << 32 | day
        raised = np.flatnonzero(book.moments(key, -1) >= 0)
        yield np.argsort(-risk), set(raised.tolist()), set(np.flatnonzero(book.learning(key)).tolist())


def test_without_verdicts_they_are_the_next_ones_below_the_line():
    for order, shown, learning in days(0.1):
        assert len(learning) == 1
        assert shown == set(order[: len(shown)].tolist())
        assert order[len(shown) - 1] in learning
    assert not any(learning for _, _, learning in days(0.0))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.03])
def test_over_days_the_share_is_what_was_stated(share):
    raised = learning = 0
    for _, shown, taught in days(share, 50):
        raised += len(shown)
        learning += len(taught)
    assert learning == pytest.approx(share * 10 * 50, abs=1)
    assert raised == pytest.approx(10 * 50, rel=0.1), "they are part of the budget"


def test_what_is_least_known_comes_first_and_of_these_what_is_nearest_to_the_line():
    def odd_ones(risk):
        # every seventh is of a cause that nobody judged
        return np.where(np.arange(len(risk)) % 7 == 0, 1 / 12, 0.01)

    for order, shown, learning in days(0.2, 10, odd_ones):
        others = shown - learning
        assert len(learning) == 2
        near = [row for row in order.tolist() if row not in others][: 5 * 10]
        assert sorted(learning) == sorted([row for row in near if row % 7 == 0][:2])


def test_every_verdict_makes_what_it_is_about_better_known():
    def verdict(number, verdict_id, **evidence):
        return Verdict(
            uid=str(number), entity_kind="user", entity="ann", day=1, verdict_id=verdict_id, at_us=number,
            evidence=evidence,
        )  # fmt: skip

    said = [verdict(1, 5, host=3.0, api=1.0), verdict(2, 2, host=3.0), verdict(3, 7, api=4.0), verdict(4, 5)]
    assert variances(said) == {"host": pytest.approx(4 / (16 * 5)), "": pytest.approx(2 / (9 * 4))}
    evidence = np.array([[5.0, 1.0], [1.0, 5.0], [0.0, 0.0]])
    np.testing.assert_allclose(unknown(said, ("host", "api"), evidence), [0.05, 1 / 12, 1 / 18])
    assert unknown(said, ("host", "api"), np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(InputError, match="to learn from"):
        Budget(learn_share=share)
