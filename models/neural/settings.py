"""Choices of a training loop; no PyTorch is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from features.errors import InputError

if TYPE_CHECKING:
    import numpy as np

AUTO, CPU, CUDA = "auto", "cpu", "cuda"


@dataclass(frozen=True)
class LoopSettings:
    """Choices of `models.neural.loop.train`.

    Attributes
    ----------
    epochs
        Most passes over the rows.
    batch_rows
        Rows of a step.
    rate, weight_decay
        Of AdamW (Loshchilov, Hutter, "Decoupled Weight Decay Regularization", ICLR 2019).
    patience
        Epochs without a better held-out loss after which training stops; the best weights are kept.
    clip
        Largest norm of a gradient.
    device
        "cpu", "cuda", or "auto": CUDA when there is one. On CUDA products are taken in bfloat16.
    seed
        Of first weights, order and noise.
    """

    epochs: int = 20
    batch_rows: int = 256
    rate: float = 3e-3
    weight_decay: float = 1e-4
    patience: int = 3
    clip: float = 1.0
    device: str = AUTO
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name in ("epochs", "batch_rows", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"training: {name} must be at least 1, not {getattr(self, name)}")
        if self.device not in (AUTO, CPU, CUDA):
            raise InputError(f"training: device is {self.device!r}; choose from {AUTO}, {CPU}, {CUDA}")


class Fitted(NamedTuple):
    """What came of training.

    weights: float32 arrays by name, of the best epoch. losses: (training, held-out) mean loss of each epoch.
    best: the epoch, from 0, that the weights are of. device: where it ran.
    """

    weights: dict[str, np.ndarray]
    losses: list[tuple[float, float]]
    best: int
    device: str
