"""How much memory a detector takes that may know so many entities and meets ten times as many.

Run as `python -m tests.chaos.memory_process LIMIT`; prints a line of JSON: resident MiB after the limit was
reached, at the end, and how many entities are known then.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

BATCH = 2_000
START_MS = 1_740_992_400_000
STEP_MS = 1_000
PEOPLE_AN_ENTITY_LIMIT = 3
"""An event names a user, a host and an address, all new ones."""


def event(number: int) -> bytes:
    """A logon of somebody whom nobody has seen before, from where nobody has been."""
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return json.dumps(
        {
            "class_uid": 3002,
            "activity_id": 1,
            "status_id": 1,
            "time": START_MS + number * STEP_MS,
            "user": {"name": f"user{number}"},
            "device": {"hostname": f"host{number}.example"},
            "src_endpoint": {"ip": address},
            "metadata": {"uid": f"event{number}"},
        }
    ).encode()


def resident_mib() -> int:
    """Memory of this process that is in use."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) >> 10


def main() -> None:
    """See above."""
    from features import bodies
    from features.baselines import Baselines
    from models.detector import Detector

    limit = int(sys.argv[1])
    detector = Detector(
        key_seed=1, baselines=Baselines(max_entities=PEOPLE_AN_ENTITY_LIMIT * limit, max_entries=60 * limit)
    )
    reader = detector.reader()
    measured = []
    for first in range(0, 10 * limit, BATCH):
        content = b"\n".join(event(number) for number in range(first, first + BATCH))
        detector.score_learn(bodies.decode(reader, [bodies.Body(content, "ocsf", None, 0)]).batch)
        measured.append(resident_mib())
    # a tenth of the stream fills the table; the work of the first day's end is there after a third
    filled = measured[len(measured) // 3]
    known = detector.baselines.entities.count
    os.write(1, json.dumps([filled, measured[-1], known]).encode() + b"\n")


if __name__ == "__main__":
    main()
