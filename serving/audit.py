"""The audit log: who did what, each line sealed with the hash of the one before it.

Whoever changes or removes a line breaks the chain behind it, unless they rewrite all that follows; keep the
newest hash (`verify` gives it) elsewhere to notice that too.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import insert, select, text

from serving.store import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, RowMapping

    from serving.store.database import Database

GENESIS = bytes(32)


class Deed(NamedTuple):
    """What somebody did.

    actor: a key's id, or "cli" with the name of the operating system's user. role: the key's, "" without one.
    action: noun.verb, for example key.create. subject: what it was done to.
    """

    actor: str
    action: str
    subject: str
    role: str = ""
    detail: Mapping[str, object] = MappingProxyType({})


class Verified(NamedTuple):
    """lines: how many are sound. broken: the first that is not, 0 for none. newest: the last sound hash."""

    lines: int
    broken: int
    newest: str


def reserve(connection: Connection) -> None:
    """Let this transaction be the next that adds lines. Whoever locks rows as well does this first: two who
    took their locks in different orders would wait for each other.
    """
    if connection.dialect.name == "postgresql":
        # SQLite's write transactions come one after the other by themselves
        connection.execute(text("LOCK TABLE audit IN EXCLUSIVE MODE"))


def append(connection: Connection, at_us: int, tenant: str, deed: Deed) -> None:
    """Add a line inside of a write transaction, so that the deed and its line are there together or not."""
    columns = tables.audit.c
    reserve(connection)
    newest = connection.execute(
        select(columns.number, columns.hash).order_by(columns.number.desc()).limit(1)
    ).first()
    role = {"actor_role": deed.role} if deed.role else {}
    row = {
        "number": 1 + (newest.number if newest else 0),
        "at_us": at_us,
        "tenant": tenant,
        "actor": deed.actor,
        "action": deed.action,
        "subject": deed.subject,
        "detail": msgspec.json.encode({**deed.detail, **role}, order="sorted").decode(),
        "previous": newest.hash if newest else GENESIS,
    }
    connection.execute(insert(tables.audit), [{**row, "hash": seal(row)}])


def seal(row: Mapping[str, object] | RowMapping) -> bytes:
    """SHA-256 over the line before and everything in this one but the hash."""
    names = ("number", "at_us", "tenant", "actor", "action", "subject", "detail")
    previous = row["previous"]
    if not isinstance(previous, bytes | memoryview):
        raise TypeError("previous must be bytes")
    # a JSON list keeps the fields apart, whatever is in them
    return hashlib.sha256(bytes(previous) + msgspec.json.encode([row[name] for name in names])).digest()


def verify(database: Database) -> Verified:
    """Walk the whole chain; O(lines)."""
    previous, sound = GENESIS, 0
    with database.read() as connection:
        rows = connection.execute(select(tables.audit).order_by(tables.audit.c.number)).mappings()
        for row in rows:
            right = row["number"] == sound + 1 and bytes(row["previous"]) == previous
            if not right or seal(row) != bytes(row["hash"]):
                return Verified(sound, sound + 1, previous.hex())
            previous, sound = bytes(row["hash"]), sound + 1
    return Verified(sound, 0, previous.hex())


def lines(database: Database, tenant: str, limit: int = 100, before: int = 0) -> list[dict[str, Any]]:
    """The newest lines of a tenant, newest first. before: only those with smaller numbers; 0 for all."""
    columns = tables.audit.c
    query = select(tables.audit).where(columns.tenant == tenant).order_by(columns.number.desc()).limit(limit)
    if before:
        query = query.where(columns.number < before)
    with database.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
