"""Verdicts: what an analyst says about an alert, an event or an entity's day, and taking it back.

A verdict changes what is scored and learned, so it is an operation of the journal. Its row, the alert's, the
history, the audit line and the journal entry are one transaction (`serving.journal.Operation.beside`). What
it does to the state is `serving.judgement`.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec
from sqlalchemy import insert, select, update

from features.errors import InputError
from serving import audit
from serving.days import DAY_US, day_of
from serving.journal import Kind, Operation
from serving.judgement import NONE, Judged, Reverted
from serving.queries import finding
from serving.quota import OverQuota
from serving.store.tables import alerts, verdicts
from serving.triage import rows
from serving.triage.words import (
    REASON_LENGTH,
    VERDICTS,
    Missing,
    Repeated,
    checked_state,
    checked_verdict,
    contradict,
    words,
)
from serving.unlearning import checked_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from sqlalchemy import Connection

    from serving.audit import Deed
    from serving.judgement import Effect
    from serving.settings import CoreSettings
    from serving.submission import Receipt
    from serving.tenant import TenantState
    from serving.triage.words import Asked
    from serving.unlearning import Unlearned

T = TypeVar("T")
HOUR_US = 3_600_000_000


class Judges(Protocol):
    """What this needs of the core."""

    async def operate(self, operation: Operation) -> Receipt:
        """See `serving.core.Core.operate`."""

    @property
    def settings(self) -> CoreSettings:
        """See `serving.settings`."""

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """See `serving.core.Core.ask`."""

    def state_of(self, tenant: str) -> TenantState:
        """See `serving.core.Core.state_of`."""

    def oldest_learned_us(self, state: TenantState) -> int:
        """See `serving.core.Core.oldest_learned_us`."""

    async def unlearn(
        self, tenant: str, kind: str, name: str, from_us: int, to_us: int, actor: Deed, verdict: str = ""
    ) -> Unlearned:
        """See `serving.core.Core.unlearn`."""


class Subject(NamedTuple):
    """What a verdict is about: an alert by its id, else an entity's day, and on it one event or all of it."""

    alert_id: str = ""
    entity_kind: str = ""
    entity: str = ""
    day: int = 0
    event_uid: str = ""

    @property
    def name(self) -> str:
        """alert, event or entity_day."""
        if self.alert_id:
            return "alert"
        return "event" if self.event_uid else "entity_day"


class Opinion(NamedTuple):
    """What an analyst says: the verdict, why, the state the alert moves to ("": as the verdict asks for), and
    whether the window is to be unlearned.
    """

    verdict_id: int
    reason: str = ""
    state: str = ""
    unlearn: bool = False


class Given(NamedTuple):
    """answer: the verdict with its alert, as JSON. effect, unlearned: None when it was given before."""

    answer: bytes
    effect: Effect | None
    unlearned: Unlearned | None


async def give(core: Judges, asked: Asked, subject: Subject, opinion: Opinion) -> Given:
    """Give a verdict. An analyst's newer verdict on one subject takes the place of the one before.

    Raises
    ------
    Missing, Conflict
        See `serving.triage.rows.alert_row`.
    InputError
        If verdict, reason, state or entity is none, or unlearning is asked for without a true positive.
    Busy, Refused
        As `serving.core.Core.submit`.
    """
    checked_verdict(opinion.verdict_id)
    words(opinion.reason, "reason", REASON_LENGTH, lines=True)
    words(subject.event_uid, "event_uid", REASON_LENGTH)
    if opinion.state:
        checked_state(opinion.state)
    if opinion.unlearn and (opinion.verdict_id != 2 or subject.event_uid):
        raise InputError("unlearn: only what is a true positive, and a whole day of it, is unlearned")

    def look() -> tuple[Subject, int]:
        state = core.state_of(asked.tenant)
        known = subject
        if not subject.alert_id:
            name = checked_name(state.detector, subject.entity_kind, subject.entity)
            known = subject._replace(entity=name)
        return known, core.oldest_learned_us(state)

    known, oldest_us = await asyncio.wrap_future(core.ask(look))
    kept: dict[str, Any] = {}
    most = core.settings.quota_of(asked.tenant).verdicts_per_hour

    def beside(connection: Connection, at_us: int) -> bytes:
        return _write(connection, at_us, asked, known, opinion, oldest_us, most, kept)

    effect: Effect | None = None
    try:
        receipt = await core.operate(Operation(asked.tenant, Kind.VERDICT, beside=beside))
        effect = receipt.effect or NONE
        answer = msgspec.json.encode(kept["answer"])
    except Repeated as repeated:
        answer = repeated.answer
    unlearned = None
    if opinion.unlearn:  # also on a repeated request: the first may have ended between the two
        told = msgspec.json.decode(answer)["verdict"]
        first_us = told["day_number"] * DAY_US
        unlearned = await core.unlearn(
            asked.tenant,
            told["entity_kind"],
            told["entity"],
            first_us,
            first_us + DAY_US,
            asked.who,
            told["uid"],
        )
    return Given(answer, effect, unlearned)


