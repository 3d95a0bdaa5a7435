"""The likelihood ratio: what it sums to, and what it says of common, own, new and unheard-of values."""

from __future__ import annotations

from math import isfinite, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.habit import DISCOUNT, THETA, probabilities, shared_share

WEIGHT = st.one_of(st.just(0.0), st.floats(1e-3, 1e6))
TABLES = st.lists(st.tuples(WEIGHT, WEIGHT, WEIGHT), min_size=1, max_size=25)
"""By value: weight of the entity, of its other peers, of everybody else outside of the group."""


def novelty(distinct: float, weight: float) -> float:
    strength = THETA + DISCOUNT * distinct
    return strength / (weight + strength)


def evidence(**given_counts: float) -> float:
    counts = dict.fromkeys(
        (
            "own",
            "own_all",
            "peer",
            "peer_all",
            "org",
            "org_all",
            "distinct_own",
            "distinct_peer",
            "distinct_org",
        ),
        0.0,
    )
    background, mine = probabilities(
        *(counts | given_counts | {"shared": given_counts.get("shared", 0.5)}).values()
    )
    return log(background / mine)


class Levels:
    """Counts of a random organisation as the engine hands them over."""

    def __init__(self, table: list[tuple[float, float, float]], *, peers: bool) -> None:
        own, peer, far = (np.array(column) for column in zip(*table, strict=True))
        self.own, self.peer, self.org = own, peer if peers else np.zeros_like(peer), peer + far
        self.distinct = [
            float((own > 0).sum()),
            float(((own > 0) | (peer > 0)).sum()) if peers else 0.0,
            float(((own > 0) | (self.org > 0)).sum()),
        ]

    def of(self, own: float, peer: float, org: float, shared: float) -> tuple[float, float]:
        sums = (self.own.sum(), self.peer.sum(), self.org.sum())
        return probabilities(own, sums[0], peer, sums[1], org, sums[2], *self.distinct, shared)

    def sums(self, shared: float) -> tuple[float, float]:
        """Sum of both probabilities over all known values and the class of values that nobody has shown."""
        known = [self.of(*row, shared) for row in zip(self.own, self.peer, self.org, strict=True) if any(row)]
        background, mine = np.array([*known, self.of(0.0, 0.0, 0.0, shared)]).sum(axis=0)
        return float(background), float(mine)


@settings(max_examples=150)
@given(TABLES, st.floats(0, 1))
def test_both_probabilities_sum_to_one_where_others_know_all_that_the_entity_does(table, shared):
    table = [(own, peer, far if peer or far else own) for own, peer, far in table]
    background, mine = Levels(table, peers=False).sums(shared)
    assert background == pytest.approx(1.0, rel=1e-9)
    assert mine == pytest.approx(1.0, rel=1e-9)


@settings(max_examples=150)
@given(TABLES, st.floats(0, 1), st.booleans())
def test_both_probabilities_never_sum_to_less_than_one_and_to_little_more(table, shared, peers):
    """What only the entity shows, or only its peers, is also in the share of what nobody has shown."""
    levels = Levels(table, peers=peers)
    background, mine = levels.sums(shared)
    unseen = novelty(levels.distinct[2], levels.org.sum())
    alone = float(((levels.own > 0) & (levels.org == 0)).sum())
    assert background == pytest.approx(1.0 + unseen * alone / (levels.distinct[2] + 1.0), rel=1e-9)
    excess = shared * unseen * novelty(levels.distinct[0], levels.own.sum())
    assert 1.0 - 1e-9 <= mine <= 1.0 + excess + 1e-9


LARGE = st.one_of(st.just(0.0), st.floats(0, 1e15), st.floats(0, 1e270))


@settings(max_examples=300)
@given(LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, *[st.one_of(st.just(0.0), st.floats(0, 1e9))] * 4)
def test_evidence_is_finite_for_all_counts(
    own, own_more, peer, peer_more, org, org_more, mine, peers, all_, pairs
):
    background, entity = probabilities(
        own,
        own + own_more,
        peer,
        peer + peer_more,
        org,
        org + org_more,
        mine,
        peers,
        all_,
        shared_share(pairs, all_),
    )
    assert 0.0 < background <= 1.0 + 1e-9 or org == 0.0
    assert entity > 0.0
    assert isfinite(log(background / entity))


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_shared_share_is_a_probability(pairs, distinct):
    assert 0.0 < shared_share(pairs, distinct) < 1.0


def test_the_shared_share_counts_pairs_that_were_not_the_first_of_their_value():
    assert shared_share(0.0, 0.0) == 0.5, "nothing known: Jeffreys"
    assert shared_share(1000.0, 10.0) == pytest.approx(0.99, abs=0.001)
    assert shared_share(1000.0, 1000.0) < 0.001


HISTORY = {"own_all": 200.0, "distinct_own": 4.0, "org_all": 5000.0, "distinct_org": 30.0, "shared": 0.9}


@given(st.floats(1.0, 200.0), st.floats(1.0, 5000.0))
def test_what_is_common_elsewhere_and_new_here_is_odder_than_any_habit(own, org):
    assert evidence(**HISTORY, own=0.0, org=org) > evidence(**HISTORY, own=own, org=org)


@given(st.floats(1.0, 4000.0), st.floats(1.01, 1.2))
def test_evidence_grows_with_what_others_do_and_falls_with_what_one_does_oneself(org, more):
    assert evidence(**HISTORY, own=5.0, org=org * more) > evidence(**HISTORY, own=5.0, org=org)
    assert evidence(**HISTORY, own=5.0 * more, org=org) < evidence(**HISTORY, own=5.0, org=org)


def test_own_habits_speak_for_the_entity():
    assert evidence(**HISTORY, own=100.0, org=50.0) < -3
    assert evidence(**HISTORY, own=100.0, org=0.0) < -3


def test_a_value_that_nobody_showed_is_less_odd_than_a_common_one():
    unheard = evidence(**HISTORY)
    assert 0 < unheard < evidence(**HISTORY, org=2500.0)


@given(st.floats(0.0, 5000.0), st.floats(0.0, 1.0))
def test_a_brand_new_entity_gives_little_evidence(org, shared):
    """Its first event cannot depart from habits that it does not have."""
    first = {"org_all": 5000.0, "distinct_org": 30.0, "shared": max(shared, 0.5)}
    assert evidence(**first, org=org) <= log(2) + 1e-9
    assert evidence(own_all=0.0, shared=shared, org_all=0.0) == pytest.approx(0.0)


@given(st.floats(5.0, 1000.0), st.floats(2.0, 200.0), st.floats(1.5, 10.0))
def test_who_often_does_new_things_is_not_called_odd_for_it(own_all, distinct, times):
    steady = HISTORY | {"own_all": own_all, "distinct_own": distinct}
    restless = HISTORY | {"own_all": own_all, "distinct_own": distinct * times}
    for org in (0.0, 800.0):
        assert evidence(**restless, org=org) < evidence(**steady, org=org)


def test_longer_history_makes_news_odder():
    found = [
        evidence(**(HISTORY | {"own_all": own_all}), org=500.0) for own_all in (0.0, 5.0, 50.0, 500.0, 5000.0)
    ]
    assert found == sorted(found)
    assert found[-1] - found[0] > 5


def test_what_peers_do_is_less_odd_than_what_only_strangers_do():
    alone = evidence(**HISTORY, org=100.0)
    peers = evidence(**HISTORY, org=100.0, peer=100.0, peer_all=400.0, distinct_peer=8.0)
    others = evidence(**HISTORY, org=100.0, peer=0.0, peer_all=400.0, distinct_peer=8.0)
    assert peers < alone < others
