"""The journal: every operation that changes a tenant's state, in order, on disk before it is acknowledged.

A commit is a group of operations that were waiting together; it is durable as a whole or not at all. The
group is also what is applied together, so a replay meets exactly the steps that the first run took.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import zstandard
from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from features import bodies
from features.errors import HabitusError, StateError
from serving import audit
from serving.store import tables
from serving.store.database import take_writer_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from serving.audit import Deed
    from serving.store.database import Database
    from serving.submission import Submission

log = logging.getLogger(__name__)

LEVEL = 1
"""zstd level: at 1 a group is packed faster than the disk syncs it."""
BODY_LIMIT = 1 << 30
READ_ROWS = 256
DELETE_ROWS = 2_000


class Kind(IntEnum):
    """What an operation does."""

    SUBMISSION = 0
    FLUSH = 1
    UNLEARN = 2
    VERDICT = 3
    REVERT = 4
    EXCEPTION = 5
    LIFT = 6
    MODEL_SHADOW = 7
    MODEL_SWAP = 8
    MODEL_DROP = 9
    WEIGHTS = 10


class Operation(NamedTuple):
    """What is to be written; see `serving.submission.Submission` for its parts.

    deed: a line for the audit log, there with the operation or not at all; a replay does not give it.
    beside: given the transaction and the moment (microseconds) writes what has to be there with the operation
    or not at all, and returns the body; a HabitusError of its own leaves out this operation, and no other.
    """

    tenant: str
    kind: Kind
    protocol: str = ""
    body: bytes = b""
    source: str = "auto"
    ids: tuple[str, ...] | None = None
    deed: Deed | None = None
    beside: Callable[[Connection, int], bytes] | None = None


@dataclass(frozen=True)
class Entry:
    """An operation as the journal has it. received_us: when it came in; from one entry to the next it falls
    only where the machine's clock has been far ahead, see `Journal`.
    """

    seq: int
    commit_no: int
    received_us: int
    operation: Operation


def operation_of(submission: Submission) -> Operation:
    """The operation that takes a submission in."""
    return Operation(
        submission.tenant,
        Kind.SUBMISSION,
        submission.protocol.value,
        submission.body,
        submission.source,
        submission.ids,
    )


class JournalError(HabitusError):
    """A commit that failed: nothing of it is in the journal, nothing of it may be acknowledged."""


class Journal:
    """The one writer's end of the journal table. Not thread-safe: one thread appends.

    After a failed commit nobody knows what the disk holds, so the journal refuses to write until `mend` has
    opened it anew, found everything that was acknowledged, removed what was not, and committed once.

    Parameters
    ----------
    database
        The store.
    floor
        Position that a checkpoint holds: numbers go on behind it even if the table is empty.
    vouched_us
        Newest time that events vouch for, of all tenants; asked at every commit. By default, whatever has
        been on disk is believed.
    ahead_us
        A receipt stays ahead of the clock and of `vouched_us` by no more than this. So a clock that was set
        back makes nothing older, and one that had been years ahead for a moment is forgotten: as long as
        receipts said so, no event would be refused for being ahead of its time.

    Raises
    ------
    StateError
        If another process writes here.
    """

    def __init__(
        self,
        database: Database,
        floor: int = 0,
        vouched_us: Callable[[], int] = lambda: 1 << 62,
        ahead_us: int = 0,
    ) -> None:
        self._database = database
        self._vouched_us = vouched_us
        self._ahead_us = ahead_us
        self._packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        # as the embedded store's driver takes it: a question mark a column, in the order of the table
        self._raw_insert = str(insert(tables.journal).compile(dialect=sqlite.dialect()))
        self._connection: Connection | None = database.connect()
        take_writer_lock(self._connection)
        with self._connection.begin():
            newest = self._connection.execute(
                select(func.max(tables.journal.c.seq), func.max(tables.journal.c.received_us))
            ).one()
        self.last_seq = max(floor, newest[0] or 0)
        self._received_us = int(newest[1] or 0)
        self.broken = ""

    def append(
        self, operations: Sequence[Operation], refused: dict[int, HabitusError] | None = None
    ) -> list[Entry]:
        """Write a group in one commit; returns its entries once they are durable.

        refused: takes the places of operations that are left out, and why, see `Operation`.

        Raises
        ------
        JournalError
            If the disk is full or failing: nothing of the group was kept.
        """
        if self.broken or self._connection is None:
            raise JournalError(f"the journal takes nothing after a failed commit: {self.broken}")
        received_us = self._now_us()
        first = self.last_seq + 1
        try:
            with self._connection.begin():
                left_out: dict[int, HabitusError] = {}
                taken = self._with_bodies(self._connection, received_us, operations, left_out)
                entries = [
                    Entry(first + place, first, received_us, operation)
                    for place, operation in enumerate(taken)
                ]
                if entries:
                    self._insert(self._connection, entries)
                for operation in taken:
                    if operation.deed is not None:
                        audit.append(self._connection, received_us, operation.tenant, operation.deed)
        except SQLAlchemyError as error:
            self.broken = _cause(error)
            raise JournalError(f"nothing was written: {self.broken}") from error
        self.last_seq += len(entries)
        self._received_us = received_us
        if refused is not None:
            refused.update(left_out)
        return entries

    @staticmethod
    def _with_bodies(
        connection: Connection,
        at_us: int,
        operations: Sequence[Operation],
        refused: dict[int, HabitusError],
    ) -> list[Operation]:
        """The operations that are not refused, with what is beside them written."""
        taken = []
        for place, operation in enumerate(operations):
            if operation.beside is None:
                taken.append(operation)
                continue
            try:
                with connection.begin_nested():
                    body = operation.beside(connection, at_us)
            except HabitusError as error:
                refused[place] = error
            except SQLAlchemyError:
                raise
            except Exception as error:
                # one request's fault must not stop everybody's journal
                log.exception("an operation of %s is left out", operation.tenant)
                refused[place] = JournalError(f"an error inside of the service ({type(error).__name__})")
            else:
                taken.append(operation._replace(body=body, beside=None))
        return taken

    def _now_us(self) -> int:
        clock_us = time.time_ns() // 1000
        bound_us = max(clock_us, self._vouched_us()) + self._ahead_us
        if self._received_us > bound_us:
            hours = (self._received_us - bound_us) / 3.6e9
            log.warning("what came in before was dated %.1f h too late: the clock was ahead", hours)
        return max(clock_us, min(self._received_us, bound_us))

    def _insert(self, connection: Connection, entries: Sequence[Entry]) -> None:
        rows = [self._row(entry) for entry in entries]
        if connection.dialect.name == "sqlite":
            # what the expression language does for each row costs more than the row
            connection.exec_driver_sql(self._raw_insert, [tuple(row.values()) for row in rows])
        else:
            connection.execute(insert(tables.journal), rows)

    def _row(self, entry: Entry) -> dict[str, object]:
        """In the order of the table's columns."""
        operation = entry.operation
        ids = None if operation.ids is None else self._packer.compress(msgspec.json.encode(operation.ids))
        return {
            "seq": entry.seq,
            "commit_no": entry.commit_no,
            "tenant": operation.tenant,
            "kind": int(operation.kind),
            "protocol": operation.protocol,
            "source": operation.source,
            "received_us": entry.received_us,
            "events": bodies.line_feeds(operation.body),
            "size": len(operation.body),
            "body": self._packer.compress(operation.body),
            "ids": ids,
        }

    def mend(self) -> None:
        """Open the journal anew after a failed commit; JournalError while it still cannot be written.

        1 drop the connection, 2 find the last acknowledged entry, 3 remove what came after it, 4 commit that.
        """
        seq = tables.journal.c.seq
        try:
            if self._connection is not None:
                self._connection.invalidate()  # 1
                self._connection.close()
                self._connection = None
            connection = self._database.connect()
            take_writer_lock(connection)
            with connection.begin():
                newest = connection.execute(select(func.max(seq)).where(seq <= self.last_seq)).scalar()  # 2
                anything = connection.execute(select(func.max(seq))).scalar()
                if anything is not None and newest is not None and newest != self.last_seq:
                    raise StateError(
                        f"the journal ends at {newest} and not at {self.last_seq}, which was acknowledged"
                    )
                connection.execute(delete(tables.journal).where(seq > self.last_seq))  # 3
                probe = self.last_seq + 1
                row = self._row(Entry(probe, probe, self._received_us, Operation("", Kind.FLUSH)))
                connection.execute(insert(tables.journal), [row])
            with connection.begin():
                connection.execute(delete(tables.journal).where(seq == probe))  # 4
        except (DBAPIError, SQLAlchemyError) as error:
            self.broken = _cause(error)
            raise JournalError(f"the journal still cannot be written: {self.broken}") from error
        self._connection = connection
        self.broken = ""

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def read(database: Database, after: int) -> Iterator[list[Entry]]:
    """The commits behind a position, oldest first; StateError when a body does not match its checksum."""
    unpacker = zstandard.ZstdDecompressor()
    columns = tables.journal.c
    query = (
        select(tables.journal).where(columns.seq > bindparam("after")).order_by(columns.seq).limit(READ_ROWS)
    )
    commit: list[Entry] = []
    while True:
        with database.read() as connection:
            rows = connection.execute(query, {"after": after}).mappings().all()
        for row in rows:
            after = row["seq"]
            try:
                body = unpacker.decompress(row["body"], max_output_size=BODY_LIMIT)
                packed = None if row["ids"] is None else unpacker.decompress(row["ids"], BODY_LIMIT)
            except zstandard.ZstdError as error:
                raise StateError(
                    f"journal entry {after} is damaged ({error}); restore the data directory from a back-up"
                ) from error
            operation = Operation(
                row["tenant"],
                Kind(row["kind"]),
                row["protocol"],
                body,
                row["source"],
                None if packed is None else msgspec.json.decode(packed, type=tuple[str, ...]),
            )
            entry = Entry(after, row["commit_no"], row["received_us"], operation)
            if commit and commit[0].commit_no != entry.commit_no:
                yield commit
                commit = []
            commit.append(entry)
        if len(rows) < READ_ROWS:
            break
    if commit:
        yield commit


def prune(database: Database, upto: int, before_us: int, keep_bytes: int) -> int:
    """Delete entries that no checkpoint needs: those up to a position that are older than a moment, or more
    than `keep_bytes` of bodies; returns how many. In small transactions, so that nobody waits long.
    """
    columns = tables.journal.c
    with database.read() as connection:
        kept = func.sum(func.length(columns.body)).over(order_by=columns.seq.desc())
        sizes = select(columns.seq, kept.label("kept")).where(columns.seq <= upto).subquery()
        over = (
            connection.execute(select(func.max(sizes.c.seq)).where(sizes.c.kept > keep_bytes)).scalar() or 0
        )
        old = (
            connection.execute(
                select(func.max(columns.seq)).where(columns.seq <= upto, columns.received_us < before_us)
            ).scalar()
            or 0
        )
        first = connection.execute(select(func.min(columns.seq))).scalar()
    bound, removed = max(over, old), 0
    while first is not None and first <= bound:
        last = min(bound, first + DELETE_ROWS - 1)
        with database.write() as connection:
            removed += connection.execute(delete(tables.journal).where(columns.seq <= last)).rowcount
        first = last + 1
    return removed


def _cause(error: SQLAlchemyError) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
