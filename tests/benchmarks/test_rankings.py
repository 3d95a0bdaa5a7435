"""Simpler rankings order as their names say, and members are remembered day by day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.rankings import RANKINGS, RememberingRanker, Signals, cause_nats, load_members
from models.ranking.settings import COMBINER, COUNT_NEIGHBOURS, MEMBERS, NEW_SESSION, SESSION
from tests.days_world import DAY0, World
from training.pedb.vectors import DayMatrix, numbered


def matrix(evidence, days=None):
    n = len(evidence)
    kind, name = np.array(["user"] * n, object), np.array([f"u{i}" for i in range(n)], object)
    day = np.zeros(n, np.int64) if days is None else np.array(days, np.int64)
    rows = np.array(evidence, np.float32)
    return DayMatrix(kind, name, numbered(kind, name), day, day, rows, rows, ("a", "b"), ("a", "b"))


def signals(vectors, members=None, news=None):
    said = dict.fromkeys(MEMBERS, np.zeros(len(vectors.day))) | (members or {})
    return Signals(vectors, said, np.ones(len(vectors.day)) if news is None else np.array(news))


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("ranking: sum of evidence", 1),
        ("ranking: strongest cause", 0),
        ("ranking: number of causes", 1),
        ("ranking: busiest", 1),
    ],
)
def test_simpler_rankings_order_as_their_names_say(name, best):
    assert np.argmax(RANKINGS[name](signals(matrix([[9, 0], [7, 7], [1, 1]])))) == best


def test_a_cause_is_as_rare_as_it_was_among_earlier_days_of_the_same_kind():
    vectors = matrix([[1, 0], [2, 0], [3, 0], [2, 5], [9, 9]], days=[0, 0, 0, 1, 1])
    nats = cause_nats(vectors)
    assert nats[:3].tolist() == [[0, 0]] * 3  # nothing was before the first day
    assert nats[3] == pytest.approx([-np.log(3 / 4), -np.log(1 / 4)])
    assert nats[4] == pytest.approx([-np.log(1 / 4)] * 2)
    assert vectors.kind[0] == "user"
    other = vectors._replace(kind=np.array(["user", "user", "user", "host", "user"], object))
    assert cause_nats(other)[3].tolist() == [0, 0]


def test_fisher_adds_what_tippett_takes_the_strongest_of():
    past = [[i, i] for i in range(20)]
    vectors = matrix([*past, [18, 18], [20, 0]], days=[0] * 20 + [1, 1])
    assert np.argmax(RANKINGS["ranking: Fisher over causes"](signals(vectors))) == 20
    assert np.argmax(RANKINGS["ranking: Tippett over causes"](signals(vectors))) == 21


def test_members_alone_and_without_their_say_weigh_what_is_news():
    vectors = matrix([[0, 0]] * 3)
    ones = dict.fromkeys((COUNT_NEIGHBOURS, SESSION, NEW_SESSION), np.ones(3))
    said = signals(vectors, {**ones, COMBINER: np.array([4.0, 6.0, np.nan])}, news=[1.0, 0.5, 1.0])
    assert RANKINGS[f"alone: {COMBINER}"](said).tolist() == [4.0, 3.0, 0.0]
    assert RANKINGS[f"no say: {COMBINER}"](said).tolist() == [1.0, 0.5, 1.0]
    assert RANKINGS["ranking: whoever was told of counts in full"](said).tolist() == [1.75, 2.25, 1.0]


def test_what_is_news_comes_from_the_risk_and_the_rarity_of_the_same_entity_day(tmp_path):
    vectors = matrix([[0, 0]] * 3)
    days = pd.DataFrame(
        {
            "entity_kind": ["user", "user"],
            "entity": ["u2", "u0"],
            "day": pd.to_datetime([0, 0], unit="D"),
            "risk": [2.0, 3.0],
            "rarity": [4.0, 3.0],
        }
    )
    made = Signals.of(days, vectors, {COMBINER: np.array([1.0, 2.0, np.nan])})
    assert made.news == pytest.approx([1.0, 1.0, 0.5])
    made.save_members(tmp_path / "members.npz")
    assert load_members(tmp_path / "members.npz")[COMBINER] == pytest.approx(
        made.members[COMBINER], nan_ok=True
    )


def test_a_ranker_remembers_closed_days_in_their_order_and_the_open_one():
    world, ranker, said = World(11), RememberingRanker(), []
    *closed, today = (world.table(world.day(DAY0 + day)) for day in range(3))
    for day in closed:
        scores = ranker.score(day)
        said.append(scores.members)
        ranker.learn_day(day, scores)
    said.append(ranker.score(today).members)
    rows = sum(len(day.day) for day in (*closed, today))
    remembered = ranker.said(rows)
    assert set(remembered) == set(MEMBERS)
    for name, nats in remembered.items():
        np.testing.assert_array_equal(nats, np.concatenate([part[name] for part in said]))
    with pytest.raises(ValueError, match=f"some of {rows + 1} rows"):
        ranker.said(rows + 1)
