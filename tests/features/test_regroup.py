"""Moving entities between peer groups moves what they did: a group's sums are those of its members."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.baselines import Baselines
from features.entities import GROUP
from features.errors import InputError
from features.pairs import behaviour_numbers, entity_pairs
from features.regroup import move
from tests.batches import (
    DAY_US,
    START_US,
    assert_same_habits,
    assert_sound,
    batch,
    in_groups,
    story,
)
from tests.communities import assert_groups_are_their_members

PEOPLE = 6
LATE = START_US + 100 * DAY_US


def learned(seed: int, events: int = 400, **options: float) -> Baselines:
    baselines = in_groups(Baselines(**options), PEOPLE)
    baselines.learn(batch(baselines, story(seed, events, people=PEOPLE)))
    return baselines


def group_ids(baselines: Baselines, names: list[str], kind: int = 0) -> np.ndarray:
    return baselines.entities.ids(GROUP + kind, baselines.values.intern_many(names)).astype(np.int64)


def users(baselines: Baselines) -> np.ndarray:
    return baselines.entities.all_ids((0,))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 50),
    moves=st.lists(st.lists(st.integers(0, 3), min_size=PEOPLE, max_size=PEOPLE), min_size=1, max_size=4),
)
def test_after_any_moves_the_sums_of_groups_are_those_of_their_members(seed, moves):
    baselines = learned(seed, 150)
    for targets in moves:
        groups = np.concatenate([[0], group_ids(baselines, ["sales", "finance", "new"])])
        members = users(baselines)
        chosen = groups[np.resize(targets, len(members))]
        expected = int((baselines.entities.group[members] != chosen).sum())
        assert move(baselines, members, chosen) == expected
        np.testing.assert_array_equal(baselines.entities.group[members], chosen)
        assert_sound(baselines)
        assert_groups_are_their_members(baselines)


def test_moving_there_and_back_leaves_the_same_habits():
    before, after = learned(3), learned(3)
    members = users(after)
    old = after.entities.group[members].astype(np.int64)
    move(after, members, np.zeros(len(members), np.int64))
    assert not (after.habits()["level"] == "peers").any()
    move(after, members, old)
    assert_same_habits(before, after, LATE)


def test_an_entity_that_moves_does_as_if_it_had_always_been_there():
    late, early = Baselines(), Baselines()
    for baselines in (early, late):
        if baselines is early:
            in_groups(early, PEOPLE)
        baselines.learn(batch(baselines, story(4, 300, people=PEOPLE)))
    members = users(late)
    names = late.values.many(late.entities.name[members])
    wanted = [early.group_name(int(early.find(name)[0][1])) for name in names]
    move(late, members, group_ids(late, wanted))
    assert_same_habits(early, late, LATE)


def test_what_entities_and_the_organisation_have_is_untouched():
    before, after = learned(5), learned(5)
    move(after, users(after), np.repeat(group_ids(after, ["everybody"]), len(users(after))))
    ours, theirs = before.habits(), after.habits()
    ours, theirs = ours[ours["level"] != "peers"], theirs[theirs["level"] != "peers"]
    for name in ("entity", "behaviour", "value", "weight", "distinct"):
        assert ours[name].tolist() == theirs[name].tolist()


def test_events_can_be_unlearned_after_a_move():
    baselines = in_groups(Baselines(), PEOPLE)
    told = batch(baselines, story(6, 300, people=PEOPLE))
    baselines.learn(told)
    move(baselines, users(baselines), np.repeat(group_ids(baselines, ["new"]), len(users(baselines))))
    assert baselines.unlearn(told) == pytest.approx(0.0, abs=1e-6)
    assert len(baselines) == 0


def test_a_move_that_changes_nothing_touches_nothing():
    baselines = learned(7)
    table = baselines._table
    assert move(baselines, users(baselines), baselines.entities.group[users(baselines)]) == 0
    assert baselines._table is table


def test_the_limit_of_entries_holds_after_a_move_and_what_it_costs_is_counted():
    baselines = learned(8, 3000)
    limit = baselines.max_entries = len(baselines)
    members = users(baselines)
    many = group_ids(baselines, [f"group-{number}" for number in range(len(members))])
    move(baselines, members, many)
    assert len(baselines) <= limit
    assert baselines.dropped_entries > 0
    assert baselines.dropped_weight > 0.0
    assert_sound(baselines)


def test_a_table_of_several_chunks_gives_the_same_sums(monkeypatch):
    whole, parts = learned(9), learned(9)
    move(whole, users(whole), np.zeros(len(users(whole)), np.int64))
    monkeypatch.setattr("features.pairs.CHUNK_SLOTS", 37)
    move(parts, users(parts), np.zeros(len(users(parts)), np.int64))
    assert_same_habits(whole, parts, LATE)
    for name in ("user.host", "host.user"):
        numbers = behaviour_numbers(parts, [name])
        for ours, theirs in zip(entity_pairs(whole, numbers), entity_pairs(parts, numbers), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("members", "groups", "message"),
    [
        ([1_000_000], [0], "renumbering"),
        ([-1], [0], "renumbering"),
        ([0], [0], "only users, hosts"),
        ("user", "host group", "of the same kind"),
        ("user", "user", "of the same kind"),
        ("twice", [0, 0], "each entity once"),
    ],
)
def test_ids_that_are_not_what_they_should_be_are_refused_and_change_nothing(members, groups, message):
    baselines = learned(10)
    one = users(baselines)[:1]
    known = {
        "user": one,
        "twice": np.repeat(one, 2),
        "host group": group_ids(baselines, ["servers"], kind=1),
    }
    before = baselines.entities.group.copy()
    with pytest.raises(InputError, match=message):
        move(baselines, *(np.array(known[x] if isinstance(x, str) else x) for x in (members, groups)))
    np.testing.assert_array_equal(before, baselines.entities.group)


def test_pairs_are_the_decayed_habits_of_entities_alone():
    baselines = learned(11)
    numbers = behaviour_numbers(baselines, ["user.host", "no.such"])
    pairs = entity_pairs(baselines, numbers)
    frame = baselines.habits()
    frame = frame[(frame["level"] == "entity") & (frame["behaviour"] == "user.host")]
    found = dict(
        zip(
            zip(
                baselines.values.many(baselines.entities.name[pairs.entity]),
                baselines.values.many(pairs.value),
                strict=True,
            ),
            pairs.weight.tolist(),
            strict=True,
        )
    )
    assert found == pytest.approx(
        dict(zip(zip(frame["entity"], frame["value"], strict=True), frame["weight"], strict=True))
    )
    heavy = entity_pairs(baselines, numbers, 1.0)
    assert len(heavy.weight) == (frame["weight"] >= 1.0).sum()
    with pytest.raises(InputError, match="watch none of"):
        behaviour_numbers(baselines, ["no.such"])
