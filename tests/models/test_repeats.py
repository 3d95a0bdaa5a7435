"""What was raised a short while ago is half news, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detector import Detector
from models.feedback.feedback import TRUE_POSITIVE
from models.repeats import HALF_LIFE_DAYS, MEMORY_DAYS, SHARE, Repeats, news
from tests.activities import START_DAY, batch_of
from tests.offices import DAYS, detector, office

TODAY = 20_500
IDS = np.array([3, 5, 9])


def told_of(*raised: tuple[int, int, float]) -> Repeats:
    """Entities, days before today, nats."""
    book = Repeats()
    for entity, ago, nats in sorted(raised, key=lambda one: -one[1]):
        book.learn(np.array([entity]), TODAY - ago, np.array([nats]))
    return book


def test_what_was_told_fades_by_half_a_week_after_week():
    book = told_of((5, 7, 8.0))
    assert book.told(IDS, TODAY).tolist() == [0.0, pytest.approx(4.0), 0.0]
    assert book.told(IDS, TODAY + 7)[1] == pytest.approx(2.0)


def test_the_most_that_is_left_of_several_counts_and_they_do_not_add_up():
    fade = 2.0 ** (-1 / HALF_LIFE_DAYS)
    assert told_of((5, 7, 8.0), (5, 1, 5.0)).told(IDS, TODAY)[1] == pytest.approx(5.0 * fade)
    assert told_of((5, 7, 12.0), (5, 1, 5.0)).told(IDS, TODAY)[1] == pytest.approx(6.0)


def test_neither_the_day_itself_nor_a_later_one_counts():
    book = told_of((5, 0, 8.0), (9, -1, 8.0))
    assert book.told(IDS, TODAY).tolist() == [0.0, 0.0, 0.0]


def test_what_was_raised_up_to_a_confirmed_attack_is_news_again():
    book = told_of((5, 3, 8.0), (5, 1, 4.0), (3, 3, 6.0))
    assert book.told(IDS, TODAY, {5: TODAY - 3})[1] == pytest.approx(4.0 * 2.0 ** (-1 / HALF_LIFE_DAYS))
    assert book.told(IDS, TODAY, {5: TODAY - 1})[1] == 0.0
    assert book.told(IDS, TODAY, {5: TODAY - 1})[0] > 0.0, "of others it is not"


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 50)),
        min_size=1,
        max_size=20,
    )
)
def test_risk_is_between_half_of_the_rarity_and_all_of_it(pairs):
    rarity, told = (np.array(column) for column in zip(*pairs, strict=True))
    risk = rarity * news(rarity, told)
    assert (risk <= rarity).all()
    assert (risk >= (1 - SHARE) * rarity - 1e-9).all()
    np.testing.assert_allclose(risk, rarity - SHARE * np.minimum(told, rarity), atol=1e-9)


def test_old_ones_are_forgotten_when_they_say_next_to_nothing():
    book = told_of((5, MEMORY_DAYS, 8.0), (3, MEMORY_DAYS + 1, 8.0))
    book.forget(TODAY)
    assert len(book) == 1
    assert book.told(IDS, TODAY)[1] > 0.0


def test_they_follow_a_renumbering_and_another_models_ids():
    book = told_of((5, 1, 8.0), (9, 2, 4.0))
    entities = np.zeros(10, np.int64)
    entities[5] = 7
    other = told_of((1, 1, 1.0))
    other.adopt(book, entities)
    assert other.held_ids().tolist() == [7], "9 is not known there, and what it had said itself is gone"
    entities[9] = 2
    book.renumber(entities)
    assert sorted(book.held_ids().tolist()) == [2, 7]
    again = Repeats.restored(book.export())
    assert again.told(np.array([2, 7]), TODAY).tolist() == book.told(np.array([2, 7]), TODAY).tolist()


@pytest.fixture(scope="module")
def week() -> Detector:
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    return one


def test_who_was_raised_yesterday_weighs_less_today_and_says_so(week: Detector):
    frame = week.entity_days("acme").set_index(["entity_kind", "entity", "day"])
    last = frame.index.get_level_values("day").max()
    today = frame.xs(last, level="day")
    raised = frame[frame["alerted_at"].notna()]
    raised = raised[(raised.index.get_level_values("day") < last) & (raised["rarity"] > 0.1)]
    before = {(kind, name) for kind, name, _ in raised.index}
    ranked = today[today["rarity"].notna() & (today["rarity"] > 0)]
    assert before & set(ranked.index), "somebody must have been raised before"
    for key, row in ranked.iterrows():
        if key in before:
            assert (1 - SHARE) * row["rarity"] <= row["risk"] < row["rarity"]
        else:
            assert row["risk"] == pytest.approx(row["rarity"])


def test_what_was_told_survives_a_checkpoint_and_a_confirmed_attack_ends_it(week: Detector):
    again = Detector.restored(*week.export())
    table = week.today()
    told = week.days.told(table)
    assert told.any()
    assert again.days.told(again.today()).tolist() == told.tolist()
    row = int(np.argmax(told))
    kind = ("user", "host", "src_ip")[int(table.kind[row])]
    name = str(week.baselines.values.many(week.baselines.entities.name[table.entity[row : row + 1]])[0])
    again.judge("v1", name, kind, START_DAY + DAYS - 2, TRUE_POSITIVE, 1)
    assert again.days.told(again.today())[row] == 0.0
    assert again.feedback.revert("v1")
    assert again.days.told(again.today()).tolist() == told.tolist()
