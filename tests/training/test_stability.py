"""Measures that need no labels, each against a case that one can work out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from models.risk import Budget
from training import stability


def days(risks: dict[str, list[float]], alerts: dict[str, list[bool]] | None = None) -> pd.DataFrame:
    """Users with a risk for each day from 2026-03-01."""
    rows = [
        {
            "entity_kind": "user",
            "entity": name,
            "day": (pd.Timestamp("2026-03-01") + pd.Timedelta(days=day)).date(),
            "risk": risk,
            "alert": bool(alerts and alerts[name][day]),
        }
        for name, of_day in risks.items()
        for day, risk in enumerate(of_day)
    ]
    return pd.DataFrame(rows)


def test_identical_rankings_overlap_fully_and_disjoint_ones_not_at_all():
    assert stability.rank_biased_overlap(list("abcdef"), list("abcdef")) == pytest.approx(1.0)
    assert stability.rank_biased_overlap(list("abc"), list("xyz")) == 0.0
    assert stability.rank_biased_overlap([], []) == 1.0


def test_rank_biased_overlap_is_that_of_the_paper():
    # by hand for p = 0.9: agreements 0, 1, 2/3 at depths 1 to 3
    expected = 2 / 3 * 0.9**3 + 0.1 / 0.9 * (0 * 0.9 + 1 * 0.81 + 2 / 3 * 0.729)
    assert stability.rank_biased_overlap(list("abc"), list("bad")) == pytest.approx(expected)


def test_a_difference_at_the_top_weighs_more_than_one_below():
    top = stability.rank_biased_overlap(list("abcdef"), list("xbcdef"))
    below = stability.rank_biased_overlap(list("abcdef"), list("abcdex"))
    assert top < below


def test_models_that_rank_alike_agree_and_models_that_rank_in_reverse_do_not():
    one = days({f"u{n:02d}": [float(n), float(n)] for n in range(30)})
    reverse = days({f"u{n:02d}": [30.0 - n, 30.0 - n] for n in range(30)})
    assert stability.agreement(one, one) == pytest.approx((1.0, 1.0))
    overlap, common = stability.agreement(one, reverse)
    assert common == 0.0
    assert overlap < 0.3


def test_models_without_a_common_day_have_no_agreement():
    one = days({"u": [1.0]})
    assert stability.agreement(one, one.assign(day=pd.Timestamp("2027-01-01").date())) is None


def test_tail_probabilities_that_are_what_they_say_have_no_error():
    risk = -np.log((np.arange(100_000) + 0.5) / 100_000)
    rates = stability.realised_rates(risk)
    assert rates[0.01] == pytest.approx(1.0, abs=0.01)
    assert stability.calibration_error(rates) == pytest.approx(0.0, abs=0.01)


def test_risks_that_are_twice_too_common_are_off_by_a_factor_of_two():
    risk = -np.log(np.minimum((np.arange(100_000) + 0.5) / 200_000, 1.0))
    assert stability.calibration_error(stability.realised_rates(risk)) == pytest.approx(math.log(2), abs=0.01)


def test_a_rate_that_promises_too_few_is_not_counted():
    assert set(stability.realised_rates(np.zeros(60))) == {0.1}
    assert stability.calibration_error(stability.realised_rates(np.zeros(10))) is None


def test_alerts_are_held_against_the_budget_over_any_seven_days():
    raised = {"a": [True] * 10, "b": [False] * 3 + [True] * 7}
    frame = days({"a": [1.0] * 10, "b": [1.0] * 10}, raised)
    assert stability.budget_ratios(frame, Budget(1.0)) == pytest.approx((11 / 7, 2.0))
    assert stability.budget_ratios(frame.iloc[:0], Budget(1.0)) is None


def test_one_cause_is_one_and_four_equal_ones_are_four():
    assert stability.effective_causes({"a": 5.0, "b": 0.0}) == pytest.approx(1.0)
    assert stability.effective_causes(dict.fromkeys("abcd", 2.0)) == pytest.approx(4.0)
    assert stability.effective_causes({"a": 0.0}) is None


def test_an_alert_counts_as_repeated_within_seven_days_of_the_last():
    frame = days({"a": [1.0] * 20}, {"a": [day in (0, 5, 19) for day in range(20)]})
    assert stability.repeat_share(frame) == pytest.approx(1 / 3)
    assert stability.repeat_share(frame.assign(alert=False)) is None
