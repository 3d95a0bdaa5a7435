"""A core in a process that can be killed. Run as `python -m tests.durable_process` from the project's root.

Reads commands from standard input, one a line, and runs each in a process forked from this one, which has
loaded everything: a start costs milliseconds. Answers on standard output:

    DATA-DIR FIRST LAST STEP_MS      pid N; then `ack K` for each body K that was acknowledged; `done LEDGER`
    DATA-DIR FIRST LAST full         as above, but nothing can be written in the middle: `refused K WHY`, and
                                     `same BOOL`, whether reading still worked and showed no change
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

EVENTS = 20
"""In one body."""


def numbered_body(number: int, step_ms: int) -> list[bytes]:
    from tests.durable_events import lines

    return lines(number * EVENTS, EVENTS, step_ms=step_ms)


def work(data_dir: Path, first: int, last: int, step_ms: int) -> None:
    from serving.core import Core
    from serving.submission import Protocol
    from tests.durable_events import CALM, TENANT, submission

    # checkpoints all the time: a kill is to hit them too
    with Core(data_dir, replace(CALM, checkpoint_seconds=0.05)) as core:
        for number in range(first, last):
            protocol = (Protocol.NATIVE, Protocol.BULK)[number % 2]
            core.offer(submission(numbered_body(number, step_ms), protocol)).result(300)
            print("ack", number, flush=True)  # noqa: T201 - the parent reads it
        import asyncio

        asyncio.run(core.flush(TENANT))
        print("done", json.dumps(core.metrics()["tenants"][TENANT]), flush=True)  # noqa: T201 - as above


def fill(data_dir: Path, first: int, last: int) -> None:
    import asyncio
    import resource
    import time

    from serving.core import Core
    from serving.submission import Protocol, Refused
    from tests.durable_events import CALM, TENANT, submission

    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Core(data_dir, CALM) as core:
        for number in range(first, last):
            bodies = submission(numbered_body(number, 1000), Protocol.NATIVE)
            if number == (first + last) // 2:
                before = asyncio.run(core.digest(TENANT))
                # no file may grow: to the store it is what a full disk is
                resource.setrlimit(resource.RLIMIT_FSIZE, (1, most[1]))
                for _ in range(3):
                    try:
                        core.offer(bodies).result(300)
                    except Refused as error:
                        print("refused", number, error, flush=True)  # noqa: T201 - the parent reads it
                print("same", asyncio.run(core.digest(TENANT)) == before, flush=True)  # noqa: T201 - as above
                resource.setrlimit(resource.RLIMIT_FSIZE, most)
            for attempt in range(1200):
                try:
                    receipt = core.offer(bodies).result(300)
                    break
                except Refused:
                    if attempt == 1199:
                        raise
                    time.sleep(0.05)
            print("ack", number, receipt.accepted, flush=True)  # noqa: T201 - as above
        asyncio.run(core.flush(TENANT))
        print("done", json.dumps(core.metrics()["tenants"][TENANT]), flush=True)  # noqa: T201 - as above


def main() -> None:
    import serving.core  # noqa: F401 - as above
    from features import bodies
    from models.detector import Detector
    from tests.durable_events import CALM, TENANT, submission  # noqa: F401 - loaded before the fork

    detector = Detector(key_seed=1)
    warm = bodies.decode(
        detector.reader(), [bodies.Body(submission(numbered_body(0, 1000)).body, "auto", None, 0)]
    )
    detector.score_learn(warm.batch)
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    for line in sys.stdin:
        folder, first, last, step_ms = line.split()
        child = os.fork()
        if child == 0:
            try:
                if step_ms == "full":
                    fill(Path(folder), int(first), int(last))
                else:
                    work(Path(folder), int(first), int(last), int(step_ms))
            finally:
                sys.stdout.flush()
                os._exit(0)
        print("pid", child, flush=True)  # noqa: T201 - the parent kills it
        os.waitpid(child, 0)
        print("ended", flush=True)  # noqa: T201 - the parent waits for it


if __name__ == "__main__":
    main()
