"""Of rows that say the same thing, the one that says it loudest."""

from __future__ import annotations

import numpy as np


def strongest(gain: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Index of the row with the largest gain of each combination of keys, the earliest on a tie.

    gain, keys: (n,). Returns int64 (combinations,), ordered by the keys, the first of them foremost.
    O(n log n).
    """
    order = np.lexsort((-gain, *reversed(keys)))
    first = np.ones(len(order), np.bool_)
    first[1:] = False
    for key in keys:
        ordered = key[order]
        first[1:] |= ordered[1:] != ordered[:-1]
    return order[first]
