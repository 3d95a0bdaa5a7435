"""Reasons say what was counted, in words that are safe to print."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.behaviours import BEHAVIOURS
from features.columns import Columniser
from features.enrich import GeoDatabase
from features.events import AUTHENTICATION, Event
from features.identity import IdentityResolver
from features.rows import empty_rows, put_events
from models.channels import Channels
from models.detector import Detector
from models.explain import count, odds, reason

CHANNELS = Channels(BEHAVIOURS).all
INDEX = {behaviour.name: index for index, behaviour in enumerate(BEHAVIOURS)}


@pytest.mark.parametrize(
    ("events", "text"),
    [
        (0, "0"),
        (0.0005, "0"),
        (0.2, "<1"),
        (0.6, "1"),
        (412.4, "412"),
        (1234567.0, "1,234,567"),
        (3.4e38, "3e+38"),
    ],
)
def test_counts_are_written_as_people_read_them(events, text):
    assert count(events) == text


@pytest.mark.parametrize(
    ("nats", "text"), [(0.0, "1 in 1"), (3.0, "1 in 20"), (6.1, "1 in 450"), (12.0, "1 in 160,000")]
)
def test_odds_have_two_digits(nats, text):
    assert odds(nats) == text


@given(st.floats(0, 1e9))
def test_odds_are_always_printable(nats):
    assert odds(nats).startswith("1 in ")


def explained(counts: list[float], behaviour: str = "user.host", value: str = "srv-9") -> str:
    baselines = Detector(geo=GeoDatabase()).baselines
    user, host = baselines.values.intern_many(["alice", value]).tolist()
    entity = int(baselines.entities.ids(0, np.array([user]))[0])
    baselines.set_groups("user", ["alice"], ["finance"])
    return reason(baselines, CHANNELS[INDEX[behaviour]], entity, host, 6.1, np.array(counts, np.float32))


def test_a_reason_counts_at_all_three_levels():
    text = explained([0, 412, 3, 2000, 50, 12_345])
    assert text == (
        "used host srv-9: 0 of 412 events by this user, 3 of 2,000 in finance, 0.4% among all other users; "
        "6.1 nats, 1 in 450"
    )


def test_a_reason_says_when_there_is_no_history_and_when_nobody_did_it():
    assert "first events of this user" in explained([0, 0, 0, 0, 5, 100])
    assert "in finance" not in explained([0, 3, 0, 0, 5, 100])
    assert "never by the other users (of 100)" in explained([0, 3, 0, 0, 0, 100])
    assert "<0.1%" in explained([0, 3, 0, 0, 1, 100_000])


@given(st.lists(st.one_of(st.just(0.0), st.floats(0, 2.0**127, width=32)), min_size=6, max_size=6))
@settings(max_examples=40)
def test_any_counts_give_one_finite_line(counts):
    counts[1::2] = [max(pair) for pair in zip(counts[::2], counts[1::2], strict=True)]
    text = explained(counts)
    assert text.isprintable()
    assert len(text) < 400
    assert not re.search(r"\b(nan|inf)\b", text)


def test_braces_in_values_are_values():
    assert explained([0, 1, 0, 0, 0, 0], value="{0}{value}{").startswith("used host {0}{value}{:")


HOSTILE = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
    [
        "\x1b[2Jboo",
        "a\nb\rc",
        "\u202eevil",
        "x" * 100_000,
        "\x00",
        "\ud800",
        "<script>",
        "{value}",
        "\u2028",
        "\x9b31m",
    ]
)


@settings(max_examples=40)
@given(HOSTILE, HOSTILE)
def test_values_made_from_hostile_records_are_printable_and_bounded(one, other):
    detector = Detector(geo=GeoDatabase())
    baselines = detector.baselines
    event = Event(
        time_us=1_740_787_200_000_000,
        class_uid=AUTHENTICATION,
        **dict.fromkeys(
            ("user", "host", "src_ip", "src_host", "dst_host", "dst_ip", "process", "command"), one
        ),
        **dict.fromkeys(
            ("parent_process", "file", "operation", "service", "resource", "auth", "protocol"), other
        ),
        **dict.fromkeys(
            ("status_detail", "user_agent", "domain", "target_user", "cloud_region"), one + other
        ),
        dst_port=445,
    )
    rows = empty_rows(1)
    columniser = Columniser(baselines.values, baselines.entities, IdentityResolver(), GeoDatabase())
    put_events(rows, [0], [event], columniser.begin())
    columns = columniser.batch(rows).columns[0]
    for value in baselines.values.many(columns[:-3].tolist()):
        assert value.isprintable(), repr(value)
        assert len(value) <= 600
    channels = Channels(BEHAVIOURS).all
    for index, behaviour in enumerate(BEHAVIOURS):
        kind = ("user", "host", "src_ip").index(behaviour.entity)
        entity = int(columns[-3 + kind])
        if entity:
            value = int(columns[baselines.program.value[index]])
            assert reason(
                baselines, channels[index], entity, value, 6.1, np.ones(6, np.float32)
            ).isprintable()
