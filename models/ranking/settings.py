"""What can be chosen about the ranker, and the shapes of what goes in and comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from features.errors import InputError
from models.neural.settings import AUTO, CPU, CUDA
from models.ranking.distortions import DISTORTIONS

if TYPE_CHECKING:
    import numpy as np

    from features.columns import Batch
    from models.days import DayTable

EXCESS = "excess"
EVIDENCE_NEIGHBOURS = "evidence_neighbours"
COUNT_NEIGHBOURS = "count_neighbours"
EVIDENCE_OWN = "evidence_own"
COUNT_OWN = "count_own"
HISTOGRAM = "histogram"
ISOLATION_FOREST = "isolation_forest"
HALF_SPACE_TREES = "half_space_trees"
COMBINER = "combiner"
SESSION = "session"
NEW_SESSION = "new_session"
AUTOENCODER = "autoencoder"
SEQUENCE = "sequence"
OWN = {EVIDENCE_OWN: EVIDENCE_NEIGHBOURS, COUNT_OWN: COUNT_NEIGHBOURS}
"""Members that compare a distance with the entity's own past distances, and whose distance that is."""
BATCH_MEMBERS = (EVIDENCE_NEIGHBOURS, COUNT_NEIGHBOURS, EVIDENCE_OWN, COUNT_OWN, HISTOGRAM, ISOLATION_FOREST)
SESSIONS = (SESSION, NEW_SESSION)
"""Members that look at sessions, in the order of the columns of `models.days.DayTable.sessions`."""
MEMBERS = (EXCESS, *BATCH_MEMBERS, HALF_SPACE_TREES, *SESSIONS, COMBINER)
"""Members that take part unless something else is asked for."""
NEURAL = (AUTOENCODER, SEQUENCE)
"""Members that take part only when asked for: they are fitted with PyTorch (docs/sequence.md)."""
KNOWN = (*MEMBERS, *NEURAL)
BOOSTING, LOGISTIC = "boosting", "logistic"


class WhatIf(Protocol):
    """Read-only scoring of invented events against the baselines as they are."""

    def __call__(self, batch: Batch, group: np.ndarray, target: np.ndarray, base: DayTable) -> DayTable:
        """Entity-days that are `base` plus the invented events.

        Parameters
        ----------
        batch
            Invented events, ordered by group and then time. Value ids of UNSEEN_FROM and above
            (`models.ranking.distortions`) are values that nobody has shown: they are in no table.
        group
            int64 (events,): row of `base` that each event is added to.
        target
            int32 (rows,): entity id of each row, equal to `base.entity`.
        base
            Entity-days as they were.
        """
        ...


class RankScores(NamedTuple):
    """risk: float64 (n,) nats, 0 for nothing unusual. members: name -> float64 (n,) nats of each member, NaN
    where it has nothing to go by.
    """

    risk: np.ndarray
    members: dict[str, np.ndarray]

    def take(self, rows: np.ndarray) -> RankScores:
        """Some of the rows, in the given order."""
        return RankScores(self.risk[rows], {name: nats[rows] for name, nats in self.members.items()})


def _default_weights() -> tuple[tuple[str, float], ...]:
    # chosen on four simulated organisations (docs/decisions.md); none of them is used for a published figure
    return ((COMBINER, 1.0), (COUNT_NEIGHBOURS, 1.0), (SESSION, 1.0), (NEW_SESSION, 1.0))


@dataclass(frozen=True)
class RankerSettings:
    """Choices of a `Ranker`.

    Attributes
    ----------
    members
        Names of KNOWN that take part; each can be left out (ablation).
    weights
        Weight of each member's calibrated nats in the final score; members without one are features of the
        combiner only. When no weighted member takes part, all that do weigh the same.
    combiner
        "boosting" (histogram gradient boosting, monotone) or "logistic" (bounded coefficients).
    distortions
        Names of `models.ranking.distortions.DISTORTIONS` that the combiner learns from.
    seed
        Of everything random.
    refit_days
        Days between fits, 1-7; after a drift three suffice.
    history_days
        Days that closed entity-days are kept.
    history_rows
        Most entity-days kept; beyond it every day is thinned to the same share, chosen by content.
    reference_rows
        Most entity-days (all kinds) that neighbours are looked for in and tails are counted on.
    distorted_rows
        Distorted days made for a fit.
    neighbours
        Neighbours that a distance is averaged over.
    profile_half_life_days, tail_half_life_days
        Days after which a past day counts half: in an entity's own mean and in tail probabilities.
    device
        Where NEURAL members are fitted, see `models.neural.settings`; they are scored without PyTorch.
    """

    members: tuple[str, ...] = MEMBERS
    weights: tuple[tuple[str, float], ...] = field(default_factory=_default_weights)
    combiner: str = BOOSTING
    distortions: tuple[str, ...] = tuple(kind.name for kind in DISTORTIONS)
    seed: int = 0
    refit_days: int = 7
    history_days: int = 60
    history_rows: int = 200_000
    reference_rows: int = 20_000
    distorted_rows: int = 4_000
    neighbours: int = 8
    profile_half_life_days: float = 21.0
    tail_half_life_days: float = 21.0
    device: str = AUTO

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        known = {kind.name for kind in DISTORTIONS}
        for what, names, allowed in (
            ("member", self.members, set(KNOWN)),
            ("weighted member", [name for name, _ in self.weights], set(KNOWN)),
            ("distortion", self.distortions, known),
            ("combiner", [self.combiner], {BOOSTING, LOGISTIC}),
            ("device", [self.device], {AUTO, CPU, CUDA}),
        ):
            for name in names:
                if name not in allowed:
                    raise InputError(f"ranker: no {what} is called {name!r}; choose from {sorted(allowed)}")
        for name, distance in OWN.items():
            if name in self.members and distance not in self.members:
                raise InputError(f"ranker: {name} needs {distance}; leave both out or neither")
        if not self.members:
            raise InputError("ranker: at least one member must take part; choose from " + ", ".join(KNOWN))
        if not 1 <= self.refit_days <= 7:
            raise InputError(f"ranker: refit_days must be 1 to 7, not {self.refit_days}")
        least = {
            "history_days": 2,
            "history_rows": 1,
            "reference_rows": 1,
            "distorted_rows": 0,
            "neighbours": 1,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise InputError(f"ranker: {name} must be at least {bound}, not {getattr(self, name)}")
        if min(self.profile_half_life_days, self.tail_half_life_days) <= 0:
            raise InputError("ranker: half-lives must be above 0 days")
        if any(weight < 0 for _, weight in self.weights):
            raise InputError("ranker: weights must not be negative")

    def on(self, member: str) -> bool:
        """Whether a member takes part."""
        return member in self.members
