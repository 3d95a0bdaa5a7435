"""Ready means ready: no kernel is loaded or compiled while somebody waits for an answer."""

from __future__ import annotations

import subprocess
import sys

DAY = """
import gc
import json
from numba.core.dispatcher import Dispatcher
from features import bodies
from models.detector import Detector
from serving.warm_up import warm_up

def loaded():
    return {
        (one.py_func.__module__, one.py_func.__name__, str(signature))
        for one in gc.get_objects() if isinstance(one, Dispatcher) for signature in one.overloads
    }


def ocsf_lines(hour):
    return b"\\n".join(
        json.dumps({
            "class_uid": 3002, "activity_id": 1, "status_id": 1 + number % 2,
            "time": 1_772_323_200_000 + hour * 3_600_000 + number,
            "user": {"name": f"user{hour * 300 + number}"}, "device": {"hostname": f"host{number % 700}"},
            "src_endpoint": {"ip": f"10.0.{number % 7}.{number % 200}"},
            "metadata": {"version": "1.1.0", "uid": f"{hour}-{number}"},
        }).encode()
        for number in range(1000)
    )

warm_up()
before = loaded()
detector = Detector()
reader = detector.reader()
for hour in range(0, 20, 4):
    found = bodies.decode(reader, [bodies.Body(ocsf_lines(hour), "auto", None, 0)])
    assert len(found.batch.time_us) == 1000, found.aside[:1]
    detector.score_learn(found.batch)
detector.today()
detector.export()
print(len(before), sorted(loaded() - before))
"""


def test_a_day_of_some_thousand_entities_needs_no_kernel_that_is_not_there():
    done = subprocess.run([sys.executable, "-c", DAY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    count, _, new = done.stdout.strip().partition(" ")
    assert int(count) > 20
    assert new == "[]"