async def revert(core: Judges, asked: Asked, *, uid: str = "", alert_id: str = "") -> Given:
    """Take back a verdict by its uid, or the newest of an alert; what it did to what is learned is undone.

    Raises
    ------
    Missing
        If there is no such verdict, or it was taken back before.
    Conflict, Busy, Refused
        As `give`.
    """
    oldest_us = await asyncio.wrap_future(
        core.ask(lambda: core.oldest_learned_us(core.state_of(asked.tenant)))
    )
    kept: dict[str, Any] = {}

    def beside(connection: Connection, at_us: int) -> bytes:
        return _write_revert(connection, at_us, asked, uid, alert_id, oldest_us, kept)

    try:
        receipt = await core.operate(Operation(asked.tenant, Kind.REVERT, beside=beside))
    except Repeated as repeated:
        return Given(repeated.answer, None, None)
    return Given(msgspec.json.encode(kept["answer"]), receipt.effect or NONE, None)


def _write(
    connection: Connection,
    at_us: int,
    asked: Asked,
    subject: Subject,
    opinion: Opinion,
    oldest_us: int,
    most: int,
    kept: dict[str, Any],
) -> bytes:
    """Everything of a verdict but its journal entry, whose body is returned. most: verdicts an hour."""
    rows.begin(connection, asked)
    _within_quota(connection, at_us, asked, most)
    row = _alert_of(connection, asked, subject)
    if row is not None:
        subject = subject._replace(entity_kind=row["entity_kind"], entity=row["entity"], day=row["day"])
    replaced = _replaced(connection, asked, subject)
    _end_verdicts(connection, asked, [one["uid"] for one in replaced], at_us)
    uid = secrets.token_hex(12)
    made = {
        "tenant": asked.tenant,
        "uid": uid,
        "subject": subject.name,
        "event_uid": subject.event_uid,
        "alert_id": row["alert_id"] if row is not None else "",
        "entity_kind": subject.entity_kind,
        "entity": subject.entity,
        "day": subject.day,
        "verdict_id": opinion.verdict_id,
        "reason": opinion.reason,
        "actor": asked.who.actor,
        "at_us": at_us,
        "reverted_us": None,
        "reverted_by": None,
    }
    connection.execute(insert(verdicts), [made])
    if row is not None:
        _mark(connection, at_us, asked, row, made, opinion.state)
    detail: dict[str, object] = {"verdict_id": opinion.verdict_id, "uid": uid}
    if replaced:
        detail["replaces"] = [one["uid"] for one in replaced]
    about = f"{subject.entity_kind} {subject.entity} {day_of(subject.day).isoformat()}"
    deed = asked.who._replace(action="verdict.give", subject=subject.alert_id or about, detail=detail)
    kept["answer"] = {"verdict": shown(made), "alert": None if row is None else finding(row)}
    rows.end(connection, asked, at_us, msgspec.json.encode(kept["answer"]), deed)
    return Judged(
        uid,
        subject.name,
        subject.entity_kind,
        subject.entity,
        subject.day,
        opinion.verdict_id,
        tuple(one["uid"] for one in replaced),
        oldest_us,
    ).encoded()


def _within_quota(connection: Connection, at_us: int, asked: Asked, most: int) -> None:
    """OverQuota when the analyst has given that many verdicts in the last hour; those taken back count."""
    c = verdicts.c
    query = (
        select(c.at_us)
        .where(c.tenant == asked.tenant, c.actor == asked.who.actor, c.at_us > at_us - HOUR_US)
        .order_by(c.at_us.desc())
        .offset(most - 1)
        .limit(1)
    )
    oldest = connection.execute(query).scalar()
    if oldest is not None:
        wait = (int(oldest) + HOUR_US - at_us) / 1e6
        raise OverQuota(
            f"more than {most} verdicts of yours in an hour: go on in {max(1, round(wait / 60))} minutes, or"
            " ask whoever runs the service for a higher quota",
            max(wait, 1.0),
        )


def _alert_of(connection: Connection, asked: Asked, subject: Subject) -> dict[str, Any] | None:
    if subject.alert_id:
        return rows.alert_row(connection, asked, subject.alert_id)
    c = alerts.c
    found = connection.execute(
        select(c.alert_id).where(
            c.tenant == asked.tenant,
            c.entity_kind == subject.entity_kind,
            c.entity == subject.entity,
            c.day == subject.day,
        )
    ).scalar()
    return None if found is None else rows.alert_row(connection, asked, found)


