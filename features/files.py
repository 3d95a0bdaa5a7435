"""Files as records: decompression, encodings, lines with a limit, JSON documents, and EVTX."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import msgspec
import numpy as np
import zstandard

from features.errors import InputError, RecordError
from features.interner import PADDING
from features.sources.base import Record, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 22
ZSTD_WINDOW = 1 << 27
"""Bytes of memory that a zstd frame may ask for (what its own tools allow without --long)."""
LINE_LIMIT = 16 << 20
"""Bytes of one line; a longer one is quarantined, so that a file without line ends cannot fill the memory."""
DOCUMENT_LIMIT = 1 << 30
"""Bytes of one JSON document (an array or a {"Records": [...]} file) after decompression."""
SUFFIXES = (
    ".json",
    ".ndjson",
    ".jsonl",
    ".log",
    ".csv",
    ".evtx",
    ".txt",
    ".labeled",
    ".gz",
    ".zst",
    ".tsv",
    ".eve",
)
WRAPPERS = ("Records", "value", "records", "events", "Events")
"""Keys under which a document holds its list of records."""

_GZIP, _ZSTD, _EVTX = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"ElfFile\x00"
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Stream(NamedTuple):
    """Decompressed bytes of a file, and the file they come from (None for standard input)."""

    content: BinaryIO
    raw: BinaryIO | None


@dataclass(frozen=True)
class LogFile:
    """One input, opened anew for every pass. `name` is what people see; `path` None means standard input (one
    pass), unless the content is in memory already: then it is plain text, one record a line.
    """

    name: str
    path: Path | None
    head: bytes
    modified_us: int
    content: bytes | None = None

    @property
    def is_evtx(self) -> bool:
        """Whether this is a binary Windows event log."""
        return self.content is None and self.head.startswith(_EVTX)

    @contextmanager
    def opened(self) -> Iterator[Stream]:
        """The decompressed bytes, and how far the file itself has been read; closed when the block ends."""
        if self.content is not None:
            yield Stream(io.BytesIO(self.content), None)
            return
        if self.path is None:
            yield Stream(cast("BinaryIO", _Prefixed(self.head, sys.stdin.buffer)), None)
            return
        with self.path.open("rb") as raw, _decompressed(raw) as stream:
            yield Stream(stream, raw)


class _Prefixed(io.RawIOBase):
    """Standard input with its sniffed beginning put back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            part, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return part
        return self._rest.read(size)


@contextmanager
def _decompressed(raw: BinaryIO) -> Iterator[BinaryIO]:
    magic = raw.read(4)
    raw.seek(0)
    if magic[:2] == _GZIP:
        with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
            yield cast("BinaryIO", stream)
    elif magic == _ZSTD:
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        with decompressor.stream_reader(raw, read_across_frames=True, closefd=False) as stream:
            yield cast("BinaryIO", stream)
    else:
        yield raw


def open_log(argument: str | Path) -> LogFile:
    """Look at the beginning of a file ("-" is standard input); InputError says what is wrong with it."""
    if str(argument) == "-":
        head = sys.stdin.buffer.read(HEAD_BYTES)
        if head[:2] == _GZIP or head[:4] == _ZSTD:
            raise InputError(
                "standard input is compressed: decompress it first, for example with zcat or zstdcat"
            )
        return LogFile("-", None, head, time.time_ns() // 1000)
    path = Path(argument)
    try:
        modified_us = path.stat().st_mtime_ns // 1000
        with path.open("rb") as raw, _decompressed(raw) as stream:
            head = stream.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder where a file was expected") from error
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read; check its permissions") from error
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); is it damaged or still being written?"
        ) from error
    return LogFile(str(path), path, head, modified_us)


def in_memory(name: str, content: bytes, modified_us: int) -> LogFile:
    """Plain text that is at hand: one record a line, whatever it begins with."""
    return LogFile(name, None, content[:HEAD_BYTES], modified_us, content)


def expand(arguments: list[str]) -> tuple[list[str], set[str]]:
    """Files named by the arguments; folders are searched for log files. Second: those found in folders, not
    named.
    """
    files: list[str] = []
    found: set[str] = set()
    for argument in arguments:
        if argument != "-" and Path(argument).is_dir():
            inside = sorted(
                str(path)
                for path in Path(argument).rglob("*")
                if path.is_file() and path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")
            )
            if not inside:
                raise InputError(f"{argument}: no log files in this folder (looked for {' '.join(SUFFIXES)})")
            files += inside
            found.update(inside)
        else:
            files.append(argument)
    return files, found


