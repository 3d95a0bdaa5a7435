"""The end of a line: which user, which host, which process; the same choices as in `features.sources.ocsf`.

All texts are bytes here. A text that was rewritten stands in the scratch memory: its place is then below
zero.
"""

# Options from a table hide the decorator's type; array elements are Any, machine integers int for numba.
# mypy: disable-error-code="untyped-decorator, no-any-return, arg-type, return-value"

from __future__ import annotations

from typing import TYPE_CHECKING

from numba import njit

from features import events
from features.scanner_grammar import (
    AUTH_WORDS,
    COLUMN,
    FIELDS,
    LOGON_WORDS,
    N_AUTH,
    N_LOGON,
    N_PROTOCOL,
    NODE,
    PROTOCOL_WORDS,
    USER_PARTS,
    USERS_AT,
)
from features.scanner_line import MISSING, REFUSED
from features.scanner_simd import BLOCK, INLINED, KERNEL, byte_at, copy_block
from features.sources.ocsf import INT32_MAX
from features.sources.parsing import TEXT_LIMIT

if TYPE_CHECKING:
    import numpy as np

    from features.scanner_grammar import Program, Scratch

TIME_US, CLASS_UID, ACTIVITY_ID, STATUS_ID, DST_PORT, BYTES_IN, BYTES_OUT = range(FIELDS)
"""Places in `Scratch.fields`."""

_USER, _TARGET, _HOST = COLUMN["user"], COLUMN["target_user"], COLUMN["host"]
_DST_HOST, _DST_IP, _PROTOCOL = COLUMN["dst_host"], COLUMN["dst_ip"], COLUMN["protocol"]
_PROCESS, _PARENT, _BY = COLUMN["process"], COLUMN["parent_process"], COLUMN["actor_process"]
_AUTH, _LOGON, _STATUS, _UID = COLUMN["auth"], COLUMN["logon_type"], COLUMN["status"], COLUMN["uid"]

_TIME_NODE, _CLASS_NODE, _TYPE_NODE = NODE["time"], NODE["class_uid"], NODE["type_uid"]
_ACTIVITY_NODE, _STATUS_NODE, _PORT_NODE = NODE["activity_id"], NODE["status_id"], NODE["dst_endpoint.port"]
_AUTH_NODE, _LOGON_NODE, _MFA_NODE = NODE["auth_protocol_id"], NODE["logon_type_id"], NODE["is_mfa"]
_PROTOCOL_NODE = NODE["connection_info.protocol_num"]
_IN_NODE, _OUT_NODE = NODE["traffic.bytes_in"], NODE["traffic.bytes_out"]

_AUTHENTICATION, _AUTHORIZE, _PROCESS_ACTIVITY = (
    events.AUTHENTICATION,
    events.AUTHORIZE_SESSION,
    events.PROCESS_ACTIVITY,
)
_ACCOUNT_CHANGE, _USER_ACCESS, _GROUPS, _ENTITIES = (
    events.ACCOUNT_CHANGE,
    events.USER_ACCESS,
    events.GROUP_MANAGEMENT,
    events.ENTITY_MANAGEMENT,
)
_LATEST_MS = events.LATEST_US // 1000
_MOST_BYTES = events.MOST_BYTES
_SUBJECT, _ACTOR, _OWNER, _BY_OWNER, _NOBODY = 0, 1, 2, 3, -1
_PARTS = 0x1F
_SPACE, _BACKSLASH, _HYPHEN, _UNDERSCORE = 32, 92, 45, 95
_NETBIOS = 15
_ARN = 0x3A6E7261
_MFA = 0x61666D
_SUCCESS, _FAILURE = 0x73736563637573, 0x6572756C696166


@njit(**INLINED)
def _is_letter(byte: int) -> bool:
    return 97 <= byte | 32 <= 122


@njit(**INLINED)
def _is_alnum(byte: int) -> bool:
    return _is_letter(byte) or 48 <= byte <= 57


@njit(**INLINED)
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(**INLINED)
def _byte(buffer: np.ndarray, text: np.ndarray, place: int, offset: int) -> int:
    """One byte of a text wherever it stands."""
    return byte_at(buffer, place + offset) if place >= 0 else byte_at(text, ~place + offset)


