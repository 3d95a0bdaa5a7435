"""Events as Arrow tables: the value columns of a batch in words, so that any detector can read them.

The same columns as in the files that a state folder keeps of what it learned (`habitus score --state`): those
can be trained from as they are.

    time_us             int64, event time, microseconds since 1970-01-01 UTC
    learned_us          int64, the time whose weight it was learned with, null where it was not learned here
    class_uid           int32, OCSF
    held                bool, held back when it was scored
    bytes_in, bytes_out int64, 0 or null where the record does not say
    one column each of `features.behaviours.VALUE_COLUMNS`, text, "" where the event has none
    src_ip_entity       bool, whether the source address is an entity of its own (not the host itself)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.behaviours import COLUMN, ENTITY_KINDS, VALUE_COLUMNS, WIDTH
from features.columns import Batch
from features.errors import InputError

if TYPE_CHECKING:
    from features.baselines import Baselines
    from features.interner import StringTable

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("time_us", pa.int64()),
        ("learned_us", pa.int64()),
        ("class_uid", pa.int32()),
        ("held", pa.bool_()),
        ("bytes_in", pa.int64()),
        ("bytes_out", pa.int64()),
        *((name, _TEXT) for name in VALUE_COLUMNS),
        ("src_ip_entity", pa.bool_()),
    ]
)
NEEDED = ("time_us", "class_uid", *VALUE_COLUMNS, "src_ip_entity")


def check_columns(schema: pa.Schema, place: str) -> None:
    """InputError when a Parquet file does not hold events with their values."""
    missing = [name for name in NEEDED if name not in schema.names]
    if missing:
        scored = "risk" in schema.names
        hint = (
            "these are scores without the values they came from; give the log files, or the folder 'learned'"
            " of a state"
            if scored
            else "give files that habitus has written"
        )
        raise InputError(f"{place}: lacks the column {missing[0]!r}: {hint}")


def table_of(batch: Batch, values: StringTable) -> pa.Table:
    """A batch of n events as a table of SCHEMA; values: the strings its ids are of. O(n log n)."""
    n = len(batch.time_us)
    none = pa.nulls(n)
    columns: list[pa.Array] = [
        pa.array(batch.time_us),
        none.cast(pa.int64()),
        pa.array(batch.class_uid, pa.int32()),
        none.cast(pa.bool_()),
        pa.array(batch.bytes_in),
        pa.array(batch.bytes_out),
    ]
    for index in range(len(VALUE_COLUMNS)):
        distinct, codes = np.unique(batch.columns[:, index], return_inverse=True)
        columns.append(
            pa.DictionaryArray.from_arrays(
                pa.array(codes, pa.int32()), pa.array(values.many(distinct), pa.string())
            )
        )
    # what counts as an entity was decided when the record was read; ids are the detector's own affair
    columns[len(columns) - len(VALUE_COLUMNS) + COLUMN["src_ip"]] = _source(batch, values)
    columns.append(pa.array(batch.columns[:, WIDTH - 1] != 0))
    return pa.table(columns, schema=SCHEMA)


def _source(batch: Batch, values: StringTable) -> pa.DictionaryArray:
    """The source address as the record has it: as a value it is left out where it is the host itself."""
    distinct, codes = np.unique(batch.src_ip, return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int32()), pa.array(values.many(distinct), pa.string())
    )


def batch_of(table: pa.Table, baselines: Baselines) -> Batch:
    """The events of a table (n rows) as a batch of a detector; its values and entities are added when new.

    O(n + distinct values). Only values that rows refer to are taken from the dictionaries.
    """
    columns = np.zeros((len(table), WIDTH), np.int32)
    for index, name in enumerate(VALUE_COLUMNS):
        columns[:, index] = _ids(table[name], baselines)
    for kind, name in enumerate(ENTITY_KINDS):
        names = columns[:, COLUMN[name]]
        there = names > 0
        if name == "src_ip":
            there &= table["src_ip_entity"].to_numpy()
        columns[there, len(VALUE_COLUMNS) + kind] = baselines.entities.ids(kind, names[there])
    source = columns[:, COLUMN["src_ip"]].copy()
    # as when a record is read: an address that is the host itself is no habit of it
    columns[source == columns[:, COLUMN["host"]], COLUMN["src_ip"]] = 0
    return Batch(
        time_us=table["time_us"].to_numpy(),
        class_uid=table["class_uid"].to_numpy().astype(np.int32),
        src_ip=source,
        columns=columns,
        bytes_in=_bytes(table, "bytes_in"),
        bytes_out=_bytes(table, "bytes_out"),
    )


def _bytes(table: pa.Table, name: str) -> np.ndarray:
    if name not in table.column_names:
        return np.zeros(len(table), np.int64)
    found: np.ndarray = table[name].fill_null(0).to_numpy()
    return found


def _ids(column: pa.ChunkedArray, baselines: Baselines) -> np.ndarray:
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    codes = column.indices.fill_null(-1).to_numpy().astype(np.int64)
    known = np.zeros(len(column.dictionary), np.bool_)
    known[codes[codes >= 0]] = True
    used = np.flatnonzero(known)
    ids = np.zeros(len(known) + 1, np.int32)  # the last is for nulls
    ids[used] = baselines.values.intern_many(column.dictionary.take(pa.array(used)).to_pylist())
    found: np.ndarray = ids[codes]
    return found
