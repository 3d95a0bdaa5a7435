"""The network in NumPy: how surprising is each token after those before it?

This is all that scoring needs:

x_t = token embedding (t - 1) + embedding of whose sequence it is
h_t = GRU(x_t, h_(t-1))            (Cho et al., EMNLP 2014; PyTorch's gate order r, z, n)
-ln p(token_t) = -log_softmax(h_t U + u)[token_t]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.sequence.vocabulary import BEGIN

if TYPE_CHECKING:
    from models.sequence.sequences import Sequences

EMBEDDING, HIDDEN = 32, 64
ROWS = 256
"""Sequences that are worked out at a time."""

Weights = dict[str, np.ndarray]


def shapes(codes: int, owners: int) -> dict[str, tuple[int, ...]]:
    """Shape of every array of a network for so many codes and known owners."""
    return {
        "token.weight": (codes, EMBEDDING),
        "owner.weight": (owners + 1, EMBEDDING),
        "gru.weight_ih_l0": (3 * HIDDEN, EMBEDDING),
        "gru.weight_hh_l0": (3 * HIDDEN, HIDDEN),
        "gru.bias_ih_l0": (3 * HIDDEN,),
        "gru.bias_hh_l0": (3 * HIDDEN,),
        "out.weight": (codes, HIDDEN),
        "out.bias": (codes,),
    }


def surprisal(weights: Weights, asked: Sequences) -> np.ndarray:
    """float32 (m,): -ln p of every token of coded sequences; owner: row of the owner embedding (0: nobody in
    particular). O(m (HIDDEN codes)); memory: ROWS x codes numbers.
    """
    out = np.zeros(len(asked.tokens), np.float32)
    lengths = asked.lengths
    # of like length together, so that little is worked out in vain
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        width = int(lengths[rows].max(initial=0))
        if not width:
            break
        part = asked.pick(rows)
        found = _some(weights, part.padded(-1, width), part.owner)
        inside = np.arange(width)[None, :] < lengths[rows][:, None]
        to = (asked.starts[:-1][rows][:, None] + np.arange(width)[None, :])[inside]
        out[to] = found[inside]
    return out


def _some(weights: Weights, tokens: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """float32 (n, width) of padded tokens; anything where there is none."""
    n, width = tokens.shape
    given = np.where(tokens >= 0, tokens, BEGIN)
    before = np.concatenate([np.full((n, 1), BEGIN, np.int64), given[:, :-1]], axis=1)
    who = weights["owner.weight"][owner]
    hidden = np.zeros((n, HIDDEN), np.float32)
    out = np.zeros((n, width), np.float32)
    w_i, w_h = weights["gru.weight_ih_l0"].T, weights["gru.weight_hh_l0"].T
    b_i, b_h = weights["gru.bias_ih_l0"], weights["gru.bias_hh_l0"]
    u, b = weights["out.weight"].T, weights["out.bias"]
    live = (tokens >= 0).sum(0)  # rows are ordered by length, so the first `live` are still there
    for step in range(width):
        k = int(live[step])
        x = (weights["token.weight"][before[:k, step]] + who[:k]) @ w_i + b_i
        h = hidden[:k] @ w_h + b_h
        r = _sigmoid(x[:, :HIDDEN] + h[:, :HIDDEN])
        z = _sigmoid(x[:, HIDDEN : 2 * HIDDEN] + h[:, HIDDEN : 2 * HIDDEN])
        new = np.tanh(x[:, 2 * HIDDEN :] + r * h[:, 2 * HIDDEN :])
        hidden[:k] = (1.0 - z) * new + z * hidden[:k]
        logits = hidden[:k] @ u + b
        highest = logits.max(axis=1)
        total = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        out[:k, step] = total - logits[np.arange(k), given[:k, step]]
    return out


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float32)
