"""Drift is seen where something changed, not where chance moved, and it changes nothing by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import StateError
from features.measures import COUNTS
from training import drift
from training.harvest import Sample


def sample(day: int, seed: int, rows: int = 300, busier: float = 1.0) -> Sample:
    rng = np.random.default_rng((seed, day))
    counts = rng.poisson(20, (rows, len(COUNTS))).astype(np.float32)
    counts[:, 3] *= busier
    kind = (np.arange(rows) % 2).astype(np.int8)
    return Sample(day, kind, counts, rng.exponential(1.0, rows))


def frame(risks: list[np.ndarray]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "entity_kind": "user",
                "entity": [f"u{n:04d}" for n in range(len(risk))],
                "day": (pd.Timestamp("2026-03-01") + pd.Timedelta(days=day)).date(),
                "risk": risk,
            }
        )
        for day, risk in enumerate(risks)
    ]
    return pd.concat(parts, ignore_index=True)


REFERENCE = drift.reference_of([sample(day, 1) for day in range(10)])
QUIET = frame([np.random.default_rng(day).exponential(1.0, 300) for day in range(10)])


def test_psi_is_zero_for_equal_shares_and_the_textbook_sum_otherwise():
    assert drift.psi(np.full(4, 1e9), np.full(4, 2e9)) == pytest.approx(0.0)
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    assert drift.psi(np.array([5e9, 5e9]), np.array([6e9, 4e9])) == pytest.approx(0.0405465, abs=1e-6)
    assert np.isfinite(drift.psi(np.array([10.0, 0.0]), np.array([0.0, 10.0])))


def test_without_a_change_nothing_drifts():
    report = drift.drift(REFERENCE, [sample(day, 2) for day in range(10, 20)], QUIET)
    assert len(report.features) == 2 * (len(COUNTS) + 1)
    assert not report.shifted
    assert report.drifted_days == []
    assert report.proposal == ""


def test_few_days_do_not_drift_by_chance():
    found = [drift.drift(REFERENCE, [sample(20, seed, rows=100)], QUIET[:0]).shifted for seed in range(20)]
    assert sum(len(rows) for rows in found) <= 2


def test_a_feature_that_doubled_is_the_first_in_the_report():
    report = drift.drift(REFERENCE, [sample(day, 3, busier=2.0) for day in range(10, 20)], QUIET)
    assert {row["feature"] for row in report.shifted} == {COUNTS[3]}
    assert report.frame()["feature"].tolist()[:2] == [COUNTS[3]] * 2


def test_many_shifts_propose_a_challenger():
    moved = [one._replace(counts=one.counts * 3) for one in (sample(day, 4) for day in range(10, 20))]
    report = drift.drift(REFERENCE, moved, QUIET)
    assert "train a challenger" in report.proposal


def test_a_change_of_the_calibrated_risk_is_dated():
    rng = np.random.default_rng(5)
    risks = [rng.exponential(1.0 if day < 15 else 4.0, 300) for day in range(25)]
    found = drift.changed_days(frame(risks))
    first = (pd.Timestamp("2026-03-01") - pd.Timestamp("1970-01-01")).days + 15
    assert found
    assert first <= found[0] <= first + 2


def test_a_feature_that_never_moved_is_news_when_it_does():
    def still(day: int, level: float) -> Sample:
        return Sample(day, np.zeros(100, np.int8), np.full((100, len(COUNTS)), level), np.zeros(100))

    reference = drift.reference_of([still(day, 0.0) for day in range(3)])
    assert not drift.drift(reference, [still(4, 0.0)], QUIET[:0]).shifted
    assert len(drift.drift(reference, [still(4, 1.0)], QUIET[:0]).shifted) == len(COUNTS)


def test_a_reference_survives_being_written_and_a_damaged_one_is_refused():
    assert drift.decoded(drift.encoded(REFERENCE), "here") == REFERENCE
    for content in (b"", b"[]", b'{"days":1,"newest_day":2,"features":[{"kind":"user"}]}'):
        with pytest.raises(StateError, match="here: is no reference"):
            drift.decoded(content, "here")
    wrong = drift.encoded(drift.Reference(1, 2, [drift.FeatureReference("moon", "x", [], [1.0], 1)]))
    with pytest.raises(StateError, match="contradicts itself"):
        drift.decoded(wrong, "here")
