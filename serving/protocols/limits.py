"""Bounds on what a client may send: sizes of requests, and depth, keys and strings of one JSON record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from serving.protocols.framing import Lines
from serving.submission import TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[{}\[\]:]', re.DOTALL)
"""Strings (one that is never closed runs to the end, so that the search stays linear) and structure."""
_BYTES_A_KEY = 5
"""The shortest member of an object: `"":0,`. A record of n bytes has fewer than n / 5 keys."""


@dataclass(frozen=True)
class Limits:
    """What is refused, and by which name a refusal calls it.

    Parameters
    ----------
    request_bytes
        Of a request's body as it comes in.
    decompressed_bytes
        Of the body after decompression.
    record_bytes
        Of one record.
    depth, keys, string_bytes
        Of one JSON record: nested objects and arrays, members over all levels, bytes of one string.
    tokens
        Of one JSON record: opening brackets and quotation marks; bounds the work of looking closer.
    """

    request_bytes: int = 32 << 20
    decompressed_bytes: int = 64 << 20
    record_bytes: int = 4 << 20
    depth: int = 64
    keys: int = 4096
    string_bytes: int = 1 << 20
    tokens: int = 1 << 18

    def let_all_pass(self, body: bytes) -> bool:
        """Whether each line of a body is surely within the limits, see `none_broken`."""
        return self.none_broken(*Lines.of(body))

    def none_broken(self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> bool:
        """Whether the records data[start:stop] of a body (uint8, line by line) are surely within the limits;
        those of which this is not sure have to be looked at one by one.
        """
        if int((stops - starts).max(initial=0)) > self._short:
            return False
        opened = np.flatnonzero((data | 0x20) == ord("{"))  # the other bracket differs in this bit alone
        return (
            int(np.diff(np.searchsorted(opened, np.append(starts, len(data)))).max(initial=0)) <= self.depth
        )

    @property
    def _short(self) -> int:
        """Bytes of a record that cannot have too many keys or too long a string."""
        return min(_BYTES_A_KEY * self.keys, self.string_bytes)

    def broken_by(self, record: bytes) -> str:
        """Which limit a JSON record exceeds, in words; "" when none. Linear in its length.

        Bytes that are no JSON are measured as if they were: telling what is valid is the decoder's work.
        """
        opened = record.count(b"{") + record.count(b"[")
        if opened <= self.depth and len(record) <= self._short:
            return ""
        if len(record) > self.record_bytes:
            return f"record_bytes: a record of {len(record):,} bytes, at most {self.record_bytes:,}"
        if opened + record.count(b'"') > self.tokens:
            return f"tokens: a record of more than {self.tokens:,} strings and brackets"
        return self._measured(record)

    def _measured(self, record: bytes) -> str:
        depth = keys = 0
        for found in _TOKENS.finditer(record):
            token = found[0]
            first = token[0]
            if first == 0x22:  # a string
                if len(token) - 2 > self.string_bytes:
                    return (
                        f"string_bytes: a string of {len(token) - 2:,} bytes, at most {self.string_bytes:,}"
                    )
            elif first in b"{[":
                depth += 1
                if depth > self.depth:
                    return f"depth: a record nested deeper than {self.depth} levels"
            elif first in b"}]":
                depth -= 1
            else:
                keys += 1
                if keys > self.keys:
                    return f"keys: a record of more than {self.keys:,} keys"
        return ""

    def refuse_broken(self, records: list[bytes]) -> None:
        """Raise TooLarge for the first record over a limit; for clients that can be told to mend it."""
        for index, reason in self._found(records):
            raise TooLarge(f"record {index + 1} is over the limit {reason}")

    def put_aside_broken(self, records: list[bytes]) -> list[tuple[int, str]]:
        """(index, reason) of each record over a limit; for shippers, which would lose the others with it."""
        return [(index, f"over the limit {reason}") for index, reason in self._found(records)]

    def _found(self, records: list[bytes]) -> Iterator[tuple[int, str]]:
        # the look that nearly every record passes is written out: a call for each would cost twice as much
        short = self._short
        depth = self.depth
        suspects = [
            index
            for index, record in enumerate(records)
            if len(record) > short or record.count(b"{") + record.count(b"[") > depth
        ]
        for index in suspects:
            if reason := self.broken_by(records[index]):
                yield index, reason
