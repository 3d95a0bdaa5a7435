"""How strongly an alert is tied to an incident: rarity, time, size and risk, in nats."""

from __future__ import annotations

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.incidents.alert import SLOT_US, thing
from models.incidents.recurrence import Recurrence
from models.incidents.ties import MOST_NATS, Span, believed, gap_us, thing_nats, things_of, tie
from tests.models.incidents.stories import alert, at, clue

NOW = at(10, 12.0)
ODD = Span(NOW, NOW, odd=True)
AROUND = Span(NOW, NOW, odd=False)


def later(slots: float) -> Span:
    return Span(NOW + int(slots * SLOT_US), NOW + int(slots * SLOT_US), odd=True)


def named(slots: int, days: int = 10) -> Recurrence:
    """A thing that alerts named in so many slots a day for some days until midnight of day 10."""
    recurrence = Recurrence()
    recurrence.learn("host:other", at(0, 0.0), at(0, 0.0))
    for day in range(days):
        for slot in range(slots):
            when = at(day, 0.0) + slot * SLOT_US
            recurrence.learn("host:dc", when, when)
    return recurrence


def test_the_nats_are_the_chance_that_an_unrelated_alert_names_the_thing_that_close():
    recurrence = named(36)
    share = recurrence.share("host:dc", NOW, own_slots=2)
    slots = 10 * 144 + 72 - 6
    assert share == pytest.approx((358 + 0.5) / (slots + 144))
    assert thing_nats("host:dc", ODD, ODD, 0.0, recurrence) == pytest.approx(-log(share))
    far = thing_nats("host:dc", ODD, later(5), 0.0, recurrence)
    shares = recurrence.share("host:dc", NOW + 5 * SLOT_US, own_slots=2)
    assert far == pytest.approx(-log(1 - (1 - shares) ** 6))


@given(st.integers(0, 500), st.integers(1, 500))
def test_more_time_between_ties_less(slots, more):
    near, far = (thing_nats("user:alice", ODD, later(n), 0.0, Recurrence()) for n in (slots, slots + more))
    assert far < near


@given(st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_what_more_of_the_organisation_uses_ties_less(one, other):
    low, high = sorted((one, other))
    recurrence = Recurrence()
    assert thing_nats("host:x", ODD, ODD, high, recurrence) <= thing_nats("host:x", ODD, ODD, low, recurrence)


def test_what_everybody_uses_ties_nothing_even_in_the_same_minute():
    assert thing_nats("host:dc", ODD, ODD, 1.0, Recurrence()) == 0.0


def test_what_was_merely_around_on_both_sides_counts_only_when_its_share_is_known():
    assert thing_nats("host:x", AROUND, AROUND, 0.0, Recurrence()) == 0.0
    assert thing_nats("host:x", AROUND, AROUND, 0.01, Recurrence()) == pytest.approx(-log(0.01))


@given(st.floats(0.0, 30.0), st.floats(0.01, 5.0))
def test_an_alert_of_more_risk_is_believed_more(risk, more):
    assert believed(risk) < believed(risk + more) <= 0.0


def test_an_alert_at_the_evidence_line_is_as_likely_noise_as_not():
    assert believed(3.0) == pytest.approx(log(0.5))
    assert exp(believed(0.0)) == pytest.approx(1 / (1 + exp(3.0)))


def test_gaps_are_between_the_ends_of_spans():
    assert gap_us(Span(0, 10, odd=True), Span(5, 20, odd=True)) == 0
    assert gap_us(Span(0, 10, odd=True), Span(30, 40, odd=True)) == 20
    assert gap_us(Span(30, 40, odd=True), Span(0, 10, odd=True)) == 20


def both(sizes: dict[str, int], *names: tuple[str, str], risk: float = 30.0) -> float:
    one = alert("user:alice", NOW, clue("user.host", NOW, names=list(names)), risk=risk)
    theirs = {thing(*name): ODD for name in names}
    shares = {thing(*name): 0.01 for name in names}
    return tie(one, things_of(one), theirs, sizes, shares, Recurrence()).nats


def test_things_of_one_family_count_once_and_families_add_up():
    host = both({"host": 1}, ("host", "a"))
    assert both({"host": 1, "src_ip": 1}, ("host", "a"), ("src_ip", "10.0.0.1")) == pytest.approx(host)
    assert both({"host": 1, "domain": 1}, ("host", "a"), ("domain", "b.example")) == pytest.approx(2 * host)


def test_an_incident_that_names_more_things_is_harder_to_join():
    assert both({"host": 20}, ("host", "a")) == pytest.approx(both({"host": 1}, ("host", "a")) - log(20))


def test_no_thing_ties_more_than_the_most():
    one = alert("user:alice", NOW, risk=50.0)
    recurrence = Recurrence()
    recurrence.learn("user:bob", at(-3000, 0.0), at(-3000, 0.0))
    recurrence.window_days = 10_000_000
    found = tie(one, things_of(one), {one.who: ODD}, {"user": 1}, {}, recurrence)
    assert found.nats == pytest.approx(MOST_NATS)
    assert found.things == ((one.who, MOST_NATS),)


def test_alerts_that_share_nothing_are_not_tied():
    one = alert("user:alice", NOW)
    assert tie(one, things_of(one), {"user:bob": ODD}, {"user": 1}, {}, Recurrence()).things == ()
