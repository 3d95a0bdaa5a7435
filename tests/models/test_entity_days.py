"""Which user, host or address deserves a person today, and why."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.baselines import Baselines
from features.behaviours import COLUMN
from features.measures import COUNTS
from models.activity import DayCounts
from models.calibration import THRESHOLD_NATS
from models.channels import Channels
from models.day_frame import REASONS
from models.days import ROLLOUT_ENTITIES, DayBook
from models.engine import Engine, Evidence
from models.risk import Budget
from tests.batches import DAY_US, START_US, batch, in_groups, pieces, story


def scored(seed: int, people: int = 8, days: float = 5.0):
    told = story(seed, 2500, people=people, days=days, strange=0.05)
    baselines = in_groups(Baselines())
    everything = batch(baselines, told)
    engine = Engine(baselines)
    parts = []
    for cut in pieces(told.count, [400]):
        part = everything.take(cut)
        parts.append((part, engine.score_learn(part)))
    return baselines, parts


def book(baselines):
    return DayBook(baselines, Channels(baselines.behaviours))


def frame_of(baselines, parts, budget=None):
    days = book(baselines)
    for part, scores in parts:
        days.add(part, scores.details)
    return days.frame("acme", budget)


def test_a_frame_has_the_promised_columns_and_order():
    frame = frame_of(*scored(1))
    assert list(frame.columns) == [
        "tenant", "entity_kind", "entity", "day", "risk", "alert", "n_events", "reasons", "alerted_at",
        "entity_risk", "rarity",
    ]  # fmt: skip
    assert (frame["risk"] > 0).any()
    assert frame["day"].is_monotonic_decreasing
    for _, day in frame.groupby("day"):
        assert day["risk"].is_monotonic_decreasing
    assert not frame.duplicated(["entity_kind", "entity", "day"]).any()
    assert set(frame["entity_kind"]) == {"user", "host", "src_ip"}
    assert ((frame["risk"] > 0) == (frame["reasons"].map(len) > 0)).all()


def test_no_events_give_an_empty_frame():
    frame = book(Baselines()).frame("acme")
    assert len(frame) == 0
    assert "risk" in frame.columns


@settings(max_examples=3)
@given(seed=st.integers(0, 100), order=st.integers(0, 1000))
def test_the_order_of_batches_does_not_matter(seed, order):
    baselines, parts = scored(seed)
    frame = frame_of(baselines, parts)
    jumbled = [parts[index] for index in np.random.default_rng(order).permutation(len(parts))]
    other = frame_of(baselines, jumbled)
    for column in frame.columns.drop(["reasons", "risk"]):
        assert frame[column].equals(other[column])
    np.testing.assert_allclose(frame["risk"], other["risk"], rtol=1e-12)


def test_one_batch_and_many_small_ones_give_the_same_frame():
    baselines, parts = scored(3)
    few, many = book(baselines), book(baselines)
    for part, scores in parts:
        few.add(part, scores.details)
        for cut in pieces(len(part.time_us), [5]):
            inside = (scores.details.row >= cut.start) & (scores.details.row < cut.stop)
            details = scores.details.take(np.flatnonzero(inside))
            details = details._replace(row=details.row - cut.start)
            many.add(part.take(cut), details)
    left, right = few.frame("acme"), many.frame("acme")
    np.testing.assert_allclose(left["risk"], right["risk"], rtol=1e-12)
    assert left.drop(columns="risk").equals(right.drop(columns="risk"))


def test_events_are_counted_by_entity_and_day():
    baselines, parts = scored(4, people=30)
    frame = frame_of(baselines, parts).set_index(["entity_kind", "entity", "day"])["n_events"]
    model: dict[tuple[str, int, int], int] = {}
    for part, _ in parts:
        for kind, name in enumerate(("user", "host", "src_ip")):
            for entity, time_us in zip(
                part.columns[:, -3 + kind].tolist(), part.time_us.tolist(), strict=True
            ):
                if entity:
                    key = (name, entity, time_us // DAY_US)
                    model[key] = model.get(key, 0) + 1
    assert sorted(frame.tolist()) == sorted(model.values())
    assert len(frame) == len(model) > 300


def test_more_entity_days_than_there_was_room_for_are_all_counted():
    baselines = Baselines()
    told = story(5, 3000, people=3, days=900.0)
    told.codes[:, COLUMN["host"]] = np.arange(1, 3001)
    everything = batch(baselines, told)
    days = book(baselines)
    nothing = Engine(Baselines()).score_learn(everything.take(slice(0, 0)))
    days.add(everything, nothing.details)
    assert int(days.frame("acme")["n_events"].sum()) == int((everything.columns[:, -3:] > 0).sum())


def one_day(gains: list[tuple[int, int, float]]):
    """The day of one user with findings (behaviour, value code, gain), each in an event of its own."""
    baselines = Baselines()
    told = story(6, len(gains), days=0.0)
    told.codes[:] = 0
    told.codes[:, 0] = 1
    everything = batch(baselines, told)
    user = int(everything.columns[0, -3])
    names = baselines.values.intern_many([f"value-{code}" for _, code, _ in gains])
    gain = np.array([float(item[2]) for item in gains])
    details = Evidence(
        row=np.arange(len(gains)),
        behaviour=np.array([item[0] for item in gains], np.int16),
        entity=np.full(len(gains), user, np.int32),
        value=names,
        raw=gain + THRESHOLD_NATS,
        nats=gain + THRESHOLD_NATS,
        gain=gain,
        counts=np.ones((len(gains), 6), np.float32),
    )
    days = book(baselines)
    days.add(everything, details)
    return days.frame("acme").iloc[0]


def test_repeats_of_one_thing_do_not_stack():
    once = one_day([(1, 7, 4.0)])
    often = one_day([(1, 7, 2.0), (1, 7, 4.0), (1, 7, 4.0), (1, 7, 1.0)])
    assert once["risk"] == often["risk"] == 4.0
    assert len(often["reasons"]) == 1
    assert often["n_events"] == 4


def test_one_cause_seen_from_two_sides_counts_once_and_other_values_add_up():
    src_ip, src_net, host = 2, 3, 1
    assert one_day([(src_ip, 7, 4.0), (src_net, 7, 3.0)])["risk"] == 4.0
    assert one_day([(src_ip, 7, 4.0), (src_ip, 8, 3.0)])["risk"] == 7.0
    assert one_day([(src_ip, 7, 4.0), (host, 7, 3.0)])["risk"] == 7.0


def test_reasons_are_the_risk():
    frame = frame_of(*scored(7))
    few = frame[(frame["reasons"].map(len) > 0) & (frame["reasons"].map(len) < REASONS)]
    assert len(few) > 10
    for risk, reasons in zip(few["risk"], few["reasons"], strict=True):
        nats = [float(re.search(r"; (\d+\.\d) nats, 1 in [\d,]+$", text)[1]) for text in reasons]
        assert sum(nats) - THRESHOLD_NATS * len(nats) == pytest.approx(risk, abs=0.05 * len(nats) + 1e-9)
        assert nats == sorted(nats, reverse=True)
    assert frame["reasons"].map(len).max() == REASONS


def rollout(gains: list[float], *, values: list[int] | None = None, behaviour: int = 1) -> np.ndarray:
    """Excess of each of many users on one day, each with one odd value; the earliest first."""
    count = len(gains)
    baselines = Baselines()
    told = story(6, count, days=0.0)
    told.codes[:] = 0
    told.codes[:, 0] = np.arange(1, count + 1)
    told = told._replace(time_us=START_US + np.arange(count))
    everything = batch(baselines, told)
    codes = [7] * count if values is None else values
    gain = np.array(gains)
    details = Evidence(
        row=np.arange(count),
        behaviour=np.full(count, behaviour, np.int16),
        entity=everything.columns[:, -3].copy(),
        value=np.where(
            np.array(codes) > 0, baselines.values.intern_many([f"value-{code}" for code in codes]), 0
        ),
        raw=gain + THRESHOLD_NATS,
        nats=gain + THRESHOLD_NATS,
        gain=gain,
        counts=np.ones((count, 6), np.float32),
    )
    days = book(baselines)
    days.add(everything, details)
    users = everything.columns[:, -3].astype(np.int64)
    so_far = DayCounts(users, np.zeros(count, np.int8), np.zeros((count, len(COUNTS))))
    table = days.vectors(START_US // DAY_US, so_far, np.zeros(baselines.entities.end, np.int32))
    assert table.n_events.tolist() == [1] * count
    return table.evidence.sum(axis=1)[np.argsort(np.argsort(users))]


def test_a_value_that_is_odd_for_a_hundred_on_one_day_raises_one_of_them():
    risk = rollout([5.0] * 100)
    assert risk[0] == 5.0
    assert (risk[1:] < 0.05 * 5.0).all()
    assert risk[1:].sum() < ROLLOUT_ENTITIES * risk[0]


def test_a_value_that_is_odd_for_few_keeps_its_evidence():
    assert rollout([5.0]).tolist() == [5.0]
    assert rollout([5.0, 4.0, 6.0]).tolist() == [5.0, 4.0, 6.0]
    few = rollout([5.0] * (ROLLOUT_ENTITIES + 1))
    assert few.tolist() == pytest.approx([5.0, *[5.0 * ROLLOUT_ENTITIES / (ROLLOUT_ENTITIES + 1)] * 4])


def test_what_has_no_value_and_what_has_different_values_is_not_shared():
    volume = Channels(Baselines().behaviours).volume
    assert rollout([5.0] * 30, values=[0] * 30, behaviour=volume).tolist() == [5.0] * 30
    assert rollout([5.0] * 30, values=list(range(1, 31))).tolist() == [5.0] * 30


def test_findings_of_another_day_are_no_part_of_todays_vectors():
    baselines, parts = scored(9)
    days = book(baselines)
    for part, scores in parts:
        days.add(part, scores.details)
    users = baselines.entities.all_ids((0,))
    so_far = DayCounts(users, np.zeros(len(users), np.int8), np.ones((len(users), len(COUNTS))))
    first_day = np.full(baselines.entities.end, START_US // DAY_US, np.int32)
    tables = [days.vectors(START_US // DAY_US + day, so_far, first_day) for day in range(-1, 7)]
    frame = days.frame("acme")
    mine = frame[frame["entity_kind"] == "user"].groupby("day")["n_events"].sum().sort_index()
    assert [int(table.n_events.sum()) for table in tables] == [0, *mine.tolist(), 0, 0][: len(tables)]
    assert not tables[0].evidence.any()
    assert not tables[-1].evidence.any()
    assert sum(float(table.evidence.sum()) for table in tables) > 0
    assert [int(table.age_days.max()) for table in tables] == [0, 0, 1, 2, 3, 4, 5, 6]


def test_a_book_goes_on_with_the_day_that_was_open_when_it_was_saved():
    baselines, parts = scored(10, days=1.0)
    whole, first, second = book(baselines), book(baselines), book(baselines)
    for part, scores in parts:
        whole.add(part, scores.details)
    for part, scores in parts[:3]:
        first.add(part, scores.details)
    second.resume(first.export(START_US // DAY_US))
    assert second.frame("acme").equals(first.frame("acme"))
    for part, scores in parts[3:]:
        second.add(part, scores.details)
    assert second.frame("acme").equals(whole.frame("acme"))
    empty = book(baselines)
    empty.resume(first.export(START_US // DAY_US + 1))
    assert len(empty.frame("acme")) == 0


@pytest.mark.parametrize(
    ("per_day", "entities", "allowed"), [(10, 3, 10), (10, 500, 10), (10, 5000, 100), (0.1, 9, 1)]
)
def test_a_budget_grows_with_the_organisation(per_day, entities, allowed):
    assert Budget(per_day).alerts(entities) == allowed


def test_alerts_are_the_highest_risks_of_each_day_within_the_budget():
    frame = frame_of(*scored(8, people=30), Budget(alerts_per_day=3))
    assert frame["alert"].any()
    for _, day in frame.groupby("day"):
        assert day["alert"].sum() <= 3
        assert day.loc[day["alert"], "risk"].min() >= day.loc[~day["alert"], "risk"].max()
        assert (day.loc[day["alert"], "risk"] > 0).all()
    quiet = one_day([(1, 7, 0.0)])
    assert not quiet["alert"]


def test_days_are_utc_dates():
    row = one_day([(1, 7, 4.0)])
    assert row["day"].isoformat() == "2025-03-01"
    assert START_US % DAY_US == 0
