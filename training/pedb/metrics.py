"""The figures of PED-B, each as a function of an outcome and of weights on its campaigns.

With every weight 1 it is the figure itself; with the weights of a bootstrap sample it is that sample's. All
functions take weights of shape (B, C) for B samples of the outcome's C campaigns and answer (B,) float64; a
sample without anything to measure is nan. An entity-day counts with the weight of the campaign it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from training.pedb.outcome import Outcome
    from training.pedb.protocol import Protocol

Metric = Callable[["Outcome", np.ndarray], np.ndarray]


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient; nan where there is nothing to divide by."""
    quotient: np.ndarray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return quotient


def shown(outcome: Outcome, budget: float, protocol: Protocol) -> np.ndarray:
    """(H,) whether each hit is among its day's shown entity-days."""
    return np.array([hit.place <= protocol.slots(budget, hit.entities) for hit in outcome.hits], bool)


def found(outcome: Outcome, budget: float, protocol: Protocol) -> np.ndarray:
    """(C,) whether any entity-day of each campaign is shown."""
    hits = shown(outcome, budget, protocol)
    campaign = np.array([hit.campaign for hit in outcome.hits], np.int64)
    return np.bincount(campaign[hits], minlength=len(outcome.campaigns)) > 0


def campaign_recall(
    outcome: Outcome, weights: np.ndarray, *, budget: float, protocol: Protocol
) -> np.ndarray:
    """Share of the campaigns of which any entity-day was among its day's shown."""
    return _ratio(weights @ found(outcome, budget, protocol).astype(np.float64), weights.sum(axis=1))


def precision(outcome: Outcome, weights: np.ndarray, *, budget: float, protocol: Protocol) -> np.ndarray:
    """Share of the shown entity-days that are labelled."""
    primary = np.array([hit.primary for hit in outcome.hits], bool)
    campaign = np.array([hit.campaign for hit in outcome.hits], np.int64)
    seen = shown(outcome, budget, protocol) & primary
    slots = sum(protocol.slots(budget, day.entities) for day in outcome.days)
    labelled = weights[:, campaign[seen]].sum(axis=1)
    return _ratio(labelled, labelled + (slots - int(seen.sum())))


def average_precision(outcome: Outcome, weights: np.ndarray) -> np.ndarray:
    """Mean, over the labelled entity-days, of the precision among all that score at least as high, with the
    entity-days of all days in one ranking.
    """
    hits = sorted((hit for hit in outcome.hits if hit.primary), key=lambda hit: hit.at_least)
    at_least = np.array([hit.at_least for hit in hits], np.float64)
    weight = weights[:, [hit.campaign for hit in hits]]
    true = np.cumsum(weight, axis=1)
    return _ratio((weight * _ratio(true, true + at_least)).sum(axis=1, where=weight > 0), weight.sum(axis=1))


def recall_at_fpr(outcome: Outcome, weights: np.ndarray, *, rate: float) -> np.ndarray:
    """Share of the labelled entity-days above the threshold that lets at most `rate` of the others through.

    As `training.metrics.recall_at_fpr`: ties at the threshold count as not detected.
    """
    hits = [hit for hit in outcome.hits if hit.primary]
    weight = weights[:, [hit.campaign for hit in hits]]
    inside = np.array([hit.at_least <= int(rate * outcome.unlabelled) for hit in hits], np.float64)
    return _ratio(weight @ inside, weight.sum(axis=1))


def roc_auc(outcome: Outcome, weights: np.ndarray) -> np.ndarray:
    """Probability that a labelled entity-day scores above an unlabelled one, ties counted half."""
    hits = [hit for hit in outcome.hits if hit.primary]
    weight = weights[:, [hit.campaign for hit in hits]]
    wrong = np.array([(hit.above + hit.at_least) / 2 for hit in hits])
    return 1.0 - _ratio(weight @ wrong, weight.sum(axis=1) * max(outcome.unlabelled, 1))


def detection_hours(outcome: Outcome, *, budget: float, protocol: Protocol) -> np.ndarray:
    """(C,) hours from a campaign's first event to the first time that it is shown; inf when it never is."""
    hours = np.full(len(outcome.campaigns), np.inf)
    for hit, seen in zip(outcome.hits, shown(outcome, budget, protocol), strict=True):
        if seen:
            hours[hit.campaign] = min(hours[hit.campaign], hit.hours)
    return hours


def standard_metrics(protocol: Protocol) -> dict[str, Metric]:
    """Every figure that is averaged over seeds, by the name under which it is reported."""
    metrics: dict[str, Metric] = {}
    for budget in protocol.budgets:
        metrics[f"recall@{budget}"] = partial(campaign_recall, budget=budget, protocol=protocol)
    for budget in protocol.budgets:
        metrics[f"precision@{budget}"] = partial(precision, budget=budget, protocol=protocol)
    metrics["ap"] = average_precision
    metrics[f"recall@fpr{protocol.false_positive_rate:g}"] = partial(
        recall_at_fpr, rate=protocol.false_positive_rate
    )
    metrics["roc_auc"] = roc_auc
    return metrics
