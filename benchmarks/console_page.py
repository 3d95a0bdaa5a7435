"""docs/console-speed.md: the figures of a run of bench_console.py beside what they should be."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

HEAD = """# Speed of the console

    python benchmarks/bench_console.py --page docs/console-speed.md

A few minutes; needs chromium. A real service (`habitus serve`) has {alerts:,} open alerts, and one entity
with {busy:,} events on a day of {all:,}. Chromium, the service and the script share the machine. Times of the
browser are from the address or key to the frame that was painted, by its own clock; cold means that nothing
of the console is kept. Ten thousand alerts come in pages: the first 200 are what one waits for.
"""
TABLE = "| | p50, ms | p99, ms | times | should be under |\n|---|---:|---:|---:|---:|\n"


class Row(NamedTuple):
    """One figure in milliseconds. bar: what the median should be under, 0 for none."""

    name: str
    median: float
    p99: float
    times: int
    bar: float

    def text(self) -> str:
        """For a terminal."""
        return f"{self.name}: p50 {self.median:,.0f}, p99 {self.p99:,.0f} ({self.times})"

    def line(self) -> str:
        """For the page."""
        verdict = (
            ""
            if not self.bar
            else f"{self.bar:,.0f}"
            if self.median < self.bar
            else f"{self.bar:,.0f}: **not met**"
        )
        return f"| {self.name} | {self.median:,.0f} | {self.p99:,.0f} | {self.times} | {verdict} |"


def page_text(about: str, options: dict[str, Any], rows: dict[str, list[Row]]) -> str:
    """The whole page."""
    text = HEAD.format(
        alerts=options["alerts"], busy=options["busy"], all=options["busy"] + options["others"]
    )
    parts = [text, f"\nMeasured with {about}\n"]
    for section, lines in rows.items():
        parts.append(f"\n## {section}\n\n{TABLE}")
        parts += [f"{line.line()}\n" for line in lines]
    return "".join(parts)


def machine() -> str:
    """Processor and load, before anything is measured."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {names[0] if names else platform.processor()},"
        f" Python {platform.python_version()}."
        f" Load average of the minute before: {load:.1f}."
    )
