"""Short cuts for names that are written the plain way, as nearly all are: `alice`, `WS-12.corp.example`,
`10.1.2.3`.

A large organisation shows a new name every other event, and the rules for names (`features.identity`,
`features.enrich`) take ten microseconds in Python. What is decided here is decided as by those rules, and
whatever is not certainly plain is left to them.
"""

# Options from a table hide the decorator's type; array elements are Any, machine integers int for numba.
# mypy: disable-error-code="untyped-decorator, no-any-return, arg-type, return-value"

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from features import identity
from features.interner import NO_ROOM, PADDING, StringTable, TableArrays, find, find_or_add
from features.lowlevel import hash_bytes
from features.rows import PARTS, RAW_COLUMNS
from features.scanner_simd import INLINED, KERNEL, byte_at, prefetch

RULES, PLAIN, PAIRED = 0, 1, 2
"""What became of a text: left to the rules; decided; decided, and its name belongs to its stable id."""

BLOCK = 64
"""Texts that are looked up together, so that the waits for memory overlap."""
MOST_BYTES = 64
"""Of one plain name or domain; longer ones are left to the rules."""

_USER, _HOST, _ADDRESS = 1, 2, 3
_KINDS = {
    "user": _USER,
    "target_user": _USER,
    "host": _HOST,
    "src_host": _HOST,
    "src_ip": _ADDRESS,
    "dst_ip": _ADDRESS,
}
_MOST_RESULTS = 2
BLOCK_BYTES = BLOCK * _MOST_RESULTS * (MOST_BYTES + 1)
"""Room that the results of a block can take."""
_SEPARATOR = ord(PARTS)
_DOT, _HYPHEN, _UNDERSCORE, _SLASH, _ZERO, _NINE, _LOWER_S = b".-_/09s"
_SID = b"s-1-5-21-"
_SID_NUMBERS = 14
"""Numbers behind `S-1-5-21` at most: a SID has fifteen sub-authorities."""
_NAME_LIMIT, _LABEL_LIMIT = 62, 61


class Work(NamedTuple):
    """What the kernel needs besides the tables.

    kinds: int64 by raw column. letters: uint8 (256,): 1 a digit, 2 a letter, else 0. sid: uint8, how an
    account's SID begins. text: uint8, BLOCK times what is to be interned. sizes, keys: (BLOCK, results) their
    bytes and hashes.
    """

    kinds: np.ndarray
    letters: np.ndarray
    sid: np.ndarray
    text: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray


def make_work() -> Work:
    """Fresh working memory, 20 KB."""
    letters = np.zeros(256, np.uint8)
    letters[np.frombuffer(b"0123456789", np.uint8)] = 1
    letters[np.frombuffer(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)] = 2
    return Work(
        kinds=np.array([_KINDS.get(name, 0) for name in RAW_COLUMNS], np.int64),
        letters=letters,
        sid=np.frombuffer(_SID, np.uint8).copy(),
        text=np.zeros(BLOCK * _MOST_RESULTS * (MOST_BYTES + PADDING), np.uint8),
        sizes=np.zeros((BLOCK, _MOST_RESULTS), np.int64),
        keys=np.zeros((BLOCK, _MOST_RESULTS), np.uint64),
    )


def reserved_names() -> StringTable:
    """Names that mean something else than themselves; all of them are left to the rules."""
    table = StringTable()
    table.intern_many(
        sorted(identity._NOT_SAID | identity._NOT_PEOPLE | identity._SYSTEM_DOMAINS | identity._NO_HOST)
    )
    return table


@njit(**INLINED)
def _lowered(work: Work, blob: np.ndarray, start: int, length: int, out: int) -> None:
    for i in range(length):
        byte = byte_at(blob, start + i)
        work.text[out + i] = byte | 0x20 if work.letters[byte] == 2 else byte


@njit(**INLINED)
def _is_reserved(
    work: Work, reserved: TableArrays, blob: np.ndarray, start: int, length: int, out: int
) -> bool:
    """Whether a text in lower case is reserved; the text of the block at `out` is overwritten."""
    _lowered(work, blob, start, length, out)
    return find(reserved, work.text, out, length) != 0


@njit(**INLINED)
def _part(blob: np.ndarray, start: int, stop: int) -> int:
    """End of the part of an unresolved user that begins at `start`."""
    while start < stop and byte_at(blob, start) != _SEPARATOR:
        start += 1
    return start


