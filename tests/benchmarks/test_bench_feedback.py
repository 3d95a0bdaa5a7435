"""Four weeks of a simulated operations centre, on days made by hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.bench_feedback import Centre, Past, live, table
from features.behaviours import ENTITY_KINDS
from models.feedback.feedback import Things
from training.pedb.protocol import Protocol

DAYS, PEOPLE = 28, 40
ONE_A_DAY = Protocol(budgets=(10,), reference=10)
"""With forty people, one entity-day is shown a day."""


class Truth(NamedTuple):
    campaigns: list[str]


def office(attacked: int = 7, quiet_risk: float = 1.0) -> Past:
    """Person 0 does the same odd thing every day; person `attacked` is in a campaign from day 20 on."""
    day = np.repeat(np.arange(DAYS), PEOPLE)
    who = np.tile(np.arange(PEOPLE), DAYS)
    risk = np.full(len(day), quiet_risk)
    evidence = np.zeros((len(day), 2))
    # so strange that it stays first though half of it is no news every day
    risk[who == 0], evidence[who == 0] = 18.0, (8.0, 0.0)
    true = (who == attacked) & (day >= 20)
    risk[true], evidence[true] = 8.0, (0.0, 7.0)
    return Past(
        kind=np.full(len(day), ENTITY_KINDS.index("user")),
        name=np.array([f"user-{person}" for person in who], object),
        entity=who + 1,
        day=day,
        rarity=risk,
        evidence=evidence,
        true=true,
        campaigns=[(0,) if one else () for one in true],
        causes=("first", "second"),
        truth=Truth(["one"]),  # type: ignore[arg-type]
        things=things(evidence),
        texts=[""],
        partners={},
    )


def things(evidence: np.ndarray) -> Things:
    """One thing without a value a cause."""
    row, cause = np.nonzero(evidence)
    return Things(row, cause, np.zeros(len(row), np.int64), evidence[row, cause])


def test_what_repeats_hides_an_attack_until_somebody_says_that_it_is_harmless() -> None:
    deaf = live(office(), Centre("none", listens=False), ONE_A_DAY, 1)
    assert (deaf.weeks == 0).all()
    assert (deaf.found, deaf.repeats) == (0.0, 1.0)
    heard = live(office(), Centre("verdicts"), ONE_A_DAY, 1)
    assert heard.weeks.tolist() == pytest.approx([0.0, 0.0, 1 / 7, 1.0])
    assert heard.found == 1.0


def test_a_verdict_is_heard_on_its_day_and_not_before() -> None:
    late = live(office(), Centre("late", late_days=27), ONE_A_DAY, 1)
    assert late.weeks[:3].tolist() == [0.0, 0.0, 0.0]
    assert late.weeks[3] == pytest.approx(1 / 7), "only the last day is after the first verdict"


def test_a_snooze_ends_by_itself() -> None:
    snoozed = live(office(attacked=-1), Centre("snooze", mutes=True), ONE_A_DAY, 1)
    assert (snoozed.weeks == 0).all()
    assert 0.0 < snoozed.repeats < 1.0


def test_the_same_seed_errs_at_the_same_places() -> None:
    wrong = Centre("wrong", flipped=0.3)
    assert (
        live(office(), wrong, ONE_A_DAY, 3).weeks.tolist()
        == live(office(), wrong, ONE_A_DAY, 3).weeks.tolist()
    )


def test_the_table_compares_with_no_feedback() -> None:
    lived = {
        "no feedback": [live(office(), Centre("none", listens=False), ONE_A_DAY, seed) for seed in (1, 2)],
        "verdicts": [live(office(), Centre("verdicts"), ONE_A_DAY, seed) for seed in (1, 2)],
    }
    head, _, none, some = table(lived).splitlines()
    assert head.count("|") == none.count("|") == some.count("|")
    assert "0.571 (0.571 to 0.571)" in some


EIGHT_A_DAY = Protocol(budgets=(100,), reference=100)


def noisy(seed: int = 1) -> Past:
    """Every day twelve people are odd in one of two ways; the second is an attack four times in five."""
    quiet = office(attacked=-1, quiet_risk=0.1)
    rng = np.random.default_rng(seed)
    risk, evidence, true = quiet.rarity.copy(), quiet.evidence.copy(), quiet.true.copy()
    for day in range(DAYS):
        rows = np.flatnonzero(quiet.day == day)
        odd = rng.choice(rows, 12, replace=False)
        second = rng.random(12) < 0.4
        risk[odd] = rng.uniform(4.0, 5.0, 12)
        evidence[odd] = np.where(second[:, None], (0.0, 6.0), (6.0, 0.0))
        true[odd] = second & (rng.random(12) < 0.8)
        # nobody is judged twice: only what causes tell can help
    entity = np.arange(len(risk)) + 1
    names = np.array([f"user-{number}" for number in entity], object)
    campaigns = [(0,) if one else () for one in true]
    return quiet._replace(
        rarity=risk,
        evidence=evidence,
        true=true,
        entity=entity,
        name=names,
        campaigns=campaigns,
        things=things(evidence),
    )


@pytest.mark.parametrize("weighs", ["online", "batch"])
def test_weights_by_what_was_said_bring_up_what_is_mostly_true(weighs: str) -> None:
    none = live(noisy(), Centre("verdicts"), EIGHT_A_DAY, 1)
    some = live(noisy(), Centre("weighed", weighs=weighs), EIGHT_A_DAY, 1)
    assert some.weeks[2:].mean() > none.weeks[2:].mean() + 0.05


def test_the_gate_lets_weights_in_when_they_help() -> None:
    none = live(noisy(), Centre("verdicts"), EIGHT_A_DAY, 1)
    asked = live(noisy(), Centre("gate", weighs="gate"), EIGHT_A_DAY, 1)
    assert asked.weeks[0] == none.weeks[0], "nothing is let in before there is something to compare"
    assert asked.weeks[3] >= none.weeks[3]


def test_part_of_what_is_shown_can_be_there_to_learn_from() -> None:
    none = live(noisy(), Centre("verdicts"), EIGHT_A_DAY, 1)
    fifth = live(noisy(), Centre("learns", learns=0.2), EIGHT_A_DAY, 1)
    assert fifth.weeks.tolist() != none.weeks.tolist()
    assert live(noisy(), Centre("learns", learns=0.0), EIGHT_A_DAY, 1).weeks.tolist() == none.weeks.tolist()
