"""The lake: scored events as Parquet files, by tenant and UTC day, in segments that belong to checkpoints.

    tenants/<tenant>/lake/day=YYYY-MM-DD/00000012.parquet

A segment is written before the checkpoint that counts it. A recovery removes the segments that the checkpoint
does not count, and scoring the journal again writes them anew: each event is there once.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from features.baselines import DAY_US
from serving.outputs import EVENT_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EPOCH = date(1970, 1, 1)
SUFFIX = ".parquet"
NEW = ".new"


def day_folder(lake: Path, day: int) -> Path:
    """Folder of a day, given in days since 1970-01-01 UTC."""
    return lake / f"day={EPOCH + timedelta(days=day)}"


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
            _sync(lake)
        part = table if (days == day).all() else table.filter(pa.array(days == day))
        path = folder / f"{number:08d}{SUFFIX}"
        new = path.with_suffix(NEW)
        with new.open("wb") as file:
            parquet.write_table(part, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync(folder)
    return len(table)


def remove_after(lake: Path, number: int) -> int:
    """Remove the segments behind a number, and files that were never finished; returns how many."""
    removed = 0
    for path in lake.glob("day=*/*"):
        if path.suffix == NEW or (path.suffix == SUFFIX and int(path.stem) > number):
            path.unlink()
            removed += 1
    return removed


def remove_before(lake: Path, now_us: int, days: float) -> int:
    """Remove whole days of events older than so many days; returns how many."""
    removed = 0
    oldest = datetime.fromtimestamp(now_us / 1e6, UTC).date() - timedelta(days=days)
    for folder in sorted(lake.glob("day=*")):
        if date.fromisoformat(folder.name.removeprefix("day=")) < oldest:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            removed += 1
    return removed


def read_day(lake: Path, day: int) -> pa.Table:
    """All scored events of a day, in the order they were scored."""
    files = sorted(day_folder(lake, day).glob(f"*{SUFFIX}"))
    return pa.concat_tables([EVENT_SCHEMA.empty_table(), *(parquet.read_table(path) for path in files)])


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
