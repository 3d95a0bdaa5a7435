"""Exports that may be CSV with a header or JSON, row by row; and the time stamps that portals write."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import TYPE_CHECKING, Any

from features.errors import RecordError
from features.sources.parsing import iso_us, json_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record

JOINED_LIMIT = 1 << 20
"""Bytes of lines joined to one CSV row before a quote counts as stray."""


def stamp_us(value: object) -> int:
    """Microseconds UTC of ISO 8601 text, or of what Azure's portal exports (`6/23/2021, 3:08:14.159 AM`).

    Raises RecordError as `parsing.iso_us` does.
    """
    try:
        return iso_us(value)
    except RecordError:
        if not isinstance(value, str) or "/" not in value[:3]:
            raise
    stamp = value.strip()[:32].replace(",", "")
    for pattern in ("%m/%d/%Y %I:%M:%S.%f %p", "%m/%d/%Y %I:%M:%S %p"):
        try:
            return iso_us(datetime.strptime(stamp, pattern).isoformat())  # noqa: DTZ007 - iso_us takes it as UTC
        except ValueError:
            continue
    raise RecordError("time is not ISO 8601")


class Rows:
    """Records of one file that is either CSV with a header or JSON objects; both come out as dictionaries.

    The header is the first line that is not blank; a repeat of it (files put end to end) is dropped.
    """

    def __init__(self) -> None:
        self._header = b""
        self._columns: tuple[str, ...] = ()

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Join the lines of quoted fields with line breaks; keep the header; drop blank lines.

        A stray quote never swallows what follows: after `JOINED_LIMIT` bytes the lines are given one by one.
        """
        parts: list[Record] = []
        size = quotes = 0
        for number, raw in lines:
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if not parts:
                if not line.strip() or line == self._header:
                    continue
                if line.lstrip()[:1] == b"{":
                    yield number, line
                    continue
                if not self._header:
                    self._take_header(line)
                    continue
            parts.append((number, line))
            size += len(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0:
                yield parts[0][0], b"\n".join(part for _, part in parts)
            elif size > JOINED_LIMIT:
                yield from parts
            else:
                continue
            parts, size, quotes = [], 0, 0
        yield from parts

    def read(self, record: bytes) -> dict[str, Any]:
        """Fields of one record by name; RecordError for a broken one. CSV values are text."""
        if record.lstrip()[:1] == b"{":
            return json_object(record)
        if not self._columns:
            raise RecordError("CSV row without a header")
        values = _split(record)
        if len(values) != len(self._columns):
            raise RecordError(f"CSV row has {len(values)} fields, its header {len(self._columns)}")
        return dict(zip(self._columns, values, strict=True))

    def _take_header(self, line: bytes) -> None:
        self._header = line
        try:
            self._columns = tuple(header(line))
        except RecordError:
            self._columns = ()


def header(line: bytes) -> list[str]:
    """Column names of a CSV header; the Azure portal's `TimeGenerated [UTC]` becomes `TimeGenerated`."""
    return [name.strip().removesuffix(" [UTC]") for name in _split(line.removeprefix(b"\xef\xbb\xbf"))]


def _split(record: bytes) -> list[str]:
    try:
        rows = list(csv.reader([record.decode("utf-8", "replace")], strict=True))
    except csv.Error as error:
        raise RecordError("CSV row is broken: stray quote, line break or oversized field") from error
    return rows[0] if rows else []
