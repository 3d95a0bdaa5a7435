"""After a confirmed incident is unlearned, what is normal is as if it had never been: the next visit of the
attacker is as strange as the first.
"""

from __future__ import annotations

import asyncio
import json

import numpy as np

from features import bodies
from models.detector import Detector
from serving.core import Core
from serving.previews import taken
from tests.durable_events import CALM, START_MS, event, lines, submission
from tests.serving.triage.triage_app import opened

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
THIEF, VAULT, ADDRESS = "user3", "vault-9", "203.0.113.9"
EARLY = 20
"""Events by which everybody's clock is set: an event of a day that few vouch for yet is learned with the time
before it, so whoever is part of the theft must not be among those that vouch.
"""


def calm(day: int) -> list[bytes]:
    first = 200 * day
    records = lines(first, 72, start_ms=START_MS + day * DAY_MS - first * 600_000, step_ms=600_000)
    others = [json.loads(record)["user"]["name"] != THIEF for record in records]
    return [
        record
        for place, record in enumerate(records)
        if others[place] or EARLY <= place < len(records) - EARLY
    ]


CALM_DAYS = [calm(day) for day in range(3)]
MORNING = lines(5000, 40, start_ms=START_MS + 3 * DAY_MS - 5000 * 60_000, step_ms=60_000)


def visit(first: int, start_ms: int, count: int = 10) -> list[bytes]:
    records = []
    for number in range(first, first + count):
        made = event(number, start_ms + 1000 * (number - first), seed=3)
        made["user"] = {"name": THIEF, "domain": "ACME"}
        made["device"] = {"hostname": f"{VAULT}.acme.example"}
        made["src_endpoint"] = {"ip": ADDRESS}
        records.append(json.dumps(made).encode())
    return records


FIRST = visit(90_000, START_MS + 2 * DAY_MS + 8 * HOUR_MS)
NEXT = visit(91_000, START_MS + 3 * DAY_MS + 9 * HOUR_MS, 3)


def part_of_it(record: bytes) -> bool:
    """Whether an event is on the day of the theft and of one who took part."""
    found = json.loads(record)
    took_part = (
        found["user"]["name"] == THIEF
        or found["device"]["hostname"].startswith(VAULT)
        or found["src_endpoint"]["ip"] == ADDRESS
    )
    return took_part and found["time"] // DAY_MS == START_MS // DAY_MS + 2


def feed(core: Core, records: list[bytes]) -> None:
    core.offer(submission(records)).result(300)
    asyncio.run(core.flush("acme"))


def habits(core: Core):
    frame = core.ask(core._tenants.states["acme"].detector.baselines.habits).result(300)
    return frame.set_index([name for name in frame.columns if name not in ("weight", "share")])["weight"]


def strangeness(core: Core, records: list[bytes]) -> np.ndarray:
    """Evidence of events against the baselines as they are, float64 (events, behaviours); changes nothing."""
    found = core.ask(lambda: taken(core.state_of("acme"))).result(60)
    copy = Detector.restored(found.arrays, found.exported, geo=found.geo)
    decoded = bodies.decode(copy.reader(), [bodies.Body(b"\n".join(records), "auto", None, 1 << 60)])
    return np.nan_to_num(copy.engine.raw_evidence(decoded.batch))


def test_after_unlearning_the_next_visit_is_as_strange_as_if_there_had_been_none(tmp_path):
    """Leaving one event of the theft in what is normal makes it fail."""
    everything = [record for day in CALM_DAYS for record in day]
    with Core(tmp_path / "never", CALM) as never:
        feed(never, [record for record in everything if not part_of_it(record)])
        feed(never, MORNING)
        right, first_time = habits(never), strangeness(never, NEXT)
    desk = opened(tmp_path / "data")
    try:
        core = desk.core
        feed(core, everything)
        before_it = strangeness(core, FIRST[:3])
        feed(core, FIRST)
        feed(core, MORNING)
        day = "2025-03-05"
        used_to_it = strangeness(core, NEXT)
        assert (before_it - used_to_it).max() > 1.0, (
            "the theft has become a habit: there is something to undo"
        )
        for kind, name in (("user", THIEF), ("host", VAULT), ("src_ip", ADDRESS)):
            body = {"verdict_id": 2, "entity_kind": kind, "entity": name, "day": day, "unlearn": True}
            given = desk.ask("POST", "/v1/verdicts", json=body)
            assert given.status_code == 201, given.text
        found = habits(core)
        assert float(found.sub(right, fill_value=0.0).abs().max()) < 1e-9
        again = strangeness(core, NEXT)
        np.testing.assert_allclose(again, first_time, atol=1e-9, rtol=0)
        assert (again - used_to_it).max() > 1.0
        assert again.max() > before_it.max() - 0.1, "as strange as the first time"
    finally:
        desk.core.stop()
