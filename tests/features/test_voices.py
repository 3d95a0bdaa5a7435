"""No entity decides alone what is normal for its peers and its organisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features import regroup, voices
from features.baselines import Baselines
from features.behaviours import BEHAVIOURS, COLUMN, VALUE_COLUMNS
from features.entities import KINDS, UNIT
from features.events import AUTHENTICATION
from models.engine import Engine
from tests.batches import (
    DAY_US,
    START_US,
    Story,
    assert_same_habits,
    assert_sound,
    batch,
    in_groups,
    joined,
    story,
)

PEOPLE = 30
NOON_US = START_US + 61 * DAY_US


def flood(events: int, user: int = 1, value: int = 77) -> Story:
    """One account does one thing on one host again and again, within an hour."""
    codes = np.zeros((events, len(VALUE_COLUMNS)), np.int64)
    codes[:, COLUMN["user"]], codes[:, COLUMN["host"]] = user, value
    codes[:, COLUMN["activity"]] = 1
    times = NOON_US + np.arange(events) * 1_000
    return Story(times, np.full(events, AUTHENTICATION, np.int32), codes)


def an_office(*, grouped: bool = True, people: int = PEOPLE) -> Baselines:
    baselines = Baselines()
    baselines.learn(batch(baselines, story(1, 6_000, people=people)))
    if grouped:
        in_groups(baselines, people)
        baselines.learn(batch(baselines, story(2, 6_000, people=people)))
    return baselines


def shares(baselines: Baselines, name: str) -> list[tuple[float, float, int]]:
    """Largest part that an entity holds of a behaviour's weight at each level, what is allowed, the level."""
    found = []
    sums = baselines.sums()
    for index, behaviour in enumerate(BEHAVIOURS):
        if behaviour.name != name:
            continue
        kind, place = int(baselines.program.kind[index]), int(baselines.program.local[index])
        ids = baselines.entities.all_ids((kind,))
        group = baselines.entities.group[ids]
        own = sums.totals[ids * UNIT + place, None] * baselines.voices.of(ids)[:, place]
        for level in [*np.unique(group[group > 0]).tolist(), baselines.entities.organisation[kind]]:
            inside = group == level if level in group else np.ones(len(ids), np.bool_)
            held = own[inside, 0 if level in group else 1]
            whole = held.sum()
            speakers = int((held > 0).sum())
            if whole * baselines.decay() >= voices.LEAST_WEIGHT:
                allowed = max(voices.SHARE, voices.EQUAL_PARTS / speakers)
                found.append((float(held.max() / whole), allowed, int(level)))
    return found


def assert_consistent(baselines: Baselines) -> None:
    """The organisation's sums are those of everybody's habits times their voices."""
    assert_sound(baselines)
    sums = baselines.sums()
    for kind in range(KINDS):
        ids = baselines.entities.all_ids((kind,))
        for place in sorted({int(p) for p in baselines.program.local[baselines.program.kind == kind]}):
            own = sums.totals[ids * UNIT + place]
            spoken = (own * baselines.voices.of(ids)[:, place, 1]).sum()
            level = baselines.entities.organisation[kind] * UNIT + place
            assert sums.totals[level] == pytest.approx(spoken, rel=1e-9, abs=1e-9)


def test_a_flood_by_one_account_is_heard_as_no_more_than_its_share() -> None:
    baselines = an_office()
    baselines.weigh_voices()
    baselines.learn(batch(baselines, flood(100_000)))
    before = max(share for share, _, _ in shares(baselines, "user.host"))
    assert before > 0.5
    assert baselines.weigh_voices() > 0
    found = shares(baselines, "user.host")
    assert len(found) == 3, "two groups and the organisation"
    for share, allowed, _ in found:
        assert share <= allowed * voices.TOLERANCE
    assert_consistent(baselines)


def test_what_the_others_do_stays_normal_under_a_flood() -> None:
    quiet, flooded = an_office(), an_office()
    for baselines in (quiet, flooded):
        baselines.weigh_voices()
    flooded.learn(batch(flooded, flood(100_000)))
    flooded.weigh_voices()
    habits = [
        baselines.habits(None).query(
            "level != 'entity' and entity_kind == 'user' and behaviour == 'user.host'"
        )
        for baselines in (quiet, flooded)
    ]
    ours, theirs = (frame.set_index(["level", "entity", "value"])["share"] for frame in habits)
    common = ours.index.intersection(theirs.index)
    its_own = quiet.habits("user-1")["value"]
    common = common[~common.get_level_values("value").isin(its_own)]
    assert len(common) > 30
    moved = 1.0 - theirs[common] / ours[common]
    assert 0.0 < moved.max() < voices.SHARE * voices.TOLERANCE
    assert theirs[theirs.index.get_level_values("value") == "host-77"].max() < voices.SHARE * voices.TOLERANCE


def test_few_events_or_few_people_are_no_reason_to_be_quiet() -> None:
    baselines = Baselines()
    baselines.learn(batch(baselines, flood(90)))
    assert baselines.weigh_voices() == 0
    baselines.learn(batch(baselines, flood(100_000)))
    assert baselines.weigh_voices() == 0, "nobody else is drowned"


