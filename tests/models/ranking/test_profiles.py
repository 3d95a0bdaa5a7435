import numpy as np
import pytest

from models.days import DayTable
from models.ranking.profiles import Z_LOW, Profiles


def days(entities, counts, day, kind=0):
    n = len(entities)
    return DayTable(
        np.full(n, kind, np.int8),
        np.array(entities, np.int32),
        np.full(n, day, np.int32),
        np.ones(n, np.int64),
        np.full(n, 50, np.int32),
        np.zeros((n, 1), np.float32),
        np.array(counts, np.float32).reshape(n, -1),
        np.full((n, 2), np.nan, np.float32),
    )


@pytest.fixture
def profiles():
    found = Profiles(1, 21.0)
    rng = np.random.default_rng(0)
    usual = np.repeat([10.0, 1000.0], 10)
    for day in range(30):
        found.learn(days(range(1, 21), rng.poisson(usual), 100 + day))
    return found


def test_the_same_count_is_odd_for_one_entity_and_usual_for_another(profiles):
    quiet, busy = profiles.z(days([1, 11], [[1000], [1000]], 130))[:, 0]
    assert quiet > 4
    assert abs(busy) < 1


def test_somebody_new_is_measured_by_the_kind_and_with_less_certainty(profiles):
    known, new = profiles.expected(days([1, 999], [[10], [10]], 130))[1][:, 0]
    assert new > 2 * known


def test_a_quiet_day_is_no_finding(profiles):
    assert profiles.z(days([11], [[0]], 130))[0, 0] == Z_LOW


def test_one_wild_day_does_not_hide_the_next_one(profiles):
    wild = days([1], [[1e6]], 130)
    before = profiles.z(wild)[0, 0]
    profiles.learn(wild)
    assert profiles.z(days([1], [[1e6]], 131))[0, 0] > 0.5 * before


def test_reading_changes_nothing(profiles):
    before = profiles.export()
    profiles.z(days([1, 500], [[3], [4]], 140))
    after = profiles.export()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_learning_years_later_keeps_numbers_finite(profiles):
    profiles.learn(days([1], [[10]], 9_000))
    assert np.isfinite(profiles.z(days([1, 2], [[10], [10]], 9_001))).all()
    assert profiles.landmark_day == 9_000


def test_entities_not_seen_for_long_are_forgotten(profiles):
    profiles.learn(days([1], [[10]], 150))
    profiles.forget_before(140)
    assert len(profiles) == 1


def test_ids_can_be_renumbered(profiles):
    before = profiles.z(days([11], [[500]], 130))
    new_ids = np.zeros(30, np.int64)
    new_ids[11] = 3
    profiles.renumber(new_ids)
    assert len(profiles) == 1
    own = Profiles.restored(profiles.export(), 21.0)
    assert own.z(days([3], [[500]], 130))[0, 0] == pytest.approx(before[0, 0], rel=0.25)
