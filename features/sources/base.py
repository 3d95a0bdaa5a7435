"""What every decoder is: the protocol, the sample it sniffs, and small helpers that all sources share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from features import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.events import Event

Record = tuple[int, bytes]
"""A record's number in its file (first line counts as 1) and its bytes without the line ending."""


@dataclass(frozen=True)
class Sample:
    """The beginning of a file, as sniffing sees it.

    `head` is up to 64 KiB of decompressed bytes. `lines` are its first non-blank complete lines. `record` is
    the first JSON object of the file (of a line, of an array, or of a {"Records": [...]} or {"value": [...]}
    wrapper), {} if none.
    """

    name: str
    head: bytes
    lines: tuple[bytes, ...]
    record: dict[str, object]


@dataclass
class SourceContext:
    """What a decoder may know besides its records. One context a file."""

    path: str = ""
    modified_us: int = 0
    """When the file was last written, microseconds UTC (0: unknown): no line of it can be much later."""
    default_year: int = 1970
    """For stamps without a year (RFC 3164): the year of the file's *last* line, so the file's modification
    year.
    """
    default_host: str = ""
    """For records that name no host (auditd): given by the user, else empty."""
    identity: identity.IdentityResolver = field(default_factory=identity.IdentityResolver)


@runtime_checkable
class Decoder(Protocol):
    """Turns one source's records into events. One instance a file, so it may keep a file's header or year.

    `decode` raises `features.errors.RecordError` for a record that cannot be an event; its message says why.
    It never raises anything else, whatever the bytes are. It never returns None: a record that names no user,
    host or address is still an event (class Base Event if nothing better is known).
    """

    name: ClassVar[str]

    def __init__(self, context: SourceContext) -> None: ...

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """How sure we are that the file is of this source: 0 not at all, 1 certain."""

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Join lines to records (auditd: by event id; most: as they are); drop headers and blank lines."""

    def decode(self, record: bytes) -> Event:
        """One record to one event."""
