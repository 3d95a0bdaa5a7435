"""What was learned, event by event, so that it can be taken back: rows, and the files that the service keeps.

    tenants/<tenant>/learned/00000012.parquet

A learned segment is written with the lake segment of its number (see `serving.lake`) and like it belongs to
the checkpoint behind it. What no segment has yet is in memory; after a crash it comes again from the journal.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from features.behaviours import COLUMN, ENTITY_KINDS, VALUE_COLUMNS, WIDTH
from features.columns import Batch, concatenated
from serving import segments
from serving.texts import coded_texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from features.baselines import Baselines
    from models.detector import Detector
    from models.engine import Scores

SCHEMA = pa.schema(
    [
        ("time_us", pa.int64()),
        ("learned_us", pa.int64()),
        ("class_uid", pa.int32()),
        ("held", pa.bool_()),
        ("bytes_in", pa.int64()),
        ("bytes_out", pa.int64()),
        *((name, pa.dictionary(pa.int32(), pa.string())) for name in VALUE_COLUMNS),
        ("src_ip_entity", pa.bool_()),
    ]
)
"""Rows of a learned file. `learned_us`: the time whose weight it was learned with, as a rule its own."""
NUMBERED = SCHEMA.append(pa.field("number", pa.int64()))
"""Rows of the service's files: with the number of the event among all that the tenant had scored, from 0."""
READ_TRIES = 10


def table_of(baselines: Baselines, batch: Batch, learned_us: np.ndarray, held: np.ndarray) -> pa.Table:
    """Rows (SCHEMA) of a scored batch; values as text, since ids may be given anew."""
    by_column = np.ascontiguousarray(batch.columns.T)
    columns: list[pa.Array] = [
        pa.array(batch.time_us),
        pa.array(learned_us),
        pa.array(batch.class_uid, pa.int32()),
        pa.array(held),
        pa.array(batch.bytes_in),
        pa.array(batch.bytes_out),
    ]
    columns += [coded_texts(baselines.values, by_column[index]) for index in range(len(VALUE_COLUMNS))]
    columns.append(pa.array(by_column[WIDTH - 1] != 0))
    return pa.table(columns, schema=SCHEMA)


def batch_of(detector: Detector, table: pa.Table) -> Batch:
    """The batch that rows were written from, with the times of its weights.

    Ids are given to new names in the order of their texts: it does not matter how rows were cut into files.
    """
    columns = np.zeros((len(table), WIDTH), np.int32)
    baselines = detector.baselines
    for index, name in enumerate(VALUE_COLUMNS):
        coded = table[name].cast(pa.string()).combine_chunks().dictionary_encode()
        texts = coded.dictionary.to_pylist()
        order = sorted(range(len(texts)), key=texts.__getitem__)
        ids = np.zeros(len(texts), np.int32)
        ids[order] = baselines.values.intern_many([texts[place] for place in order])
        columns[:, index] = ids[coded.indices.to_numpy()]
    for kind, name in enumerate(ENTITY_KINDS):
        names = columns[:, COLUMN[name]]
        columns[names > 0, len(VALUE_COLUMNS) + kind] = baselines.entities.ids(kind, names[names > 0])
    columns[:, WIDTH - 1] *= table["src_ip_entity"].to_numpy().astype(np.int32)
    return Batch(
        # what is taken out must have the weight that went in; null in files from before there were two times
        time_us=pc.coalesce(table["learned_us"], table["time_us"]).to_numpy(),
        class_uid=table["class_uid"].to_numpy(),
        src_ip=columns[:, COLUMN["src_ip"]].copy(),
        columns=columns,
        # Null in files that were written before these columns were.
        bytes_in=table["bytes_in"].fill_null(0).to_numpy(),
        bytes_out=table["bytes_out"].fill_null(0).to_numpy(),
    )


class TakenBack(NamedTuple):
    """What unlearning did.

    events: how many were taken back, of which `held` had not been learned yet and never will be.
    missing_weight: decayed weight of their habits that was no longer there (faded or dropped).
    """

    events: int
    held: int
    missing_weight: float


def take_back(detector: Detector, rows: pa.Table) -> TakenBack:
    """Take rows (SCHEMA) out of a detector's baselines; those that are still held are never learned."""
    if not len(rows):
        return TakenBack(0, 0, 0.0)
    batch = batch_of(detector, rows)
    dropped = detector.engine.drop_held(batch)
    missing = detector.baselines.unlearn(batch.take(np.flatnonzero(~dropped)))
    return TakenBack(len(rows), int(dropped.sum()), missing)


class Window(NamedTuple):
    """Events of one entity in [from_us, to_us), by the times they happened."""

    entity_kind: str
    entity: str
    from_us: int
    to_us: int

    def mask(self, rows: pa.Table) -> pa.ChunkedArray:
        """Which rows are in it."""
        times = rows["time_us"]
        inside = pc.and_(pc.greater_equal(times, self.from_us), pc.less(times, self.to_us))
        return pc.and_(inside, pc.equal(rows[self.entity_kind].cast(pa.string()), self.entity))


