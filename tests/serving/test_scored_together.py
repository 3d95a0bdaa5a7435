"""Neighbouring submissions of /v1/score are decoded and scored together: nobody can tell."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest

from features.enrich import GeoDatabase
from models.detector import Detector
from serving.journal import Entry, Kind, Operation
from serving.learned import Learned
from serving.outputs import EVENT_SCHEMA
from serving.sinks import StoreSinks
from serving.store.database import default_url, open_database
from serving.tenant import TenantState
from tests.durable_events import CALM, START_MS, TENANT, body, event, lines

if TYPE_CHECKING:
    from pathlib import Path

    from serving.submission import Receipt

STEP_MS = 40_000
COMMIT = 90
RECEIVED_US = (START_MS + 2_400 * STEP_MS) * 1000
AHEAD = json.dumps(event(9_001, RECEIVED_US // 1000 + 1_800_000)).encode()
FAR_AHEAD = json.dumps(event(9_002, RECEIVED_US // 1000 + 7_200_000)).encode()


def submissions(seed: int) -> list[tuple[str, list[bytes]]]:
    """Protocol and records; with what is broken, late, known, ahead of its time, and far ahead of it."""
    rng = random.Random(seed)
    events = lines(0, 2_400, step_ms=STEP_MS)  # a day and some hours
    made: list[tuple[str, list[bytes]]] = []
    at = 0
    while at < len(events):
        count = rng.choice([1, 1, 1, 2, 7, 60])
        chosen = events[at : at + count]
        at += count
        if rng.random() < 0.2:
            chosen = [*chosen, rng.choice([b"{broken", AHEAD, FAR_AHEAD, events[0], events[at - 1]])]
        rng.shuffle(chosen)
        if rng.random() < 0.1:
            chosen = [b"{broken", *chosen]
        made.append(("native" if rng.random() < 0.2 else "score", chosen))
        if rng.random() < 0.1:
            made.append(("score", chosen))
        if rng.random() < 0.05:
            made.append(("flush", []))
    for first in range(0, len(made) - 20, 20):
        made[first : first + 3] = reversed(made[first : first + 3])
    return made


def entries_of(made: list[tuple[str, list[bytes]]]) -> list[Entry]:
    found = []
    for seq, (protocol, records) in enumerate(made, 1):
        kind = Kind.FLUSH if protocol == "flush" else Kind.SUBMISSION
        found.append(Entry(seq, 1, RECEIVED_US, Operation(TENANT, kind, protocol, body(records), "ocsf")))
    return found


class InTurn(TenantState):
    """Decodes and scores one submission after the other."""

    def _score_now(self, entries: list[Entry]) -> list[Receipt]:
        return [receipt for entry in entries for receipt in super(InTurn, self)._score_now([entry])]


def applied(
    make: type[TenantState], folder: Path, entries: list[Entry]
) -> tuple[list[Receipt], list[object], dict[str, object]]:
    """Receipts, rows of the lake, and what was learned, without ids: these are given batch by batch."""
    folder.mkdir()
    database = open_database(default_url(folder))
    sinks = StoreSinks(database, Learned(lambda tenant: folder / tenant))
    state = make(TENANT, Detector(key_seed=5, geo=GeoDatabase()), CALM, sinks)
    receipts = [
        receipt for at in range(0, len(entries), COMMIT) for receipt in state.apply(entries[at : at + COMMIT])
    ]
    rows: list[object] = [row for table in sinks.cut(state) for row in table.cast(EVENT_SCHEMA).to_pylist()]
    database.close()
    arrays, _ = state.export()
    learned: dict[str, object] = {
        name: np.sort(arrays[name], axis=None).tobytes()
        for name in ("weights", "moment_sums", "behaviour_bins", "event_bins", "seen_current", "held_time_us")
    }
    days = state.open_days().to_dict("records")
    learned |= {"ledger": asdict(state.ledger), "days": sorted(map(repr, days)), "waiting": len(state.buffer)}
    return receipts, rows, learned


@pytest.mark.parametrize("seed", [1, 2])
def test_scores_and_state_are_those_of_one_submission_after_the_other(tmp_path: Path, seed: int) -> None:
    """Scoring by time over all of them, or looking up what is late before the others have left, fails it."""
    entries = entries_of(submissions(seed))
    together = applied(TenantState, tmp_path / "together", entries)
    alone = applied(InTurn, tmp_path / "alone", entries)
    outcomes = {score.outcome for receipt in together[0] for score in receipt.scores or ()}
    assert outcomes == {"scored", "late", "duplicate", "quarantined"}
    assert any(score.reason and score.evidence for receipt in together[0] for score in receipt.scores or ())
    assert together[0] == alone[0]
    assert together[1] == alone[1]
    assert len(together[1]) > 2_000
    assert together[2] == alone[2]