@njit(**INLINED)
def _append(buffer: np.ndarray, text: np.ndarray, out: int, place: int, size: int) -> int:
    """Copy a text behind what was written; the new end."""
    done = 0
    if place >= 0:
        while done < size:
            copy_block(text, out + done, buffer, place + done)
            done += BLOCK
    else:
        while done < size:
            copy_block(text, out + done, text, ~place + done)
            done += BLOCK
    return out + size


@njit(**INLINED)
def _append_lower(buffer: np.ndarray, text: np.ndarray, out: int, place: int, size: int) -> int:
    for i in range(size):
        text[out + i] = _lower(_byte(buffer, text, place, i))
    return out + size


@njit(**INLINED)
def _append_word(program: Program, text: np.ndarray, out: int, first: int, number: int, count: int) -> int:
    """Write the word of a number, nothing if it has none."""
    if number < 0 or number >= count:
        return out
    start = program.word_at[first + number]
    copy_block(text, out, program.words, start)
    return out + program.word_at[first + number + 1] - start


@njit(**INLINED)
def _number(scratch: Scratch, node: int) -> int:
    stamp = scratch.stamp
    return scratch.number[node] if stamp[node] == stamp[stamp.shape[0] - 1] else MISSING


@njit(**INLINED)
def _is_sign_in(class_uid: int) -> bool:
    return class_uid in (_AUTHENTICATION, _AUTHORIZE)


@njit(**INLINED)
def _present(size: np.ndarray, user: int) -> bool:
    column = USERS_AT + user * USER_PARTS
    return size[column] + size[column + 2] > 0


@njit(**KERNEL)
def _equal(buffer: np.ndarray, scratch: Scratch, left: int, right: int) -> bool:
    """Whether two columns hold the same text."""
    if scratch.size[left] != scratch.size[right]:
        return False
    one, other = scratch.at[left], scratch.at[right]
    for i in range(scratch.size[left]):
        if _byte(buffer, scratch.text, one, i) != _byte(buffer, scratch.text, other, i):
            return False
    return True


@njit(**KERNEL)
def _name_by_arn(buffer: np.ndarray, scratch: Scratch, user: int) -> None:
    """An ARN in the id serves as the name of a user without one."""
    column = USERS_AT + user * USER_PARTS
    at, size = scratch.at, scratch.size
    if size[column] > 0 or size[column + 2] < 4:
        return
    start = 0
    for i in range(4):
        start |= _byte(buffer, scratch.text, at[column + 2], i) << 8 * i
    if start == _ARN:
        at[column] = at[column + 2]
        size[column] = size[column + 2]


@njit(**KERNEL)
def _same(buffer: np.ndarray, scratch: Scratch, left: int, right: int) -> bool:
    one, other = USERS_AT + left * USER_PARTS, USERS_AT + right * USER_PARTS
    if scratch.size[one + 2] > 0 and _equal(buffer, scratch, one + 2, other + 2):
        return True
    return (
        _equal(buffer, scratch, one, other)
        and _equal(buffer, scratch, one + 1, other + 1)
        and _equal(buffer, scratch, one + 2, other + 2)
    )


@njit(**INLINED)
def _choose_users(buffer: np.ndarray, scratch: Scratch, class_uid: int) -> tuple[int, int]:
    """Who acts, and upon whom (see `features.sources.ocsf`)."""
    size = scratch.size
    subject, actor = _present(size, _SUBJECT), _present(size, _ACTOR)
    if _is_sign_in(class_uid):
        return (_SUBJECT if subject else _ACTOR if actor else _NOBODY), _NOBODY
    if class_uid in (_ACCOUNT_CHANGE, _USER_ACCESS, _GROUPS, _ENTITIES):
        _name_by_arn(buffer, scratch, _SUBJECT)
        _name_by_arn(buffer, scratch, _ACTOR)
        if not (subject and actor):
            return (_ACTOR if actor else _SUBJECT if subject else _NOBODY), _NOBODY
        return _ACTOR, (_NOBODY if _same(buffer, scratch, _ACTOR, _SUBJECT) else _SUBJECT)
    owner = _present(size, _OWNER)
    if class_uid == _PROCESS_ACTIVITY:
        return (_OWNER if owner else _ACTOR if actor else _SUBJECT if subject else _NOBODY), _NOBODY
    by_owner = _BY_OWNER if _present(size, _BY_OWNER) else _NOBODY
    return (_ACTOR if actor else _SUBJECT if subject else _OWNER if owner else by_owner), _NOBODY


