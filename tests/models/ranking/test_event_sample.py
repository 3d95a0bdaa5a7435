import numpy as np
import pytest

from features.baselines import DAY_US
from models.ranking.sample import EventSample
from tests.batches import pieces
from tests.days_world import DAY0, World, joined_batches


@pytest.fixture(scope="module")
def events():
    world = World(3, people=12)
    return joined_batches([world.day(day) for day in range(DAY0, DAY0 + 6)])


def small(**changes):
    return EventSample(**({"seed": 5, "days": 4, "entity_days": 7, "events_each": 9} | changes))


def contents(sample):
    arrays, _ = sample.export()
    return {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("sizes", [[1_000_000], [1], [7, 400, 3]])
def test_cutting_the_stream_elsewhere_gives_the_same_sample(events, sizes):
    whole, cut = small(), small()
    whole.add(events)
    for number, part in enumerate(pieces(len(events.time_us), sizes)):
        cut.add(events.take(part))
        if number % 50 == 0:
            cut.settle()
    assert contents(cut) == contents(whole)


def test_bounds_hold_for_every_day_and_kind(events):
    sample = small()
    sample.add(events)
    days = np.unique(sample.day)
    assert days.tolist() == list(range(DAY0 + 2, DAY0 + 6))
    for kind in (0, 1):
        for day in days:
            rows = (sample.kind == kind) & (sample.day == day)
            distinct, counts = np.unique(sample.entity[rows], return_counts=True)
            assert len(distinct) == 7
            assert counts.max() <= 9


def test_another_seed_chooses_others(events):
    one, other = small(), small(seed=6)
    one.add(events)
    other.add(events)
    assert contents(one)["sample_columns"] != contents(other)["sample_columns"]


def test_a_restored_sample_goes_on_like_the_original(events):
    half = len(events.time_us) // 2
    sample = small()
    sample.add(events.take(slice(0, half)))
    again = EventSample.restored(*sample.export())
    for each in (sample, again):
        each.add(events.take(slice(half, None)))
    assert contents(again) == contents(sample)


def test_with_an_identity_the_sample_does_not_depend_on_ids(events):
    moved = events._replace(columns=events.columns.copy())
    moved.columns[:, -3:] += 5_000 * (moved.columns[:, -3:] > 0)
    left = small(identity=lambda ids: ids.astype(np.uint64))
    right = small(identity=lambda ids: ids.astype(np.uint64) - np.uint64(5_000))
    left.add(events)
    right.add(moved)
    assert left.events.time_us.tolist() == right.events.time_us.tolist()
    assert left.entity.tolist() == (right.entity - 5_000).tolist()


def test_renumbering_drops_who_is_gone(events):
    sample = small()
    sample.add(events)
    gone = int(sample.entity[0])
    ids = np.arange(2_000)
    ids[gone] = 0
    before = sample.entity.copy()
    sample.renumber(ids, np.arange(3_000))
    assert sample.entity.tolist() == before[before != gone].tolist()


def test_a_clock_years_ahead_does_not_empty_the_sample(events):
    sample = small()
    sample.add(events)
    stray = events.take(slice(0, 1))
    sample.add(stray._replace(time_us=stray.time_us + 20_000 * DAY_US))
    assert len(np.unique(sample.day)) == 4
