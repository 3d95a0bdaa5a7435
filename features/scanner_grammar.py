"""What the byte scanner looks for: the tree of wanted keys, as arrays, made from the typed records of OCSF.

Every wanted path is a node. A text node belongs to a column and has a rank in it: of the texts that a
line has for one column, the one with the lowest rank stays, which is how "hostname, else name, else uid"
is said without a branch.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.rows import RAW_COLUMNS
from features.sources import ocsf
from features.sources.ocsf_schema import Document, shapes_of
from features.sources.parsing import TEXT_LIMIT

if TYPE_CHECKING:
    import msgspec

NONE, TEXT, ASCII_TEXT, INTEGER, FLAG, OBJECT, LIST = range(7)
"""Kinds of a node. ASCII_TEXT is handed over when it is not ASCII, because it is compared or put in lower
case.
"""

KIND_BITS, NODE_SHIFT, COLUMN_SHIFT, RANK_SHIFT = 0xFF, 8, 16, 24
"""A node in one integer: kind, number, column (of a LIST: the node of its first element) and rank, a byte
each.
"""

ROOT = 1
KEY_LIMIT = 16
"""Bytes of the longest wanted key: two words, so that a key is compared in two steps."""

USERS = ("user", "actor.user", "process.user", "actor.process.user")
USER_PARTS = 3
"""Columns of a user: name, domain, id."""

_CHAINS: dict[str, tuple[str, ...]] = {
    "host": ("device.hostname", "device.name", "device.uid", "device.ip"),
    "src_ip": ("src_endpoint.ip",),
    "src_host": ("src_endpoint.hostname", "src_endpoint.name"),
    "dst_host": ("dst_endpoint.hostname", "dst_endpoint.name"),
    "dst_ip": ("dst_endpoint.ip",),
    "protocol": ("connection_info.protocol_name",),
    "process": ("process.file.path", "process.name"),
    "parent_process": ("process.parent_process.file.path", "process.parent_process.name"),
    "command": ("process.cmd_line", "job.cmd_line", "actor.process.cmd_line"),
    "file": (
        "file.path",
        "file.name",
        "module.file.path",
        "module.file.name",
        "driver.file.path",
        "driver.file.name",
        "reg_key.path",
        "reg_value.path",
        "share",
    ),
    "operation": ("api.operation",),
    "service": ("api.service.name", "service.name", "app.name", "dst_endpoint.svc_name"),
    "resource": (
        "resources[].name",
        "resources[].uid",
        "resource.name",
        "resource.uid",
        "job.name",
        "win_service.name",
        "group.name",
        "entity.name",
        "database.name",
        "databucket.name",
    ),
    "auth": ("auth_protocol",),
    "status_detail": ("status_detail", "status_code"),
    "user_agent": ("http_request.user_agent",),
    "domain": ("query.hostname", "http_request.url.hostname", "url.hostname", "tls.sni"),
    "cloud_account": ("cloud.account.uid",),
    "cloud_region": ("cloud.region",),
    # Columns beside those of the rows, which the end of a line makes something of.
    "uid": ("metadata.uid",),
    "status": ("status",),
    "logon_type": ("logon_type",),
    "actor_process": ("actor.process.file.path", "actor.process.name"),
    "time_dt": ("time_dt",),
    **{
        column: paths
        for user in USERS
        for column, paths in (
            (f"{user} name", (f"{user}.name", f"{user}.email_addr")),
            (f"{user} domain", (f"{user}.domain",)),
            (f"{user} uid", (f"{user}.uid",)),
        )
    },
}
"""Column -> paths in order of preference: the same order as in `features.sources.ocsf`."""

_ASCII_COLUMNS = frozenset(
    {"host", "dst_host", "dst_ip", "protocol", "auth", "logon_type", "status"}
    | {f"{user} domain" for user in USERS}
)

COLUMNS = (*RAW_COLUMNS, *(name for name in _CHAINS if name not in RAW_COLUMNS))
COLUMN = {name: index for index, name in enumerate(COLUMNS)}
USERS_AT = COLUMN[f"{USERS[0]} name"]
"""First of the columns of the users: name, domain and id of each, in the order of USERS."""


class Node(NamedTuple):
    """One wanted key: where it stands, what it holds."""

    path: str
    parent: int
    key: str
    kind: int


def _nodes() -> list[Node]:
    found = [Node("", 0, "", NONE), Node("", 0, "", OBJECT)]
    ascii_paths = {path for name in _ASCII_COLUMNS for path in _CHAINS[name]}
    kinds = {"text": TEXT, "integer": INTEGER, "time": INTEGER, "flag": FLAG, "object": OBJECT, "list": LIST}

    def walk(record: type[msgspec.Struct], parent: int, prefix: str) -> None:
        for key, shape in shapes_of(record).items():
            path = prefix + key
            kind = ASCII_TEXT if path in ascii_paths else kinds[shape.kind]
            found.append(Node(path, parent, key, kind))
            inner = len(found) - 1
            if kind == LIST:
                path += "[]"
                found.append(Node(path, inner, "", OBJECT))
                inner += 1
            if shape.record is not None:
                walk(shape.record, inner, f"{path}.")

    walk(Document, ROOT, "")
    return found


NODES = _nodes()
NODE = {node.path: number for number, node in enumerate(NODES) if node.path}
TEXT_NODES = sum(node.kind in (TEXT, ASCII_TEXT) for node in NODES)


def words_of(table: dict[int, str]) -> list[bytes]:
    """Words by number, b"" where the number means nothing."""
    return [table.get(number, "").encode() for number in range(max(table) + 1)]


_WORDS = [words_of(table) for table in (ocsf.AUTH_PROTOCOLS, ocsf.LOGON_TYPES, ocsf.PROTOCOLS)]
AUTH_WORDS, LOGON_WORDS, PROTOCOL_WORDS = 0, len(_WORDS[0]), len(_WORDS[0]) + len(_WORDS[1])
"""Number of the first word of each table in `Program.word_at`."""
N_AUTH, N_LOGON, N_PROTOCOL = (len(words) for words in _WORDS)


class Program(NamedTuple):
    """The grammar as arrays.

    slots
        uint8: the node whose key falls into a slot, 0 if none does. No two wanted keys share one.
    table
        uint64, four a node: the key's two words (little-endian, zero padded), parent, packed node.
    multipliers
        uint64 (4): factors of first word, second word and parent, and the shift, which give a key's slot.
    masks
        uint64 (2, 33): which bits of the two words belong to a key of that length.
    elements
        int64 by node: the packed node of a list's first element.
    words, word_at
        the fixed words, uint8 and their ranges.
    """

    slots: np.ndarray
    table: np.ndarray
    multipliers: np.ndarray
    masks: np.ndarray
    elements: np.ndarray
    words: np.ndarray
    word_at: np.ndarray


def packed(number: int) -> int:
    """One node as an integer (see KIND_BITS)."""
    node = NODES[number]
    column, rank = 0, 0
    if node.kind in (TEXT, ASCII_TEXT):
        ((column, rank),) = (
            (COLUMN[name], paths.index(node.path)) for name, paths in _CHAINS.items() if node.path in paths
        )
    elif node.kind == LIST:
        column = number + 1
    return node.kind | number << NODE_SHIFT | column << COLUMN_SHIFT | rank << RANK_SHIFT


_SLOT_BITS = 12
_SLOT_SHIFT = 64 - _SLOT_BITS
_WORD = 2**64 - 1


def _key_words(key: str) -> tuple[int, int]:
    text = key.encode().ljust(KEY_LIMIT, b"\0")
    return int.from_bytes(text[:8], "little"), int.from_bytes(text[8:], "little")


def _slots(keys: list[tuple[int, int, int]]) -> tuple[list[int], list[int]]:
    """Multipliers under which all keys fall into different slots, and these slots."""
    random = np.random.default_rng(20260101)
    while True:
        factors = [int(factor) | 1 for factor in random.integers(0, 2**63, 3, np.uint64)]
        slots: list[int] = []
        taken: set[int] = set()
        for parts in keys:
            mixed = 0
            for part, factor in zip(parts, factors, strict=True):
                mixed ^= part * factor & _WORD
            slot = mixed >> _SLOT_SHIFT
            if slot in taken:
                break
            taken.add(slot)
            slots.append(slot)
        else:
            return [*factors, _SLOT_SHIFT], slots


@cache
def program() -> Program:
    """The grammar of OCSF; made once, in a few milliseconds."""
    numbers = [number for number, node in enumerate(NODES) if node.key]
    keys = [(*_key_words(NODES[number].key), NODES[number].parent) for number in numbers]
    multipliers, found = _slots(keys)
    slots = np.zeros(1 << _SLOT_BITS, np.uint8)
    slots[found] = numbers
    table = np.zeros((len(NODES), 4), np.uint64)
    for number, parts in zip(numbers, keys, strict=True):
        table[number] = (*parts, packed(number))
    lengths = np.arange(33)
    masks = [[(1 << 8 * min(max(n - start, 0), 8)) - 1 for n in lengths.tolist()] for start in (0, 8)]
    elements = np.zeros(len(NODES), np.int64)
    for number, node in enumerate(NODES):
        if node.kind == LIST:
            elements[number] = packed(number + 1)
    words = [word for group in _WORDS for word in group]
    return Program(
        slots=slots,
        table=table.reshape(-1),
        multipliers=np.array(multipliers, np.uint64),
        masks=np.array(masks, np.uint64),
        elements=elements,
        words=np.frombuffer(b"".join(words) + bytes(64), np.uint8).copy(),
        word_at=np.cumsum([0, *map(len, words)]),
    )


class Scratch(NamedTuple):
    """Working memory of one scanner; what it holds means nothing between two lines.

    at, size, best
        int64 by column: where the text begins (in the buffer; below zero: complement of the place in
        `text`), its bytes, its rank.
    number, stamp
        int64 by node: the integer found, and the line that the node was seen in (so that nothing is cleared).
    stack
        int64: the containers around.
    fields
        int64 (FIELDS): the result of a line: time (microseconds), class, activity, status, port, bytes in
        and out.
    text
        uint8: texts that had to be rewritten.
    queue
        int64 (QUEUE, 5): texts of finished lines that wait for their id: row, column, place, bytes,
        candidate.
    keys
        uint64 (QUEUE): their hashes.
    """

    at: np.ndarray
    size: np.ndarray
    best: np.ndarray
    number: np.ndarray
    stamp: np.ndarray
    stack: np.ndarray
    fields: np.ndarray
    text: np.ndarray
    queue: np.ndarray
    keys: np.ndarray


FIELDS = 7

QUEUE = 256
"""Texts that are looked up together, so that the waits for memory overlap: those of about twenty lines."""

LINE_ROOM = (TEXT_NODES + 16) * (TEXT_LIMIT + 128)
"""Bytes of rewritten text that a line can need: every wanted text once, two users of four parts, and the
words.
"""


def scratch() -> Scratch:
    """Fresh working memory; about 1 MiB, of which a few KiB are touched."""
    return Scratch(
        at=np.zeros(len(COLUMNS), np.int64),
        size=np.zeros(len(COLUMNS), np.int64),
        best=np.zeros(len(COLUMNS), np.int64),
        number=np.zeros(len(NODES), np.int64),
        stamp=np.zeros(len(NODES) + 1, np.int64),
        stack=np.zeros(32, np.int64),
        fields=np.zeros(FIELDS, np.int64),
        text=np.zeros(2 * LINE_ROOM, np.uint8),
        queue=np.zeros((QUEUE, 5), np.int64),
        keys=np.zeros(QUEUE, np.uint64),
    )
