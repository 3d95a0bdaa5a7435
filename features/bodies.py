"""From request bodies in memory to batches: what `features.reader` does for files, for many small bodies at
once.

Bodies of the byte scanner's source that follow one another are scanned as one buffer: a request of some
hundred events costs no more than its bytes. Everything depends on the bodies, their order and the tenant's
state alone, so that a journal of bodies can be replayed exactly.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features import files
from features.columns import concatenated
from features.errors import RecordError
from features.reader import CHUNK_RECORDS, NAMING_SEED, QUARANTINE_BYTES, Reader, uids_of
from features.rows import BROKEN, RawRows, empty_rows, put_events
from features.sources import registry
from features.sources.base import Sample, SourceContext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from features.columns import Batch
    from features.events import Event
    from features.sources.base import Decoder, Record

SCANNED = "ocsf"
"""The source that the byte scanner reads."""
SNIFFED_LINES = 8
SNIFFED_ALONE = 16
"""Lines that are looked at one by one when the beginning as a whole is of no known source."""
SNIFFED_BYTES = 1 << 14
UNKNOWN = "no known log format; name the source in the request, or describe its fields with a mapping"
LINE_FEED = 10
CLIENT_SEED = 0x636C69656E74
"""Keeps the ids that clients give apart from the ids of sources."""


_SMALL = 4096
"""Bytes of a body that is looked at line by line."""
_COUNTED = 1 << 14
"""Bytes below which an array that lets go of the interpreter costs more than it saves."""
_BLANK = np.zeros(256, np.bool_)
_BLANK[[byte for byte in range(256) if not bytes([byte]).strip()]] = True


class Body(NamedTuple):
    """One request's records, one a line, see `serving.submission.Submission`. modified_us: its receipt."""

    content: bytes
    source: str
    ids: tuple[str, ...] | None
    modified_us: int


class PutAside(NamedTuple):
    """A record that could not be decoded. body, record: which, both from 0; blank lines do not count."""

    body: int
    record: int
    reason: str
    raw: bytes


class Decoded(NamedTuple):
    """New events of some bodies, in order.

    uids: object array (n,) of text. body, record: int64 (n,), where each event comes from, both from 0.
    received, duplicate: int64, by body. aside: what could not be decoded.
    """

    batch: Batch
    uids: np.ndarray
    body: np.ndarray
    record: np.ndarray
    received: np.ndarray
    duplicate: np.ndarray
    aside: list[PutAside]

    def quarantined(self) -> np.ndarray:
        """int64, by body."""
        return np.bincount([aside.body for aside in self.aside], minlength=len(self.received)).astype(
            np.int64
        )


class _Part(NamedTuple):
    batch: Batch
    uids: list[str]
    body: np.ndarray
    record: np.ndarray


def count_records(content: bytes) -> int:
    """Lines that are not blank."""
    if len(content) < _SMALL:
        return len(list(filter(bytes.strip, content.split(b"\n"))))
    # a blank line holds nothing but blanks: where no line begins with one, none of them is blank
    data = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(data == LINE_FEED)
    firsts = data[np.minimum(np.concatenate([[0], ends + 1]), len(data) - 1)]
    if len(ends) and ends[-1] == len(data) - 1:
        firsts = firsts[:-1]
    if not _BLANK[firsts].any():
        return len(firsts)
    return len(list(filter(bytes.strip, content.split(b"\n"))))


def line_feeds(content: bytes) -> int:
    """How many there are; of a large body several times as fast as `bytes.count`."""
    if len(content) < _COUNTED:
        return content.count(b"\n")
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == LINE_FEED))


def nth_record(content: bytes, number: int) -> bytes:
    """A record by its number among the lines that are not blank; empty when there are not so many."""
    lines = (line for line in content.split(b"\n") if line.strip())
    return next(itertools.islice(lines, number, None), b"")


def source_of(content: bytes) -> str:
    """The source of a body, "" when none is known; looks at its first lines only."""
    head = content[:SNIFFED_BYTES]
    if len(content) > SNIFFED_BYTES:
        head = head[: head.rfind(b"\n") + 1] or content.partition(b"\n")[0]
    if b"\n" not in head:
        return _sniffed([head.rstrip(b"\r")] if head.strip() else [])
    lines = [line.rstrip(b"\r") for line in head.split(b"\n") if line.strip()][:SNIFFED_ALONE]
    found = _sniffed(lines[:SNIFFED_LINES])
    for line in lines:
        found = found or _sniffed([line])
    return found


