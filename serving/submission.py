"""What protocol adapters hand to the core, and what they get back: the seam between ingest and the engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from features.errors import HabitusError

if TYPE_CHECKING:
    from serving.judgement import Effect
    from serving.learned import TakenBack


class Protocol(StrEnum):
    """How a submission came in; it decides what its acknowledgement waits for."""

    NATIVE = "native"
    BULK = "bulk"
    OTLP = "otlp"
    HEC = "hec"
    SYSLOG = "syslog"
    SCORE = "score"


@dataclass(frozen=True)
class Submission:
    """One request's records.

    Parameters
    ----------
    tenant
        From the credentials, never from the request.
    protocol
        How it came in.
    body
        UTF-8 records, one a line, decompressed (NDJSON, or lines of a text log). No record holds a line feed:
        adapters write such an event anew as JSON. Blank lines are no records.
    source
        A name of `features.sources.registry.MODULES`, or "auto" to look at the body's beginning.
    ids
        The client's own ids, one a record, "" for a record without; a record that has one is deduplicated
        by it instead of by its source's id. None when the protocol has none.
    """

    tenant: str
    protocol: Protocol
    body: bytes
    source: str = "auto"
    ids: tuple[str, ...] | None = None


class EventScore(msgspec.Struct, frozen=True):
    """The answer of /v1/score for one event.

    time
        ISO 8601 in UTC; "" where the record could not be read.
    held
        Whether the event waits for clearance before it is learned.
    outcome
        "scored", "late" (older than what had been scored before; scored and learned all the same),
        "duplicate" (of an event known before: not scored again, the numbers are 0 and 1), or "quarantined"
        (unreadable: `reason` says why).
    """

    event_uid: str
    time: str
    risk: float
    evidence: float
    p_value: float
    top_channel: str
    reason: str
    held: bool
    outcome: str = "scored"


class Receipt(NamedTuple):
    """What became of a submission's records.

    accepted counts records that were neither duplicate nor quarantined; `late` of those were older than what
    had been scored before (they are scored and learned all the same). For protocols whose answer holds no
    counts (see `COUNTED`) the acknowledgement does not wait for decoding: accepted then equals received and
    the others are 0. scores: one a record in order, when they were asked for. taken_back: of an unlearning.
    effect: of a verdict.
    """

    received: int
    accepted: int
    duplicate: int
    quarantined: int
    late: int
    scores: list[EventScore] | None = None
    taken_back: TakenBack | None = None
    effect: Effect | None = None


COUNTED = frozenset({Protocol.NATIVE, Protocol.SCORE})
"""Protocols whose answers hold counts: acknowledged when the batch is on disk *and* decoded."""


class Busy(HabitusError):
    """The service cannot take more right now; the client should come back after `retry_after_s` seconds.

    reason: "requests" (bodies in memory), "queue" (all that waits), "tenant_queue", "rate" (the tenant's), or
    "previews" (questions with learn=False).
    """

    def __init__(self, message: str, retry_after_s: float = 1.0, reason: str = "requests") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.reason = reason


class Refused(HabitusError):
    """Nothing can be written: the disk is full or failing, or the service is stopping. Nothing was kept."""


class TooLarge(HabitusError):
    """A submission over a limit; sending it again will not help."""
