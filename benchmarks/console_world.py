"""A data directory as a busy organisation leaves it: for benchmarks of the console.

Events go in by the core's own door and are scored, and lie in lake and learned rows as those of any day do.
Alerts, entity-days and one receipt are rows of the store: raising ten thousand alerts honestly takes years of
logs.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard
from sqlalchemy import insert

from serving.accounts.people import People
from serving.audit import Deed
from serving.core import Core
from serving.receipts import alert_id
from serving.settings import CoreSettings
from serving.store import tables
from serving.submission import Busy, Protocol, Submission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TENANT = "acme"
PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that live for some minutes
DAY_MS = 86_400_000
LAST_DAY = 20_454
"""2026-01-01: a day for everything, so that two runs are the same."""
BUSY = "svc-backup"
"""Whose day has the many events."""
DAYS, SPARK_DAYS = 60, 14
ENTITIES = 3_000
BATCH = 5_000
CALM = CoreSettings(linger_seconds=1.0, checkpoint_seconds=1e9, alert_seconds=1e9)
REASONS = (
    "used host srv-%d: 0 of 412 events by this user, 3 of 38 in Finance, 12%% of all; 8.0 nats, 1 in 3,000",
    "signed in from AS64%d: never before, nobody else of its group does; 9.1 nats, 1 in 9,000",
    "read 4.%d GB from file shares: 31 times its usual day; 6.6 nats, 1 in 735",
    "ran rundll32.exe with a shape of command line that 0 of %d hosts know; 7.2 nats, 1 in 1,300",
)


def build(folder: Path, alerts: int, busy: int, others: int, people: int) -> str:
    """Make the directory; returns the id of the alert with the many events.

    alerts: how many. busy: events of the busy entity's day. others: further events of that day. people:
    accounts p0, p1, ... with PASSWORD.
    """
    with Core(folder, CALM) as core:
        for body in bodies(busy, others):
            while True:
                try:
                    core.offer(Submission(TENANT, Protocol.NATIVE, body, "ocsf")).result(300)
                    break
                except Busy as error:
                    time.sleep(min(error.retry_after_s, 0.2))
        while core.metrics()["backlog_bytes"]:
            time.sleep(0.1)
        _write_rows(core, alerts)
        accounts = People.over(core.database, is_secure=False)
        hashed, root = accounts.book.passwords.hashed(PASSWORD), Deed("cli:root", "", "")
        for number in range(people):
            accounts.book.create(TENANT, f"p{number}", "admin", "", root)
            accounts.book.update_own(f"p{number}", "", root, password=hashed, must_change=False)
    return alert_id(TENANT, "user", BUSY, LAST_DAY)


def bodies(busy: int, others: int) -> Iterator[bytes]:
    """Sign-ins of one day, in order of time, some thousand at once."""
    rng = random.Random(7)
    total = busy + others
    start_ms, lines = LAST_DAY * DAY_MS, []
    mine = set(rng.sample(range(total), busy))
    for number in range(total):
        user = BUSY if number in mine else f"user-{rng.randrange(400)}"
        lines.append(
            b'{"class_uid":3002,"category_uid":3,"activity_id":1,"status_id":%d,"time":%d,"user":{"name":"%s"},'
            b'"device":{"hostname":"srv-%d"},"src_endpoint":{"ip":"10.0.%d.%d"},"metadata":{"uid":"e%d"}}\n'
            % (
                1 + (rng.random() < 0.05),
                start_ms + number * (DAY_MS - 1) // total,
                user.encode(),
                rng.randrange(40),
                rng.randrange(4),
                rng.randrange(200),
                number,
            )
        )
        if len(lines) == BATCH:
            yield b"".join(lines)
            lines = []
    if lines:
        yield b"".join(lines)


def _write_rows(core: Core, count: int) -> None:
    rng = random.Random(8)
    alerts = [_alert(rng, number, count) for number in range(1, count)]
    alerts.append(_alert(rng, 0, count) | {"entity": BUSY, "risk": 15.0, "day": LAST_DAY})
    known: dict[tuple[str, int], dict[str, Any]] = {}
    for row in alerts:
        row["alert_id"] = alert_id(TENANT, "user", row["entity"], row["day"])
        known.setdefault((row["entity"], row["day"]), row)
    days = [
        {
            "tenant": TENANT, "day": LAST_DAY - back, "entity_kind": "user", "entity": f"user-{number}",
            "closed_on": LAST_DAY - back, "risk": round(rng.expovariate(0.7), 3), "alert": False,
            "n_events": 40, "reasons": "[]",
        }
        for number in range(ENTITIES)
        for back in range(SPARK_DAYS)
    ]  # fmt: skip
    receipt = _receipt(known[BUSY, LAST_DAY])
    packed = zstandard.ZstdCompressor().compress(msgspec.json.encode(receipt))
    with core.database.write() as connection:
        connection.execute(insert(tables.alerts), list(known.values()))
        connection.execute(insert(tables.entity_days), days)
        connection.execute(
            insert(tables.receipts),
            [{"tenant": TENANT, "alert_id": receipt["alert_id"], "at_us": 0, "body": packed}],
        )


def _alert(rng: random.Random, number: int, count: int) -> dict[str, Any]:
    day = LAST_DAY - number * DAYS // count
    raised_us = 1000 * (day * DAY_MS + rng.randrange(DAY_MS))
    reasons = [text % rng.randrange(90) for text in rng.sample(REASONS, 3)]
    return {
        "tenant": TENANT, "entity_kind": "user", "entity": f"user-{number % ENTITIES}", "day": day,
        "risk": round(2.0 + rng.expovariate(0.4), 3), "n_events": rng.randrange(20, 900), "seq": 1,
        "reasons": msgspec.json.encode(reasons).decode(), "raised_us": raised_us, "updated_us": raised_us,
    }  # fmt: skip


def _receipt(row: dict[str, Any]) -> dict[str, Any]:
    """Of the form of `serving.receipts.take`, with findings at twenty moments of the day."""
    causes = ["access", "place"]
    findings = [
        {
            "channel": "user.host" if number % 2 else "user.src_ip", "cause": number % 2,
            "value": f"srv-{number}" if number % 2 else f"10.0.1.{number}",
            "time_us": 1000 * (row["day"] * DAY_MS + number * 3_600_000), "nats": 8.0 - number / 4,
            "gain": 8.0 - number / 4, "counts": [0.0, 400.0, 1.0, 40.0, 9.0, 9000.0],
        }
        for number in range(20)
    ]  # fmt: skip
    evidence = [sum(one["gain"] for one in findings if one["cause"] == cause) for cause in range(2)]
    return {
        "form": 1, "alert_id": row["alert_id"], "entity_kind": "user", "entity": row["entity"],
        "day": "2026-01-01", "n_events": row["n_events"], "causes": causes, "evidence": evidence,
        "findings": findings, "complete": True, "factor": 1.0, "risk": row["risk"], "fitted": True,
    }  # fmt: skip
