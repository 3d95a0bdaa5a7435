"""Intervals by a bootstrap clustered by seed: seeds are drawn with replacement, then campaigns in them.

One simulated organisation is one observation of what organisations are like, and its campaigns share its
noise; drawing campaigns alone would make intervals too narrow (Davison and Hinkley, Bootstrap Methods and
their Application, 1997, section 3.8). With few seeds even these are rough: five clusters are five.

The draws depend on the seeds and campaigns only, so two methods judged on the same campaigns are compared
sample by sample.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from training.pedb.metrics import detection_hours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.pedb.metrics import Metric
    from training.pedb.outcome import CampaignFact, Outcome
    from training.pedb.protocol import Protocol

SAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; nan where there is nothing to measure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """Bootstrap samples of a list of outcomes.

    seeds: (B, S) how often each outcome is drawn. campaigns: for each outcome (B, C) how often each of its
    campaigns is drawn, given that the outcome is.
    """

    seeds: np.ndarray
    campaigns: list[np.ndarray]


def draws_of(outcomes: Sequence[Outcome], samples: int = SAMPLES, seed: int = 0) -> Draws:
    """Samples for outcomes of one method, in the order given; the same for every method on the same seeds."""
    if not outcomes:
        raise InputError("no outcome to draw from: judge at least one seed")
    n = len(outcomes)
    picks = np.random.default_rng((seed, n)).integers(0, n, (samples, n))
    times = np.zeros((samples, n))
    np.add.at(times, (np.arange(samples)[:, None], picks), 1.0)
    campaigns = []
    for outcome in outcomes:
        size = len(outcome.campaigns)
        names = zlib.crc32("\n".join(fact.name for fact in outcome.campaigns).encode())
        rng = np.random.default_rng((seed, outcome.seed, outcome.users, names))
        campaigns.append(rng.multinomial(size, np.full(size, 1 / size), samples).astype(np.float64))
    return Draws(times, campaigns)


def _interval(value: float, samples: np.ndarray) -> Estimate:
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(value, float(low), float(high))


def _mean_over_seeds(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(B, S) values and times -> (B,) mean over the drawn seeds that have a value."""
    known = ~np.isnan(values)
    weight = np.where(known, times, 0.0)
    total = weight.sum(axis=1)
    above = (np.where(known, values, 0.0) * weight).sum(axis=1)
    mean: np.ndarray = np.divide(above, total, out=np.full(len(total), np.nan), where=total > 0)
    return mean


def _samples(outcomes: Sequence[Outcome], metric: Metric, draws: Draws) -> tuple[float, np.ndarray]:
    plain = [metric(outcome, np.ones((1, len(outcome.campaigns)))) for outcome in outcomes]
    value = _mean_over_seeds(np.stack(plain, axis=1), np.ones((1, len(outcomes))))
    drawn = [metric(outcome, weights) for outcome, weights in zip(outcomes, draws.campaigns, strict=True)]
    return float(value[0]), _mean_over_seeds(np.stack(drawn, axis=1), draws.seeds)


def estimate(outcomes: Sequence[Outcome], metric: Metric, draws: Draws) -> Estimate:
    """Mean of a figure over seeds, with its interval."""
    return _interval(*_samples(outcomes, metric, draws))


def difference(ours: Sequence[Outcome], theirs: Sequence[Outcome], metric: Metric, draws: Draws) -> Estimate:
    """Mean over seeds of one method less that of another on the same seeds, in the same order."""
    for left, right in zip(ours, theirs, strict=True):
        if (left.seed, left.users, left.campaigns) != (right.seed, right.users, right.campaigns):
            raise InputError(f"{left.method} and {right.method} were not judged on the same campaigns")
    mine, my_samples = _samples(ours, metric, draws)
    yours, your_samples = _samples(theirs, metric, draws)
    return _interval(mine - yours, my_samples - your_samples)


def pooled_share(
    outcomes: Sequence[Outcome],
    found: Sequence[np.ndarray],
    chosen: Callable[[CampaignFact], bool],
    draws: Draws,
) -> tuple[Estimate, int]:
    """Share of the chosen campaigns of all seeds that were found, and how many were chosen.

    Seeds are pooled, not averaged: a slice may have no campaign in some of them.
    """
    above = np.zeros(len(draws.seeds))
    below = np.zeros(len(draws.seeds))
    hits = count = 0
    for index, outcome in enumerate(outcomes):
        mask = np.array([chosen(fact) for fact in outcome.campaigns], bool)
        drawn = draws.campaigns[index] * draws.seeds[:, [index]]
        above += drawn[:, mask & found[index]].sum(axis=1)
        below += drawn[:, mask].sum(axis=1)
        hits, count = hits + int((mask & found[index]).sum()), count + int(mask.sum())
    samples = np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
    return _interval(hits / count if count else float("nan"), samples), count


@dataclass(frozen=True)
class Hours:
    """Time to detection at one budget. Median and 90th percentile are of the found campaigns; median_of_all
    counts the others as never (inf), so that a method is not praised for finding only what is quick.
    """

    median: Estimate
    p90: Estimate
    median_of_all: float


def hours(outcomes: Sequence[Outcome], budget: float, protocol: Protocol, draws: Draws) -> Hours:
    """Time to detection over the campaigns of all seeds."""
    each = [detection_hours(outcome, budget=budget, protocol=protocol) for outcome in outcomes]
    pool = np.concatenate(each)
    weights = np.concatenate(
        [drawn * draws.seeds[:, [index]] for index, drawn in enumerate(draws.campaigns)], axis=1
    )
    known = np.isfinite(pool)
    order = np.argsort(pool[known], kind="stable")
    value, weight = pool[known][order], weights[:, known][:, order]
    return Hours(
        _interval(
            _weighted_quantile(value, np.ones((1, len(value))), 0.5)[0],
            _weighted_quantile(value, weight, 0.5),
        ),
        _interval(
            _weighted_quantile(value, np.ones((1, len(value))), 0.9)[0],
            _weighted_quantile(value, weight, 0.9),
        ),
        float(np.quantile(pool, 0.5, method="higher")),
    )


def _weighted_quantile(value: np.ndarray, weight: np.ndarray, share: float) -> np.ndarray:
    """(B,) smallest of the sorted values with at least this share of the weight at or below it."""
    if not len(value):
        return np.full(len(weight), np.nan)
    total = np.cumsum(weight, axis=1)
    reached = total >= share * total[:, -1:] - 1e-9
    answer = value[np.argmax(reached, axis=1)]
    return np.where(total[:, -1] > 0, answer, np.nan)
