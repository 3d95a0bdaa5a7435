"""Who is under watch after an attack, and how much a watch counts when true positives are given by chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from models.feedback.partners import MOST_PARTNERS, partners
from models.feedback.watch import LINKED, WATCH, WATCH_DAYS, Opinion, Record, Watch
from models.incidents.company import Company
from tests.batches import DAY_US

ANN, PC, BOB = ("user", "ann"), ("host", "pc-1"), ("user", "bob")


def times(opinions: list[Opinion], day: int) -> dict[tuple[str, str], float]:
    return Watch(opinions, day).times()


def test_whoever_worked_with_the_attacked_is_watched_too_and_less() -> None:
    said = [Opinion(ANN, 10, True, (PC,))]
    trust = Watch(said, 11).record.trust
    assert times(said, 11) == pytest.approx({ANN: 1 + (WATCH - 1) * trust, PC: 1 + (LINKED - 1) * trust})
    assert times(said, 10) == {}, "the day itself stands as it was found"
    assert times(said, 10 + WATCH_DAYS)[PC] > 1.0
    assert times(said, 11 + WATCH_DAYS) == {}


def test_a_harmless_day_of_either_ends_the_watch_of_a_partner() -> None:
    said = [Opinion(ANN, 10, True, (PC,))]
    assert PC not in times([*said, Opinion(PC, 12, False)], 13)
    assert ANN in times([*said, Opinion(PC, 12, False)], 13)
    assert times([*said, Opinion(ANN, 12, False)], 13) == {}
    assert PC in times([*said, Opinion(ANN, 9, False)], 13), "what was before the attack ends nothing"
    assert PC in times([*said, Opinion(PC, 14, False)], 13), "what comes later is not known yet"


def test_an_attack_after_a_harmless_day_begins_a_new_watch() -> None:
    said = [Opinion(ANN, 10, True), Opinion(ANN, 11, False), Opinion(ANN, 13, True)]
    assert ANN not in times(said, 12)
    assert times(said, 14)[ANN] > times(said, 15)[ANN] > 1.0


def test_a_day_that_was_judged_stands_as_it_was_found() -> None:
    said = [Opinion(ANN, 10, True, (PC,)), Opinion(PC, 12, False), Opinion(ANN, 12, True)]
    assert times(said, 12) == {}


def test_watches_that_never_pay_count_for_nothing_in_the_end() -> None:
    said = []
    trusts = []
    for round_ in range(40):
        who = ("user", f"u{round_}")
        said += [Opinion(who, 2 * round_, True), Opinion(who, 2 * round_ + 1, False)]
        trusts.append(Watch(said, 2 * round_ + 2).record.trust)
    assert trusts[0] > 0.7
    assert trusts[-1] == 0.0
    assert all(later <= earlier for earlier, later in itertools.pairwise(trusts))
    assert times([*said, Opinion(BOB, 79, True)], 80) == {}


def test_watches_that_pay_are_trusted_whatever_else_is_harmless() -> None:
    said = [Opinion(("user", f"h{number}"), number, False) for number in range(60)]
    for number in range(12):
        who = ("user", f"u{number}")
        said += [Opinion(who, 5 * number, True), Opinion(who, 5 * number + 1, True)]
    assert Watch(said, 61).record.trust > 0.8


def test_true_positives_by_chance_are_found_out() -> None:
    rng = np.random.default_rng(5)
    said = [
        Opinion(("user", f"u{rng.integers(30)}"), day, bool(rng.random() < 0.3))
        for day in range(28)
        for _ in range(10)
    ]
    record = Watch(said, 28).record
    assert record.watched > 20
    assert record.trust < 0.35


def test_before_anything_is_known_a_watch_is_trusted() -> None:
    assert Record(0, 0, 0, 0).trust == 1.0
    assert Record(0, 0, 50, 50).trust == 0.0, "where everything is an attack a watch tells nothing"


def test_the_order_in_which_opinions_come_makes_no_difference() -> None:
    said = [
        Opinion(ANN, 10, True, (PC,)),
        Opinion(PC, 11, True, (ANN,)),
        Opinion(BOB, 11, False),
        Opinion(ANN, 12, False),
        Opinion(BOB, 12, True, (PC,)),
    ]
    assert times(said, 13) == times(said[::-1], 13)


def met(pairs: list[tuple[int, int, int]], day: int = 3) -> Company:
    company = Company()
    company.learn(np.full(len(pairs), day * DAY_US), np.array(pairs, np.int32))
    return company


def test_partners_are_people_and_their_machines_and_no_servers() -> None:
    # users 1 to 40 work on hosts 41 to 80, all of them on the server 81 and from the address 82
    pairs = [(user, user + 40, 82) for user in range(1, 41)] + [(user, 81, 82) for user in range(1, 41)]
    kinds = np.array([-1, *[0] * 40, *[1] * 41, 2, -1], np.int8)
    company = met(pairs)
    assert partners(company, 7, 3, kinds) == [47]
    assert partners(company, 47, 3, kinds) == [7]
    assert partners(company, 7, 4, kinds) == [], "of that day only"
    assert partners(company, 81, 3, kinds) == list(range(1, 1 + MOST_PARTNERS)), "the closest first, not all"
    assert 82 not in partners(company, 7, 3, kinds)