@njit(**KERNEL)
def _where_in_name(text: np.ndarray, place: int, size: int) -> tuple[int, int]:
    """Domain in front of the last backslash of a rewritten name: place and bytes, 0 bytes if there is
    none.
    """
    start = ~place
    end = start + size - 1
    while end >= start and byte_at(text, end) != _BACKSLASH:
        end -= 1
    first = end - 1
    while first >= start and byte_at(text, first) != _BACKSLASH:
        first -= 1
    return (~(first + 1), end - first - 1) if end >= start else (0, 0)


@njit(**INLINED)
def _needs_machine(  # noqa: C901 - one rule, as in the typed decoder
    buffer: np.ndarray, scratch: Scratch, column: int
) -> bool:
    """Whether the host can change who a user is: `features.sources.ocsf.machine_of`, on bytes."""
    at, size, text = scratch.at, scratch.size, scratch.text
    if size[_HOST] == 0:
        return False
    if size[column + 2] > 0:
        letters = False
        for i in range(size[column + 2]):
            letters = letters or _is_letter(_byte(buffer, text, at[column + 2], i))
            if letters:
                break
        if not letters:
            return True
    where, length = at[column + 1], size[column + 1]
    if size[column] > 0 and at[column] < 0:
        inside, inside_length = _where_in_name(text, at[column], size[column])
        if inside_length > 0:
            where, length = inside, inside_length
            for i in range(length):
                if _byte(buffer, text, where, i) >= 0x80:
                    return True
    if length == 0:
        return False
    host = at[_HOST]
    if not (
        _is_alnum(_byte(buffer, text, where, 0))
        and _is_alnum(_byte(buffer, text, where, length - 1))
        and _is_alnum(_byte(buffer, text, host, 0))
    ):
        return True
    if length > size[_HOST]:
        return False
    for i in range(length):
        if _lower(_byte(buffer, text, where, i)) != _lower(_byte(buffer, text, host, i)):
            return False
    if length == size[_HOST] or length == _NETBIOS:
        return True
    after = _byte(buffer, text, host, length)
    return not (_is_alnum(after) or after in (_HYPHEN, _UNDERSCORE))


@njit(**INLINED)
def _put_user(buffer: np.ndarray, scratch: Scratch, user: int, target: int, out: int) -> int:
    """Write an unresolved user (see `features.rows.RawRows`) as the text of column `target`."""
    at, size, text = scratch.at, scratch.size, scratch.text
    _name_by_arn(buffer, scratch, user)
    column = USERS_AT + user * USER_PARTS
    machine = _needs_machine(buffer, scratch, column)
    start = out
    for part in range(USER_PARTS):
        text[out] = _PARTS
        out = _append(buffer, text, out + 1, at[column + part], size[column + part])
    text[out] = _PARTS
    out += 1
    if machine:
        out = _append(buffer, text, out, at[_HOST], size[_HOST])
    at[target] = ~start
    size[target] = out - start
    return out


@njit(**INLINED)
def _put_auth(buffer: np.ndarray, scratch: Scratch, program: Program, out: int) -> int:
    """Write authentication protocol, logon type and "mfa", as far as known, as the text of their column."""
    at, size, text = scratch.at, scratch.size, scratch.text
    start = out
    if size[_AUTH] > 0:
        out = _append_lower(buffer, text, out, at[_AUTH], size[_AUTH])
    else:
        out = _append_word(program, text, out, AUTH_WORDS, _number(scratch, _AUTH_NODE), N_AUTH)
    between = out
    if out > start:
        text[out] = _SPACE
        out += 1
    logon = out
    if size[_LOGON] > 0:
        out = _append_lower(buffer, text, out, at[_LOGON], size[_LOGON])
    else:
        out = _append_word(program, text, out, LOGON_WORDS, _number(scratch, _LOGON_NODE), N_LOGON)
    if out == logon:
        out = between
    if _number(scratch, _MFA_NODE) == 1:
        if out > start:
            text[out] = _SPACE
            out += 1
        for i in range(3):
            text[out + i] = _MFA >> 8 * i & 0xFF
        out += 3
    at[_AUTH] = ~start
    size[_AUTH] = out - start
    return out


