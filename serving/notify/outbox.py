"""The outbox: what is to be sent is written in the transaction that raised the alert, and struck off when it
was sent. A crash between the two sends it again, with the same key.

What goes out in one piece is a parcel: one message under its own key, or a digest of several under a key of
its own. Which messages are in a parcel is written down before it is sent, so that it never changes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from serving.days import DAY_US
from serving.notify import channels
from serving.notify.messages import RAISED
from serving.queries import finding
from serving.store.tables import outbox
from serving.triage.words import severity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from serving.notify.channels import Channel

HOUR_US = 3_600_000_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3600.0
MOST_ATTEMPTS = 20
"""Then a message is dead: about ten hours after it was first tried."""
CLAIM_SECONDS = 30.0
"""What was begun and not struck off is sent again after this."""
IN_A_TURN = 20
"""Parcels sent to one channel before others get their turn."""
LOOK_AT = 500
DIGEST = 100
"""Alerts in one digest."""
SENT_DAYS, DEAD_DAYS = 30, 90


class Parcel(NamedTuple):
    """What is sent in one piece. attempts: made so far."""

    key: str
    kind: str
    alerts: list[dict[str, Any]]
    attempts: int
    urgent: bool


def key_of(*parts: str) -> str:
    """A stable key."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def put(
    connection: Connection,
    channel: Channel,
    about: str,
    kind: str,
    alert: dict[str, Any] | None,
    now_us: int,
    key: str = "",
) -> str:
    """Write a message for a channel; returns its key. about: what makes the message this one, for ever; with
    the kind it gives the key unless there is one already.
    """
    key = key or key_of(channel.tenant, channel.channel_id, kind, about)
    row = {
        "tenant": channel.tenant,
        "message_key": key,
        "channel_id": channel.channel_id,
        "created_us": now_us,
        "payload": msgspec.json.encode({"kind": kind, "alert": alert}).decode(),
        "severity_id": 6 if alert is None else alert["severity_id"],
        "parcel": None,
        "attempts": 0,
        "next_us": now_us,
        "error": "",
    }
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(outbox).values(row).on_conflict_do_nothing())
    return key


def fill(connection: Connection, rows: Sequence[dict[str, Any]], now_us: int) -> None:
    """Write messages about alerts that have just been raised (rows of the store)."""
    by_tenant: dict[str, list[Channel]] = {}
    for row in rows:
        tenant = row["tenant"]
        if tenant not in by_tenant:
            found = channels.of_tenant(connection, tenant)
            by_tenant[tenant] = [channel for channel in found if channel.rules.about == "alerts"]
        for channel in by_tenant[tenant]:
            if severity_of(row["risk"]) >= channel.rules.min_severity:
                put(connection, channel, row["alert_id"], RAISED, finding(row), now_us)


def waiting_channels(connection: Connection, now_us: int) -> list[tuple[str, str]]:
    """Tenant and id of the channels for which something is due."""
    c = outbox.c
    query = select(c.tenant, c.channel_id).where(
        c.done_us.is_(None), c.dead_us.is_(None), c.next_us <= now_us
    )
    return [(row.tenant, row.channel_id) for row in connection.execute(query.distinct())]


