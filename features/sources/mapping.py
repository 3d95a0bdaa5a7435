"""Unknown JSON or CSV, decoded by a mapping file written for it.

The file's format and a worked example are in docs/mapping.md.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from features import identity
from features.errors import InputError
from features.events import CLASS_NAMES, MOST_BYTES, TEXT_ATTRIBUTES, Event
from features.sources.parsing import epoch_us, integer, json_object, text
from features.sources.tabular import Rows, stamp_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from features.sources.base import Record, Sample, SourceContext

FILE_LIMIT = 1 << 20
"""Bytes of a mapping file; a real one has under ten thousand."""

_NUMBERS = {
    "class_uid": None,
    "activity_id": 99,
    "status_id": 2,
    "dst_port": 65_535,
    "bytes_in": MOST_BYTES,
    "bytes_out": MOST_BYTES,
}
"""Attributes that are numbers, and the highest that each may be."""
_HELPERS = ("user_domain", "user_id", "target_user_domain", "target_user_id")
ATTRIBUTES = (*TEXT_ATTRIBUTES, *_NUMBERS, *_HELPERS)
"""What a mapping may fill. The helpers only inform the user's name: its domain, its stable id (SID, GUID)."""
_UNITS = {"iso": 0, "s": 1_000_000, "ms": 1_000, "us": 1}
_TABLES = ("input", "time", "fields", "constants", "values")
_ADDRESSES = ("src_ip", "dst_ip")
_HOSTS = ("host", "src_host", "dst_host")


_Path = tuple[str, ...]


@dataclass(frozen=True)
class FieldMapping:
    """A mapping file, checked. Make one with `load_mapping` or `FieldMapping.parse`."""

    time: tuple[_Path, ...]
    time_unit_us: int
    """Microseconds a count of the time field stands for; 0 means ISO 8601 text."""
    fields: tuple[tuple[str, tuple[_Path, ...]], ...]
    constants: dict[str, str | int] = field(default_factory=dict)
    values: dict[str, dict[str, str | int]] = field(default_factory=dict)
    is_csv: bool = False

    @classmethod
    def parse(cls, source: str, where: str = "mapping") -> FieldMapping:
        """Check the text of a mapping file; InputError names `where`, the key, and what is allowed."""
        try:
            tables = tomllib.loads(source)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{where}: not valid TOML: {error}") from error
        except RecursionError as error:
            raise InputError(f"{where}: not valid TOML: nested too deeply") from error
        _only(tables, _TABLES, where, "the file")
        kind = tables.get("input", "json")
        if kind not in ("json", "csv"):
            raise InputError(f'{where}: input is {kind!r:.40}; allowed are "json" and "csv"')
        time = _table(tables, "time", where)
        _only(time, ("path", "format"), where, "[time]")
        if "path" not in time:
            raise InputError(f'{where}: [time] needs path, such as path = "timestamp"')
        unit = time.get("format", "iso")
        if not isinstance(unit, str) or unit not in _UNITS:
            raise InputError(f"{where}: [time] format is {unit!r:.40}; allowed are {', '.join(_UNITS)}")
        fields = _table(tables, "fields", where)
        constants = _table(tables, "constants", where)
        values = _table(tables, "values", where)
        for name, table in (("fields", fields), ("constants", constants), ("values", values)):
            _only(table, ATTRIBUTES, where, f"[{name}]")
        for attribute in values:
            if attribute not in fields:
                raise InputError(f"{where}: [values.{attribute}] has no {attribute} in [fields] to translate")
        return cls(
            time=_paths(time["path"], where, "[time] path"),
            time_unit_us=_UNITS[unit],
            fields=tuple((name, _paths(value, where, f"[fields] {name}")) for name, value in fields.items()),
            constants={
                name: _constant(name, value, where, "[constants]") for name, value in constants.items()
            },
            values={
                name: {
                    key.lower(): _constant(name, value, where, f"[values.{name}] {key!r:.40}:")
                    for key, value in _table(values, name, where).items()
                }
                for name in values
            },
            is_csv=kind == "csv",
        )

    def decoder(self, context: SourceContext) -> MappingDecoder:
        """Make a decoder for one file."""
        return MappingDecoder(context, self)


