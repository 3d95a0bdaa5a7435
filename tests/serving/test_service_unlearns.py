"""Unlearning through the core: its place in the stream, crashes, and what it must not touch."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from sqlalchemy import text

from features.errors import InputError
from serving import audit
from serving.audit import Deed
from serving.core import Core
from tests.durable_events import CALM, START_MS, TENANT, event, lines, submission

VICTIM = "user3"
MINUTE = 60_000
FROM_MS, TO_MS = START_MS + 20 * MINUTE, START_MS + 60 * MINUTE
WHO = Deed("0123456789ab", "", "", "analyst")
SAVING = replace(CALM, checkpoint_seconds=0.0)
"""A checkpoint, and with it a segment, after every group."""


def is_victims(record: bytes) -> bool:
    found = json.loads(record)
    return found["user"]["name"] == VICTIM and FROM_MS <= found["time"] < TO_MS


EVENTS = lines(0, 200, step_ms=30_000)
"""A hundred minutes."""
TAKEN = sum(map(is_victims, EVENTS))


def send(core, records) -> None:
    core.offer(submission(records)).result(300)


def unlearn(core, *, kind="user", name=VICTIM, start=FROM_MS, end=TO_MS):
    return asyncio.run(core.unlearn(TENANT, kind, name, start * 1000, end * 1000, WHO))


def digest(core) -> str:
    return asyncio.run(core.digest(TENANT))


def habits(core) -> pd.Series:
    frame = core.ask(core._tenants.states[TENANT].detector.baselines.habits).result(300)
    return frame.set_index([name for name in frame.columns if name not in ("weight", "share")])["weight"]


def settled(core) -> None:
    """Wait until a checkpoint holds everything."""
    for _ in range(1200):
        state = core.metrics()["tenants"][TENANT]
        if state["checkpoint_position"] == state["position"] and not core.metrics()["writer_jobs"]:
            return
        core._stopping.wait(0.05)
    raise AssertionError("no checkpoint")


@pytest.fixture(scope="module")
def never_seen(tmp_path_factory) -> pd.Series:
    """What is normal for somebody who never saw the window."""
    with Core(tmp_path_factory.mktemp("never") / "data", CALM) as core:
        send(core, [record for record in EVENTS if not is_victims(record)])
        asyncio.run(core.flush(TENANT))
        return habits(core)


@pytest.mark.parametrize("settings", [CALM, SAVING], ids=["from memory", "from segments"])
def test_what_is_unlearned_was_never_there_and_a_crash_does_not_bring_it_back(tmp_path, never_seen, settings):
    """P3. Leaving the operation out of the journal, the windows out of the checkpoint, or finding other rows
    in the replay than the first time, fails it.
    """
    folder = tmp_path / "data"
    with Core(folder, settings) as core:
        for start in range(0, 200, 50):
            send(core, EVENTS[start : start + 50])
            if settings is SAVING:
                settled(core)
        before_it = shutil.copytree(folder, tmp_path / "before") if settings is SAVING else None
        done = unlearn(core)
        assert done.taken.events == TAKEN > 3
        assert done.taken.missing_weight < 1e-9
        found = habits(core)
        assert sorted(found.index) == sorted(never_seen.index)
        assert (found - never_seen).abs().max() < 1e-9
        assert unlearn(core).taken.events == 0, "taken twice"
        crash = shutil.copytree(folder, tmp_path / "crash")
        right = digest(core)
    with Core(crash, CALM) as core:
        assert digest(core) == right
        assert unlearn(core).taken.events == 0
    if before_it is not None:
        # a checkpoint from before it, and the journal with it: segments of then, the operation replayed
        for path in before_it.glob("habitus.db*"):
            path.unlink()
        shutil.copy(folder / "habitus.db", before_it)
        with Core(before_it, CALM) as core:
            assert core.metrics()["replayed_entries"] > 0
            assert digest(core) == right


def test_what_arrives_for_the_window_later_is_learned_and_can_be_taken_back(tmp_path):
    with Core(tmp_path / "data", CALM) as core:
        send(core, EVENTS)
        assert unlearn(core).taken.events == TAKEN
        late = event(900, FROM_MS + 1)
        late["user"] = {"name": VICTIM}
        send(core, [json.dumps(late).encode()])
        assert unlearn(core, start=FROM_MS - 1, end=TO_MS + 1).taken.events == 1
        host = json.loads(next(filter(is_victims, EVENTS)))["device"]["hostname"]
        count = sum(json.loads(r)["device"]["hostname"] == host and not is_victims(r) for r in EVENTS)
        assert unlearn(core, kind="host", name=host, start=START_MS, end=TO_MS * 2).taken.events == count


def test_an_unlearning_names_its_author_and_what_is_unknown_is_refused(tmp_path):
    with Core(tmp_path / "data", CALM) as core:
        send(core, EVENTS)
        for kind, name in (("user", "nobody"), ("host", VICTIM), ("planet", VICTIM)):
            with pytest.raises(InputError):
                unlearn(core, kind=kind, name=name)
        with pytest.raises(InputError, match="empty"):
            unlearn(core, start=TO_MS, end=FROM_MS)
        before = digest(core)
        assert audit.lines(core.database, TENANT) == []
        # the line and the operation are one commit
        with core.database.write() as connection:
            connection.execute(
                text("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
            )
        with pytest.raises(Exception, match="full"):
            unlearn(core)
        assert digest(core) == before
        with core.database.write() as connection:
            connection.execute(text("DROP TRIGGER no"))
        for _ in range(600):
            if not core.metrics()["journal_trouble"]:
                break
            core._stopping.wait(0.05)
        unlearn(core)
        (line,) = audit.lines(core.database, TENANT)
        assert (line["action"], line["actor"], line["subject"]) == (
            "entity.unlearn",
            "0123456789ab",
            f"user {VICTIM}",
        )
        assert json.loads(line["detail"]) == {
            "actor_role": "analyst",
            "from_us": FROM_MS * 1000,
            "to_us": TO_MS * 1000,
        }
        assert audit.verify(core.database)[:2] == (1, 0)


def test_keeping_house_merges_files_and_changes_nothing_that_can_be_asked(tmp_path, never_seen):
    """Merging learned rows out of their order, or removing those that can still be asked for, fails it."""
    folder = tmp_path / "data"
    with Core(folder, replace(SAVING, lake_days=1e5)) as core:
        for start in range(0, 200, 10):
            send(core, EVENTS[start : start + 10])
            settled(core)
        crash = shutil.copytree(folder, tmp_path / "crash")
        own = folder / "tenants" / TENANT
        before = pd.read_parquet(own / "lake").drop(columns="day")
        core._house.keep()
        core._writer.settle()
        assert core.metrics()["files_merged"] > 20
        assert len(list((own / "lake").glob("day=*/*"))) == len(list((own / "learned").glob("*"))) == 1
        after = pd.read_parquet(own / "lake").drop(columns="day")
        pd.testing.assert_frame_equal(before.sort_values("time").reset_index(drop=True), after)
        assert unlearn(core).taken.events == TAKEN
        found = habits(core)
        assert (found - never_seen).abs().max() < 1e-9
        right = digest(core)
    (crash / "habitus.db-wal").unlink(missing_ok=True)
    (crash / "habitus.db-shm").unlink(missing_ok=True)
    shutil.copy(folder / "habitus.db", crash)
    with Core(crash, CALM) as core:  # from the small files of before
        assert digest(core) == right


def test_what_was_learned_too_long_ago_is_removed_and_left_alone(tmp_path):
    folder = tmp_path / "data"
    with Core(folder, replace(SAVING, learned_days=0.05)) as core:  # 72 minutes
        for start in range(0, 200, 20):
            send(core, EVENTS[start : start + 20])
            settled(core)
        files = folder / "tenants" / TENANT / "learned"
        assert len(list(files.iterdir())) == 10
        core._house.keep_files(TENANT)
        assert len(list(files.iterdir())) == 8
        newest_us = core._tenants.states[TENANT].detector.clock.newest_us
        done = unlearn(core, start=START_MS, end=TO_MS)
        assert done.from_us == newest_us - 72 * MINUTE * 1000
        reached = [json.loads(record) for record in EVENTS]
        assert done.taken.events == sum(
            one["user"]["name"] == VICTIM and done.from_us <= one["time"] * 1000 < TO_MS * 1000
            for one in reached
        )
