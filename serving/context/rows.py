"""Events of one entity on one day, from the files that the service keeps, with bounded work.

Read in threads of their own, never on the engine's. A day of a large tenant has more rows than somebody who
looks at a page can wait for: after MOST_ROWS rows it is enough, and the answer says so.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from serving import segments
from serving.context.kept import Kept
from serving.days import DAY_US
from serving.lake import day_folder
from serving.outputs import EVENT_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyarrow import parquet

MOST_ROWS = 2_000_000
COLUMNS = ("event_uid", "time", "class_uid", "user", "host", "src_ip", "risk", "reason")
_SCHEMA = pa.schema([EVENT_SCHEMA.field(name) for name in COLUMNS])


class Found(NamedTuple):
    """Rows, and whether there may be more of them than were looked at."""

    table: pa.Table
    partial: bool


def scored_on(
    lake: Path,
    kind: str,
    entity: str,
    day: int,
    waiting: list[pa.Table],
    most: int = MOST_ROWS,
    kept: Kept | None = None,
) -> Found:
    """Scored events of an entity on a day (since 1970, UTC), by time; O(rows of the day), at most `most`.

    waiting: tables of events (EVENT_SCHEMA) that are in no file yet. kept: what was read before.
    """
    kept = Kept() if kept is None else kept
    chosen = []
    for table in waiting:
        days = pc.floor(pc.divide(table["time"].cast(pa.int64()), DAY_US))
        rows = table.filter(pc.and_(pc.equal(table[kind], entity), pc.equal(days, day)))
        chosen.append(rows.select(COLUMNS))
    left = most
    for path, group, about in _newest_groups(kept, day_folder(lake, day)):
        if left <= 0:
            break
        left -= about.num_rows
        with contextlib.suppress(FileNotFoundError):
            mask = _is(kept.table(path, group, [kind])[kind], entity)
            if pc.any(mask).as_py():
                chosen.append(kept.table(path, group, COLUMNS).filter(mask))
    table = pa.concat_tables([_SCHEMA.empty_table(), *(part.cast(_SCHEMA) for part in chosen)])
    return Found(table.sort_by([("time", "ascending"), ("event_uid", "ascending")]), left <= 0)


def values_on(
    learned: Path,
    kind: str,
    entity: str,
    day: int,
    columns: list[str],
    most: int = MOST_ROWS,
    kept: Kept | None = None,
) -> dict[str, dict[str, int]]:
    """How often each value came in some columns of what an entity did on a day; as far as it is in files."""
    kept = Kept() if kept is None else kept
    counts: dict[str, dict[str, int]] = {column: {} for column in columns}
    first_us, left = day * DAY_US, most
    for path, group, about in _newest_groups(kept, learned):
        if not _touches(about, first_us):
            continue
        if left <= 0:
            break
        left -= about.num_rows
        with contextlib.suppress(FileNotFoundError):
            mask = _is(kept.table(path, group, [kind])[kind], entity)
            if not pc.any(mask).as_py():
                continue
            rows = kept.table(path, group, ["time_us", *columns]).filter(mask)
            times = rows["time_us"]
            rows = rows.filter(pc.and_(pc.greater_equal(times, first_us), pc.less(times, first_us + DAY_US)))
            for column in columns:
                for pair in rows[column].combine_chunks().value_counts().to_pylist():
                    if name := pair["values"]:
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


def _newest_groups(kept: Kept, folder: Path) -> Iterator[tuple[Path, int, parquet.RowGroupMetaData]]:
    """Row groups of a folder's segments, the newest first; a file that goes away meanwhile is left out."""
    for _, path in reversed(segments.segments(folder)):
        with contextlib.suppress(FileNotFoundError):
            about = kept.about(path)
            for group in reversed(range(about.num_row_groups)):
                yield path, group, about.row_group(group)


def _touches(about: parquet.RowGroupMetaData, first_us: int) -> bool:
    """Whether a row group of what was learned has events of the day that begins at a moment."""
    statistics = about.column(0).statistics  # time_us is the first column of the schema
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.max >= first_us and statistics.min < first_us + DAY_US)
