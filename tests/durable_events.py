"""For the tests of the core: small, plausible, reproducible OCSF sign-ins, and settings without timers."""

from __future__ import annotations

import json
import random

from serving.settings import CoreSettings
from serving.submission import Protocol, Submission

START_MS = 1_740_992_400_000
"""2025-03-03 09:00 UTC, a Monday."""
TENANT = "acme"
CALM = CoreSettings(linger_seconds=1e9, checkpoint_seconds=1e9, alert_seconds=1e9, min_free_bytes=0)
"""Nothing happens by itself."""


def event(number: int, time_ms: int, seed: int = 7) -> dict[str, object]:
    rng = random.Random(f"{seed}/{number}")
    user = rng.randrange(6)
    return {
        "metadata": {"uid": f"event-{seed}-{number}", "version": "1.8.0"},
        "time": time_ms,
        "class_uid": 3002,
        "category_uid": 3,
        "activity_id": 1,
        "status_id": 1 if rng.random() < 0.9 else 2,
        "user": {"name": f"user{user}", "domain": "ACME"},
        "src_endpoint": {"ip": f"10.0.{user}.{rng.randrange(1, 4)}"},
        "device": {"hostname": f"host-{rng.randrange(4)}.acme.example"},
    }


def lines(
    first: int, count: int, *, seed: int = 7, step_ms: int = 1_000, start_ms: int = START_MS
) -> list[bytes]:
    """Events first .. first + count, one every `step_ms`."""
    return [
        json.dumps(event(number, start_ms + number * step_ms, seed), separators=(",", ":")).encode()
        for number in range(first, first + count)
    ]


def body(records: list[bytes]) -> bytes:
    return b"".join(record + b"\n" for record in records)


def submission(records: list[bytes], protocol: Protocol = Protocol.NATIVE, **given: object) -> Submission:
    return Submission(**{"tenant": TENANT, "protocol": protocol, "body": body(records), **given})
