"""What a model is worth: campaigns found within the budget where there are labels, its stability always."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training import stability
from training.bars import bars
from training.pedb import pictures, report
from training.pedb.outcome import judge
from training.pedb.ranking import ranking_of
from training.pedb.truth import drift_days, read_labels, read_oddities, truth_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from models.risk import Budget
    from training.pedb.outcome import Outcome
    from training.pedb.protocol import Protocol
    from training.pedb.report import Summary
    from training.pedb.truth import Truth

OURS = "this model"


class Ground(NamedTuple):
    """What is known about the days: campaigns, and days on which the organisation changed."""

    truth: Truth
    drift: frozenset[int]


class Judgement(NamedTuple):
    """metrics: figures by name, None where there was nothing to measure. pictures: SVG by name. summary,
    outcome: of PED-B; None without campaigns on the judged days. first_day, last_day: judged, in days since
    1970-01-01 UTC.
    """

    metrics: dict[str, float | None]
    pictures: dict[str, str]
    summary: Summary | None
    outcome: Outcome | None
    first_day: int
    last_day: int


def ground_of(
    labels: Path, oddities: Path | None, entities: int, withheld_kinds: Iterable[str] = ()
) -> Ground:
    """Ground truth from files, see `training.pedb.truth`; entities: users and hosts there are."""
    drift = frozenset[int]() if oddities is None else drift_days(read_oddities(oddities), entities)
    return Ground(truth_of(read_labels(labels), withheld_kinds), drift)


def scored(days: pd.DataFrame) -> pd.DataFrame:
    """Entity-days with the columns that PED-B wants: rarity is minus the logarithm of a tail probability."""
    return days.assign(score=days["risk"], tail=np.exp(-rarity_of(days)))


def rarity_of(days: pd.DataFrame) -> np.ndarray:
    """Nats of entity-days, float64 (n,): their risk where they were never ranked (late events alone)."""
    return np.asarray(days["rarity"].fillna(days["risk"]).to_numpy(np.float64))


def judged(
    days: pd.DataFrame,
    evidence: Mapping[str, float],
    protocol: Protocol,
    budget: Budget,
    ground: Ground | None = None,
    *,
    first_day: int | None = None,
) -> Judgement:
    """Judge entity-days that were scored before they were learned.

    Parameters
    ----------
    days
        Of the whole history, see `training.harvest.Harvest.finish`.
    first_day
        First judged day, since 1970-01-01 UTC; by default the one after the warm-up, and the first of all
        when nothing would be left.
    """
    number = stability.day_numbers(days)
    first, last = int(number.min(initial=1 << 40)), int(number.max(initial=0))
    start = first + protocol.warm_up_days if first_day is None else first_day
    start = start if start <= last else first
    part = days[number >= start]
    metrics = stability.measures(part, evidence, budget)
    drawn = {"evidence": _evidence_picture(evidence)}
    summary = outcome = None
    if ground is not None and any(start <= key[2] <= last for key in ground.truth.marks):
        outcome = judge(
            OURS,
            ranking_of(scored(days)),
            ground.truth,
            protocol,
            first_day=start,
            last_day=last,
            drift=ground.drift,
        )
        summary = report.summarise([outcome], protocol)
        metrics |= {
            name: float(figure.value) if np.isfinite(figure.value) else None
            for name, figure in summary.figures.items()
        }
        metrics["campaigns"] = float(summary.campaigns)
        drawn |= {
            "recall-against-budget": pictures.recall_against_budget({OURS: [outcome]}, protocol),
            "calibration": pictures.calibration([summary]),
            "scenarios": pictures.scenario_heat_map({OURS: [outcome]}, protocol),
        }
    return Judgement(metrics, drawn, summary, outcome, start, last)


def _evidence_picture(evidence: Mapping[str, float]) -> str:
    """Bars: the share of each cause in all evidence, the largest first."""
    total = sum(evidence.values())
    shares = {name: nats / total for name, nats in evidence.items() if nats > 0} if total > 0 else {}
    ranked = dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
    return bars("Share of the evidence by cause", ranked)
