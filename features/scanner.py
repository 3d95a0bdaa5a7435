"""OCSF JSON at full speed: a scanner that turns bytes into rows without making a Python object.

It reads the common shape of OCSF and leaves every line that needs care (state HAND_OVER) to the typed
decoder, `features.sources.ocsf`. What it does read, it reads like that decoder: the same columns once
users, hosts and addresses are resolved, which is done later, once for every distinct text. It never calls
a line broken: that is not its to say.

Left to the typed decoder: wanted values of another type than usual, wanted keys that occur twice, a
record id with escapes, rare escapes in wanted texts, exponents, negative and long numbers, texts longer
than `TEXT_LIMIT`, nesting deeper than 16, lines longer than `LINE_LIMIT`, lines without time or class,
and whatever is not valid JSON.
"""

# Options from a table hide the decorator's type; array elements are Any, machine integers int for numba.
# mypy: disable-error-code="untyped-decorator, no-any-return, arg-type, return-value"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from features.errors import RecordError
from features.interner import PADDING
from features.lowlevel import hash_bytes
from features.rows import BROKEN, HAND_OVER, OK, RAW_COLUMNS, put_events
from features.scanner_finish import (
    ACTIVITY_ID,
    BYTES_IN,
    BYTES_OUT,
    CLASS_UID,
    DST_PORT,
    STATUS_ID,
    TIME_US,
    finish_line,
)
from features.scanner_grammar import COLUMN, LINE_ROOM, QUEUE, program, scratch
from features.scanner_line import MARGIN, REFUSED, read_line, skip_blanks
from features.scanner_lookup import ALL_FOUND, enqueue, resolve
from features.scanner_simd import BLOCK, KERNEL, byte_at, first_newline
from features.sources.ocsf import OcsfDecoder

if TYPE_CHECKING:
    from features.events import Event
    from features.interner import StringTable, TableArrays
    from features.rows import RawRows
    from features.scanner_grammar import Program, Scratch
    from features.sources.base import SourceContext

LINE_LIMIT = 1 << 20
"""Bytes of a line that the scanner reads."""

N_RAW = len(RAW_COLUMNS)
_UID = COLUMN["uid"]
_NEWLINE, _CR = 10, 13


@njit(**KERNEL)
def _line_end(buffer: np.ndarray, position: int, stop: int) -> int:
    """Position of the next newline, `stop` if there is none before it."""
    while position + BLOCK <= stop:
        step = first_newline(buffer, position)
        if step < BLOCK:
            return position + step
        position += BLOCK
    while position < stop and byte_at(buffer, position) != _NEWLINE:
        position += 1
    return position


@njit(**KERNEL)
def scan(  # noqa: C901 - a call for each step would cost more than the step
    buffer: np.ndarray,
    start: int,
    stop: int,
    rows: RawRows,
    first_row: int,
    memo: TableArrays,
    scratch: Scratch,
    key_seed: int,
    program: Program,
) -> tuple[int, int, int]:
    """Scan NDJSON lines of `buffer[start:stop]` into rows from `first_row` on.

    `start` is the beginning of a line, `stop` its end or that of the stream. The buffer is uint8 with at
    least eight bytes behind `stop`; with MARGIN bytes even the last line is scanned, otherwise it is
    handed over. Blank lines give no row.

    Returns
    -------
    tuple[int, int, int]
        Where the first line begins that was not scanned, the first row that was not filled, and, when the
        memo is full, the bytes that it needs more (else 0): grow it and call again from there.
    """
    bound = min(stop, buffer.shape[0] - MARGIN)
    n_rows = rows.state.shape[0]
    at, size, fields = scratch.at, scratch.size, scratch.fields
    position, row = start, first_row
    queued, place = 0, 0
    while True:
        # 1. where the next line is
        begin = skip_blanks(buffer, position, stop)
        if begin < stop and byte_at(buffer, begin) == _NEWLINE:
            position = begin + 1
            continue
        at_end = begin >= stop or row >= n_rows
        # 2. ids for the texts of the lines before it, when enough of them wait or nothing follows
        if at_end or queued + N_RAW > QUEUE or place > LINE_ROOM:
            failed = resolve(buffer, scratch, queued, memo, rows.raw)
            if failed != ALL_FOUND:
                row = scratch.queue[failed, 0]
                return rows.start[row], row, scratch.queue[failed, 3] + 1
            queued, place = 0, 0
            if at_end:
                return (stop if begin >= stop else position), row, 0
        # 3. the line itself
        state = HAND_OVER
        end = begin
        after, free = REFUSED, place
        if begin < bound:
            after, free = read_line(buffer, begin, bound, scratch, place, program)
        if after >= 0:
            end = skip_blanks(buffer, after, stop)
            if end == stop or (end < stop and byte_at(buffer, end) == _NEWLINE):
                state = OK
        if state == HAND_OVER:
            end = _line_end(buffer, begin, stop)
        length = end - position
        if byte_at(buffer, end - 1) == _CR:
            length -= 1
        if state == OK:
            free = finish_line(buffer, free, scratch, program) if length <= LINE_LIMIT else REFUSED
            state = OK if free >= 0 else HAND_OVER
        # 4. the row
        for column in range(N_RAW):
            rows.raw[row, column] = 0
        uid, uid_size = position, 0
        if state == OK:
            place = free
            queued = enqueue(buffer, scratch, row, queued, memo)
            if size[_UID] > 0:
                uid, uid_size = at[_UID], size[_UID]
            rows.time_us[row] = fields[TIME_US]
            rows.class_uid[row] = fields[CLASS_UID]
            rows.activity_id[row] = fields[ACTIVITY_ID]
            rows.status_id[row] = fields[STATUS_ID]
            rows.dst_port[row] = fields[DST_PORT]
            rows.bytes_in[row] = fields[BYTES_IN]
            rows.bytes_out[row] = fields[BYTES_OUT]
        rows.start[row] = position
        rows.stop[row] = position + length
        rows.uid_start[row] = uid
        rows.uid_stop[row] = uid + uid_size
        if uid_size > 0:
            rows.key[row] = hash_bytes(buffer, uid, uid_size, key_seed)
        else:
            rows.key[row] = hash_bytes(buffer, position, length, key_seed)
        rows.state[row] = state
        row += 1
        position = end + 1 if end < stop else stop


