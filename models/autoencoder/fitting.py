"""Fitting the autoencoder with PyTorch: a network a fold, stopped early on the days that it never saw.

Denoising (Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", ICML 2008):
some numbers are swapped with those of another day of the batch, and the true ones are to be found from the
rest, from who it is and which day.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.autoencoder.inputs import SIZES, Scale, categories
from models.autoencoder.model import FOLDS, LOSS_FLOOR, Autoencoder
from models.autoencoder.network import LAYERS, NARROW, WIDE, WIDTHS, reconstructed
from models.neural.settings import LoopSettings
from models.ranking.content import content_order, digest
from models.ranking.profiles import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from torch import nn

    from models.autoencoder.inputs import Categories
    from models.days import DayTable

SWAPPED = 0.15
"""Share of the numbers that noise swaps."""
LEAST_ROWS = 200
"""Past days of a fold below which nothing is fitted."""
OWN_DAYS = 5
"""Past days from which on an entity has an embedding of its own."""
DEFAULTS = LoopSettings(epochs=30, batch_rows=256, rate=5e-3, weight_decay=1e-3, patience=4)


def fit(
    days: DayTable,
    z: np.ndarray,
    settings: LoopSettings = DEFAULTS,
    *,
    checkpoints: Path | None = None,
    progress: Callable[[int, int, float, float], object] | None = None,
) -> Autoencoder | None:
    """The autoencoder of past entity-days; None when there are too few.

    Parameters
    ----------
    days, z
        n past days (ids as they are), and z, float32 (n, C), of `models.ranking.profiles`.
    settings
        Of the training; the seed too.
    checkpoints
        Folder to go on from, see `models.neural.loop.train`.
    progress
        Told epochs and losses of each network.

    Notes
    -----
    O(epochs n (D + widths) width): about 4 s of one core for 10,000 days at the defaults. The rows are put
    into an order that depends on what they say, and entities start from the same point, so the ids do not
    matter.
    """
    order = content_order(days)
    days, z = days.take(order), z[order]
    fold_of = days.day % FOLDS
    if min(int((fold_of == fold).sum()) for fold in range(FOLDS)) < LEAST_ROWS:
        return None
    known, often = np.unique(days.entity[days.entity > 0].astype(np.int64), return_counts=True)
    known = known[often >= OWN_DAYS]
    scale = Scale.fitted(days)
    numbers, of = scale.numbers(days, z), categories(days, known)
    said = f"{digest(numbers, of.kind, of.weekday, of.age).sum(dtype=np.uint64)} {numbers.shape}"
    networks = []
    usual = np.zeros((FOLDS, 2, KINDS, numbers.shape[1]), np.float32)
    for fold in range(FOLDS):
        unseen = np.flatnonzero(fold_of == fold)
        weights = _network(
            numbers,
            of,
            len(known),
            np.flatnonzero(fold_of != fold),
            unseen,
            replace(settings, seed=settings.seed * FOLDS + fold),
            said,
            None if checkpoints is None else checkpoints / f"fold-{fold}",
            progress,
        )
        networks.append(weights)
        part = of.take(unseen)
        loss = (reconstructed(weights, numbers[unseen], part) - numbers[unseen]) ** 2
        usual[fold] = _usual(loss, part.kind)
    return Autoencoder(scale, known, tuple(networks), usual)


def _usual(loss: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """float32 (2, KINDS, D): mean and deviation of losses by kind; of all where a kind has none."""
    found = np.zeros((2, KINDS, loss.shape[1]), np.float32)
    for one in range(KINDS):
        mine = loss[kind == one] if (kind == one).any() else loss
        found[0, one] = mine.mean(0)
        found[1, one] = np.maximum(mine.std(0), LOSS_FLOOR)
    return found


def _network(
    numbers: np.ndarray,
    of: Categories,
    entities: int,
    rows: np.ndarray,
    held: np.ndarray,
    settings: LoopSettings,
    about: str,
    checkpoints: Path | None,
    progress: Callable[[int, int, float, float], object] | None,
) -> dict[str, np.ndarray]:
    from models.neural.loop import torch_device, train

    device = torch_device(settings.device)
    import torch
    from torch import nn

    x = torch.from_numpy(numbers).to(device)
    who = [torch.from_numpy(column).to(device) for column in of]

    def make() -> nn.Module:
        width = sum(WIDTHS.values())
        ends = (
            (numbers.shape[1] + width, WIDE),
            (WIDE, NARROW),
            (NARROW + width, WIDE),
            (WIDE, numbers.shape[1]),
        )
        sizes = dict(zip(LAYERS, ends, strict=True))
        module = nn.ModuleDict({name: nn.Linear(*size) for name, size in sizes.items()})
        for name, size in ({"entity": entities + 1} | SIZES).items():
            table = nn.Embedding(size, WIDTHS[name])
            if name == "entity":
                nn.init.zeros_(table.weight)  # everybody starts as nobody in particular
            module[name] = table
        return module

    def loss(
        module: nn.Module, chosen: torch.Tensor, noise: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        true = x[chosen]
        seen, entity = true, who[0][chosen]
        if noise is not None:
            other = true[torch.randperm(len(true), generator=noise, device=device)]
            swap = torch.rand(true.shape, generator=noise, device=device) < SWAPPED
            seen = torch.where(swap, other, true)
            # now and then nobody in particular, so that strangers are judged by something that was learned
            stranger = torch.rand(entity.shape, generator=noise, device=device) < SWAPPED
            entity = torch.where(stranger, torch.zeros_like(entity), entity)
        made = _forward(module, seen, [entity, *(column[chosen] for column in who[1:])])
        return ((made - true) ** 2).mean(dim=1).sum(), torch.tensor(float(len(true)), device=device)

    return train(
        make, loss, rows, held, settings, about=about, checkpoints=checkpoints, progress=progress
    ).weights


def _forward(module: nn.Module, numbers: torch.Tensor, of: list[torch.Tensor]) -> torch.Tensor:
    """`models.autoencoder.network`, with gradients."""
    import torch

    parts: dict[str, torch.nn.Module] = dict(module.named_children())
    names = ("entity", "kind", "weekday", "age")
    about = torch.cat([parts[name](column) for name, column in zip(names, of, strict=True)], dim=1)
    wide = torch.tanh(parts["encode"](torch.cat([numbers, about], dim=1)))
    middle = torch.tanh(parts["squeeze"](wide))
    wide = torch.tanh(parts["widen"](torch.cat([middle, about], dim=1)))
    made: torch.Tensor = parts["decode"](wide)
    return made
