"""What the core measures of itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from serving.gauges import NOMINAL, Gauges, Histogram, TailMeter
from serving.sinks import _moment


def test_a_histogram_counts_up_to_each_bound():
    made = Histogram((0.1, 1.0))
    for value in (0.1, 0.5, 2.0, 0.05):
        made.observe(value)
    assert made.cumulated() == [("0.1", 2), ("1", 3), ("+Inf", 4)]
    assert made.sum == pytest.approx(2.65)


def test_calibrated_tails_have_the_share_that_they_promise():
    meter = TailMeter()
    assert meter.shares() is None
    rng = np.random.default_rng(1)
    for _ in range(40):
        meter.add(rng.random(10_000))
    shares = meter.shares()
    assert shares is not None
    for share, nominal in zip(shares, NOMINAL, strict=True):
        assert share == pytest.approx(nominal, rel=0.2)


def test_a_tail_that_grows_heavy_is_seen_and_forgotten_again():
    meter = TailMeter()
    meter.add(np.full(20_000, 0.5))
    meter.add(np.full(20_000, 0.0001))
    assert meter.shares()[0] > 0.4
    for _ in range(100):
        meter.add(np.full(10_000, 0.5))
    assert meter.shares()[0] < 0.001


def test_what_a_checkpoint_holds_has_no_age_and_what_came_since_has(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("serving.gauges.time.monotonic", lambda: now[0])
    gauges = Gauges()
    assert gauges.numbers()["checkpoint_age_seconds"] == 0.0
    gauges.changed("acme")
    now[0] = 130.0
    assert gauges.numbers()["checkpoint_age_seconds"] == 30.0
    gauges.changed("acme")
    gauges.saved("acme", 120.0)  # taken before the newest change
    assert gauges.numbers()["checkpoint_age_seconds"] == 10.0
    gauges.saved("acme", 130.0)
    assert gauges.numbers()["checkpoint_age_seconds"] == 0.0


def test_the_moment_of_an_alert_is_kept_in_microseconds():
    at = pd.Timestamp("2026-03-05T12:00:00.000001Z")
    assert _moment(at) == _moment(at.as_unit("us")) == 1_772_712_000_000_001
    assert _moment(pd.NaT) is None
