"""The Elasticsearch bulk protocol, as shippers speak it.

An action line, then a document line; `delete` has no document. A line that is no action is put aside like
every broken record and the batch goes on: a 400 would make syslog-ng send the batch for ever, and others
lose it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from features.sources.registry import MODULES
from serving.protocols.carriers import CARRIED
from serving.protocols.framing import AUTO, Framed, Lines

if TYPE_CHECKING:
    from serving.protocols.limits import Limits

_NAME_PARTS = re.compile(r"[-_.]+")
_OPERATIONS = ("index", "create", "update", "delete")


class _Target(msgspec.Struct, rename={"index": "_index", "id": "_id"}):
    index: str | None = None
    id: str | int | None = None


class _Action(msgspec.Struct):
    index: _Target | None = None
    create: _Target | None = None
    update: _Target | None = None
    delete: _Target | None = None


class _Update(msgspec.Struct):
    doc: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    upsert: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Item(NamedTuple):
    """One entry of the answer."""

    operation: str
    into: str
    id: str
    status: int


class Bulk(NamedTuple):
    """A parsed request: its records, and an item for every action (and for every line that is none)."""

    framed: Framed
    items: list[Item]


_decode_action = msgspec.json.Decoder(_Action).decode
_decode_update = msgspec.json.Decoder(_Update).decode


def frame(body: bytes, default_index: str = "", source: str = AUTO) -> Bulk:
    """Take a body apart. Linear; never raises, whatever the bytes are."""
    lines = body.split(b"\n")
    alike = _alike(lines, default_index, source)
    if alike is not None:
        return alike
    records: list[bytes] = []
    ids: list[str] = []
    poison: list[tuple[int, str]] = []
    items: list[Item] = []
    named: dict[str, str] = {}
    hints: list[str] = []
    known: dict[bytes, Item] = {}
    position, n = 0, len(lines)
    while position < n:
        line = lines[position]
        position += 1
        if not line or line.isspace():
            continue
        item = known.get(line)
        if item is None:
            item = _item(line, default_index)
            if not item.id:
                # most shippers repeat one action line for all of a batch
                known[line] = item
        items.append(item)
        if item.operation == "delete":
            continue
        if not item.status:
            items[-1] = Item("index", default_index, "", 201)
            poison.append((len(records), "a line of a bulk request that is no action"))
            records.append(line.strip())
        else:
            document = lines[position].strip() if position < n else b""
            position += 1
            if item.operation == "update":
                document = _updated(document)
            if not document:
                poison.append((len(records), "an action of a bulk request without its document"))
                document = line.strip()
            records.append(document)
        ids.append(f"{item.into}/{item.id}" if item.id else "")
        if source == AUTO:
            hint = named.get(item.into)
            if hint is None:
                hint = named[item.into] = source_of(item.into)
            hints.append(hint)
    framed = Framed(records, ids if any(ids) else [], hints, source, poison)
    return Bulk(framed, items)


def whole(body: bytes, limits: Limits, default_index: str = "", source: str = AUTO) -> Bulk | None:
    """A body of one JSON object a document, all under the same action line, that goes on as it is.

    It gives what `frame` does, and the limits let it pass; None where a look at all of it does not tell.
    Large bodies are nearly always of this kind, and to cut them into lines and join those again cost as much
    as an answer.
    """
    action, _, rest = body.removesuffix(b"\n").partition(b"\n")
    item = _of_all(action, default_index)
    if item is None or b"\r" in body:
        return None
    hint = source_of(item.into) if source == AUTO else source
    if hint in CARRIED:  # each document may hold a line of a log
        return None
    joined = rest.replace(b"\n" + action + b"\n", b"\n")
    between = (len(rest) - len(joined)) // (len(action) + 1)
    data, starts, stops = Lines.of(joined)
    # no two of the lines that were taken out were neighbours: with one fewer than are left, each document
    # had its own
    if len(stops) != between + 1 or not len(data):
        return None
    if starts[-1] == len(data) or (data[starts] != ord("{")).any() or (data[stops - 1] != ord("}")).any():
        return None
    if not limits.none_broken(data, starts, stops):
        return None
    count = len(starts)
    return Bulk(Framed([], source=hint, whole=joined, count=count), [item] * count)


def _of_all(action: bytes, default_index: str) -> Item | None:
    """The item of each document under an action line that all have; None where it is not the same."""
    item = _item(action, default_index)
    if item.id or not item.status or item.operation not in ("index", "create"):
        return None
    return item


def _alike(lines: list[bytes], default_index: str, source: str) -> Bulk | None:
    """What most shippers send: documents that all have the same action line, without ids."""
    n = len(lines) // 2
    if not n or (len(lines) % 2 and lines[-1]) or lines[0 : 2 * n : 2].count(lines[0]) < n:
        return None
    item = _of_all(lines[0], default_index)
    if item is None:
        return None
    documents = [line.strip() for line in lines[1 : 2 * n : 2]]
    if not all(documents):
        return None
    hints = [source_of(item.into)] * n if source == AUTO else []
    return Bulk(Framed(documents, [], hints, source), [item] * n)


def _item(line: bytes, default_index: str) -> Item:
    """The action of a line; status 0 if it is none."""
    try:
        action = _decode_action(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Item("", "", "", 0)
    for operation in _OPERATIONS:
        target: _Target | None = getattr(action, operation)
        if target is not None:
            name = "" if target.id is None else str(target.id)
            status = {"update": 200, "delete": 404}.get(operation, 201)
            return Item(operation, target.index or default_index, name, status)
    return Item("", "", "", 0)


def _updated(document: bytes) -> bytes:
    try:
        update = _decode_update(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return document
    for part in (update.doc, update.upsert):
        if isinstance(part, msgspec.Raw):
            return bytes(part)
    return document


def source_of(index: str) -> str:
    """The source that an index's name names (`logs-zeek-2026.03.01`), "auto" if none."""
    for part in _NAME_PARTS.split(index.lower()):
        if part in MODULES and part != "evtx":
            return part
    return AUTO


