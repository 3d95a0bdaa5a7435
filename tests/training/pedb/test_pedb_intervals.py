"""Intervals are clustered by seed, paired between methods, and the same every time."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from features.errors import InputError
from training.pedb import intervals, slices
from training.pedb.metrics import campaign_recall, found, standard_metrics
from training.pedb.outcome import CampaignFact, Hit, Outcome, RateCount, Shown
from training.pedb.protocol import Protocol

PROTOCOL = Protocol()


def outcome(seed, places, *, method="m", users=250, kinds=("a", "b"), hours=10.0):
    """One campaign for each place; 500 entities on the one day."""
    facts = [
        CampaignFact(f"c{i}", kinds[i % len(kinds)], ("easy", "hard")[i % 2], i == 0, False)
        for i in range(len(places))
    ]
    hits = [Hit(i, True, place, 500, place - 1, place - 1, hours * (i + 1)) for i, place in enumerate(places)]
    rates = [RateCount(0.01, False, 3 + seed, 200), RateCount(0.01, True, 0, 0)]
    shown = [Shown(0, False, 500, 50, 8, 4)]
    return Outcome(method, seed, users, facts, hits, shown, 500 - len(places), rates)


def recall(budget):
    return partial(campaign_recall, budget=budget, protocol=PROTOCOL)


def test_the_value_is_the_mean_over_seeds_and_lies_in_its_interval():
    outcomes = [outcome(1, [1, 1, 50, 50]), outcome(2, [1, 50, 50, 50]), outcome(3, [1, 1, 1, 50])]
    found_estimate = intervals.estimate(outcomes, recall(10), intervals.draws_of(outcomes))
    assert found_estimate.value == pytest.approx(0.5)
    assert 0 <= found_estimate.low < 0.5 < found_estimate.high <= 1


def test_intervals_are_wider_when_seeds_differ_than_when_only_campaigns_do():
    alike = [outcome(seed, [1] * 10 + [50] * 10) for seed in range(5)]
    apart = [outcome(seed, [1] * 20 if seed % 2 else [50] * 20) for seed in range(5)]
    width = []
    for outcomes in (alike, apart):
        estimate = intervals.estimate(outcomes, recall(10), intervals.draws_of(outcomes))
        width.append(estimate.high - estimate.low)
    assert width[1] > 2 * width[0]


def test_intervals_of_binomial_data_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        outcomes = [outcome(seed, np.where(rng.random(16) < 0.6, 1, 90).tolist()) for seed in range(8)]
        estimate = intervals.estimate(outcomes, recall(10), intervals.draws_of(outcomes, 400))
        covered += estimate.low <= 0.6 <= estimate.high
    assert covered >= 51


def test_the_same_outcomes_give_the_same_interval_and_another_seed_another():
    outcomes = [outcome(seed, [1, 7, 12, 30]) for seed in range(3)]
    first, again, other = (
        intervals.estimate(outcomes, recall(10), intervals.draws_of(outcomes, 500, seed))
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first.value == other.value
    draws, others = intervals.draws_of(outcomes, 500, 0), intervals.draws_of(outcomes, 500, 1)
    assert not np.array_equal(draws.campaigns[0], others.campaigns[0])


def test_a_difference_is_paired():
    ours = [outcome(seed, [1] * seed + [50] * (10 - seed)) for seed in (2, 5, 9)]
    theirs = [outcome(seed, [9] * seed + [50] * (10 - seed), method="n") for seed in (2, 5, 9)]
    draws = intervals.draws_of(ours)
    same = intervals.difference(ours, theirs, recall(10), draws)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert intervals.difference(ours, theirs, recall(5), draws).low > 0


def test_methods_judged_on_different_campaigns_are_not_compared():
    ours = [outcome(1, [1, 2])]
    with pytest.raises(InputError, match="same campaigns"):
        intervals.difference(ours, [outcome(1, [1, 2, 3])], recall(5), intervals.draws_of(ours))


def test_every_metric_with_weights_of_one_is_the_figure_and_repeats_campaigns_by_weight():
    one = outcome(1, [1, 4, 8, 30])
    doubled = outcome(1, [1, 4, 8, 30])
    for metric in standard_metrics(PROTOCOL).values():
        plain = metric(one, np.ones((1, 4)))
        assert metric(doubled, np.array([[2.0, 2.0, 2.0, 2.0], [1, 1, 1, 1]]))[1] == plain
    some = recall(5)(one, np.array([[3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0]]))
    assert some[:2].tolist() == [1.0, 0.0]
    assert np.isnan(some[2])


def test_slices_pool_the_campaigns_of_all_seeds():
    outcomes = [outcome(1, [1, 50, 1]), outcome(2, [50, 1], users=50)]
    found_slices = slices.campaign_slices(outcomes, PROTOCOL, intervals.draws_of(outcomes))
    shares = {(part.name, part.part): (part.campaigns, part.recall.value) for part in found_slices}
    assert shares["kind", "a"] == (3, pytest.approx(2 / 3))
    assert shares["kind", "b"] == (2, 0.5)
    assert shares["difficulty", "hard"] == (2, 0.5)
    assert shares["entity", "new"] == (2, 0.5)
    assert shares["users", "50"] == (2, 0.5)
    assert shares["users", "250"] == (3, pytest.approx(2 / 3))
    assert ("day", "after a change") not in shares


def test_hours_are_of_the_found_and_say_what_the_missed_make_of_the_median():
    outcomes = [outcome(1, [1, 2, 3, 90, 90, 90, 90])]
    hours = intervals.hours(outcomes, 10, PROTOCOL, intervals.draws_of(outcomes))
    assert (hours.median.value, hours.p90.value) == (20, 30)
    assert hours.median_of_all == np.inf


def test_alert_rates_are_pooled_and_relative_to_the_nominal_rate():
    outcomes = [outcome(1, [1]), outcome(3, [1])]
    rates = slices.alert_rates(outcomes, intervals.draws_of(outcomes))
    (rate,) = (row for row in rates if row.nominal == 0.01 and row.part == "all")
    assert rate.ratio.value == pytest.approx((4 + 6) / 400 / 0.01)
    assert (rate.ratio.low, rate.ratio.high) == (pytest.approx(2), pytest.approx(3))
    (none,) = (row for row in rates if row.nominal == 0.01 and row.part == "after a change")
    assert np.isnan(none.ratio.value)


def test_false_alerts_say_how_much_of_them_new_entities_are():
    false = slices.false_alerts([outcome(1, [1]), outcome(2, [1])])
    assert (false.a_day, false.share_of_new, false.new_among_all) == (8, 0.5, 0.1)


def test_found_is_by_campaign():
    assert found(outcome(1, [1, 50, 3]), 3, PROTOCOL).tolist() == [True, False, True]
