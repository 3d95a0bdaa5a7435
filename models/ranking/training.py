"""Training the combiner: real days of the past against distorted ones, cross-fitted by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.ranking.combiner import Combiner, fitted
from models.ranking.distortions import Distorter
from models.ranking.ensemble import Ensemble, features
from models.ranking.history import Past, chosen_rows
from models.ranking.profiles import Z_LOW

if TYPE_CHECKING:
    from models.days import DayTable
    from models.ranking.profiles import Profiles
    from models.ranking.sample import EventSample
    from models.ranking.settings import RankerSettings, WhatIf
    from models.ranking.streaming import HalfSpaces

FOLDS = 3
"""Fits of the combiner, each without every third day: a real day is judged by the fit that never saw it."""
LEAST_DISTORTED = 60
"""Distorted days that a combiner needs at least."""
REAL_PER_DISTORTED = 3


class Distorted(NamedTuple):
    """Distorted days: the table, z, and which of the distortions (by name) each is."""

    days: DayTable
    z: np.ndarray
    distortion: np.ndarray
    strange: np.ndarray


def distorted(
    settings: RankerSettings, past: Past, profiles: Profiles, sample: EventSample, what_if: WhatIf, seed: int
) -> Distorted | None:
    """Make distorted days from sampled entity-days that are in the history; None when there are too few."""
    if not len(sample) or not settings.distortions:
        return None
    maker = Distorter(sample, settings.distortions, (settings.seed, seed))
    key = past.days.entity.astype(np.int64) << 32 | past.days.day
    order = np.argsort(key, kind="stable")
    wanted = maker.day_entity.astype(np.int64) << 32 | maker.day_day.astype(np.int64)
    at = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    found = np.flatnonzero((key[order][at] == wanted) & (past.days.kind[order][at] == maker.day_kind))
    count = min(settings.distorted_rows, 8 * len(found))
    if count < LEAST_DISTORTED:
        return None
    rng = np.random.default_rng((settings.seed, seed, 1))
    # every sampled day as often as any other, as far as the count allows
    rounds = [rng.permutation(found) for _ in range(-(-count // len(found)))]
    chosen = np.concatenate(rounds)[:count]
    rows = order[at[chosen]]
    invented = maker.invent(chosen)
    base = past.take(rows)
    target = base.days.entity.astype(np.int32)
    made = what_if(invented.batch, invented.group, target, base.days)
    # z of the past was taken before its day was learned: only what the distortion adds is taken from now
    added = profiles.z(made) - profiles.z(base.days)
    z = np.maximum(base.z + added, Z_LOW).astype(np.float32)
    names = np.array([kind.name for kind in maker.kinds])[invented.distortion]
    strange = np.array([kind.strange for kind in maker.kinds])[invented.distortion]
    return Distorted(made, z, names, strange)


class Trained(NamedTuple):
    """Combiners, one a fold; logits of the real days, each by the fit that never saw it; and how often a
    distorted day of each kind is ranked above a real one (area under the curve, by the same cross-fit).
    """

    combiners: list[Combiner]
    logits: np.ndarray
    separation: dict[str, float]


def trained(
    settings: RankerSettings,
    ensemble: Ensemble,
    real: Past,
    real_nats: dict[str, np.ndarray],
    made: Distorted,
    streams: list[HalfSpaces],
) -> Trained:
    """Fit the combiner on real and distorted days."""
    made_raw = ensemble.raw(made.days, made.z, streams, own_place=True)
    made_features, rising = features(made.days, made.z, ensemble.nats(made.days, made_raw))
    real_features, _ = features(real.days, real.z, real_nats)
    chosen = chosen_rows(real.days, REAL_PER_DISTORTED * len(made.strange), settings.seed)
    fold_real, fold_made = real.days.day % FOLDS, made.days.day % FOLDS
    folds = sorted(set(fold_made.tolist()) & set(fold_real.tolist()))
    combiners: list[Combiner] = []
    logits, made_logits = np.zeros(len(real.days.day)), np.zeros(len(made.strange))
    for fold in folds:
        # with a single fold there is nothing to hold out, and the judgement is of days seen
        use_real = chosen[(fold_real[chosen] != fold) | (len(folds) == 1)]
        use_made = np.flatnonzero((fold_made != fold) | (len(folds) == 1))
        strange = np.concatenate([np.zeros(len(use_real), np.bool_), made.strange[use_made]])
        weights = np.where(strange, 1.0 / max(1, strange.sum()), 1.0 / max(1, (~strange).sum()))
        x = np.concatenate([real_features[use_real], made_features[use_made]])
        combiners.append(
            fitted(
                settings.combiner,
                x,
                strange,
                weights * len(strange) / 2.0,
                rising,
                settings.seed + len(combiners),
            )
        )
        held_real, held_made = np.flatnonzero(fold_real == fold), np.flatnonzero(fold_made == fold)
        logits[held_real] = combiners[-1].logit(real_features[held_real])
        made_logits[held_made] = combiners[-1].logit(made_features[held_made])
    unseen = np.flatnonzero(~np.isin(fold_real, folds))
    if len(unseen):
        logits[unseen] = logit(combiners, real_features[unseen])
    judged = np.isin(fold_made, folds)
    separation = {
        name: _above(made_logits[judged & (made.distortion == name)], logits)
        for name in np.unique(made.distortion).tolist()
    }
    return Trained(combiners, logits, separation)


def logit(combiners: list[Combiner], wide: np.ndarray) -> np.ndarray:
    """Mean of the folds' logits, float64 (n,)."""
    total = np.zeros(len(wide))
    for combiner in combiners:
        total += combiner.logit(wide)
    return total / max(1, len(combiners))


def _above(scores: np.ndarray, reference: np.ndarray) -> float:
    """Share of (score, reference) pairs where the score is higher; ties count half."""
    if not len(scores) or not len(reference):
        return 0.5
    ordered = np.sort(reference)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return float(below.mean() / (2.0 * len(reference)))
