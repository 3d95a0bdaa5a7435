"""The entity-day ranker: which users, hosts and addresses deserve a person today?

The excess sum counts one benign burst many times, once for each channel that sees it. So days are ranked by
an ensemble that has seen this tenant's own days: neighbours in the space of evidence, neighbours, histogram,
isolation forest and half-space trees on day counts relative to the entity's own, and a combiner that learned
to tell real days from generically distorted ones. Every member's score becomes nats among past days of its
kind; their weighted mean is turned into

    risk = -ln p(a past entity-day scores at least as high), in nats, exponential beyond the past.

While there is little history, risk is that of the excess sum alone. Nothing here explains: the additive
evidence does.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.errors import InputError
from models.autoencoder.model import Autoencoder
from models.days import DayTable
from models.ranking import combiner, training
from models.ranking.content import content_order
from models.ranking.ensemble import Ensemble, excess, excess_nats, features
from models.ranking.history import DayHistory, chosen_rows
from models.ranking.members import OwnDistances
from models.ranking.profiles import KINDS, Profiles
from models.ranking.settings import COMBINER, EXCESS, HALF_SPACE_TREES, OWN, RankerSettings, RankScores
from models.ranking.streaming import DriftWatch, HalfSpaces
from models.ranking.tails import Tail
from models.ranking.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.ranking.sample import EventSample
    from models.ranking.settings import WhatIf

TRUST_ROWS = (200, 600)
DRIFT_REFIT_DAYS = 3
"""Days between fits that a drift makes due: a growing history drifts nearly every day."""
TRUST_DAYS = (5, 10)
"""Entity-days and days of a kind up to which risk is the excess sum's alone, and from which it is the
ensemble's alone; linear between.
"""


class FitReport(NamedTuple):
    """What a fit was made of. separation: by distortion, how often a distorted day was ranked above a real
    one; empty when no combiner could be fitted. drifted: members whose outputs had drifted since the fit
    before.
    """

    rows: int
    distorted: int
    separation: dict[str, float]
    drifted: tuple[str, ...]


class Trace(NamedTuple):
    """What the risk of n entity-days was made of, so that it can be worked out again:

        alone    = excess_nats(excess_tail, excess_seen, excess)
        combined = combined(weights, members)
        risk     = (1 - trust) alone + trust risk_tail(combined)

    scores: risk and members. alone, combined, trust: float64 (n,). fitted: False while risk is that of the
    excess alone.
    """

    scores: RankScores
    alone: np.ndarray
    combined: np.ndarray
    trust: np.ndarray
    excess_tail: Tail
    excess_seen: float
    risk_tail: Tail
    fitted: bool


def combined(weights: Iterable[tuple[str, float]], nats: dict[str, np.ndarray], rows: int) -> np.ndarray:
    """Weighted mean of the nats of the members that have a say, float64 (rows,); of all members where none of
    those with a weight has.

    weights: by member. nats: float64 (rows,) by member, NaN where it has nothing to go by.
    """
    chosen = {name: weight for name, weight in weights if name in nats and weight > 0}
    mean = np.zeros(rows)
    open_rows = np.ones(rows, np.bool_)
    for say in (chosen, dict.fromkeys(nats, 1.0)):
        total, weight_of = np.zeros(rows), np.zeros(rows)
        for name, weight in say.items():
            known = np.isfinite(nats[name])
            total[known] += weight * nats[name][known]
            weight_of[known] += weight
        said = open_rows & (weight_of > 0)
        mean[said] = total[said] / weight_of[said]
        open_rows &= ~said
    return mean


class Ranker:
    """Ranks entity-days of one tenant.

    Call `learn_day` for every closed day, `refit` when `due`, and `score` as often as wanted, also with days
    that are not over yet: it changes nothing.

    Parameters
    ----------
    settings
        Members, weights, distortions, bounds.
    """

    def __init__(self, settings: RankerSettings | None = None) -> None:
        self.settings = settings or RankerSettings()
        self._history: DayHistory | None = None
        self._profiles = Profiles(0, self.settings.profile_half_life_days)
        self._streams: list[HalfSpaces] = []
        self._watches: dict[str, DriftWatch] = {}
        self._drifted: set[str] = set()
        self._ensemble: Ensemble | None = None
        self._combiners: list[combiner.Combiner] = []
        self._combiner_tail = Tail.fitted(np.zeros(0))
        self._risk_tail = Tail.fitted(np.zeros(0))
        self._excess_tail = Tail.fitted(np.zeros(0))
        self._excess_seen = 0.0
        self._fitted_day = -1
        self._trust = np.zeros(KINDS)

    def __repr__(self) -> str:
        """Names the settings: benchmarks keep results by it."""
        return f"Ranker({self.settings!r})"

    def __len__(self) -> int:
        """Entity-days in the history."""
        return 0 if self._history is None else len(self._history)

    @property
    def due(self) -> bool:
        """Whether a fit is due: `refit_days` after the last one, sooner after a drift."""
        if self._history is None or not len(self._history):
            return False
        age = self._history.newest_day - self._fitted_day
        soon = min(DRIFT_REFIT_DAYS, self.settings.refit_days)
        return (
            self._ensemble is None or age >= self.settings.refit_days or (bool(self._drifted) and age >= soon)
        )

    # ------------------------------------------------------------------------------------------------- learn

    def learn_day(self, days: DayTable, scores: RankScores | None = None) -> None:
        """Add closed entity-days, one row an (entity, day), in any order; a table may hold several days.

        They are scored first, and only then learned by profiles, half-space trees and history. O(n) and, a
        day, O(entities x measures).

        scores: what `score` said of them just now, so that it need not say it again.
        """
        self._check(days)
        for day in np.unique(days.day).tolist():
            rows = np.flatnonzero(days.day == day)
            order = rows[content_order(DayTable(*(array[rows] for array in days)))]
            self._learn_one_day(days.take(order), None if scores is None else scores.take(order))
        if self._history is not None and len(days.day):
            self._fit_excess(self._history)

    def _learn_one_day(self, days: DayTable, scores: RankScores | None) -> None:
        settings = self.settings
        if self._history is None:
            self._begin(days)
        if self._history is None:
            return
        self._watch(days, scores)
        z = self._profiles.z(days)
        for kind, stream in enumerate(self._streams):
            stream.learn(z[days.kind == kind])
        self._history.add(days, z, settings)
        self._profiles.learn(days)
        self._profiles.forget_before(self._history.newest_day - settings.history_days)

    def _begin(self, days: DayTable) -> None:
        measures = days.counts.shape[1]
        self._history = DayHistory(days.evidence.shape[1], measures)
        self._profiles = Profiles(measures, self.settings.profile_half_life_days)
        if self.settings.on(HALF_SPACE_TREES):
            self._streams = [HalfSpaces(measures, self._stream_seed(kind)) for kind in range(KINDS)]

    def _stream_seed(self, kind: int) -> int:
        return self.settings.seed * KINDS + kind

    def _watch(self, days: DayTable, scores: RankScores | None) -> None:
        """Drift of what comes out, once it is trusted."""
        trusted = np.flatnonzero(self._trust[days.kind.astype(np.int64)] >= 1.0)
        if self._ensemble is None or not len(trusted):
            return
        scores = self.score(days.take(trusted)) if scores is None else scores.take(trusted)
        for name, nats in (*scores.members.items(), ("risk", scores.risk)):
            if self._watches.setdefault(name, DriftWatch()).learn(nats[np.isfinite(nats)]):
                self._drifted.add(name)

    def _fit_excess(self, history: DayHistory) -> None:
        weights = self._recency(history.past.days.day)
        self._excess_tail = Tail.fitted(excess(history.past.days), weights)
        self._excess_seen = float(weights.sum())

    def _recency(self, day: np.ndarray) -> np.ndarray:
        newest = float(day.max(initial=0))
        return np.asarray(2.0 ** (-(newest - day) / self.settings.tail_half_life_days), np.float64)

    # --------------------------------------------------------------------------------------------------- fit

    def refit(self, sample: EventSample | None = None, what_if: WhatIf | None = None) -> FitReport:
        """Fit all members on the history; the combiner only with a sample of events and a what-if scorer.

        The same history, sample and answers give the same fit, bit for bit. At most `reference_rows` days are
        looked at, so the cost does not grow with the history.
        """
        settings = self.settings
        drifted = tuple(sorted(self._drifted))
        if self._history is None or not len(self._history):
            return FitReport(0, 0, {}, drifted)
        past = self._history.past
        with one_thread():
            ensemble = Ensemble.fitted(settings, past)
            real = past.take(chosen_rows(past.days, settings.reference_rows, settings.seed))
            weights = self._recency(real.days.day)
            raw = ensemble.raw(real.days, real.z, self._streams, own_place=True)
            ensemble.fit_own(real.days, raw)
            ensemble.fit_tails(real.days, raw, weights)
            nats = ensemble.nats(real.days, raw)
            made = None
            if settings.on(COMBINER) and sample is not None and what_if is not None:
                made = training.distorted(
                    settings, past, self._profiles, sample, what_if, self._history.newest_day
                )
            self._combiners, separation = [], {}
            if made is not None:
                result = training.trained(settings, ensemble, real, nats, made, self._streams)
                self._combiners, separation = result.combiners, result.separation
                self._combiner_tail = Tail.fitted(result.logits, weights)
                nats[COMBINER] = self._combiner_tail.of(result.logits)
            self._risk_tail = Tail.fitted(self._combined(nats, len(weights)), weights)
        self._ensemble = ensemble
        self._trust = self._history.trust(TRUST_ROWS, TRUST_DAYS)
        self._fitted_day = self._history.newest_day
        self._drifted = set()
        return FitReport(len(weights), 0 if made is None else len(made.strange), separation, drifted)

    def _combined(self, nats: dict[str, np.ndarray], rows: int) -> np.ndarray:
        return combined(self.settings.weights, nats, rows)

    # ------------------------------------------------------------------------------------------------- score

    def score(self, days: DayTable) -> RankScores:
        """Risk of entity-days as they are now, in nats, never negative; changes nothing, any order of rows.

        Raises
        ------
        InputError
            When the columns are not those of the history.
        """
        self._check(days)
        rows = len(days.day)
        total = excess(days)
        alone = excess_nats(self._excess_tail, self._excess_seen, total)
        members = {name: np.zeros(rows) for name in self.settings.members}
        if self._ensemble is None or not rows:
            if EXCESS in members:
                members[EXCESS] = alone
            return RankScores(alone, members)
        with one_thread():
            z = self._profiles.z(days)
            nats = self._ensemble.nats(days, self._ensemble.raw(days, z, self._streams))
            if self._combiners:
                wide, _ = features(days, z, nats)
                nats[COMBINER] = self._combiner_tail.of(training.logit(self._combiners, wide))
        full = self._risk_tail.of(self._combined(nats, rows))
        trust = self._trust[days.kind.astype(np.int64)]
        return RankScores((1.0 - trust) * alone + trust * full, members | nats)

    def trace(self, days: DayTable) -> Trace:
        """Risk of entity-days as `score` gives it, with everything it was made of; changes nothing.

        Raises
        ------
        InputError
            As `score`.
        """
        scores = self.score(days)
        rows = len(days.day)
        return Trace(
            scores,
            excess_nats(self._excess_tail, self._excess_seen, excess(days)),
            self._combined(scores.members, rows),
            self._trust[days.kind.astype(np.int64)],
            self._excess_tail,
            self._excess_seen,
            self._risk_tail,
            self._ensemble is not None,
        )

    def usual(self, days: DayTable) -> tuple[np.ndarray, np.ndarray]:
        """What each entity's counts usually are, and how far these are from it in standard deviations;
        float64 and float32 (n, C), zeros before the first day was learned.
        """
        if self._history is None:
            return np.zeros(days.counts.shape), np.zeros(days.counts.shape, np.float32)
        return np.expm1(self._profiles.expected(days)[0]), self._profiles.z(days)

    def _check(self, days: DayTable) -> None:
        kinds = days.kind
        if len(kinds) and (kinds.min() < 0 or kinds.max() >= KINDS):
            raise InputError("ranker: kinds of entities are 0 (user), 1 (host) and 2 (source address)")
        if self._history is None:
            return
        known = self._history.past.days
        have = (days.evidence.shape[1:], days.counts.shape[1:])
        if have != (known.evidence.shape[1:], known.counts.shape[1:]):
            raise InputError(
                f"ranker: {have[0]} causes and {have[1]} counts, but the history has "
                f"{known.evidence.shape[1:]} and {known.counts.shape[1:]}; replay it into a new state"
            )

    # ------------------------------------------------------------------------------------------------- state

    def held_ids(self) -> np.ndarray:
        """Entity ids that are still needed here."""
        if self._history is None:
            return np.zeros(0, np.int64)
        return np.unique(self._history.past.days.entity).astype(np.int64)

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering of entities (old id -> new id, 0: gone)."""
        if self._history is not None:
            self._history.renumber(entities)
            self._profiles.renumber(entities)
        if self._ensemble is not None:
            self._ensemble.renumber(entities)

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings of a checkpoint: data only."""
        state: dict[str, Any] = {
            "settings": asdict(self.settings),
            "fitted_day": self._fitted_day,
            "excess_seen": self._excess_seen,
            "drifted": sorted(self._drifted),
            "combiners": len(self._combiners),
            "kinds": 0 if self._ensemble is None else KINDS,
            "watches": sorted(self._watches),
            "begun": self._history is not None,
        }
        arrays: dict[str, np.ndarray] = {"trust": self._trust.copy()}
        if self._history is not None:
            arrays |= self._history.export() | self._profiles.export()
        for name, tail in self._tails().items():
            arrays |= tail.export(f"tail_{name}")
        for kind, stream in enumerate(self._streams):
            arrays[f"stream_{kind}"] = stream.export()
        for name, watch in self._watches.items():
            arrays[f"watch_{name}"] = watch.export()
        for fold, model in enumerate(self._combiners):
            arrays |= model.export(f"combiner_{fold}")
        if self._ensemble is not None:
            state["tails"] = [sorted(kind.tails) for kind in self._ensemble.kinds]
            if self._ensemble.autoencoder is not None:
                parts, state["autoencoder"] = self._ensemble.autoencoder.export()
                arrays |= {f"autoencoder/{name}": array for name, array in parts.items()}
            for number, models in enumerate(self._ensemble.kinds):
                arrays[f"reference_evidence_{number}"] = models.evidence.copy()
                arrays[f"reference_counts_{number}"] = models.counts.copy()
                for name, own in models.own.items():
                    for part in ("entities", "sums", "level"):
                        arrays[f"own_{number}_{name}_{part}"] = getattr(own, part).copy()
                for name, tail in models.tails.items():
                    arrays |= tail.export(f"tail_{number}_{name}")
        return {f"ranker_{name}": np.ascontiguousarray(array) for name, array in arrays.items()}, state

    def _tails(self) -> dict[str, Tail]:
        return {"combiner": self._combiner_tail, "risk": self._risk_tail, "excess": self._excess_tail}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> Ranker:
        """The ranker that was exported; forests are grown again from their rows and seed."""
        own = {
            name.removeprefix("ranker_"): array
            for name, array in arrays.items()
            if name.startswith("ranker_")
        }
        ranker = cls(_settings(state["settings"]))
        settings = ranker.settings
        if not state["begun"]:
            return ranker
        ranker._history = DayHistory.restored(own)
        ranker._profiles = Profiles.restored(own, settings.profile_half_life_days)
        measures = ranker._history.past.days.counts.shape[1]
        if settings.on(HALF_SPACE_TREES):
            ranker._streams = [
                HalfSpaces.restored(measures, ranker._stream_seed(kind), own[f"stream_{kind}"])
                for kind in range(KINDS)
            ]
        ranker._watches = {name: DriftWatch.restored(own[f"watch_{name}"]) for name in state["watches"]}
        ranker._drifted = set(state["drifted"])
        ranker._trust = own["trust"].copy()
        ranker._fitted_day = int(state["fitted_day"])
        ranker._excess_seen = float(state["excess_seen"])
        ranker._combiner_tail, ranker._risk_tail, ranker._excess_tail = (
            Tail.restored(f"tail_{name}", own) for name in ("combiner", "risk", "excess")
        )
        ranker._combiners = [
            combiner.restored(f"combiner_{fold}", own) for fold in range(int(state["combiners"]))
        ]
        if state["kinds"]:
            references = [
                (own[f"reference_evidence_{kind}"].copy(), own[f"reference_counts_{kind}"].copy())
                for kind in range(KINDS)
            ]
            with one_thread():
                ranker._ensemble = Ensemble(settings, references)
            if "autoencoder" in state:
                ranker._ensemble.autoencoder = Autoencoder.restored(
                    _named(own, "autoencoder/"), state["autoencoder"]
                )
            for number, kind in enumerate(ranker._ensemble.kinds):
                kind.own = {
                    name: OwnDistances(
                        *(own[f"own_{number}_{name}_{part}"].copy() for part in ("entities", "sums", "level"))
                    )
                    for name in OWN
                    if settings.on(name)
                }
                kind.tails = {
                    name: Tail.restored(f"tail_{number}_{name}", own) for name in state["tails"][number]
                }
        return ranker


def _named(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): part for name, part in arrays.items() if name.startswith(prefix)}


def _settings(stored: dict[str, Any]) -> RankerSettings:
    """Settings out of JSON, where tuples are lists."""
    return RankerSettings(
        **(
            stored
            | {
                "members": tuple(stored["members"]),
                "distortions": tuple(stored["distortions"]),
                "weights": tuple((str(name), float(weight)) for name, weight in stored["weights"]),
            }
        )
    )
