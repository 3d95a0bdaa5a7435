"""From texts to ids in the memo, for twenty lines at a time.

The memo of a large organisation does not fit in a processor's cache, and finding a text in it takes three
steps that each wait for memory: slot, offset, bytes. So texts are queued, and each step is asked for all
of them before the next.
"""

# Options from a table hide the decorator's type; array elements are Any, machine integers int for numba.
# mypy: disable-error-code="untyped-decorator, no-any-return, arg-type, return-value"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from features.interner import find_or_add, same_text
from features.lowlevel import hash_bytes
from features.rows import RAW_COLUMNS
from features.scanner_simd import INLINED, KERNEL, prefetch

if TYPE_CHECKING:
    from features.interner import TableArrays
    from features.scanner_grammar import Scratch

ALL_FOUND = -1

_N_RAW = len(RAW_COLUMNS)
_ROW, _COLUMN, _PLACE, _SIZE, _CANDIDATE = range(5)
_INDEX = 0xFFFFFFFF


@njit(**INLINED)
def enqueue(buffer: np.ndarray, scratch: Scratch, row: int, queued: int, memo: TableArrays) -> int:
    """Queue the texts of the row columns of a line; the new length of the queue."""
    at, size, text, queue, keys, slots = (
        scratch.at,
        scratch.size,
        scratch.text,
        scratch.queue,
        scratch.keys,
        memo.slots,
    )
    mask = slots.shape[0] - 1
    for column in range(_N_RAW):
        length = size[column]
        if length > 0:
            place = at[column]
            if place >= 0:
                key = hash_bytes(buffer, place, length, column)
            else:
                key = hash_bytes(text, ~place, length, column)
            queue[queued, _ROW] = row
            queue[queued, _COLUMN] = column
            queue[queued, _PLACE] = place
            queue[queued, _SIZE] = length
            keys[queued] = key
            prefetch(slots, np.int64(key & np.uint64(mask)))
            queued += 1
    return queued


@njit(**KERNEL)
def resolve(buffer: np.ndarray, scratch: Scratch, queued: int, memo: TableArrays, raw: np.ndarray) -> int:
    """Write the ids of all queued texts to `raw`, adding new texts; the first that found no room, else
    ALL_FOUND.
    """
    text, queue, keys = scratch.text, scratch.queue, scratch.keys
    slots, offsets, blob = memo.slots, memo.offsets, memo.blob
    mask = slots.shape[0] - 1
    for i in range(queued):
        slot = np.int64(keys[i] & np.uint64(mask))
        tag = np.int64(keys[i] >> np.uint64(33))
        entry = slots[slot]
        while entry != 0 and entry >> 32 != tag:
            slot = (slot + 1) & mask
            entry = slots[slot]
        index = entry & _INDEX
        queue[i, _CANDIDATE] = index
        prefetch(offsets, index)
    for i in range(queued):
        prefetch(blob, offsets[queue[i, _CANDIDATE]])
    for i in range(queued):
        column, place, length = queue[i, _COLUMN], queue[i, _PLACE], queue[i, _SIZE]
        index = queue[i, _CANDIDATE]
        if place >= 0:
            if not same_text(memo, index, buffer, place, length, column):
                index = find_or_add(memo, buffer, place, length, column, keys[i])
        elif not same_text(memo, index, text, ~place, length, column):
            index = find_or_add(memo, text, ~place, length, column, keys[i])
        if index < 0:
            return i
        raw[queue[i, _ROW], column] = index
    return ALL_FOUND
