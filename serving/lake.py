"""The lake: scored events as Parquet files, by tenant and UTC day, in segments that belong to checkpoints.

    tenants/<tenant>/lake/day=YYYY-MM-DD/00000012.parquet

A segment is written before the checkpoint that counts it. A recovery removes the segments that the checkpoint
does not count, and scoring the journal again writes them anew: each event is there once. Many small segments
of a day are merged later, see `serving.compaction`.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from features.checkpoint import sync_folder
from serving import segments
from serving.days import DAY_US, day_of
from serving.outputs import EVENT_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PREFIX = "day="
READ_TRIES = 10


def day_folder(lake: Path, day: int) -> Path:
    """Folder of a day, given in days since 1970-01-01 UTC."""
    return lake / f"{PREFIX}{day_of(day)}"


def write_segment(lake: Path, number: int, tables: Iterable[pa.Table]) -> int:
    """Write scored events (EVENT_SCHEMA) as one segment, a file a day, durable when this returns; returns the
    rows. Writing a segment again replaces it.
    """
    table = pa.concat_tables([EVENT_SCHEMA.empty_table(), *tables])
    days = table["time"].cast(pa.int64()).to_numpy() // DAY_US
    for day in np.unique(days).tolist():
        folder = day_folder(lake, day)
        if not folder.is_dir():
            folder.mkdir(parents=True)
            sync_folder(lake)
        part = table if (days == day).all() else table.filter(pa.array(days == day))
        segments.write_table(part, folder / segments.Span(number, number).name)
    return len(table)


def remove_after(lake: Path, number: int) -> int:
    """Remove the segments behind a number, and files that were never finished; returns how many."""
    return segments.remove_after(lake.glob(f"{PREFIX}*/*"), number)


def remove_before(lake: Path, now_us: int, days: float) -> int:
    """Remove whole days of events older than so many days; returns how many."""
    removed = 0
    oldest = datetime.fromtimestamp(now_us / 1e6, UTC).date() - timedelta(days=days)
    for folder in sorted(lake.glob(f"{PREFIX}*")):
        if date.fromisoformat(folder.name.removeprefix(PREFIX)) < oldest:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            removed += 1
    return removed


def read_day(lake: Path, day: int) -> pa.Table:
    """All scored events of a day: merged segments by time, later ones in the order they were scored.

    Works while segments are merged: a file that went away meanwhile means that the day has to be listed anew.
    """
    for _ in range(READ_TRIES):
        with contextlib.suppress(FileNotFoundError):
            files = segments.segments(day_folder(lake, day))
            tables = [parquet.read_table(path, partitioning=None) for _, path in files]
            return pa.concat_tables([EVENT_SCHEMA.empty_table(), *tables])
    raise FileNotFoundError(f"{day_folder(lake, day)}: its files change all the time")
