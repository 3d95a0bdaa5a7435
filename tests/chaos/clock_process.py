"""A core whose wall clock jumps. Run under libfaketime as `python -m tests.chaos.clock_process FOLDER CLOCK
OFFSETS`.

Sends one group of events for each of the comma-separated OFFSETS (libfaketime's form: +0, +1d, -1d, +12y),
which is written to the file CLOCK before; then prints a line of JSON: what each step saw, and the ledger.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

GROUP = 120


def step(core: Any, number: int) -> dict[str, Any]:
    """Send a group, and wait until the timers have scored it and written a checkpoint of it."""
    from serving.submission import Protocol
    from tests.durable_events import TENANT, lines, submission

    for _ in range(12):  # the engine has to wait for the writer, too
        core._writer.run(lambda: threading.Event().wait(0.03))
    before = core.metrics()["checkpoints"]
    receipt = core.offer(submission(lines(number * GROUP, GROUP, step_ms=60_000), Protocol.NATIVE)).result(60)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        now = core.metrics()
        done = now["tenants"][TENANT]["waiting"] == 0 and now["checkpoints"] > before
        if done:
            break
        threading.Event().wait(0.02)  # libfaketime does not understand the sleep of Python 3.11
    return {"clock": time.strftime("%Y"), "wall": time.time(), "accepted": receipt.accepted, "timers": done}


def main() -> None:
    """See above."""
    from serving.core import Core
    from tests.durable_events import CALM, TENANT

    folder, clock = Path(sys.argv[1]), Path(sys.argv[2])
    settings = replace(CALM, linger_seconds=0.1, checkpoint_seconds=0.1)
    steps = []
    with Core(folder, settings) as core:
        for number, offset in enumerate(sys.argv[3].split(",")):
            clock.write_text(offset + "\n")
            steps.append(step(core, number))
        ledger = core.metrics()["tenants"][TENANT]
    # after the end: a thread that failed on the way there has written nothing
    told = {"steps": steps, "ledger": ledger, "failed": core._status.failed}
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main()
