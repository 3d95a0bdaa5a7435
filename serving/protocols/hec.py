"""Splunk's HTTP Event Collector: /services/collector[/event], /raw, /ack and /health.

An event's envelope is `{"time", "host", "source", "sourcetype", "event", "fields"}`; envelopes follow one
another with or without anything between them. The codes of the answers are Splunk's own (Splunk Enterprise,
"Troubleshoot HTTP Event Collector", possible error codes).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from features.sources.registry import MODULES
from serving.protocols import carriers
from serving.protocols.framing import AUTO, Framed, one_line

SUCCESS = (200, 0, "Success")
NO_TOKEN = (401, 2, "Token is required")
BAD_TOKEN = (403, 4, "Invalid token")
NO_DATA = (400, 5, "No data")
BUSY = (503, 9, "Server is busy")
HEALTHY = (200, 17, "HEC is healthy")
UNHEALTHY = (503, 18, "HEC is unhealthy, queues are full")

SOURCETYPES = {
    "linux_secure": "syslog",
    "syslog": "syslog",
    "linux:audit": "auditd",
    "wineventlog": "windows",
    "xmlwineventlog": "windows",
    "aws:cloudtrail": "cloudtrail",
    "azure:monitor:aad": "entra",
    "azure:aad:signin": "entra",
    "o365:management:activity": "m365",
    "oktaim2:log": "okta",
    "suricata": "suricata",
    "github:enterprise:audit": "github",
}
"""Source types of Splunk's own add-ons -> sources; what is not listed is looked at (and so is WinEventLog as
text, see `frame`)."""


class _Envelope(msgspec.Struct):
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    time: float | str | None = None
    host: str | None = None
    sourcetype: str | None = None


_decode = msgspec.json.Decoder(_Envelope).decode
_BLANK = " \t\n\r\x0b\x0c"
"""What `bytes.strip` takes away; text has more blanks, and a record of those alone must not get lost."""


def frame(body: bytes, source: str = AUTO) -> Framed:
    """Events of a body; never raises. What is no envelope is put aside line by line."""
    framed = Framed([], source=source)
    text = body.strip()
    for line in text.split(b"\n"):
        stripped = line.strip()
        if not stripped:
            continue
        try:
            envelope = _decode(stripped)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return _stream(text, source)
        _add(framed, envelope, stripped)
    return framed


def _stream(text: bytes, source: str) -> Framed:
    """The slow way: envelopes over several lines, or several on one."""
    framed = Framed([], source=source)
    decoder = json.JSONDecoder()
    rest = text.decode("utf-8", "replace")
    position = 0
    while position < len(rest):
        if rest[position] in _BLANK:
            position += 1
            continue
        try:
            _, end = decoder.raw_decode(rest, position)
            raw = rest[position:end].encode("utf-8", "replace")
            envelope = _decode(raw)
        except (ValueError, RecursionError, msgspec.DecodeError):
            # whatever comes after this line may be sound again
            end = rest.find("\n", position)
            end = len(rest) if end < 0 else end
            _put_aside(framed, rest[position:end].strip(_BLANK).encode("utf-8", "replace"), "no HEC event")
        else:
            _add(framed, envelope, raw)
        position = end
    return framed


def _put_aside(framed: Framed, raw: bytes, reason: str) -> None:
    framed.poison.append((len(framed.records), reason))
    framed.records.append(raw.replace(b"\r", b" ").replace(b"\n", b" "))
    framed.sources.append(framed.source)


def _add(framed: Framed, envelope: _Envelope, raw: bytes) -> None:
    event = bytes(envelope.event).strip() if isinstance(envelope.event, msgspec.Raw) else b""
    if event in (b"", b"null", b'""'):
        _put_aside(framed, raw, "a HEC event without content")
        return
    if event[:1] == b'"':
        text = _text(event)
        record = carriers.native_text(text) or _wrapped(text, envelope)
    elif event[:1] == b"{":
        record = event.replace(b"\r", b" ").replace(b"\n", b" ")
        record = carriers.line_in(record) or record
    else:
        _put_aside(framed, raw, "a HEC event that is neither text nor an object")
        return
    if not record:
        _put_aside(framed, raw, "a HEC event without content")
        return
    framed.records.append(record)
    framed.sources.append(framed.source if framed.source != AUTO else source_of(envelope.sourcetype))


def _text(event: bytes) -> str:
    """The text of a JSON string; bytes that are no UTF-8, as containers write them, are replaced."""
    try:
        return msgspec.json.decode(event, type=str)
    except UnicodeDecodeError:
        return msgspec.json.decode(event.decode("utf-8", "replace"), type=str)


def source_of(sourcetype: str | None) -> str:
    """The source that a source type names, "auto" if none."""
    name = (sourcetype or "").lower()
    if name in MODULES and name != "evtx":
        return name
    if name.startswith(("bro:", "zeek:", "corelight_")):
        return "zeek"
    return SOURCETYPES.get(name, AUTO)


def _wrapped(text: str, envelope: _Envelope) -> bytes:
    """A text that no decoder reads by itself, with what its envelope knows, as an ECS document."""
    if not text.strip():
        return b""
    if envelope.time is None:
        return one_line(text.strip())
    return msgspec.json.encode(
        {
            "@timestamp": iso(float(envelope.time)) if _is_number(envelope.time) else str(envelope.time),
            "ecs": {"version": "8.0"},
            "event": {"original": text},
            "host": {"name": envelope.host or ""},
            "message": text,
        }
    )


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def iso(seconds: float) -> str:
    """ISO 8601 in UTC with microseconds; "" for a time that no calendar holds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return ""


def frame_raw(body: bytes, source: str = AUTO) -> Framed:
    """Lines of /services/collector/raw."""
    lines = [line.strip() for line in body.split(b"\n")]
    return Framed([line for line in lines if line], source=source)


def answer(what: tuple[int, int, str], **more: Any) -> tuple[int, bytes]:
    """Status and body."""
    status, code, text = what
    return status, msgspec.json.encode({"text": text, "code": code, **more})
