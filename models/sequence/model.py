"""The fitted sequence model: surprisal of every token, and what a whole sequence is worth.

A sequence's score is a likelihood ratio: how much more surprising its most telling tokens are of its owner
than of nobody in particular, in deviations of what sequences of its length have. Surprisal alone tells little
of who acts: the network hears from the tokens before whose they are (docs/sequence.md).

What it gives up: the weights are no sums, so events cannot be unlearned from them before the next fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import StateError
from models.sequence.network import shapes, surprisal
from models.sequence.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.sequence.network import Weights
    from models.sequence.sequences import Sequences

MOST_SURPRISING = 8
"""Tokens that a sequence is judged by: an intrusion is a few steps in a long day."""
SPREAD_FLOOR = 0.1
DIGITS = 3
"""Decimals kept of a score: a matrix product rounds differently for other sizes of a batch."""


@dataclass(frozen=True)
class SequenceModel:
    """Attributes
    ----------
    vocabulary
        Tokens that are known.
    owners
        int64 (k,) ids with an embedding of their own, ascending.
    weights
        Of `models.sequence.network`.
    usual
        float64 (3,): intercept and slope of the mean excess of the most telling tokens over
        ln(1 + length), and the standard deviation about that line, on held-out sequences.
    """

    vocabulary: Vocabulary
    owners: np.ndarray
    weights: Weights
    usual: np.ndarray

    def surprisal(self, asked: Sequences) -> np.ndarray:
        """float32 (m,) -ln p of each token after those before it in its sequence; changes nothing.

        Tokens that are not known have that of all unknown ones together; owners that are not known are nobody
        in particular.
        """
        coded = self.vocabulary.coded(asked)
        return surprisal(self.weights, replace(coded, owner=self._places(asked.owner)))

    def excess(self, asked: Sequences) -> np.ndarray:
        """float32 (m,) nats by which each token is more surprising of its owner than of nobody in particular;
        0 for an owner that is not known.
        """
        nobody = replace(asked, owner=np.zeros(len(asked), np.int64))
        return np.asarray(self.surprisal(asked) - self.surprisal(nobody), np.float32)

    def score(self, asked: Sequences) -> np.ndarray:
        """float64 (n,): deviations above what sequences of that length have; NaN for an empty one."""
        peak = peaks(self.excess(asked), asked)
        expected = self.usual[0] + self.usual[1] * np.log1p(asked.lengths)
        return np.asarray(np.round((peak - expected) / self.usual[2], DIGITS), np.float64)

    def _places(self, owner: np.ndarray) -> np.ndarray:
        if not len(self.owners):
            return np.zeros(len(owner), np.int64)
        at = np.minimum(np.searchsorted(self.owners, owner), len(self.owners) - 1)
        return np.where(self.owners[at] == owner, at + 1, 0).astype(np.int64)

    def renumber(self, entities: np.ndarray) -> SequenceModel:
        """Follow a renumbering of owners (old id -> new id, 0: gone)."""
        moved = entities[self.owners].astype(np.int64)
        order = np.argsort(moved, kind="stable")
        order = order[moved[order] > 0]
        rows = np.concatenate([[0], order + 1])
        weights = self.weights | {"owner.weight": self.weights["owner.weight"][rows]}
        return replace(self, owners=moved[order], weights=weights)

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings: data only."""
        arrays = {
            "vocabulary": self.vocabulary.tokens.copy(),
            "owners": self.owners.copy(),
            "usual": self.usual.copy(),
        }
        return arrays | {f"network.{name}": array.copy() for name, array in self.weights.items()}, {}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> SequenceModel:
        """The model that was exported.

        Raises
        ------
        StateError
            When an array is missing, of another shape, or holds what is no finite number.
        """
        try:
            vocabulary, owners = Vocabulary(arrays["vocabulary"].copy()), arrays["owners"].copy()
            wanted = {
                f"network.{name}": shape for name, shape in shapes(len(vocabulary), len(owners)).items()
            }
            found = {name: arrays[name].copy() for name in (*wanted, "usual")}
        except KeyError as error:
            raise StateError(f"sequence model: {error} is missing; fit it again") from error
        for name, shape in (wanted | {"usual": (3,)}).items():
            if found[name].shape != shape:
                raise StateError(
                    f"sequence model: {name} has the shape {found[name].shape} instead of {shape}; fit it"
                    " again"
                )
            if not np.isfinite(found[name]).all():
                raise StateError(
                    f"sequence model: {name} holds values that are no finite numbers; fit it again"
                )
        usual = found.pop("usual")
        weights = {name.removeprefix("network."): array for name, array in found.items()}
        return cls(vocabulary, owners, weights, usual)


def peaks(surprisals: np.ndarray, asked: Sequences) -> np.ndarray:
    """float64 (n,) mean of the MOST_SURPRISING highest surprisals of each sequence; NaN for an empty one."""
    which = np.repeat(np.arange(len(asked)), asked.lengths)
    order = np.lexsort((-surprisals, which))
    place = np.arange(len(order)) - np.repeat(asked.starts[:-1], asked.lengths)
    chosen = order[place < MOST_SURPRISING]
    count = np.bincount(which[chosen], minlength=len(asked))
    total = np.bincount(which[chosen], surprisals[chosen].astype(np.float64), len(asked))
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float64)


def usual_of(peak: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """float64 (3,): least-squares line of peaks over ln(1 + length), and the deviation about it."""
    known = np.isfinite(peak)
    x, y = np.log1p(lengths[known].astype(np.float64)), peak[known]
    if not len(y):
        return np.array([0.0, 0.0, 1.0])
    centred = x - x.mean()
    slope = float((centred * y).sum() / max((centred**2).sum(), 1e-9))
    left = y - y.mean() - slope * centred
    return np.array([y.mean() - slope * x.mean(), slope, max(float(left.std()), SPREAD_FLOOR)])
