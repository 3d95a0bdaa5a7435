"""Peer groups learned from habits: found where they are, kept from night to night, and never against a
directory.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.baselines import Baselines
from features.errors import InputError
from models.engine import Engine
from models.groups import Groups, apply, descriptions, is_learned, learned_groups
from tests.batches import assert_sound, state_of
from tests.communities import (
    Organisation,
    assert_groups_are_their_members,
    ids,
    learn,
    organisation,
    person,
    value,
)

DEPARTMENTS, PEOPLE = 4, 15


@pytest.fixture
def known() -> Organisation:
    return organisation(1, departments=DEPARTMENTS, people=PEOPLE)


def group_of(known: Organisation) -> dict[str, str]:
    baselines = known.baselines
    users = ids(baselines, "user", list(known.department))
    return dict(zip(known.department, map(baselines.group_name, users.tolist()), strict=True))


def department_names(known: Organisation) -> list[str]:
    """The one group of each department's people; fails when there are several, or shared ones."""
    found = group_of(known)
    names = []
    for department in range(DEPARTMENTS):
        groups = {found[name] for name, theirs in known.department.items() if theirs == department}
        assert len(groups) == 1, f"department {department} is in {groups}"
        names.append(groups.pop())
    assert len(set(names)) == DEPARTMENTS
    return names


def test_departments_are_found_from_habits_alone(known):
    groups = learned_groups(known.baselines, None, 1)
    assert sorted(set(groups.kind.tolist())) == [0, 1]
    assert len(np.unique(groups.entity)) == len(groups.entity)
    assert apply(known.baselines, groups) == len(groups.entity) == 2 * DEPARTMENTS * PEOPLE
    assert all(is_learned(name) for name in department_names(known))
    assert_sound(known.baselines)
    assert_groups_are_their_members(known.baselines)


def test_learning_groups_changes_nothing_and_repeats_bit_for_bit(known):
    engine = Engine(known.baselines)
    before = state_of(engine)
    first, second = (learned_groups(known.baselines, None, 1) for _ in range(2))
    assert state_of(engine) == before
    for ours, theirs in zip(first, second, strict=True):
        assert ours.tolist() == theirs.tolist()


def test_the_same_night_again_moves_nobody_whatever_the_seed(known):
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    names = department_names(known)
    for seed in range(4):
        assert apply(known.baselines, learned_groups(known.baselines, None, seed)) == 0
    assert department_names(known) == names


def test_names_stay_when_habits_change_a_little(known):
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    names = department_names(known)
    rng = np.random.default_rng(5)
    rows = [
        (user, "process", value("process", int(rng.integers(DEPARTMENTS)), int(rng.integers(24))))
        for user in known.department
        for _ in range(4)
    ]
    learn(known.baselines, rows)
    apply(known.baselines, learned_groups(known.baselines, None, 2))
    assert department_names(known) == names


def test_names_of_groups_that_are_given_as_previous_are_kept(known):
    first = learned_groups(known.baselines, None, 1)
    renamed = first._replace(name=np.char.replace(first.name, "learned ", "learned 4"))
    second = learned_groups(known.baselines, renamed, 1)
    assert second.name.tolist() == renamed.name.tolist()


def test_who_changes_department_for_good_changes_group(known):
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    names = department_names(known)
    mover = person(0, 0)
    rows = [
        (mover, column, value(column, 1, number))
        for column, count in (("process", 24), ("resource", 16), ("api", 16))
        for number in range(count)
    ]
    learn(known.baselines, rows, 400)
    assert group_of(known)[mover] == names[0]
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    found = group_of(known)
    assert found.pop(mover) == names[1]
    assert all(found[person(0, number)] == names[0] for number in range(1, PEOPLE))
    assert_groups_are_their_members(known.baselines)


def test_a_new_department_gets_a_new_name_and_the_others_keep_theirs(known):
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    names = department_names(known)
    rng = np.random.default_rng(6)
    joined = [person(9, number) for number in range(PEOPLE)]
    rows = [
        (user, column, value(column, 9, number))
        for user in joined
        for column in ("process", "resource", "api")
        for number in range(16)
        if rng.random() < 0.6
    ]
    learn(known.baselines, rows, 4)
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    assert department_names(known) == names
    theirs = {known.baselines.group_name(int(user)) for user in ids(known.baselines, "user", joined)}
    assert len(theirs) == 1
    assert is_learned(theirs.copy().pop())
    assert not theirs & set(names)


