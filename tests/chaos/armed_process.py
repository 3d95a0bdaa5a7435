"""A core in a process whose disk is watched by `disk_shim.c`. Run as `python -m tests.chaos.armed_process`.

Reads commands from standard input, one a line of JSON, and runs each in a process forked from this one:

    {"folder": DATA-DIR, "first": K, "last": L, "kill_at": N, "how": 0|1|2, "log": FILE}

The child sends bodies K .. L and says `ack N` for each one that was acknowledged, then `done LEDGER COUNT`,
where COUNT is how many operations on the disk it made. When it has ended, this process says `ended`.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any


def work(job: dict[str, Any]) -> None:
    """Send bodies with the disk watched from the first operation to the last."""
    from serving.core import Core
    from serving.submission import Protocol
    from tests.durable_events import CALM, TENANT, submission
    from tests.durable_process import numbered_body

    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    shim = ctypes.CDLL(None)
    if job.get("armed", True):
        log = os.fsencode(job.get("log", ""))
        armed = shim.habitus_arm(
            os.fsencode(folder), ctypes.c_long(job.get("kill_at", 0)), job.get("how", 0), log
        )
        assert armed == 0
    # checkpoints and segments all the time, and a journal that keeps nothing that a checkpoint holds
    settings = replace(CALM, checkpoint_seconds=0.02, journal_days=0.0, lake_days=1e5, entity_days_days=1e5)
    with Core(folder, settings) as core:
        for number in range(job["first"], job["last"]):
            protocol = (Protocol.NATIVE, Protocol.BULK)[number % 2]
            core.offer(submission(numbered_body(number, job.get("step_ms", 60_000)), protocol)).result(300)
            os.write(1, f"ack {number}\n".encode())
        asyncio.run(core.flush(TENANT))
        ledger = core.metrics()["tenants"].get(TENANT, {})
    count = shim.habitus_count()
    os.write(1, f"done {json.dumps([ledger, count])}\n".encode())


def main() -> None:
    """Load everything, then fork for each command."""
    import serving.core  # noqa: F401 - loaded before the fork
    from features import bodies
    from models.detector import Detector
    from tests.durable_events import submission
    from tests.durable_process import numbered_body

    # the journal is pruned after every group
    houses = [m for n, m in sys.modules.items() if n.startswith("serving.") and hasattr(m, "HOUSE_SECONDS")]
    assert houses
    for module in houses:
        vars(module)["HOUSE_SECONDS"] = 0.0
    detector = Detector(key_seed=1)
    body = bodies.Body(submission(numbered_body(0, 1000)).body, "auto", None, 0)
    detector.score_learn(bodies.decode(detector.reader(), [body]).batch)
    os.write(1, b"ready\n")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                work(json.loads(line))
            except Exception as error:  # noqa: BLE001 - the process' edge: the test shows what it was
                os.write(1, f"failed {type(error).__name__}: {error}".replace("\n", " ").encode() + b"\n")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.write(1, b"ended\n")


if __name__ == "__main__":
    main()
