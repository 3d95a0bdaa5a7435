"""What training costs as history grows, and whether a history larger than memory can be learned.

An invented organisation of few people is laid out once; its days are then repeated, each time some days
later, so that long histories do not wait for the simulator. Every figure is of a process of its own.

  growth   processor seconds, events a second, and memory over that of the program, for 10, 30 and 90 days
  limit    a still longer history under a limit of memory (RLIMIT_DATA) far below what its events take: read
           as training reads it, slice by slice, and as one table, which has to fail; with --full it is
           learned as well

    python -m benchmarks.bench_training [--users 8] [--lengths 10,30,90] [--limit-days 300]
        [--full] [--neural] [--work out/training]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from features.baselines import DAY_US
from training.history import EventLake
from training.lab import office, to_lake

ROOT = Path(__file__).resolve().parent.parent
SIMULATED_DAYS = 10
HEADROOM_MB = 288
"""What training may need beyond the program: three times a slice (17 MB of 131,072 events), a piece of it
while it is scored, a detector of few people that is fitted at night, the allocator's leftovers. None of it
grows with the history.
"""
PLAIN_ALLOCATOR = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
"""Arrow's own allocator reserves address space by the gigabyte, which the limit counts though nobody uses
it.
"""


def longer(lake: EventLake, folder: Path, days: int) -> None:
    """The lake's days again and again until there are so many; one file a day."""
    first, last = (time_us // DAY_US for time_us in lake.span_us)
    own = int(last - first + 1)
    for number in range(days):
        place = folder / f"day-{number:04d}.parquet"
        if place.is_file():
            continue
        start = (first + number % own) * DAY_US
        parts = [*lake.between(start, start + DAY_US).slices()]
        if not parts:
            continue
        table = pa.concat_tables(parts)
        moved = pa.compute.add(table["time_us"], (number - number % own) * DAY_US)
        place.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table.set_column(0, "time_us", moved), place, compression="zstd")


def learn(folder: Path, limit_mb: int, members: list[str]) -> dict[str, float]:
    """Train from a lake in this process, under a limit if it is above 0."""
    from features.baselines import Baselines
    from models.detector import Detector
    from models.ranking.ranker import Ranker
    from models.ranking.settings import RankerSettings
    from training.fit import replay

    weights = tuple((name, 1.0) for name in members)
    settings = RankerSettings(members=tuple(members), weights=weights, device="cpu")
    detector = Detector(baselines=Baselines(), key_seed=0, ranker=Ranker(settings))
    lake = EventLake.opened(folder)
    warm = lake.between(lake.span_us[0], lake.span_us[0] + DAY_US)
    replay(Detector(key_seed=0, ranker=Ranker(settings)), warm)  # kernels and libraries are loaded now
    before = forget_peak()
    if limit_mb:
        limit(limit_mb)
    began = time.process_time()
    replayed = replay(detector, lake)
    seconds = time.process_time() - began
    after = peak()
    return {
        "events": replayed.events,
        "seconds": seconds,
        "program_mb": before / 1024,
        "more_mb": (after - before) / 1024,
        "state_mb": sum(array.nbytes for array in detector.export()[0].values()) / 1e6,
    }


def peak() -> int:
    """Most kilobytes of memory that this process had since it began or `forget_peak`. (`ru_maxrss` would
    have those of the process that started this one.)
    """
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def forget_peak() -> int:
    """Begin to count anew, see proc(5); returns the kilobytes of now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def limit(more_mb: int) -> None:
    """Private memory may grow by so much from here; the allocators' free lists are not counted twice."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    most = pages * resource.getpagesize() + (more_mb << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def read_whole(folder: Path, limit_mb: int) -> dict[str, float]:
    """All events as one table, as a notebook might; under a limit if it is above 0."""
    if limit_mb:
        limit(limit_mb)
    tables = list(EventLake.opened(folder).slices())
    whole = pa.concat_tables(tables).combine_chunks()
    return {"events": len(whole), "table_mb": whole.nbytes / 1e6}


def stream(folder: Path, limit_mb: int) -> dict[str, float]:
    """All events as training reads them, some hours at a time."""
    if limit_mb:
        limit(limit_mb)
    return {"events": sum(len(table) for table in EventLake.opened(folder).slices())}


def apart(what: str, *arguments: object) -> dict[str, float] | None:
    """The figures of a process of its own; None when it ran out of memory."""
    words = [sys.executable, "-m", "benchmarks.bench_training", "--only", what, *map(str, arguments)]
    environment = {**os.environ, **PLAIN_ALLOCATOR}
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if any(said in done.stderr for said in ("MemoryError", "ArrowMemoryError", "malloc", "bad_alloc")):
        return None
    raise SystemExit(done.stderr[-2000:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--lengths", default="10,30,90")
    parser.add_argument("--limit-days", type=int, default=300)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--neural", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("out/training"))
    parser.add_argument("--only", nargs=4)
    options = parser.parse_args()
    if options.only:
        what, folder, limit_mb, members = options.only
        found = {
            "learn": lambda: learn(Path(folder), int(limit_mb), members.split(",")),
            "stream": lambda: stream(Path(folder), int(limit_mb)),
            "whole": lambda: read_whole(Path(folder), int(limit_mb)),
        }[what]()
        print(json.dumps(found))
        return
    members = ["excess", "count_neighbours"] + (["autoencoder", "sequence"] if options.neural else [])
    folder = office(options.work / "office", users=options.users, days=SIMULATED_DAYS)
    base = to_lake(folder / "events.ndjson", options.work / "base")
    lengths = [int(part) for part in options.lengths.split(",")]
    print(
        "| days | events | CPU s | events/s | beyond the program, MB | model, MB |\n|---|---|---|---|---|---|"
    )
    for days in lengths:
        place = options.work / f"days-{days}"
        longer(base, place, days)
        one = apart("learn", place.resolve(), 0, ",".join(members))
        if one is not None:
            rate = one["events"] / one["seconds"]
            cells = (days, f"{one['events']:,.0f}", f"{one['seconds']:.0f}", f"{rate:,.0f}")
            memory = (f"{one['more_mb']:.0f}", f"{one['state_mb']:.1f}")
            print(f"| {' | '.join(map(str, (*cells, *memory)))} |", flush=True)
    place = (options.work / f"days-{options.limit_days}").resolve()
    longer(base, place, options.limit_days)
    whole = apart("whole", place, 0, "-")
    limited = apart("learn" if options.full else "stream", place, HEADROOM_MB, "excess")
    refused = apart("whole", place, HEADROOM_MB, "-")
    what = "learned" if options.full else "read as training reads them"
    said = f"were {what}" if limited else f"FAILED to be {what}"
    other = "does not fit" if refused is None else "FITS, so that the limit proves nothing"
    size = 0.0 if whole is None else whole["table_mb"]
    print(f"\n{size:,.0f} MB of events ({options.limit_days} days), {HEADROOM_MB} MB of memory:", end=" ")
    print(f"they {said}; as one table {other}")


if __name__ == "__main__":
    main()
