"""Where a method finds campaigns and where it does not, and what its false alerts are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from training.pedb.intervals import Estimate, pooled_share
from training.pedb.metrics import found
from training.pedb.protocol import RATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.pedb.intervals import Draws
    from training.pedb.outcome import CampaignFact, Outcome
    from training.pedb.protocol import Protocol

DIFFICULTIES = ("easy", "medium", "hard")


@dataclass(frozen=True)
class Slice:
    """Campaign recall at the reference budget in one part of the campaigns."""

    name: str
    part: str
    campaigns: int
    recall: Estimate


def campaign_slices(outcomes: Sequence[Outcome], protocol: Protocol, draws: Draws) -> list[Slice]:
    """Recall by kind and difficulty, for new and for known entities, after a change of the organisation and
    not, and by the organisation's size where there are several.
    """
    hits = [found(outcome, protocol.reference, protocol) for outcome in outcomes]
    facts = [fact for outcome in outcomes for fact in outcome.campaigns]
    graded = {fact.difficulty for fact in facts} - {""}
    grades = [grade for grade in DIFFICULTIES if grade in graded] + sorted(graded - set(DIFFICULTIES))
    tests: list[tuple[str, str, Callable[[CampaignFact], bool]]] = [
        *(("kind", kind, partial(_is_of_kind, kind)) for kind in sorted({fact.kind for fact in facts})),
        *(("difficulty", grade, partial(_is_of_grade, grade)) for grade in grades),
        ("entity", "new", lambda fact: fact.cold),
        ("entity", "known", lambda fact: not fact.cold),
        ("day", "after a change", lambda fact: fact.after_drift),
        ("day", "ordinary", lambda fact: not fact.after_drift),
    ]
    found_slices = [
        Slice(name, part, count, share)
        for name, part, chosen in tests
        for share, count in [pooled_share(outcomes, hits, chosen, draws)]
        if count
    ]
    sizes = sorted({outcome.users for outcome in outcomes})
    if len(sizes) > 1:
        for size in sizes:
            of_size = [
                hit if outcome.users == size else hit[:0] for outcome, hit in zip(outcomes, hits, strict=True)
            ]
            found_slices.append(_size_slice(outcomes, of_size, size, draws))
    return found_slices


def _is_of_kind(kind: str, fact: CampaignFact) -> bool:
    return fact.kind == kind


def _is_of_grade(grade: str, fact: CampaignFact) -> bool:
    return fact.difficulty == grade


def _size_slice(outcomes: Sequence[Outcome], hits: Sequence[np.ndarray], size: int, draws: Draws) -> Slice:
    rows = [index for index, outcome in enumerate(outcomes) if outcome.users == size]
    part = type(draws)(draws.seeds[:, rows], [draws.campaigns[index] for index in rows])
    share, count = pooled_share([outcomes[i] for i in rows], [hits[i] for i in rows], lambda _: True, part)
    return Slice("users", str(size), count, share)


@dataclass(frozen=True)
class Rate:
    """Realised over nominal alert rate among unlabelled entity-days."""

    nominal: float
    part: str
    ratio: Estimate
    unlabelled: int


def alert_rates(outcomes: Sequence[Outcome], draws: Draws) -> list[Rate]:
    """Realised over nominal rate on ordinary days, after a change of the organisation, and on all; seeds
    pooled, intervals over seeds.
    """
    rates = []
    for nominal in RATES:
        for part, wanted in (("all", (False, True)), ("ordinary", (False,)), ("after a change", (True,))):
            counts = np.array(
                [
                    [
                        sum(
                            row.reported
                            for row in outcome.rates
                            if _is(row.nominal, nominal) and row.after_drift in wanted
                        ),
                        sum(
                            row.unlabelled
                            for row in outcome.rates
                            if _is(row.nominal, nominal) and row.after_drift in wanted
                        ),
                    ]
                    for outcome in outcomes
                ],
                np.float64,
            )
            above, below = (draws.seeds @ counts).T
            ratio = np.divide(above, below * nominal, out=np.full(len(below), np.nan), where=below > 0)
            total = counts.sum(axis=0)
            value = float(total[0] / (total[1] * nominal)) if total[1] else float("nan")
            known = ratio[~np.isnan(ratio)]
            low, high = np.quantile(known, (0.025, 0.975)) if len(known) else (np.nan, np.nan)
            rates.append(Rate(nominal, part, Estimate(value, float(low), float(high)), int(total[1])))
    return rates


def _is(left: float, right: float) -> bool:
    return abs(left - right) < 1e-12


@dataclass(frozen=True)
class FalseAlerts:
    """What the reference budget showed in vain: a day, the share that new entities have in it and in all
    entity-days, and the same for days after a change of the organisation.
    """

    a_day: float
    share_of_new: float
    new_among_all: float
    share_after_change: float
    after_change_among_all: float


def false_alerts(outcomes: Sequence[Outcome]) -> FalseAlerts:
    """Over all judged days of all seeds; nan where nothing was shown in vain."""
    days = [day for outcome in outcomes for day in outcome.days]
    false = sum(day.false_alerts for day in days)
    entities = sum(day.entities for day in days)
    nothing = float("nan")
    return FalseAlerts(
        false / len(days) if days else nothing,
        sum(day.new_false_alerts for day in days) / false if false else nothing,
        sum(day.new_entities for day in days) / entities if entities else nothing,
        sum(day.false_alerts for day in days if day.after_drift) / false if false else nothing,
        sum(day.entities for day in days if day.after_drift) / entities if entities else nothing,
    )
