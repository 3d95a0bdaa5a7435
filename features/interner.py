"""Text to small integers and back: one table of distinct strings, compact in memory and usable inside numba
kernels.

A string is stored once in a byte blob. Ids count from 1 in order of arrival; 0 is the empty string and means
"missing".
"""

# Options from a table hide the decorator's type; array elements are Any, machine integers int for numba.
# mypy: disable-error-code="untyped-decorator, no-any-return, arg-type, return-value"

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from features.lowlevel import hash_bytes
from features.scanner_simd import INLINED, KERNEL, byte_at, word_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PADDING = 8
"""Bytes kept free behind every buffer, so that word-wise reads stay inside."""

COUNT, USED = 0, 1
NO_ROOM = -1
_INDEX = 0xFFFFFFFF


class TableArrays(NamedTuple):
    """What a kernel needs of a `StringTable`. `meta` is [strings, blob bytes used]."""

    slots: np.ndarray
    offsets: np.ndarray
    blob: np.ndarray
    meta: np.ndarray


@njit(**INLINED)
def same_text(
    table: TableArrays, index: int, buffer: np.ndarray, start: int, length: int, prefix: int
) -> bool:
    """Whether `buffer[start:start + length]` in the name space `prefix` is the text of an id (0: of none)."""
    place = table.offsets[index]
    if index == 0 or table.offsets[index + 1] - place != length + 1 or byte_at(table.blob, place) != prefix:
        return False
    place += 1
    done = 0
    while done + 8 <= length:
        if word_at(table.blob, place + done) != word_at(buffer, start + done):
            return False
        done += 8
    if done == length:
        return True
    rest = np.uint64(8 * (8 - (length - done)))
    return (word_at(table.blob, place + done) ^ word_at(buffer, start + done)) << rest == 0


@njit(**KERNEL)
def find_or_add(
    table: TableArrays, buffer: np.ndarray, start: int, length: int, prefix: int, key: np.uint64
) -> int:
    """Id of `buffer[start:start + length]`, added when new; NO_ROOM when there is none (the caller grows and
    repeats).

    `prefix` is one byte kept in front of the text, so that one table can hold several name spaces; `key` is
    `hash_bytes(buffer, start, length, prefix)`.
    """
    slots, offsets, blob, meta = table.slots, table.offsets, table.blob, table.meta
    size = slots.shape[0]
    mask = size - 1
    tag = np.int64(key >> np.uint64(33))
    slot = np.int64(key & np.uint64(mask))
    while slots[slot] != 0:
        index = slots[slot] & _INDEX
        if slots[slot] >> 32 == tag and same_text(table, index, buffer, start, length, prefix):
            return index
        slot = (slot + 1) & mask
    count, used = meta[COUNT], meta[USED]
    if (count + 2) * 5 > size * 3 or count + 2 >= offsets.shape[0]:
        return NO_ROOM
    if used + length + 1 + PADDING > blob.shape[0]:
        return NO_ROOM
    index = count + 1
    blob[used] = prefix
    for i in range(length):  # a slice assignment would count references
        blob[used + 1 + i] = buffer[start + i]
    offsets[index] = used
    offsets[index + 1] = used + length + 1
    slots[slot] = tag << 32 | index
    meta[COUNT] = index
    meta[USED] = used + length + 1
    return index


@njit(**KERNEL)
def find(table: TableArrays, buffer: np.ndarray, start: int, length: int) -> int:
    """Id of `buffer[start:start + length]` in name space 0, else 0; adds nothing."""
    slots = table.slots
    key = hash_bytes(buffer, start, length, 0)
    mask = slots.shape[0] - 1
    slot = np.int64(key & np.uint64(mask))
    while slots[slot] != 0:
        index = slots[slot] & _INDEX
        if same_text(table, index, buffer, start, length, 0):
            return index
        slot = (slot + 1) & mask
    return 0


@njit(**KERNEL)
def _add_many(
    table: TableArrays, buffer: np.ndarray, ends: np.ndarray, prefix: int, first: int, out: np.ndarray
) -> int:
    for i in range(first, ends.shape[0]):
        start = ends[i - 1] if i else 0
        length = ends[i] - start
        if length == 0:
            out[i] = 0
            continue
        index = find_or_add(table, buffer, start, length, prefix, hash_bytes(buffer, start, length, prefix))
        if index < 0:
            return i
        out[i] = index
    return ends.shape[0]


@njit(**KERNEL)
def _rehash(slots: np.ndarray, offsets: np.ndarray, blob: np.ndarray, count: int) -> None:
    mask = slots.shape[0] - 1
    for index in range(1, count + 1):
        at = offsets[index]
        key = hash_bytes(blob, at + 1, offsets[index + 1] - at - 1, byte_at(blob, at))
        slot = np.int64(key & np.uint64(mask))
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = np.int64(key >> np.uint64(33)) << 32 | index