def sample_of(log: LogFile) -> Sample:
    """What the decoders sniff."""
    head = _as_utf8(log.head)
    lines = tuple(
        line for line in head.split(b"\n")[: None if len(log.head) < HEAD_BYTES else -1] if line.strip()
    )
    return Sample(
        name=log.name,
        head=head,
        lines=tuple(line.rstrip(b"\r") for line in lines),
        record=_first_object(log, lines),
    )


def _as_utf8(head: bytes) -> bytes:
    encoding = _UTF16.get(head[:2])
    if encoding:
        return head[2:].decode(encoding, "ignore").encode()
    return head.removeprefix(codecs.BOM_UTF8)


def object_of(line: bytes) -> dict[str, object] | None:
    """The object that `Sample.record` is where a file begins with this line; None where the line alone does
    not say, because it is no whole JSON document.
    """
    if line[:1] != b"{":
        return None
    try:
        return _innermost(msgspec.json.decode(line))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _first_object(log: LogFile, lines: tuple[bytes, ...]) -> dict[str, object]:
    if not lines or lines[0].lstrip()[:1] not in (b"{", b"["):
        return {}
    try:
        value = msgspec.json.decode(lines[0])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        try:
            # one document over many lines: read all of it, as the records will be
            value = msgspec.json.decode(next(iter(_document_records(log)))[1])
        except (
            msgspec.DecodeError,
            RecursionError,
            RecordError,
            StopIteration,
            InputError,
            UnicodeDecodeError,
        ):
            return {}
    return _innermost(value)


def _innermost(value: object) -> dict[str, object]:
    while True:
        if isinstance(value, list) and value:
            value = value[0]
        elif isinstance(value, dict) and (wrapped := _wrapped(value)):
            value = wrapped
        else:
            return value if isinstance(value, dict) else {}


def _wrapped(value: dict[str, object]) -> list[object]:
    for key in WRAPPERS:
        inner = value.get(key)
        if isinstance(inner, list) and inner and isinstance(inner[0], dict) and len(value) <= 4:
            return inner
    return []


def records(
    log: LogFile, progress: Callable[[int], None] | None = None
) -> Iterator[tuple[int, bytes | RecordError]]:
    """Numbered raw records: lines, elements of a JSON document, or EVTX records as JSON; an unreadable one as
    its error.

    progress is called with the number of bytes of the file (compressed, if it is) taken since the last call.
    """
    if log.is_evtx:
        from features.sources import evtx

        yield from evtx.records(log.name)
    elif _is_document(log):
        yield from _document_records(log)
    else:
        yield from lines(log, progress)


def _is_document(log: LogFile) -> bool:
    if log.content is not None:
        return False
    head = _as_utf8(log.head).lstrip()
    if head[:1] == b"[":
        return True
    if head[:1] != b"{":
        return False
    first, separator, rest = head.partition(b"\n")
    try:
        value = msgspec.json.decode(first)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # an object over several lines has an unfinished first line; a broken NDJSON line is followed by
        # others like it
        follower = rest.lstrip()[:1]
        return bool(separator) and follower != b"{" and (len(first) < 200 or not rest.strip())
    return isinstance(value, dict) and bool(_wrapped(value))


def _document_records(log: LogFile) -> Iterator[tuple[int, bytes]]:
    with log.opened() as stream:
        content = _as_utf8(stream.content.read(DOCUMENT_LIMIT + 1))
    if len(content) > DOCUMENT_LIMIT:
        raise InputError(
            f"{log.name}: one JSON document of more than 1 GiB; split it or write one record a line"
        )
    documents = content.splitlines() if b"\n" in content and _is_ndjson_of_wrappers(content) else [content]
    number = 0
    for document in documents:
        if not document.strip():
            continue
        for record in _elements(document, log.name):
            number += 1
            yield number, bytes(record)


