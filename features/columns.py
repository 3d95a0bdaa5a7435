"""From raw rows to value columns: every distinct raw string is reduced once, then rows are filled by look-up.

Free text never becomes a value as it stands: it passes `features.shapes`, `features.identity` or
`features.enrich`, which bound what an attacker can make of it. The memo of raw strings is only a cache and is
emptied when it has grown past its limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from features import enrich, identity, plain_names, shapes
from features.behaviours import COLUMN, ENTITY_KINDS, WIDTH
from features.events import ACTIVITY_NAMES, CLASS_NAMES, DNS_ACTIVITY, HTTP_ACTIVITY
from features.interner import StringTable
from features.intmap import IntMap, slot_of
from features.rows import PARTS, RAW_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from features.enrich import GeoDatabase
    from features.entities import Entities
    from features.rows import RawRows

RAW = {name: index for index, name in enumerate(RAW_COLUMNS)}
OTHER = 99
"""OCSF: an activity that its class does not list."""
WEB_CLASSES = (HTTP_ACTIVITY, DNS_ACTIVITY)
HOUR_US = 3_600_000_000
THURSDAY, SATURDAY = 3, 5
"""Days of the week from Monday as 0; 1970 began on a Thursday."""
MEMO_STRINGS = 2_000_000
MEMO_BYTES = 256 << 20
DERIVED = 3
"""Values that one raw string can give at most (an address: itself, its network, its country)."""

_ACTIVITY, _PAIR_API, _PAIR_LINEAGE, _PAIR_SERVICE = 0, 1, 2, 3
_PAIR_PARTS = np.array(
    [RAW[name] for name in ("service", "operation", "process", "parent_process", "protocol")]
)
_PAIR_COLUMNS = np.array([COLUMN[name] for name in ("activity", "api", "lineage", "dst_service")])
_ENTITY_RAWS = np.array([RAW[name] for name in ("user", "host", "src_ip")])
_VALUES_OF_RAW = {
    "user": ("user",),
    "target_user": ("target_user",),
    "host": ("host",),
    "src_ip": ("src_ip", "src_net", "src_country"),
    "src_host": ("src_host",),
    "dst_host": ("dst",),  # and its registered domain, see `Columniser._name_web_destinations`
    "dst_ip": ("dst", "dst_net"),
    "process": ("process",),
    "parent_process": ("parent_process",),
    "command": ("command",),
    "file": ("file",),
    "resource": ("resource",),
    "auth": ("auth",),
    "status_detail": ("status_detail",),
    "user_agent": ("user_agent",),
    "domain": ("domain",),
    "cloud_region": ("cloud_region",),
}
"""Which value columns a raw column gives. Where two give one value (dst), the first raw column that is filled
wins.
"""


def _targets() -> np.ndarray:
    targets = np.full((len(RAW_COLUMNS), DERIVED), -1, np.int64)
    for raw, values in _VALUES_OF_RAW.items():
        targets[RAW[raw], : len(values)] = [COLUMN[value] for value in values]
    return targets


class Batch(NamedTuple):
    """Events ready to be scored and learned; all arrays have n rows.

    columns
        int32 (n, WIDTH): value ids of VALUE_COLUMNS (0 missing), then entity ids of user, host and source
        address (0: none).
    time_us, class_uid
        as in the event.
    src_ip
        int32 (n,): value id of the source address as the record has it. In `columns` it is 0 where it is the
        host itself.
    bytes_in, bytes_out
        int64 (n,): bytes that the source received and sent; 0 where the record does not say.
    """

    time_us: np.ndarray
    class_uid: np.ndarray
    src_ip: np.ndarray
    columns: np.ndarray
    bytes_in: np.ndarray
    bytes_out: np.ndarray

    def take(self, rows: np.ndarray | slice) -> Batch:
        """Some of the rows, in the given order."""
        return Batch(*(np.ascontiguousarray(array[rows]) for array in self))


def concatenated(batches: Sequence[Batch]) -> Batch:
    """Several batches as one; an empty one for none, and a single one as it is."""
    if not batches:
        return Batch(
            np.zeros(0, np.int64),
            np.zeros(0, np.int32),
            np.zeros(0, np.int32),
            np.zeros((0, WIDTH), np.int32),
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
        )
    if len(batches) == 1:
        return batches[0]
    return Batch(*(np.concatenate(arrays) for arrays in zip(*batches, strict=True)))


def among(class_uid: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Bool (n,): which events are of some few classes; `numpy.isin` costs more than a batch of a few."""
    found = np.zeros(len(class_uid), np.bool_)
    for known in classes:
        found |= class_uid == known
    return found


