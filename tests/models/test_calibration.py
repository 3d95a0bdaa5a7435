"""Tail probabilities: honest rates, order kept, theory where there is no history."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration import (
    BIN_NATS,
    BINS,
    CAP_NATS,
    PRIOR_EVENTS,
    REFRESH_EVENTS,
    REFRESH_SHARE,
    Histograms,
    bin_of,
    calibrated,
    conformal,
    empty_histograms,
    observe,
    refresh,
)


def filled(scores: np.ndarray, weight: float = 1.0) -> Histograms:
    histograms = empty_histograms(2)
    for score in scores.tolist():
        observe(histograms, 1, bin_of(score), weight)
    refresh(histograms, 1)
    return histograms


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_bins_are_in_range_and_in_order(score, more):
    assert 0 <= bin_of(score) <= bin_of(score + more) < BINS


def test_bins_hold_an_eighth_of_a_nat_and_the_first_holds_no_evidence():
    assert bin_of(0.0) == bin_of(-5.0) == 0
    assert bin_of(1e-9) == bin_of(BIN_NATS * 0.999) == 1
    assert bin_of(BIN_NATS) == 2
    assert bin_of(19.9) == bin_of(1e9) == BINS - 1


@given(st.floats(0, 40))
def test_without_history_the_likelihood_ratio_itself_is_the_bound(score):
    histograms = empty_histograms(1)
    assert calibrated(histograms, 0, bin_of(score), score, 1.0) == pytest.approx(
        min(score, CAP_NATS), abs=1e-9
    )


@settings(max_examples=20)
@given(st.integers(0, 100), st.integers(0, 2000), st.floats(0.2, 4.0), st.floats(1e-6, 1.0))
def test_calibrated_evidence_is_monotone_in_the_score_capped_and_never_negative(seed, count, scale, decay):
    histograms = filled(np.random.default_rng(seed).exponential(scale, count))
    scores = np.sort(
        np.r_[np.linspace(-1, 25, 300), BIN_NATS * np.arange(BINS), BIN_NATS * np.arange(BINS) - 1e-9]
    )
    found = [calibrated(histograms, 1, bin_of(score), score, decay) for score in scores.tolist()]
    assert (np.diff(found) >= -1e-12).all()
    assert min(found) >= 0.0
    assert max(found) <= CAP_NATS


def test_scores_beyond_everything_seen_keep_their_order():
    histograms = filled(np.random.default_rng(1).exponential(1.0, 5000))
    found = [calibrated(histograms, 1, bin_of(score), score, 1.0) for score in (14.0, 15.0, 16.0)]
    assert found[0] < found[1] < found[2] or found[2] == CAP_NATS


def test_what_happens_every_day_gives_no_evidence_and_what_is_rare_gives_its_rarity():
    histograms = filled(np.r_[np.full(9000, 2.0), np.full(1000, 6.0)])
    assert calibrated(histograms, 1, bin_of(2.0), 2.0, 1.0) == 0.0
    assert calibrated(histograms, 1, bin_of(6.0), 6.0, 1.0) == 0.0, "one in ten is everyday"
    rare = filled(np.r_[np.full(9990, 2.0), np.full(10, 6.0)])
    expected = -log((10 + PRIOR_EVENTS * exp(-6.0)) / (10_000 + PRIOR_EVENTS))
    assert calibrated(rare, 1, bin_of(6.0), 6.0, 1.0) == pytest.approx(expected)


def test_faded_history_returns_to_theory():
    histograms = filled(np.full(10_000, 6.0))
    assert calibrated(histograms, 1, bin_of(6.0), 6.0, 1.0) == 0.0
    assert calibrated(histograms, 1, bin_of(6.0), 6.0, 1e-9) == pytest.approx(6.0, abs=0.01)


def _ranked(scores: np.ndarray) -> np.ndarray:
    """Tail probabilities as the engine makes them: each score against those before it."""
    histograms = empty_histograms(1)
    out = np.empty(len(scores))
    for row, score in enumerate(scores.tolist()):
        place = bin_of(score)
        out[row] = conformal(histograms, 0, place, 1.0)
        observe(histograms, 0, place, 1.0)
    return out


@pytest.mark.parametrize("level", [0.01, 0.05])
@pytest.mark.parametrize("seed", [1, 2])
def test_tail_probabilities_of_exchangeable_scores_keep_their_promise(level, seed):
    """At most `level` of the scores reach p <= level; ties in a bin make it less, by e^-0.125 at most."""
    count, warm_up = 60_000, 5_000
    p = _ranked(np.random.default_rng(seed).exponential(1.0, count))[warm_up:]
    rate, deviation = float((p <= level).mean()), sqrt(level * (1 - level) / len(p))
    stale = 1.0 + REFRESH_SHARE
    assert rate <= level * stale + 4 * deviation
    assert rate >= level * exp(-BIN_NATS) / stale - 4 * deviation
    assert p.min() > 0
    assert p.max() <= 1


def test_scores_of_one_bin_are_ties_and_never_significant():
    assert _ranked(np.full(5000, 3.0)).min() == 1.0 / 1.0


def test_tail_sums_are_refreshed_by_counts_alone():
    histograms = empty_histograms(1)
    due = []
    for number in range(1, 5000):
        before = histograms.tails[0, 0]
        observe(histograms, 0, number % BINS, 1.0)
        if histograms.tails[0, 0] != before:
            due.append(number)
            assert histograms.tails[0, 0] == number
            np.testing.assert_allclose(histograms.tails[0, :-1], histograms.bins[0, ::-1].cumsum()[::-1])
            assert histograms.tails[0, -1] == 0.0
    assert due[0] == REFRESH_EVENTS
    gaps = np.diff(due)
    assert (gaps >= REFRESH_EVENTS).all()
    np.testing.assert_allclose(gaps, REFRESH_EVENTS + REFRESH_SHARE * np.array(due[:-1]), atol=1.0)


def test_strata_are_apart():
    histograms = filled(np.full(1000, 6.0))
    assert histograms.bins[0].sum() == 0
    assert calibrated(histograms, 0, bin_of(6.0), 6.0, 1.0) == pytest.approx(6.0)
