"""All members together, fitted on one history: raw scores, their tails, and the combiner's features."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from models.ranking.history import Past, chosen_rows
from models.ranking.members import (
    BENIGN_SHARE,
    Forest,
    Histogram,
    Neighbours,
    OwnDistances,
    count_space,
    evidence_space,
    log_distance,
)
from models.ranking.profiles import KINDS
from models.ranking.settings import (
    AUTOENCODER,
    BATCH_MEMBERS,
    COUNT_NEIGHBOURS,
    EVIDENCE_NEIGHBOURS,
    EXCESS,
    HALF_SPACE_TREES,
    HISTOGRAM,
    ISOLATION_FOREST,
    NEURAL,
    OWN,
    SEQUENCE,
    SESSIONS,
    RankerSettings,
)
from models.ranking.tails import Tail

if TYPE_CHECKING:
    from models.autoencoder.model import Autoencoder
    from models.days import DayTable
    from models.ranking.streaming import HalfSpaces

STREAMED = (*BATCH_MEMBERS, HALF_SPACE_TREES, AUTOENCODER)
"""Members whose raw scores are made here of the day's vectors, the excess apart; the combiner sees these."""
TAIL_LEAST_ROWS = 60
"""Past scores below which a tail says nothing: only sessions have so few, in the first days."""
EXCESS_PRIOR_EVENTS = 20.0
"""Pseudo-observations of an exponential tail exp(-excess), as in `models.calibration`: Markov's bound on a
likelihood ratio stands in until there is history.
"""


def excess(days: DayTable) -> np.ndarray:
    """float64 (n,): nats beyond the everyday, summed over causes."""
    return np.asarray(np.maximum(days.evidence, 0.0).sum(1, dtype=np.float64), np.float64)


def excess_nats(tail: Tail, seen: float, score: np.ndarray) -> np.ndarray:
    """-ln p of an excess by its own past (`seen` decayed entity-days) and the exponential prior together."""
    past = np.log(max(seen, 1e-300)) - tail.of(score)
    prior = np.log(EXCESS_PRIOR_EVENTS) - score
    nats = np.log(seen + EXCESS_PRIOR_EVENTS) - np.logaddexp(past, prior)
    return np.asarray(np.maximum(nats, 0.0), np.float64)