@njit(**INLINED)
def _is_sid(work: Work, blob: np.ndarray, start: int, stop: int) -> bool:
    """Whether the text is the SID of an account of a domain or a machine."""
    fixed = work.sid.shape[0]
    if stop - start <= fixed:
        return False
    for i in range(fixed):
        byte = byte_at(blob, start + i)
        if (byte | 0x20 if work.letters[byte] == 2 else byte) != work.sid[i]:
            return False
    numbers, digits = 1, 0
    for i in range(start + fixed, stop):
        byte = byte_at(blob, i)
        if work.letters[byte] == 1:
            digits += 1
            if digits > 10:
                return False
        elif byte == _HYPHEN and digits > 0:
            numbers, digits = numbers + 1, 0
        else:
            return False
    return digits > 0 and numbers <= _SID_NUMBERS


@njit(**INLINED)
def _is_plain_user(work: Work, blob: np.ndarray, start: int, stop: int) -> bool:
    """Whether `identity` takes the name for plain: letters, digits, `._`, and a hyphen not near its start."""
    length = stop - start
    if length < 2 or length > _NAME_LIMIT:
        return False
    if work.letters[byte_at(blob, start)] != 2 or work.letters[byte_at(blob, stop - 1)] == 0:
        return False
    for i in range(start + 1, stop - 1):
        byte = byte_at(blob, i)
        if work.letters[byte] != 0 or byte in (_DOT, _UNDERSCORE):
            continue
        if byte != _HYPHEN or i < start + 5:
            return False
    return True


@njit(**INLINED)
def _is_plain_domain(
    work: Work, reserved: TableArrays, blob: np.ndarray, start: int, stop: int, out: int
) -> bool:
    """Whether a domain says nothing about the name beside it."""
    if stop - start > MOST_BYTES:
        return False
    for i in range(start, stop):
        byte = byte_at(blob, i)
        if work.letters[byte] == 0 and byte not in (_DOT, _HYPHEN):
            return False
    return start == stop or not _is_reserved(work, reserved, blob, start, stop - start, out)


@njit(**INLINED)
def _user(work: Work, reserved: TableArrays, blob: np.ndarray, start: int, stop: int, out: int) -> int:
    """`IdentityResolver.user` for a plain name with a plain domain; writes the entity's name to `out`."""
    begin, end, outcome = start, stop, PLAIN
    if byte_at(blob, start) == _SEPARATOR:
        begin = start + 1
        end = _part(blob, begin, stop)
        domain = min(end + 1, stop)
        domain_end = _part(blob, domain, stop)
        sid = min(domain_end + 1, stop)
        sid_end = _part(blob, sid, stop)
        if sid_end + 1 < stop:  # a machine: the account may be its own
            return RULES
        if not _is_plain_domain(work, reserved, blob, domain, domain_end, out):
            return RULES
        if sid < sid_end:
            outcome = PAIRED
            if not _is_sid(work, blob, sid, sid_end):
                return RULES
    if not _is_plain_user(work, blob, begin, end):
        return RULES
    return RULES if _is_reserved(work, reserved, blob, begin, end - begin, out) else outcome


@njit(**INLINED)
def _host(work: Work, reserved: TableArrays, blob: np.ndarray, start: int, stop: int, out: int) -> int:
    """`identity.host` for a plain name: writes its first label to `out`; its length, 0 for any other name."""
    if stop - start > MOST_BYTES:
        return 0
    first, label = 0, start
    while label <= stop:
        end = label
        while end < stop and byte_at(blob, end) != _DOT:
            byte = byte_at(blob, end)
            if work.letters[byte] == 0 and byte != _HYPHEN:
                return 0
            end += 1
        if end == label or end - label > _LABEL_LIMIT or work.letters[byte_at(blob, label)] != 2:
            return 0
        if label == start:
            first = end - start
            if first < 2 or byte_at(blob, end - 1) == _HYPHEN:
                return 0
        label = end + 1
    if first < stop - start and _is_reserved(work, reserved, blob, start, stop - start, out):
        return 0
    return 0 if _is_reserved(work, reserved, blob, start, first, out) else first


