"""Golden alerts: past alerts whose verdict is settled, shown again to whoever has not judged them.

What they answer changes nothing that is scored or learned: it says how far an analyst and what was settled
agree (`serving.soc`). Which one is shown to whom on a day follows from a hash, so nobody chooses it, and
looking again shows the same.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, exists, insert, select

from serving import audit
from serving.days import DAY_US
from serving.queries import finding
from serving.store.tables import alerts, golden_answers, verdicts
from serving.triage.desk import writing
from serving.triage.words import CLEARED, TRUE_POSITIVE, VERDICTS, Conflict, Missing, checked_verdict

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serving.store.database import Database
    from serving.triage.words import Asked

SETTLED_DAYS = 2
"""How long a verdict has to hold before it counts as settled."""
LOOK_AT = 500
"""Settled alerts among which one is chosen, the newest."""
_HIDDEN = ("verdict_id", "verdict", "assignee")


def shown(database: Database, tenant: str, actor: str, now_us: int) -> dict[str, Any] | None:
    """The golden alert of a day for somebody, without what was said of it; None when there is none.

    The same one until it is answered or the day (UTC) is over.
    """
    with database.read() as connection:
        found = _settled(connection, tenant, actor, now_us)
    if not found:
        return None
    day = now_us // DAY_US
    chosen = min(found, key=lambda row: _draw(tenant, actor, day, row["alert_id"]))
    told = finding(chosen)
    for name in _HIDDEN:
        told.pop(name, None)
    told["status_id"], told["status"] = 1, "New"
    told |= {"activity_id": 1, "type_uid": 200401}
    times = dict.fromkeys(("acknowledged_time", "contained_time", "closed_time"))
    told["unmapped"] |= {**times, "state": "new", "disagrees": False, "golden": True}
    return told


def _draw(*parts: Any) -> bytes:
    return hashlib.sha256(msgspec.json.encode(parts)).digest()


def _settled(connection: Connection, tenant: str, actor: str, now_us: int) -> list[dict[str, Any]]:
    """Alerts that are closed with a verdict that has held and that nobody contradicts, and that the actor has
    neither judged nor answered.
    """
    a, v, g = alerts.c, verdicts.c, golden_answers.c
    own = exists().where(v.tenant == tenant, v.alert_id == a.alert_id, v.actor == actor)
    answered = exists().where(g.tenant == tenant, g.alert_id == a.alert_id, g.actor == actor)
    late = exists().where(
        and_(
            v.tenant == tenant,
            v.alert_id == a.alert_id,
            v.reverted_us.is_(None),
            v.at_us > now_us - SETTLED_DAYS * DAY_US,
        )
    )
    query = (
        select(alerts)
        .where(
            a.tenant == tenant,
            a.state == "closed",
            a.verdict_id.in_((TRUE_POSITIVE, *CLEARED)),
            a.disagrees.is_(False),
            ~own,
            ~answered,
            ~late,
        )
        .order_by(a.day.desc(), a.alert_id)
        .limit(LOOK_AT)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def answer(database: Database, asked: Asked, alert_id: str, verdict_id: int) -> dict[str, Any]:
    """Take what somebody says of a golden alert; returns whether it agrees, and what had been settled.

    True positive against nothing (false positive, benign, test) decides; which kind of nothing does not.

    Raises
    ------
    InputError
        If the verdict is none.
    Missing
        If there is no such golden alert for the caller.
    Conflict
        If the caller has answered it before.
    """
    checked_verdict(verdict_id)
    now_us, who = time.time_ns() // 1000, asked.who
    g = golden_answers.c
    with writing(database) as connection:
        audit.reserve(connection)
        mine = (g.tenant == asked.tenant, g.alert_id == alert_id, g.actor == who.actor)
        if connection.execute(select(g.at_us).where(*mine)).first() is not None:
            raise Conflict("you have answered this golden alert before: a second look would not be a first")
        found = _settled(connection, asked.tenant, who.actor, now_us)
        row = next((row for row in found if row["alert_id"] == alert_id), None)
        if row is None:
            raise Missing("there is no golden alert with this id for you")
        made = {
            "tenant": asked.tenant,
            "alert_id": alert_id,
            "actor": who.actor,
            "verdict_id": verdict_id,
            "settled_id": row["verdict_id"],
            "at_us": now_us,
        }
        connection.execute(insert(golden_answers), [made])
        deed = who._replace(action="golden.answer", subject=alert_id, detail={"verdict_id": verdict_id})
        audit.append(connection, now_us, asked.tenant, deed)
    return {
        "alert_id": alert_id,
        "agrees": agrees(verdict_id, row["verdict_id"]),
        "settled_id": row["verdict_id"],
        "settled": VERDICTS[row["verdict_id"]],
    }


def agrees(said: int, settled: int) -> bool:
    """Whether two verdicts say the same: an attack, or nothing. What is undecided agrees with neither."""
    return said == settled if settled == TRUE_POSITIVE else said in CLEARED


def agreement(connection: Connection, tenant: str, from_us: int, until_us: int) -> list[dict[str, Any]]:
    """By analyst: golden alerts answered in [from_us, until_us), and the share that agreed."""
    g = golden_answers.c
    query = select(g.actor, g.verdict_id, g.settled_id).where(
        g.tenant == tenant, g.at_us >= from_us, g.at_us < until_us
    )
    found: dict[str, list[bool]] = {}
    for row in connection.execute(query):
        found.setdefault(row.actor, []).append(agrees(row.verdict_id, row.settled_id))
    return [
        {"analyst": actor, "answered": len(right), "agreed": sum(right), "share": sum(right) / len(right)}
        for actor, right in sorted(found.items())
    ]
