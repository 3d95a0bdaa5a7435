"""One line of JSON, walked once: what is wanted goes to the scratch columns, the rest is only checked.

Nothing here raises or reads outside of the buffer, whatever the bytes are: every loop ends at `bound`,
which lies at least `MARGIN` bytes before the end of the buffer, and what is read between two checks is
less than that.
"""

# Options from a table hide the decorator's type; array elements are Any, machine integers int for numba.
# mypy: disable-error-code="untyped-decorator, no-any-return, arg-type, return-value"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from features.scanner_grammar import (
    ASCII_TEXT,
    COLUMN_SHIFT,
    FLAG,
    INTEGER,
    KEY_LIMIT,
    KIND_BITS,
    LIST,
    NODE_SHIFT,
    NONE,
    OBJECT,
    RANK_SHIFT,
    ROOT,
    TEXT,
)
from features.scanner_simd import BLOCK, INLINED, KERNEL, byte_at, copy_block, first_special, word_at
from features.sources.parsing import TEXT_LIMIT

if TYPE_CHECKING:
    from features.scanner_grammar import Program, Scratch

MARGIN = 128
"""Bytes behind `bound` that may be read."""
REFUSED = -1
"""The line is left to the typed decoder."""
DEPTH = 16
"""Containers within each other that are walked."""
MISSING = -1
"""Number of a key that is null; real ones are not negative."""

_DIGITS_WANTED = 18
_DIGITS_SKIPPED = 32
_UNRANKED = 127
_TRUE, _FALSE, _NULL = 0x65757274, 0x65736C6166, 0x6C6C756E
_FOUR, _FIVE = 0xFFFFFFFF, 0xFFFFFFFFFF
_TAB, _CR, _SPACE, _QUOTE, _MINUS, _DOT, _ZERO, _NINE = 9, 13, 32, 34, 45, 46, 48, 57
_COMMA, _COLON, _OPEN_LIST, _BACKSLASH, _CLOSE_LIST, _OPEN, _CLOSE = 44, 58, 91, 92, 93, 123, 125


@njit(**INLINED)
def skip_blanks(buffer: np.ndarray, position: int, bound: int) -> int:
    """Next byte that is no space, tab or carriage return; a newline ends the line and is no blank."""
    while position < bound:
        byte = byte_at(buffer, position)
        if byte != _SPACE and byte != _TAB and byte != _CR:
            break
        position += 1
    return position


@njit(**KERNEL)
def hex_value(buffer: np.ndarray, position: int) -> int:
    """Value of four hexadecimal digits; -1 if they are none."""
    value = 0
    for i in range(4):
        byte = byte_at(buffer, position + i)
        if _ZERO <= byte <= _NINE:
            digit = byte - _ZERO
        elif 97 <= byte | 32 <= 102:
            digit = (byte | 32) - 87
        else:
            return -1
        value = value * 16 + digit
    return value


@njit(**KERNEL)
def utf8_length(buffer: np.ndarray, position: int) -> int:
    """Bytes of a well-formed UTF-8 sequence of two or more bytes, 0 if it is none (Unicode 15, table 3-7)."""
    first = byte_at(buffer, position)
    second = byte_at(buffer, position + 1)
    if 0xC2 <= first <= 0xDF:
        return 2 if second & 0xC0 == 0x80 else 0
    third_ok = byte_at(buffer, position + 2) & 0xC0 == 0x80
    if 0xE0 <= first <= 0xEF:
        low = 0xA0 if first == 0xE0 else 0x80
        high = 0x9F if first == 0xED else 0xBF
        return 3 if low <= second <= high and third_ok else 0
    if 0xF0 <= first <= 0xF4:
        low = 0x90 if first == 0xF0 else 0x80
        high = 0x8F if first == 0xF4 else 0xBF
        fourth_ok = byte_at(buffer, position + 3) & 0xC0 == 0x80
        return 4 if low <= second <= high and third_ok and fourth_ok else 0
    return 0


@njit(**KERNEL)
def _escaped(buffer: np.ndarray, position: int) -> int:
    """Character behind a backslash at `position`, with 256 added for the six-byte form; -1 to refuse."""
    byte = byte_at(buffer, position + 1)
    if byte in (_BACKSLASH, _QUOTE) or byte == 47:
        return byte
    if byte == 117:
        value = hex_value(buffer, position + 2)
        # Control characters could be mistaken for the separators of a user, the rest is no single byte.
        return value + 256 if _SPACE <= value < 127 else REFUSED
    if byte == 110:
        return 10
    if byte == 116:
        return _TAB
    if byte == 114:
        return _CR
    if byte == 98:
        return 8
    return 12 if byte == 102 else REFUSED


