"""Rows of files behind a page of the console."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from serving.context import events, rows
from serving.context.kept import Kept
from serving.lake import write_segment
from serving.outputs import EVENT_SCHEMA

DAY_US = 86_400_000_000


def test_values_are_counted_in_files_that_have_no_reasons(tmp_path):
    told = [
        (20_000 * DAY_US + 5, "zoe", "ws-1", "a.example"),
        (20_000 * DAY_US + 6, "zoe", "ws-1", ""),
        (20_000 * DAY_US + 7, "max", "ws-2", "b.example"),
        (20_001 * DAY_US, "zoe", "ws-3", "c.example"),
    ]
    time_us, user, host, domain = zip(*told, strict=True)
    table = pa.table({"time_us": time_us, "user": user, "host": host, "src_ip": [""] * 4, "domain": domain})
    parquet.write_table(table, tmp_path / "00000001.parquet")
    found = rows.values_on(tmp_path, "user", "zoe", 20_000, ["host", "domain"])
    assert found == {"host": {"ws-1": 2}, "domain": {"a.example": 1}}


def lake_table(number, day=20_000, seed=1):
    """Events of a day, of users, hosts and addresses that meet in many ways; some have no host or address."""
    rng = np.random.default_rng(seed)
    names = {
        "user": [f"u{value}" for value in rng.integers(0, 9, number)],
        "host": [f"h{value}" if value else "" for value in rng.integers(0, 30, number)],
        "src_ip": [f"10.0.0.{value}" if value else "" for value in rng.integers(0, 50, number)],
    }
    times = day * DAY_US + np.sort(rng.integers(0, DAY_US, number))
    return pa.table(
        {
            "event_uid": [f"{seed}-{place}" for place in range(number)],
            "time": pa.array(times).cast(pa.timestamp("us", tz="UTC")),
            "tenant": ["acme"] * number,
            "class_uid": pa.array(np.full(number, 3002), pa.int32()),
            **names,
            "risk": rng.exponential(1.0, number),
            "evidence": np.zeros(number),
            "p_value": np.ones(number),
            "top_channel": [""] * number,
            "reason": [f"reason {value}" for value in rng.integers(0, 5, number)],
            "model": [""] * number,
        },
        schema=EVENT_SCHEMA,
    )


def test_what_is_kept_answers_as_the_files_do_and_is_bounded(tmp_path):
    table = lake_table(3_000)
    write_segment(tmp_path, 1, [table.slice(0, 1_000)])
    write_segment(tmp_path, 2, [table.slice(1_000, 1_500)])
    waiting = [table.slice(2_500)]
    kept = Kept()
    expected = table.filter(pa.compute.equal(table["user"], "u3")).select(rows.COLUMNS)
    for _ in range(2):
        assert rows.scored_on(tmp_path, "user", "u3", 20_000, waiting, kept=kept).table.equals(expected)
    for file in tmp_path.rglob("*.parquet"):
        file.rename(file.with_suffix(".gone"))
        file.write_bytes(b"")  # listed, and never read again
    again = rows.scored_on(tmp_path, "user", "u3", 20_000, waiting, kept=kept)
    assert again.table.equals(expected)
    assert not again.partial
    other = rows.scored_on(tmp_path, "user", "u4", 20_000, waiting, kept=kept).table
    assert len(other) == table["user"].to_pylist().count("u4")
    for file in tmp_path.rglob("*.gone"):
        file.rename(file.with_suffix(".parquet"))
    small = Kept(most_bytes=1)
    assert rows.scored_on(tmp_path, "user", "u3", 20_000, waiting, kept=small).table.equals(expected)
    assert rows.scored_on(tmp_path, "user", "u3", 20_000, [], most=1, kept=small).partial


def test_who_was_seen_with_whom_is_counted_event_by_event():
    table = lake_table(4_000, seed=5)
    mine = table.filter(pa.compute.equal(table["user"], "u3"))
    risks = {("host", "h7"): 9.0, ("host", "never"): 50.0, ("src_ip", "10.0.0.49"): 4.0}
    found = events.graph(mine, "user", "u3", risks)
    seen = [
        [(kind, name) for kind in events.KINDS if (name := row[kind])]
        for row in mine.select(events.KINDS).to_pylist()
    ]
    partners = Counter(one for line in seen for one in line if one != ("user", "u3"))
    ranked = sorted(partners, key=lambda one: (-risks.get(one, 0.0), -partners[one], one))
    kept = {("user", "u3"), *ranked[: events.MOST_PARTNERS]}
    pairs = Counter(
        (left, right) for line in seen for place, left in enumerate(line) for right in line[place + 1 :]
    )
    assert [(node["kind"], node["name"]) for node in found["nodes"]] == sorted(kept)
    assert {node["name"]: node["risk"] for node in found["nodes"] if node["risk"]} == {
        "h7": 9.0,
        "10.0.0.49": 4.0,
    }
    assert {(edge["from"], edge["to"]): edge["count"] for edge in found["edges"]} == {
        (":".join(left), ":".join(right)): number
        for (left, right), number in pairs.items()
        if left in kept and right in kept
    }
    assert found["left_out"] == len(partners) - events.MOST_PARTNERS


def test_nobody_was_seen_where_there_are_no_events():
    found = events.graph(lake_table(0), "user", "u3", {("host", "h7"): 9.0})
    assert found == {
        "nodes": [{"id": "user:u3", "kind": "user", "name": "u3", "risk": None}],
        "edges": [],
        "left_out": 0,
    }
