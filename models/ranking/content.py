"""An order of entity-days that depends on what they say, not on ids or on where they stood.

Ids depend on how a stream was cut into batches. Whatever is chosen or summed in this order is the same for a
history that was replayed at once and for one that came in live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.days import DayTable

_ODD = np.uint64(0x9E3779B97F4A7C15)


def mixed(values: np.ndarray) -> np.ndarray:
    """Finaliser of SplitMix64 (Steele, Lea, Flood 2014) on a uint64 array: each input bit reaches each output
    bit.
    """
    values = values.astype(np.uint64)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)), np.uint64)


def digest(*columns: np.ndarray) -> np.ndarray:
    """uint64 (n,) hash of rows of integers or float32; arrays are (n,) or (n, k). Not for secrets."""
    total = np.zeros(len(columns[0]), np.uint64)
    for array in columns:
        wide = array.reshape(len(array), -1)
        if wide.dtype.kind == "f":
            wide = np.ascontiguousarray(wide, np.float32).view(np.uint32)
        for column in range(wide.shape[1]):
            total = (total ^ wide[:, column].astype(np.int64).astype(np.uint64)) * _ODD
            total ^= total >> np.uint64(29)
    return mixed(total)


def chosen_by(digests: np.ndarray, limit: int, seed: int, ties: np.ndarray | None = None) -> np.ndarray:
    """At most `limit` rows, uniform and decided by their digests; ascending. ties: int (n,), the lower first;
    by default the row decides.
    """
    if len(digests) <= limit:
        return np.arange(len(digests))
    score = digests ^ np.uint64(seed * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    order = score * np.uint64(0xBF58476D1CE4E5B9)
    ties = np.arange(len(digests)) if ties is None else ties
    return np.asarray(np.sort(np.lexsort((ties, order))[:limit]), np.int64)


def content_digest(days: DayTable) -> np.ndarray:
    """uint64 (n,) hash of what each row says, the entity's id left out."""
    return digest(days.kind, days.day, days.n_events, days.age_days, days.evidence, days.counts)


def content_order(days: DayTable) -> np.ndarray:
    """Rows by day, kind and content; the id decides only between rows that say the same."""
    return np.lexsort((days.entity, content_digest(days), days.kind, days.day))
