"""Records of one request, and the submissions they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from serving.submission import EventScore, Protocol, Receipt, Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTO = "auto"
_OBJECT = 0x7B
PUT_ASIDE = b"put aside ("
"""How a record begins that is known to be broken: no syslog line, and so no event."""
_ASIDE = ("syslog", True)


class Lines(NamedTuple):
    """Where the lines of a body lie: line n is data[starts[n]:stops[n]], without its line feed.

    data: uint8, the whole body. starts, stops: int64; a body that ends in a line feed has an empty last line.
    """

    data: np.ndarray
    starts: np.ndarray
    stops: np.ndarray

    @classmethod
    def of(cls, body: bytes) -> Lines:
        """O(bytes); nothing is copied."""
        data = np.frombuffer(body, np.uint8)
        stops = np.append(np.flatnonzero(data == ord("\n")), len(data))
        return cls(data, np.concatenate([[0], stops[:-1] + 1]), stops)


@dataclass
class Framed:
    """The records of one request in the client's order.

    records
        Bytes of each without line ends; none is blank.
    ids
        The client's own id of each, "" for none; empty when the protocol has none.
    sources
        The source hint of each; empty means `source` for all.
    source
        A source's name or "auto".
    poison
        (index, reason) of records known to be broken, in order.
    whole, count
        Instead of `records`: all of them, one a line, that nobody has to take apart, and how many they are.
    """

    records: list[bytes]
    ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    source: str = AUTO
    poison: list[tuple[int, str]] = field(default_factory=list)
    whole: bytes = b""
    count: int = 0


class Part(NamedTuple):
    """One submission, and which of the request's records it holds."""

    submission: Submission
    indices: Sequence[int]


def parts(framed: Framed, tenant: str, protocol: Protocol) -> list[Part]:
    """Split a request into submissions of one source hint each; JSON is never mixed with lines of text.

    Sniffing looks at the beginning of a submission and decides for all of it, and one key may carry the
    logs of many programs. Order within a submission is the client's. Broken records go together as lines
    that no decoder reads (see PUT_ASIDE), so they end in quarantine with the reason in front of them.
    """
    if framed.whole:
        return [Part(Submission(tenant, protocol, framed.whole, framed.source), range(framed.count))]
    n = len(framed.records)
    if not n:
        return []
    hints = framed.sources or [framed.source] * n
    kinds = [(hint, record[0] == _OBJECT) for hint, record in zip(hints, framed.records, strict=True)]
    records = framed.records
    if framed.poison:
        records = list(records)
        for index, reason in framed.poison:
            kinds[index] = _ASIDE
            records[index] = PUT_ASIDE + reason.encode() + b"): " + records[index]
    if len(set(kinds)) == 1:
        return [_part(records, framed.ids, tenant, protocol, kinds[0][0], range(n))]
    groups: dict[tuple[str, bool], list[int]] = {}
    for index, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(index)
    return [
        _part(records, framed.ids, tenant, protocol, hint, indices) for (hint, _), indices in groups.items()
    ]


def _part(
    records: list[bytes], ids: list[str], tenant: str, protocol: Protocol, source: str, indices: Sequence[int]
) -> Part:
    if len(indices) < len(records):
        records = [records[index] for index in indices]
        ids = [ids[index] for index in indices] if ids else ids
    own = tuple(ids) if any(ids) else None
    return Part(Submission(tenant, protocol, b"\n".join(records), source, own), indices)


def together(found: list[tuple[Part, Receipt]], n: int) -> Receipt:
    """One receipt for the whole request; scores go back to the places of their records."""
    scores: list[EventScore | None] | None = None
    for part, receipt in found:
        if receipt.scores is not None:
            scores = scores if scores is not None else [None] * n
            for index, score in zip(part.indices, receipt.scores, strict=True):
                scores[index] = score
    receipts = [receipt for _, receipt in found]
    return Receipt(
        received=sum(receipt.received for receipt in receipts),
        accepted=sum(receipt.accepted for receipt in receipts),
        duplicate=sum(receipt.duplicate for receipt in receipts),
        quarantined=sum(receipt.quarantined for receipt in receipts),
        late=sum(receipt.late for receipt in receipts),
        scores=None if scores is None else [score for score in scores if score is not None],
    )


def one_line(text: str) -> bytes:
    """A text as one line: a line feed is written as rsyslog writes it (#012), so nothing can forge a line."""
    return text.replace("\r", "#015").replace("\n", "#012").encode("utf-8", "replace")
