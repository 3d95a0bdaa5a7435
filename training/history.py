"""History on disk, in event time, larger than memory: Parquet files of events, read slice by slice.

Log files are laid out first: decoded once, and written by UTC day in segments that are sorted by time. Then
the files' metadata say which row groups a slice of time needs, and only those are read. Events of one time
stamp keep the order of the files and of the records in them, so the order of events is that of
`habitus score` over the same files.

Memory: one segment while files are laid out, one slice while events are read, a few hundred bytes an event.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from features.baselines import DAY_US, Baselines
from features.columns import Columniser, concatenated
from features.dedup import Deduper
from features.enrich import GeoDatabase
from features.errors import InputError
from features.identity import IdentityResolver
from features.reader import Reader
from training.events_table import NEEDED, SCHEMA, check_columns, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from features.columns import Batch
    from features.files import LogFile

SEGMENT_EVENTS = 500_000
ROW_GROUP = 65_536
SLICE_EVENTS = 131_072
"""Events that are read at once; one hour is never read in parts, however busy."""
PIECE_EVENTS = 32_768
"""Events that are scored at once: the detector needs about a kilobyte for each while it does."""
HOUR_US = 3_600_000_000
EPOCH = date(1970, 1, 1)
STRINGS = 2_000_000
"""Distinct strings after which the ids used while laying out begin anew."""
_OPTIONAL = ("bytes_in", "bytes_out")


def day_start_us(day: date) -> int:
    """Microseconds since 1970-01-01 UTC at which a day begins."""
    return (day - EPOCH).days * DAY_US


# ------------------------------------------------------------------------------------------------ laying out


class LaidOut(NamedTuple):
    """What became of the records of log files: read = events + duplicate + quarantined. sids: which stable id
    belongs to which name, as far as the files say.
    """

    read: int
    events: int
    duplicate: int
    quarantined: int
    sids: dict[str, str]


class Scratch:
    """A reader that belongs to no detector, and what its ids stand for.

    options: source and make_decoder of `features.reader.Reader`.
    """

    def __init__(self, **options: Any) -> None:
        self.resolver = IdentityResolver()
        self._geo = GeoDatabase()
        self.baselines = Baselines()
        self.reader = Reader(self._columniser(), self.resolver, Deduper(), key_seed=0, **options)

    def _columniser(self) -> Columniser:
        return Columniser(self.baselines.values, self.baselines.entities, self.resolver, self._geo)

    def begin_anew(self) -> None:
        """Forget all ids when there are too many strings: what was written holds words."""
        if len(self.baselines.values) > STRINGS:
            self.baselines = Baselines()
            self.reader.columniser = self._columniser()


def lay_out(
    scratch: Scratch,
    logs: Iterable[tuple[LogFile, str]],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> LaidOut:
    """Write the events of log files as a lake: `day=YYYY-MM-DD/NNNNNN.parquet` under a folder.

    Parameters
    ----------
    scratch
        A new one.
    logs
        Files with their sources, in order; "empty" ones are left out.
    progress
        Told the bytes read since the last call.
    """
    segment: list[Batch] = []
    held = number = 0
    for log, source in logs:
        if source == "empty":
            continue
        for chunk in scratch.reader.chunks(log, source, progress):
            segment.append(chunk.batch)
            held += len(chunk.batch.time_us)
            if held >= SEGMENT_EVENTS:
                number += 1
                _write_segment(concatenated(segment), scratch.baselines, folder, number)
                segment, held = [], 0
                scratch.begin_anew()
    if held:
        _write_segment(concatenated(segment), scratch.baselines, folder, number + 1)
    ledgers = scratch.reader.ledgers
    return LaidOut(
        sum(one.read for one in ledgers),
        sum(one.scored for one in ledgers),
        sum(one.duplicate for one in ledgers),
        sum(one.quarantined for one in ledgers),
        scratch.resolver.sids,
    )


def _write_segment(batch: Batch, baselines: Baselines, folder: Path, number: int) -> None:
    batch = batch.take(np.argsort(batch.time_us, kind="stable"))
    days = batch.time_us // DAY_US
    cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for first, last in itertools.pairwise(cuts):
        place = folder / f"day={EPOCH + timedelta(days=int(days[first]))}"
        place.mkdir(parents=True, exist_ok=True)
        parquet.write_table(
            table_of(batch.take(slice(first, last)), baselines.values),
            place / f"{number:06d}.parquet",
            compression="zstd",
            row_group_size=ROW_GROUP,
        )


# ------------------------------------------------------------------------------------------------ reading


@dataclass(frozen=True)
class _Group:
    """A row group and the times in it, both ends included."""

    file: int
    group: int
    first_us: int
    last_us: int


@dataclass(frozen=True)
class EventLake:
    """Parquet files of events, in the order of their names.

    since_us, until_us: only events from the first to before the second exist.
    """

    files: tuple[Path, ...]
    since_us: int
    until_us: int
    _groups: tuple[_Group, ...] = field(repr=False)
    _hours: np.ndarray = field(repr=False)

    @classmethod
    def opened(cls, folder: Path, since: date | None = None, until: date | None = None) -> EventLake:
        """Look at all files under a folder: their metadata and times, nothing else.

        Raises
        ------
        InputError
            If there is none, or one does not hold events with their values.
        """
        files = _whole(sorted(folder.rglob("*.parquet"))) if folder.is_dir() else ()
        if not files:
            raise InputError(f"{folder}: holds no Parquet files of events; give the folder of a lake")
        since_us = -(1 << 62) if since is None else day_start_us(since)
        until_us = 1 << 62 if until is None else day_start_us(until)
        groups: list[_Group] = []
        hours: dict[int, int] = {}
        for number, path in enumerate(files):
            with _parquet(path) as file:
                check_columns(file.schema_arrow, str(path))
                for group in range(file.num_row_groups):
                    part = file.read_row_group(group, columns=["time_us"], use_threads=False)
                    times = part["time_us"].to_numpy()
                    times = times[(times >= since_us) & (times < until_us)]
                    if len(times):
                        groups.append(_Group(number, group, int(times.min()), int(times.max())))
                        found, counts = np.unique(times // HOUR_US, return_counts=True)
                        for hour, count in zip(found.tolist(), counts.tolist(), strict=True):
                            hours[hour] = hours.get(hour, 0) + count
        table = np.array(sorted(hours.items()), np.int64).reshape(-1, 2)
        return cls(files, since_us, until_us, tuple(groups), table)

    def __len__(self) -> int:
        return int(self._hours[:, 1].sum())

    @property
    def span_us(self) -> tuple[int, int]:
        """Time of the first and of the last event; (0, 0) when there is none."""
        if not self._groups:
            return 0, 0
        return min(g.first_us for g in self._groups), max(g.last_us for g in self._groups)

    def between(self, since_us: int, until_us: int) -> EventLake:
        """The same files, with less of them."""
        since_us, until_us = max(since_us, self.since_us), min(until_us, self.until_us)
        first, last = since_us // HOUR_US, -(-until_us // HOUR_US)
        inside = (self._hours[:, 0] >= first) & (self._hours[:, 0] < last)
        groups = tuple(g for g in self._groups if g.last_us >= since_us and g.first_us < until_us)
        return EventLake(self.files, since_us, until_us, groups, self._hours[inside])

    def slices(self) -> Iterator[pa.Table]:
        """All events in event time, at most PIECE_EVENTS at a time; never an empty table.

        Memory: some hours of events are read at once (SLICE_EVENTS, or those of one hour), and three times as
        much while they are put in order; whoever takes the pieces needs room for one.
        """
        for start_us, stop_us in self._cuts():
            found = self._read(max(start_us, self.since_us), min(stop_us, self.until_us))
            for first in range(0, len(found), PIECE_EVENTS):
                yield found.slice(first, PIECE_EVENTS)
            del found

    def _cuts(self) -> Iterator[tuple[int, int]]:
        start, held = None, 0
        for hour, count in self._hours.tolist():
            if start is not None and held + count > SLICE_EVENTS:
                yield start * HOUR_US, hour * HOUR_US
                start, held = None, 0
            start = hour if start is None else start
            held += count
        if start is not None:
            yield start * HOUR_US, (int(self._hours[-1, 0]) + 1) * HOUR_US

    def _read(self, start_us: int, stop_us: int) -> pa.Table:
        wanted: dict[int, list[int]] = {}
        for group in self._groups:
            if group.last_us >= start_us and group.first_us < stop_us:
                wanted.setdefault(group.file, []).append(group.group)
        parts = []
        for number, chosen in sorted(wanted.items()):
            with _parquet(self.files[number]) as file:
                names = [name for name in (*NEEDED, *_OPTIONAL) if name in file.schema_arrow.names]
                # a thread a column would hold all of them decompressed at once
                part = file.read_row_groups(chosen, columns=names, use_threads=False)
            inside = pc.and_(pc.greater_equal(part["time_us"], start_us), pc.less(part["time_us"], stop_us))
            parts.append(_as_events(part.filter(inside)))
        if not parts:
            return SCHEMA.empty_table()
        table = pa.concat_tables(parts)
        ordered = table.take(pa.array(np.argsort(table["time_us"].to_numpy(), kind="stable")))
        # one dictionary a column, so that no piece has to make one of many again
        return ordered.unify_dictionaries().combine_chunks()


_NUMBERED = re.compile(r"(\d{8,})(?:-(\d{8,}))?")


def _whole(files: list[Path]) -> tuple[Path, ...]:
    """Without files whose segments another one of their folder holds as well: the service merges its small
    files, and for a moment both are there. `00000001-00000040.parquet` holds segments 1 to 40.
    """
    spans: dict[Path, tuple[int, int]] = {}
    for path in files:
        if found := _NUMBERED.fullmatch(path.stem):
            spans[path] = int(found[1]), int(found[2] or found[1])
    # the widest of those that begin at one segment first, so that one pass sees what holds what
    order = sorted(spans, key=lambda path: (path.parent, spans[path][0], -spans[path][1]))
    covered: dict[Path, int] = {}
    merged = set()
    for path in order:
        last = spans[path][1]
        if last <= covered.get(path.parent, -1):
            merged.add(path)
        covered[path.parent] = max(last, covered.get(path.parent, -1))
    return tuple(path for path in files if path not in merged)


def _as_events(table: pa.Table) -> pa.Table:
    """With the types that this version writes: other writers have plain text, or no bytes."""
    columns = []
    for kept in SCHEMA:
        if kept.name in table.column_names:
            column = table[kept.name]
            if column.type != kept.type:
                column = (
                    column.cast(pa.string()).dictionary_encode()
                    if pa.types.is_dictionary(kept.type)
                    else column.cast(kept.type)
                )
            columns.append(column)
        else:
            columns.append(pa.nulls(len(table)).cast(kept.type))
    return pa.table(columns, schema=SCHEMA)


def _parquet(path: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is no Parquet file ({str(error)[:120]})") from error