class OcsfScanner:
    """Fills rows from NDJSON in a buffer; one instance a thread.

    Parameters
    ----------
    context
        For the typed decoder that takes what is handed over.
    key_seed
        Seed of the hash in `RawRows.key`; the same for whatever is to be deduplicated together.
    """

    def __init__(self, context: SourceContext, key_seed: int = 0) -> None:
        # As a signed number of the same bits: kernels are compiled for that type.
        self._key_seed = (key_seed + (1 << 63) & (1 << 64) - 1) - (1 << 63)
        self._decoder = OcsfDecoder(context)
        self._program = program()
        self._scratch = scratch()

    def scan_chunk(
        self, buffer: np.ndarray, start: int, stop: int, rows: RawRows, memo: StringTable
    ) -> tuple[int, int]:
        """Scan whole lines of `buffer[start:stop]` until they or the rows end; the memo grows as needed.

        Returns where the first line begins that was not scanned, and the number of rows filled. See
        `scan` for what the buffer must be.
        """
        if not 0 <= start <= stop <= buffer.shape[0] - PADDING:
            raise ValueError(f"the buffer needs {PADDING} bytes behind the range that is scanned")
        position, row = start, 0
        while True:
            position, row, room = scan(
                buffer, position, stop, rows, row, memo.arrays, self._scratch, self._key_seed, self._program
            )
            if not room:
                return int(position), int(row)
            memo.grow(int(room))

    def scan_with_fallback(
        self, buffer: np.ndarray, start: int, stop: int, rows: RawRows, memo: StringTable
    ) -> tuple[int, int, list[tuple[int, str]]]:
        """`scan_chunk`, then the typed decoder for what was handed over.

        Returns also the rows that no event could be made of, each with the reason; their state is BROKEN.
        """
        position, filled = self.scan_chunk(buffer, start, stop, rows, memo)
        broken: list[tuple[int, str]] = []
        decoded: list[int] = []
        events: list[Event] = []
        for row in np.flatnonzero(rows.state[:filled] == HAND_OVER).tolist():
            begin = int(rows.start[row])
            line = buffer[begin : int(rows.stop[row])].tobytes()
            try:
                event = self._decoder.decode(line)
            except RecordError as error:
                rows.state[row] = BROKEN
                broken.append((row, str(error)))
                continue
            decoded.append(row)
            events.append(event)
            if event.uid:
                self._put_uid(rows, row, begin, line, event.uid.encode())
        if decoded:
            put_events(rows, decoded, events, memo)
        return position, filled, broken

    def _put_uid(self, rows: RawRows, row: int, begin: int, line: bytes, uid: bytes) -> None:
        """Key by the record's own id; its range stays empty when the line has it only with escapes."""
        padded = np.frombuffer(uid + bytes(PADDING), np.uint8)
        rows.key[row] = hash_bytes(padded, 0, len(uid), self._key_seed)
        found = line.find(b'"' + uid + b'"')
        if found >= 0:
            rows.uid_start[row] = begin + found + 1
            rows.uid_stop[row] = begin + found + 1 + len(uid)
