"""Columns of files that were read last: whoever looks into a day's alerts one after the other reads its files
once.

A file's name never stands for other content (`serving.compaction`), so what is kept never goes stale.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from features.behaviours import ENTITY_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BYTES = 96 << 20
"""A day of a million events with everything that a page shows of it."""
MOST_FILES = 1_000
_CODED = [*ENTITY_KINDS, "reason"]
"""Columns with few different texts, which need not be made one by one."""


class Kept:
    """Columns by file and row group, those of the last use. Thread-safe; one reads at a time, and whoever
    waited finds what the other has read.

    Parameters
    ----------
    most_bytes
        Of all columns together.
    """

    def __init__(self, most_bytes: int = BYTES) -> None:
        self._most_bytes = most_bytes
        self._abouts: OrderedDict[Path, parquet.FileMetaData] = OrderedDict()
        self._columns: OrderedDict[tuple[Path, int, str], pa.ChunkedArray] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def about(self, path: Path) -> parquet.FileMetaData:
        """A file's footer; FileNotFoundError when the file is gone."""
        with self._lock:
            found = self._abouts.get(path)
            if found is None:
                found = self._abouts[path] = parquet.read_metadata(path)
                if len(self._abouts) > MOST_FILES:
                    self._abouts.popitem(last=False)
            return found

    def table(self, path: Path, group: int, names: Sequence[str]) -> pa.Table:
        """Columns of a row group; FileNotFoundError when they are not kept and the file is gone."""
        about = self.about(path)
        with self._lock:
            lacking = [name for name in names if (path, group, name) not in self._columns]
            fresh: dict[str, pa.ChunkedArray] = {}
            if lacking:
                # what was learned has no reasons
                coded = [name for name in _CODED if name in about.schema.names]
                with parquet.ParquetFile(path, metadata=about, read_dictionary=coded) as file:
                    read = file.read_row_group(group, columns=lacking)
                fresh = {name: read[name] for name in lacking}
            found = [fresh[name] if name in fresh else self._touched(path, group, name) for name in names]
            for name, column in fresh.items():
                self._columns[path, group, name] = column
                self._bytes += column.nbytes
            while self._bytes > self._most_bytes:
                _, oldest = self._columns.popitem(last=False)
                self._bytes -= oldest.nbytes
        return pa.table(found, names=list(names))

    def _touched(self, path: Path, group: int, name: str) -> pa.ChunkedArray:
        self._columns.move_to_end((path, group, name))
        return self._columns[path, group, name]
