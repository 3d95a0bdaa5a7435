"""Rows of raw columns: what a decoder leaves behind, as arrays. Both doors (typed events, byte scanner) end
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.events import TEXT_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.events import Event
    from features.interner import StringTable

RAW_COLUMNS = tuple(name for name in TEXT_ATTRIBUTES if name != "uid")
"""Text attributes of an event in the order of `RawRows.raw`; the position is also the name space in the memo
table.
"""

PARTS = "\x1f"
"""Separates name, domain, stable id and machine of a user that is still to be resolved (see `RawRows.raw`).
"""

OK, HAND_OVER, BROKEN = 0, 1, 2


class RawRows(NamedTuple):
    """Columns of a chunk of events, all of length n.

    raw
        int32 (n, len(RAW_COLUMNS)): ids in the memo table (name space = column position), 0 for missing. A
        user that begins with PARTS is unresolved: PARTS + name + PARTS + domain + PARTS + stable id + PARTS +
        machine.
    time_us, class_uid, activity_id, status_id, dst_port, bytes_in, bytes_out
        as in `features.events.Event`.
    start, stop
        byte range of the record in its buffer, line ending excluded.
    uid_start, uid_stop
        byte range of the record's own id in the buffer; equal when it has none.
    key
        uint64 hash of the record's own id, else of its bytes, for deduplication.
    state
        OK, HAND_OVER (the scanner leaves it to the typed decoder) or BROKEN (quarantined).
    """

    time_us: np.ndarray
    class_uid: np.ndarray
    activity_id: np.ndarray
    status_id: np.ndarray
    dst_port: np.ndarray
    bytes_in: np.ndarray
    bytes_out: np.ndarray
    raw: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    uid_start: np.ndarray
    uid_stop: np.ndarray
    key: np.ndarray
    state: np.ndarray


def empty_rows(n: int) -> RawRows:
    """Zeroed rows for n events."""
    return RawRows(
        time_us=np.zeros(n, np.int64),
        class_uid=np.zeros(n, np.int32),
        activity_id=np.zeros(n, np.int32),
        status_id=np.zeros(n, np.int32),
        dst_port=np.zeros(n, np.int32),
        bytes_in=np.zeros(n, np.int64),
        bytes_out=np.zeros(n, np.int64),
        raw=np.zeros((n, len(RAW_COLUMNS)), np.int32),
        start=np.zeros(n, np.int64),
        stop=np.zeros(n, np.int64),
        uid_start=np.zeros(n, np.int64),
        uid_stop=np.zeros(n, np.int64),
        key=np.zeros(n, np.uint64),
        state=np.zeros(n, np.uint8),
    )


def put_events(
    rows: RawRows, positions: Sequence[int] | np.ndarray, events: Sequence[Event], memo: StringTable
) -> None:
    """Write typed events into the given rows (all columns but the byte ranges and the key)."""
    where = np.asarray(positions, np.int64)
    rows.time_us[where] = np.fromiter((event.time_us for event in events), np.int64, len(events))
    rows.class_uid[where] = np.fromiter((event.class_uid for event in events), np.int64, len(events))
    rows.activity_id[where] = np.fromiter((event.activity_id for event in events), np.int64, len(events))
    rows.status_id[where] = np.fromiter((event.status_id for event in events), np.int64, len(events))
    rows.dst_port[where] = np.fromiter((event.dst_port for event in events), np.int64, len(events))
    rows.bytes_in[where] = np.fromiter((event.bytes_in for event in events), np.int64, len(events))
    rows.bytes_out[where] = np.fromiter((event.bytes_out for event in events), np.int64, len(events))
    rows.state[where] = OK
    for column, name in enumerate(RAW_COLUMNS):
        rows.raw[where, column] = memo.intern_many([getattr(event, name) for event in events], column)
