"""docs/serving-load.md: the figures of a run of bench_serving.py beside what they should be."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

BARS = {
    "acknowledged": (100_000.0, "events/s, at least"),
    "score": (15.0, "ms, at most"),
    "batches": (100.0, "ms, at most"),
    "start": (15.0, "s, at most"),
}
"""What the service was specified with, by row."""
LEAST = frozenset({"acknowledged"})
HEAD = """# Load on the service

    python benchmarks/bench_serving.py --page docs/serving-load.md

It takes five to six minutes, on a machine that does nothing else. Server and client are processes of their
own on that machine, and what the client costs is part of the figure. The client is as light as it gets: one
thread, raw sockets, requests made beforehand, two under way on each connection, nothing compressed
(`benchmarks/serving_client.py`). Latencies are measured open loop: a request's time begins when it was due,
so what a slow answer delays counts too. The same requests go to a bare ASGI server with the same settings
(uvicorn; granian where it is installed) that reads the body and answers a constant: its share is the HTTP
server's.
"""
TAIL = """## Reading it

Acknowledged means on disk: a commit a group, synced before its answers. No answer is faster than a sync; the
first table says what one takes on this disk without the service.

Elapsed time says little on a machine that does other things; processor time says nearly the same everywhere.
Where the load average before the run was not near 0, compare the processor times and run it again.
"""


@dataclass(frozen=True)
class Row:
    """One figure. bar: a key of BARS, "" for none; value: the number that is held against it."""

    name: str
    figure: str
    bar: str = ""
    value: float = 0.0

    @property
    def met(self) -> bool:
        """Whether it is what it should be."""
        bar = BARS[self.bar][0]
        return self.value >= bar if self.bar in LEAST else self.value <= bar

    @property
    def verdict(self) -> str:
        """For the table's last column."""
        if not self.bar:
            return ""
        number, unit = BARS[self.bar]
        return f"{number:,.0f} {unit}: {'met' if self.met else '**not met**'}"


@dataclass
class Results:
    """Rows of the page by section, in order."""

    rows: list[tuple[str, Row]] = field(default_factory=list)
    machine: str = ""

    def add(self, section: str, name: str, figure: str, bar: str = "", value: float = 0.0) -> None:
        """Print a row and keep it."""
        row = Row(name, figure, bar, value)
        self.rows.append((section, row))
        print(f"{name:66} {figure:34} {row.verdict}", flush=True)

    def page(self) -> str:
        """The page's text."""
        parts = [HEAD, self.machine]
        for section in dict.fromkeys(section for section, _ in self.rows):
            rows = [row for name, row in self.rows if name == section]
            table = "\n".join(f"| {row.name} | {row.figure} | {row.verdict} |" for row in rows)
            parts.append(f"## {section}\n\n| | | should be |\n|---|---:|---|\n{table}\n")
        return "\n".join([*parts, TAIL])


def machine() -> str:
    """What the figures were taken on, and how busy it was before."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = f" {names[0]}," if names else ""
    load = os.getloadavg()[0]
    return (
        f"Measured with {os.cpu_count()} cores,{model} {platform.machine()},"
        f" Python {platform.python_version()}. Load average of the minute before: {load:.1f}.\n"
    )
