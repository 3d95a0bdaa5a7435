"""An event as it was sent, from the journal, as long as that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import zstandard
from sqlalchemy import func, select

from features.lowlevel import hash_bytes
from features.reader import NAMING_SEED
from serving.journal import Kind
from serving.store.tables import journal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

BEFORE_US, AFTER_US = 300_000_000, 3_600_000_000
"""Events arrive this much before (clocks) and after their time, as a rule."""
MOST_BYTES = 64 << 20
"""Of bodies that are looked through, unpacked."""
MOST_TEXT = 16_384
_PADDING = bytes(64)
_HEX = frozenset("0123456789abcdef")


class Wanted(NamedTuple):
    """An event: its id, and when it happened (microseconds UTC)."""

    uid: str
    time_us: int


def records(connection: Connection, tenant: str, wanted: Iterable[Wanted]) -> dict[str, str]:
    """Text of those events that are still in the journal, by id.

    A record is found by the id that stands in it, or else by the hash that was made its id. Bounded: bodies
    received around the events' times, MOST_BYTES in all.
    """
    left = {one.uid: one for one in wanted}
    found: dict[str, str] = {}
    if not left:
        return found
    c, unpacker = journal.c, zstandard.ZstdDecompressor()
    times = [one.time_us for one in left.values()]
    around = select(func.min(c.seq), func.max(c.seq)).where(
        c.tenant == tenant,
        c.received_us >= min(times) - BEFORE_US,
        c.received_us <= max(times) + AFTER_US,
    )
    first, last = connection.execute(around).one()
    if first is None:
        return found
    query = (
        select(c.body, c.size)
        .where(c.seq >= first, c.seq <= last, c.tenant == tenant, c.kind == int(Kind.SUBMISSION))
        .order_by(c.seq)
    )
    room = MOST_BYTES
    for body, size in connection.execute(query):
        room -= size
        if room < 0 or not left:
            break
        content = unpacker.decompress(bytes(body), max_output_size=MOST_BYTES)
        for uid, text in _in(content, left):
            found[uid] = text
            left.pop(uid, None)
    return found


def _in(content: bytes, left: dict[str, Wanted]) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    hashed = {uid for uid in left if len(uid) == 16 and set(uid) <= _HEX}
    named = {uid: uid.encode() for uid in left if uid.encode() in content}
    if not hashed and not named:
        return out
    for line in content.split(b"\n"):
        record = line.strip()
        if not record:
            continue
        for uid, name in named.items():
            if name in record:
                out.append((uid, _text(record)))
        if hashed:
            buffer = np.frombuffer(record + _PADDING, np.uint8)
            uid = f"{int(hash_bytes(buffer, 0, len(record), NAMING_SEED)):016x}"
            if uid in hashed:
                out.append((uid, _text(record)))
    return out


def _text(record: bytes) -> str:
    return record[:MOST_TEXT].decode("utf-8", "replace")