def test_unlearning_a_flood_gives_back_the_voice_and_everything_else() -> None:
    untouched, baselines = an_office(), an_office()
    poison = batch(baselines, flood(50_000))
    baselines.learn(poison)
    assert baselines.weigh_voices() > 0
    assert baselines.unlearn(poison) < 1e-6
    untouched.watermark_us = baselines.watermark_us
    for each in (untouched, baselines):
        each.weigh_voices()
    assert_consistent(baselines)
    # what the flood showed for the first time is gone with it
    assert_same_habits(untouched, baselines, NOON_US)


def test_an_entity_is_compared_with_everyone_else_whatever_its_voice() -> None:
    """The counts of the others are the same for a quiet entity as for one that speaks in full."""
    loud, quiet = an_office(), an_office()
    told = flood(20_000)
    for baselines in (loud, quiet):
        baselines.learn(batch(baselines, told))
    quiet.weigh_voices()
    assert (quiet.voices.of(np.array([quiet.find("user-1")[0][1]])) < 1.0).any()
    one = told.take(slice(-1, None))
    evidence = [Engine(each).raw_evidence(batch(each, one)) for each in (loud, quiet)]
    scores = [Engine(each).score_learn(batch(each, one)) for each in (loud, quiet)]
    np.testing.assert_allclose(evidence[0][0, 0], evidence[1][0, 0], rtol=0.2)
    np.testing.assert_allclose(scores[0].details.counts, scores[1].details.counts, rtol=1e-3)


def test_voices_go_with_their_entities_through_groups_merging_renumbering_and_checkpoints() -> None:
    baselines = an_office()
    baselines.learn(batch(baselines, flood(50_000)))
    count = baselines.weigh_voices()
    assert count > 0
    arrays, kept = baselines.export()
    restored = Baselines.restored(arrays, kept)
    assert_consistent(restored)
    assert_same_habits(baselines, restored, NOON_US)
    account = baselines.find("user-1")[0][1]
    other = int(baselines.entities.group[baselines.find("user-2")[0][1]])
    regroup.move(baselines, np.array([account]), np.array([other]))
    assert_consistent(baselines)
    voice = baselines.voices.of(np.array([account]))
    entities, _ = baselines.renumber(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert np.array_equal(baselines.voices.of(entities[[account]]), voice)
    assert_consistent(baselines)
    second = Baselines()
    second.learn(batch(second, flood(50_000, user=3, value=88)))
    second.learn(batch(second, story(5, 4_000, people=PEOPLE)))
    assert second.weigh_voices() > 0
    baselines.merge(second)
    assert_consistent(baselines)


def test_halves_of_a_history_make_the_whole_with_its_voices() -> None:
    whole = an_office(grouped=False)
    whole.learn(batch(whole, flood(30_000)))
    whole.weigh_voices()
    first, second = an_office(grouped=False), Baselines()
    second.learn(batch(second, flood(30_000)))
    second.weigh_voices()
    first.weigh_voices()
    first.merge(second)
    first.weigh_voices()
    assert_same_habits(whole, first, NOON_US)


def test_scoring_and_learning_in_pieces_agree_with_quiet_voices() -> None:
    told = joined([flood(3_000), story(7, 500, people=PEOPLE, start_us=NOON_US + DAY_US, days=2)])
    states = []
    for sizes in (10_000, 173):
        baselines = an_office()
        baselines.learn(batch(baselines, flood(50_000)))
        baselines.weigh_voices()
        everything = batch(baselines, told)
        engine = Engine(baselines)
        for start in range(0, told.count, sizes):
            engine.score_learn(everything.take(slice(start, start + sizes)))
        assert_consistent(baselines)
        states.append(baselines)
    assert_same_habits(*states, NOON_US, tolerance=1e-12)


@example([(524288.0, 1), (0.0078125, 1), (0.001, 1)])  # far apart: the light ones must not be rounded away
@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(0.0), st.floats(1e-3, 1e6), st.sampled_from([10.0, 500.0])),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_nobody_is_left_with_more_than_the_share_and_nobody_is_cut_without_need(
    people: list[tuple[float, int]],
) -> None:
    weight = np.array([each for each, _ in people])
    holder = np.array([level for _, level in people])
    factors = voices.bounded(weight, holder)
    assert ((factors > 0) & (factors <= 1)).all()
    for level in range(4):
        inside = (holder == level) & (weight > 0)
        spoken = weight[inside] * factors[inside]
        if not inside.any() or level == 0 or weight[inside].sum() < voices.LEAST_WEIGHT:
            assert (factors[holder == level] == 1).all()
            continue
        allowed = max(voices.SHARE, voices.EQUAL_PARTS / inside.sum())
        assert spoken.max() <= allowed * spoken.sum() * (1 + 1e-9)
        cut = factors[inside] < 1
        if cut.any():
            # those cut are left with just what is allowed, and the order of weights stays
            np.testing.assert_allclose(spoken[cut], allowed * spoken.sum(), rtol=1e-6)
            assert weight[inside][~cut].max(initial=0.0) <= spoken[cut].min() * (1 + 1e-9)