def test_a_directory_always_wins(known):
    given = [person(0, number) for number in range(PEOPLE)]
    known.baselines.set_groups("user", given, ["board"] * PEOPLE)
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    assert department_names(known)[0] == "board"
    late = learned_groups(known.baselines, None, 1)
    known.baselines.set_groups("user", [person(1, 0)], ["board"])
    apply(known.baselines, late)
    assert group_of(known)[person(1, 0)] == "board"


def test_who_is_hardly_known_is_in_no_group_and_nobody_is_in_a_tiny_one(known):
    learn(known.baselines, [("newcomer", "process", value("process", 0, 0))])
    odd = [("odd-1", "resource", "vault"), ("odd-2", "resource", "vault"), ("odd-1", "process", "vi")]
    odd += [(user, "api", f"secret-{number}") for user in ("odd-1", "odd-2") for number in range(9)]
    learn(known.baselines, odd, 5)
    groups = learned_groups(known.baselines, None, 1)
    apply(known.baselines, groups)
    assert known.baselines.group_name(int(ids(known.baselines, "user", ["newcomer"])[0])) == ""
    for kind in (0, 1):
        _, counts = np.unique(groups.name[(groups.kind == kind) & (groups.name != "")], return_counts=True)
        assert counts.min() >= 5


def test_an_organisation_without_clusters_has_no_groups():
    chance = organisation(2, structure=False, share=0.5)
    groups = learned_groups(chance.baselines, None, 1)
    assert not (groups.name[groups.kind == 0] != "").any()


def test_groups_are_given_up_when_nothing_speaks_for_them_any_more(known):
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    few = Baselines()
    rows = [(person(0, number), "process", value("process", 0, 1)) for number in range(3)]
    learn(few, rows, 30)
    apply(few, Groups(np.zeros(3, np.int64), few.entities.all_ids((0,)), np.array(["learned 1"] * 3)))
    assert apply(few, learned_groups(few, None, 1)) == 3
    assert not (few.habits()["level"] == "peers").any()


def test_baselines_that_know_nobody_have_no_groups():
    groups = learned_groups(Baselines(), None, 1)
    assert [len(part) for part in groups] == [0, 0, 0]
    assert apply(Baselines(), groups) == 0


def test_descriptions_name_what_members_use_and_others_do_not(known):
    learn(known.baselines, [(user, "process", "explorer.exe") for user in known.department], 100)
    apply(known.baselines, learned_groups(known.baselines, None, 1))
    described = descriptions(known.baselines, 5)
    for department, name in enumerate(department_names(known)):
        text = described["user", name]
        assert text.startswith(f"{name}: ")
        habits = text.split(": ")[1].split(", ")
        assert len(habits) == 5
        assert all(f"-{department}-" in habit for habit in habits)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), groups=st.integers(1, 5))
def test_after_applying_any_groups_the_sums_are_those_of_the_members_and_it_can_be_taken_back(seed, groups):
    rng = np.random.default_rng(seed)
    baselines = organisation(seed, departments=2, people=4).baselines
    before = baselines.habits().query("level != 'peers'")["weight"].tolist()
    entities = baselines.entities.all_ids((0, 1))
    names = np.array(["", *(f"learned {number + 1}" for number in range(groups))])
    chosen = Groups(
        baselines.entities.kind[entities].astype(np.int64), entities, rng.choice(names, len(entities))
    )
    apply(baselines, chosen)
    assert_sound(baselines)
    assert_groups_are_their_members(baselines)
    apply(baselines, chosen._replace(name=np.full(len(entities), "")))
    assert baselines.habits()["weight"].tolist() == before


def test_names_and_ids_that_are_no_learned_groups_are_refused(known):
    users = known.baselines.entities.all_ids((0,))[:1].astype(np.int64)
    with pytest.raises(InputError, match="set_groups"):
        apply(known.baselines, Groups(np.zeros(1, np.int64), users, np.array(["board"])))
    with pytest.raises(InputError, match="learn them again"):
        apply(known.baselines, Groups(np.ones(1, np.int64), users, np.array(["learned 1"])))
    stale = Groups(np.zeros(1, np.int64), np.array([10**7]), np.array(["learned 1"]))
    with pytest.raises(InputError, match="learn them again"):
        learned_groups(known.baselines, stale, 1)


@pytest.mark.parametrize(
    "name", ["learned", "learned x", "learned 0", "learned 1 b", "Learned 1", "board", ""]
)
def test_other_names_are_not_those_of_learned_groups(name):
    assert not is_learned(name)