@dataclass
class KindModels:
    """Members of one entity kind: what they refer to (float32 arrays), and the tail of each.

    evidence: (m, E) log evidence of past days that had any. counts: (k, 2 C) log counts and z. tails: by
    member. own: by member of OWN, what is usual for each entity.
    """

    evidence: np.ndarray
    counts: np.ndarray
    tails: dict[str, Tail] = field(default_factory=dict)
    neighbours: dict[str, Neighbours] = field(default_factory=dict)
    histogram: Histogram | None = None
    forest: Forest | None = None
    own: dict[str, OwnDistances] = field(default_factory=dict)

    @property
    def z(self) -> np.ndarray:
        """The counts relative to the entities' own days, (k, C)."""
        return self.counts[:, self.counts.shape[1] // 2 :]


class Ensemble:
    """Members fitted on a history.

    Parameters
    ----------
    settings
        Which members.
    references
        By kind, the arrays that its members refer to.
    """

    def __init__(self, settings: RankerSettings, references: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.settings = settings
        self.autoencoder: Autoencoder | None = None
        self.kinds = [KindModels(evidence, counts) for evidence, counts in references]
        for number, kind in enumerate(self.kinds):
            if settings.on(EVIDENCE_NEIGHBOURS):
                kind.neighbours[EVIDENCE_NEIGHBOURS] = Neighbours(kind.evidence, settings.neighbours)
            if settings.on(COUNT_NEIGHBOURS):
                kind.neighbours[COUNT_NEIGHBOURS] = Neighbours(kind.counts, settings.neighbours)
            if settings.on(HISTOGRAM):
                kind.histogram = Histogram.fitted(kind.z)
            if settings.on(ISOLATION_FOREST):
                kind.forest = Forest(kind.z, settings.seed * KINDS + number)

    @classmethod
    def fitted(cls, settings: RankerSettings, past: Past) -> Ensemble:
        """Choose what members refer to: all kinds share `reference_rows` in proportion to their days."""
        references = []
        for kind in range(KINDS):
            rows = np.flatnonzero(past.days.kind == kind)
            limit = max(1, round(settings.reference_rows * len(rows) / max(1, len(past.days.kind))))
            chosen = chosen_rows(past.days, limit, settings.seed, rows)
            total = excess(past.days)
            benign = rows
            if len(rows):
                benign = rows[total[rows] <= np.quantile(total[rows], BENIGN_SHARE)]
            # days without evidence are one point: as many of them as neighbours are asked for say it all
            silent = benign[total[benign] == 0][: settings.neighbours + 1]
            odd = chosen_rows(past.days, limit, settings.seed, benign[total[benign] > 0])
            space = evidence_space(past.days.evidence)
            some = past.take(chosen)
            references.append((space[np.concatenate([silent, odd])], count_space(some.days, some.z)))
        ensemble = cls(settings, references)
        if settings.on(AUTOENCODER):
            ensemble.autoencoder = _autoencoder(settings, past)
        return ensemble

    def raw(
        self, days: DayTable, z: np.ndarray, streams: list[HalfSpaces], *, own_place: bool = False
    ) -> dict[str, np.ndarray]:
        """Raw scores, float64 (n,), of every member that takes part but the combiner; NaN where it has
        nothing to go by.

        own_place: these days (or those they were made of) are in the history that was fitted.
        """
        members = [name for name in STREAMED if self.settings.on(name)]
        raw = {name: np.zeros(len(days.day)) for name in members}
        for column, name in enumerate(SESSIONS):
            if self.settings.on(name):
                raw[name] = days.sessions[:, column].astype(np.float64)
        raw |= self._neural(days, z, own_place=own_place)
        evidence, counts = evidence_space(days.evidence), count_space(days, z)
        for number, kind in enumerate(self.kinds):
            rows = np.flatnonzero(days.kind == number)
            if not len(rows):
                continue
            for name, points in ((EVIDENCE_NEIGHBOURS, evidence), (COUNT_NEIGHBOURS, counts)):
                if name in kind.neighbours:
                    raw[name][rows] = kind.neighbours[name].score(points[rows], own_place=own_place)
            for name, own in kind.own.items():
                raw[name][rows] = own.score(days.entity[rows], log_distance(raw[OWN[name]][rows]))
            if kind.histogram is not None:
                raw[HISTOGRAM][rows] = kind.histogram.score(z[rows])
            if kind.forest is not None:
                raw[ISOLATION_FOREST][rows] = kind.forest.score(z[rows])
            if HALF_SPACE_TREES in raw:
                raw[HALF_SPACE_TREES][rows] = streams[number].score(z[rows])
        if self.settings.on(EXCESS):
            raw[EXCESS] = excess(days)
        return raw

    def _neural(self, days: DayTable, z: np.ndarray, *, own_place: bool) -> dict[str, np.ndarray]:
        """Raw scores of those members of NEURAL that take part; NaN where they were not fitted."""
        raw = {name: np.full(len(days.day), np.nan) for name in NEURAL if self.settings.on(name)}
        if SEQUENCE in raw and days.sessions.shape[1] > len(SESSIONS):
            raw[SEQUENCE] = days.sessions[:, len(SESSIONS)].astype(np.float64)
        if AUTOENCODER in raw and self.autoencoder is not None:
            raw[AUTOENCODER] = self.autoencoder.score(days, z, own_place=own_place)
        return raw

    def fit_own(self, days: DayTable, raw: dict[str, np.ndarray]) -> None:
        """Learn each entity's own distances from the days that were fitted, and score those days by them."""
        for number, kind in enumerate(self.kinds):
            rows = np.flatnonzero(days.kind == number)
            for name in OWN:
                if name in raw:
                    x = log_distance(raw[OWN[name]][rows])
                    kind.own[name] = OwnDistances.fitted(days.entity[rows], x)
                    raw[name][rows] = kind.own[name].score(days.entity[rows], x, own_place=True)

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id, 0: gone)."""
        if self.autoencoder is not None:
            self.autoencoder = self.autoencoder.renumber(entities)
        for kind in self.kinds:
            for name, own in kind.own.items():
                moved = entities[own.entities].astype(np.int64)
                order = np.argsort(moved)
                order = order[moved[order] > 0]
                kind.own[name] = OwnDistances(moved[order], own.sums[order], own.level)

    def fit_tails(self, days: DayTable, raw: dict[str, np.ndarray], weights: np.ndarray) -> None:
        """Learn what each member usually says of each kind."""
        for number, kind in enumerate(self.kinds):
            rows = np.flatnonzero(days.kind == number)
            kind.tails = {}
            for name in raw:
                known = rows[np.isfinite(raw[name][rows])]
                if len(known) == len(rows) or len(known) >= TAIL_LEAST_ROWS:
                    kind.tails[name] = Tail.fitted(raw[name][known], weights[known])

    def nats(self, days: DayTable, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Raw scores as nats among past days of the kind; NaN where there is no score or no past."""
        nats = {name: np.full(len(days.day), np.nan) for name in raw}
        for number, kind in enumerate(self.kinds):
            rows = np.flatnonzero(days.kind == number)
            for name, scores in raw.items():
                known = rows[np.isfinite(scores[rows])]
                if len(known) and name in kind.tails:
                    nats[name][known] = kind.tails[name].of(scores[known])
        return nats


def _autoencoder(settings: RankerSettings, past: Past) -> Autoencoder | None:
    """Of at most `reference_rows` days, the oddest left out."""
    from models.autoencoder.fitting import DEFAULTS, fit

    total = excess(past.days)
    benign = np.flatnonzero(total <= np.quantile(total, BENIGN_SHARE))
    some = past.take(chosen_rows(past.days, settings.reference_rows, settings.seed, benign))
    return fit(some.days, some.z, replace(DEFAULTS, seed=settings.seed, device=settings.device))


def features(days: DayTable, z: np.ndarray, nats: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What the combiner looks at: float64 (n, F), and bool (F,) which can only raise suspicion.

    ln(1 + evidence) by cause and in total, number of causes, strongest cause, nats of the members; then z of
    every count, ln(1 + age in days), and the kind, which may go either way.
    """
    evidence = np.maximum(days.evidence, 0.0).astype(np.float64)
    strongest = evidence.max(1, initial=0.0)
    rising = [
        np.log1p(evidence),
        np.log1p(evidence.sum(1))[:, None],
        (evidence > 0).sum(1)[:, None],
        np.log1p(strongest)[:, None],
        *(np.nan_to_num(nats[name])[:, None] for name in STREAMED if name in nats),
    ]
    free = [
        z.astype(np.float64),
        np.log1p(np.maximum(days.age_days, 0))[:, None],
        (days.kind[:, None] == np.arange(KINDS)).astype(np.float64),
    ]
    up = sum(part.shape[1] for part in rising)
    wide = np.concatenate([*rising, *free], axis=1).astype(np.float64)
    return wide, np.arange(wide.shape[1]) < up
