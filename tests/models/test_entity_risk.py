"""An entity's risk fades, repeats do not stack, and the order of findings does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.baselines import DAY_US
from models.entity_risk import LEAST_NATS, RiskLedger

START = 20_000 * DAY_US
Told = list[tuple[int, int, int, float, float]]


def learned(told: Told, ledger: RiskLedger | None = None) -> RiskLedger:
    """A ledger of findings: entity, cause, value, nats, days after START."""
    ledger = RiskLedger() if ledger is None else ledger
    rows = np.array(told, np.float64).reshape(-1, 5)
    entity, cause, value = rows[:, :3].astype(np.int64).T
    ledger.learn(entity, cause, value, rows[:, 3], START + (rows[:, 4] * DAY_US).astype(np.int64))
    return ledger


def risk_of(ledger: RiskLedger, day: float, entity: int = 1) -> float:
    return float(ledger.at(START + round(day * DAY_US), np.array([entity])).risk[0])


def plain(told: Told, day: float, entity: int) -> float:
    """The formula, word for word."""
    total = 0.0
    for half_life in (1.0, 7.0):
        best: dict[tuple[int, int], float] = {}
        for who, cause, value, nats, at in told:
            if who == entity:
                decayed = nats * 2.0 ** (-(day - at) / half_life)
                best[cause, value] = max(best.get((cause, value), 0.0), decayed)
        total += sum(best.values()) / 2
    return total


FINDINGS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 3), st.floats(0.01, 12), st.floats(0, 20)),
    max_size=30,
)


@given(told=FINDINGS, order=st.randoms(use_true_random=False), cut=st.integers(0, 30))
def test_any_order_in_any_pieces_gives_what_the_formula_says(told, order, cut):
    jumbled = list(told)
    order.shuffle(jumbled)
    first, second = learned(told), learned(jumbled[cut:], learned(jumbled[:cut]))
    ids = np.array([1, 2, 3])
    one, two = (ledger.at(START + 21 * DAY_US, ids) for ledger in (first, second))
    assert one.risk.tobytes() == two.risk.tobytes()
    assert one.risk.tolist() == pytest.approx([plain(told, 21.0, entity) for entity in (1, 2, 3)], rel=1e-9)


def test_fresh_evidence_counts_in_full_and_fades_on_two_tracks():
    ledger = learned([(1, 5, 9, 8.0, 0.0)])
    assert risk_of(ledger, 0.0) == pytest.approx(8.0)
    assert risk_of(ledger, 1.0) == pytest.approx(8.0 * (0.5 + 2 ** (-1 / 7)) / 2)
    assert risk_of(ledger, 7.0) == pytest.approx(8.0 * (2**-7 + 0.5) / 2)


def test_repeats_of_one_thing_do_not_stack_and_other_things_add_up():
    once = learned([(1, 5, 9, 8.0, 0.0)])
    often = learned([(1, 5, 9, 8.0, 0.0), *((1, 5, 9, 1.0, day / 10) for day in range(10))])
    assert risk_of(often, 1.0) == risk_of(once, 1.0)
    assert risk_of(learned([(1, 5, 9, 8.0, 0.0), (1, 5, 10, 8.0, 0.0)]), 0.0) == pytest.approx(16.0)
    assert risk_of(learned([(1, 5, 9, 8.0, 0.0), (1, 6, 9, 8.0, 0.0)]), 0.0) == pytest.approx(16.0)


def test_a_repeat_replaces_what_has_faded_below_it():
    ledger = learned([(1, 5, 9, 8.0, 0.0), (1, 5, 9, 3.0, 4.0)])
    seen = ledger.at(START + 4 * DAY_US, np.array([1]))
    assert seen.day[0] == pytest.approx(3.0)
    assert seen.week[0] == pytest.approx(8.0 * 2 ** (-4 / 7))


def test_the_weight_of_an_asset_multiplies_and_survives_a_save_and_a_renumbering():
    ledger = learned([(1, 5, 9, 8.0, 0.0), (2, 5, 9, 8.0, 0.0)])
    ledger.set_weight(1, 3.0)
    ledger.set_weight(7, 2.0)
    again = RiskLedger.restored(ledger.export())
    assert again.held_ids()[0].tolist() == [1, 2, 1, 7]
    again.renumber(np.array([0, 4, 3, 0, 0, 0, 0, 6]), np.arange(20))
    seen = again.at(START, np.array([3, 4, 6]))
    assert seen.risk.tolist() == pytest.approx([8.0, 24.0, 0.0])
    assert seen.day.tolist() == pytest.approx([8.0, 8.0, 0.0]), "the tracks are the evidence, without weight"


def test_what_has_faded_is_forgotten_and_nothing_else():
    ledger = learned([(1, 5, 9, 1.0, 0.0), (1, 5, 10, 9.0, 0.0)])
    days = 7 * np.log2(1.0 / LEAST_NATS)
    ledger.forget(START + int((days - 0.1) * DAY_US))
    assert len(ledger) == 2
    ledger.forget(START + int((days + 0.1) * DAY_US))
    assert len(ledger) == 1
    assert risk_of(ledger, days) == pytest.approx(plain([(1, 5, 10, 9.0, 0.0)], days, 1))


def test_findings_of_today_are_joined_without_being_learned():
    ledger, today = learned([(1, 5, 9, 8.0, 0.0)]), learned([(1, 5, 9, 7.0, 2.0), (1, 6, 9, 1.0, 2.0)])
    both = learned([(1, 5, 9, 8.0, 0.0), (1, 5, 9, 7.0, 2.0), (1, 6, 9, 1.0, 2.0)])
    now = START + 2 * DAY_US
    assert ledger.at(now, np.array([1]), today).risk[0] == both.at(now, np.array([1])).risk[0]
    assert len(ledger) == 1


def test_an_empty_ledger_and_unknown_entities_have_no_risk():
    assert risk_of(RiskLedger(), 1.0) == 0.0
    assert risk_of(learned([(1, 5, 9, 8.0, 0.0), (3, 5, 9, 8.0, 0.0)]), 0.0, entity=2) == 0.0
    assert risk_of(learned([(1, 5, 9, 0.0, 0.0)]), 0.0) == 0.0