class StringTable:
    """Distinct strings with integer ids; grows by doubling, never forgets (see `compacted`).

    Parameters
    ----------
    room
        Strings expected at first; memory is about 20 bytes a string plus its UTF-8 bytes.
    """

    def __init__(self, room: int = 1024) -> None:
        size = 1 << max(6, int(room * 2 - 1).bit_length())
        self.arrays = TableArrays(
            slots=np.zeros(size, np.int64),
            offsets=np.zeros(size + 2, np.int64),
            blob=np.zeros(size * 8 + PADDING, np.uint8),
            meta=np.zeros(2, np.int64),
        )

    def __len__(self) -> int:
        return int(self.arrays.meta[COUNT])

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return sum(array.nbytes for array in self.arrays)

    def grow(self, extra_bytes: int = 0) -> None:
        """Make room: double whatever is more than half full, and the blob by at least `extra_bytes`."""
        slots, offsets, blob, meta = self.arrays
        count, used = int(meta[COUNT]), int(meta[USED])
        if count * 4 >= slots.shape[0]:
            slots = np.zeros(slots.shape[0] * 2, np.int64)
            _rehash(slots, offsets, blob, count)
        if count * 2 + 4 >= offsets.shape[0]:
            offsets = np.concatenate([offsets, np.zeros(offsets.shape[0], np.int64)])
        if used + extra_bytes + PADDING >= blob.shape[0] // 2:
            blob = np.concatenate([blob, np.zeros(blob.shape[0] + extra_bytes, np.uint8)])
        self.arrays = TableArrays(slots, offsets, blob, meta)

    def intern(self, text: str) -> int:
        """Id of one string, 0 for ""."""
        return int(self.intern_many([text])[0])

    def intern_many(self, texts: Sequence[str], prefix: int = 0) -> np.ndarray:
        """Ids (int32) of many strings; lone surrogates are replaced. `prefix` (0-255) keeps name spaces
        apart.
        """
        encoded = [text.encode("utf-8", "replace") for text in texts]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        buffer = np.frombuffer(b"".join(encoded) + bytes(PADDING), np.uint8)
        out = np.empty(len(encoded), np.int32)
        done = 0
        while (done := _add_many(self.arrays, buffer, ends, prefix, done, out)) < len(encoded):
            self.grow(len(encoded[done]))
        return out

    def __getitem__(self, index: int) -> str:
        if index <= 0:
            return ""
        offsets, blob = self.arrays.offsets, self.arrays.blob
        return blob[offsets[index] + 1 : offsets[index + 1]].tobytes().decode("utf-8")

    def many(self, indexes: Iterable[int]) -> list[str]:
        """The strings of many ids, "" for 0."""
        chosen = np.asarray(indexes if isinstance(indexes, np.ndarray) else list(indexes), np.int64)
        offsets, view = self.arrays.offsets, memoryview(self.arrays.blob)
        starts, stops = offsets[chosen] + 1, offsets[chosen + 1]
        return [
            str(view[start:stop], "utf-8") if index > 0 else ""
            for index, start, stop in zip(chosen.tolist(), starts.tolist(), stops.tolist(), strict=True)
        ]

    def gathered(self, indexes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each of many texts begins and the last one ends, int32 (n + 1,), and UTF-8 of all of them in
        a row, uint8. Nothing for 0.
        """
        offsets, blob = self.arrays.offsets, self.arrays.blob
        chosen = np.asarray(indexes, np.int64)
        starts = offsets[chosen] + 1
        sizes = np.where(chosen > 0, offsets[chosen + 1] - starts, 0)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        places = np.repeat(starts - ends[:-1], sizes) + np.arange(ends[-1])
        return ends.astype(np.int32), blob[places]

    def find(self, text: str) -> int:
        """Id of a string if it is there, else 0; adds nothing."""
        encoded = text.encode("utf-8", "replace")
        buffer = np.frombuffer(encoded + bytes(PADDING), np.uint8)
        return int(find(self.arrays, buffer, 0, len(encoded))) if encoded else 0

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """Blob (uint8, each string after one name space byte) and offsets (int64, one more than ids)."""
        count, used = int(self.arrays.meta[COUNT]), int(self.arrays.meta[USED])
        return self.arrays.blob[:used].copy(), self.arrays.offsets[: count + 2].copy()

    @classmethod
    def restored(cls, blob: np.ndarray, offsets: np.ndarray) -> StringTable:
        """The table that was exported."""
        count = len(offsets) - 2
        table = cls(room=max(1024, count))
        size = len(table.arrays.offsets)
        table.arrays = TableArrays(
            slots=table.arrays.slots,
            offsets=np.concatenate([offsets, np.zeros(size - len(offsets), np.int64)]),
            blob=np.concatenate([blob, np.zeros(len(blob) + size * 8 + PADDING, np.uint8)]),
            meta=np.array([count, len(blob)], np.int64),
        )
        _rehash(table.arrays.slots, table.arrays.offsets, table.arrays.blob, count)
        return table

    def prefixes(self, indexes: np.ndarray) -> np.ndarray:
        """The name space byte (uint8) of many ids (all above 0)."""
        found: np.ndarray = self.arrays.blob[self.arrays.offsets[indexes]]
        return found

    def prefixed(self, indexes: Sequence[int] | np.ndarray) -> tuple[list[int], list[str]]:
        """The name space byte and the text of many ids (all above 0)."""
        offsets, blob = self.arrays.offsets, self.arrays.blob
        chosen = np.asarray(indexes, np.int64)
        starts, stops = offsets[chosen], offsets[chosen + 1]
        prefixes: list[int] = self.prefixes(chosen).tolist()
        view = memoryview(blob)
        texts = [
            str(view[start + 1 : stop], "utf-8")
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]
        return prefixes, texts

    def compacted(self, keep: np.ndarray) -> tuple[StringTable, np.ndarray]:
        """A new table of the strings with `keep[id]` true, and the map old id -> new id (0: gone)."""
        kept = np.flatnonzero(keep[: len(self) + 1])
        kept = kept[kept > 0]
        table = StringTable(room=max(1024, len(kept)))
        renumbered = np.zeros(len(self) + 1, np.int32)
        for start in range(0, len(kept), 65_536):
            part = kept[start : start + 65_536]
            renumbered[part] = table.intern_many(self.many(part))
        return table, renumbered
