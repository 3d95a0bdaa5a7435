"""Scores depend on the events and their order, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.baselines import Baselines
from models.engine import HOLD_NATS, Engine, Scores
from tests.batches import (
    DAY_US,
    START_US,
    Story,
    assert_identical,
    assert_same_habits,
    assert_sound,
    batch,
    in_groups,
    joined,
    score_in_pieces,
    state_of,
    story,
)


def run(told: Story, sizes: list[int], hold_days: float = 7.0, **options: int) -> tuple[Scores, Engine]:
    baselines = in_groups(Baselines(**options))
    engine = Engine(baselines, hold_days=hold_days)
    scores = score_in_pieces(engine, batch(baselines, told), sizes)
    return scores, engine


SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=4)


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), sizes=SIZES, days=st.sampled_from([0.01, 20.0, 400.0, 4000.0, 9000.0]))
def test_any_chunking_of_one_order_gives_identical_scores(seed, sizes, days):
    told = story(seed, 900, days=days)
    whole, engine = run(told, [told.count])
    parts, other = run(told, sizes)
    assert_identical(whole, parts)
    assert state_of(engine) == state_of(other)
    assert_sound(engine.baselines)


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), sizes=SIZES)
def test_chunking_of_a_jumbled_order_changes_nothing_either(seed, sizes):
    told = story(seed, 900, days=3000.0, ordered=False)
    whole, engine = run(told, [told.count])
    parts, other = run(told, sizes)
    assert_identical(whole, parts)
    assert state_of(engine) == state_of(other)


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), sizes=SIZES)
def test_chunking_changes_nothing_while_entries_are_dropped_for_room(seed, sizes):
    told = story(seed, 1500, people=30, days=90.0)
    whole, engine = run(told, [told.count], max_entries=3000)
    parts, other = run(told, sizes, max_entries=3000)
    assert engine.baselines.dropped_entries > 0
    assert_identical(whole, parts)
    assert state_of(engine) == state_of(other)
    assert engine.baselines.dropped_weight == other.baselines.dropped_weight
    assert_sound(engine.baselines)


def test_the_stories_of_these_tests_have_evidence_held_events_growth_and_landmark_moves():
    scores, engine = run(story(1, 4000, people=12, days=300.0, strange=0.05), [500], hold_days=60.0)
    assert 0 < engine.held_count < scores.held.sum(), "some are released, some are not yet"
    assert (scores.evidence > 0).mean() > 0.02
    assert engine.baselines._table.capacity > 1 << 12
    assert (engine.behaviours.since[:, 2] > 0).any(), "tail sums were refreshed"
    _, engine = run(story(1, 900, days=4000.0), [500])
    assert engine.baselines.landmark_us > START_US + 32 * 30 * DAY_US


@settings(max_examples=4)
@given(seed=st.integers(0, 1000))
def test_scores_say_what_their_details_say(seed):
    scores, _ = run(story(seed, 1500, strange=0.05), [700])
    details = scores.details
    total = np.zeros(len(scores.evidence))
    np.add.at(total, details.row, details.gain)
    np.testing.assert_allclose(total, scores.evidence, rtol=1e-9, atol=1e-12)
    assert (np.diff(details.row) >= 0).all()
    assert ((scores.top >= 0) == (scores.evidence > 0)).all()
    assert (scores.held == (scores.evidence >= HOLD_NATS)).all()
    assert ((scores.p_value > 0) & (scores.p_value <= 1)).all()
    assert ((scores.risk >= 0) & (scores.risk < 100)).all()
    for array in (details.raw, details.nats, details.gain, details.counts):
        assert np.isfinite(array).all()
        assert (array >= 0).all()
    strongest = np.full(len(scores.evidence), -1.0)
    np.maximum.at(strongest, details.row, details.nats)
    of_top = details.behaviour == scores.top[details.row]
    np.testing.assert_array_equal(details.nats[of_top], strongest[details.row][of_top])


def test_reading_evidence_changes_nothing_and_says_the_same_every_time():
    told = story(3, 1200)
    baselines = in_groups(Baselines())
    engine = Engine(baselines)
    everything = batch(baselines, told)
    engine.score_learn(everything.take(slice(0, 900)))
    rest = everything.take(slice(900, None))
    before = state_of(engine)
    first = engine.raw_evidence(rest)
    assert first.tobytes() == engine.raw_evidence(rest).tobytes()
    assert state_of(engine) == before
    one_by_one = [engine.raw_evidence(rest.take(slice(row, row + 1))) for row in range(40)]
    assert np.concatenate(one_by_one).tobytes() == first[:40].tobytes()


def test_reading_evidence_of_a_new_baseline_sets_no_landmark():
    baselines = Baselines()
    engine = Engine(baselines)
    everything = batch(baselines, story(3, 50))
    evidence = engine.raw_evidence(everything)
    assert baselines.landmark_us is None
    assert np.nanmax(np.abs(evidence)) < 1e-12, "nothing is known, so nothing is odd"


def test_the_scoring_loop_uses_the_evidence_that_raw_evidence_shows():
    told = story(4, 2001, strange=0.0)
    baselines = in_groups(Baselines())
    engine = Engine(baselines)
    everything = batch(baselines, told)
    engine.score_learn(everything.take(slice(0, 2000)))
    strange = everything.take(slice(2000, 2001))
    strange.columns[0, :-3] = everything.columns[7, :-3]
    strange.columns[0, -3:] = everything.columns[8, -3:]
    evidence = engine.raw_evidence(strange)
    details = engine.score_learn(strange).details
    for behaviour, raw in zip(details.behaviour.tolist(), details.raw.tolist(), strict=True):
        assert raw == pytest.approx(evidence[0, behaviour], rel=1e-12)


def test_an_empty_batch_scores_nothing_and_changes_nothing():
    baselines = Baselines()
    engine = Engine(baselines)
    everything = batch(baselines, story(3, 300))
    engine.score_learn(everything)
    before = state_of(engine)
    assert len(engine.score_learn(everything.take(slice(0, 0))).evidence) == 0
    assert state_of(engine) == before


def test_held_events_are_learned_later_with_the_weight_of_their_own_time():
    told = story(5, 2500, strange=0.05, days=50.0)
    scores, engine = run(told, [333], hold_days=7.0)
    assert scores.held.any()
    late = story(6, 1, start_us=int(told.time_us[-1]) + 30 * DAY_US, days=0)
    engine.score_learn(batch(engine.baselines, late))
    assert engine.held_count == 0
    plain = in_groups(Baselines())
    plain.learn(batch(plain, joined([told, late])))
    assert_same_habits(engine.baselines, plain, int(late.time_us[0]))
    assert_sound(engine.baselines)


def test_a_held_event_leaves_no_trace_until_it_is_released():
    told = story(5, 2500, strange=0.05, days=50.0)
    scores, engine = run(told, [told.count], hold_days=365.0)
    plain = in_groups(Baselines())
    plain.learn(batch(plain, told.take(np.flatnonzero(~scores.held))))
    assert engine.held_count == scores.held.sum() > 0
    assert_same_habits(engine.baselines, plain, int(told.time_us[-1]))


def test_more_events_can_be_held_than_there_was_room_for():
    told = story(5, 3000, strange=0.05, days=50.0)
    few, roomy = [], []
    for room, out in ((4, few), (4096, roomy)):
        baselines = in_groups(Baselines())
        engine = Engine(baselines, hold_days=20.0)
        engine.held = type(engine.held)(
            *(array[:room].copy() for array in engine.held[:-1]), engine.held.ends
        )
        out.append(score_in_pieces(engine, batch(baselines, told), [told.count]))
        out.append(engine.held_count)
    assert_identical(few[0], roomy[0])
    assert few[1] == roomy[1] > 4


def test_dropped_held_events_are_never_learned():
    told = story(5, 2500, strange=0.05, days=50.0)
    baselines = in_groups(Baselines())
    engine = Engine(baselines, hold_days=10_000.0)
    everything = batch(baselines, told)
    held = np.flatnonzero(score_in_pieces(engine, everything, [600]).held)
    asked = everything.take(np.concatenate([held[::2], [0, 1, 2]]))
    dropped = engine.drop_held(asked)
    assert dropped.tolist() == [True] * len(held[::2]) + [False] * 3
    assert engine.held_count == len(held) - len(held[::2])
    assert not engine.drop_held(asked).any(), "what is gone is gone"
    late = story(6, 1, start_us=int(told.time_us[-1]) + 20_000 * DAY_US, days=0)
    engine.score_learn(batch(baselines, late))
    plain = in_groups(Baselines())
    plain.learn(batch(plain, joined([told.take(np.setdiff1d(np.arange(told.count), held[::2])), late])))
    assert_same_habits(baselines, plain, int(late.time_us[0]))


def test_moving_the_landmark_changes_no_score():
    """Times lie on a grid of half-lives / 64, where 2^x of the fraction is the same for every landmark."""
    told = story(8, 1500, days=300.0)
    step = 30 * DAY_US // 64
    told = Story(told.time_us // step * step, told.class_uid, told.codes)
    moved, still = (in_groups(Baselines()) for _ in range(2))
    one, other = Engine(moved), Engine(still)
    scores = []
    for engine in (one, other):
        everything = batch(engine.baselines, told)
        scores.append([engine.score_learn(everything.take(slice(0, 1000)))])
        if engine is one:
            engine._move_landmark(int(told.time_us[1000]))
        scores[-1].append(engine.score_learn(everything.take(slice(1000, None))))
    assert moved.landmark_us > still.landmark_us
    assert_identical(scores[0][1], scores[1][1])


@pytest.mark.parametrize("shift_days", [-9000, -3650, 3650, 9000])
def test_the_first_event_ever_seen_does_not_matter_for_scores(shift_days):
    """A lone early or late event sets another landmark; what its entity and time do to others is nothing."""
    told = story(9, 1200)
    first = story(10, 1, start_us=START_US + shift_days * DAY_US, days=0)
    first.codes[:] = 0
    alone, _ = run(told, [500])
    after, _ = run(joined([first, told]), [501])
    later = Scores(*(getattr(after, name)[1:] for name in Scores._fields[:-1]), after.details)
    if shift_days < 0:
        np.testing.assert_allclose(later.evidence, alone.evidence, atol=1e-9)
        np.testing.assert_array_equal(later.top, alone.top)
    else:
        assert np.isfinite(later.evidence).all()


@pytest.mark.parametrize("late_us", [0, DAY_US, START_US // 2])
def test_an_event_from_a_clock_that_starts_at_zero_is_scored_and_harms_nobody(late_us):
    told = story(11, 1500)
    odd = story(12, 30, start_us=late_us, days=1)
    baselines = in_groups(Baselines())
    engine = Engine(baselines)
    engine.score_learn(batch(baselines, told.take(slice(0, 1000))))
    scores = engine.score_learn(batch(baselines, odd))
    for array in (scores.evidence, scores.p_value, scores.details.nats, scores.details.counts):
        assert np.isfinite(array).all()
    after = engine.score_learn(batch(baselines, told.take(slice(1000, None))))
    plain, _ = run(told, [1000])
    assert_sound(baselines)
    np.testing.assert_allclose(after.evidence, plain.evidence[1000:], atol=3.0)


def test_a_clock_that_jumps_to_the_end_of_time_and_back_leaves_a_working_detector():
    told = story(13, 3000, strange=0.05)
    jump = story(14, 3, start_us=4_102_444_700_000_000, days=0)
    scores, engine = run(joined([told.take(slice(0, 1500)), jump, told.take(slice(1500, None))]), [777])
    plain, _ = run(told, [777])
    assert np.isfinite(scores.evidence).all()
    assert ((scores.p_value > 0) & (scores.p_value <= 1)).all()
    after = scores.evidence[1503:]
    assert (after > 0).sum() > 0.5 * (plain.evidence[1500:] > 0).sum(), "it still sees what is odd"
    assert_sound(engine.baselines)