def _is_ndjson_of_wrappers(content: bytes) -> bool:
    first = content.lstrip().partition(b"\n")[0]
    try:
        msgspec.json.decode(first)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _elements(document: bytes, name: str) -> list[msgspec.Raw]:
    try:
        if document.lstrip()[:1] == b"[":
            return msgspec.json.decode(document, type=list[msgspec.Raw])
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        for key in WRAPPERS:
            if key in fields and bytes(fields[key]).lstrip()[:1] == b"[" and len(fields) <= 4:
                return msgspec.json.decode(fields[key], type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not a valid JSON document ({str(error)[:120]}); is it cut off?") from error
    return [msgspec.Raw(document)]


def lines(
    log: LogFile, progress: Callable[[int], None] | None = None
) -> Iterator[tuple[int, bytes | RecordError]]:
    """Numbered lines without their endings; one longer than LINE_LIMIT as an error."""
    number = 0
    carry = b""
    skipping = False
    try:
        for block in blocks(log, progress):
            parts = (carry + block).split(b"\n")
            carry = parts.pop()
            for part in parts:
                number += 1
                if skipping:
                    skipping = False
                    continue
                yield number, part
            if len(carry) > LINE_LIMIT:
                if not skipping:
                    yield number + 1, RecordError(f"line longer than {LINE_LIMIT >> 20} MiB")
                carry, skipping = b"", True
    except RecordError as error:
        yield number + 1, error
        return
    if carry and not skipping:
        yield number + 1, carry


def blocks(log: LogFile, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Decompressed UTF-8 bytes in blocks; a stream that breaks off in the middle ends in a RecordError naming
    the byte.
    """
    done, told = 0, 0
    decoder: codecs.IncrementalDecoder | None = None
    with log.opened() as stream:
        while True:
            try:
                block = stream.content.read(BLOCK_BYTES)
            except (OSError, EOFError, zstandard.ZstdError) as error:
                raise InputError(
                    f"{log.name}: damaged after {done:,} bytes ({error}); what comes before was not kept"
                ) from error
            if not block:
                return
            if done == 0:
                encoding = _UTF16.get(block[:2])
                if encoding:
                    decoder = codecs.getincrementaldecoder(encoding)("replace")
                    block = block[2:]
                else:
                    block = block.removeprefix(codecs.BOM_UTF8)
            done += len(block)
            if progress:
                position = done if stream.raw is None else stream.raw.tell()
                progress(position - told)
                told = position
            yield decoder.decode(block).encode("utf-8", "replace") if decoder else block


class Lines(NamedTuple):
    """Complete lines in a padded uint8 buffer; `stop` is their end, or the error that ended the file."""

    buffer: np.ndarray
    stop: int | RecordError
    first_line: int


def line_buffers(log: LogFile, size: int, progress: Callable[[int], None] | None = None) -> Iterator[Lines]:
    """A file's complete lines in buffers of about `size` bytes, for the byte scanner."""
    first_line = 1
    waiting: list[bytes] = []
    waiting_bytes = 0
    empty = np.zeros(PADDING, np.uint8)
    skipping = False
    try:
        for taken in blocks(log, progress):
            block = taken
            if skipping:
                skipping = b"\n" not in block
                block = block.partition(b"\n")[2]
            waiting.append(block)
            waiting_bytes += len(block)
            if waiting_bytes < size:
                continue
            joined = b"".join(waiting)
            end = joined.rfind(b"\n") + 1
            waiting, waiting_bytes = [joined[end:]], len(joined) - end
            if waiting_bytes > LINE_LIMIT:
                yield Lines(empty, RecordError(f"line longer than {LINE_LIMIT >> 20} MiB"), first_line)
                waiting, waiting_bytes, skipping = [], 0, True
            if end:
                yield Lines(np.frombuffer(joined[:end] + bytes(PADDING), np.uint8), end, first_line)
                first_line += joined.count(b"\n")
    except RecordError as error:
        yield Lines(empty, error, first_line)
        return
    rest = b"".join(waiting)
    if rest:
        yield Lines(np.frombuffer(rest + bytes(PADDING), np.uint8), len(rest), first_line)


def is_lines(log: LogFile) -> bool:
    """Whether the file is one record a line."""
    return not log.is_evtx and not _is_document(log)


__all__ = [
    "LogFile",
    "Record",
    "blocks",
    "expand",
    "in_memory",
    "is_lines",
    "line_buffers",
    "lines",
    "object_of",
    "open_log",
    "records",
    "sample_of",
]
