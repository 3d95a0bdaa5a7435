r"""Zeek logs as tab-separated text with `#` headers and as JSON lines; either gives the same events.

What the two share is Zeek's own JSON spelling of strings: valid UTF-8 as characters, any other byte as the
four characters `\xhh`. TSV values are brought to it by undoing the escapes of Zeek's ASCII writer (`\\`,
`\xhh`). Times are read as decimal digits, never as binary fractions. Label columns of data sets (`label`,
`detailedlabel`) are not read.

Zeek's own connection id (`uid`) names a connection, which has many records, so events carry no uid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Final

from features import identity
from features.errors import RecordError
from features.events import Event
from features.sources import network_terms as terms
from features.sources import parsing
from features.sources.zeek_logs import CONNECTION, FINGERPRINTS, LOG_TYPES, UNKNOWN, LogType, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

_TIMELESS: Final = "loaded_scripts"
"""The one log without a time by design (it lists the sensor's scripts). Its records stand at the epoch, as
they do in the `_write_ts` that Zeek itself gives them."""
_MILLISECONDS_FROM: Final = 100_000_000_000
"""Numbers above are milliseconds (Zeek's JSON::TS_MILLIS): as seconds they would mean the year 5138."""
_RAW_LIMIT: Final = 16 * parsing.TEXT_LIMIT
"""Characters of an escaped value that are read: four bytes, each escaped in four, make a character."""

_ESCAPES: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2})+|\\\\")
_KEPT_ESCAPED: Final = {code: f"\\x{code:02x}" for code in range(32) if code not in (8, 9, 10, 12, 13)}


def _unescaped(match: re.Match[str]) -> str:
    found = match.group()
    if found == "\\\\":
        return "\\"
    raw = bytes.fromhex(found.replace("\\x", ""))
    return raw.decode("utf-8", "backslashreplace").translate(_KEPT_ESCAPED)


def _plain(value: str) -> str:
    if "\\" in value:
        value = _ESCAPES.sub(_unescaped, value[:_RAW_LIMIT])
    return parsing.text(value)


@dataclass(frozen=True)
class _Schema:
    """The header of a TSV log."""

    log: LogType
    path: str
    index: dict[str, int]
    width: int
    separator: str
    set_separator: str
    empty: str
    unset: str


class _TsvRow:
    __slots__ = ("_parts", "_schema")

    def __init__(self, schema: _Schema, parts: list[str]) -> None:
        self._schema = schema
        self._parts = parts

    def text(self, name: str) -> str:
        schema = self._schema
        at = schema.index.get(name, -1)
        if at < 0:
            return ""
        value = self._parts[at]
        return "" if value in (schema.unset, schema.empty) else _plain(value)

    def items(self, name: str) -> list[str]:
        schema = self._schema
        at = schema.index.get(name, -1)
        value = self._parts[at][:_RAW_LIMIT] if at >= 0 else ""
        if not value or value in (schema.unset, schema.empty):
            return []
        return [_plain(item) for item in value.split(schema.set_separator) if item != schema.unset]


class _JsonRow:
    __slots__ = ("_record",)

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record

    def text(self, name: str) -> str:
        value = self._record.get(name)
        if value is None:
            return ""
        if value is True:
            return "T"
        return "F" if value is False else parsing.text(value)

    def items(self, name: str) -> list[str]:
        value = self._record.get(name)
        if isinstance(value, list):
            return [parsing.text(item) for item in value[:1024] if isinstance(item, str)]
        text = parsing.text(value)
        return [text] if text else []


class _ForeignRow(bytes):
    """A row that remembers its header, for files in which another log follows the first one."""

    schema: _Schema


