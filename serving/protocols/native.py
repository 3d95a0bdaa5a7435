"""The service's own protocol: NDJSON, a JSON list, one JSON document, or lines of a text log."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import msgspec

from features.errors import InputError
from features.files import WRAPPERS
from features.sources.registry import MODULES
from serving.protocols.framing import AUTO, Framed, Lines

if TYPE_CHECKING:
    from serving.protocols.limits import Limits
    from serving.submission import Receipt

_WRAPPER_KEYS = tuple(f'"{key}"'.encode() for key in WRAPPERS)
_WRAPPER_MEMBERS = 4
"""A wrapper has few members besides its list; an event that happens to have a member `value` has more."""


def source_named(name: str) -> str:
    """The source a client names; InputError lists the known ones when there is none."""
    if name and name != AUTO and (name not in MODULES or name == "evtx"):
        known = ", ".join(key for key in MODULES if key != "evtx")
        raise InputError(f"unknown source {name[:40]!r}: choose one of auto, {known}")
    return name or AUTO


def frame(body: bytes, source: str = AUTO) -> Framed:
    """Records of a body.

    A list or a wrapper ({"Records": [...]}) is taken apart; a document over several lines is written on
    one. What is neither JSON nor a list is taken line by line: a line that no decoder understands is put
    aside later, alone.

    Raises
    ------
    InputError
        If a body that begins as a JSON list is not one: then no record can be told from the next.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    head = body[:256].lstrip()[:1] or body.lstrip()[:1]
    if head == b"[" and _is_list(body):
        return Framed(_elements(body), source=source)
    if head == b"{":
        return Framed(_objects(body), source=source)
    return Framed(_lines(body), source=source)


def whole(body: bytes, limits: Limits, source: str = AUTO) -> Framed | None:
    """A body of one JSON object a line that goes on as it is: what `frame` would give, and `limits` let pass.

    None where a look at all of it does not tell: then `frame` looks at every line. Large bodies are nearly
    always of this kind, and to cut them into lines and join those again cost more than the scanner.
    """
    if body[:1] != b"{" or b"\r" in body:
        return None
    members = _members(body.partition(b"\n")[0])
    if members is None or _unwrapped(members):
        return None
    body = body.removesuffix(b"\n")
    data, starts, stops = Lines.of(body)
    # no line is blank, or begins with one: each is an object, or what is left to its decoder to refuse
    if starts[-1] == len(data) or (data[starts] != ord("{")).any():
        return None
    if not limits.none_broken(data, starts, stops):
        return None
    return Framed([], source=source, whole=body, count=len(starts))


def single(body: bytes, limits: Limits, source: str = AUTO) -> Framed | None:
    """A body that is one JSON object on one line, as `whole` gives it; None where it may be anything else.

    What it costs to take a body apart would be most of the framing of a request of one event.
    """
    body = body.removesuffix(b"\n")
    if body[:1] != b"{" or b"\n" in body or b"\r" in body or b"\\" in body:
        return None
    # a wrapper holds a list under one of its keys, which read as they are where nothing is escaped
    if b"[" in body and any(key in body for key in _WRAPPER_KEYS):
        return None
    return None if limits.broken_by(body) else Framed([], source=source, whole=body, count=1)


def _is_list(body: bytes) -> bool:
    """Whether this is meant as a JSON list, and not a line of a log that begins with a bracket."""
    after = body.lstrip()[1:64].lstrip()[:1]
    return after in (b"{", b"]", b"[", b"")


def _lines(body: bytes) -> list[bytes]:
    lines = body.split(b"\n")
    if b"\r" in body:
        lines = [line.rstrip(b"\r") for line in lines]
    if b"" in lines or any(line.isspace() for line in lines):
        lines = [line for line in lines if line and not line.isspace()]
    return lines


def _elements(document: bytes) -> list[bytes]:
    try:
        found = msgspec.json.decode(document, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"not a JSON list ({str(error)[:120]}): is it cut off?") from error
    return [_on_one_line(bytes(raw)) for raw in found]


def _on_one_line(record: bytes) -> bytes:
    # JSON has line ends between its tokens only: inside of a string they are escaped
    if b"\n" in record or b"\r" in record:
        record = record.replace(b"\r", b" ").replace(b"\n", b" ")
    return record.strip()


def _objects(body: bytes) -> list[bytes]:
    first = body.lstrip().partition(b"\n")[0].strip()
    members = _members(first)
    if members is None:
        # one document over several lines; a broken first line of NDJSON is followed by more lines like it
        members = _members(body)
        if members is None:
            return _lines(body)
        return _unwrapped(members) or [_on_one_line(body)]
    lines = _lines(body)
    if not _unwrapped(members):
        return lines
    records: list[bytes] = []
    for line in lines:
        inside = _members(line)
        records.extend((_unwrapped(inside) if inside is not None else []) or [line])
    return records


def _members(text: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _unwrapped(members: dict[str, msgspec.Raw]) -> list[bytes]:
    if len(members) > _WRAPPER_MEMBERS:
        return []
    for key in WRAPPERS:
        inner = bytes(members[key]).lstrip() if key in members else b""
        if inner[:1] == b"[" and inner[1:64].lstrip()[:1] == b"{":
            return _elements(inner)
    return []


def counts(receipt: Receipt) -> dict[str, int]:
    """The answer of /v1/events."""
    return {
        "received": receipt.received,
        "accepted": receipt.accepted,
        "duplicate": receipt.duplicate,
        "quarantined": receipt.quarantined,
        "late": receipt.late,
    }