@njit(cache=True, inline="always")
def _pair_key(kind: int, left: int, right: int) -> int:
    return np.int64(kind + 1) << 60 | np.int64(left & 0x3FFFFFFF) << 30 | np.int64(right & 0x3FFFFFFF)


@njit(cache=True, nogil=True)
def _row_pairs(
    raw: np.ndarray,
    derived: np.ndarray,
    class_uid: np.ndarray,
    activity_id: np.ndarray,
    status_id: np.ndarray,
    dst_port: np.ndarray,
    at: np.ndarray,
    out: np.ndarray,
) -> None:
    """Keys of the four composite values of every row; 0 where a part is missing."""
    service, operation, process, parent, protocol = at
    for row in range(raw.shape[0]):
        status = status_id[row] if 0 <= status_id[row] <= 2 else 0
        activity = activity_id[row] if 0 <= activity_id[row] < 1000 else 1000
        out[row, _ACTIVITY] = _pair_key(_ACTIVITY, class_uid[row], activity * 4 + status)
        what = derived[raw[row, operation], 0]
        if what > 0:
            out[row, _PAIR_API] = _pair_key(_PAIR_API, derived[raw[row, service], 0], what)
        child = derived[raw[row, process], 0]
        mother = derived[raw[row, parent], 0]
        if child > 0 and mother > 0:
            out[row, _PAIR_LINEAGE] = _pair_key(_PAIR_LINEAGE, mother, child)
        if dst_port[row] > 0:
            out[row, _PAIR_SERVICE] = _pair_key(_PAIR_SERVICE, derived[raw[row, protocol], 0], dst_port[row])


@njit(cache=True, nogil=True)
def _unknown_pairs(pairs: np.ndarray, keys: np.ndarray, out: np.ndarray) -> int:
    """Pair keys that the map does not hold, repeats included; stops when `out` is full."""
    count = 0
    for row in range(pairs.shape[0]):
        for column in range(pairs.shape[1]):
            key = pairs[row, column]
            if key != 0 and keys[slot_of(keys, key)] == 0:
                if count == out.shape[0]:
                    return count
                out[count] = key
                count += 1
    return count


@njit(cache=True, nogil=True)
def _fill(
    raw: np.ndarray,
    derived: np.ndarray,
    entity: np.ndarray,
    targets: np.ndarray,
    pairs: np.ndarray,
    pair_keys: np.ndarray,
    pair_values: np.ndarray,
    pair_targets: np.ndarray,
    entity_raws: np.ndarray,
    columns: np.ndarray,
) -> None:
    width = columns.shape[1]
    for row in range(raw.shape[0]):
        for source in range(raw.shape[1]):
            index = raw[row, source]
            if index == 0:
                continue
            for position in range(targets.shape[1]):
                target = targets[source, position]
                if target >= 0 and columns[row, target] == 0:
                    columns[row, target] = derived[index, position]
        for column in range(pairs.shape[1]):
            key = pairs[row, column]
            if key != 0:
                columns[row, pair_targets[column]] = pair_values[slot_of(pair_keys, key)]
        for kind in range(3):
            index = raw[row, entity_raws[kind]]
            columns[row, width - 3 + kind] = entity[index] if index > 0 else 0


@njit(cache=True)
def _drop_self_sources(columns: np.ndarray, host: int, src_ip: int, src_net: int, src_country: int) -> None:
    """A sensor's host that is its own source address is one entity, and its own address is no habit of it."""
    width = columns.shape[1]
    for row in range(columns.shape[0]):
        if columns[row, src_ip] != 0 and columns[row, src_ip] == columns[row, host]:
            columns[row, src_ip] = 0
            columns[row, src_net] = 0
            columns[row, src_country] = 0
            columns[row, width - 1] = 0