def load_mapping(path: Path) -> FieldMapping:
    """Read and check a mapping file; InputError when it cannot be read or says what is not allowed."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
        source = data.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: cannot read the mapping file: {reason}") from error
    if len(data) > FILE_LIMIT:
        raise InputError(f"{path}: larger than {FILE_LIMIT} bytes, so it is no mapping file")
    return FieldMapping.parse(source, str(path))


def _only(table: Mapping[str, object], allowed: tuple[str, ...], where: str, what: str) -> None:
    for key in table:
        if key not in allowed:
            close = difflib.get_close_matches(key, allowed, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise InputError(f"{where}: {what} has no {key!r:.40}; {hint}allowed are {', '.join(allowed)}")


def _table(tables: Mapping[str, object], name: str, where: str) -> dict[str, object]:
    value = tables.get(name, {})
    if not isinstance(value, dict):
        raise InputError(f"{where}: {name} must be a table, found {type(value).__name__}")
    return value


def _paths(value: object, where: str, what: str) -> tuple[_Path, ...]:
    given = value if isinstance(value, list) else [value]
    paths = [path for path in given if isinstance(path, str) and path]
    if not paths or len(paths) != len(given):
        raise InputError(f"{where}: {what} must be a dotted path or a list of them, tried in order")
    # A key may itself contain dots (`user.name` of flattened JSON), so the whole path is tried first.
    return tuple((path, *path.split(".")) if "." in path else (path,) for path in paths)


def _constant(name: str, value: object, where: str, what: str) -> str | int:
    if name not in _NUMBERS:
        if isinstance(value, str):
            return text(value)
        raise InputError(f"{where}: {what} {name} must be text, found {type(value).__name__}")
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{where}: {what} {name} must be a whole number, found {type(value).__name__}")
    if name == "class_uid" and value not in CLASS_NAMES:
        known = ", ".join(f"{uid} {title}" for uid, title in CLASS_NAMES.items())
        raise InputError(f"{where}: {what} class_uid {value} is unknown; allowed are {known}")
    if not _in_range(name, value):
        raise InputError(f"{where}: {what} {name} {value} is not between 0 and {_NUMBERS[name]}")
    return value


def _in_range(name: str, number: int) -> bool:
    highest = _NUMBERS[name]
    return number in CLASS_NAMES if highest is None else 0 <= number <= highest


def _find(row: dict[str, Any], paths: tuple[_Path, ...]) -> object:
    """Return the first scalar that is not empty, else None. A list gives its first scalar."""
    for path in paths:
        value: object = row.get(path[0])
        if value is None and len(path) > 1:
            value = row
            for step in path[1:]:
                if isinstance(value, dict):
                    value = value.get(step)
                elif (
                    isinstance(value, list) and step.isdecimal() and len(step) < 5 and int(step) < len(value)
                ):
                    value = value[int(step)]
                else:
                    value = None
                    break
        if isinstance(value, list):
            value = next((item for item in value[:64] if not isinstance(item, dict | list)), None)
        if value is not None and value != "" and not isinstance(value, dict):
            return value
    return None


class MappingDecoder:
    """Records of an unknown source, by a mapping file. Never found by sniffing: the user names the file."""

    name: ClassVar[str] = "mapping"

    def __init__(self, context: SourceContext, mapping: FieldMapping) -> None:
        self._context = context
        self._mapping = mapping
        self._rows = Rows()

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Return 0: a mapping is only used when it is asked for."""
        return 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Keep the CSV header and join quoted line breaks; of JSON, drop blank lines."""
        if self._mapping.is_csv:
            return self._rows.frames(lines)
        return ((number, line) for number, line in lines if line.strip())

    def decode(self, record: bytes) -> Event:
        """One record to one event; RecordError for a broken record or a missing time."""
        mapping = self._mapping
        row = self._rows.read(record) if mapping.is_csv else json_object(record)
        stamp = _find(row, mapping.time)
        time_us = epoch_us(stamp, mapping.time_unit_us) if mapping.time_unit_us else stamp_us(stamp)
        found: dict[str, Any] = dict(mapping.constants)
        for attribute, paths in mapping.fields:
            value = _find(row, paths)
            if value is not None:
                self._put(found, attribute, value)
        self._resolve(found)
        return Event(time_us=time_us, **found)

    def _put(self, found: dict[str, Any], attribute: str, value: object) -> None:
        table = self._mapping.values.get(attribute)
        if table is not None:
            translated = table.get(text(value).lower(), table.get("*"))
            value = value if translated is None else translated
        if attribute in _NUMBERS:
            number = integer(value)
            if _in_range(attribute, number) and (number or text(value) == "0"):
                found[attribute] = number
        else:
            words = text(value)
            if words:
                found[attribute] = words

    def _resolve(self, found: dict[str, Any]) -> None:
        machine = found.get("host", "")
        for attribute in ("user", "target_user"):
            domain = found.pop(f"{attribute}_domain", "")
            sid = found.pop(f"{attribute}_id", "")
            name = found.get(attribute, "")
            if name or sid:
                found[attribute] = self._context.identity.user(name, domain=domain, sid=sid, host=machine)
        for attribute in _HOSTS:
            if attribute in found:
                found[attribute] = identity.host(found[attribute])
        for attribute in _ADDRESSES:
            if attribute in found:
                found[attribute] = identity.ip(found[attribute])
        if "protocol" in found:
            found["protocol"] = found["protocol"].lower()
