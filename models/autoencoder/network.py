"""The network in NumPy: reconstructs a day's numbers. This is all that scoring needs.

    h = tanh([numbers, who, when] A + a)      m = tanh(h B + b)      h' = tanh([m, who, when] C + c)
    reconstruction = h' D + d

with learned embeddings for entity, kind, weekday and age. The narrow middle m hears who and when again, so
that it need not spend its width on them (Sohn, Lee, Yan, "Learning Structured Output Representation using
Deep Conditional Generative Models", NeurIPS 2015, without the sampling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.autoencoder.inputs import Categories

WIDTHS = {"entity": 6, "kind": 3, "weekday": 3, "age": 2}
"""Width of each embedding."""
WIDE, NARROW = 32, 8
LAYERS = ("encode", "squeeze", "widen", "decode")
ROWS = 4096
"""Days that are worked out at a time: memory stays bounded however many are asked."""

Weights = dict[str, np.ndarray]
"""Arrays by PyTorch's names, float32: `entity.weight` (entities + 1, 6) and so on, `encode.weight` (out, in),
`encode.bias` (out,).
"""


def shapes(numbers: int, entities: int, sizes: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every array of a network for so many numbers and known entities."""
    about = sum(WIDTHS.values())
    wide = {
        "encode": (WIDE, numbers + about),
        "squeeze": (NARROW, WIDE),
        "widen": (WIDE, NARROW + about),
        "decode": (numbers, WIDE),
    }
    found: dict[str, tuple[int, ...]] = {
        f"{name}.weight": (size, WIDTHS[name]) for name, size in ({"entity": entities + 1} | sizes).items()
    }
    for name, shape in wide.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def reconstructed(weights: Weights, numbers: np.ndarray, of: Categories) -> np.ndarray:
    """float32 (n, D): what the network makes of a day's numbers, float32 (n, D)."""
    parts = [
        _some(weights, numbers[start : start + ROWS], [column[start : start + ROWS] for column in of])
        for start in range(0, len(numbers), ROWS)
    ]
    return np.concatenate(parts) if parts else np.zeros_like(numbers)


def _some(weights: Weights, numbers: np.ndarray, of: list[np.ndarray]) -> np.ndarray:
    names = ("entity", "kind", "weekday", "age")
    about = np.concatenate(
        [weights[f"{name}.weight"][column] for name, column in zip(names, of, strict=True)], axis=1
    )

    def layer(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    middle = np.tanh(layer("squeeze", np.tanh(layer("encode", np.concatenate([numbers, about], axis=1)))))
    out = layer("decode", np.tanh(layer("widen", np.concatenate([middle, about], axis=1))))
    return np.asarray(out, np.float32)
