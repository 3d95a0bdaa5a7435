"""From a score to nats: how rare was a score at least this high among past entity-days?

Within what was seen the tail probability is conformal, p = (k + prior) / (n + prior) with k the decayed
number of past scores at least as high (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World",
2005), and -ln p is interpolated between neighbouring scores. Beyond, the excess over a high threshold is
taken as exponential, the generalised Pareto tail of shape 0 (Pickands, "Statistical Inference Using Extreme
Order Statistics", 1975): -ln p grows by one nat for each mean excess, so what was never seen keeps its order
instead of tying at ln n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TAIL_SHARE = 0.05
"""Share of the highest scores whose mean excess sets the slope of the extrapolation."""
TAIL_LEAST = 10.0
"""Weight of scores that the slope needs at least; the threshold is lowered until it is reached."""
PRIOR_EVENTS = 1.0
"""Pseudo-observations at or above any score: the +1 of the conformal p-value."""


@dataclass(frozen=True)
class Tail:
    """Scores seen and what they say of new ones.

    Attributes
    ----------
    scores
        float64 (m,) distinct scores, ascending; (0,) knows nothing.
    nats
        float64 (m,) -ln p at each of them, ascending from 0.
    nats_per_unit
        Slope beyond the last score, above 0.
    """

    scores: np.ndarray
    nats: np.ndarray
    nats_per_unit: float

    @classmethod
    def fitted(cls, scores: np.ndarray, weights: np.ndarray | None = None) -> Tail:
        """The tail of past scores, each with a weight (1 by default); O(n log n)."""
        if len(scores) == 0:
            return cls(np.zeros(0), np.zeros(0), 1.0)
        weights = np.ones(len(scores)) if weights is None else weights
        distinct, place = np.unique(np.asarray(scores, np.float64), return_inverse=True)
        mass = np.bincount(place, weights)
        above = np.cumsum(mass[::-1])[::-1]
        nats = -np.log((above + PRIOR_EVENTS) / (above[0] + PRIOR_EVENTS))
        enough = max(TAIL_SHARE * above[0], min(TAIL_LEAST, 0.5 * above[0]))
        first = max(0, int(np.searchsorted(-above, -enough, side="right")) - 1)
        excess = float(np.dot(mass[first:], distinct[first:] - distinct[first]) / above[first])
        # one pseudo-observation one standard deviation out keeps the slope finite where scores are equal
        centre = float(np.dot(mass, distinct)) / above[0]
        spread = float(np.sqrt(np.dot(mass, (distinct - centre) ** 2) / above[0])) or 1.0
        mean_excess = (excess * above[first] + spread) / (above[first] + 1.0)
        return cls(distinct, nats, 1.0 / mean_excess)

    def of(self, scores: np.ndarray) -> np.ndarray:
        """-ln p in nats, float64, never negative; rises strictly above the lowest score seen."""
        scores = np.asarray(scores, np.float64)
        if len(self.scores) == 0:
            return np.asarray(np.maximum(scores, 0.0), np.float64)
        # np.interp can overshoot the next point by a rounding, and then nats would fall
        left = np.clip(np.searchsorted(self.scores, scores, "right") - 1, 0, max(0, len(self.scores) - 2))
        right = np.minimum(left + 1, len(self.scores) - 1)
        gap = self.scores[right] - self.scores[left]
        share = np.clip(scores - self.scores[left], 0.0, gap) / np.where(gap > 0, gap, 1.0)
        low, high = self.nats[left], self.nats[right]
        inside = np.minimum(low + share * (high - low), high)
        beyond = np.maximum(scores - self.scores[-1], 0.0) * self.nats_per_unit
        return np.asarray(inside + beyond, np.float64)

    def export(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        return {
            f"{prefix}_scores": self.scores.copy(),
            f"{prefix}_nats": self.nats.copy(),
            f"{prefix}_slope": np.array([self.nats_per_unit]),
        }

    @classmethod
    def restored(cls, prefix: str, arrays: dict[str, np.ndarray]) -> Tail:
        """The tail that was exported."""
        return cls(
            arrays[f"{prefix}_scores"].copy(),
            arrays[f"{prefix}_nats"].copy(),
            float(arrays[f"{prefix}_slope"][0]),
        )
