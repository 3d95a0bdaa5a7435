"""Baselines are sums: order, cuts, detours and ways back do not matter, and what is lost is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import sketch
from features.baselines import Baselines
from features.behaviours import BEHAVIOURS, Behaviour
from features.errors import InputError, StateError
from tests.batches import (
    DAY_US,
    START_US,
    Story,
    assert_same_habits,
    assert_sound,
    batch,
    habits,
    in_groups,
    joined,
    pieces,
    story,
)

SEEDS = st.integers(0, 10_000)
SPANS = st.sampled_from([0.0, 1.0, 60.0, 700.0, 4000.0, 12_000.0])


def learned(told: Story, cuts: list[int] | None = None, **options: float) -> Baselines:
    baselines = in_groups(Baselines(**options))
    for cut in pieces(told.count, cuts or [told.count or 1]):
        baselines.learn(batch(baselines, told.take(cut)))
    return baselines


@settings(max_examples=12)
@given(seed=SEEDS, days=SPANS, cuts=st.lists(st.integers(1, 300), min_size=1, max_size=4), order=SEEDS)
def test_any_arrival_order_and_any_chunking_give_the_same_baseline(seed, days, cuts, order):
    told = story(seed, 500, days=days)
    jumbled = told.take(np.random.default_rng(order).permutation(told.count))
    one, other = learned(told, floor=0.0), learned(jumbled, cuts, floor=0.0)
    assert_same_habits(one, other, int(told.time_us[-1]))
    assert_sound(one)
    assert_sound(other)


def test_a_weight_is_the_sum_of_halves_to_the_power_of_age_in_half_lives():
    told = story(1, 3, days=0)
    told.class_uid[:] = 0
    told.codes[:] = 1
    told.time_us[:] = START_US, START_US + 30 * DAY_US, START_US + 60 * DAY_US
    baselines = learned(told)
    everywhere = habits(baselines, START_US + 60 * DAY_US).loc[
        ("organisation", "user", "", "user.host", "host-1")
    ]
    assert everywhere["weight"] == pytest.approx(1.75, rel=1e-12)
    assert habits(baselines, START_US + 90 * DAY_US).loc[everywhere.name]["weight"] == pytest.approx(0.875)


@settings(max_examples=10)
@given(seed=SEEDS, days=st.sampled_from([0.0, 5.0, 60.0, 250.0]), share=st.floats(0, 1))
def test_what_is_learned_and_unlearned_leaves_no_trace(seed, days, share):
    told, more = story(seed, 300, days=days), story(seed + 1, 300, days=days, ordered=False)
    repeated = joined([more, more.take(slice(0, 100)), told.take(slice(0, int(share * told.count)))])
    before, after = learned(told), learned(told)
    detour = batch(after, repeated)
    after.learn(detour)
    assert_sound(after)
    missing = after.unlearn(detour.take(np.random.default_rng(seed).permutation(len(detour.time_us))))
    assert missing == pytest.approx(0.0, abs=1e-6)
    assert_same_habits(before, after, START_US + 300 * DAY_US)
    assert_sound(after)


def test_unlearning_everything_leaves_an_empty_table():
    told = story(2, 2000, days=250.0)
    baselines = learned(told)
    baselines.unlearn(batch(baselines, told))
    assert len(baselines) == 0
    assert_sound(baselines)
    assert not baselines.sums().totals.any()
    assert not baselines.sums().distinct.any()
    assert not baselines.sums().pairs.any()


def test_a_detour_to_the_far_future_leaves_the_same_habits():
    told = story(3, 300, days=60.0)
    before, after = learned(told), learned(told)
    distant = story(4, 20, start_us=START_US + 6000 * DAY_US, days=1)
    distant.codes[:] += 50_000
    far = batch(after, distant)
    after.learn(far)
    assert after.landmark_us > before.landmark_us
    assert after.unlearn(far) == pytest.approx(0.0, abs=1e-6)
    assert_same_habits(before, after, int(told.time_us[-1]))
    assert_sound(after)


def test_unlearning_what_was_never_learned_says_how_much_was_missing_and_takes_nothing_else():
    told = story(5, 200, days=0.0)
    baselines = learned(told)
    stranger = story(6, 1, days=0.0)
    stranger.codes[:] = 50_000
    unknown = batch(baselines, stranger)
    missing = baselines.unlearn(unknown)
    assert missing > 1.0
    assert_same_habits(learned(told), baselines, START_US)
    assert_sound(baselines)


@settings(max_examples=8)
@given(seed=SEEDS, days=SPANS, share=st.floats(0, 1), gap_days=st.sampled_from([0, 45, 2000]))
def test_merging_two_halves_gives_the_whole(seed, days, share, gap_days):
    told = story(seed, 400, days=days)
    cut = int(share * told.count)
    rows = np.random.default_rng(seed).permutation(told.count)
    left, right = told.take(rows[:cut]), told.take(rows[cut:])
    right = Story(right.time_us + gap_days * DAY_US, right.class_uid, right.codes)
    whole = learned(joined([left, right]), floor=0.0)
    newest = int(joined([left, right]).time_us.max())
    for first, second in ((left, right), (right, left)):
        ours, theirs = learned(first, floor=0.0), Baselines(floor=0.0)
        theirs.values.intern_many(["so that ids", "do not agree"])
        theirs.entities.ids(1, np.array([1, 2]))
        in_groups(theirs).learn(batch(theirs, second))
        theirs_before = habits(theirs, newest)
        ours.merge(theirs)
        assert_same_habits(ours, whole, newest)
        assert_sound(ours)
        assert habits(theirs, newest).equals(theirs_before), "merging reads the other one only"
        assert ours.watermark_us == newest


def test_merging_beyond_the_limit_of_entities_gives_nothing_to_nobody_and_counts_it():
    ours = learned(story(7, 100, people=2), max_entities=12)
    ours.merge(learned(story(8, 300, people=30), max_entities=1000))
    assert_sound(ours)
    assert ours.entities.count <= 12
    assert ours.entities.refused > 0
    assert ours.dropped_entries > 0
    assert ours.dropped_weight > 0


@pytest.mark.parametrize("tie", [True, False])
def test_merging_beyond_the_limit_of_entries_ends_within_it(tie):
    days = 0.0 if tie else 60.0
    ours = learned(story(7, 200, people=30, days=days), max_entries=1300)
    ours.merge(learned(story(8, 400, people=30, days=days)))
    assert len(ours) <= 1300
    assert_sound(ours)


def test_other_behaviours_and_half_lives_are_refused():
    with pytest.raises(StateError, match="half-life"):
        Baselines().merge(Baselines(half_life_days=10))
    with pytest.raises(StateError, match="behaviours"):
        Baselines().merge(Baselines(behaviours=BEHAVIOURS[:3]))


@settings(max_examples=6)
@given(seed=SEEDS, limit=st.integers(1300, 4000), days=st.sampled_from([0.0, 30.0, 900.0]))
def test_the_table_stays_within_its_limit_and_counts_what_it_drops(seed, limit, days):
    baselines = in_groups(Baselines(max_entries=limit))
    told = story(seed, 1200, people=40, days=days)
    for cut in pieces(told.count, [170]):
        baselines.learn(batch(baselines, told.take(cut)))
        assert len(baselines) <= limit
    assert_sound(baselines)
    assert baselines.dropped_entries > 0
    if days == 0.0:
        everything = learned(told)
        assert float(
            baselines.sums().totals.sum()
        ) * baselines.decay() + baselines.dropped_weight == pytest.approx(
            float(everything.sums().totals.sum()) * everything.decay(), rel=1e-9
        )


def test_what_is_dropped_for_room_is_the_lightest():
    baselines = learned(story(9, 1500, people=40, days=60.0))
    baselines.max_entries = 1500
    weights = np.sort(sketch.entries(baselines._table)[1])
    gone = len(baselines) - 1350
    baselines.make_room(baselines.watermark_us)
    assert np.sort(sketch.entries(baselines._table)[1]).tolist() == weights[gone:].tolist()
    assert baselines.dropped_entries == gone
    assert baselines.dropped_weight == pytest.approx(weights[:gone].sum() * baselines.decay())
    assert_sound(baselines)


def test_faded_entries_go_when_room_is_needed():
    old, new = story(10, 1000, people=30), story(11, 1500, people=30, start_us=START_US + 400 * DAY_US)
    old = Story(old.time_us, old.class_uid, np.where(old.codes > 0, old.codes + 20_000, 0))
    baselines = learned(joined([old, new]))
    assert baselines.dropped_entries > 0
    assert_sound(baselines)
    assert habits(baselines, baselines.watermark_us)["weight"].min() >= baselines.floor * 2**-3


def test_a_limit_that_one_event_could_fill_is_refused():
    with pytest.raises(InputError, match="max_entries"):
        Baselines(max_entries=100)


@settings(max_examples=6)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["learn", "unlearn", "merge", "shed", "renumber", "room"]), SEEDS),
        max_size=6,
    )
)
def test_counts_agree_with_entries_after_any_sequence_of_operations(steps):
    baselines = in_groups(Baselines(max_entries=2500))
    for step, seed in steps:
        told = story(seed, 150, people=12, days=30.0)
        if step == "learn":
            baselines.learn(batch(baselines, told))
        elif step == "unlearn":
            assert baselines.unlearn(batch(baselines, told)) >= 0
        elif step == "merge":
            baselines.merge(learned(told))
        elif step == "shed":
            baselines.shed_entities(0.3)
        elif step == "renumber":
            baselines.renumber(np.zeros(0, np.int64), np.zeros(0, np.int64))
        else:
            baselines.make_room(int(told.time_us[-1]))
        assert_sound(baselines)
        assert len(baselines) <= 2500


def test_renumbering_changes_ids_and_no_habit():
    baselines = learned(story(12, 800))
    baselines.values.intern_many([f"unused {number}" for number in range(100)])
    baselines.entities.ids(0, baselines.values.intern_many(["never seen"]))
    kept_value = baselines.values.intern("kept without use")
    before = habits(baselines, START_US)
    strings = len(baselines.values)
    entities, values = baselines.renumber(np.zeros(1, np.int64), np.array([0, kept_value]))
    assert len(baselines.values) <= strings - 101
    assert baselines.values.find("unused 7") == baselines.values.find("never seen") == 0
    assert baselines.values[int(values[kept_value])] == "kept without use"
    assert baselines.find("never seen") == []
    assert (np.diff(np.unique(entities[entities > 0])) > 0).all()
    np.testing.assert_allclose(habits(baselines, START_US)["weight"], before["weight"], rtol=1e-12)
    assert habits(baselines, START_US).index.equals(before.index)
    assert baselines.group_name(baselines.find("user-1")[0][1]) == "sales"
    assert_sound(baselines)


def test_shedding_takes_the_lightest_entities_and_leaves_the_sums_of_everybody():
    baselines = learned(story(13, 1500, people=20))
    before = habits(baselines, START_US)
    count = baselines.shed_entities(0.2)
    assert count == int(0.2 * len(baselines.entities.all_ids()))
    after = habits(baselines, START_US)
    assert_sound(baselines)
    for level in ("peers", "organisation"):
        np.testing.assert_array_equal(after.loc[level]["weight"], before.loc[level]["weight"])
    gone = before.index.difference(after.index)
    assert len(gone) == baselines.dropped_entries > 0
    lost = set(zip(gone.get_level_values("entity_kind"), gone.get_level_values("entity"), strict=True))
    weight = before.loc["entity"]["weight"].groupby(["entity_kind", "entity"]).sum()
    stayed = weight[[key not in lost for key in weight.index]]
    assert weight[list(lost)].max() <= stayed.min() * (1 + 1e-9)
    np.testing.assert_array_equal(after["weight"], before.loc[after.index]["weight"])


def test_behaviours_without_any_class_can_be_watched():
    only = (Behaviour("user.host", "user", "host", "place", "used host {value}"),)
    baselines = Baselines(behaviours=only)
    baselines.learn(batch(baselines, story(14, 50)))
    assert len(baselines) > 0
    assert_sound(baselines)


def test_an_unknown_class_is_learned_by_behaviours_of_all_classes_only():
    told = story(15, 50)
    told.class_uid[:] = 123_456
    baselines = learned(told)
    seen = set(habits(baselines, START_US).index.get_level_values("behaviour"))
    assert seen == {behaviour.name for behaviour in BEHAVIOURS if not behaviour.classes}


def test_looking_up_a_name_finds_every_kind_and_similar_names():
    baselines = learned(story(16, 200))
    assert [kind for kind, _ in baselines.find("user-1")] == ["user"]
    assert baselines.find("nobody like this") == []
    assert baselines.find("") == []
    assert "user-1" in baselines.similar("usr-1")
