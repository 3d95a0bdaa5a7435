"""From evidence to a tail probability: how often was a score of this kind at least this high?

A stratum (behaviour x event class, or event class for whole events) keeps a forward-decayed histogram of its
own scores. The tail probability is conformal, p = (k + 1) / (n + 1), with k the decayed number of past scores
at least as high, n all of them (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005;
decay keeps it rolling). Scores of one bin count as ties.

Evidence is a log-likelihood ratio, and under the habit itself P(ratio >= x) <= exp(-x) (Markov's inequality).
That bound stands in as PRIOR_EVENTS pseudo-observations of an exponential tail: a stratum without history is
calibrated by theory, and scores beyond everything seen keep their order instead of tying at ln n.
"""

from __future__ import annotations

from math import exp, log
from typing import NamedTuple

import numpy as np
from numba import njit

BINS = 160
BIN_NATS = 0.125
"""Bin 0 holds everything at or below 0; the last bin everything from 19.9 nats."""
PRIOR_EVENTS = 20.0
CAP_NATS = 12.0
"""Most calibrated evidence that one behaviour can give: one odd value alone never outweighs three independent
ones.
"""
THRESHOLD_NATS = 3.0
"""Evidence below p = 0.05 is everyday and adds nothing."""
REFRESH_SHARE = 0.03
REFRESH_EVENTS = 32.0
"""Tail sums are recomputed after this share of new scores (and this many): a count of scores, never of time
or chunks.
"""


class Histograms(NamedTuple):
    """Decayed histograms of all strata.

    bins: float64 (strata, BINS) sums of weights by bin. tails: float64 (strata, BINS + 1), tails[s, b] =
    weight at or above bin b when last refreshed; tails[s, 0] = all. since: float64 (strata, 3): scores since
    the refresh, how many of them make the next one due, and all before.
    """

    bins: np.ndarray
    tails: np.ndarray
    since: np.ndarray


def empty_histograms(strata: int) -> Histograms:
    """Histograms without any score."""
    since = np.zeros((strata, 3))
    since[:, 1] = REFRESH_EVENTS
    return Histograms(np.zeros((strata, BINS)), np.zeros((strata, BINS + 1)), since)


@njit(cache=True, inline="always")
def bin_of(score: float) -> int:
    """Bin of a score in nats."""
    if score <= 0.0:
        return 0
    return min(1 + np.int64(score / BIN_NATS), BINS - 1)


@njit(cache=True)
def refresh(histograms: Histograms, stratum: int) -> None:
    """Recompute the tail sums of one stratum."""
    tail = 0.0
    for index in range(BINS - 1, -1, -1):
        tail += histograms.bins[stratum, index]
        histograms.tails[stratum, index] = tail
    histograms.since[stratum, 2] += histograms.since[stratum, 0]
    histograms.since[stratum, 1] = REFRESH_EVENTS + REFRESH_SHARE * histograms.since[stratum, 2]
    histograms.since[stratum, 0] = 0.0


@njit(cache=True, inline="always")
def observe(histograms: Histograms, stratum: int, bin_index: int, weight: float) -> None:
    """Add one score."""
    histograms.bins[stratum, bin_index] += weight
    histograms.since[stratum, 0] += 1.0
    if histograms.since[stratum, 0] >= histograms.since[stratum, 1]:
        refresh(histograms, stratum)


@njit(cache=True, inline="always")
def calibrated(histograms: Histograms, stratum: int, bin_index: int, score: float, decay: float) -> float:
    """Calibrated evidence -ln p in nats, between 0 and CAP_NATS; decay makes weights events as of now."""
    events = histograms.tails[stratum, 0] * decay
    tail = histograms.tails[stratum, bin_index] * decay
    # cheap bound first: most scores are everyday and need no logarithm
    if tail > 0.05 * (events + PRIOR_EVENTS):
        return 0.0
    p = (tail + PRIOR_EVENTS * exp(-max(score, 0.0))) / (events + PRIOR_EVENTS)
    return min(-log(p), CAP_NATS) if p < 1.0 else 0.0


@njit(cache=True, inline="always")
def conformal(histograms: Histograms, stratum: int, bin_index: int, decay: float) -> float:
    """Tail probability (k + 1) / (n + 1) of a score in a bin."""
    return (histograms.tails[stratum, bin_index] * decay + 1.0) / (histograms.tails[stratum, 0] * decay + 1.0)


@njit(cache=True, nogil=True)
def calibrated_many(
    histograms: Histograms, strata: np.ndarray, scores: np.ndarray, decays: np.ndarray
) -> np.ndarray:
    """`calibrated` of many scores; changes nothing."""
    out = np.zeros(scores.shape[0])
    for index in range(scores.shape[0]):
        score = scores[index]
        out[index] = calibrated(histograms, strata[index], bin_of(score), score, decays[index])
    return out
