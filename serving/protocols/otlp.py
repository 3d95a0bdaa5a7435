"""OTLP/HTTP logs: ExportLogsServiceRequest as protobuf and as JSON.

Specification: OpenTelemetry Protocol 1.x (OTLP/HTTP), opentelemetry/proto/logs/v1/logs.proto; attribute
names: OpenTelemetry semantic conventions, which share their names with the Elastic Common Schema.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from features.errors import InputError
from serving.protocols import carriers
from serving.protocols.framing import AUTO, Framed
from serving.protocols.hec import iso
from serving.protocols.native import source_named

if TYPE_CHECKING:
    from collections.abc import Iterable

ORIGINAL = "log.record.original"
UID = "log.record.uid"
SOURCE = "habitus.source"
"""Attribute of a resource or a record that names the source of its body."""
_DEEPEST = 64


class _Json(msgspec.Struct, rename="camel"):
    """Base of the JSON form: lowerCamelCase; unknown members are ignored, as the specification asks."""


class _Value(_Json):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bytes_value: str | None = None
    array_value: _Values | None = None
    kvlist_value: _Pairs | None = None


class _Values(_Json):
    values: list[_Value] = []


class _Pair(_Json):
    key: str = ""
    value: _Value | None = None


class _Pairs(_Json):
    values: list[_Pair] = []


class _Record(_Json):
    time_unix_nano: int | str = 0
    observed_time_unix_nano: int | str = 0
    severity_text: str = ""
    body: _Value | None = None
    attributes: list[_Pair] = []
    event_name: str = ""


class _Scope(_Json):
    log_records: list[_Record] = []


class _Resource(_Json):
    attributes: list[_Pair] = []


class _ResourceLogs(_Json):
    resource: _Resource | None = None
    scope_logs: list[_Scope] = []


class _Request(_Json):
    resource_logs: list[_ResourceLogs] = []


_decode_json = msgspec.json.Decoder(_Request).decode


def frame(body: bytes, *, is_json: bool) -> Framed:
    """Records of an export request.

    Raises
    ------
    InputError
        If the request as a whole cannot be read; OTLP clients do not send such a one again.
    """
    framed = Framed([])
    records = _from_json(body) if is_json else _from_protobuf(body)
    for resource, record in records:
        _add(framed, resource, record)
    if not any(framed.ids):
        framed.ids = []
    return framed


class LogRecord(msgspec.Struct):
    """One record in neither form's terms; times are nanoseconds since 1970, 0 if unknown."""

    time_ns: int
    severity: str
    body: Any
    attributes: dict[str, Any]
    event_name: str


def _from_protobuf(body: bytes) -> Iterable[tuple[dict[str, Any], LogRecord]]:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise InputError("not an ExportLogsServiceRequest in protobuf: check Content-Type") from error
    for logs in request.resource_logs:
        resource = _proto_pairs(logs.resource.attributes, 0)
        for scope in logs.scope_logs:
            for record in scope.log_records:
                yield (
                    resource,
                    LogRecord(
                        record.time_unix_nano or record.observed_time_unix_nano,
                        record.severity_text,
                        _proto_value(record.body, 0),
                        _proto_pairs(record.attributes, 0),
                        record.event_name,
                    ),
                )


def _proto_value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > _DEEPEST:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [_proto_value(item, depth + 1) for item in found.values]
    if kind == "kvlist_value":
        return _proto_pairs(found.values, depth + 1)
    if kind == "bytes_value":
        return found.decode("utf-8", "replace")
    return found


def _proto_pairs(pairs: Any, depth: int) -> dict[str, Any]:
    return {pair.key: _proto_value(pair.value, depth) for pair in pairs}