@njit(**INLINED)
def _put_protocol(buffer: np.ndarray, scratch: Scratch, program: Program, out: int) -> int:
    at, size = scratch.at, scratch.size
    start = out
    if size[_PROTOCOL] > 0:
        out = _append_lower(buffer, scratch.text, out, at[_PROTOCOL], size[_PROTOCOL])
    else:
        number = _number(scratch, _PROTOCOL_NODE)
        out = _append_word(program, scratch.text, out, PROTOCOL_WORDS, number, N_PROTOCOL)
    at[_PROTOCOL] = ~start
    size[_PROTOCOL] = out - start
    return out


@njit(**INLINED)
def _status_id(buffer: np.ndarray, scratch: Scratch) -> int:
    status = _number(scratch, _STATUS_NODE)
    if status == 1 or status == 2:
        return status
    if scratch.size[_STATUS] != 7:
        return 0
    word = 0
    for i in range(7):
        word |= _lower(_byte(buffer, scratch.text, scratch.at[_STATUS], i)) << 8 * i
    return 1 if word == _SUCCESS else 2 if word == _FAILURE else 0


@njit(**INLINED)
def _volume(scratch: Scratch, node: int) -> int:
    """`features.sources.parsing.volume` of what a node holds."""
    number = _number(scratch, node)
    return number if 0 < number <= _MOST_BYTES else 0


@njit(**INLINED)
def _take(scratch: Scratch, column: int, source: int) -> None:
    """Fill a column from another one unless it has a text of its own."""
    if scratch.size[column] == 0:
        scratch.at[column] = scratch.at[source]
        scratch.size[column] = scratch.size[source]


@njit(**INLINED)
def finish_line(buffer: np.ndarray, place: int, scratch: Scratch, program: Program) -> int:
    """Turn what was read of a line into `scratch.fields` and the texts of the row columns.

    `place` is the first free byte of `scratch.text`. Returns the new one, or REFUSED.
    """
    class_uid, time_ms = _number(scratch, _CLASS_NODE), _number(scratch, _TIME_NODE)
    at, size, fields = scratch.at, scratch.size, scratch.fields
    if class_uid < 0 or class_uid > INT32_MAX or time_ms < 0 or time_ms >= _LATEST_MS:
        return REFUSED
    if size[_UID] > 0 and at[_UID] < 0:  # the caller wants it as a range of the buffer
        return REFUSED
    activity_id = _number(scratch, _ACTIVITY_NODE)
    if activity_id < 0:
        type_uid = _number(scratch, _TYPE_NODE)
        activity_id = type_uid % 100 if type_uid > 0 else 0
    port = _number(scratch, _PORT_NODE)
    fields[TIME_US] = time_ms * 1000
    fields[CLASS_UID] = class_uid
    fields[ACTIVITY_ID] = activity_id if activity_id <= INT32_MAX else 0
    fields[STATUS_ID] = _status_id(buffer, scratch)
    fields[DST_PORT] = port if 0 < port < 65536 else 0
    fields[BYTES_IN] = _volume(scratch, _IN_NODE)
    fields[BYTES_OUT] = _volume(scratch, _OUT_NODE)
    if _is_sign_in(class_uid):
        _take(scratch, _HOST, _DST_HOST)
        _take(scratch, _HOST, _DST_IP)
    _take(scratch, _PARENT if class_uid == _PROCESS_ACTIVITY else _PROCESS, _BY)
    acts, target = _choose_users(buffer, scratch, class_uid)
    if acts >= 0:
        place = _put_user(buffer, scratch, acts, _USER, place)
    if target >= 0:
        place = _put_user(buffer, scratch, target, _TARGET, place)
    place = _put_auth(buffer, scratch, program, place)
    place = _put_protocol(buffer, scratch, program, place)
    if size[_AUTH] > TEXT_LIMIT:
        return REFUSED
    return place