def answer(items: list[Item], took_ms: int, first_number: int) -> bytes:
    """`took`, `errors` and `items`, always all of them: rsyslog and elasticsearch-py break without.

    Parameters
    ----------
    items
        In the order of the request.
    took_ms
        Milliseconds.
    first_number
        Names the documents that came without an id of their own: habitus-<number>.
    """
    start = b'{"took":%d,"errors":false,"items":[' % took_ms
    if items and not items[0].id and items.count(items[0]) == len(items):
        before, after = (part.replace(b"%", b"%%") for part in _around(items[0]))
        entries = b",".join([before + b'"habitus-%d"' + after] * len(items))
        return start + entries % tuple(range(first_number, first_number + len(items))) + b"]}"
    parts: list[bytes] = []
    known: dict[tuple[str, str, int], tuple[bytes, bytes]] = {}
    encode = msgspec.json.encode
    for number, item in enumerate(items, start=first_number):
        key = (item.operation, item.into, item.status)
        around = known.get(key)
        if around is None:
            around = known[key] = _around(item)
        name = encode(item.id) if item.id else b'"habitus-%d"' % number
        parts.append(around[0] + name + around[1])
    return start + b",".join(parts) + b"]}"


def _around(item: Item) -> tuple[bytes, bytes]:
    result = {200: "updated", 201: "created", 404: "not_found"}[item.status]
    before = b'{"%b":{"_index":%b,"_id":' % (item.operation.encode(), msgspec.json.encode(item.into))
    after = b',"_version":1,"result":"%b","_shards":{"total":1,"successful":1,"failed":0},"status":%d}}' % (
        result.encode(),
        item.status,
    )
    return before, after
