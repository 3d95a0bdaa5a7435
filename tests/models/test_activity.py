"""What every entity did so far: counted like a plain reference counts, whatever arrives."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.measures import BYTES_IN, BYTES_OUT, COUNTS, DISTINCT, FRESH, MEASURES
from features.moments import Moments
from features.windows import LATE
from models.activity import Activity
from tests.activities import CLASS_OF, DAY_US, START_DAY, World, at, event, strongest

KINDS = ("user", "host", "src_ip")


def jumble(seed: int, events: int, day: int = 0) -> list[dict]:
    """Events of one day of all sorts; parts of them are missing."""
    rng = np.random.default_rng(seed)

    def maybe(name: str, most: int) -> str:
        return "" if rng.random() < 0.15 else f"{name}-{rng.integers(0, most)}"

    told = []
    for _ in range(events):
        names = {"user": 4, "host": 5, "src_ip": 4, "dst": 9, "file": 7, "domain": 6, "api": 5, "command": 4}
        told.append(
            event(
                at(day, 24 * rng.random()),
                str(rng.choice(list(CLASS_OF))),
                sent=int(rng.integers(0, 5000)),
                received=int(rng.integers(0, 5000)),
                src_country=str(rng.choice(["DE", "JP", "US", ""])),
                **{name: maybe(name, most) for name, most in names.items()},
            )
        )
    return sorted(told, key=lambda one: one["time_us"])


def counted(told: list[dict], fresh: np.ndarray) -> dict[tuple[str, str], dict[str, float]]:
    """The counts of a day by (kind, name), in plain Python."""
    counts: dict = defaultdict(lambda: dict.fromkeys(COUNTS, 0.0))
    shown: dict = defaultdict(set)
    for row, one in enumerate(told):
        class_uid, text = CLASS_OF[one["what"]]
        for measure in MEASURES:
            name = one["values"].get(measure.entity, "")
            if not name or not measure.applies(class_uid, text):
                continue
            who = (measure.entity, name)
            if measure.how == DISTINCT:
                value = one["values"].get(measure.column, "")
                if value and value not in shown[who, measure.name]:
                    shown[who, measure.name].add(value)
                    counts[who][measure.what] += 1
            else:
                amounts = {BYTES_IN: one["received"], BYTES_OUT: one["sent"]}
                amounts[FRESH] = int(fresh[row, KINDS.index(measure.entity)])
                counts[who][measure.what] += amounts.get(measure.how, 1)
    return counts


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), events=st.integers(1, 150))
def test_a_days_counts_are_those_of_a_plain_reference(seed, events):
    told = jumble(seed, events)
    fresh = np.random.default_rng(seed).integers(0, 4, (events, 3)).astype(np.uint8)
    world = World()
    world.day(0, [])
    world.observe(told, fresh)
    found = world.activity.counts_so_far()
    expected = counted(told, fresh)
    names = world.baselines.values.many(world.baselines.entities.name[found.entity])
    seen = {(KINDS[kind], name) for kind, name in zip(found.kind, names, strict=True)}
    assert seen == {(kind, one["values"][kind]) for one in told for kind in KINDS if one["values"].get(kind)}
    for kind, name, row in zip(found.kind, names, found.counts, strict=True):
        assert dict(zip(COUNTS, row, strict=True)) == expected[KINDS[kind], name]
    closed = world.activity.close_day()
    assert closed.counts.tobytes() == found.counts.tobytes()
    world.activity.open_day(START_DAY + 1)
    assert len(world.activity.counts_so_far().entity) == 0


def test_events_of_a_closed_day_are_counted_as_late_and_change_no_count():
    world = World()
    world.day(0, jumble(1, 50))
    world.day(1, jumble(2, 50, day=1))
    before = world.activity.counts_so_far().counts.copy()
    moments = world.activity.moments.export()[0]["moment_sums"].tobytes()
    found = world.observe(jumble(3, 30, day=0))
    assert {one.kind for one in found} <= {"travel"}
    assert world.activity.open.meta[LATE] == 30
    assert world.activity.counts_so_far().counts.tobytes() == before.tobytes()
    assert world.activity.moments.export()[0]["moment_sums"].tobytes() == moments


def test_an_event_after_its_hour_still_counts_in_its_day():
    world = World()
    world.day(0, [event(at(0, 9), user="alice"), event(at(0, 11), user="alice")])
    world.observe([event(at(0, 9.5), user="alice")])
    assert world.activity.counts_so_far().counts[0, COUNTS.index("events")] == 3
    assert world.activity.open.meta[LATE] == 0


def test_events_of_a_day_that_is_not_open_are_refused():
    world = World()
    world.day(0, [event(at(0, 9), user="alice")])
    with pytest.raises(ValueError, match="not open"):
        world.observe([event(at(1, 9), user="alice")])


def test_silent_days_between_are_no_windows_of_nothing():
    """A mean is over the days on which somebody was there: holidays do not make the day after them odd."""
    world = World()
    for day in range(0, 90, 3):
        told = []
        for user in ("alice", "bob", "carol"):
            told += [event(at(day, 9 + i / 100), user=user) for i in range(20)]
        world.day(day, told)
    found = world.day(120, [event(at(120, 9 + i / 100), user="alice") for i in range(22)])
    assert strongest(found, "alice", "user.events") == 0.0


def test_restored_activity_goes_on_as_if_nothing_had_happened():
    one = World()
    for day in range(6):
        one.day(day, jumble(day, 120, day=day))
    arrays, settings_ = one.activity.export()
    other = World()
    other.baselines = one.baselines
    other.activity = Activity.restored(
        one.baselines, other.channels, arrays, settings_, calibration_half_life_days=10.0
    )
    later = jumble(99, 200, day=5)
    assert one.observe(later) == other.observe(later)
    for day in range(6, 9):
        assert one.day(day, jumble(day, 150, day=day)) == other.day(day, jumble(day, 150, day=day))
    left, right = one.activity.export(), other.activity.export()
    assert left[1] == right[1]
    assert left[0].keys() == right[0].keys()
    for name in left[0]:
        used = slice(0, min(len(left[0][name]), len(right[0][name])))
        assert left[0][name][used].tobytes() == right[0][name][used].tobytes(), name


def test_moments_stay_within_their_bound_and_what_was_dropped_is_counted():
    world = World(moments=Moments(max_entries=6_000))
    for day in range(5):
        told = [event(at(day, i / 100), user=f"user-{day}-{i}", host=f"h{i % 9}") for i in range(300)]
        world.day(day, told)
        assert len(world.activity.moments) <= 6_000
    world.activity.close_day()
    assert len(world.activity.moments) <= 6_000
    assert world.activity.moments.dropped > 0


def test_room_is_made_for_groups_that_everybody_joins_at_once():
    world = World()
    names = [f"user-{number}" for number in range(700)]
    for day in range(3):
        world.day(day, [event(at(day, 1 + i / 100), user=name, host="ws") for i, name in enumerate(names)])
        world.groups({name: f"group-{day}-{i}" for i, name in enumerate(names)})
    world.activity.close_day()
    blocks = world.activity.moments.above
    assert (blocks.first >= 0).sum() > 2 * len(names)
    assert blocks.meta[0] <= blocks.meta[1]
    assert len(blocks.sums) == 6 * blocks.meta[1]


def test_house_keeping_lets_go_of_whoever_is_not_there_today():
    world = World()
    world.day(0, jumble(1, 100))
    world.day(1, [event(at(1, 9), user="alice", host="ws")])
    entities, values = world.activity.held_ids()
    assert sorted(entities.tolist()) == sorted([world.id("alice"), world.id("ws", "host")])
    assert len(values) == 0


def test_renumbering_keeps_counts_days_moments_and_whereabouts():
    world = World()
    for day in range(12):
        told = [event(at(day, 9), user="bob", src_country="JP"), event(at(day, 8), user="carol")]
        told += [event(at(day, 9 + i / 100), user="alice", src_country="DE") for i in range(5)]
        world.day(day, told)
    activity, alice = world.activity, world.id("alice")
    arrays = activity.moments.export()[0]
    mine = arrays["moment_sums"][arrays["moment_keys"] >> 8 == alice]
    counts = dict(
        zip(activity.counts_so_far().entity.tolist(), activity.counts_so_far().counts.tolist(), strict=True)
    )
    known = [int(array[alice]) for array in activity.known]
    everybody = world.baselines.entities.all_ids()
    entities, values = world.baselines.renumber(
        everybody[everybody != world.id("carol")], np.zeros(0, np.int64)
    )
    before = activity.last_country[alice]
    activity.renumber(entities, values)
    new = int(entities[alice])
    arrays = activity.moments.export()[0]
    assert arrays["moment_sums"][arrays["moment_keys"] >> 8 == new].tobytes() == mine.tobytes()
    assert [int(array[new]) for array in activity.known] == known
    assert activity.last_country[new] == before
    so_far = dict(
        zip(activity.counts_so_far().entity.tolist(), activity.counts_so_far().counts.tolist(), strict=True)
    )
    assert so_far[new] == counts[alice]
    found = world.observe([event(at(11, 10), user="alice", src_country="JP")])
    assert strongest(found, "alice", "user.travel") > 1.0


@pytest.mark.parametrize("day", [-START_DAY, 43_800 - START_DAY, 47_481 - START_DAY])
def test_hostile_values_give_numbers(day):
    """The first day of 1970, a day in 2089 and the last one of 2099; petabytes in one event."""
    world = World()
    found = []
    for other in range(0 if day > 0 else 12, 12):
        world.day(other, jumble(other, 60, day=other))
    huge = [
        event(
            at(day, hours),
            "traffic",
            user="user-1",
            host="host-1",
            domain="d",
            sent=1 << 53,
            received=(1 << 62) - 1,
        )
        for hours in (0.0, 0.5, 23.99)
    ]
    found += world.day(day, huge + jumble(7, 60, day=day))
    for other in range(1, 12):
        found += world.day(day + other, jumble(other, 60, day=day + other))
    found += world.day(day + 12, [{**one, "time_us": one["time_us"] + 12 * DAY_US} for one in huge])
    assert found
    for one in found:
        assert np.isfinite(one.nats)
        assert np.isfinite(one.counts).all()
    for name, array in world.activity.export()[0].items():
        assert np.isfinite(array).all(), name