class ZeekDecoder:
    """Decodes every log of one Zeek file.

    TSV needs its header, which `frames` reads. JSON names its log in `_path`; else the file's name does,
    else the fields give it away.
    """

    name: ClassVar[str] = "zeek"

    def __init__(self, context: SourceContext) -> None:
        self._people = context.identity
        self._file_path = _path_of_file(context.path)
        self._schema: _Schema | None = None

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain of a TSV header and of `_path` with a time; nearly so of Zeek's names of the two ends."""
        first = sample.lines[0] if sample.lines else b""
        if first.startswith((b"#separator ", b"#fields\t", b"#path\t")):
            return 1.0
        record = sample.record
        if not record or "event_type" in record:
            return 0.0
        timed = "ts" in record or "_write_ts" in record
        if isinstance(record.get("_path"), str) and timed:
            return 1.0
        ends = record.get("id")
        if timed and (
            "id.orig_h" in record or "id_orig_h" in record or (isinstance(ends, dict) and "orig_h" in ends)
        ):
            return 0.95
        path = _path_of_file(sample.name)
        if path == _TIMELESS and set(record) == {"name"}:
            return 0.6
        return 0.8 if timed and path in LOG_TYPES and _guess(record) == path else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Rows and JSON lines; headers are read and dropped, so a file of several logs in turn works too."""
        header: dict[str, str] = {}
        current: _Schema | None = None
        for number, line in lines:
            if line.startswith(b"#"):
                text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
                if text.startswith("#separator "):
                    header = {"#separator": _plain(text[len("#separator ") :]) or "\t"}
                    continue
                key, _, value = text.partition(header.get("#separator", "\t"))
                if key != "#separator":
                    header[key] = _plain(value)
                if key == "#fields":
                    current = self._open(header, value)
            elif line.strip():
                if current is not None and current is not self._schema:
                    foreign = _ForeignRow(line)
                    foreign.schema = current
                    yield number, foreign
                else:
                    yield number, line

    def _open(self, header: dict[str, str], fields: str) -> _Schema:
        separator = header.get("#separator", "\t")
        names = fields.split(separator)
        # Some labelled data sets append their labels to the last column, set off by spaces: values of that
        # column cannot be told from labels, so it is not read.
        index = {name: at for at, name in enumerate(names) if " " not in name}
        path = header.get("#path", "") or self._file_path
        schema = _Schema(
            log=_log_type(path, index),
            path=path,
            index=index,
            width=max(index.values(), default=-1) + 1,
            separator=separator,
            set_separator=header.get("#set_separator", ",") or ",",
            empty=header.get("#empty_field", "(empty)"),
            unset=header.get("#unset_field", "-"),
        )
        if self._schema is None or self._schema == schema:  # rotated files of one log, one after another
            self._schema = self._schema or schema
            return self._schema
        return schema

    def decode(self, record: bytes) -> Event:
        """One row or JSON object to one event; see `features.sources.base.Decoder`."""
        schema = record.schema if isinstance(record, _ForeignRow) else self._schema
        if schema is None:
            return self._decode_json(record)
        parts = record.decode("utf-8", "backslashreplace").rstrip("\r\n").split(schema.separator)
        if len(parts) < schema.width:
            raise RecordError(f"row has {len(parts)} columns, its header {schema.width}")
        row = _TsvRow(schema, parts)
        at = schema.index.get("ts", -1)
        time_us = _time_us(parts[at]) if at >= 0 else _missing_time(schema.path)
        return _event(row, schema.log, time_us, self._people)

    def _decode_json(self, record: bytes) -> Event:
        if record[:1] not in (b"{", b" ", b"\t"):
            raise RecordError("row of a Zeek table without its #fields header")
        fields = parsing.json_object(record)
        if "id.orig_h" not in fields:
            _flatten_ends(fields)
        path = fields.get("_path")
        if not isinstance(path, str):
            path = self._file_path if self._file_path in LOG_TYPES else _guess(fields)
        stamp = fields.get("ts")
        time_us = _missing_time(path) if stamp is None else _time_us(stamp)
        return _event(_JsonRow(fields), _log_type(path, fields), time_us, self._people)


def _event(row: Row, log: LogType, time_us: int, people: identity.IdentityResolver) -> Event:
    event = Event(
        time_us=time_us, class_uid=log.class_uid, activity_id=log.activity_id, protocol=log.protocol
    )
    if log.subject == "id":
        event.host = event.src_ip = identity.ip(row.text("id.orig_h"))
        event.dst_ip = identity.ip(row.text("id.resp_h"))
        event.dst_port = terms.port(row.text("id.resp_p"))
    elif log.subject == "host":
        event.host = event.src_ip = identity.ip(row.text("host"))
    log.detail(row, event, people)
    return event


def _time_us(value: object) -> int:
    """Microseconds UTC of Zeek's spellings: epoch seconds (milliseconds above 1e11), their text, ISO 8601."""
    if isinstance(value, str):
        whole, _, fraction = value.partition(".")
        if not (whole.isascii() and whole.isdigit() and len(whole) < 16):
            return parsing.iso_us(value)
        if fraction and not (fraction.isascii() and fraction.isdigit()):
            raise RecordError("time is not a number")
        seconds = int(whole)
        if seconds < _MILLISECONDS_FROM:
            return parsing.checked_us(seconds * 1_000_000 + int((fraction + "000000")[:6]))
        return parsing.checked_us(seconds * 1_000 + int((fraction + "000")[:3]))
    if isinstance(value, int | float) and value > _MILLISECONDS_FROM:
        return parsing.epoch_us(value, 1_000)
    return parsing.epoch_us(value, 1_000_000)


def _missing_time(path: str) -> int:
    if path == _TIMELESS:
        return 0
    raise RecordError("time is missing")


def _log_type(path: str, fields: dict[str, Any] | dict[str, int]) -> LogType:
    log = LOG_TYPES.get(path) or LOG_TYPES.get(path.removesuffix("_red").removesuffix("_long"))
    if log is not None:
        return log
    return CONNECTION if "id.orig_h" in fields else UNKNOWN


def _path_of_file(name: str) -> str:
    """Log name in a file name: `conn.12:00:00-13:00:00.log.gz`, `labeled-conn.log`, `conn_2024.log`: conn."""
    stem = PurePath(name.replace("\\", "/")).name.partition(".")[0].removeprefix("labeled-")
    while stem and stem not in LOG_TYPES and "_" in stem:
        stem = stem.rpartition("_")[0]
    return stem


def _flatten_ends(fields: dict[str, Any]) -> None:
    """Bring the ends of a connection to Zeek's names where a shipper nested them or replaced the dots."""
    ends = fields.get("id")
    for end in ("orig_h", "orig_p", "resp_h", "resp_p"):
        value = ends.get(end) if isinstance(ends, dict) else fields.get(f"id_{end}")
        if value is not None:
            fields[f"id.{end}"] = value


def _guess(fields: dict[str, Any]) -> str:
    for name, path in FINGERPRINTS:
        if name in fields:
            return path
    return "known_hosts" if fields.keys() == {"ts", "host"} else ""
