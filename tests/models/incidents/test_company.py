"""Who was seen with whom: partners of a day, and what share of the organisation uses something."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.incidents import company as module
from models.incidents.company import Company
from tests.models.incidents.stories import START_DAY, at

USERS, HOSTS, ADDRESSES = range(1, 11), range(11, 16), range(16, 19)
KIND_OF = np.array([-1, *[0] * 10, *[1] * 5, *[2] * 3], np.int8)
EVENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 10), st.integers(10, 15), st.integers(15, 18)), max_size=40
)


def learned(events: list[tuple[int, int, int, int]], pieces: int = 1, **options: int) -> Company:
    """Events of (day, user, host, address); 10 and 15 stand for no host and no address."""
    company = Company(**options)
    for part in np.array_split(np.array(events, np.int64).reshape(-1, 4), pieces):
        time_us = np.array([at(int(day), 1.0) for day in part[:, 0]], np.int64)
        entities = part[:, 1:].astype(np.int32)
        entities[entities[:, 1] == 10, 1] = 0
        entities[entities[:, 2] == 15, 2] = 0
        company.learn(time_us, entities)
    return company


def pairs_of(events: list[tuple[int, int, int, int]], days: set[int]) -> set[tuple[int, int]]:
    found = set()
    for day, user, host, address in events:
        present = [one for one, missing in ((user, 0), (host, 10), (address, 15)) if one != missing]
        if day in days:
            found |= {(a, b) for a in present for b in present if a != b}
    return found


@given(EVENTS, st.integers(1, 5))
def test_partners_and_shares_are_those_of_a_plain_set(events, pieces):
    company = learned(events, pieces, window_days=3)
    for day in range(6):
        of_day = pairs_of(events, {day})
        for one in (1, 11, 16):
            assert company.partners(one, START_DAY + day).tolist() == sorted(b for a, b in of_day if a == one)
        window = pairs_of(events, {day - 2, day - 1, day})
        seen = {a for a, _ in window}
        entities = np.array([1, 11, 16, 18])
        expected = [
            max(
                sum(KIND_OF[b] == kind for a, b in window if a == one)
                / max(1, sum(KIND_OF[a] == kind for a in seen))
                for kind in range(3)
            )
            for one in entities
        ]
        assert company.shares(entities, START_DAY + day, KIND_OF) == pytest.approx(expected)


def test_a_machine_that_all_use_has_the_whole_share_and_a_workstation_a_small_one():
    events = [(0, user, 11, 15) for user in USERS] + [(0, 1, 12, 15)]
    shares = learned(events).shares(np.array([11, 12]), START_DAY, KIND_OF)
    assert shares == pytest.approx([1.0, 0.1])


def test_renumbering_keeps_who_was_with_whom():
    company = learned([(0, 1, 11, 16), (0, 2, 12, 15)])
    moved = np.zeros(19, np.int32)
    moved[[1, 11, 16]] = [3, 1, 2]
    company.renumber(moved)
    assert company.partners(3, START_DAY).tolist() == [1, 2]
    assert company.held_ids().tolist() == [1, 2, 3]


def test_what_was_exported_comes_back():
    company = learned([(0, 1, 11, 16), (3, 2, 12, 15)])
    again = Company.restored(company.export())
    assert again.held_ids().tolist() == company.held_ids().tolist() == [1, 2, 11, 12, 16]
    again.forget(START_DAY + 16)
    assert again.held_ids().tolist() == [2, 12]


def test_a_flood_of_pairs_is_bounded_and_counted_and_those_that_were_there_stay(monkeypatch):
    monkeypatch.setattr(module, "MOST_PAIRS_A_DAY", 10)
    company = learned([(0, 1, 11, 15), (0, 2, 11, 15)])
    assert company.partners(11, START_DAY).tolist() == [1, 2]
    time_us = np.full(100, at(0, 2.0))
    flood = np.zeros((100, 3), np.int32)
    flood[:, 0], flood[:, 1] = np.arange(100, 200), 12
    company.learn(time_us, flood)
    assert company.partners(11, START_DAY).tolist() == [1, 2]
    assert sum(len(array) for array in company.export().values()) == 10
    assert company.refused == 200 - 6
