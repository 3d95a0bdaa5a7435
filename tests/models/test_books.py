"""What waits to be written down is seen by every reader, and is the same however it came."""

from __future__ import annotations

import numpy as np
import pytest

from models import books
from models.detector import Detector
from models.ranking.ranker import Ranker
from models.ranking.settings import EXCESS, SEQUENCE, RankerSettings
from tests.activities import at, batch_of, event
from tests.offices import DAYS, detector, digest, office

LAST = 260
"""Events of the last day that are given one by one, in the middle of what is odd about it."""


def given(sizes: list[int]):
    """A detector that was given the office: all but the last events at once, those in portions."""
    one = detector()
    everything = batch_of(one.baselines, office())
    first = len(everything.time_us) - LAST
    one.score_learn(everything.take(slice(0, first)))
    while first < len(everything.time_us):
        for size in sizes:
            one.score_learn(everything.take(slice(first, first + size)))
            first += size
    return one


READERS = {
    "findings": lambda one: one.days.findings(),
    "events": lambda one: one.today(),
    "frame": lambda one: one.entity_days("acme").to_json(date_format="iso"),
    "sessions": lambda one: [one.sessions.table(index) for index in range(len(one.sessions.views))],
    "sample": lambda one: (one.sample.events, one.sample.entity),
    "risks": lambda one: one.entity_risks(np.arange(1, 5)),
    "evidence": lambda one: one.days.evidence_of(
        dict(one.baselines.find("user-2"))["user"], one.activity.today
    ),
}


def same(left, right) -> bool:
    if isinstance(left, np.ndarray):
        return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@pytest.fixture(scope="module")
def at_once():
    return given([LAST])


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_whoever_reads_a_book_finds_what_was_scored_a_moment_ago(at_once, reader):
    one = given([1])
    assert same(reader(one), reader(at_once))


def test_events_one_by_one_leave_the_same_state_as_at_once(at_once, tmp_path):
    state = digest(at_once, tmp_path / "at once")
    assert digest(given([1]), tmp_path / "one by one") == state
    assert digest(given([3, 1, 50]), tmp_path / "in portions") == state


def test_a_full_room_is_written_down_without_a_reader(monkeypatch, at_once, tmp_path):
    monkeypatch.setattr(books, "WAITING_EVENTS", 7)
    one = given([1, 2, 3, 20])
    assert one.books._count < 7
    assert digest(one, tmp_path / "full") == digest(at_once, tmp_path / "at once")


def test_what_waits_does_not_change_with_the_arrays_it_came_in(at_once, tmp_path):
    one = detector()
    everything = batch_of(one.baselines, office())
    cut = len(everything.time_us) - LAST
    one.score_learn(everything.take(slice(0, cut)))
    for row in range(cut, len(everything.time_us)):
        batch = everything.take(np.array([row]))
        scores = one.score_learn(batch)
        for array in (*batch, *scores[:-1], *scores.details):
            array[:] = 0
    assert digest(one, tmp_path / "used again") == digest(at_once, tmp_path / "at once")


def test_what_waits_is_written_down_before_names_get_other_numbers():
    one, other = given([1]), given([LAST])
    for detector_ in (one, other):
        detector_.baselines.entities.limit = detector_.baselines.entities.count
        assert detector_.keep_house()
    assert one.entity_days("acme").equals(other.entity_days("acme"))
    assert same(one.sample.events, other.sample.events)


def test_an_event_whose_day_is_not_open_yet_is_no_part_of_the_sample():
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    sampled, counted = len(one.sample), one.entity_days("acme")["n_events"].sum()
    one.score_learn(batch_of(one.baselines, [event(at(DAYS + 9, 3.0), user="user-1", host="ws-1")]))
    assert len(one.sample) == sampled
    assert one.entity_days("acme")["n_events"].sum() == counted + 2


def test_sequences_are_written_down_with_the_rest():
    one = Detector(key_seed=7, ranker=Ranker(RankerSettings(members=(EXCESS, SEQUENCE))))
    told = [
        event(at(0, 9 + i / 60), what, user="user-1") for i, what in enumerate(["logon", "start", "deletion"])
    ]
    for each in told:
        one.score_learn(batch_of(one.baselines, [each]))
    assert one.sequences is not None
    assert one.sequences.sequences().lengths.tolist() == [3]


def test_an_exemption_is_asked_for_without_writing_anything_down():
    one = given([1])
    waiting = one.books._count
    assert one.feedback.says_nothing
    assert one.books._count == waiting > 0
