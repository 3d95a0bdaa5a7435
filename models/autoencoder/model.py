"""The fitted autoencoder: scores entity-days by how badly each of their numbers is reconstructed.

The loss of every number is compared with its usual loss for that kind of entity (as NVIDIA Morpheus does in
digital fingerprinting), and a day's score is the mean over numbers of how many deviations it is above.

Two networks, each fitted without every other day: a past day is judged by the one that never saw it, so that
what past days score is what new ones would; a new day gets the mean of both.

What it gives up: the weights are no sums, so events cannot be unlearned from them before the next fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import StateError
from models.autoencoder.inputs import SIZES, Scale, categories
from models.autoencoder.network import reconstructed, shapes

if TYPE_CHECKING:
    from models.autoencoder.network import Weights
    from models.days import DayTable

FOLDS = 2
LOSS_FLOOR = 0.05
"""Least deviation of a loss, in squared standard deviations of the number."""
MOST_DEVIATIONS = 20.0
DIGITS = 4
"""Decimals kept of a score: a matrix product rounds differently for other sizes of a batch."""


@dataclass(frozen=True)
class Autoencoder:
    """Networks and what is usual of their losses.

    Attributes
    ----------
    scale
        Of the counts.
    entities
        int64 (k,) ids with an embedding of their own, ascending.
    networks
        Weights of the network of each fold.
    usual
        float32 (FOLDS, 2, KINDS, D): mean and deviation of the loss of each number, by kind, on the days that
        the fold's network never saw.
    """

    scale: Scale
    entities: np.ndarray
    networks: tuple[Weights, ...]
    usual: np.ndarray

    def score(self, days: DayTable, z: np.ndarray, *, own_place: bool = False) -> np.ndarray:
        """float64 (n,) mean deviations above the usual loss, higher is stranger; changes nothing.

        z: float32 (n, C) of `models.ranking.profiles`. own_place: these days are among those it was fitted
        on, and each is judged by the network that did not see it.
        """
        by_fold = [self._fold(fold, days, z) for fold in range(FOLDS)]
        if own_place:
            return np.where(days.day % FOLDS == 0, by_fold[0], by_fold[1])
        return np.asarray(np.mean(by_fold, axis=0), np.float64)

    def _fold(self, fold: int, days: DayTable, z: np.ndarray) -> np.ndarray:
        """Scores by the network that did not see days of this fold."""
        loss = self.losses(fold, days, z)
        mean, spread = self.usual[fold]
        kind = days.kind.astype(np.int64)
        above = np.clip((loss - mean[kind]) / spread[kind], 0.0, MOST_DEVIATIONS)
        return np.asarray(np.round(above.mean(axis=1, dtype=np.float64), DIGITS), np.float64)

    def losses(self, fold: int, days: DayTable, z: np.ndarray) -> np.ndarray:
        """float32 (n, D) squared errors of the numbers, by one network."""
        numbers = self.scale.numbers(days, z)
        made = reconstructed(self.networks[fold], numbers, categories(days, self.entities))
        return np.asarray((made - numbers) ** 2, np.float32)

    def renumber(self, entities: np.ndarray) -> Autoencoder:
        """Follow a renumbering of entities (old id -> new id, 0: gone)."""
        moved = entities[self.entities].astype(np.int64)
        order = np.argsort(moved, kind="stable")
        order = order[moved[order] > 0]
        rows = np.concatenate([[0], order + 1])
        networks = tuple(one | {"entity.weight": one["entity.weight"][rows]} for one in self.networks)
        return Autoencoder(self.scale, moved[order], networks, self.usual)

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings: data only."""
        arrays = {
            "scale_mean": self.scale.mean.copy(),
            "scale_spread": self.scale.spread.copy(),
            "entities": self.entities.copy(),
            "usual": self.usual.copy(),
        }
        for fold, weights in enumerate(self.networks):
            arrays |= {f"network_{fold}.{name}": array.copy() for name, array in weights.items()}
        return arrays, {"numbers": int(self.usual.shape[-1])}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> Autoencoder:
        """The model that was exported.

        Raises
        ------
        StateError
            When an array is missing, of another shape, or holds what is no finite number.
        """
        try:
            numbers, known = int(settings["numbers"]), arrays["entities"]
            wanted = shapes(numbers, len(known), SIZES)
            networks = tuple(
                {name: arrays[f"network_{fold}.{name}"].copy() for name in wanted} for fold in range(FOLDS)
            )
            scale = Scale(arrays["scale_mean"].copy(), arrays["scale_spread"].copy())
            usual = arrays["usual"].copy()
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"autoencoder: a part is missing ({error}); fit it again") from error
        kinds = SIZES["kind"]
        expected = {"usual": (FOLDS, 2, kinds, numbers), "scale_mean": (kinds, numbers // 2)}
        expected["scale_spread"] = expected["scale_mean"]
        found = {"usual": usual, "scale_mean": scale.mean, "scale_spread": scale.spread}
        for fold, network in enumerate(networks):
            expected |= {f"network_{fold}.{name}": shape for name, shape in wanted.items()}
            found |= {f"network_{fold}.{name}": array for name, array in network.items()}
        for name, shape in expected.items():
            if found[name].shape != shape:
                raise StateError(
                    f"autoencoder: {name} has the shape {found[name].shape} instead of {shape}; it was fitted"
                    " on other counts, fit it again"
                )
            if not np.isfinite(found[name]).all():
                raise StateError(f"autoencoder: {name} holds values that are no finite numbers; fit it again")
        return cls(scale, known.copy(), networks, usual)
