"""From OCSF NDJSON bytes to scored, learned events, in one process on one thread; with the decode alone as
the ceiling, and river's half-space trees and PySAD's LODA on the same events in the same run.

Times are CPU time of this process, so that a shared machine disturbs them less; every figure is the median
over blocks of events after a warm-up (kernels compiled, half of the events learned). Peers decode the same
bytes with msgspec, take the same fields as numbers (a hash in [0, 1) for text), score, then learn, one event
at a time, as they are built to.

    python -m benchmarks.bench_throughput [--events 1000000] [--entities 100000] [--scaling] [--out
    docs/throughput.md]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from benchmarks.ocsf_events import lines
from features.baselines import Baselines
from features.interner import PADDING
from features.rows import RawRows, empty_rows
from features.scanner import OcsfScanner
from features.sources.base import SourceContext
from features.sources.ocsf import OcsfDecoder
from models.detector import Detector

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 16_384
PEER_EVENTS = 20_000
PIECE_EVENTS = 500_000
SCALES = (
    (1_000_000, 10_000, False),
    (1_000_000, 100_000, False),
    (4_000_000, 1_000_000, False),
    (10_000_000, 100_000, False),
    (1_000_000, 10_000, True),
    (1_000_000, 100_000, True),
    (4_000_000, 1_000_000, True),
)
"""Events, entities, and whether all of them are known beforehand."""
STAGES = ("scan", "deduplicate", "columns", "score and learn")


@dataclass
class Speed:
    """Median cost of an event in microseconds of CPU time, by stage, and what is held at the end."""

    events: int
    entities: int
    stages: dict[str, float]
    habits: int
    bytes_a_habit: float
    held_megabytes: float

    @property
    def microseconds(self) -> float:
        """All stages together."""
        return sum(self.stages.values())

    @property
    def per_second(self) -> float:
        """Events a second on one core."""
        return 1e6 / self.microseconds


def ours(
    events: int, entities: int, seed: int = 1, detector: Detector | None = None, *, known: bool = False
) -> Speed:
    """Run all events through scanner, deduplication, columns and engine; measure the second half.

    With `known`, all of them are learned first and then measured as they come again under new ids: no text,
    entity or habit is seen for the first time.
    """
    detector = detector or Detector(key_seed=1)
    scanner = OcsfScanner(SourceContext(identity=detector.resolver), 1)
    costs: list[list[float]] = []
    pieces = -(-events // PIECE_EVENTS)
    for turn in range((2 if known else 1) * pieces):
        again, piece = divmod(turn, pieces)
        done = piece * PIECE_EVENTS
        content = lines(min(PIECE_EVENTS, events - done), entities, seed + piece)
        buffer, stop, position = np.frombuffer(content + bytes(PADDING), np.uint8), len(content), 0
        while position < stop:
            clock = [time.process_time()]
            rows = empty_rows(CHUNK)
            position, filled, _ = scanner.scan_with_fallback(
                buffer, position, stop, rows, detector.columniser.begin()
            )
            rows = RawRows(*(array[:filled] for array in rows))
            clock.append(time.process_time())
            detector.deduper.admit(rows.key ^ np.uint64(again))
            clock.append(time.process_time())
            batch = detector.columniser.batch(rows)
            clock.append(time.process_time())
            detector.engine.score_learn(batch)
            clock.append(time.process_time())
            detector.keep_house()
            done += filled
            if again == known and (known or done > events // 2):
                costs.append([1e6 * (after - before) / filled for before, after in itertools.pairwise(clock)])
    stages = {
        name: statistics.median(column) for name, column in zip(STAGES, zip(*costs, strict=True), strict=True)
    }
    baselines = detector.baselines
    held = baselines.nbytes + detector.columniser.nbytes + detector.deduper.nbytes
    return Speed(
        events, entities, stages, len(baselines), baselines.table_nbytes / len(baselines), held / 1e6
    )


CHANNEL_PARTS = (
    ("habits and their calibration", "engine", "score_learn"),
    ("volume: windows and moments", "activity", "_observe_windows"),
    ("traffic: pairs", "activity", "_observe_traffic"),
    ("travel", "activity", "_observe_travel"),
    ("entity-days", "days", "add"),
    ("sample of events for the ranker", "sample", "add"),
)


def all_channels(events: int, entities: int, seed: int = 1) -> tuple[float, dict[str, float]]:
    """Microseconds of CPU an event from bytes to scored, learned and booked with every online channel, and of
    each part (habits without what runs inside of them). Means over the second half, the nights left out.
    """
    detector = Detector(key_seed=1)
    scanner = OcsfScanner(SourceContext(identity=detector.resolver), 1)
    spent = dict.fromkeys((name for name, _, _ in CHANNEL_PARTS), 0.0)

    def clocked(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            start = time.process_time()
            result = work(*arguments)
            spent[name] += time.process_time() - start
            return result

        return timed

    for name, part, method in CHANNEL_PARTS:
        owner = getattr(detector, part)
        setattr(owner, method, clocked(name, getattr(owner, method)))
    total, measured, done = 0.0, 0, 0
    for piece in range(-(-events // PIECE_EVENTS)):
        content = lines(min(PIECE_EVENTS, events - piece * PIECE_EVENTS), entities, seed + piece)
        buffer, stop, position = np.frombuffer(content + bytes(PADDING), np.uint8), len(content), 0
        while position < stop:
            if done <= events // 2:
                spent, total, measured = dict.fromkeys(spent, 0.0), 0.0, 0
            start = time.process_time()
            rows = empty_rows(CHUNK)
            position, filled, _ = scanner.scan_with_fallback(
                buffer, position, stop, rows, detector.columniser.begin()
            )
            rows = RawRows(*(array[:filled] for array in rows))
            detector.deduper.admit(rows.key)
            detector.score_learn(detector.columniser.batch(rows))
            total += time.process_time() - start
            measured, done = measured + filled, done + filled
    inside = sum(spent[name] for name, part, _ in CHANNEL_PARTS if part == "activity")
    spent["habits and their calibration"] -= inside
    return 1e6 * total / measured, {name: 1e6 * cost / measured for name, cost in spent.items()}


def ceiling(content: bytes) -> dict[str, float]:
    """Decode alone: events a second of the byte scanner, the typed decoder and an untyped parser."""
    buffer = np.frombuffer(content + bytes(PADDING), np.uint8)
    records = content.splitlines()[: 4 * PEER_EVENTS]
    detector = Detector(key_seed=1)
    scanner = OcsfScanner(SourceContext(identity=detector.resolver), 1)
    decoder = OcsfDecoder(SourceContext(identity=detector.resolver))

    def scan() -> int:
        position, count = 0, 0
        while position < len(content):
            rows = empty_rows(CHUNK)
            position, filled, _ = scanner.scan_with_fallback(
                buffer, position, len(content), rows, detector.columniser.begin()
            )
            count += filled
        return count

    def typed() -> int:
        for record in records:
            decoder.decode(record)
        return len(records)

    def untyped() -> int:
        decode = msgspec.json.Decoder().decode
        for record in records:
            decode(record)
        return len(records)

    return {
        "byte scanner": rate(scan),
        "typed decoder (msgspec)": rate(typed),
        "untyped msgspec": rate(untyped),
    }


def rate(work: Callable[[], int], repeats: int = 3) -> float:
    """Median events a second of CPU time; the first run warms up."""
    work()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        count = work()
        found.append(count / (time.process_time() - start))
    return statistics.median(found)


FIELDS = (
    ("class_uid",),
    ("activity_id",),
    ("status_id",),
    ("actor", "user", "name"),
    ("user", "name"),
    ("device", "hostname"),
    ("src_endpoint", "ip"),
    ("dst_endpoint", "ip"),
    ("dst_endpoint", "port"),
    ("process", "name"),
    ("api", "operation"),
    ("auth_protocol",),
)


def numbers(record: dict[str, Any]) -> list[float]:
    """The same fields as numbers in [0, 1): text by a stable hash."""
    row = []
    for path in FIELDS:
        value: Any = record
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            row.append((zlib.crc32(value.encode()) & 0xFFFF) / 65_536)
        else:
            row.append((value or 0) % 65_536 / 65_536)
    return row


def peers(content: bytes) -> dict[str, float]:
    """Events a second of river and PySAD on the same bytes: decode, features, score, learn."""
    from pysad.models import LODA
    from river.anomaly import HalfSpaceTrees

    records = content.splitlines()[:PEER_EVENTS]
    decode = msgspec.json.Decoder().decode
    names = ["/".join(path) for path in FIELDS]

    def half_space_trees() -> int:
        model = HalfSpaceTrees(seed=1)
        for record in records:
            row = dict(zip(names, numbers(decode(record)), strict=True))
            model.score_one(row)
            model.learn_one(row)
        return len(records)

    def loda() -> int:
        model = LODA()
        for record in records:
            row = np.array(numbers(decode(record)))
            model.fit_score_partial(row)
        return len(records)

    return {"river half-space trees": rate(half_space_trees, 1), "PySAD LODA": rate(loda, 1)}


def report(events: int, entities: int, scaling: bool) -> str:
    """The tables, as Markdown."""
    speed = ours(events, entities)
    content = lines(200_000, entities, 1)
    size = len(content) / 200_000
    top, beside = ceiling(content), peers(content)
    whole, parts = all_channels(events, entities)
    text = [
        f"{events:,} events of {size:.0f} bytes over {entities:,} entities, one core, CPU time.",
        "",
        "| | events/s | habitus is |",
        "|---|---:|---:|",
        f"| **habitus: bytes to scored and learned** | **{speed.per_second:,.0f}** | |",
        *(
            f"| {name}, decode only | {value:,.0f} | {speed.per_second / value:.2f} x |"
            for name, value in top.items()
        ),
        *(f"| {name} | {value:,.0f} | {speed.per_second / value:.1f} x |" for name, value in beside.items()),
        "",
        "| stage | microseconds an event |",
        "|---|---:|",
        *(f"| {name} | {value:.2f} |" for name, value in speed.stages.items()),
        "",
        "With every online channel (volume, traffic, travel, entity-days, the ranker's sample):"
        f" **{1e6 / whole:,.0f} events/s**, {whole:.2f} us an event, of which",
        "",
        "| part | microseconds an event |",
        "|---|---:|",
        *(f"| {name} | {value:.2f} |" for name, value in parts.items()),
        "",
        f"{speed.habits:,} habits, {speed.bytes_a_habit:.1f} bytes each (table and totals);"
        f" {speed.held_megabytes:,.0f} MB in all with strings, memo and deduplication.",
    ]
    if scaling:
        text += [
            "",
            "First sights: the second half of a stream, in which names and habits keep appearing. Known: a"
            " stream that was learned once comes again under new ids.",
            "",
            f"| events | entities | | us an event | {' | '.join(STAGES)} | habits | bytes a habit"
            " | held, MB |",
            "|---:|---:|---|" + "---:|" * (4 + len(STAGES)),
        ]
        for many, wide, known in SCALES:
            found = ours(many, wide, known=known)
            costs = " | ".join(f"{cost:.2f}" for cost in found.stages.values())
            text.append(
                f"| {many:,} | {wide:,} | {'known' if known else 'first sights'} | {found.microseconds:.2f}"
                f" | {costs} | {found.habits:,} | {found.bytes_a_habit:.1f} | {found.held_megabytes:,.0f} |"
            )
        limited = Baselines(max_entities=100_000, max_entries=3_000_000)
        found = ours(2_000_000, 1_000_000, detector=Detector(baselines=limited, key_seed=1))
        text += [
            "",
            "Bounded at 100,000 entities and 3,000,000 habits, with events of 1,000,000 entities:"
            f" {found.habits:,} habits of {limited.entities.count:,} entities,"
            f" {found.held_megabytes:,.0f} MB held;"
            f" {limited.dropped_entries:,} habits dropped and counted.",
        ]
    return "\n".join(text)


HEADER = """# Throughput

Made by `python -m benchmarks.bench_throughput --events 2000000 --scaling`. CPU time of one process on one
thread; medians over chunks of the second half of the events (of known events: of all). Scored and learned:
habits (no peer groups here), calibration, evidence, holding back. The row with every channel adds the others
and the entity-days; what is fitted at night is left out, and so are output files. Peers decode the same bytes
and see the same fields as numbers.

"""


def main() -> None:
    """Run and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument(
        "--scaling", action="store_true", help="also 10 thousand to 1 million entities, 10 million events"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = report(options.events, options.entities, options.scaling)
    print(text)
    if options.out:
        options.out.write_text(HEADER + text + "\n")


if __name__ == "__main__":
    main()
