"""Rows of files behind a page of the console."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import parquet

from serving.context import rows

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