@njit(**KERNEL)
def _skip_string(buffer: np.ndarray, position: int, bound: int) -> int:
    """End of an unwanted string (behind its quote) from a special byte in it on; REFUSED if it is
    malformed.
    """
    while position < bound:
        byte = byte_at(buffer, position)
        if byte == _QUOTE:
            return position + 1
        if byte == _BACKSLASH:
            following = byte_at(buffer, position + 1)
            if following == 117:
                value = hex_value(buffer, position + 2)
                if value < 0 or 0xD800 <= value <= 0xDFFF:
                    return REFUSED
                position += 6
            elif _escaped(buffer, position) >= 0:
                position += 2
            else:
                return REFUSED
        elif byte >= 0x80:
            length = utf8_length(buffer, position)
            if length == 0:
                return REFUSED
            position += length
        else:
            return REFUSED
        step = first_special(buffer, position)
        while step == BLOCK:
            position += BLOCK
            if position >= bound:
                return REFUSED
            step = first_special(buffer, position)
        position += step
    return REFUSED


@njit(**KERNEL)
def _rewrite_string(
    buffer: np.ndarray, begin: int, special: int, bound: int, text: np.ndarray, place: int, ascii_only: bool
) -> tuple[int, int]:
    """Write a wanted string without its escapes to `text`; the position behind it, or REFUSED, and its bytes.

    `special` is the first special byte. A string of more than TEXT_LIMIT bytes as written is refused.
    """
    position = begin
    out = place
    while True:
        # What stands before the special byte is copied in blocks; the surplus is overwritten next.
        while position < special:
            copy_block(text, out, buffer, position)
            step = min(BLOCK, special - position)
            position += step
            out += step
        if position >= bound or position - begin > TEXT_LIMIT:
            return REFUSED, 0
        byte = byte_at(buffer, position)
        if byte == _QUOTE:
            return position + 1, out - place
        if byte == _BACKSLASH:
            value = _escaped(buffer, position)
            if value < 0:
                return REFUSED, 0
            text[out] = value & 0xFF
            out += 1
            position += 6 if value >= 256 else 2
        elif byte >= 0x80 and not ascii_only:
            length = utf8_length(buffer, position)
            if length == 0:
                return REFUSED, 0
            copy_block(text, out, buffer, position)
            out += length
            position += length
        else:
            return REFUSED, 0
        special = position
        step = first_special(buffer, special)
        while step == BLOCK and special < bound and special - begin <= TEXT_LIMIT:
            special += BLOCK
            step = first_special(buffer, special)
        special += step
        if special - begin > TEXT_LIMIT + 2 * BLOCK:
            return REFUSED, 0


@njit(**INLINED)
def _find_key(buffer: np.ndarray, position: int, length: int, parent: int, program: Program) -> int:
    """Packed node of a key, 0 if it is not wanted."""
    if parent == 0 or length > KEY_LIMIT:
        return 0
    first = word_at(buffer, position) & program.masks[0, length]
    second = word_at(buffer, position + 8) & program.masks[1, length]
    factors = program.multipliers
    mixed = first * factors[0] ^ second * factors[1] ^ np.uint64(parent) * factors[2]
    row = byte_at(program.slots, np.int64(mixed >> factors[3])) * 4
    table = program.table
    same = (table[row] == first) & (table[row + 1] == second) & (table[row + 2] == np.uint64(parent))
    return np.int64(table[row + 3]) if same else 0


