"""What runs in a tenant: its sources, how far behind the service is, and what could not be read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlalchemy import and_, delete, func, or_, select

from features.errors import InputError
from serving import audit
from serving.journal import Kind
from serving.store.tables import journal, quarantine
from serving.submission import Protocol as Form
from serving.submission import Submission
from serving.triage.desk import writing

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serving.audit import Deed
    from serving.store.database import Database
    from serving.submission import Receipt

RATE_SECONDS = 600
MOST_TEXT = 16_384
MOST_AT_ONCE = 500
MOST_ENTRIES = 20_000
"""Entries of the journal that rates are counted from, the newest."""


class Takes(Protocol):
    """What reading again needs of the core."""

    async def submit(
        self, submission: Submission, *, learn: bool = True, want_scores: bool = False
    ) -> Receipt:
        """See `serving.core.Core.submit`."""


class RecordId(NamedTuple):
    """A record in quarantine: the journal's position of its submission, and its number in it."""

    seq: int
    record: int

    @property
    def text(self) -> str:
        """As people see it."""
        return f"{self.seq}-{self.record}"


def record_id(text: str) -> RecordId:
    """From its text; InputError when it is none."""
    seq, separator, record = text.partition("-")
    for part in (seq, record):
        if not (separator and part.isascii() and part.isdecimal() and len(part) < 19):
            raise InputError(f"{text[:40]!r} is no id of a record in quarantine, such as 1204-7")
    return RecordId(int(seq), int(record))


def sources(database: Database, tenant: str) -> list[dict[str, Any]]:
    """Where events came from lately, as far as the journal still has it: protocol and source, records, when
    the last ones came (milliseconds UTC), and records a second over the last ten minutes.
    """
    c, now_us = journal.c, time.time_ns() // 1000
    newest = (
        select(c.seq)
        .where(c.tenant == tenant, c.kind == int(Kind.SUBMISSION))
        .order_by(c.seq.desc())
        .limit(MOST_ENTRIES)
        .subquery()
    )
    since_us = now_us - RATE_SECONDS * 1_000_000
    query = (
        select(
            c.protocol,
            c.source,
            func.sum(c.events + 1).label("records"),
            func.max(c.received_us).label("last"),
            func.count().label("submissions"),
        )
        .where(c.seq.in_(select(newest.c.seq)))
        .group_by(c.protocol, c.source)
        .order_by(func.max(c.received_us).desc())
    )
    recent = select(c.protocol, c.source, func.sum(c.events + 1).label("records")).where(
        c.seq.in_(select(newest.c.seq)), c.received_us >= since_us
    )
    with database.read() as connection:
        lately = {
            (row.protocol, row.source): int(row.records)
            for row in connection.execute(recent.group_by(c.protocol, c.source))
        }
        rows = connection.execute(query).mappings().all()
    return [
        {
            "source": row["source"],
            "protocol": row["protocol"],
            "events": int(row["records"]),
            "submissions": int(row["submissions"]),
            "last_received": row["last"] // 1000,
            "rate": lately.get((row["protocol"], row["source"]), 0) / RATE_SECONDS,
        }
        for row in rows
    ]


# ----------------------------------------------------------------------------------------------- quarantine


def put_aside(database: Database, tenant: str, limit: int, after: str, reason: str) -> dict[str, Any]:
    """Records that could not be read, newest first; the id that the next page takes; and numbers by reason.

    reason: only those with this one; "" for all.
    """
    c = quarantine.c
    conditions = [c.tenant == tenant]
    if reason:
        conditions.append(c.reason == reason)
    page = list(conditions)
    if after:
        last = record_id(after)
        page.append(or_(c.seq < last.seq, and_(c.seq == last.seq, c.record > last.record)))
    query = select(quarantine).where(*page).order_by(c.seq.desc(), c.record).limit(limit + 1)
    reasons = (
        select(c.reason, func.count().label("number"))
        .where(c.tenant == tenant)
        .group_by(c.reason)
        .order_by(func.count().desc())
        .limit(100)
    )
    with database.read() as connection:
        rows = connection.execute(query).mappings().all()
        counted = [{"reason": row.reason, "records": row.number} for row in connection.execute(reasons)]
        known = _sources_of(connection, [row["seq"] for row in rows])
    records = [
        {
            "id": RecordId(row["seq"], row["record"]).text,
            "time": row["received_us"] // 1000,
            "protocol": row["protocol"],
            "source": known.get(row["seq"], "auto"),
            "reason": row["reason"],
            "raw": bytes(row["raw"])[:MOST_TEXT].decode("utf-8", "replace"),
        }
        for row in rows[:limit]
    ]
    return {
        "records": records,
        "next": records[-1]["id"] if len(rows) > limit else None,
        "reasons": counted,
    }


def _sources_of(connection: Connection, seqs: list[int]) -> dict[int, str]:
    c = journal.c
    query = select(c.seq, c.source).where(c.seq.in_(set(seqs)))
    return {row.seq: row.source for row in connection.execute(query)}


async def read_again(
    core: Takes, database: Database, tenant: str, who: Deed, ids: list[RecordId], reason: str
) -> dict[str, Any]:
    """Send records of the quarantine through the service once more, as after a decoder was mended.

    What is taken now leaves the quarantine; what still cannot be read comes back into it with the reason of
    today. What was cut off when it was put aside (`features.reader.QUARANTINE_BYTES`) stays unreadable.

    ids: at most MOST_AT_ONCE; none: those with `reason`, the oldest first, as many.

    Raises
    ------
    InputError
        If there is none such.
    Busy, Refused
        As `serving.core.Core.submit`; then nothing changed.
    """
    rows = _chosen(database, tenant, ids, reason)
    if not rows:
        raise InputError("nothing in quarantine is as asked for; it may have been read again meanwhile")
    by_source: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_source.setdefault(row["source"], []).append(row)
    accepted = put_back = duplicate = 0
    for source, mine in by_source.items():
        body = b"\n".join(row["raw"].replace(b"\n", b" ") for row in mine)
        receipt = await core.submit(Submission(tenant, Form.NATIVE, body, source))
        accepted, put_back = accepted + receipt.accepted, put_back + receipt.quarantined
        duplicate += receipt.duplicate
    now_us = time.time_ns() // 1000
    with writing(database) as connection:
        audit.reserve(connection)
        for row in rows:
            c = quarantine.c
            mine_too = (c.tenant == tenant, c.seq == row["seq"], c.record == row["record"])
            connection.execute(delete(quarantine).where(*mine_too))
        detail: dict[str, object] = {"records": len(rows), "accepted": accepted, "quarantined": put_back}
        deed = who._replace(action="quarantine.retry", subject=reason[:200], detail=detail)
        audit.append(connection, now_us, tenant, deed)
    return {"accepted": accepted, "quarantined": put_back, "duplicate": duplicate, "records": len(rows)}


def _chosen(database: Database, tenant: str, ids: list[RecordId], reason: str) -> list[dict[str, Any]]:
    c = quarantine.c
    query = select(quarantine).where(c.tenant == tenant)
    if ids:
        query = query.where(or_(*(and_(c.seq == one.seq, c.record == one.record) for one in ids)))
    else:
        query = query.where(c.reason == reason)
    with database.read() as connection:
        rows = connection.execute(query.order_by(c.seq, c.record).limit(MOST_AT_ONCE)).mappings().all()
        known = _sources_of(connection, [row["seq"] for row in rows])
    return [{**row, "raw": bytes(row["raw"]), "source": known.get(row["seq"], "auto")} for row in rows]