class Columniser:
    """Reduces raw rows to `Batch`es for one tenant.

    Parameters
    ----------
    values
        The tenant's table of values (ids are stable across batches).
    entities
        The tenant's entities; new ones are added as they appear.
    resolver
        Resolves users; shared with the typed decoders.
    geo
        Country and network of addresses.
    """

    def __init__(
        self, values: StringTable, entities: Entities, resolver: identity.IdentityResolver, geo: GeoDatabase
    ) -> None:
        self._values = values
        self._entities = entities
        self._resolver = resolver
        self._reduce = _reducers(resolver, geo)
        self._targets = _targets()
        self._reserved = plain_names.reserved_names()
        self._work = plain_names.make_work()
        self.forget()

    def forget(self) -> None:
        """Empty the memo: needed when value or entity ids were renumbered, and done by itself when it is
        full.
        """
        self.memo = StringTable(room=4096)
        self._derived = np.zeros((4096, DERIVED), np.int32)
        self._entity = np.zeros(4096, np.int32)
        self._resolved = 0
        self._by_sid: list[int] = []
        self._known_sids = len(self._resolver)
        self._pairs = IntMap(room=4096)
        self._hour_ids = np.zeros(48, np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes held by the memo and its derived values."""
        return self.memo.nbytes + self._derived.nbytes + self._entity.nbytes + self._pairs.nbytes

    def begin(self) -> StringTable:
        """The memo that the next rows are to be interned in; call before every chunk of rows."""
        if len(self.memo) > MEMO_STRINGS or self.memo.nbytes > MEMO_BYTES or len(self._pairs) > MEMO_STRINGS:
            self.forget()
        return self.memo

    def batch(self, rows: RawRows) -> Batch:
        """Value and entity columns of the rows; complexity O(rows) plus O(distinct new strings) in Python."""
        self._resolve_new()
        columns = np.zeros((len(rows.time_us), WIDTH), np.int32)
        pairs = np.zeros((len(rows.time_us), 4), np.int64)
        _row_pairs(
            rows.raw,
            self._derived,
            rows.class_uid,
            rows.activity_id,
            rows.status_id,
            rows.dst_port,
            _PAIR_PARTS,
            pairs,
        )
        self._resolve_pairs(pairs)
        _fill(
            rows.raw,
            self._derived,
            self._entity,
            self._targets,
            pairs,
            self._pairs.keys,
            self._pairs.values,
            _PAIR_COLUMNS,
            _ENTITY_RAWS,
            columns,
        )
        self._name_web_destinations(rows, columns)
        columns[:, COLUMN["hour"]] = self._hours(rows.time_us)
        src_ip = columns[:, COLUMN["src_ip"]].copy()
        _drop_self_sources(columns, *(COLUMN[name] for name in ("host", "src_ip", "src_net", "src_country")))
        return Batch(rows.time_us, rows.class_uid, src_ip, columns, rows.bytes_in, rows.bytes_out)

    def _hours(self, time_us: np.ndarray) -> np.ndarray:
        """The hour of the day, of a weekday or of a weekend: 48 values."""
        hour = time_us // HOUR_US
        weekend = (hour // 24 + THURSDAY) % 7 >= SATURDAY
        slots = hour % 24 + 24 * weekend
        met = np.flatnonzero(np.bincount(slots, minlength=len(self._hour_ids)))
        for slot in met[self._hour_ids[met] == 0].tolist():
            name = f"on a {'weekend' if slot >= 24 else 'weekday'} at {slot % 24:02d} h UTC"
            self._hour_ids[slot] = self._values.intern(name)
        return np.asarray(self._hour_ids[slots], np.int32)

    def _name_web_destinations(self, rows: RawRows, columns: np.ndarray) -> None:
        """A web server is known by its registered domain: `www` of one site is not `www` of another."""
        web = np.flatnonzero(among(rows.class_uid, WEB_CLASSES))
        if not len(web):
            return
        domains = self._derived[rows.raw[web, RAW["dst_host"]], 1]
        columns[web[domains > 0], COLUMN["dst"]] = domains[domains > 0]

    def _resolve_new(self) -> None:
        count = len(self.memo)
        if count + 1 > len(self._derived):
            room = max(count + 1, 2 * len(self._derived))
            self._derived = np.concatenate(
                [self._derived, np.zeros((room - len(self._derived), DERIVED), np.int32)]
            )
            self._entity = np.concatenate([self._entity, np.zeros(room - len(self._entity), np.int32)])
        pending = np.arange(self._resolved + 1, count + 1)
        self._resolved = count
        if len(self._resolver) != self._known_sids:
            self._known_sids = len(self._resolver)
            pending = np.concatenate([np.array(self._by_sid, np.int64), pending])
            self._by_sid = []
        for start in range(0, len(pending), 65_536):
            self._resolve_some(pending[start : start + 65_536])

    def _resolve_some(self, pending: np.ndarray) -> None:
        outcomes = np.zeros(len(pending), np.int8)
        done = 0
        while done < len(pending):
            done = plain_names.reduce_plain(
                self.memo.arrays,
                pending,
                done,
                self._reserved.arrays,
                self._values.arrays,
                self._work,
                self._derived,
                outcomes,
            )
            if done < len(pending):
                self._values.grow(plain_names.BLOCK_BYTES)
        # what is left depends on the order: of two names of one stable id, the first counts
        waiting = np.flatnonzero(outcomes != plain_names.PLAIN)
        self._resolve_by_rules(pending[waiting], outcomes[waiting] == plain_names.PAIRED)
        sources = self.memo.prefixes(pending)
        for kind, source in enumerate(_RAW_OF_ENTITY):
            found = pending[sources == source]
            found = found[self._derived[found, 0] > 0]
            if len(found):
                self._entity[found] = self._entities.ids(kind, self._derived[found, 0])

    def _resolve_by_rules(self, pending: np.ndarray, paired: np.ndarray) -> None:
        texts: list[str] = []
        indexes: list[int] = []
        positions: list[int] = []
        remember = self._resolver._remember
        columns, raws = self.memo.prefixed(pending)
        for index, column, raw, is_paired in zip(
            pending.tolist(), columns, raws, paired.tolist(), strict=True
        ):
            if is_paired:
                _, name, _, sid, *_ = raw.split(PARTS)
                remember(sid.upper(), name.lower())
                continue
            reduced = self._reduce[column](raw)
            for position, value in enumerate(reduced):
                if value:
                    texts.append(value)
                    indexes.append(index)
                    positions.append(position)
            if column == RAW["user"] and reduced[0].startswith("S-1-"):
                self._by_sid.append(index)
        self._derived[indexes, positions] = self._values.intern_many(texts)

    def _resolve_pairs(self, pairs: np.ndarray) -> None:
        found = np.empty(65_536, np.int64)
        while count := _unknown_pairs(pairs, self._pairs.keys, found):
            fresh = np.unique(found[:count])
            self._pairs.put(fresh, self._values.intern_many([self._pair_text(int(key)) for key in fresh]))

    def _pair_text(self, key: int) -> str:
        kind, left, right = (key >> 60) - 1, key >> 30 & 0x3FFFFFFF, key & 0x3FFFFFFF
        if kind == _ACTIVITY:
            return _activity_text(left, right >> 2, right & 3)
        if kind == _PAIR_SERVICE:
            return f"{self._values[left] or 'port'}/{right}"
        if kind == _PAIR_LINEAGE:
            return f"{self._values[left]} > {self._values[right]}"
        return f"{self._values[left]}:{self._values[right]}" if left else self._values[right]


_RAW_OF_ENTITY = tuple(RAW[kind] for kind in ENTITY_KINDS)
_STATUS_TEXT = ("", " succeeded", " failed")


def _activity_text(class_uid: int, activity_id: int, status_id: int) -> str:
    name = CLASS_NAMES.get(class_uid, f"class {class_uid}")
    known = ACTIVITY_NAMES.get(class_uid, {}) | {0: "", OTHER: "other"}
    activity = known.get(activity_id, f"activity {activity_id}")
    return f"{name}: {activity}{_STATUS_TEXT[status_id]}" if activity else f"{name}{_STATUS_TEXT[status_id]}"


def _reducers(
    resolver: identity.IdentityResolver, geo: GeoDatabase
) -> list[Callable[[str], tuple[str, ...]]]:
    """One function a raw column: raw text to the values of its targets (see `_VALUES_OF_RAW`)."""

    def user(text: str) -> tuple[str, ...]:
        if text.startswith(PARTS):
            name, domain, sid, machine = [*text[1:].split(PARTS), "", "", "", ""][:4]
            return (resolver.user(name, domain=domain, sid=sid, host=machine),)
        return (resolver.user(text),)

    def source_address(text: str) -> tuple[str, ...]:
        address = identity.ip(text)
        return (address, geo.network(address), geo.country(address))

    def destination(text: str) -> tuple[str, ...]:
        address = identity.ip(text)
        return (address, geo.network(address))

    def one(function: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
        return lambda text: (function(text),)

    by_name: dict[str, Callable[[str], tuple[str, ...]]] = {
        "user": user,
        "target_user": user,
        "host": one(identity.host),
        "src_ip": source_address,
        "src_host": one(identity.host),
        "dst_ip": destination,
        "dst_host": lambda text: (identity.host(text), enrich.registered_domain(text)),
        "process": one(shapes.process_name),
        "parent_process": one(shapes.process_name),
        "command": one(shapes.command_shape),
        "file": one(shapes.file_shape),
        "resource": one(shapes.resource_shape),
        "user_agent": one(enrich.user_agent_family),
        "domain": one(enrich.registered_domain),
    }
    return [by_name.get(name, one(_label)) for name in RAW_COLUMNS]


def _label(text: str) -> str:
    """A name that sources choose, not attackers (an operation, a protocol): visible characters, bounded."""
    return identity.visible(text)[: shapes.SHAPE_LIMIT]
