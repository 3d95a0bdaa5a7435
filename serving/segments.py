"""Numbered Parquet files that belong to checkpoints: how they are named, written and removed.

A file is `00000012.parquet`, one segment, or `00000001-00000040.parquet`, several that were merged. It is
written under another name, made durable, and then renamed: whoever reads a folder sees whole files only.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from pyarrow import parquet

from features.checkpoint import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

SUFFIX = ".parquet"
NEW = ".new"
GROUP_ROWS = 1 << 17
"""Rows of a row group: small enough that its statistics let readers skip most of a file."""
_STEM = re.compile(r"(\d{8,})(?:-(\d{8,}))?")


class Span(NamedTuple):
    """First and last segment number that a file holds."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """The file's name."""
        merged = f"-{self.last:08d}" if self.last != self.first else ""
        return f"{self.first:08d}{merged}{SUFFIX}"


def span_of(path: Path) -> Span | None:
    """What a file holds, by its name; None for a file that is no segment."""
    found = _STEM.fullmatch(path.stem) if path.suffix == SUFFIX else None
    return None if found is None else Span(int(found[1]), int(found[2] or found[1]))


def segments(folder: Path) -> list[tuple[Span, Path]]:
    """The segments of a folder by number, each once: files whose segments have been merged into another one
    that is there as well are left out.
    """
    found = [(span, path) for path in folder.glob(f"*{SUFFIX}") if (span := span_of(path)) is not None]
    found.sort(key=lambda one: (one[0].first, -one[0].last))
    kept: list[tuple[Span, Path]] = []
    for span, path in found:
        if not kept or span.last > kept[-1][0].last:
            kept.append((span, path))
    return kept


def write_table(table: pa.Table, path: Path) -> None:
    """Write a file as a whole, durable when this returns; one of the same name is replaced."""
    new = path.with_name(f".{path.stem}{NEW}")  # readers of whole folders leave out names with a dot
    with new.open("wb") as file:
        parquet.write_table(table, file, compression="zstd", row_group_size=GROUP_ROWS)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def remove_after(files: Iterable[Path], number: int) -> int:
    """Remove segments behind a number, and files that were never finished; returns how many."""
    removed = 0
    for path in files:
        span = span_of(path)
        if path.suffix == NEW or (span is not None and span.last > number):
            path.unlink()
            removed += 1
    return removed
