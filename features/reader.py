"""From log files to batches: sniff, decode, quarantine, deduplicate, columnise; and the ledger that accounts
for every record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features import files
from features.errors import RecordError
from features.interner import PADDING
from features.lowlevel import hash_ranges
from features.rows import BROKEN, RawRows, empty_rows, put_events
from features.sources import registry
from features.sources.base import SourceContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from features.columns import Batch, Columniser
    from features.dedup import Deduper
    from features.events import Event
    from features.identity import IdentityResolver
    from features.scanner import OcsfScanner
    from features.sources.base import Decoder

CHUNK_RECORDS = 16_384
SCAN_BYTES = 1 << 23
NAMING_SEED = 0
"""Seed of the hash that names an event without an id of its own: the same in every run, unlike
deduplication's.
"""
QUARANTINE_BYTES = 1 << 16
"""Bytes of a quarantined record that are kept, so that it can be read again after a fix."""


@dataclass
class FileLedger:
    """What became of the records of one file; read = scored + duplicate + quarantined."""

    file: str
    source: str
    read: int = 0
    scored: int = 0
    duplicate: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Quarantined:
    """One record that could not be decoded."""

    file: str
    record: int
    reason: str
    raw: bytes


class Chunk(NamedTuple):
    """Decoded, deduplicated events of one file in file order.

    batch: their columns. uids: the records' own ids, else 16 hex digits of their hash.
    """

    batch: Batch
    uids: list[str]


@dataclass
class Reader:
    """Reads files for one tenant.

    Parameters
    ----------
    columniser, resolver, deduper
        The tenant's; shared over all files of a run.
    key_seed
        Secret seed of the deduplication keys; kept with the tenant's state.
    source
        A source name, or "auto" to sniff each file.
    make_decoder
        Replaces the registry for one source (a field mapping file).
    """

    columniser: Columniser
    resolver: IdentityResolver
    deduper: Deduper
    key_seed: int
    source: str = "auto"
    make_decoder: Callable[[SourceContext], Decoder] | None = None
    ledgers: list[FileLedger] = field(default_factory=list)
    quarantine: Callable[[Quarantined], None] = lambda record: None
    _scanner: OcsfScanner | None = field(default=None, init=False, repr=False)

    def source_of(self, log: files.LogFile) -> str:
        """The source of a file, "" when sniffing finds none."""
        if self.make_decoder is not None:
            return "mapping"
        if self.source != "auto":
            return self.source
        if log.is_evtx:
            return "evtx"
        return registry.sniff(files.sample_of(log))

    def chunks(
        self, log: files.LogFile, source: str, progress: Callable[[int], None] | None = None
    ) -> Iterator[Chunk]:
        """All events of a file, chunk by chunk; its ledger is appended to `ledgers` at once and filled as it
        is read.
        """
        ledger = FileLedger(log.name, source)
        self.ledgers.append(ledger)
        if source == "ocsf" and files.is_lines(log):
            yield from self._scanned(log, ledger, progress)
        else:
            yield from self._decoded(log, source, ledger, progress)

    def _context(self, log: files.LogFile) -> SourceContext:
        year = datetime.fromtimestamp(log.modified_us / 1e6, UTC).year
        return SourceContext(
            path=log.name, modified_us=log.modified_us, default_year=year, identity=self.resolver
        )

    # ------------------------------------------------------------ typed decoders

    def decoder(self, source: str, context: SourceContext) -> Decoder:
        """A new decoder of a source."""
        if self.make_decoder is not None:
            return self.make_decoder(context)
        return registry.decoder_class(source)(context)

    def _decoded(
        self, log: files.LogFile, source: str, ledger: FileLedger, progress: Callable[[int], None] | None
    ) -> Iterator[Chunk]:
        context = self._context(log)
        decoder = self.decoder(source, context)
        events: list[Event] = []
        bodies: list[bytes] = []
        for number, record in decoder.frames(self._readable(files.records(log, progress), ledger)):
            ledger.read += 1
            try:
                event = decoder.decode(record)
            except RecordError as error:
                self._put_aside(ledger, number, str(error), record)
                continue
            events.append(event)
            bodies.append(event.uid.encode("utf-8", "replace") if event.uid else record)
            if len(events) >= CHUNK_RECORDS:
                yield self._chunk(source, events, bodies, ledger)
                events, bodies = [], []
        if events:
            yield self._chunk(source, events, bodies, ledger)

    def _readable(
        self, records: Iterator[tuple[int, bytes | RecordError]], ledger: FileLedger
    ) -> Iterator[tuple[int, bytes]]:
        for number, record in records:
            if isinstance(record, RecordError):
                ledger.read += 1
                self._put_aside(ledger, number, str(record), b"")
            else:
                yield number, record

    def _put_aside(self, ledger: FileLedger, number: int, reason: str, raw: bytes) -> None:
        ledger.quarantined += 1
        self.quarantine(Quarantined(ledger.file, number, reason, raw[:QUARANTINE_BYTES]))

    def _chunk(self, source: str, events: list[Event], bodies: list[bytes], ledger: FileLedger) -> Chunk:
        keys = self.keys_of(self.seed_of(source), bodies)
        new = self.deduper.admit(keys)
        ledger.duplicate += len(events) - int(new.sum())
        kept = np.flatnonzero(new)
        chosen = [events[index] for index in kept]
        rows = empty_rows(len(chosen))
        put_events(rows, np.arange(len(chosen)), chosen, self.columniser.begin())
        ledger.scored += len(chosen)
        uids = [event.uid for event in chosen]
        unnamed = [place for place, uid in enumerate(uids) if not uid]
        names = self.keys_of(NAMING_SEED, [bodies[kept[place]] for place in unnamed])
        for place, name in zip(unnamed, names.tolist(), strict=True):
            uids[place] = f"{name:016x}"
        return Chunk(self.columniser.batch(rows), uids)

    @staticmethod
    def keys_of(seed: int, bodies: list[bytes]) -> np.ndarray:
        """uint64 hashes of some bytes each; with the tenant's seed they are deduplication keys."""
        stops = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))
        starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])
        keys = np.empty(len(bodies), np.uint64)
        buffer = np.frombuffer(b"".join(bodies) + bytes(PADDING), np.uint8)
        hash_ranges(buffer, starts[: len(bodies)], stops, seed, keys)
        return keys

    def seed_of(self, source: str) -> int:
        """Seed of a source's deduplication keys."""
        # one id space a source: two products may number their records alike
        return self.key_seed ^ sum(byte << 8 * (index % 6) for index, byte in enumerate(source.encode()))

    # ------------------------------------------------------------ byte scanner

    def scanner(self) -> OcsfScanner:
        """The byte scanner; one for all, since its working memory takes longer to make than a record to read.
        Of a context it knows the identities alone.
        """
        from features.scanner import OcsfScanner

        if self._scanner is None:
            self._scanner = OcsfScanner(SourceContext(identity=self.resolver), self.seed_of("ocsf"))
        return self._scanner

    def _scanned(
        self, log: files.LogFile, ledger: FileLedger, progress: Callable[[int], None] | None
    ) -> Iterator[Chunk]:
        scanner = self.scanner()
        for part in files.line_buffers(log, SCAN_BYTES, progress):
            if isinstance(part.stop, RecordError):
                ledger.read += 1
                self._put_aside(ledger, part.first_line, str(part.stop), b"")
                continue
            position = 0
            while position < part.stop:
                rows = empty_rows(CHUNK_RECORDS)
                memo = self.columniser.begin()
                position, filled, broken = scanner.scan_with_fallback(
                    part.buffer, position, part.stop, rows, memo
                )
                rows = RawRows(*(array[:filled] for array in rows))
                ledger.read += filled
                for row, reason in broken:
                    start, stop = int(rows.start[row]), int(rows.stop[row])
                    line = part.first_line + int(np.count_nonzero(part.buffer[:start] == ord("\n")))
                    self._put_aside(ledger, line, reason, part.buffer[start:stop].tobytes())
                good = np.flatnonzero(rows.state != BROKEN)
                new = self.deduper.admit(rows.key[good])
                ledger.duplicate += len(good) - int(new.sum())
                kept = good[new]
                ledger.scored += len(kept)
                if len(kept) < filled:
                    rows = RawRows(*(np.ascontiguousarray(array[kept]) for array in rows))
                yield Chunk(self.columniser.batch(rows), uids_of(part.buffer, rows))


def uids_of(buffer: np.ndarray, rows: RawRows) -> list[str]:
    """The records' own ids, else 16 hex digits of their hash."""
    sizes = rows.uid_stop - rows.uid_start
    ends = np.cumsum(sizes)
    # all of them as one text: to cut that costs half of what cutting bytes and decoding each does
    content = buffer[np.repeat(rows.uid_start - (ends - sizes), sizes) + np.arange(int(sizes.sum()))]
    text = content.tobytes().decode("utf-8")
    if len(text) == len(content):
        uids = [text[stop - size : stop] for size, stop in zip(sizes.tolist(), ends.tolist(), strict=True)]
    else:
        view = buffer.data
        uids = [
            str(view[start:stop], "utf-8")
            for start, stop in zip(rows.uid_start.tolist(), rows.uid_stop.tolist(), strict=True)
        ]
    unnamed = np.flatnonzero(rows.uid_start == rows.uid_stop)
    names = np.empty(len(unnamed), np.uint64)
    hash_ranges(buffer, rows.start[unnamed], rows.stop[unnamed], NAMING_SEED, names)
    for place, name in zip(unnamed.tolist(), names.tolist(), strict=True):
        uids[place] = f"{name:016x}"
    return uids
