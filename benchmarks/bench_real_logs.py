"""Every real log that is at hand: what was read, what became of it, how fast, and who ranks first.

python -m benchmarks.bench_real_logs --data ../shared/data --out docs/real-logs.md
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from features.behaviours import COLUMN
from features.columns import concatenated
from models.detector import Detector
from serving.replay import choose_sources

FOLDERS = ("zeek", "otrf", "evtx", "cloudtrail", "syslog", "azure_ad")


@dataclass
class Reading:
    """One file's ledger, and how much of it says who and where."""

    file: str
    source: str
    read: int
    scored: int
    duplicate: int
    quarantined: int
    with_user: float
    with_host: float
    events_per_second: float
    reasons: Counter[str] = field(default_factory=Counter)


def read_file(path: Path, detector: Detector, name: str) -> Reading:
    """Decode, deduplicate and columnise one file; CPU time of this process."""
    reasons: Counter[str] = Counter()
    reader = detector.reader(quarantine=lambda record: reasons.update([record.reason]))
    [(log, source)], _ = choose_sources(reader, [str(path)])
    start = time.process_time()
    batches = [] if source == "empty" else [chunk.batch for chunk in reader.chunks(log, source)]
    seconds = time.process_time() - start
    if not reader.ledgers:
        return Reading(name, source, 0, 0, 0, 0, 0.0, 0.0, 0.0)
    ledger = reader.ledgers[0]
    columns = concatenated(batches).columns
    share = (columns[:, [COLUMN["user"], COLUMN["host"]]] > 0).mean(axis=0) if len(columns) else np.zeros(2)
    return Reading(
        name,
        source,
        ledger.read,
        ledger.scored,
        ledger.duplicate,
        ledger.quarantined,
        float(share[0]),
        float(share[1]),
        ledger.read / max(seconds, 1e-9),
        reasons,
    )


def readings(data: Path) -> list[Reading]:
    """All log files of the known folders; each folder has a detector of its own, as one tenant has."""
    found = []
    for folder in FOLDERS:
        detector = Detector(key_seed=1)
        for path in sorted((data / folder).rglob("*")):
            name = path.relative_to(data).as_posix()
            if path.is_file() and is_log(name):
                found.append(read_file(path, detector, name))
    return found


def is_log(name: str) -> bool:
    """Whether a file of the data folder is a log, and not its description."""
    last = name.rpartition("/")[2]
    return not last.startswith(("README", "LICENSE", "index.csv")) and not last.endswith(
        ("-LICENSE", ".cff", "templates.csv")
    )


def table(rows: list[Reading]) -> str:
    """The readings as a Markdown table, one line a file, and totals by folder."""
    lines = [
        "| file | source | read | scored | duplicate | quarantined | with user | with host | events/s |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for folder in FOLDERS:
        part = [row for row in rows if row.file.startswith(folder + "/")]
        read = sum(row.read for row in part)
        seconds = sum(row.read / row.events_per_second for row in part if row.events_per_second)
        lines.append(
            f"| **{folder}, {len(part)} files** | | **{read:,}** | **{sum(r.scored for r in part):,}** "
            f"| **{sum(r.duplicate for r in part):,}** | **{sum(r.quarantined for r in part):,}** | | "
            f"| **{read / max(seconds, 1e-9):,.0f}** |"
        )
        lines += [
            f"| {row.file.removeprefix(folder + '/')} | {row.source} | {row.read:,} | {row.scored:,} "
            f"| {row.duplicate:,} | {row.quarantined:,} | {row.with_user:.0%} | {row.with_host:.0%} "
            f"| {row.events_per_second:,.0f} |"
            for row in part
        ]
    return "\n".join(lines)


def main() -> None:
    """Run and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not (options.data / "MANIFEST.csv").is_file():
        print(f"no real data in {options.data}: name the folder with --data")
        return
    read_file(options.data / "zeek/stratosphere-001/conn.log", Detector(key_seed=1), "")  # loads the kernels
    rows = readings(options.data)
    text = table(rows)
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update(row.reasons)
    text += "\n\nQuarantined, by reason: " + (
        "; ".join(f"{n} x {r}" for r, n in reasons.items()) or "nothing."
    )
    if options.out:
        options.out.write_text(HEADER + text + "\n")
    else:
        print(text)


HEADER = """# Real logs

Every public log in the test data, read by `python -m benchmarks.bench_real_logs`. read = scored + duplicate +
quarantined for every file; a record that names no user, host or address is scored too (it has no habits).
Duplicates are exact repeats or repeats of the source's own record id. Events/s is decoding with sniffing,
identity, enrichment and deduplication on one core of a shared machine; small files mostly measure start-up.

"""

if __name__ == "__main__":
    main()