@njit(**INLINED)
def read_line(  # noqa: C901 - a call for each token would cost more than the token
    buffer: np.ndarray, start: int, bound: int, scratch: Scratch, place: int, program: Program
) -> tuple[int, int]:
    """Walk one JSON object from its brace on; the position behind it (or REFUSED) and the end of its texts.

    `place` is the first free byte of `scratch.text`; LINE_ROOM bytes must be free.
    """
    at, size, best = scratch.at, scratch.size, scratch.best
    number, stamp, stack, text = scratch.number, scratch.stamp, scratch.stack, scratch.text
    elements = program.elements
    for column in range(size.shape[0]):
        size[column] = 0
        best[column] = _UNRANKED
    line = stamp[stamp.shape[0] - 1] + 1
    stamp[stamp.shape[0] - 1] = line
    depth = 0
    node = ROOT
    in_list = False
    position = start
    if byte_at(buffer, position) != _OPEN:
        return REFUSED, 0
    position += 1
    while True:
        # 1. a key, or nothing before the element of a list
        if position >= bound:
            return REFUSED, 0
        if in_list:
            entry = node
            node = 0
        else:
            byte = byte_at(buffer, position)
            if byte <= _SPACE:
                position = skip_blanks(buffer, position, bound)
                byte = byte_at(buffer, position)
            if byte != _QUOTE:
                return REFUSED, 0
            position += 1
            step = first_special(buffer, position)
            length = step
            while step == BLOCK:
                if position + length >= bound:
                    return REFUSED, 0
                step = first_special(buffer, position + length)
                length += step
            if byte_at(buffer, position + length) != _QUOTE:
                return REFUSED, 0
            entry = _find_key(buffer, position, length, node, program)
            position += length + 1
            if byte_at(buffer, position) != _COLON:
                position = skip_blanks(buffer, position, bound)
                if byte_at(buffer, position) != _COLON:
                    return REFUSED, 0
            position += 1
        byte = byte_at(buffer, position)
        if byte <= _SPACE:
            position = skip_blanks(buffer, position, bound)
            byte = byte_at(buffer, position)
        kind = entry & KIND_BITS
        if entry != 0:
            child = entry >> NODE_SHIFT & 0xFF
            if stamp[child] == line:
                return REFUSED, 0
            stamp[child] = line
        else:
            child = 0
        # 2. the value
        if byte == _QUOTE:
            position += 1
            step = first_special(buffer, position)
            special = position + step
            while step == BLOCK:
                if special >= bound:
                    return REFUSED, 0
                step = first_special(buffer, special)
                special += step
            if kind == NONE:
                if byte_at(buffer, special) == _QUOTE:
                    position = special + 1
                else:
                    position = _skip_string(buffer, special, bound)
                    if position < 0:
                        return REFUSED, 0
            elif kind in (TEXT, ASCII_TEXT):
                begin = position
                length = special - begin
                if byte_at(buffer, special) == _QUOTE:
                    position = special + 1
                    if length > TEXT_LIMIT:
                        return REFUSED, 0
                else:
                    if length > TEXT_LIMIT:
                        return REFUSED, 0
                    position, length = _rewrite_string(
                        buffer, begin, special, bound, text, place, kind == ASCII_TEXT
                    )
                    if position < 0:
                        return REFUSED, 0
                    begin = ~place
                    place += length
                column = entry >> COLUMN_SHIFT & 0xFF
                rank = entry >> RANK_SHIFT
                if length > 0 and rank < best[column]:
                    best[column] = rank
                    at[column] = begin
                    size[column] = length
            else:
                return REFUSED, 0
        elif byte in (_OPEN, _OPEN_LIST):
            opens_list = byte == _OPEN_LIST
            if kind != NONE and kind != (LIST if opens_list else OBJECT):
                return REFUSED, 0
            position = skip_blanks(buffer, position + 1, bound)
            if byte_at(buffer, position) == (_CLOSE_LIST if opens_list else _CLOSE):
                position += 1
            else:
                if depth == DEPTH:
                    return REFUSED, 0
                stack[depth] = node * 2 + in_list
                depth += 1
                in_list = opens_list
                node = elements[child] if opens_list else child
                continue
        elif _ZERO <= byte <= _NINE or byte == _MINUS:
            if byte == _MINUS:
                if kind != NONE:
                    return REFUSED, 0
                position += 1
                byte = byte_at(buffer, position)
            digits = position
            value = 0
            if byte == _ZERO:
                position += 1
            else:
                limit = position + _DIGITS_SKIPPED
                while _ZERO <= byte <= _NINE and position < limit:
                    value = value * 10 + (byte - _ZERO)
                    position += 1
                    byte = byte_at(buffer, position)
                if position == digits:
                    return REFUSED, 0
            if kind == INTEGER:
                if position - digits > _DIGITS_WANTED:
                    return REFUSED, 0
                number[child] = value
            elif kind != NONE:
                return REFUSED, 0
            elif byte_at(buffer, position) == _DOT:
                position += 1
                digits = position
                byte = byte_at(buffer, position)
                while _ZERO <= byte <= _NINE and position < digits + _DIGITS_SKIPPED:
                    position += 1
                    byte = byte_at(buffer, position)
                if position == digits:
                    return REFUSED, 0
        else:
            word = word_at(buffer, position)
            four = word & np.uint64(_FOUR)
            if four == np.uint64(_NULL):
                position += 4
                number[child] = MISSING
            elif kind != NONE and kind != FLAG:
                return REFUSED, 0
            elif four == np.uint64(_TRUE):
                position += 4
                number[child] = 1
            elif word & np.uint64(_FIVE) == np.uint64(_FALSE):
                position += 5
                number[child] = 0
            else:
                return REFUSED, 0
        # 3. what ends here
        while True:
            byte = byte_at(buffer, position)
            if byte <= _SPACE:
                position = skip_blanks(buffer, position, bound)
                byte = byte_at(buffer, position)
            position += 1
            if byte == _COMMA:
                break
            if byte != (_CLOSE_LIST if in_list else _CLOSE):
                return REFUSED, 0
            if depth == 0:
                return position, place
            depth -= 1
            in_list = bool(stack[depth] & 1)
            node = stack[depth] >> 1
