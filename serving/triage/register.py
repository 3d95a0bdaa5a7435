"""Lists that people look up: verdicts, and saved views of the alerts. Every query names the tenant."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, exists, func, insert, or_, select

from features.errors import InputError
from serving import audit
from serving.store import tables
from serving.triage.desk import writing
from serving.triage.verdicts import shown
from serving.triage.words import ALARMING, CLEARED, NAME_LENGTH, Missing, words

if TYPE_CHECKING:
    from serving.store.database import Database
    from serving.triage.words import Asked

QUERY_LENGTH = 2000
MOST_VIEWS = 200


class Wanted(msgspec.Struct, frozen=True):
    """Which verdicts: of an alert ("" for all), without those that were taken back, `limit` behind `after`
    (the uid of the last one of the page before). disagreeing: only those that hold and are contradicted by
    another that holds about the same entity's day.
    """

    alert_id: str = ""
    limit: int = 100
    after: str = ""
    only_valid: bool = False
    disagreeing: bool = False


def find(database: Database, tenant: str, wanted: Wanted) -> dict[str, Any]:
    """Verdicts, newest first, and the uid that the next page takes; InputError for an unknown one."""
    c = tables.verdicts.c
    conditions = [c.tenant == tenant]
    if wanted.alert_id:
        conditions.append(c.alert_id == wanted.alert_id)
    if wanted.only_valid:
        conditions.append(c.reverted_us.is_(None))
    if wanted.disagreeing:
        conditions += _contradicted()
    with database.read() as connection:
        if wanted.after:
            last = connection.execute(
                select(c.at_us).where(c.tenant == tenant, c.uid == wanted.after)
            ).scalar()
            if last is None:
                raise InputError("after: no verdict has this uid; begin with the first page")
            conditions.append(or_(c.at_us < last, and_(c.at_us == last, c.uid > wanted.after)))
        query = select(tables.verdicts).where(*conditions).order_by(c.at_us.desc(), c.uid)
        found = connection.execute(query.limit(wanted.limit)).mappings().all()
    following = found[-1]["uid"] if len(found) == wanted.limit else None
    return {"verdicts": [shown(dict(row)) for row in found], "next": following}


def _contradicted() -> list[Any]:
    c, other = tables.verdicts.c, tables.verdicts.alias("other")
    same = (
        other.c.tenant == c.tenant,
        other.c.entity_kind == c.entity_kind,
        other.c.entity == c.entity,
        other.c.day == c.day,
        other.c.subject != "event",
        other.c.reverted_us.is_(None),
    )

    def against(mine: frozenset[int], theirs: frozenset[int]) -> Any:
        return and_(c.verdict_id.in_(mine), exists().where(*same, other.c.verdict_id.in_(theirs)))

    return [
        c.subject != "event",
        c.reverted_us.is_(None),
        or_(against(ALARMING, CLEARED), against(CLEARED, ALARMING)),
    ]


def views(database: Database, tenant: str) -> list[dict[str, Any]]:
    """Saved views by name."""
    c = tables.views.c
    with database.read() as connection:
        rows = connection.execute(select(tables.views).where(c.tenant == tenant).order_by(c.name)).mappings()
        return [{"name": row["name"], "query": row["query"], "actor": row["actor"]} for row in rows]


def save_view(database: Database, asked: Asked, name: str, query: str) -> None:
    """Keep a query under a name; the one that had it is replaced. InputError when there are too many."""
    if not words(name, "name", NAME_LENGTH).strip():
        raise InputError("name: a view needs one")
    words(query, "query", QUERY_LENGTH)
    c, now_us = tables.views.c, time.time_ns() // 1000
    row = {"tenant": asked.tenant, "name": name, "query": query, "actor": asked.who.actor, "at_us": now_us}
    with writing(database) as connection:
        connection.execute(delete(tables.views).where(c.tenant == asked.tenant, c.name == name))
        if (
            connection.execute(select(func.count()).where(c.tenant == asked.tenant)).scalar() or 0
        ) >= MOST_VIEWS:
            raise InputError(f"there are {MOST_VIEWS} views already: remove one first")
        connection.execute(insert(tables.views), [row])
        deed = asked.who._replace(action="view.save", subject=name)
        audit.append(connection, now_us, asked.tenant, deed)


def remove_view(database: Database, asked: Asked, name: str) -> None:
    """Forget a view; Missing when there is none of this name."""
    c, now_us = tables.views.c, time.time_ns() // 1000
    with writing(database) as connection:
        gone = connection.execute(
            delete(tables.views).where(c.tenant == asked.tenant, c.name == name)
        ).rowcount
        if not gone:
            raise Missing("there is no view of this name")
        deed = asked.who._replace(action="view.remove", subject=name)
        audit.append(connection, now_us, asked.tenant, deed)