def _from_json(body: bytes) -> Iterable[tuple[dict[str, Any], LogRecord]]:
    try:
        request = _decode_json(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"not an ExportLogsServiceRequest in JSON: {str(error)[:120]}") from error
    for logs in request.resource_logs:
        resource = _json_pairs(logs.resource.attributes if logs.resource else [], 0)
        for scope in logs.scope_logs:
            for record in scope.log_records:
                yield (
                    resource,
                    LogRecord(
                        _integer(record.time_unix_nano) or _integer(record.observed_time_unix_nano),
                        record.severity_text,
                        _json_value(record.body, 0),
                        _json_pairs(record.attributes, 0),
                        record.event_name,
                    ),
                )


def _integer(value: float | str) -> int:
    try:
        return int(value)
    except ValueError:
        return 0


def _json_value(value: _Value | None, depth: int) -> Any:
    if value is None or depth > _DEEPEST:
        return None
    if value.array_value is not None:
        return [_json_value(item, depth + 1) for item in value.array_value.values]
    if value.kvlist_value is not None:
        return _json_pairs(value.kvlist_value.values, depth + 1)
    if value.int_value is not None:
        return _integer(value.int_value)
    if value.bytes_value is not None:
        try:
            return base64.b64decode(value.bytes_value).decode("utf-8", "replace")
        except ValueError:
            return value.bytes_value
    for plain in (value.string_value, value.bool_value, value.double_value):
        if plain is not None:
            return plain
    return None


def _json_pairs(pairs: list[_Pair], depth: int) -> dict[str, Any]:
    return {pair.key: _json_value(pair.value, depth) for pair in pairs}


# ------------------------------------------------------------------------------------------------ to records


def _add(framed: Framed, resource: dict[str, Any], record: LogRecord) -> None:
    named = record.attributes.get(SOURCE) or resource.get(SOURCE) or ""
    try:
        source = source_named(str(named))
    except InputError:
        source = AUTO
    framed.records.append(_native(record) or _as_ecs(resource, record))
    framed.sources.append(source)
    framed.ids.append(str(record.attributes.get(UID) or ""))


def _native(record: LogRecord) -> bytes | None:
    """The event as its program wrote it, when the record carries that."""
    original = record.attributes.get(ORIGINAL)
    for text in (original, record.body):
        if isinstance(text, str) and (found := carriers.native_text(text)) is not None:
            return found
    if isinstance(record.body, dict) and len(record.body) > 1:
        encoded = msgspec.json.encode(record.body)
        return carriers.line_in(encoded) or encoded
    return None


def _as_ecs(resource: dict[str, Any], record: LogRecord) -> bytes:
    """An ECS document of the record's attributes; dotted names are read as nested ones."""
    document: dict[str, Any] = {**resource, **record.attributes}
    document["@timestamp"] = iso(record.time_ns / 1e9) if record.time_ns else ""
    document.setdefault("ecs.version", "8.0")
    if record.event_name:
        document.setdefault("event.action", record.event_name)
    if record.severity:
        document.setdefault("log.level", record.severity)
    if isinstance(record.body, str):
        document["message"] = record.body
    elif record.body is not None:
        document["body"] = record.body
    return msgspec.json.encode(document)


# -------------------------------------------------------------------------------------------------- answers


def success(quarantined: int, *, is_json: bool) -> bytes:
    """An ExportLogsServiceResponse. Nothing is rejected: what cannot be read is kept, with a warning."""
    if not quarantined:
        return b"{}" if is_json else b""
    warning = f"{quarantined} records could not be read and are kept in quarantine"
    if is_json:
        return msgspec.json.encode({"partialSuccess": {"rejectedLogRecords": "0", "errorMessage": warning}})
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    response = ExportLogsServiceResponse()
    response.partial_success.error_message = warning
    encoded: bytes = response.SerializeToString()
    return encoded


def failure(code: int, message: str, *, is_json: bool) -> bytes:
    """A google.rpc.Status: field 1 is the code, field 2 the message (both forms)."""
    if is_json:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode("utf-8", "replace")[:4096]
    return b"\x08" + bytes([code]) + b"\x12" + _varint(len(text)) + text


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
