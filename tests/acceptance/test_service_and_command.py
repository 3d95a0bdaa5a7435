"""The same file through `habitus score` and through a real service; and unlearning in one that was killed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.durable_events import START_MS, body, lines
from tests.service_process import Service

EVENTS = lines(0, 2_000, step_ms=50_000)
"""A day and some hours."""
FROM_MS, TO_MS = START_MS + 4 * 3_600_000, START_MS + 9 * 3_600_000
VICTIM = "user2"


def moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def events(paths) -> pa.Table:
    tables = [parquet.read_table(path, partitioning=None) for path in paths]
    return pa.concat_tables(tables).sort_by("event_uid")


@pytest.fixture
def service(tmp_path):
    made = Service(tmp_path / "data")
    yield made
    made.end()


def test_the_service_scores_as_the_command_does_and_unlearns_for_good(tmp_path, service):
    """Anything that differs between the two doors fails it: reading, order, names, sums, explanations."""
    file = tmp_path / "events.ndjson"
    file.write_bytes(body(EVENTS))
    service.habitus("score", str(file), "--out", str(tmp_path / "out"))
    key = service.key("admin", "default")
    service.start()
    for start in range(0, len(EVENTS), 317):
        status, answer = service.ask("/v1/events", key, body(EVENTS[start : start + 317]))
        assert status == 202, answer
    service.settled(len(EVENTS))

    inside = [
        record
        for record in map(json.loads, EVENTS)
        if record["user"]["name"] == VICTIM and FROM_MS <= record["time"] < TO_MS
    ]
    unlearn = ["unlearn", "--url", service.url, "--key", key, "--entity", f"ACME\\{VICTIM}"]
    unlearn += ["--from", moment(FROM_MS), "--to", moment(TO_MS)]
    assert f"took out {len(inside)} events of {VICTIM}" in service.habitus(*unlearn)
    _, normal = service.ask(f"/v1/baselines/{VICTIM}", key)
    service.kill()
    service.start()
    assert service.ask(f"/v1/baselines/{VICTIM}", key)[1] == normal
    assert "took out 0 events" in service.habitus(*unlearn)
    log = json.loads(service.ask("/v1/audit", key)[1])["lines"]
    assert [line["action"] for line in log] == ["entity.unlearn", "entity.unlearn", "key.create"]
    assert service.stop() == 0

    right = events([tmp_path / "out" / "events.parquet"])
    found = events((service.data_dir / "tenants" / "default" / "lake").glob("day=*/*.parquet"))
    assert found.num_rows == len(EVENTS)
    assert found.equals(right)