def _replaced(connection: Connection, asked: Asked, subject: Subject) -> Sequence[Any]:
    """The same analyst's verdicts on the same subject that still hold."""
    c = verdicts.c
    query = select(c.uid).where(
        c.tenant == asked.tenant,
        c.entity_kind == subject.entity_kind,
        c.entity == subject.entity,
        c.day == subject.day,
        c.event_uid == subject.event_uid,
        c.actor == asked.who.actor,
        c.reverted_us.is_(None),
    )
    return connection.execute(query.order_by(c.at_us, c.uid)).mappings().all()


def _end_verdicts(connection: Connection, asked: Asked, uids: list[str], at_us: int) -> None:
    if uids:
        connection.execute(
            update(verdicts)
            .where(verdicts.c.tenant == asked.tenant, verdicts.c.uid.in_(uids))
            .values(reverted_us=at_us, reverted_by=asked.who.actor)
        )


def _mark(
    connection: Connection, at_us: int, asked: Asked, row: dict[str, Any], made: dict[str, Any], state: str
) -> None:
    """Bring the alert up to a new verdict; who judges an alert that is new has seen it."""
    old, number = row["verdict_id"], made["verdict_id"]
    values: dict[str, object] = {}
    if made["subject"] != "event":
        values |= {"verdict_id": number, "disagrees": _disagrees(connection, asked, row["alert_id"])}
        rows.note(connection, asked, row["alert_id"], at_us, "verdict", _caption(old), _caption(number))
    state = state or ("triaged" if row["state"] == "new" else "")
    if state and state != row["state"]:
        rows.note(connection, asked, row["alert_id"], at_us, "state", row["state"], state)
        values |= rows.move(row, state, at_us)
    rows.change(connection, row, at_us, **values)


def _disagrees(connection: Connection, asked: Asked, alert_id: str) -> bool:
    """Whether the verdicts that hold about an alert contradict each other."""
    c = verdicts.c
    query = select(c.verdict_id).where(
        c.tenant == asked.tenant, c.alert_id == alert_id, c.subject != "event", c.reverted_us.is_(None)
    )
    return contradict(connection.execute(query).scalars())


def _write_revert(
    connection: Connection,
    at_us: int,
    asked: Asked,
    uid: str,
    alert_id: str,
    oldest_us: int,
    kept: dict[str, Any],
) -> bytes:
    rows.begin(connection, asked)
    row = rows.alert_row(connection, asked, alert_id) if alert_id else None
    c = verdicts.c
    query = select(verdicts).where(c.tenant == asked.tenant, c.reverted_us.is_(None))
    query = (
        query.where(c.alert_id == alert_id, c.subject != "event") if alert_id else query.where(c.uid == uid)
    )
    found = connection.execute(query.order_by(c.at_us.desc(), c.uid).limit(1)).mappings().first()
    if found is None:
        raise Missing("there is no verdict here that holds")
    made = dict(found)
    if row is None and made["alert_id"]:
        row = rows.alert_row(connection, asked, made["alert_id"])
    _end_verdicts(connection, asked, [made["uid"]], at_us)
    made |= {"reverted_us": at_us, "reverted_by": asked.who.actor}
    if row is not None:
        left = connection.execute(
            select(c.verdict_id)
            .where(
                c.tenant == asked.tenant,
                c.alert_id == row["alert_id"],
                c.subject != "event",
                c.reverted_us.is_(None),
            )
            .order_by(c.at_us.desc(), c.uid)
            .limit(1)
        ).scalar()
        rows.note(
            connection, asked, row["alert_id"], at_us, "revert", _caption(made["verdict_id"]), _caption(left)
        )
        disagrees = _disagrees(connection, asked, row["alert_id"])
        rows.change(connection, row, at_us, verdict_id=left, disagrees=disagrees)
    kept["answer"] = {"verdict": shown(made), "alert": None if row is None else finding(row)}
    deed = audit.Deed(
        asked.who.actor, "verdict.revert", made["uid"], asked.who.role, {"verdict_id": made["verdict_id"]}
    )
    rows.end(connection, asked, at_us, msgspec.json.encode(kept["answer"]), deed)
    return Reverted(made["uid"], oldest_us).encoded()


def _caption(number: int | None) -> str:
    return "" if number is None else VERDICTS[number]


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A verdict as JSON has it; times are milliseconds UTC, as in OCSF."""
    return {
        "uid": row["uid"],
        "subject": row["subject"],
        "event_uid": row["event_uid"],
        "alert_id": row["alert_id"],
        "entity_kind": row["entity_kind"],
        "entity": row["entity"],
        "day": day_of(row["day"]).isoformat(),
        "day_number": row["day"],
        "verdict_id": row["verdict_id"],
        "verdict": VERDICTS[row["verdict_id"]],
        "reason": row["reason"],
        "actor": row["actor"],
        "time": row["at_us"] // 1000,
        "reverted_time": None if row["reverted_us"] is None else row["reverted_us"] // 1000,
        "reverted_by": row["reverted_by"],
    }
