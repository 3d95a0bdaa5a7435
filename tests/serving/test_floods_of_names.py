"""Whoever invents names within one day: bounded, counted, and at nobody else's cost."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from serving.core import Core
from serving.quota import Quota
from tests.durable_events import CALM, START_MS, TENANT, submission

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
LIMIT = 400
STAFF = 60


def sign_in(user: str, number: int, time_ms: int) -> bytes:
    made = {
        "metadata": {"uid": f"{user}-{time_ms}-{number}", "version": "1.8.0"},
        "time": time_ms,
        "class_uid": 3002,
        "category_uid": 3,
        "activity_id": 1,
        "status_id": 1,
        "user": {"name": user},
        "device": {"hostname": f"host-{number % 4}"},
    }
    return json.dumps(made).encode()


def test_a_flood_of_new_names_within_a_day_stays_within_the_limit_and_pushes_out_nobody_with_a_history(
    tmp_path: Path,
) -> None:
    """Without a limit there are thousands; shedding whoever is lightest takes the staff, whom nobody has seen
    for three weeks.
    """
    staff = [sign_in(f"person{n}", n, START_MS + 1000 * n) for n in range(STAFF)]
    later = [
        sign_in("person0", n, START_MS + day * DAY_MS + 1000 * n) for day in range(1, 22) for n in range(2)
    ]
    flood = [
        sign_in(f"made-up-{n * 7919 % 100_003}", n, START_MS + 21 * DAY_MS + 60_000 + 10 * n)
        for n in range(3_000)
    ]
    with Core(tmp_path / "data", replace(CALM, quota=Quota(entities=LIMIT))) as core:
        core.offer(submission(staff)).result(120)
        core.offer(submission(later)).result(120)
        for first in range(0, len(flood), 100):
            core.offer(submission(flood[first : first + 100])).result(120)
        asyncio.run(core.flush(TENANT))
        numbers = core.usage(TENANT)
        assert numbers["entities"] <= LIMIT
        assert numbers["entities_refused"] >= len(flood) - LIMIT
        for number in range(STAFF):
            assert len(asyncio.run(core.baseline(TENANT, f"person{number}"))), (
                f"person{number} was pushed out"
            )