class _Part(NamedTuple):
    """Scored events that are no table yet: making one for every event would cost more than scoring it."""

    batch: Batch
    learned_us: np.ndarray
    held: np.ndarray
    number: np.ndarray


class Learned:
    """Learned rows of all tenants: in memory, on their way to the disk, and there.

    `write` runs on the writer's thread, everything else on the engine's.

    Parameters
    ----------
    folder
        Folder of a tenant's learned segments.
    """

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self._parts: defaultdict[str, list[_Part]] = defaultdict(list)
        self._tables: defaultdict[str, list[pa.Table]] = defaultdict(list)
        self._on_the_way: dict[str, dict[int, pa.Table]] = {}
        self._lock = threading.Lock()

    def add(self, tenant: str, batch: Batch, scores: Scores, first: int) -> None:
        """Keep scored events, numbered from `first`."""
        number = first + np.arange(len(batch.time_us))
        self._parts[tenant].append(_Part(batch, scores.learned_us, scores.held, number))

    def settle(self, tenant: str, baselines: Baselines) -> list[pa.Table]:
        """Tables of all that is in memory; to be called before ids are given anew."""
        parts = self._parts.pop(tenant, [])
        if parts:
            rows = table_of(
                baselines,
                concatenated([part.batch for part in parts]),
                np.concatenate([part.learned_us for part in parts]),
                np.concatenate([part.held for part in parts]),
            )
            number = pa.array(np.concatenate([part.number for part in parts]))
            self._tables[tenant].append(rows.append_column("number", number))
        return self._tables[tenant]

    def cut(self, tenant: str, number: int, baselines: Baselines) -> None:
        """What is in memory becomes a segment, which `write` will put on disk."""
        tables = self.settle(tenant, baselines)
        if tables:
            with self._lock:
                ours = self._on_the_way.setdefault(tenant, {})
                ours[number] = pa.concat_tables(tables).cast(NUMBERED)
        self._tables.pop(tenant, None)

    def write(self, tenant: str, number: int) -> None:
        """Put a segment on disk; durable when this returns."""
        with self._lock:
            table = self._on_the_way.get(tenant, {}).get(number)
        if table is None:
            return
        folder = self._folder(tenant)
        folder.mkdir(parents=True, exist_ok=True)
        segments.write_table(table, folder / segments.Span(number, number).name)
        with self._lock:
            self._on_the_way.get(tenant, {}).pop(number, None)

    def forget(self, tenant: str) -> None:
        """Drop what is in memory: the tenant's state is built anew, and gives it again."""
        self._parts.pop(tenant, None)
        self._tables.pop(tenant, None)
        with self._lock:
            self._on_the_way.pop(tenant, None)

    def recall(self, tenant: str, window: Window, baselines: Baselines) -> pa.Table:
        """Rows (NUMBERED) of a window in the order they were scored; O(rows of the window, of all entities).

        Reading segments skips files and row groups whose times are outside of the window.
        """
        with self._lock:  # before the folder is listed: what is written meanwhile is in one of the two
            on_the_way = dict(self._on_the_way.get(tenant, {}))
        tables = [
            *self._from_disk(tenant, window, set(on_the_way)),
            *(on_the_way[number] for number in sorted(on_the_way)),
            *self.settle(tenant, baselines),
        ]
        chosen = [table.filter(window.mask(table)) for table in tables]
        return pa.concat_tables([NUMBERED.empty_table(), *(table.cast(NUMBERED) for table in chosen)])

    def behind(self, tenant: str, number: int, baselines: Baselines) -> pa.Table:
        """Rows (NUMBERED) of the events from a number on, in the order they were scored."""
        with self._lock:  # as in `recall`
            on_the_way = dict(self._on_the_way.get(tenant, {}))
        wanted = [("number", ">=", number)]
        tables = [
            *(
                parquet.read_table(path, schema=NUMBERED, filters=wanted, partitioning=None)
                for span, path in segments.segments(self._folder(tenant))
                if span.last not in on_the_way
            ),
            *(on_the_way[place] for place in sorted(on_the_way)),
            *self.settle(tenant, baselines),
        ]
        rows = pa.concat_tables([NUMBERED.empty_table(), *(table.cast(NUMBERED) for table in tables)])
        return rows.filter(pc.greater_equal(rows["number"], number)).sort_by("number")

    def _from_disk(self, tenant: str, window: Window, without: set[int]) -> list[pa.Table]:
        times = [("time_us", ">=", window.from_us), ("time_us", "<", window.to_us)]
        for attempt in range(READ_TRIES):
            try:
                tables = []
                for span, path in segments.segments(self._folder(tenant)):
                    if span.last not in without:
                        rows = parquet.read_table(path, schema=NUMBERED, filters=times, partitioning=None)
                        tables.append(rows.filter(window.mask(rows)))
                return tables
            except FileNotFoundError:  # merged meanwhile: list anew
                if attempt == READ_TRIES - 1:
                    raise
        raise AssertionError("unreachable")
