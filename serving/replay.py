"""A scoring run over files: read everything, put it in event time, score then learn, write what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from features import files
from features.columns import concatenated
from features.errors import InputError
from serving.outputs import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from features.columns import Batch
    from features.files import LogFile
    from features.reader import FileLedger, Reader
    from models.detector import Detector
    from models.engine import Scores

SCORE_EVENTS = 65_536


@dataclass
class Ledger:
    """What became of every record: read = scored + duplicate + quarantined."""

    read: int = 0
    scored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    held: int = 0
    entities: int = 0
    entities_refused: int = 0
    habits: int = 0
    habits_dropped: int = 0
    files: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add_files(self, ledgers: list[FileLedger]) -> None:
        """Take over the ledgers of files."""
        self.files = [asdict(ledger) for ledger in ledgers]
        for name in ("read", "scored", "duplicate", "quarantined"):
            setattr(self, name, sum(getattr(ledger, name) for ledger in ledgers))

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.read == self.scored + self.duplicate + self.quarantined


@dataclass
class Progress:
    """Told about the work as it goes: bytes read of all, events scored of all. The default says nothing."""

    reading: Callable[[int], None] = lambda done: None
    scoring: Callable[[int, int], None] = lambda done, total: None


def choose_sources(reader: Reader, arguments: list[str]) -> tuple[list[tuple[LogFile, str]], list[str]]:
    """Open and sniff every file before anything is scored.

    A file named by the user that cannot be read or recognised is an InputError; one found in a folder is
    skipped and listed.
    """
    names, found_in_folder = files.expand(arguments)
    chosen: list[tuple[LogFile, str]] = []
    skipped: list[str] = []
    for name in names:
        log = files.open_log(name)
        source = reader.source_of(log) if log.head.strip() else "empty"
        if source:
            chosen.append((log, source))
        elif name in found_in_folder:
            skipped.append(name)
        else:
            raise InputError(
                f"{name}: no known log format; name it with --source,"
                " or describe its fields with --mapping (docs/mapping.md)"
            )
    if not any(source != "empty" for _, source in chosen) and skipped:
        raise InputError(f"{arguments[0]}: none of its {len(skipped)} files has a known log format")
    return chosen, skipped


def replay(
    detector: Detector,
    reader: Reader,
    logs: list[tuple[LogFile, str]],
    *,
    sinks: Sequence[Callable[[Batch, list[str], Scores], None]] = (),
    tenant: str = TENANT,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, Ledger]:
    """Score files in event time through one detector; returns the entity-days and the ledger.

    Each sink is given every scored batch, with the events' ids.

    Events of one time stamp keep the order of the files and of the records in them. Everything is held in
    memory as columns, about 150 bytes an event.
    """
    progress = progress or Progress()
    batches: list[Batch] = []
    uids: list[str] = []
    for log, source in logs:
        if source == "empty":
            continue
        for chunk in reader.chunks(log, source, progress.reading):
            batches.append(chunk.batch)
            uids.extend(chunk.uids)
    everything = concatenated(batches)
    del batches
    order = np.argsort(everything.time_us, kind="stable")
    for start in range(0, len(order), SCORE_EVENTS):
        chosen = order[start : start + SCORE_EVENTS]
        batch = everything.take(chosen)
        scores = detector.score_learn(batch)
        names = [uids[index] for index in chosen.tolist()] if sinks else []
        for sink in sinks:
            sink(batch, names, scores)
        progress.scoring(min(start + SCORE_EVENTS, len(order)), len(order))
    ledger = Ledger(
        held=detector.engine.held_count,
        entities=detector.baselines.entities.count,
        entities_refused=detector.baselines.entities.refused,
        habits=len(detector.baselines),
        habits_dropped=detector.baselines.dropped_entries,
    )
    ledger.add_files(reader.ledgers)
    return detector.entity_days(tenant), ledger
