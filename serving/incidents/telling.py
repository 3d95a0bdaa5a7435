"""Messages about incidents: one an incident and channel, brought up to date while it waits, and followed by
another only when the incident has become graver or was opened again. Receivers tell by `incident` in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, update

from serving.incidents.finding import incident_finding
from serving.notify import channels, outbox
from serving.notify.messages import OPENED, UPDATED
from serving.store.tables import incidents
from serving.store.tables import outbox as messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from serving.notify.channels import Channel

MOST_UPDATES = 100
"""Messages of one incident to one channel."""


def fill(connection: Connection, rows: Sequence[dict[str, Any]], now_us: int) -> None:
    """Write messages about incidents that changed: their rows, with `change`."""
    by_tenant: dict[str, list[Channel]] = {}
    for row in rows:
        tenant = row["tenant"]
        if tenant not in by_tenant:
            found = channels.of_tenant(connection, tenant)
            by_tenant[tenant] = [channel for channel in found if channel.rules.about == "incidents"]
        severity, told = row["severity_id"], row["told"]
        shown = incident_finding(row)
        for channel in by_tenant[tenant]:
            least = channel.rules.min_severity
            if severity >= least:
                graver = severity > max(told, least - 1) or row["change"] == "reopened"
                _tell(connection, channel, row, shown, now_us, again=told >= least, graver=graver)
        if severity > told:
            c = incidents.c
            mine = (c.tenant == tenant, c.incident_id == row["incident_id"])
            connection.execute(update(incidents).where(*mine).values(told=severity))


def _tell(
    connection: Connection,
    channel: Channel,
    row: dict[str, Any],
    shown: dict[str, Any],
    now_us: int,
    *,
    again: bool,
    graver: bool,
) -> None:
    """Bring the last message up to date if it still waits; else write one if there is reason to.

    again: whether the channel was told of it before. graver: whether that is reason enough for another.
    """
    about, number = row["incident_id"], 0
    for number in range(MOST_UPDATES):
        key = _key(channel, about, number)
        found = _message(connection, key, channel)
        if found is None:
            # the first may have been sent so long ago that it was forgotten
            if number or not again:
                break
            continue
        if found["parcel"] is None and found["done_us"] is None and found["dead_us"] is None:
            _replace(connection, key, channel, found, shown)
            return
    else:
        return
    if number == 0 or graver:
        kind = UPDATED if number else OPENED
        key = _key(channel, about, number)
        outbox.put(connection, channel, _about(about, number), kind, shown, now_us, key)


def _about(incident_id: str, number: int) -> str:
    return f"{incident_id}/{number}"


def _key(channel: Channel, incident_id: str, number: int) -> str:
    return outbox.key_of(channel.tenant, channel.channel_id, "incident", _about(incident_id, number))


def _message(connection: Connection, key: str, channel: Channel) -> dict[str, Any] | None:
    c = messages.c
    query = select(messages).where(c.tenant == channel.tenant, c.message_key == key)
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _replace(
    connection: Connection, key: str, channel: Channel, found: dict[str, Any], shown: dict[str, Any]
) -> None:
    kind = msgspec.json.decode(found["payload"])["kind"]
    c = messages.c
    connection.execute(
        update(messages)
        .where(c.tenant == channel.tenant, c.message_key == key)
        .values(
            payload=msgspec.json.encode({"kind": kind, "alert": shown}).decode(),
            severity_id=shown["severity_id"],
        )
    )
