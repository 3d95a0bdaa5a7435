"""Of a person and their workstation the rarer day keeps its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.baselines import Baselines
from models.engine import Engine
from models.repeats import SHARE, beside, news
from models.workplaces import USER, Workplaces
from tests.activities import at, batch_of, event
from tests.offices import detector, office


def learn(known: Baselines, met: list[tuple[str, str, int]], step_us: int = 1) -> None:
    """User, host, how often, one after the other."""
    told = [(user, host) for user, host, often in met for _ in range(often)]
    events = [event(at(0, 8) + n * step_us, user=user, host=host) for n, (user, host) in enumerate(told)]
    Engine(known, hold_days=0.0).score_learn(batch_of(known, events))


def name_of(known: Baselines, entity: int) -> str:
    return str(known.values.many(known.entities.name[entity : entity + 1])[0])


def named(known: Baselines) -> set[tuple[str, str]]:
    pairs = Workplaces.of(known).export()
    return {
        (name_of(known, user), name_of(known, host))
        for user, host in zip(pairs["user"], pairs["host"], strict=True)
    }


PAIRS = Workplaces(np.array([3, 8]), np.array([5, 4]))


def test_mates_are_rows_of_the_same_table():
    assert PAIRS.mates(np.array([3, 4, 5, 8, 9])).tolist() == [2, 3, 0, 1, -1]
    assert PAIRS.mates(np.array([3, 4])).tolist() == [-1, -1], "the other half was not there"
    assert PAIRS.mates(np.zeros(0, np.int64)).tolist() == []
    assert Workplaces().mates(np.array([3])).tolist() == [-1]


def test_pairs_follow_a_renumbering_and_end_with_one_of_the_two():
    entities = np.zeros(10, np.int64)
    entities[[3, 5, 8]] = 1, 2, 7
    after = PAIRS.renumbered(entities)
    assert len(after) == 1
    assert after.mates(np.array([1, 2, 7])).tolist() == [1, 0, -1]
    again = Workplaces.restored(after.export())
    assert again.mates(np.array([1, 2])).tolist() == [1, 0]


@given(st.lists(st.floats(0, 30), min_size=2, max_size=2), st.booleans())
def test_exactly_one_of_two_makes_room(rarity, first):
    nats = np.array(rarity)
    told = beside(nats, np.array([1, 0]), np.array([first, not first]))
    risk = nats * news(nats, told)
    assert (told > 0).sum() == (0 if max(rarity) == 0 else 1)
    kept = int(np.argmax(nats)) if rarity[0] != rarity[1] else int(not first)
    assert risk[kept] == nats[kept]
    assert risk[1 - kept] == pytest.approx((1 - SHARE) * nats[1 - kept])


def test_nobody_without_another_half_makes_room():
    assert beside(np.array([3.0, 9.0]), np.array([-1, -1]), np.array([True, False])).tolist() == [0.0, 0.0]


@pytest.fixture(scope="module")
def week():
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    return one


def test_a_person_and_a_workstation_are_close_and_an_account_on_every_machine_to_none():
    known = Baselines()
    own = [("ann", "ws-1"), ("bob", "ws-2"), ("cem", "ws-3")]
    met = [("system", host, 50) for host in ("dc-1", *(f"ws-{n}" for n in range(1, 20)))]
    met += [(user, host, often) for (user, host), often in zip(own, (30, 5, 9), strict=True)]
    met += [(user, "dc-1", 20) for user in ("ann", "bob", "cem", *(f"user-{n}" for n in range(9)))]
    learn(known, met)
    assert set(own) <= named(known)


def test_pairs_do_not_depend_on_the_order_of_ids():
    one = [("ann", "ws-1"), ("bob", "ws-1"), ("ann", "ws-2"), ("bob", "ws-2")]
    found = []
    for order in (one, one[::-1]):
        known = Baselines()
        # all at one moment: nothing but names tells the four apart
        learn(known, [(user, host, 1) for user, host in order], step_us=0)
        found.append(named(known))
    assert found[0] == found[1]
    assert found[0]


def test_risk_of_a_part_of_the_day_is_that_of_the_whole_where_mates_are_in_it(week):
    table = week.today()
    whole = week.risk(table)
    rarity = week.ranker.score(table).risk
    told = beside(rarity, week.days.mates(table), table.kind == USER)
    row = int(np.argmax(told))
    assert whole[row] < rarity[row], "somebody makes room for their other half"
    part, risk = week._judged(table, np.array([row]))
    assert part.entity.tolist() == [int(table.entity[row])]
    assert risk == pytest.approx(whole[[row]], rel=1e-9)


def test_pairs_survive_a_checkpoint_and_closed_days_keep_those_of_their_time(week):
    again = type(week).restored(*week.export())
    table = week.today()
    assert again.days.mates(again.today()).tolist() == week.days.mates(table).tolist()
    before = week.days.risks()
    kept = week.days.workplaces
    week.days.workplaces = Workplaces()
    try:
        assert week.days.risks().tolist() == before.tolist()
        assert (week.days.mates(table) == -1).all()
    finally:
        week.days.workplaces = kept
