"""Documents in which a shipper carries one line of a log: the line is what the decoders know.

Filebeat, Fluent Bit, Vector, Logstash, syslog-ng and rsyslog wrap what they have not parsed themselves:
`{"@timestamp": ..., "message": "Mar  1 10:00:00 web1 sshd[812]: Failed password ..."}`. As a document such an
event says nothing but its time; as a line it names a user, a host and an address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from serving.protocols.framing import AUTO, one_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from serving.protocols.framing import Framed

_LINE = re.compile(
    r"(?:<\d{1,3}>(?:\d{1,2} )?)?"
    r"(?:[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"
    r"|type=[A-Z_]+ msg=audit\("
)
"""How a line begins that the syslog or auditd decoder reads: a time stamp, with or without <PRI>."""
CARRIED = frozenset({AUTO, "syslog", "auditd"})
"""Source hints under which a document may carry a line of a log."""
_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
)  # fmt: skip
_DEFAULT_PRIORITY = 13
"""user.notice, what RFC 3164 section 4.3.3 gives a message without one."""
_PARSED = (b'"class_uid"', b'"winlog"', b'"category"', b'"eventVersion"', b'"event_type"', b'"_path"')
"""Members of documents that a source's own decoder reads; looked for before anything is parsed."""


class _Carrier(msgspec.Struct):
    """The members by which shippers' wrappings are told, under the names that they use."""

    message: str | None = None
    log: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    upper_message: str | None = msgspec.field(default=None, name="MESSAGE")
    upper_host: str | None = msgspec.field(default=None, name="HOST")
    upper_program: str | None = msgspec.field(default=None, name="PROGRAM")
    upper_pid: str | int | None = msgspec.field(default=None, name="PID")
    upper_facility: str | None = msgspec.field(default=None, name="FACILITY")
    upper_priority: str | None = msgspec.field(default=None, name="PRIORITY")
    upper_date: str | None = msgspec.field(default=None, name="ISODATE")
    stamp: str | None = msgspec.field(default=None, name="@timestamp")
    fromhost: str | None = None
    syslogtag: str | None = None
    timereported: str | None = None


_decode = msgspec.json.Decoder(_Carrier).decode


def unwrap(framed: Framed, bad: Collection[int]) -> None:
    """Take lines out of the documents that carry them, in place; `bad` are indices to leave alone.

    An index that is called "syslog" says what its documents carry, not what they are: one that carries no
    line is looked at like any other.
    """
    for index, record in enumerate(framed.records):
        hint = framed.sources[index] if framed.sources else framed.source
        if index in bad or hint not in CARRIED or record[:1] != b"{":
            continue
        line = line_in(record)
        if line is not None:
            framed.records[index] = line
        elif framed.sources:
            framed.sources[index] = AUTO


def line_in(document: bytes) -> bytes | None:
    """The log line (or JSON text) that a document carries, None if it is an event of its own.

    Never raises: what cannot be read is left to the decoders, which say why.
    """
    if any(member in document for member in _PARSED):
        return None
    try:
        carrier = _decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if carrier.upper_message is not None and (carrier.upper_date or carrier.stamp):
        return _of_syslog_ng(carrier)
    if carrier.message is not None and carrier.timereported:
        return _of_rsyslog(carrier)
    for text in (carrier.message, _text(carrier.log)):
        if text and (found := native_text(text)) is not None:
            return found
    return None


def native_text(text: str) -> bytes | None:
    """A text that a decoder reads as it is (a JSON object, a line with a stamp), on one line; else None."""
    stripped = text.strip()
    if stripped[:1] == "{" and stripped[-1:] == "}":
        try:
            msgspec.json.decode(stripped, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return None
        return stripped.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")
    return one_line(stripped) if _LINE.match(stripped) else None


def _text(raw: msgspec.Raw | msgspec.UnsetType) -> str | None:
    if not isinstance(raw, msgspec.Raw) or bytes(raw)[:1] != b'"':
        return None
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):  # what was passed over was not looked into
        return None


def _of_syslog_ng(carrier: _Carrier) -> bytes:
    message = carrier.upper_message or ""
    severity = _index(_SEVERITIES, carrier.upper_priority)
    facility = _index(_FACILITIES, carrier.upper_facility)
    priority = _DEFAULT_PRIORITY if severity < 0 or facility < 0 else 8 * facility + severity
    pid = f"[{carrier.upper_pid}]" if carrier.upper_pid else ""
    stamp, host = carrier.upper_date or carrier.stamp, _word(carrier.upper_host)
    return one_line(f"<{priority}>{stamp} {host} {_word(carrier.upper_program)}{pid}: {message}")


def _of_rsyslog(carrier: _Carrier) -> bytes:
    tag = (carrier.syslogtag or "").strip()
    tag = tag if tag.endswith(":") or not tag else f"{tag}:"
    message = (carrier.message or "").strip()
    return one_line(f"{carrier.timereported} {_word(carrier.fromhost)} {tag} {message}".replace("  ", " "))


def _index(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) if name in names else -1


def _word(text: str | None) -> str:
    return "_".join((text or "-").split()) or "-"