def make_parcels(connection: Connection, channel: Channel, now_us: int) -> list[Parcel]:
    """What is to be sent to a channel now, oldest first; new parcels are written down."""
    c = outbox.c
    query = (
        select(outbox)
        .where(*_mine(channel), c.done_us.is_(None), c.dead_us.is_(None), c.next_us <= now_us)
        .order_by(c.created_us, c.message_key)
        .limit(LOOK_AT)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    begun = {row["parcel"] for row in rows if row["parcel"]}
    fresh = [row for row in rows if not row["parcel"]]
    urgent = [row for row in fresh if row["severity_id"] >= channel.rules.urgent_severity]
    calm = [row for row in fresh if row["severity_id"] < channel.rules.urgent_severity]
    later_us = channel.rules.quiet_until(now_us)
    if later_us is None and calm:
        room, later_us = _room(connection, channel, now_us)
        if room > len(begun):
            later_us = None
            late = [row for row in calm if row["next_us"] > row["created_us"]]
            at_once = [row for row in calm if row["next_us"] <= row["created_us"]]
            room -= len(begun)
            # what waited comes together, and so does what is more than there is room for
            single = at_once if len(at_once) + bool(late) <= room else at_once[: room - 1]
            rest = [*late, *at_once[len(single) :]]
            for row in single:
                _pack(connection, channel, [row])
            for first in range(0, len(rest), DIGEST):
                _pack(connection, channel, rest[first : first + DIGEST])
    if later_us is not None and calm:
        keys = [row["message_key"] for row in calm]
        connection.execute(
            update(outbox).where(*_mine(channel), c.message_key.in_(keys)).values(next_us=later_us)
        )
    for row in urgent:
        _pack(connection, channel, [row])
    found = _parcels(connection, channel, now_us)[:IN_A_TURN]
    # before anything is sent: who cannot write down that it was sent must not send it at every turn
    connection.execute(
        update(outbox)
        .where(*_mine(channel), c.parcel.in_([parcel.key for parcel in found]), c.done_us.is_(None))
        .values(next_us=now_us + round(1e6 * CLAIM_SECONDS))
    )
    return found


def _mine(channel: Channel) -> tuple[Any, Any]:
    return outbox.c.tenant == channel.tenant, outbox.c.channel_id == channel.channel_id


def _room(connection: Connection, channel: Channel, now_us: int) -> tuple[int, int]:
    """How many parcels may still be sent in this hour, and when there is room again."""
    c = outbox.c
    query = (
        select(c.parcel, func.max(c.done_us).label("at"))
        .where(*_mine(channel), c.done_us > now_us - HOUR_US)
        .group_by(c.parcel)
        .order_by(func.max(c.done_us))
    )
    sent = [int(row.at) for row in connection.execute(query)]
    over = len(sent) - channel.rules.per_hour
    again_us = sent[max(over, 0)] + HOUR_US if sent else now_us + 1
    return channel.rules.per_hour - len(sent), max(again_us, now_us + 1)


def _pack(connection: Connection, channel: Channel, rows: list[dict[str, Any]]) -> None:
    keys = [row["message_key"] for row in rows]
    name = keys[0] if len(keys) == 1 else key_of(channel.tenant, channel.channel_id, "digest", *keys)
    connection.execute(
        update(outbox).where(*_mine(channel), outbox.c.message_key.in_(keys)).values(parcel=name)
    )


def _parcels(connection: Connection, channel: Channel, now_us: int) -> list[Parcel]:
    c = outbox.c
    query = (
        select(outbox)
        .where(
            *_mine(channel),
            c.parcel.is_not(None),
            c.done_us.is_(None),
            c.dead_us.is_(None),
            c.next_us <= now_us,
        )
        .order_by(c.created_us, c.message_key)
    )
    together: dict[str, list[Any]] = {}
    for row in connection.execute(query).mappings():
        together.setdefault(row["parcel"], []).append(row)
    found = []
    for key, rows in together.items():
        payloads = [msgspec.json.decode(row["payload"]) for row in rows]
        alerts = [payload["alert"] for payload in payloads if payload["alert"] is not None]
        urgent = any(row["severity_id"] >= channel.rules.urgent_severity for row in rows)
        found.append(Parcel(key, payloads[0]["kind"], alerts, rows[0]["attempts"], urgent))
    return found


def mark_sent(connection: Connection, channel: Channel, parcel: Parcel, now_us: int) -> None:
    """Strike a parcel off."""
    mine = (*_mine(channel), outbox.c.parcel == parcel.key)
    connection.execute(
        update(outbox).where(*mine).values(done_us=now_us, attempts=parcel.attempts + 1, error="")
    )


def mark_failed(connection: Connection, channel: Channel, parcel: Parcel, now_us: int, error: str) -> bool:
    """Note a failed attempt; returns whether it was the last: then the parcel is dead."""
    attempts = parcel.attempts + 1
    values: dict[str, Any] = {"attempts": attempts, "error": error[:300]}
    dead = attempts >= MOST_ATTEMPTS
    if dead:
        values["dead_us"] = now_us
    else:
        values["next_us"] = now_us + round(1e6 * pause_seconds(parcel.key, attempts))
    connection.execute(update(outbox).where(*_mine(channel), outbox.c.parcel == parcel.key).values(values))
    return dead


def pause_seconds(key: str, attempts: int) -> float:
    """Exponential, and between a half and the whole of it by key and attempt: what failed together is not
    tried again together.
    """
    whole = min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 30), LONGEST_PAUSE_S)
    drawn = int.from_bytes(hashlib.sha256(f"{key}/{attempts}".encode()).digest()[:4], "big") / 2**32
    return whole * (0.5 + 0.5 * drawn)


def bury(connection: Connection, tenant: str, channel_id: str, now_us: int, why: str) -> int:
    """Give up all that waits for a channel; returns how many messages."""
    c = outbox.c
    mine = (c.tenant == tenant, c.channel_id == channel_id, c.done_us.is_(None), c.dead_us.is_(None))
    return connection.execute(update(outbox).where(*mine).values(dead_us=now_us, error=why)).rowcount


def revive(connection: Connection, tenant: str, channel_id: str, now_us: int) -> int:
    """Try the dead messages of a channel again; returns how many."""
    c = outbox.c
    mine = (c.tenant == tenant, c.channel_id == channel_id, c.dead_us.is_not(None))
    values = {"dead_us": None, "attempts": 0, "next_us": now_us, "error": ""}
    return connection.execute(update(outbox).where(*mine).values(values)).rowcount


def find(connection: Connection, tenant: str, channel_id: str, only: str, limit: int) -> list[dict[str, Any]]:
    """Messages, newest first. only: waiting, sent, dead, or "" for all."""
    c = outbox.c
    conditions = [c.tenant == tenant]
    if channel_id:
        conditions.append(c.channel_id == channel_id)
    conditions += {
        "waiting": [c.done_us.is_(None), c.dead_us.is_(None)],
        "sent": [c.done_us.is_not(None)],
        "dead": [c.dead_us.is_not(None)],
    }.get(only, [])
    query = select(outbox).where(*conditions).order_by(c.created_us.desc(), c.message_key).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def count_waiting(connection: Connection) -> int:
    """Messages of all tenants that were neither sent nor given up."""
    c = outbox.c
    query = select(func.count()).select_from(outbox).where(c.done_us.is_(None), c.dead_us.is_(None))
    return int(connection.execute(query).scalar() or 0)


def forget(connection: Connection, now_us: int) -> None:
    """Drop what was sent or given up long ago."""
    c = outbox.c
    sent, dead = now_us - SENT_DAYS * DAY_US, now_us - DEAD_DAYS * DAY_US
    connection.execute(
        delete(outbox).where(or_(c.done_us < sent, and_(c.dead_us < dead, c.done_us.is_(None))))
    )
