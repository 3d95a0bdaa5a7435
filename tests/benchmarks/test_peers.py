"""Every peer finds plain outliers, sees only the past, and gives the same answer twice."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.common import blocks
from training.pedb.vectors import DayMatrix, numbered

pytest.importorskip("pyod", reason="the bench extra is not installed: make setup-bench")
pytest.importorskip("pysad", reason="the bench extra is not installed: make setup-bench")
pytest.importorskip("torch", reason="the bench extra is not installed: make setup-bench")

from benchmarks.peers import PEERS

pytestmark = pytest.mark.slow

ENTITIES, DAYS = 16, 24
TEST_DAYS = np.arange(15, DAYS)
STRANGE = [(2, 16), (5, 20), (9, 23)]


@pytest.fixture(scope="module")
def days():
    rng = np.random.default_rng(3)
    who, day = (part.ravel() for part in np.meshgrid(np.arange(ENTITIES), np.arange(DAYS)))
    kind = np.array(["user", "host", "user", "src_ip"], object)[who % 4]
    name = np.array([f"e{index}" for index in who], object)
    counts = rng.poisson(rng.gamma(4.0, 5.0, (ENTITIES, 6))[who]).astype(np.float32)
    counts[:, 5] = rng.poisson(0.2, len(who))
    for entity, when in STRANGE:
        counts[(who == entity) & (day == when)] = [4000, 0, 900, 1200, 0, 60]
    columns = ("events", "hosts", "fails", "bytes", "files", "first_seen")
    evidence = np.zeros((len(who), 1), np.float32)
    return DayMatrix(kind, name, numbered(kind, name), day, day, counts, evidence, columns, ("odd",))


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_finds_plain_outliers_and_scores_exactly_the_test_days(days, name):
    score = PEERS[name](days, TEST_DAYS)
    expected = np.isin(days.day, TEST_DAYS) & (days.kind != "src_ip")
    np.testing.assert_array_equal(np.isfinite(score), expected)
    planted = [np.flatnonzero((days.name == f"e{entity}") & (days.day == day))[0] for entity, day in STRANGE]
    # to LODA of PyOD all beyond its histograms is like their outermost bin, so not every one is first
    share_below = [(score[expected] < score[row]).mean() for row in planted]
    assert np.mean(share_below) > 0.8


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_the_same_again_and_does_not_know_the_future(days, name):
    score = PEERS[name](days, TEST_DAYS)
    early = days.day < 22
    later = days.counts.copy()
    later[~early] = 7.0
    changed = PEERS[name](days._replace(counts=later), TEST_DAYS)
    np.testing.assert_array_equal(score[early], changed[early])


def test_a_week_is_scored_by_what_came_before_it(days):
    for past, rows in blocks(days, TEST_DAYS):
        assert days.day[past].max() < days.day[rows].min()
        assert (days.kind[past] != "src_ip").all()
        assert np.ptp(days.day[rows]) < 7
