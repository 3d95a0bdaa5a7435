"""The demo's organisation on disk: what is history, what is to come, and attacks that can be shown now."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest

from features.errors import InputError
from serving.demo import world

NOW_MS = round(datetime(2026, 11, 22, 13, 30, tzinfo=UTC).timestamp() * 1000)
"""A Sunday."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    days = []
    plan = world.simulate(folder, 8, 8, 5, NOW_MS, lambda done, of: days.append((done, of)))
    return folder, plan, days


def test_progress_is_told_day_by_day(made):
    assert made[2] == [(n + 1, 11) for n in range(11)]


def test_history_ends_now_and_the_coming_days_follow(made):
    folder, plan, _ = made
    arrivals = list(world.arrivals(folder))
    assert sum(one.at_ms <= NOW_MS for one in arrivals) == plan.history > 1_000
    assert arrivals[0].at_ms // world.DAY_MS == NOW_MS // world.DAY_MS - 8
    assert NOW_MS + world.DAY_MS < arrivals[-1].at_ms <= plan.end_ms
    assert [one.at_ms for one in arrivals] == sorted(one.at_ms for one in arrivals)
    assert list(world.arrivals(folder, NOW_MS)) == arrivals[plan.history :]
    assert world.load(folder) == plan


def test_every_event_has_an_id_of_its_own_and_a_time_of_the_moved_week(made):
    folder, plan, _ = made
    events = [msgspec.json.decode(one.line) for one in world.arrivals(folder)]
    assert len({event["metadata"]["uid"] for event in events}) == len(events)
    assert plan.shift_days == 4
    busy = dict.fromkeys(range(11), 0)
    for event in events:
        busy[event["time"] // world.DAY_MS - NOW_MS // world.DAY_MS + 8] += 1
    assert busy[8] > 2 * min(busy.values()), "today is a working day there"


@pytest.mark.parametrize(
    ("day", "shift"), [(16, 0), (20, 0), (21, 3), (22, 4), (23, 0)], ids=["Mon", "Fri", "Sat", "Sun", "Mon"]
)
def test_only_weekends_are_moved(day, shift):
    assert world.shift_of(date(2026, 11, day)) == shift


def test_attacks_are_three_stages_against_different_people_and_in_no_day(made):
    folder, _, _ = made
    attacks = [world.attack(folder, number) for number in range(world.ATTACKS)]
    assert world.attack(folder, world.ATTACKS) == attacks[0]
    for stages in attacks:
        assert [stage[0].kind for stage in stages] == [
            "account_takeover",
            "lateral_movement_fast",
            "ransomware",
        ]
        assert len({event.person for stage in stages for event in stage}) == 1
    assert len({stages[0][0].person for stages in attacks}) == world.ATTACKS
    events = [event for stages in attacks for stage in stages for event in stage]
    planted = {event.body.partition('"time":')[2] for event in events}
    lines = b"".join(one.line for one in world.arrivals(folder)).decode()
    assert not any(body in lines for body in planted)


def test_a_stage_is_put_where_it_is_wanted(made):
    folder, _, _ = made
    for stage in world.attack(folder, 1):
        timed = world.timed(stage, NOW_MS, 20_000, "x")
        assert len(timed) == len(stage)
        assert timed[0].at_ms == NOW_MS
        assert timed[-1].at_ms <= NOW_MS + 20_000
        events = [msgspec.json.decode(one.line) for one in timed]
        assert [event["time"] for event in events] == [one.at_ms for one in timed]
        assert [event["metadata"]["uid"] for event in events] == [f"x-{n}" for n in range(len(events))]


def test_what_is_no_demo_is_refused_and_what_is_one_is_cleared(tmp_path):
    assert world.load(tmp_path) is None
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        world.load(tmp_path)
    (tmp_path / world.PLAN).write_text('{"form": 0}')
    assert world.load(tmp_path) is None
    (tmp_path / "days").mkdir()
    world.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
