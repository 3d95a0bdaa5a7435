"""Too many, too wide, too large: for this entity, not in itself."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.measures import COUNTS, DAY
from features.moments import Moments
from models.calibration import THRESHOLD_NATS
from models.volume import LEAST_LOG_SPREAD, MOST_NATS, TABLED, count_nats, everyday, grid, log_nats
from tests.activities import World, at, event, strongest

STEADY = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
HEAVY = "scanner"
DAYS = 30


def failures(user: str, day: int, count: int) -> list[dict]:
    return [event(at(day, 9 + i / 4000), "failure", user=user, host="dc") for i in range(count)]


def fan_out(user: str, day: int, count: int) -> list[dict]:
    return [event(at(day, 9 + i / 4000), user=user, host=f"host-{i}") for i in range(count)]


def upload(user: str, day: int, count: int) -> list[dict]:
    return [event(at(day, 9), "traffic", user=user, host=f"of-{user}", sent=count, dst="cloud")]


def amounts(make, rng) -> tuple[int, int]:
    """What a steady and a heavy user do on one day."""
    if make is upload:
        return int(np.exp(rng.normal(13, 0.5))), int(np.exp(rng.normal(21, 0.3)))
    return 1 + int(rng.poisson(1.5)), int(rng.normal(60, 4))


def history(world: World, make, days: int = DAYS) -> None:
    rng = np.random.default_rng(5)
    for day in range(days):
        told = []
        for user in (*STEADY, HEAVY):
            told += make(user, day, amounts(make, rng)[user == HEAVY])
        world.day(day, told)


@pytest.mark.parametrize(
    ("make", "channel", "burst"),
    [
        (failures, "user.failures", 60),
        (fan_out, "user.hosts", 60),
        (upload, "user.bytes_out", 1_500_000_000),
    ],
)
def test_a_burst_is_found_for_whoever_is_steady_and_not_for_whoever_always_does_it(make, channel, burst):
    world = World()
    history(world, make)
    found = world.day(DAYS, make("alice", DAYS, burst) + make(HEAVY, DAYS, burst) + make("bob", DAYS, 3))
    assert strongest(found, "alice", channel) > 2.0
    assert strongest(found, HEAVY, channel) == 0.0
    assert strongest(found, "bob", channel) == 0.0


def test_a_burst_is_found_while_it_lasts_and_in_the_shortest_window_that_shows_it():
    world = World()
    history(world, failures)
    found = world.day(DAYS, failures("alice", DAYS, 200))
    five = [one.row for one in found if one.channel == "user.failures/5m" and one.entity == "alice"]
    assert five
    assert five[0] < 40, "long before the last of 200"
    assert len(five) <= 16, "judged when it has grown by half, not with every event"
    assert {"user.failures/5m", "user.failures/hour", "user.failures/day"} <= {one.channel for one in found}


def test_somebody_new_is_judged_by_the_peers():
    world = World()
    world.groups(dict.fromkeys(STEADY, "sales") | {"ops-1": "ops", "ops-2": "ops"})
    rng = np.random.default_rng(6)
    for day in range(DAYS):
        told = []
        for user in STEADY:
            told += failures(user, day, 1 + int(rng.poisson(1.0)))
        for user in ("ops-1", "ops-2"):
            told += failures(user, day, int(rng.normal(45, 5)))
        world.day(day, told)
    world.groups({"new-in-sales": "sales", "new-in-ops": "ops"})
    found = world.day(DAYS, failures("new-in-sales", DAYS, 45) + failures("new-in-ops", DAYS, 45))
    assert strongest(found, "new-in-sales", "user.failures/day") > 2.0
    assert strongest(found, "new-in-ops", "user.failures/day") == 0.0
    judged = next(one for one in found if one.channel == "user.failures/day")
    count, mean, windows, peers, everybody, slow_mean = judged.counts
    assert count >= 3
    assert windows == 0, "nothing is its own"
    assert mean == pytest.approx(peers)
    assert peers < everybody
    assert slow_mean == pytest.approx(mean, rel=0.3)


def test_when_the_recent_history_has_faded_the_long_one_says_what_is_usual():
    world = World()
    history(world, failures)
    found = world.day(DAYS + 240, failures("alice", DAYS + 240, 20_000))
    judged = [one for one in found if one.channel == "user.failures/day"]
    assert judged
    assert all(0.0 < one.counts[1] == one.counts[5] < 20.0 for one in judged)
    found = world.day(DAYS + 241, failures("bob", DAYS + 241, 60))
    assert max(one.counts[4] for one in found if one.channel == "user.failures/day") < 30.0, "capped as well"


def test_what_one_burst_teaches_is_capped_so_that_the_next_one_is_found_again():
    world = World()
    history(world, failures)
    assert strongest(world.day(DAYS, failures("alice", DAYS, 20_000)), "alice", "user.failures/day") > 3.0
    found = world.day(DAYS + 1, failures("alice", DAYS + 1, 60))
    assert strongest(found, "alice", "user.failures/day") > 1.5
    mean = next(one.counts[1] for one in found if one.channel == "user.failures/day")
    assert mean < 6.0, "20,000 in a day did not become the new normal"


def drift(slow_half_life_days: float) -> list[float]:
    """Multiples of the start at which somebody who does 3% more every day is found."""
    world = World(moments=Moments(slow_half_life_days=slow_half_life_days))
    rng = np.random.default_rng(7)
    multiples = []
    for day in range(120):
        told = []
        for user in STEADY:
            told += failures(user, day, 20 + int(rng.integers(-3, 4)))
        times = 1.03 ** max(0, day - 80)
        told += failures("frog", day, round(20 * times))
        found = world.day(day, told)
        if day >= 80 and strongest(found, "frog", "user.failures/day") > 0.0:
            multiples.append(times)
    return multiples


def test_somebody_who_drifts_a_little_every_day_is_found_before_it_is_three_times_as_much():
    slow, fast_only = drift(180.0), drift(30.0)
    assert slow
    assert min(slow) < 3.0
    assert len(slow) >= len(fast_only), "the slow history remembers how it was"
    assert min(slow) <= min(fast_only, default=np.inf)


def test_what_nobody_ever_did_has_nothing_to_be_compared_with():
    world = World()
    history(world, failures)
    deleted = [event(at(DAYS, 9 + i / 4000), "deletion", user="alice", file=f"f{i}") for i in range(300)]
    found = world.day(DAYS, deleted)
    assert strongest(found, "alice", "user.changes") == 0.0
    assert strongest(found, "alice", "user.events") > 3.0, "but 300 events are many"


def test_an_organisation_of_which_little_is_known_judges_nobody():
    world = World()
    world.day(0, failures("alice", 0, 2))
    assert world.day(1, failures("alice", 1, 500)) == []


def test_one_or_two_are_never_many():
    world = World()
    rng = np.random.default_rng(1)
    for day in range(60):
        told = [event(at(day, 8), user=user, host="dc") for user in STEADY]
        told += failures("bob", day, 1 if rng.random() < 0.05 else 0)
        world.day(day, told)
    assert strongest(world.day(60, failures("alice", 60, 2)), "alice", "user.failures") == 0.0
    assert strongest(world.day(61, failures("alice", 61, 20)), "alice", "user.failures") > 3.0


@pytest.mark.parametrize(
    ("make", "channel", "burst"), [(failures, "failures", 64), (upload, "bytes_out", 1 << 32)]
)
def test_judging_counts_gives_the_evidence_that_scoring_found(make, channel, burst):
    world = World()
    history(world, make)
    moments = world.activity.moments
    before = [array.copy() for array in (*world.activity.histograms, *moments.own, *moments.above)]
    counts = np.zeros((2, len(COUNTS)))
    counts[0, COUNTS.index(channel)] = burst
    world.activity.open_day(world.activity.today)
    asked = world.activity.judged(np.array([world.id("alice"), world.id("bob")]), counts, DAY)
    after = (*world.activity.histograms, *moments.own, *moments.above)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    world.activity.close_day()
    asked = world.activity.judged(np.array([world.id("alice"), world.id("bob")]), counts, DAY)
    found = world.observe(make("alice", DAYS - 1, burst))
    cause = next(one.cause for one in world.channels.all if one.name == f"user.{channel}/day")
    told = strongest(found, "alice", f"user.{channel}/day")
    assert told > 3.0
    assert asked[0, world.channels.causes.index(cause)] == pytest.approx(told, rel=1e-12)
    assert not asked[1].any(), "nothing counted is nothing odd"


# ------------------------------------------------------------------------------------- against references


@given(
    mean=st.floats(0.01, 1e5),
    dispersion=st.floats(1.06, 1e4),
    times=st.floats(1.01, 300.0),
)
@example(mean=10_000.0, dispersion=1_600.0, times=10.0)
@example(mean=0.5, dispersion=50.0, times=20.0)
def test_the_bound_of_a_count_is_above_the_tail_and_close_to_it(mean, dispersion, times):
    from scipy import stats

    count = float(np.ceil(mean * times) + 1)
    variance = mean * dispersion
    shape = mean * mean / (variance - mean)
    exact = -float(stats.nbinom.logsf(count - 1, shape, mean / variance))
    bound = count_nats(count, mean, variance)
    assert 0.0 <= bound <= MOST_NATS
    if not np.isfinite(exact) or exact > MOST_NATS:
        return
    assert bound <= exact * (1 + 1e-6) + 1e-6
    if exact > 3.0:
        assert bound >= exact - 1.0


@given(
    mean=st.floats(0.001, 1e5),
    dispersion=st.floats(0.0, 12.0).map(np.exp),
    times=st.floats(-1.0, 3.0).map(np.exp),
)
def test_what_a_cheap_look_calls_everyday_is_no_evidence(mean, dispersion, times):
    count, variance = float(np.ceil(max(3.0, mean * times))), mean * dispersion
    if everyday(count, mean, variance):
        assert count_nats(count, mean, variance) <= THRESHOLD_NATS
    elif count > mean:
        assert count_nats(count, mean, variance) > 1.0, "the look is not so cheap that it sees nothing"


def test_the_table_of_the_grid_is_the_grid():
    table = World().activity._layout.grids
    assert table.tolist() == [grid(float(amount)) for amount in range(TABLED)]
    steps = np.flatnonzero(np.diff(table[:50])) + 1
    assert steps.tolist() == [1, 2, 3, 4, 6, 8, 12, 16, 23, 32, 46], "powers of the root of two"


@given(z=st.floats(0.0, 200.0), spread=st.floats(LEAST_LOG_SPREAD, 10.0), windows=st.floats(0.0, 1e4))
def test_the_bound_of_a_logarithm_is_above_the_tail_and_close_to_it(z, spread, windows):
    from scipy import stats

    exact = -float(stats.t.logsf(z, min(2.0 + windows, 30.0)))
    bound = log_nats(10.0 + z * spread, 10.0, spread * spread, windows)
    assert 0.0 <= bound <= MOST_NATS
    assert bound <= exact + 1e-6
    if 3.0 < exact < MOST_NATS:
        assert bound >= exact - 1.0


@pytest.mark.parametrize("variance", [0.0, 1.0, 50.0, 1e6, -1e-3])
def test_more_is_never_less_odd(variance):
    nats = [count_nats(float(count), 12.0, variance) for count in range(1, 400)]
    assert nats[:12] == [0.0] * 12
    assert nats == sorted(nats)
    logs = [log_nats(value, 5.0, variance, 20.0) for value in np.linspace(0, 40, 200)]
    assert logs == sorted(logs)
    assert log_nats(5.0 + log(1.1), 5.0, variance, 20.0) == 0.0