def _sniffed(lines: list[bytes]) -> str:
    if not lines:
        return ""
    head = b"\n".join(lines)
    # a request of one event is sniffed as often as it is decoded: its line says it all
    record = files.object_of(lines[0]) if len(head) < SNIFFED_BYTES else None
    if record is None:
        record = files.sample_of(files.in_memory("", head + b"\n", 0)).record
    return registry.sniff(Sample("", head, tuple(lines), record))


def decode(reader: Reader, bodies: Sequence[Body]) -> Decoded:
    """Decode, deduplicate and columnise bodies in order; what cannot be decoded is put aside, nothing raises.

    reader: the tenant's; its deduper remembers what was admitted. O(bytes).
    """
    parts: list[_Part] = []
    received, duplicate = np.zeros(len(bodies), np.int64), np.zeros(len(bodies), np.int64)
    aside: list[PutAside] = []
    sources = [body.source if body.source != "auto" else source_of(body.content) for body in bodies]
    work = _Work(reader, bodies, received, duplicate, aside)
    for source, group in itertools.groupby(range(len(bodies)), sources.__getitem__):
        chosen = list(group)
        if source == SCANNED and reader.make_decoder is None:
            parts += work.scanned(chosen)
        else:
            for number in chosen:
                parts += work.typed(number, source)
    everything = concatenated([part.batch for part in parts])
    uids = np.empty(len(everything.time_us), object)
    uids[:] = [uid for part in parts for uid in part.uids]
    none = np.zeros(0, np.int64)
    return Decoded(
        everything,
        uids,
        np.concatenate([none, *(part.body for part in parts)]),
        np.concatenate([none, *(part.record for part in parts)]),
        received,
        duplicate,
        aside,
    )