@njit(**INLINED)
def _private(work: Work, blob: np.ndarray, start: int, stop: int) -> int:
    """Bytes up to the last dot of a private IPv4 address (10/8, 172.16/12, 192.168/16) that is written as
    `identity.ip` writes it, else 0.
    """
    number, digits, octets, last_dot = 0, 0, 0, 0
    one, two = 0, 0
    for i in range(start, stop + 1):
        byte = byte_at(blob, i) if i < stop else _DOT
        if work.letters[byte] == 1:
            if digits == 1 and number == 0:
                return 0
            number = number * 10 + byte - _ZERO
            digits += 1
            if digits > 3:
                return 0
        elif byte == _DOT and digits > 0 and number <= 255:
            if octets == 0:
                one = number
            elif octets == 1:
                two = number
            octets += 1
            if octets > 4:
                return 0
            if octets == 3:
                last_dot = i - start
            number, digits = 0, 0
        else:
            return 0
    if octets != 4:
        return 0
    private = one == 10 or (one == 172 and 16 <= two < 32) or (one == 192 and two == 168)
    return last_dot if private else 0


@njit(**INLINED)
def _reduce(work: Work, reserved: TableArrays, memo: TableArrays, index: int, at: int) -> int:
    """Write the results of one text to the block; what became of it."""
    blob, sizes = memo.blob, work.sizes
    start, stop = memo.offsets[index] + 1, memo.offsets[index + 1]
    kind = work.kinds[byte_at(blob, start - 1)]
    out = at * _MOST_RESULTS * (MOST_BYTES + PADDING)
    sizes[at, 0] = sizes[at, 1] = 0
    if kind == _USER:
        outcome = _user(work, reserved, blob, start, stop, out)
        if outcome != RULES:
            begin = start + 1 if byte_at(blob, start) == _SEPARATOR else start
            sizes[at, 0] = _part(blob, begin, stop) - begin
        return outcome
    if kind == _HOST:
        sizes[at, 0] = _host(work, reserved, blob, start, stop, out)
    elif kind == _ADDRESS:
        network = _private(work, blob, start, stop)
        if network > 0:
            sizes[at, 0] = stop - start
            _lowered(work, blob, start, stop - start, out)
            out += MOST_BYTES + PADDING
            _lowered(work, blob, start, network + 1, out)
            work.text[out + network + 1] = _ZERO
            work.text[out + network + 2] = _SLASH
            work.text[out + network + 3] = _ZERO + 2
            work.text[out + network + 4] = _ZERO + 4
            sizes[at, 1] = network + 5
    return PLAIN if sizes[at, 0] > 0 else RULES


@njit(**KERNEL)
def reduce_plain(
    memo: TableArrays,
    pending: np.ndarray,
    first: int,
    reserved: TableArrays,
    values: TableArrays,
    work: Work,
    derived: np.ndarray,
    outcomes: np.ndarray,
) -> int:
    """Decide the plain texts among `pending` (ids in the memo) from position `first` on.

    Their results are added to `values`, the ids written to the rows of `derived`; `outcomes` says what became
    of each text. Returns the position to go on from when `values` has no room, else the number of texts.
    """
    stride = MOST_BYTES + PADDING
    mask = values.slots.shape[0] - 1
    for block in range(first, pending.shape[0], BLOCK):
        count = min(BLOCK, pending.shape[0] - block)
        for at in range(count):
            outcomes[block + at] = _reduce(work, reserved, memo, pending[block + at], at)
            for result in range(_MOST_RESULTS):
                length = work.sizes[at, result]
                if outcomes[block + at] != RULES and length > 0:
                    key = hash_bytes(work.text, (at * _MOST_RESULTS + result) * stride, length, 0)
                    work.keys[at, result] = key
                    prefetch(values.slots, np.int64(key & np.uint64(mask)))
        for at in range(count):
            index = pending[block + at]
            for position in range(derived.shape[1]):
                derived[index, position] = 0
            if outcomes[block + at] == RULES:
                continue
            for result in range(_MOST_RESULTS):
                length = work.sizes[at, result]
                if length > 0:
                    place = (at * _MOST_RESULTS + result) * stride
                    value = find_or_add(values, work.text, place, length, 0, work.keys[at, result])
                    if value == NO_ROOM:
                        return block
                    derived[index, result] = value
    return pending.shape[0]
