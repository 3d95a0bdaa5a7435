"""Events of one entity on one day, from the files that the service keeps, with bounded work.

Read in threads of their own, never on the engine's. A day of a large tenant has more rows than somebody who
looks at a page can wait for: after MOST_ROWS rows it is enough, and the answer says so.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from features.behaviours import ENTITY_KINDS
from serving import segments
from serving.days import DAY_US
from serving.lake import day_folder
from serving.outputs import EVENT_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOST_ROWS = 2_000_000
COLUMNS = ("event_uid", "time", "class_uid", "user", "host", "src_ip", "risk", "reason")
_CODED = [*ENTITY_KINDS, "reason"]
"""Columns with few different texts, which need not be made one by one."""
_SCHEMA = pa.schema([EVENT_SCHEMA.field(name) for name in COLUMNS])


class Found(NamedTuple):
    """Rows, and whether there may be more of them than were looked at."""

    table: pa.Table
    partial: bool


def scored_on(
    lake: Path, kind: str, entity: str, day: int, waiting: list[pa.Table], most: int = MOST_ROWS
) -> Found:
    """Scored events of an entity on a day (since 1970, UTC), by time; O(rows of the day), at most `most`.

    waiting: tables of events (EVENT_SCHEMA) that are in no file yet.
    """
    chosen = []
    for table in waiting:
        days = pc.floor(pc.divide(table["time"].cast(pa.int64()), DAY_US))
        rows = table.filter(pc.and_(pc.equal(table[kind], entity), pc.equal(days, day)))
        chosen.append(rows.select(COLUMNS))
    left = most
    for file, group in _newest_groups(day_folder(lake, day)):
        if left <= 0:
            break
        left -= file.metadata.row_group(group).num_rows
        mask = _is(file.read_row_group(group, columns=[kind])[kind], entity)
        if pc.any(mask).as_py():
            chosen.append(file.read_row_group(group, columns=list(COLUMNS)).filter(mask).select(COLUMNS))
    table = pa.concat_tables([_SCHEMA.empty_table(), *(part.cast(_SCHEMA) for part in chosen)])
    return Found(table.sort_by([("time", "ascending"), ("event_uid", "ascending")]), left <= 0)


def values_on(
    learned: Path, kind: str, entity: str, day: int, columns: list[str], most: int = MOST_ROWS
) -> dict[str, dict[str, int]]:
    """How often each value came in some columns of what an entity did on a day; as far as it is in files."""
    counts: dict[str, dict[str, int]] = {column: {} for column in columns}
    first_us, left = day * DAY_US, most
    for file, group in _newest_groups(learned, lambda about: _touches(about, first_us)):
        if left <= 0:
            break
        left -= file.metadata.row_group(group).num_rows
        table = file.read_row_group(group, columns=sorted({"time_us", kind, *columns}))
        times = table["time_us"]
        mask = pc.and_(pc.greater_equal(times, first_us), pc.less(times, first_us + DAY_US))
        mask = pc.and_(mask, _is(table[kind], entity))
        if not pc.any(mask).as_py():
            continue
        rows = table.filter(mask)
        for column in columns:
            for pair in rows[column].cast(pa.string()).value_counts().to_pylist():
                if pair["values"]:
                    name = pair["values"]
                    counts[column][name] = counts[column].get(name, 0) + pair["counts"]
    return counts


def _is(column: pa.ChunkedArray, text: str) -> pa.ChunkedArray:
    """Which rows of a column hold a text; coded columns are compared by their codes."""
    if not pa.types.is_dictionary(column.type):
        return pc.equal(column, text)
    masks = [
        pc.equal(chunk.indices, pa.scalar(pc.index(chunk.dictionary, text).as_py(), chunk.indices.type))
        for chunk in column.chunks
    ]
    return pa.chunked_array(masks, pa.bool_())


def _newest_groups(
    folder: Path, wanted: Callable[[parquet.RowGroupMetaData], bool] = lambda _: True
) -> Iterator[tuple[parquet.ParquetFile, int]]:
    """Row groups of a folder's segments, the newest first; a file that goes away meanwhile is left out."""
    for _, path in reversed(segments.segments(folder)):
        with (
            contextlib.suppress(FileNotFoundError),
            _opened(path) as file,
        ):
            for group in reversed(range(file.metadata.num_row_groups)):
                if wanted(file.metadata.row_group(group)):
                    yield file, group


def _opened(path: Path) -> parquet.ParquetFile:
    """A file whose texts are read as codes; what was learned has no reasons."""
    about = parquet.read_metadata(path)
    coded = [name for name in _CODED if name in about.schema.names]
    return parquet.ParquetFile(path, metadata=about, read_dictionary=coded)


def _touches(about: parquet.RowGroupMetaData, first_us: int) -> bool:
    """Whether a row group of what was learned has events of the day that begins at a moment."""
    statistics = about.column(0).statistics  # time_us is the first column of the schema
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.max >= first_us and statistics.min < first_us + DAY_US)
