"""Exceptions that analysts make: what is odd here is all right, until a day (`models.feedback.exemptions`).

An exception changes what is scored, so taking and lifting it are operations of the journal. One that is about
more than one entity is only proposed at first: it holds when somebody else has approved it.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import insert, select, update

from features.errors import InputError
from models.feedback.exemptions import MOST, Exemption, checked
from serving.days import number_of
from serving.journal import Kind, Operation
from serving.judgement import Reverted
from serving.store.tables import exceptions, verdicts
from serving.triage import rows
from serving.triage.desk import writing
from serving.triage.words import CLEARED, REASON_LENGTH, TRUE_POSITIVE, Conflict, Missing, Repeated, words

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serving.store.database import Database
    from serving.triage.verdicts import Judges
    from serving.triage.words import Asked

PROPOSED, HOLDS, LIFTED = "proposed", "holds", "lifted"
MOST_SHOWN = 200
"""Entity-days that a preview names."""


class Wish(NamedTuple):
    """What is to be excepted, see `models.feedback.exemptions.Exemption`; until_us: microseconds UTC."""

    entity_kind: str
    entity: str
    group: str
    behaviour: str
    value: str
    until_us: int
    reason: str = ""

    def exemption(self, uid: str, since_us: int) -> Exemption:
        """As the detector takes it."""
        return Exemption(
            uid=uid,
            entity_kind=self.entity_kind,
            entity=self.entity,
            group=self.group,
            behaviour=self.behaviour,
            value=self.value,
            since_us=since_us,
            until_us=self.until_us,
        )


async def preview(core: Judges, database: Database, tenant: str, wish: Wish, now_us: int) -> dict[str, Any]:
    """What it would change of the days that are still in the books, and what was said about them.

    Raises
    ------
    InputError
        If there can be no such exception.
    """
    exemption = wish.exemption("preview", now_us)

    def look() -> list[dict[str, Any]]:
        detector = core.state_of(tenant).detector
        checked(exemption, detector.channels)
        frame = detector.preview(exemption, tenant)
        return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]

    found = await asyncio.wrap_future(core.ask(look))
    said = await asyncio.to_thread(_said, database, tenant, found)
    shown = [
        {
            "entity_kind": row["entity_kind"],
            "entity": row["entity"],
            "day": row["day"].isoformat(),
            "risk": float(row["risk"]),
            "risk_after": float(row["risk_after"]),
            "alert": bool(row["alert"]),
            "verdict_ids": sorted(said.get(_key(row), ())),
        }
        for row in found
    ]
    numbers = [said.get(_key(row), set()) for row in found]
    return {
        "wide": exemption.wide,
        "entity_days": len(found),
        "alerts": sum(row["alert"] for row in shown),
        "true_positives": sum(TRUE_POSITIVE in one for one in numbers),
        "nothing": sum(bool(one & CLEARED) for one in numbers),
        "changed": sorted(shown, key=lambda row: row["risk_after"] - row["risk"])[:MOST_SHOWN],
    }


def _key(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["entity_kind"], row["entity"], number_of(row["day"])


def _said(
    database: Database, tenant: str, found: list[dict[str, Any]]
) -> dict[tuple[str, str, int], set[int]]:
    """Verdicts that hold about these entity-days."""
    if not found:
        return {}
    c = verdicts.c
    days = {number_of(row["day"]) for row in found}
    query = select(c.entity_kind, c.entity, c.day, c.verdict_id).where(
        c.tenant == tenant, c.day >= min(days), c.day <= max(days), c.reverted_us.is_(None)
    )
    said: dict[tuple[str, str, int], set[int]] = {}
    with database.read() as connection:
        for row in connection.execute(query):
            said.setdefault((row.entity_kind, row.entity, row.day), set()).add(row.verdict_id)
    return said


async def make(core: Judges, database: Database, asked: Asked, wish: Wish, now_us: int) -> bytes:
    """Make an exception, or propose it if it is wide; returns it as JSON.

    Raises
    ------
    InputError
        If there can be no such exception.
    Conflict
        If the idempotency key was used for something else.
    Busy, Refused
        As `serving.core.Core.submit`.
    """
    words(wish.reason, "reason", REASON_LENGTH, lines=True)
    for name in ("entity", "group", "behaviour", "value"):
        words(getattr(wish, name), name, REASON_LENGTH)
    if not wish.reason.strip():
        raise InputError("reason: say why; whoever looks at it later will ask")
    exemption = wish.exemption(secrets.token_hex(12), now_us)
    await _check(core, asked.tenant, exemption)
    state = PROPOSED if exemption.wide else HOLDS
    kept: dict[str, Any] = {}

    def beside(connection: Connection, at_us: int) -> bytes:
        rows.begin(connection, asked)
        taken = msgspec.structs.replace(exemption, since_us=at_us)
        row = {
            "tenant": asked.tenant,
            "uid": taken.uid,
            "body": msgspec.json.encode(taken).decode(),
            "reason": wish.reason,
            "wide": taken.wide,
            "state": state,
            "until_us": taken.until_us,
            "actor": asked.who.actor,
            "at_us": at_us,
        }
        connection.execute(insert(exceptions), [row])
        kept["answer"] = msgspec.json.encode(shown({**row, **_BLANK}))
        action = "exception.propose" if taken.wide else "exception.make"
        deed = asked.who._replace(action=action, subject=taken.uid, detail=_about(taken))
        rows.end(connection, asked, at_us, kept["answer"], deed)
        return msgspec.json.encode(taken)

    try:
        if exemption.wide:
            with writing(database) as connection:
                beside(connection, now_us)
        else:
            await core.operate(Operation(asked.tenant, Kind.EXCEPTION, beside=beside))
    except Repeated as repeated:
        return repeated.answer
    return bytes(kept["answer"])


_BLANK: dict[str, Any] = {"approved_by": None, "approved_us": None, "lifted_by": None, "lifted_us": None}


async def _check(core: Judges, tenant: str, exemption: Exemption) -> None:
    def look() -> None:
        detector = core.state_of(tenant).detector
        checked(exemption, detector.channels)
        if len(detector.feedback.exemptions) >= MOST:
            raise InputError(f"there are {MOST} exceptions already: lift some, or drop it at the source")

    await asyncio.wrap_future(core.ask(look))


async def approve(core: Judges, asked: Asked, uid: str) -> bytes:
    """Let a proposed exception hold; returns it as JSON.

    Raises
    ------
    Missing
        If there is no such proposal.
    Conflict
        If the caller has proposed it, or it is no proposal any more.
    """
    kept: dict[str, Any] = {}

    def beside(connection: Connection, at_us: int) -> bytes:
        rows.begin(connection, asked)
        row = _row(connection, asked.tenant, uid)
        if row["state"] != PROPOSED or row["until_us"] <= at_us:
            raise Conflict("this exception is no proposal any more", shown(row))
        if row["actor"] == asked.who.actor:
            raise Conflict("somebody else has to approve it: two people for what hides many", shown(row))
        taken = msgspec.structs.replace(msgspec.json.decode(row["body"], type=Exemption), since_us=at_us)
        body = msgspec.json.encode(taken)
        values = {
            "state": HOLDS,
            "approved_by": asked.who.actor,
            "approved_us": at_us,
            "body": body.decode(),
        }
        _write(connection, row, values)
        kept["answer"] = msgspec.json.encode(shown(row))
        deed = asked.who._replace(action="exception.approve", subject=uid, detail=_about(taken))
        rows.end(connection, asked, at_us, kept["answer"], deed)
        return body

    try:
        await core.operate(Operation(asked.tenant, Kind.EXCEPTION, beside=beside))
    except Repeated as repeated:
        return repeated.answer
    return bytes(kept["answer"])


async def lift(core: Judges, asked: Asked, uid: str) -> bytes:
    """Take an exception away, or a proposal back; what it hid counts again. Returns it as JSON.

    Raises
    ------
    Missing
        If there is no such exception.
    """
    kept: dict[str, Any] = {}

    def beside(connection: Connection, at_us: int) -> bytes:
        rows.begin(connection, asked)
        row = _row(connection, asked.tenant, uid)
        if row["state"] == LIFTED:
            raise Missing("this exception was lifted before")
        _write(connection, row, {"state": LIFTED, "lifted_by": asked.who.actor, "lifted_us": at_us})
        kept["answer"] = msgspec.json.encode(shown(row))
        deed = asked.who._replace(action="exception.lift", subject=uid)
        rows.end(connection, asked, at_us, kept["answer"], deed)
        return Reverted(uid).encoded()

    try:
        await core.operate(Operation(asked.tenant, Kind.LIFT, beside=beside))
    except Repeated as repeated:
        return repeated.answer
    return bytes(kept["answer"])


def _row(connection: Connection, tenant: str, uid: str) -> dict[str, Any]:
    c = exceptions.c
    query = select(exceptions).where(c.tenant == tenant, c.uid == uid).with_for_update()
    found = connection.execute(query).mappings().first()
    if found is None:
        raise Missing("there is no exception with this uid")
    return dict(found)


def _write(connection: Connection, row: dict[str, Any], values: dict[str, Any]) -> None:
    c = exceptions.c
    mine = (c.tenant == row["tenant"], c.uid == row["uid"])
    connection.execute(update(exceptions).where(*mine).values(values))
    row.update(values)


def _about(exemption: Exemption) -> dict[str, object]:
    named = msgspec.to_builtins(exemption)
    return {name: value for name, value in named.items() if value and name != "uid"}


def find(database: Database, tenant: str, limit: int) -> list[dict[str, Any]]:
    """Exceptions, the newest first."""
    c = exceptions.c
    query = select(exceptions).where(c.tenant == tenant).order_by(c.at_us.desc(), c.uid).limit(limit)
    with database.read() as connection:
        return [shown(dict(row)) for row in connection.execute(query).mappings()]


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """An exception as JSON has it; times are milliseconds UTC."""
    body = msgspec.json.decode(row["body"], type=Exemption)
    return {
        "uid": row["uid"],
        **{name: getattr(body, name) for name in ("entity_kind", "entity", "group", "behaviour", "value")},
        "until": row["until_us"] // 1000,
        "reason": row["reason"],
        "wide": row["wide"],
        "state": row["state"],
        "actor": row["actor"],
        "time": row["at_us"] // 1000,
        "approved_by": row["approved_by"],
        "lifted_by": row["lifted_by"],
    }
