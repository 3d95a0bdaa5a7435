"""From an event to a token: what was done, and with what, as one number that depends on the words alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.behaviours import COLUMN
from features.lowlevel import hash_ranges
from models.ranking.content import mixed

if TYPE_CHECKING:
    from features.columns import Batch
    from features.interner import StringTable

WHAT = ("api", "process", "dst_service", "domain", "dst", "file", "resource", "auth", "status_detail")
"""Columns that say with what something was done; the first that an event fills counts."""
SEED = 0x7E9


def tokens_of(batch: Batch, values: StringTable) -> np.ndarray:
    """uint64 (n,) tokens, 0 for an event that says nothing: a hash of its activity and of what it was done
    with. Ids of values do not matter. O(n log n).
    """
    done = batch.columns[:, COLUMN["activity"]].astype(np.int64)
    what = np.zeros(len(done), np.int64)
    for name in WHAT:
        what = np.where(what > 0, what, batch.columns[:, COLUMN[name]])
    ids, place = np.unique(np.concatenate([done, what]), return_inverse=True)
    table = values.arrays
    hashes = np.zeros(len(ids), np.uint64)
    hash_ranges(table.blob, table.offsets[ids] + 1, table.offsets[ids + 1], SEED, hashes)
    hashes[ids == 0] = 0
    first, second = hashes[place[: len(done)]], hashes[place[len(done) :]]
    token = mixed(first ^ mixed(second))
    token[(done == 0) & (what == 0)] = 0
    return token