class _Work:
    """One call of `decode`: what its steps share."""

    def __init__(
        self,
        reader: Reader,
        bodies: Sequence[Body],
        received: np.ndarray,
        duplicate: np.ndarray,
        aside: list[PutAside],
    ) -> None:
        self.reader = reader
        self.bodies = bodies
        self.received = received
        self.duplicate = duplicate
        self.aside = aside

    def _context(self, body: Body) -> SourceContext:
        year = datetime.fromtimestamp(body.modified_us / 1e6, UTC).year
        return SourceContext(
            path="", modified_us=body.modified_us, default_year=year, identity=self.reader.resolver
        )

    def _admitted(self, keys: np.ndarray, body: np.ndarray, record: np.ndarray) -> np.ndarray:
        """Bool (n,): new events. Keys of records with a client's id are replaced by that id's."""
        for number, asked in enumerate(self.bodies):
            ids = asked.ids
            if ids is None:
                continue
            mine = np.flatnonzero(body == number)
            given = [ids[index] if index < len(ids) else "" for index in record[mine].tolist()]
            named = np.array([bool(name) for name in given], np.bool_)
            keys[mine[named]] = self.reader.keys_of(
                self.reader.key_seed ^ CLIENT_SEED,
                [name.encode("utf-8", "replace") for name in given if name],
            )
        new = self.reader.deduper.admit(keys)
        self.duplicate += np.bincount(body[~new], minlength=len(self.bodies)).astype(np.int64)
        return new

    # ------------------------------------------------------------ byte scanner

    def scanned(self, chosen: list[int]) -> Iterator[_Part]:
        """Bodies of the scanner's source as one buffer."""
        from features.scanner_line import MARGIN

        contents = [self.bodies[number].content for number in chosen]
        joined = b"\n".join([*contents, b""])
        # with less behind it, the last line would be left to the typed decoder: of one event, all of it
        buffer = np.frombuffer(joined + bytes(MARGIN), np.uint8)
        starts = np.cumsum([0, *(len(content) + 1 for content in contents[:-1])])
        scanner = self.reader.scanner()
        rows_at_once = min(CHUNK_RECORDS, line_feeds(joined) + 1)
        seen = np.zeros(len(chosen), np.int64)
        position, stop = 0, len(joined)
        while position < stop:
            rows = empty_rows(rows_at_once)
            memo = self.reader.columniser.begin()
            position, filled, broken = scanner.scan_with_fallback(buffer, position, stop, rows, memo)
            rows = RawRows(*(array[:filled] for array in rows))
            place = np.searchsorted(starts, rows.start, side="right") - 1
            count = np.bincount(place, minlength=len(chosen))
            first = np.searchsorted(place, np.arange(len(chosen)))
            record = np.arange(filled) - first[place] + seen[place]
            seen += count
            for row, reason in broken:
                raw = buffer[int(rows.start[row]) : int(rows.stop[row])][:QUARANTINE_BYTES].tobytes()
                self.aside.append(PutAside(chosen[place[row]], int(record[row]), reason, raw))
            good = np.flatnonzero(rows.state != BROKEN)
            body = np.array(chosen, np.int64)[place]
            kept = good[self._admitted(rows.key[good], body[good], record[good])]
            if len(kept) < filled:
                rows = RawRows(*(np.ascontiguousarray(array[kept]) for array in rows))
            yield _Part(self.reader.columniser.batch(rows), uids_of(buffer, rows), body[kept], record[kept])
        self.received[chosen] += seen

    # ------------------------------------------------------------ typed decoders

    def typed(self, number: int, source: str) -> Iterator[_Part]:
        """One body through its source's decoder; a record that another source knows better goes there."""
        body = self.bodies[number]
        context = self._context(body)
        decoder = self.reader.decoder(source, context) if source else None
        others: dict[str, Decoder] = {}
        events: list[tuple[str, Event, bytes, int]] = []
        records = self._readable(number)
        for record, content in decoder.frames(records) if decoder is not None else records:
            # a decoder may leave lines out (headers) or join them; what it gives is what was received
            self.received[number] += 1
            try:
                events.append(
                    (*self._event(decoder, source, content, body, context, others), content, record)
                )
            except RecordError as error:
                self.aside.append(PutAside(number, record, str(error), content[:QUARANTINE_BYTES]))
            if len(events) >= CHUNK_RECORDS:
                yield self._part(number, events)
                events = []
        if events:
            yield self._part(number, events)

    def _readable(self, number: int) -> Iterator[Record]:
        body = self.bodies[number]
        numbers = itertools.count()
        for _, line in files.records(files.in_memory("", body.content, body.modified_us)):
            if isinstance(line, RecordError):
                self.received[number] += 1
                self.aside.append(PutAside(number, next(numbers), str(line), b""))
            elif line.strip():
                yield next(numbers), line

    def _event(
        self,
        decoder: Decoder | None,
        source: str,
        content: bytes,
        body: Body,
        context: SourceContext,
        others: dict[str, Decoder],
    ) -> tuple[str, Event]:
        try:
            if decoder is None:
                raise RecordError(UNKNOWN)
            return source, self._decoded(decoder, content)
        except RecordError:
            other = _sniffed([content]) if body.source == "auto" else ""
            if not other or other == source:
                raise
            if other not in others:
                others[other] = self.reader.decoder(other, context)
            return other, self._decoded(others[other], content)

    @staticmethod
    def _decoded(decoder: Decoder, content: bytes) -> Event:
        try:
            return decoder.decode(content)
        except RecordError:
            raise
        except Exception as error:  # a decoder's fault must not stop the stream for ever
            raise RecordError(f"the {decoder.name} decoder failed ({type(error).__name__})") from error

    def _part(self, number: int, events: list[tuple[str, Event, bytes, int]]) -> _Part:
        reader = self.reader
        names = [event.uid.encode("utf-8", "replace") or content for _, event, content, _ in events]
        keys = np.zeros(len(events), np.uint64)
        sources = np.array([source for source, *_ in events], object)
        for source in dict.fromkeys(sources.tolist()):
            mine = np.flatnonzero(sources == source)
            keys[mine] = reader.keys_of(reader.seed_of(source), [names[index] for index in mine.tolist()])
        record = np.array([place for *_, place in events], np.int64)
        kept = np.flatnonzero(self._admitted(keys, np.full(len(events), number, np.int64), record))
        chosen = [events[index][1] for index in kept.tolist()]
        rows = empty_rows(len(chosen))
        put_events(rows, np.arange(len(chosen)), chosen, reader.columniser.begin())
        hashes = reader.keys_of(NAMING_SEED, [names[index] for index in kept.tolist()])
        uids = [event.uid or f"{name:016x}" for event, name in zip(chosen, hashes.tolist(), strict=True)]
        return _Part(reader.columniser.batch(rows), uids, np.full(len(kept), number, np.int64), record[kept])
