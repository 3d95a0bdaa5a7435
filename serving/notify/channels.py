"""Channels: where a tenant's alerts are sent, and when. Rows of the store; the audit log has every change.

A target holds secrets. They are kept as they are, because they are needed to send, and never shown again.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlalchemy import func, insert, select, update

from features.errors import InputError
from serving import audit
from serving.notify import chat, webhook
from serving.store.tables import channels
from serving.triage.desk import writing
from serving.triage.words import NAME_LENGTH, Missing, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from serving.store.database import Database
    from serving.triage.words import Asked

MOST_CHANNELS = 20
KINDS = ("webhook", "syslog", "apprise")
ABOUT = ("incidents", "alerts")
TRANSPORTS = ("udp", "tcp", "tls")


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to. webhook: url, secret; apprise: url; syslog: host, port, transport (udp, tcp, tls)."""

    url: str = ""
    secret: str = ""
    host: str = ""
    port: int = 514
    transport: str = "tcp"


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent, and when.

    about
        incidents (one message each, and another when one becomes graver or opens again), or each of the
        alerts.
    min_severity
        Least OCSF severity_id, 1 to 5.
    per_hour
        Most messages in an hour; what is over waits and comes as a digest.
    quiet_from, quiet_to
        HH:MM in `time_zone` (an IANA name) between which only what is urgent is sent; the rest comes as a
        digest afterwards. "" for no quiet hours.
    urgent_severity
        Severity from which a message is sent in quiet hours and over the rate, 1 to 5; 6 for never.
    """

    about: str = "incidents"
    min_severity: int = 1
    per_hour: int = 60
    quiet_from: str = ""
    quiet_to: str = ""
    time_zone: str = "UTC"
    urgent_severity: int = 5

    def checked(self) -> Rules:
        """The rules; InputError when they cannot be followed."""
        if self.about not in ABOUT:
            raise InputError(f"about={self.about[:20]!r}: one of {', '.join(ABOUT)}")
        if not 1 <= self.min_severity <= 5:
            raise InputError(f"min_severity={self.min_severity}: 1 (informational) to 5 (critical)")
        if not 1 <= self.urgent_severity <= 6:
            raise InputError(f"urgent_severity={self.urgent_severity}: 1 to 5, or 6 for never")
        if not 1 <= self.per_hour <= 3600:
            raise InputError(f"per_hour={self.per_hour}: 1 to 3600")
        if bool(self.quiet_from) != bool(self.quiet_to):
            raise InputError("quiet_from and quiet_to go together: give both, or none")
        for text in filter(None, (self.quiet_from, self.quiet_to)):
            _minutes(text)
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InputError(
                f"time_zone={self.time_zone[:40]!r}: an IANA name such as Europe/Berlin"
            ) from error
        return self

    def quiet_until(self, now_us: int) -> int | None:
        """When the quiet hours end that a moment is in, microseconds UTC; None when it is in none."""
        if not self.quiet_from or self.quiet_from == self.quiet_to:
            return None
        here = datetime.fromtimestamp(now_us / 1e6, UTC).astimezone(ZoneInfo(self.time_zone))
        minute, first, last = 60 * here.hour + here.minute, _minutes(self.quiet_from), _minutes(self.quiet_to)
        inside = first <= minute < last if first < last else minute >= first or minute < last
        if not inside:
            return None
        end = here.replace(hour=last // 60, minute=last % 60, second=0, microsecond=0, fold=0)
        if end <= here:
            end = (end.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=here.tzinfo)
        return max(int(end.timestamp() * 1e6), now_us + 1)


def _minutes(text: str) -> int:
    hours, separator, minutes = text.partition(":")
    if not (
        separator and hours.isdecimal() and minutes.isdecimal() and len(hours) <= 2 and len(minutes) == 2
    ):
        raise InputError(f"{text[:10]!r}: a time of day is HH:MM")
    if int(hours) > 23 or int(minutes) > 59:
        raise InputError(f"{text[:10]!r}: a time of day is 00:00 to 23:59")
    return 60 * int(hours) + int(minutes)


class Channel(msgspec.Struct, frozen=True):
    """A channel as it is kept."""

    tenant: str
    channel_id: str
    kind: str
    label: str
    target: Target
    rules: Rules
    created_us: int
    actor: str

    @classmethod
    def of(cls, row: Any) -> Channel:
        """From its row."""
        return cls(
            row["tenant"],
            row["channel_id"],
            row["kind"],
            row["label"],
            msgspec.json.decode(row["target"], type=Target),
            msgspec.json.decode(row["rules"], type=Rules),
            row["created_us"],
            row["actor"],
        )

    def shown(self) -> dict[str, Any]:
        """What may be shown: no secret, and of a URL, which may hold some, only where it leads."""
        if self.kind == "syslog":
            place = f"{self.target.transport}://{self.target.host}:{self.target.port}"
        elif self.kind == "webhook":
            found = urlsplit(self.target.url)
            place = f"{found.scheme}://{found.netloc}/..."
        else:
            place = f"{urlsplit(self.target.url).scheme}://..."
        return {
            "id": self.channel_id,
            "kind": self.kind,
            "label": self.label,
            "target": place,
            "rules": msgspec.to_builtins(self.rules),
            "created": self.created_us // 1000,
            "actor": self.actor,
        }


def checked_target(kind: str, target: Target) -> Target:
    """A target, with a secret when it needs one; InputError when nothing can be sent there."""
    if kind == "webhook":
        webhook.Url.parsed(target.url)
        if not target.secret:
            target = msgspec.structs.replace(target, secret=webhook.new_secret())
        webhook.secret_bytes(target.secret)
    elif kind == "apprise":
        chat.checked(target.url)
    elif kind == "syslog":
        if (
            not target.host
            or not target.host.isascii()
            or not target.host.isprintable()
            or " " in target.host
        ):
            raise InputError("host: the name or address of the syslog server")
        if not 0 < target.port < 1 << 16:
            raise InputError(f"port={target.port}: 1 to 65535")
        if target.transport not in TRANSPORTS:
            raise InputError(f"transport={target.transport[:10]!r}: one of {', '.join(TRANSPORTS)}")
    else:
        raise InputError(f"kind={kind[:20]!r}: one of {', '.join(KINDS)}")
    return target


def of_tenant(connection: Connection, tenant: str) -> list[Channel]:
    """Channels of a tenant, oldest first."""
    c = channels.c
    query = select(channels).where(c.tenant == tenant, c.removed_us.is_(None))
    return [
        Channel.of(row) for row in connection.execute(query.order_by(c.created_us, c.channel_id)).mappings()
    ]


def find(connection: Connection, tenant: str, channel_id: str) -> Channel | None:
    """A channel of a tenant, None when it has no such, or not any more."""
    c = channels.c
    query = select(channels).where(c.tenant == tenant, c.channel_id == channel_id, c.removed_us.is_(None))
    row = connection.execute(query).mappings().first()
    return None if row is None else Channel.of(row)


def create(database: Database, asked: Asked, kind: str, label: str, target: Target, rules: Rules) -> Channel:
    """Make a channel; InputError when it could not work, or there are too many."""
    words(label, "label", NAME_LENGTH)
    now_us = time.time_ns() // 1000
    made = Channel(
        asked.tenant,
        secrets.token_hex(8),
        kind,
        label,
        checked_target(kind, target),
        rules.checked(),
        now_us,
        asked.who.actor,
    )
    with writing(database) as connection:
        c = channels.c
        count = select(func.count()).where(c.tenant == asked.tenant, c.removed_us.is_(None))
        if (connection.execute(count).scalar() or 0) >= MOST_CHANNELS:
            raise InputError(f"there are {MOST_CHANNELS} channels already: remove one first")
        row = {
            **{name: getattr(made, name) for name in ("tenant", "channel_id", "kind", "label", "created_us")},
            "target": msgspec.json.encode(made.target).decode(),
            "rules": msgspec.json.encode(made.rules).decode(),
            "actor": made.actor,
        }
        connection.execute(insert(channels), [row])
        detail = {"kind": kind, "label": label, "target": made.shown()["target"]}
        deed = asked.who._replace(action="channel.create", subject=made.channel_id, detail=detail)
        audit.append(connection, now_us, asked.tenant, deed)
    return made


def remove(database: Database, asked: Asked, channel_id: str) -> None:
    """Send nothing there any more; Missing when the tenant has no such channel."""
    c, now_us = channels.c, time.time_ns() // 1000
    mine = (c.tenant == asked.tenant, c.channel_id == channel_id, c.removed_us.is_(None))
    with writing(database) as connection:
        # the row stays as a name for what was sent; its secrets go
        gone = connection.execute(
            update(channels).where(*mine).values(removed_us=now_us, target="{}")
        ).rowcount
        if not gone:
            raise Missing("there is no channel with this id")
        deed = asked.who._replace(action="channel.remove", subject=channel_id)
        audit.append(connection, now_us, asked.tenant, deed)


def labels(connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, str]:
    """Labels of channels, removed ones included."""
    c = channels.c
    query = select(c.channel_id, c.label).where(c.tenant == tenant, c.channel_id.in_(ids))
    return {row.channel_id: row.label for row in connection.execute(query)}
