"""A detector's days while they last: when alerts are raised, whose clock counts, what stays of an entity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.enrich import GeoDatabase
from features.measures import COUNTS
from models.detector import Detector
from models.risk import Budget
from tests.activities import START_DAY, at, batch_of, event
from tests.batches import pieces
from tests.offices import DAYS, detector, office

STRAY = event(at(900, 3.0), "failure", user="stray", host="ws-stray", src_ip="10.9.9.9", dst="srv-1")


def halves() -> tuple[list[dict], list[dict]]:
    """The office until the third morning, and the rest of it."""
    told = office()
    cut = next(index for index, one in enumerate(told) if one["time_us"] >= at(2, 11.0))
    return told[:cut], told[cut:]


def with_strays(one: Detector, strays: list[dict], *, score: bool) -> Detector:
    """The office, with events between two of its own; without `score` they only get their ids."""
    first, rest = halves()
    one.score_learn(batch_of(one.baselines, first))
    batch = batch_of(one.baselines, strays)
    if score:
        one.score_learn(batch)
    one.score_learn(batch_of(one.baselines, rest))
    return one


def activity_of(one: Detector) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in one.activity.export()[0].items()}


def tally(frame: pd.DataFrame) -> pd.Series:
    """Events of each entity-day."""
    return frame.set_index(["entity_kind", "entity", "day"])["n_events"].sort_index()


def test_an_event_years_ahead_moves_neither_the_day_nor_anybodys_counts():
    plain = with_strays(detector(), [STRAY], score=False)
    strayed = with_strays(detector(), [STRAY], score=True)
    assert strayed.activity.today == plain.activity.today == START_DAY + DAYS - 1
    before, after = activity_of(plain), activity_of(strayed)
    # what is new for somebody depends on what was held back, and that on everybody's habits
    same = {name for name in before if not name.endswith(("_counts", "_sums", "volume_bins"))}
    assert len(same) > 20
    assert {name for name in same if after[name] != before[name]} == set()
    counts, others = plain.activity.counts_so_far().counts, strayed.activity.counts_so_far().counts
    fresh = [
        place for place, name in enumerate(COUNTS) if "new" in name or "fresh" in name or "first" in name
    ]
    assert np.delete(counts, fresh, axis=1).tobytes() == np.delete(others, fresh, axis=1).tobytes()
    assert strayed.baselines.watermark_us == plain.baselines.watermark_us
    frame = strayed.entity_days("acme")
    mine = frame[frame["entity"] == "ws-stray"]
    assert mine["day"].tolist() == [pd.Timestamp(STRAY["time_us"], unit="us").date()]
    assert not mine["alert"].any()
    rest = frame[~frame["entity"].isin(["stray", "ws-stray", "10.9.9.9"])]
    assert tally(rest).equals(tally(plain.entity_days("acme")))


def test_it_is_scored_and_learned_as_of_now_and_releases_nothing_that_is_held():
    one = detector()
    first, _ = halves()
    one.score_learn(batch_of(one.baselines, first))
    assert one.engine.held_count == 0
    strange = [event(at(2, 11.01), user="user-1", host="ws-9", src_ip="10.0.0.1") for _ in range(3)]
    one.engine.hold_days, held = 7.0, one.engine.held_count
    one.score_learn(batch_of(one.baselines, strange))
    held = one.engine.held_count
    one.score_learn(batch_of(one.baselines, [STRAY]))
    assert one.engine.held_count >= held
    habits = one.baselines.habits("stray").set_index("behaviour")
    assert habits.loc["user.host", "weight"] == pytest.approx(1.0, rel=0.01)


def test_the_clock_is_saved_with_the_state(tmp_path):
    first, rest = halves()
    ahead = [{**STRAY, "time_us": STRAY["time_us"] + minute} for minute in range(3)]
    whole, saved = detector(), detector()
    for one in (whole, saved):
        one.score_learn(batch_of(one.baselines, first + ahead))
    saved.save(tmp_path / "state")
    saved = Detector.load(tmp_path / "state", geo=GeoDatabase())
    for one in (whole, saved):
        one.score_learn(batch_of(one.baselines, rest))
        assert one.activity.today == START_DAY + DAYS - 1
    assert saved.clock.export() == whole.clock.export()
    assert activity_of(saved) == activity_of(whole)


def test_an_office_that_comes_back_after_a_month_goes_on():
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    later = office(seed=2, days=2, first_day=DAYS + 30)
    one.score_learn(batch_of(one.baselines, later))
    assert one.activity.today == START_DAY + DAYS + 31
    frame = one.entity_days("acme")
    assert frame["day"].max() == pd.Timestamp(at(DAYS + 31, 0), unit="us").date()
    assert one.activity.known.active[: one.baselines.entities.end].max() >= DAYS + 1


def test_a_spray_is_raised_at_the_next_mark_whatever_the_batches():
    told = [*office(), *office(seed=2, days=2, first_day=DAYS)]
    frames = []
    for sizes in ([len(told)], [7, 150], [1000, 33]):
        one = detector(budget=Budget(3))
        everything = batch_of(one.baselines, told)
        for cut in pieces(len(told), sizes):
            one.score_learn(everything.take(cut))
        frames.append(one.entity_days("acme"))
    assert all(frame.equals(frames[0]) for frame in frames[1:])
    frame = frames[0]
    day = pd.Timestamp(at(DAYS - 1, 0), unit="us").date()
    spray = frame[(frame["day"] == day) & (frame["entity"] == "10.0.0.1")].iloc[0]
    assert spray["alert"]
    assert spray["alerted_at"] == pd.Timestamp(at(DAYS - 1, 12), unit="us", tz="UTC"), "it began at nine"
    raised = frame[frame["alerted_at"].notna()]
    assert (raised["alerted_at"].dt.date >= raised["day"]).all()
    assert raised["alert"].all()


def test_looking_at_a_day_more_often_raises_sooner_and_changes_no_score():
    told = [*office(), *office(seed=2, days=2, first_day=DAYS)]
    plain, often = detector(budget=Budget(3)), detector(budget=Budget(3))
    often.alerts.follow(at(0, 0), 15)
    scores = [one.score_learn(batch_of(one.baselines, told)) for one in (plain, often)]
    assert scores[0].evidence.tobytes() == scores[1].evidence.tobytes()
    assert scores[0].p_value.tobytes() == scores[1].p_value.tobytes()
    day = pd.Timestamp(at(DAYS - 1, 0), unit="us").date()
    moments = [
        frame[(frame["day"] == day) & (frame["entity"] == "10.0.0.1")].iloc[0]["alerted_at"]
        for frame in (one.entity_days("acme") for one in (plain, often))
    ]
    assert pd.Timestamp(at(DAYS - 1, 9), unit="us", tz="UTC") < moments[1] < moments[0]


def test_what_came_last_is_raised_though_nothing_comes_after_it():
    """An organisation that is asleep: no event passes the next mark, so the clock on the wall does."""
    told = [*office(), *office(seed=2, days=2, first_day=DAYS)]
    told = [one for one in told if one["time_us"] < at(DAYS - 1, 11)]
    asleep, awake = detector(budget=Budget(3)), detector(budget=Budget(3))
    asleep.score_learn(batch_of(asleep.baselines, told))
    later = event(at(DAYS - 1, 12.1), user="user-1", host="ws-1", src_ip="10.0.0.1")
    awake.score_learn(batch_of(awake.baselines, [*told, later]))
    assert asleep.alerts.raised_today < awake.alerts.raised_today
    assert not asleep.due_look(at(DAYS - 1, 11)), "no mark has passed"
    assert not asleep.due_look(at(DAYS, 1)), "another day is no reason"
    assert asleep.due_look(at(DAYS - 1, 12.1))
    asleep.look(at(DAYS - 1, 12.1))
    assert asleep.alerts.raised_today == awake.alerts.raised_today


def test_an_entitys_risk_outlives_the_day_and_fades():
    one = detector()
    one.score_learn(batch_of(one.baselines, [*office(), *office(seed=2, days=6, first_day=DAYS)]))
    frame = one.entity_days("acme")
    mine = frame[(frame["entity"] == "10.0.0.1") & (frame["entity_kind"] == "src_ip")]
    risk = mine.set_index("day")["entity_risk"].sort_index()
    day = [pd.Timestamp(at(number, 0), unit="us").date() for number in range(2 * DAYS)]
    assert risk[day[DAYS - 1]] > 5
    assert risk[day[DAYS - 1]] > risk[day[DAYS]] > risk[day[DAYS + 3]] > 0
    ids = np.array([entity for _, entity in one.baselines.find("10.0.0.1")])
    assert one.entity_risks(ids).risk[0] == pytest.approx(risk[day[-1]])


def test_the_ledger_is_saved_with_the_state(tmp_path):
    one = detector()
    told = [*office(), *office(seed=2, days=1, first_day=DAYS)]
    one.score_learn(batch_of(one.baselines, told))
    one.save(tmp_path / "state")
    other = Detector.load(tmp_path / "state", geo=GeoDatabase())
    ids = np.sort(one.baselines.entities.all_ids())
    assert one.entity_risks(ids).risk.max() > 5
    again = np.sort(other.baselines.entities.all_ids())
    assert sorted(other.entity_risks(again).risk.tolist()) == sorted(one.entity_risks(ids).risk.tolist())
