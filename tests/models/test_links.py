"""The links channel: new pairs that fit who uses what are expected, others are not; it knows its limits."""

from __future__ import annotations

import numpy as np
import pytest

from features.baselines import Baselines
from features.behaviours import BEHAVIOURS, Behaviour
from features.errors import InputError, StateError
from models import link_fitting
from models.links import LINKS, LinkModel
from tests.batches import state_of
from tests.communities import Organisation, ids, learn, organisation, value

PLACE = {behaviour.name: place for place, behaviour in enumerate(BEHAVIOURS)}
PROCESS = PLACE["user.process"]


@pytest.fixture(scope="module")
def known() -> Organisation:
    return organisation(1)


@pytest.fixture(scope="module")
def model(known: Organisation) -> LinkModel:
    return LinkModel.fitted(known.baselines, 5)


def new_pairs(known: Organisation, column: str, *, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """Entity and value ids of pairs that nobody made: values of the user's own department, or of others."""
    pairs = sorted(
        (user, text)
        for user, department in known.department.items()
        for each in set(known.department.values())
        for text in [value(column, each, number) for number in range(10)]
        if (each == department) == own and (user, column, text) not in known.uses
    )
    values = np.array([known.baselines.values.find(text) for _, text in pairs])
    return ids(known.baselines, "user", [user for user, _ in pairs]), values


@pytest.mark.parametrize("column", ["process", "resource", "api"])
def test_what_colleagues_use_is_expected_and_what_other_departments_use_is_not(known, model, column):
    expected = model.evidence(PLACE[f"user.{column}"], *new_pairs(known, column, own=True))
    odd = model.evidence(PLACE[f"user.{column}"], *new_pairs(known, column, own=False))
    assert (expected[:, None] < odd[None, :]).mean() > 0.94
    assert np.median(odd) > 1.5
    assert abs(np.median(expected)) < 0.5


def test_evidence_is_as_calibrated_as_it_says_on_pairs_made_later(known, model):
    expected = model.evidence(PROCESS, *new_pairs(known, "process", own=True))
    odd = model.evidence(PROCESS, *new_pairs(known, "process", own=False))
    for level in (0.3, 0.1):
        share = (model.tail_probability(PROCESS, expected) <= level).mean()
        assert 0.2 * level < share < 2.0 * level
    assert (model.tail_probability(PROCESS, odd) <= 0.05).mean() > 0.95


def test_the_tail_probability_falls_with_evidence_and_is_one_without_any(model):
    nats = np.linspace(-3.0, 9.0, 500)
    p = model.tail_probability(PROCESS, nats)
    assert (np.diff(p) <= 0.0).all()
    assert (p[nats <= 0.0] == 1.0).all()
    assert p.min() > 0.0


def test_where_new_pairs_follow_no_structure_the_channel_says_next_to_nothing():
    chance = organisation(2, structure=False)
    silent = LinkModel.fitted(chance.baselines, 5)
    for own in (True, False):
        nats = silent.evidence(PROCESS, *new_pairs(chance, "process", own=own))
        assert np.abs(nats).max() < 0.7


def test_unknown_entities_and_values_give_exactly_nothing(known, model):
    user, process = new_pairs(known, "process", own=False)
    nobody, nothing = np.array([0, 10**7]), np.array([0, 2**31 - 1])
    assert (model.evidence(PROCESS, nobody, process[:2]) == 0.0).all()
    assert (model.evidence(PROCESS, user[:2], nothing) == 0.0).all()
    api = known.baselines.values.find(value("api", 0, 0))
    assert model.evidence(PROCESS, user[:1], np.array([api])).tolist() == [0.0]


def test_an_entity_with_few_pairs_is_not_judged():
    few = organisation(3)
    learn(few.baselines, [("newcomer", "process", value("process", 0, 0))])
    fitted = LinkModel.fitted(few.baselines, 5)
    newcomer = ids(few.baselines, "user", ["newcomer"])
    assert newcomer[0] > 0
    asked = np.array([few.baselines.values.find(value("process", 2, 1))])
    assert fitted.evidence(PROCESS, newcomer, asked).tolist() == [0.0]


def test_one_at_a_time_and_all_at_once_give_the_same_evidence(known, model):
    user, process = new_pairs(known, "process", own=False)
    together = model.evidence(PROCESS, user, process)
    apart = [model.evidence(PROCESS, user[i : i + 1], process[i : i + 1])[0] for i in range(0, len(user), 97)]
    assert together[::97].tolist() == apart


def test_fitting_and_asking_change_nothing_and_repeat_bit_for_bit(known, model):
    from models.engine import Engine

    engine = Engine(known.baselines)
    before = state_of(engine)
    again = LinkModel.fitted(known.baselines, 5)
    again.evidence(PROCESS, *new_pairs(known, "process", own=True))
    assert state_of(engine) == before
    for name, array in model.export()[0].items():
        assert array.tobytes() == again.export()[0][name].tobytes(), name


def test_another_seed_gives_nearly_the_same_evidence(known, model):
    other = LinkModel.fitted(known.baselines, 6)
    asked = new_pairs(known, "process", own=False)
    np.testing.assert_allclose(model.evidence(PROCESS, *asked), other.evidence(PROCESS, *asked), atol=1.0)
    assert model.entity_factors.tobytes() != other.entity_factors.tobytes()


def test_a_model_that_was_exported_and_restored_answers_bit_for_bit_the_same(known, model):
    back = LinkModel.restored(*model.export())
    asked = new_pairs(known, "resource", own=False)
    place = PLACE["user.resource"]
    assert back.evidence(place, *asked).tobytes() == model.evidence(place, *asked).tobytes()
    assert back.tail_probability(place, np.array([1.0])) == model.tail_probability(place, np.array([1.0]))


def test_a_damaged_export_is_refused(model):
    arrays, settings = model.export()
    with pytest.raises(StateError, match="fit it again"):
        LinkModel.restored({name: a for name, a in arrays.items() if name != "link_usual"}, settings)
    with pytest.raises(StateError, match="entity_factors"):
        LinkModel.restored(arrays | {"link_entities": arrays["link_entities"][:-1]}, settings)


def test_after_a_renumbering_the_evidence_is_that_of_the_same_names(known):
    told = organisation(1)
    told.baselines.values.intern_many([f"unused-{number}" for number in range(50)])
    learn(told.baselines, [("short-lived", "process", "rare")], 1)
    fitted = LinkModel.fitted(told.baselines, 5)
    user, process = new_pairs(told, "process", own=False)
    before = fitted.evidence(PROCESS, user, process)
    nothing = np.zeros(0, np.int64)
    entities, values = told.baselines.renumber(nothing, nothing)
    moved = fitted.renumber(entities, values)
    assert moved.evidence(PROCESS, entities[user], values[process]).tobytes() == before.tobytes()


def test_what_a_renumbering_forgot_is_no_longer_known(known, model):
    end = int(model.entities.max()) + 1
    entities, values = np.arange(end), np.arange(len(known.baselines.values) + 1)
    user, process = new_pairs(known, "process", own=False)
    entities[user[0]] = 0
    values[process[-1]] = 0
    moved = model.renumber(entities, values)
    assert moved.evidence(PROCESS, user[:1], process[:1]).tolist() == [0.0]
    assert moved.evidence(PROCESS, user[-1:], process[-1:]).tolist() == [0.0]
    assert 0 not in moved.entities.tolist()


def test_limits_keep_those_with_most_pairs(known):
    small = LinkModel.fitted(known.baselines, 5, max_entities=20, max_values=15)
    assert len(small.entities) == 40, "twenty users and twenty hosts"
    assert np.bincount(small.values >> 32).max() == 15
    sampled = LinkModel.fitted(known.baselines, 5, max_pairs=800)
    user, process = new_pairs(known, "process", own=False)
    assert np.isfinite(sampled.evidence(PROCESS, user, process)).all()


def test_baselines_that_know_nobody_give_a_model_that_knows_nothing():
    empty = LinkModel.fitted(Baselines(), 1)
    assert empty.evidence(PROCESS, np.array([1]), np.array([1])).tolist() == [0.0]
    assert LinkModel.restored(*empty.export()).nbytes == empty.nbytes
    tiny = organisation(1, departments=1, people=3)
    assert len(LinkModel.fitted(tiny.baselines, 1).entities) > 0


def test_a_behaviour_that_is_no_link_is_refused_with_what_to_do(model):
    with pytest.raises(InputError, match="watches"):
        model.evidence(PLACE["user.auth"], np.array([1]), np.array([1]))
    assert model.watches(np.array([PROCESS, PLACE["user.auth"]])).tolist() == [True, False]
    others = Baselines(behaviours=(Behaviour("user.auth", "user", "auth", "logon kind", "{value}"),))
    with pytest.raises(InputError, match="watch none of"):
        LinkModel.fitted(others, 1)


def test_every_link_is_a_behaviour_that_is_watched():
    assert set(LINKS) <= {behaviour.name for behaviour in BEHAVIOURS}


@pytest.mark.parametrize(
    ("ratios", "low", "high"),
    [([], 1.0, 1.0), ([1.0] * 50, 1.0, 1.0), ([0.0] * 50, 1.0, 1.0), ([5.0] * 500, 0.0, 0.02)],
)
def test_the_background_is_what_held_out_pairs_ask_for(ratios, low, high):
    assert low <= link_fitting._background(np.array(ratios)) <= high
