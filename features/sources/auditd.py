r"""Linux audit: lines of audit.log, raw or enriched, joined to events.

The kernel writes one event as several lines of one `audit(seconds:serial)`: SYSCALL, EXECVE, CWD, PATH,
PROCTITLE, ... Lines of several events may interleave. `frames` joins them; a joined record is its lines
with newlines between. An event ends with its EOE or PROCTITLE line, or two seconds (of the log's own time)
after it began, as in the audit library.

Strings that strangers choose are quoted if plain and hex-encoded otherwise (`audit_log_untrustedstring`),
so a value never holds a blank; `\x1d` begins the enriched part, where the daemon adds names: `UID="root"
AUID="alice"`.

Who acts is the login user (auid), because sudo and su change the others; ids become names where the log
told them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar, Final

from features import identity
from features.errors import RecordError
from features.events import Event
from features.sources import parsing
from features.sources.auditd_records import AuditEvent, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

_OPEN_EVENTS: Final = 256
_LINES_AN_EVENT: Final = 256
_BYTES_AN_EVENT: Final = 1 << 20
_END_MS: Final = 2_000
"""An event is over when another began this much later: EOE_TIMEOUT of libauparse."""

_SINGLE: Final = (
    b"USER_", b"USYS_", b"CRED_", b"SERVICE_", b"DAEMON_", b"SYSTEM_", b"ADD_", b"DEL_", b"GRP_", b"ACCT_",
    b"CHUSER_", b"CHGRP_", b"CRYPTO_", b"VIRT_", b"ROLE_", b"RESP_", b"LABEL_", b"DEV_", b"FS_", b"SOFTWARE_",
    b"TEST", b"LOGIN",
)  # fmt: skip
"""Beginnings of types that programs send: such an event is one line. LOGIN is the kernel's, and says all."""
_LAST: Final = (b"PROCTITLE", b"EOE")


class AuditdDecoder:
    """Decodes audit events. Without `node=` the host is `SourceContext.default_host`."""

    name: ClassVar[str] = "auditd"

    def __init__(self, context: SourceContext) -> None:
        self._people = context.identity
        self._default_host = context.default_host
        self._names: dict[tuple[str, str], str] = {}

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain if the first lines are `type=... msg=audit(...)` or the marks of ausearch."""
        lines = [line for line in sample.lines[:8] if not line.startswith((b"----", b"time->"))]
        good = sum(1 for line in lines if _head(line) is not None)
        return good / len(lines) if lines and good * 4 >= len(lines) * 3 else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Joined lines of one event each, in the order in which events end; other lines go through alone."""
        pending: OrderedDict[bytes, _Group] = OrderedDict()
        newest = 0
        for number, raw in lines:
            line = raw.rstrip(b"\r\n")
            if not line.strip() or line.startswith((b"----", b"time->")):
                continue
            head = _head(line)
            if head is None:
                yield number, line
                continue
            key, kind, stamp_ms = head
            group = pending.get(key)
            if group is None:
                if kind == b"EOE":
                    continue  # the end of an event that PROCTITLE has ended already
                if kind.startswith(_SINGLE):
                    yield number, line
                    continue
                group = pending[key] = _Group(number, stamp_ms)
            group.add(line)
            if kind in _LAST or group.full:
                yield pending.pop(key).record()
            newest = max(newest, min(stamp_ms, newest + 86_400_000) if newest else stamp_ms)
            while pending and (len(pending) > _OPEN_EVENTS or _first(pending).stamp_ms < newest - _END_MS):
                yield pending.popitem(last=False)[1].record()
        for group in pending.values():
            yield group.record()

    def decode(self, record: bytes) -> Event:
        """One joined event; see `features.sources.base.Decoder`."""
        lines = record.split(b"\n", _LINES_AN_EVENT)[:_LINES_AN_EVENT]
        head = _head(lines[0])
        if head is None:
            raise RecordError("not an audit line: no type=... msg=audit(seconds:serial)")
        audit = AuditEvent()
        for line in lines:
            audit.add(line.decode("utf-8", "backslashreplace"))
        node = parsing.text(audit.node) or self._default_host
        event = Event(time_us=parsing.checked_us(head[2] * 1000), host=identity.host(node))
        describe(audit, event, self._people, self._names)
        return event


class _Group:
    """Lines of one event so far."""

    __slots__ = ("_bytes", "_lines", "_number", "stamp_ms")

    def __init__(self, number: int, stamp_ms: int) -> None:
        self._number = number
        self._lines: list[bytes] = []
        self._bytes = 0
        self.stamp_ms = stamp_ms

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    @property
    def full(self) -> bool:
        return len(self._lines) >= _LINES_AN_EVENT or self._bytes >= _BYTES_AN_EVENT

    def record(self) -> Record:
        return self._number, b"\n".join(self._lines)


def _first(pending: OrderedDict[bytes, _Group]) -> _Group:
    return next(iter(pending.values()))


def _head(line: bytes) -> tuple[bytes, bytes, int] | None:
    """Key (node, stamp, serial), type and milliseconds since 1970 UTC; None if the line is no audit."""
    start = line.find(b"type=", 0, 300)
    if start < 0 or (start and not line.startswith(b"node=")):
        return None
    kind, _, rest = line[start + 5 :].partition(b" ")
    rest = rest[:128].lstrip()
    if not rest.startswith(b"msg=audit("):
        return None
    mark, closed, _ = rest[10:].partition(b")")
    stamp, colon, serial = mark.partition(b":")
    seconds, _, fraction = stamp.partition(b".")
    if not (closed and colon and serial.isdigit() and seconds.isdigit() and len(seconds) < 14):
        return None
    if fraction and not fraction.isdigit():
        return None
    return line[:start] + mark, kind[:64], int(seconds) * 1000 + int((fraction + b"000")[:3])
