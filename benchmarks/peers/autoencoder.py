"""An autoencoder for every entity, in the manner of NVIDIA Morpheus digital fingerprinting.

Every entity with a fortnight of past days has a model of its own; a generic model, trained on everybody,
stands in for the others. Inputs are standardised log1p counts, some of them swapped for another row's while
training; the score is the mean absolute z of the reconstruction losses of the single counts, in deviations of
the losses on the training rows. All entities' models are trained at once as one batched product.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers.common import blocks, logarithms, standardised

if TYPE_CHECKING:
    import torch

    from training.pedb.vectors import DayMatrix

SEED = 0
WIDTHS = (16, 6)
STEPS, RATE, SWAPPED = 250, 0.01, 0.15
OWN_DAYS = 14
LIMIT = 5.0
LOSS_FLOOR = 0.05
GENERIC_ROWS = 4096


class Autoencoders:
    """m autoencoders of one shape, trained side by side.

    inputs: (m, rows, width); mask: (m, rows) 1 for rows that exist.
    """

    def __init__(self, inputs: torch.Tensor, mask: torch.Tensor, generator: torch.Generator) -> None:
        import torch

        models, _, width = inputs.shape
        sizes = (width, *WIDTHS, *WIDTHS[-2::-1], width)
        self.weights = []
        for wide, high in itertools.pairwise(sizes):
            start = torch.randn(models, wide, high, generator=generator) / wide**0.5
            self.weights += [start.requires_grad_(), torch.zeros(models, 1, high, requires_grad=True)]
        optimiser = torch.optim.Adam(self.weights, lr=RATE, weight_decay=1e-4)
        # each model swaps with its own rows: the order is drawn among those that exist
        exist = mask.sum(dim=1, keepdim=True).clamp(min=1)
        for _ in range(STEPS):
            other = (torch.rand(mask.shape, generator=generator) * exist).long()
            swapped = torch.gather(inputs, 1, other[:, :, None].expand(-1, -1, width))
            noisy = torch.where(torch.rand(inputs.shape, generator=generator) < SWAPPED, swapped, inputs)
            loss = (((self(noisy) - inputs) ** 2).mean(dim=2) * mask).sum(dim=1) / exist[:, 0]
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
        with torch.no_grad():
            losses = (self(inputs) - inputs) ** 2
            rows = mask[:, :, None]
            self.mean = (losses * rows).sum(dim=1) / exist
            spread = (((losses - self.mean[:, None]) ** 2) * rows).sum(dim=1) / exist
            self.deviation = spread.sqrt().clamp(min=LOSS_FLOOR)

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Reconstructions."""
        import torch

        x = inputs
        for layer in range(0, len(self.weights), 2):
            x = torch.baddbmm(self.weights[layer + 1], x, self.weights[layer])
            if layer + 2 < len(self.weights):
                x = torch.tanh(x)
        return x

    def strangeness(self, model: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """(rows,) scores of rows (rows, width), each by the model with its number."""
        import torch

        with torch.no_grad():
            x = inputs[:, None]
            for layer in range(0, len(self.weights), 2):
                x = torch.baddbmm(self.weights[layer + 1][model], x, self.weights[layer][model])
                if layer + 2 < len(self.weights):
                    x = torch.tanh(x)
            losses = (x[:, 0] - inputs) ** 2
            return ((losses - self.mean[model]) / self.deviation[model]).abs().mean(dim=1)


def per_entity_autoencoder(days: DayMatrix, test_days: np.ndarray) -> np.ndarray:
    """Scores of the entities' autoencoders, trained anew each week on what is past."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the products are too small for more, and the figures must not depend on it
    try:
        x = logarithms(days)
        score = np.full(len(x), np.nan)
        for past, rows in blocks(days, test_days, SEED):
            if len(past) and len(rows):
                scaled = np.clip(standardised(x, past), -LIMIT, LIMIT)
                score[rows] = _week(torch.from_numpy(scaled).float(), days.entity, past, rows)
        return score
    finally:
        torch.set_num_threads(threads)


def _week(x: torch.Tensor, entity: np.ndarray, past: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Scores of some rows by models of the past rows; model 0 is the generic one."""
    import torch

    generator = torch.Generator().manual_seed(SEED)
    known, count = np.unique(entity[past], return_counts=True)
    own = known[count >= OWN_DAYS]
    drawn = np.random.default_rng(SEED).permutation(past)[:GENERIC_ROWS]
    generic = Autoencoders(x[drawn][None], torch.ones(1, len(drawn)), generator)
    answer = generic.strangeness(torch.zeros(len(rows), dtype=torch.long), x[rows]).numpy()
    place = np.searchsorted(own, entity[rows])
    mine = np.flatnonzero(np.isin(entity[rows], own))
    if len(mine):
        inputs, mask = _by_entity(x, entity, past, own)
        personal = Autoencoders(inputs, mask, generator)
        answer[mine] = personal.strangeness(torch.from_numpy(place[mine]), x[rows[mine]]).numpy()
    return answer.astype(np.float64)


def _by_entity(
    x: torch.Tensor, entity: np.ndarray, past: np.ndarray, own: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Past rows of each entity side by side, (entities, rows, width), and which of them exist."""
    import torch

    mine = past[np.isin(entity[past], own)]
    place = np.searchsorted(own, entity[mine])
    order = np.argsort(place, kind="stable")
    mine, place = mine[order], place[order]
    turn = np.arange(len(mine)) - np.searchsorted(place, place)
    inputs = torch.zeros(len(own), int(turn.max()) + 1, x.shape[1])
    mask = torch.zeros(inputs.shape[:2])
    inputs[place, turn] = x[mine]
    mask[place, turn] = 1.0
    return inputs, mask
