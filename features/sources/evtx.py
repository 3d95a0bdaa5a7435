"""Binary Windows event logs (.evtx): records through pyevtx-rs, decoded as its JSON.

`records` turns a file into numbered JSON records; `EvtxDecoder` decodes them with the rules of all other
Windows carriers, so that the same event read from .evtx and shipped by winlogbeat gives the same Event.
Time is TimeCreated: the stamp in the binary record header can be zero (year 1601) where a log was rescued
or a clock was wrong.
"""

from __future__ import annotations

from io import SEEK_END
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final

from features.errors import InputError, RecordError
from features.sources.windows_json import WindowsJsonDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from features.sources.base import Sample

SIGNATURE: Final = b"ElfFile\0"
"""First bytes of every .evtx file."""
_HEADER_BYTES: Final = 4_096
_CHUNK_BYTES: Final = 65_536
_ERROR_LIMIT: Final = 160
_REPEAT_LIMIT: Final = 1_000
"""Failures in a row after which a file is given up: a parser that cannot move on would fail for ever."""


def records(source: str | PathLike[str] | BinaryIO) -> Iterator[tuple[int, bytes | RecordError]]:
    """Read the records of an .evtx file, in the file's order.

    Parameters
    ----------
    source
        A path, or a binary file object that can seek.

    Yields
    ------
    (number, record)
        number counts from 1 and includes what could not be read; record is the JSON, or the RecordError
        that says why there is none. Damage inside a file costs the records it hits, not those behind it.

    Raises
    ------
    InputError
        The file cannot be opened or its header is not that of an event log; or pyevtx-rs is not installed.
    """
    try:
        from evtx import PyEvtxParser  # native, and needed by nobody who reads no .evtx
    except ImportError as error:
        raise InputError("reading .evtx files needs the package evtx: pip install evtx") from error
    missing = _missing_chunks(source)
    try:
        # One thread: the order of records, and so every replay, is the same.
        parser = PyEvtxParser(source if hasattr(source, "read") else str(source), number_of_threads=1)
    except (RuntimeError, OSError, ValueError) as error:
        raise InputError(f"not a readable event log: {_reason(error)}") from error
    rows = iter(parser.records_json())
    number = failures = 0
    while failures < _REPEAT_LIMIT:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            if missing:
                yield number, RecordError(f"event log is cut short: {missing} chunks are missing")
            return
        except (RuntimeError, OSError, ValueError) as error:
            failures += 1
            yield number, RecordError(f"damaged event log record: {_reason(error)}")
            continue
        failures = 0
        data = row.get("data") if isinstance(row, dict) else None
        if isinstance(data, str):
            yield number, data.encode("utf-8", "replace")
        else:
            yield number, RecordError("damaged event log record: no content")
    yield number + 1, RecordError(f"event log given up after {failures} damaged records in a row")


def _missing_chunks(source: str | PathLike[str] | BinaryIO) -> int:
    """Count the chunks that the header promises and the file does not hold; 0 if it cannot be told.

    The header is the first 4096 bytes, with the number of chunks in 16 bits at 42; a chunk has 65,536 bytes.
    """
    try:
        if isinstance(source, str | PathLike):
            with Path(source).open("rb") as file:
                return _missing_chunks(file)
        place = source.tell()
        size = source.seek(0, SEEK_END)
        source.seek(0)
        head = source.read(44)
        source.seek(place)
    except (OSError, ValueError):
        return 0
    promised = int.from_bytes(head[42:44], "little")
    return max(0, promised - max(0, size - _HEADER_BYTES) // _CHUNK_BYTES)


def _reason(error: Exception) -> str:
    """First line of the parser's message without control characters, cut short."""
    words = str(error).partition("\n")[0]
    return "".join(c if c.isprintable() else " " for c in words[:_ERROR_LIMIT]).strip()


class EvtxDecoder(WindowsJsonDecoder):
    """Decoder of the JSON that `records` yields."""

    name: ClassVar[str] = "evtx"

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain for the binary signature; JSON of evtx tools belongs to `WindowsJsonDecoder`."""
        return 1.0 if sample.head.startswith(SIGNATURE) else 0.0
