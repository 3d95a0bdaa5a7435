"""Verdicts as a data set: what can be learned from them, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from pyarrow import parquet

from training.labels import TABLE, lessons, opinion, table

DAY = 20_000
DAY_US = 86_400_000_000
BENIGN, TRUE, FALSE, SUSPICIOUS, UNDECIDED = 5, 2, 1, 4, 7


def row(verdict_id: int, **given: Any) -> dict[str, Any]:
    made = {
        "tenant": "acme", "uid": "u1", "subject": "alert", "entity_kind": "user", "entity": "zoë", "day": DAY,
        "event_uid": "", "alert_id": "a1", "verdict_id": verdict_id, "reason": "", "analyst": "key-1",
        "at": (DAY + 1) * DAY_US, "alert_written_at": (DAY + 1) * DAY_US, "delay_seconds": 0.0, "holds": True,
        "reverted_at": None, "reverted_by": None, "disagrees": False, "golden_agree": 0, "golden_differ": 0,
        "why": "", "risk": 7.0, "factor": 1.0, "evidence_from": "receipt", "evidence": {"process": 3.0},
    }  # fmt: skip
    return made | given


def test_one_entity_day_is_one_lesson() -> None:
    found = lessons([row(BENIGN), row(FALSE, uid="u2", analyst="key-2")])
    assert [(one.key, one.true) for one in found] == [(("user", "zoë", DAY), False)]


@pytest.mark.parametrize(
    ("said", "come_to"),
    [
        ([TRUE], True), ([BENIGN], False), ([TRUE, BENIGN], None), ([SUSPICIOUS, FALSE], None),
        ([SUSPICIOUS], None), ([UNDECIDED], None), ([TRUE, UNDECIDED], True), ([], None),
    ],
)  # fmt: skip
def test_verdicts_come_to_an_opinion_unless_they_contradict_each_other(said, come_to) -> None:
    assert opinion(said) is come_to


def test_what_was_taken_back_or_contradicted_teaches_nothing() -> None:
    assert lessons([row(TRUE, holds=False)]) == []
    assert lessons([row(TRUE), row(BENIGN, uid="u2")]) == []
    assert [one.true for one in lessons([row(TRUE), row(BENIGN, uid="u2", holds=False)])] == [True]


def test_what_half_of_those_contradict_who_judged_it_blind_teaches_nothing() -> None:
    assert lessons([row(BENIGN, golden_agree=1, golden_differ=1)]) == []
    assert len(lessons([row(BENIGN, golden_agree=2, golden_differ=1)])) == 1
    assert len(lessons([row(BENIGN)])) == 1


def test_that_one_event_was_nothing_says_nothing_of_its_day() -> None:
    assert lessons([row(BENIGN, subject="event")]) == []
    assert [one.true for one in lessons([row(TRUE, subject="event")])] == [True]


def test_a_lesson_is_known_as_many_days_later_as_its_verdict_came_after_the_alert() -> None:
    late = row(BENIGN, entity="a", delay_seconds=3.5 * 86_400)
    years_later = row(BENIGN, entity="b", at=(DAY + 900) * DAY_US)
    assert [(one.entity, one.known_day) for one in lessons([late, years_later])] == [
        ("b", DAY + 1),
        ("a", DAY + 4),
    ]


def test_the_data_set_is_read_back_as_it_was_written(tmp_path) -> None:
    rows = [row(TRUE), row(BENIGN, uid="u2", alert_written_at=None, delay_seconds=None, evidence={})]
    parquet.write_table(table(rows), tmp_path / "labels.parquet")
    read = parquet.read_table(tmp_path / "labels.parquet")
    assert read.schema.names == TABLE.names
    first, second = read.to_pylist()
    assert first["evidence"] == [("process", 3.0)]
    assert (first["day"].isoformat(), first["at"].year) == ("2024-10-04", 2024)
    assert second["alert_written_at"] is None
    assert table([]).num_rows == 0
