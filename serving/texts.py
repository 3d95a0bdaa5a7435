"""Columns of text made of value ids, without a Python string for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from features.interner import StringTable


def texts_of(values: StringTable, ids: np.ndarray) -> pa.StringArray:
    """The texts of ids, int32 (n,), "" for 0; O(bytes of all of them)."""
    offsets, content = values.gathered(ids)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(content))


def coded_texts(values: StringTable, ids: np.ndarray) -> pa.DictionaryArray:
    """The same, each distinct one once, in the order they are met."""
    coded = pa.array(np.ascontiguousarray(ids)).dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, texts_of(values, coded.dictionary.to_numpy()))
