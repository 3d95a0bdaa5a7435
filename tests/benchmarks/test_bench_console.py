"""The benchmark of the console: the world that it is run in, and the page that it writes."""

from __future__ import annotations

import json

from benchmarks.bench_console import quantile
from benchmarks.console_page import Row, page_text
from benchmarks.console_world import BATCH, BUSY, DAY_MS, LAST_DAY, bodies


def test_the_day_has_as_many_events_of_the_busy_one_as_asked_for_in_order_of_time():
    parts = list(bodies(300, BATCH))
    events = [json.loads(line) for part in parts for line in part.splitlines()]
    times = [event["time"] for event in events]
    assert len(parts) == 2
    assert len(events) == len({event["metadata"]["uid"] for event in events}) == BATCH + 300
    assert sum(event["user"]["name"] == BUSY for event in events) == 300
    assert times == sorted(times)
    assert {time // DAY_MS for time in times} == {LAST_DAY}
    assert parts == list(bodies(300, BATCH))


def test_the_page_says_what_was_not_met():
    rows = {
        "Keys": [
            Row("`j`", 12.0, 40.0, 200, 100.0),
            Row("`k`", 120.0, 400.0, 100, 100.0),
            Row("`x`", 9.0, 9.0, 1, 0.0),
        ]
    }
    lines = page_text("a machine.", {"alerts": 10_000, "busy": 100, "others": 200}, rows).splitlines()
    assert "| `j` | 12 | 40 | 200 | 100 |" in lines
    assert "| `k` | 120 | 400 | 100 | 100: **not met** |" in lines
    assert "| `x` | 9 | 9 | 1 |  |" in lines


def test_a_share_of_few_values_is_the_largest():
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile([float(value) for value in range(1000)], 0.99) == 990.0
