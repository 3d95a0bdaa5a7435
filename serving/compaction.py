"""Merging many small segments into few files, while people read them.

Only segments that a checkpoint on disk counts are merged: a recovery never wants to remove part of a file.

**The lake.** A day's new folder is built aside (`merging`, beside the lake), with the merged files and hard
links to those that stay, made durable, and exchanged with the old one in one step of the file system. Whoever
lists the day sees the old files or the new ones, never both and never neither. Names are never used again for
other content, so a reader that has listed the old files and not opened them all gets an error and lists anew;
it never gets wrong numbers. File systems without that step (some network ones) are left alone.

**Learned segments** are read by us alone (`serving.segments.segments`): the merged file is written beside the
old ones, which count as merged from then on, and then they are removed.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from features.checkpoint import sync_folder
from serving import segments
from serving.days import number_of
from serving.lake import PREFIX
from serving.segments import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

ROWS = 500_000
"""Most rows of a merged file: some 25 MB on disk, and some 250 MB while it is written."""
FEW = 16
"""Small files of a day that are left alone while the day is young: merging costs reading all of them."""
MERGING = "merging"
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV}


class _File(NamedTuple):
    span: Span
    path: Path
    rows: int


def merge_day(folder: Path, durable: int, *, is_over: bool) -> int:
    """Merge the small files of one day's folder; returns how many files there are fewer.

    Parameters
    ----------
    folder
        `day=YYYY-MM-DD` of a lake.
    durable
        Segments up to this number belong to a checkpoint that is on disk.
    is_over
        Whether little more is to come: then any two small files are merged.

    Raises
    ------
    OSError
        If the disk is full or failing; the day is as it was.
    """
    if len(segments.segments(folder)) < 2:
        return 0  # most days, most of the time: no file has to be opened to know it
    files = _files(folder)
    batches = list(_batches([file for file in files if file.span.last <= durable], 2 if is_over else FEW))
    if not batches:
        return 0
    merged = {file.path for batch in batches for file in batch}
    aside = folder.parent.with_name(MERGING)
    if aside.exists():  # of a merge that a crash ended: what is in force is in the day's folder
        shutil.rmtree(aside)
    aside.mkdir()
    try:
        for file in files:
            if file.path not in merged:
                os.link(file.path, aside / file.path.name)
        for batch in batches:
            _write_by_time(batch, aside)
        sync_folder(aside)
        done = _exchange(aside, folder)
        sync_folder(folder.parent)
        sync_folder(aside.parent)
    finally:
        shutil.rmtree(aside)
    return len(merged) - len(batches) if done else 0


def _write_by_time(batch: Sequence[_File], folder: Path) -> None:
    table = pa.concat_tables([_read(file) for file in batch])
    # a stable sort: events of one moment keep the order they were scored in
    order = pc.sort_indices(table["time"])
    segments.write_table(table.take(order), folder / _span(batch).name)


def _read(file: _File) -> pa.Table:
    # one thread: the engine has better use for the others
    return parquet.read_table(file.path, partitioning=None, use_threads=False)


def merge_learned(folder: Path, durable: int) -> int:
    """Merge small learned segments; returns how many files there are fewer. Rows keep their order."""
    files = _files(folder)
    kept = {file.path for file in files}
    gone = [path for path in folder.glob(f"*{segments.SUFFIX}") if path not in kept]
    written = 0
    for batch in _batches([file for file in files if file.span.last <= durable], FEW):
        segments.write_table(pa.concat_tables([_read(file) for file in batch]), folder / _span(batch).name)
        gone += [file.path for file in batch]
        written += 1
    for path in gone:  # also those whose merged file a crash left beside them
        path.unlink()
    return len(gone) - written


def forget_learned(folder: Path, oldest_us: int, durable: int) -> int:
    """Remove learned segments all of whose events happened before a moment; returns how many."""
    removed = 0
    for file in _files(folder):
        if file.span.last <= durable and _newest_us(file.path) < oldest_us:
            file.path.unlink()
            removed += 1
    return removed


def _newest_us(path: Path) -> int:
    """Newest event time of a learned segment, from its statistics."""
    metadata = parquet.read_metadata(path)
    column = metadata.schema.names.index("time_us")
    groups = [metadata.row_group(group).column(column).statistics for group in range(metadata.num_row_groups)]
    return max((int(found.max) for found in groups), default=-(1 << 62))


def merge_lake(lake: Path, durable: int, today: int) -> int:
    """Merge all days of a tenant, see `merge_day`; returns how many files there are fewer.

    today: number of the newest day that events of now belong to; days before it are over.
    """
    fewer = 0
    for folder in sorted(lake.glob(f"{PREFIX}*")):
        day = number_of(date.fromisoformat(folder.name.removeprefix(PREFIX)))
        fewer += merge_day(folder, durable, is_over=day < today)
    return fewer


def _files(folder: Path) -> list[_File]:
    return [
        _File(span, path, parquet.read_metadata(path).num_rows) for span, path in segments.segments(folder)
    ]


def _span(batch: Sequence[_File]) -> Span:
    return Span(batch[0].span.first, batch[-1].span.last)


def _batches(files: Sequence[_File], few: int) -> Iterator[list[_File]]:
    """Neighbours that are small and together not too large, when there are at least `few` of them."""
    batch: list[_File] = []
    rows = 0
    for file in [*files, None]:
        if file is not None and file.rows < ROWS // 2 and rows + file.rows <= ROWS:
            batch.append(file)
            rows += file.rows
            continue
        if len(batch) >= few:
            yield batch
        batch, rows = [], 0
        if file is not None and file.rows < ROWS // 2:
            batch, rows = [file], file.rows


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the file system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2", None)
    if rename is None:
        return False
    failed = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        log.warning("%s: this file system cannot exchange folders; small lake files stay", other)
        return False
    raise OSError(number, os.strerror(number), str(other))
