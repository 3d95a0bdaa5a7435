"""Fitting the sequence model with PyTorch, stopped early on held-out sequences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.neural.settings import LoopSettings
from models.ranking.content import digest
from models.sequence.model import SequenceModel, peaks, usual_of
from models.sequence.network import EMBEDDING, HIDDEN
from models.sequence.vocabulary import BEGIN, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from torch import nn

    from models.sequence.sequences import Sequences

DEFAULTS = LoopSettings(epochs=12, batch_rows=32, rate=5e-3, weight_decay=1e-3, patience=2)
MOST_TOKENS = 1_000
"""Tokens that a vocabulary has at most."""
LEAST_ROWS = 60
"""Sequences below which nothing is fitted."""
OWN_SEQUENCES = 5
"""Sequences from which on an owner has an embedding of their own."""
CUT = 128
"""Tokens after which a sequence is cut for training; each part begins anew."""
STRANGER_SHARE = 0.1
"""Share of the sequences of a step that are nobody's in particular, so that strangers can be judged."""


def fit(
    past: Sequences,
    held: Sequences,
    settings: LoopSettings = DEFAULTS,
    *,
    most_tokens: int = MOST_TOKENS,
    checkpoints: Path | None = None,
    progress: Callable[[int, int, float, float], object] | None = None,
) -> SequenceModel | None:
    """The model of past sequences; None when there are fewer than LEAST_ROWS.

    Parameters
    ----------
    past
        Sequences of tokens (not coded) with the ids of their owners, in an order that does not depend on ids.
    held
        Later ones: they say when to stop and what is usual, and are not learned.

    Notes
    -----
    O(epochs m HIDDEN codes): about 12 s of one core an epoch for 200,000 tokens of 1,000.
    """
    if len(past) < LEAST_ROWS or not len(held):
        return None
    vocabulary = Vocabulary.fitted(past, most_tokens)
    owners, often = np.unique(past.owner[past.owner > 0], return_counts=True)
    owners = owners[often >= OWN_SEQUENCES]
    bare = SequenceModel(vocabulary, owners, {}, np.array([0.0, 0.0, 1.0]))
    parts = [_parts(vocabulary.coded(one)) for one in (past, held)]
    padded = np.concatenate([one.padded(-1, CUT) for one in parts])
    who = np.concatenate([bare._places(one.owner) for one in parts])
    rows = np.arange(len(parts[0]))
    weights = _network(
        padded, who, len(vocabulary), len(owners), rows, len(rows) + np.arange(len(parts[1])), settings,
        checkpoints, progress,
    )  # fmt: skip
    model = replace(bare, weights=weights)
    return replace(model, usual=usual_of(peaks(model.excess(held), held), held.lengths))


def _parts(coded: Sequences) -> Sequences:
    """Sequences cut after every CUT tokens."""
    lengths = coded.lengths
    pieces = -(-lengths // CUT)
    place = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = np.repeat(coded.starts[:-1], pieces) + CUT * place
    return replace(
        coded, starts=np.concatenate([starts, coded.starts[-1:]]), owner=np.repeat(coded.owner, pieces)
    )


def _network(
    padded: np.ndarray,
    who: np.ndarray,
    codes: int,
    owners: int,
    rows: np.ndarray,
    held: np.ndarray,
    settings: LoopSettings,
    checkpoints: Path | None,
    progress: Callable[[int, int, float, float], object] | None,
) -> dict[str, np.ndarray]:
    from models.neural.loop import torch_device, train

    device = torch_device(settings.device)
    import torch
    from torch import nn
    from torch.nn import functional

    tokens = torch.from_numpy(padded).to(device)
    owner = torch.from_numpy(who).to(device)

    def make() -> nn.Module:
        module = nn.ModuleDict(
            {
                "token": nn.Embedding(codes, EMBEDDING),
                "owner": nn.Embedding(owners + 1, EMBEDDING),
                "gru": nn.GRU(EMBEDDING, HIDDEN, batch_first=True),
                "out": nn.Linear(HIDDEN, codes),
            }
        )
        table = module["owner"]
        if isinstance(table, nn.Embedding):
            nn.init.zeros_(table.weight)  # everybody starts as nobody in particular
        return module

    def loss(
        module: nn.Module, chosen: torch.Tensor, noise: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parts: dict[str, nn.Module] = dict(module.named_children())
        true, mine = tokens[chosen], owner[chosen]
        true = true[:, : max(1, int((true >= 0).sum(dim=1).max()))]
        if noise is not None:
            stranger = torch.rand(mine.shape, generator=noise, device=device) < STRANGER_SHARE
            mine = torch.where(stranger, torch.zeros_like(mine), mine)
        before = functional.pad(true[:, :-1].clamp(min=BEGIN), (1, 0), value=BEGIN)
        hidden, _ = parts["gru"](parts["token"](before) + parts["owner"](mine)[:, None, :])
        there = true >= 0
        logits = parts["out"](hidden[there])
        return functional.cross_entropy(logits, true[there], reduction="sum"), there.sum()

    about = f"{digest(padded, who)[:].sum(dtype=np.uint64)} {padded.shape} {codes}"
    return train(
        make, loss, rows, held, settings, about=about, checkpoints=checkpoints, progress=progress
    ).weights
