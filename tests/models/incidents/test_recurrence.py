"""How often alerts name a thing: counted in slots, of the last days, without the newest hour."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from models.incidents import recurrence as module
from models.incidents.alert import SLOT_US
from models.incidents.recurrence import LAG_SLOTS, Recurrence, surprise
from tests.models.incidents.stories import DAY_US, START_DAY

BEGIN = START_DAY * 144
slots = st.integers(0, 144 * 6)


@given(st.lists(st.tuples(slots, st.integers(0, 150)), max_size=12), slots, st.integers(1, 4))
def test_active_slots_are_those_of_a_plain_set(spans, at, window):
    recurrence = Recurrence(window)
    seen: set[int] = set()
    for first, length in spans:
        recurrence.learn("x", (BEGIN + first) * SLOT_US, (BEGIN + first + length) * SLOT_US)
        seen |= set(range(first, first + length + 1)) if length < 144 else {first, first + length}
    now = at + LAG_SLOTS
    found, total = recurrence.active("x", (BEGIN + now) * SLOT_US)
    start = max(min((first for first, _ in spans), default=at), at - window * 144)
    assert total == max(0, at - start)
    assert found == len([slot for slot in seen if start <= slot < at])


def test_a_burst_is_one_slot():
    recurrence = Recurrence()
    for second in range(600):
        recurrence.learn("x", BEGIN * SLOT_US + second * 1_000_000, BEGIN * SLOT_US + second * 1_000_000)
    assert recurrence.active("x", (BEGIN + 50) * SLOT_US) == (1, 44)


def test_an_attack_of_the_last_hour_does_not_vouch_for_itself():
    recurrence = Recurrence()
    recurrence.learn("other", BEGIN * SLOT_US, BEGIN * SLOT_US)
    before = recurrence.share("x", (BEGIN + 100) * SLOT_US)
    for slot in range(95, 100):
        recurrence.learn("x", (BEGIN + slot) * SLOT_US, (BEGIN + slot) * SLOT_US)
    assert recurrence.share("x", (BEGIN + 100) * SLOT_US) == before
    assert recurrence.share("x", (BEGIN + 110) * SLOT_US) > before


def test_days_beyond_the_window_are_forgotten_and_change_nothing():
    recurrence = Recurrence(3)
    for slot in range(0, 144 * 10, 7):
        recurrence.learn("x", (BEGIN + slot) * SLOT_US, (BEGIN + slot) * SLOT_US)
    now = (START_DAY + 10) * DAY_US
    before = recurrence.active("x", now)
    recurrence.forget(now)
    assert recurrence.active("x", now) == before
    assert len(recurrence.export()["days"]) <= 4


def test_a_flood_of_names_is_bounded_and_counted(monkeypatch):
    monkeypatch.setattr(module, "MOST_THINGS_A_DAY", 10)
    recurrence = Recurrence()
    for number in range(50):
        recurrence.learn(f"x{number}", BEGIN * SLOT_US, BEGIN * SLOT_US)
    assert recurrence.refused == 40
    assert recurrence.active("x0", (BEGIN + 20) * SLOT_US)[0] == 1
    assert recurrence.active("x49", (BEGIN + 20) * SLOT_US)[0] == 0


def test_its_state_survives_json():
    recurrence = Recurrence()
    recurrence.learn("x", BEGIN * SLOT_US, (BEGIN + 30) * SLOT_US)
    other = Recurrence.restored(json.loads(json.dumps(recurrence.export())))
    assert other.export() == recurrence.export()
    assert other.active("x", (BEGIN + 60) * SLOT_US) == (31, 54)


def test_surprise_is_never_negative():
    assert surprise(1.2) == 0.0
    assert surprise(1.0) == 0.0
