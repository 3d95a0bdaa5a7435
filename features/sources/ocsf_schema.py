"""The part of OCSF 1.8 that habitus reads, as typed records; both readers of OCSF JSON are made from it.

Every attribute may be missing or null. Attribute names are those of https://schema.ocsf.io/1.8.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

import msgspec

from features.sources.parsing import text

if TYPE_CHECKING:
    from collections.abc import Mapping


class User(msgspec.Struct, gc=False):
    """`user` object."""

    name: str | None = None
    domain: str | None = None
    uid: str | None = None
    email_addr: str | None = None


class File(msgspec.Struct, gc=False):
    """`file` object."""

    path: str | None = None
    name: str | None = None


class FilePath(msgspec.Struct, gc=False):
    """`file` object of a process: only its path counts."""

    path: str | None = None


class HasFile(msgspec.Struct, gc=False):
    """`module` and `driver` objects."""

    file: File | None = None


class ParentProcess(msgspec.Struct, gc=False):
    """`process` object without its user and parent."""

    name: str | None = None
    file: FilePath | None = None


class ActorProcess(msgspec.Struct, gc=False):
    """`process` object of an actor."""

    name: str | None = None
    file: FilePath | None = None
    cmd_line: str | None = None
    user: User | None = None


class Process(msgspec.Struct, gc=False):
    """`process` object."""

    name: str | None = None
    file: FilePath | None = None
    cmd_line: str | None = None
    user: User | None = None
    parent_process: ParentProcess | None = None


class Actor(msgspec.Struct, gc=False):
    """`actor` object."""

    user: User | None = None
    process: ActorProcess | None = None


class Device(msgspec.Struct, gc=False):
    """`device` object."""

    hostname: str | None = None
    name: str | None = None
    uid: str | None = None
    ip: str | None = None


class Source(msgspec.Struct, gc=False):
    """`network_endpoint` object that something came from."""

    ip: str | None = None
    hostname: str | None = None
    name: str | None = None


class Destination(msgspec.Struct, gc=False):
    """`network_endpoint` object that something went to."""

    ip: str | None = None
    hostname: str | None = None
    name: str | None = None
    port: int | None = None
    svc_name: str | None = None


class Connection(msgspec.Struct, gc=False):
    """`network_connection_info` object."""

    protocol_name: str | None = None
    protocol_num: int | None = None


class Named(msgspec.Struct, gc=False):
    """Any object of which only the name counts."""

    name: str | None = None


class Resource(msgspec.Struct, gc=False):
    """`resource_details` object."""

    name: str | None = None
    uid: str | None = None


class HasUid(msgspec.Struct, gc=False):
    """Any object of which only the id counts."""

    uid: str | None = None


class HasPath(msgspec.Struct, gc=False):
    """Registry keys and values."""

    path: str | None = None


class HasHostname(msgspec.Struct, gc=False):
    """DNS queries and URLs."""

    hostname: str | None = None


class Job(msgspec.Struct, gc=False):
    """`job` object."""

    name: str | None = None
    cmd_line: str | None = None


class Api(msgspec.Struct, gc=False):
    """`api` object."""

    operation: str | None = None
    service: Named | None = None


class HttpRequest(msgspec.Struct, gc=False):
    """`http_request` object."""

    user_agent: str | None = None
    url: HasHostname | None = None


class Tls(msgspec.Struct, gc=False):
    """`tls` object."""

    sni: str | None = None


class Traffic(msgspec.Struct, gc=False):
    """`network_traffic` object; `bytes`, the sum of both directions, says nothing of either."""

    bytes_in: int | None = None
    bytes_out: int | None = None


class Cloud(msgspec.Struct, gc=False):
    """`cloud` object."""

    region: str | None = None
    account: HasUid | None = None


class Document(msgspec.Struct, gc=False):
    """One OCSF event."""

    time: int | float | str | None = None
    time_dt: str | None = None
    class_uid: int | None = None
    type_uid: int | None = None
    activity_id: int | None = None
    status_id: int | None = None
    status: str | None = None
    status_detail: str | None = None
    status_code: str | None = None
    auth_protocol: str | None = None
    auth_protocol_id: int | None = None
    logon_type: str | None = None
    logon_type_id: int | None = None
    is_mfa: bool | None = None
    share: str | None = None
    metadata: HasUid | None = None
    user: User | None = None
    actor: Actor | None = None
    device: Device | None = None
    src_endpoint: Source | None = None
    dst_endpoint: Destination | None = None
    connection_info: Connection | None = None
    process: Process | None = None
    file: File | None = None
    module: HasFile | None = None
    driver: HasFile | None = None
    reg_key: HasPath | None = None
    reg_value: HasPath | None = None
    api: Api | None = None
    service: Named | None = None
    app: Named | None = None
    resources: list[Resource] | None = None
    resource: Resource | None = None
    job: Job | None = None
    win_service: Named | None = None
    group: Named | None = None
    entity: Named | None = None
    database: Named | None = None
    databucket: Named | None = None
    http_request: HttpRequest | None = None
    query: HasHostname | None = None
    url: HasHostname | None = None
    tls: Tls | None = None
    cloud: Cloud | None = None
    traffic: Traffic | None = None


class Shape(NamedTuple):
    """What an attribute holds: kind is "text", "integer", "flag", "time", "object" or "list" (of objects)."""

    kind: str
    record: type[msgspec.Struct] | None = None


_SCALARS = {str: "text", int: "integer", bool: "flag"}


def _shape(annotation: object) -> Shape:
    options = [option for option in get_args(annotation) if option is not type(None)]
    if len(options) > 1:
        return Shape("time")
    (option,) = options
    if option in _SCALARS:
        return Shape(_SCALARS[option])
    if get_args(option):
        return Shape("list", get_args(option)[0])
    return Shape("object", option)


def shapes_of(record: type[msgspec.Struct]) -> dict[str, Shape]:
    """Attributes of a record of this module and what they hold."""
    return {field.name: _shape(field.type) for field in msgspec.structs.fields(record)}


def _all_shapes(record: type[msgspec.Struct]) -> dict[type[msgspec.Struct], dict[str, Shape]]:
    found: dict[type[msgspec.Struct], dict[str, Shape]] = {record: shapes_of(record)}
    for shape in found[record].values():
        if shape.record is not None:
            found |= _all_shapes(shape.record)
    return found


_SHAPES = _all_shapes(Document)


def _scalar(kind: str, value: object) -> int | float | str | bool | None:
    if kind == "flag":
        return (
            value is True or (isinstance(value, str) and value[:5].lower() in ("true", "yes")) or value == 1
        )
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if kind == "time":
        return value
    if kind == "text":
        return text(value)
    try:  # a float without a fraction, or decimal text
        return int(value) if not isinstance(value, str) or len(value) <= 24 else None
    except (ValueError, OverflowError):
        return None


def lenient(record: type[msgspec.Struct], value: Mapping[str, object]) -> msgspec.Struct:
    """Build a record from any JSON object: numbers become text, text numbers; the rest is missing."""
    fields: dict[str, object] = {}
    for name, shape in _SHAPES[record].items():
        part = value.get(name)
        if part is None:
            continue
        if shape.record is None:
            fields[name] = _scalar(shape.kind, part)
        elif shape.kind == "object":
            fields[name] = lenient(shape.record, part) if isinstance(part, dict) else None
        else:
            first = part[0] if isinstance(part, list) and part else part
            fields[name] = [lenient(shape.record, first)] if isinstance(first, dict) else None
    return record(**fields)
