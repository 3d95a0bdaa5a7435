"""The core in one process, with real files; `tests/acceptance/test_durability.py` kills real ones."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import threading
from dataclasses import replace

import pytest
from pyarrow import parquet
from sqlalchemy import select, text

from features import files
from features.errors import InputError, StateError
from models.detector import Detector
from serving import outputs, replay
from serving.core import Core
from serving.store import tables
from serving.submission import Busy, Protocol, Refused, TooLarge
from tests.durable_events import CALM, START_MS, TENANT, body, event, lines, submission

HOUR = 3_600_000


@pytest.fixture
def core(tmp_path):
    with Core(tmp_path / "data", CALM) as one:
        yield one


def send(core, records, protocol=Protocol.NATIVE, **given):
    return core.offer(submission(records, protocol, **given), want_scores=True).result(300)


def ledger(core):
    asyncio.run(core.flush(TENANT))
    return core._tenants.states[TENANT].ledger


def digest(core) -> str:
    return asyncio.run(core.digest(TENANT))


def lake(folder):
    found = sorted((folder / "tenants" / TENANT / "lake").glob("day=*/*.parquet"))
    return [row for path in found for row in parquet.read_table(path, partitioning=None).to_pylist()]


def quarantine(core):
    with core.database.read() as connection:
        return connection.execute(select(tables.quarantine)).mappings().all()


def test_a_retry_changes_nothing(core):
    """P2. Without deduplication, or with keys that a journalled copy does not share, it fails."""
    first, second = lines(0, 40), lines(40, 40)
    assert send(core, first)[:4] == (40, 40, 0, 0)
    asyncio.run(core.flush(TENANT))
    before = core._tenants.states[TENANT].detector.baselines.export()[0]["weights"].tobytes()
    assert send(core, first)[:4] == (40, 0, 40, 0)
    assert send(core, first, Protocol.BULK)[:2] == (40, 40)  # its answer has no counts
    assert send(core, first, Protocol.SCORE).scores[7].outcome == "duplicate"
    asyncio.run(core.flush(TENANT))
    assert core._tenants.states[TENANT].detector.baselines.export()[0]["weights"].tobytes() == before
    assert send(core, second)[:4] == (40, 40, 0, 0)
    now = ledger(core)
    assert (now.received, now.scored, now.duplicate) == (200, 80, 120)
    assert now.balanced


def test_clients_ids_come_before_the_records_own(core):
    same = lines(0, 3)
    assert send(core, same, ids=("a", "b", ""))[:3] == (3, 3, 0)
    assert send(core, lines(10, 3), ids=("a", "c", ""))[:3] == (3, 2, 1)
    assert send(core, same, ids=("d", "e", ""))[:3] == (3, 2, 1)


def test_poison_is_put_aside_and_the_stream_goes_on(core):
    """P13. Raising on a record that cannot be read, or dropping the rest of its submission, fails it."""
    good = lines(0, 5)
    poison = [
        b"{",
        b"\xff\xfe\x00",
        b"[" * 5_000,
        b'{"a":' * 3_000,
        b"null",
        b'{"time": 1e400}',
        b"plain text",
        b'{"class_uid": 3002, "time": "never"}',
        body([b'{"x":"' + b"\\ud800" * 10 + b'"}']).strip(),
    ]
    mixed = [good[0], *poison[:4], good[1], good[2], *poison[4:], good[3], good[4]]
    receipt = send(core, mixed)
    assert receipt.received == len(mixed)
    assert receipt.accepted >= 5
    assert receipt.accepted + receipt.quarantined == len(mixed)
    assert receipt.quarantined >= 5
    found = quarantine(core)
    assert len(found) == receipt.quarantined
    assert all(row["reason"] and row["tenant"] == TENANT for row in found)
    by_record = {row["record"]: row["raw"] for row in found}
    assert by_record[1] == b"{"  # the number is the record's own
    assert send(core, poison, Protocol.BULK).received == len(poison)
    assert send(core, [b"what", b"is this"])[:4] == (2, 0, 0, 2)
    assert send(core, lines(5, 5))[:4] == (5, 5, 0, 0)
    assert ledger(core).balanced


def test_one_sender_of_rubbish_does_not_fill_the_store(core):
    receipt = send(core, [b"rubbish %d" % n for n in range(5_000)])
    assert receipt.quarantined == 5_000
    assert len(quarantine(core)) == 100


def test_an_engine_that_fails_on_a_batch_puts_it_aside_and_comes_up_the_same(tmp_path, monkeypatch):
    """P13, P3. Without the note in the store, the replay learns what was put aside; without building the
    state anew, a half-applied group stays in it.
    """
    right = Detector.score_learn

    def faulty(self, batch):
        result = right(self, batch)  # the worst moment: everything is learned already
        names = self.baselines.values.many(batch.columns[:, 0]) if len(batch.time_us) else []
        if any("victim" in name for name in names):
            raise ZeroDivisionError("a fault of ours")
        return result

    monkeypatch.setattr(Detector, "score_learn", faulty)
    bad = event(999, START_MS + 30 * 60_000)
    bad["user"] = {"name": "victim"}
    folder = tmp_path / "data"
    settings = replace(CALM, lateness_seconds=0.0)
    with Core(folder, settings) as core:
        send(core, lines(0, 50))
        send(core, [json.dumps(bad).encode()])
        send(core, lines(2_000, 50))
        now = ledger(core)
        assert (now.received, now.scored, now.quarantined) == (101, 100, 1)
        assert now.balanced
        assert "a fault of ours" in quarantine(core)[-1]["reason"]
        crash = shutil.copytree(folder, tmp_path / "crash")
        before = digest(core)
    # mended meanwhile: what was put aside stays aside, or the replay would differ from what people were shown
    monkeypatch.setattr(Detector, "score_learn", right)
    with Core(crash, settings) as core:
        assert core.metrics()["replayed_entries"] > 0
        assert digest(core) == before


def test_an_event_far_ahead_of_the_clock_freezes_nothing(core):
    """P8. One that was learned would end the day for everybody."""
    import time

    ahead = lines(0, 1, start_ms=time.time_ns() // 1_000_000 + 30 * 24 * HOUR)
    assert send(core, [*ahead, *lines(1, 3)])[:4] == (4, 3, 0, 1)
    assert "ahead" in quarantine(core)[0]["reason"]
    assert ledger(core).scored == 3


def test_recovery_gives_the_same_state_and_the_same_scores(tmp_path):
    """P3. Leaving the waiting events, the keys or the ledger out of the checkpoint, or applying an entry
    twice, fails it. The copy of the directory is what a crash would leave.
    """
    folder, rng = tmp_path / "data", random.Random(5)
    settings = replace(CALM, checkpoint_seconds=0.2)
    groups = [lines(n * 75, 75, step_ms=45_000) for n in range(24)]  # into the second day
    for group in groups:
        rng.shuffle(group)
    with Core(folder, settings) as core:
        send(core, groups[0], tenant="other")  # its checkpoint is older than the rest of the journal
        for group in groups[:10]:
            send(core, group)
        for group in groups[10:]:
            send(core, group, Protocol.SCORE if rng.random() < 0.1 else Protocol.NATIVE)
        while core.metrics()["writer_jobs"]:
            core._stopping.wait(0.05)
        crash = shutil.copytree(folder, tmp_path / "crash")
        before = digest(core)
        metrics = core.metrics()["tenants"][TENANT]
        assert 0 < metrics["checkpoint_position"] <= metrics["position"]
    with Core(crash, CALM) as core:
        assert digest(core) == before
    assert lake(crash) == lake(folder)
    (tmp_path / "anew").mkdir()
    for path in crash.glob("habitus.db*"):
        shutil.copy(path, tmp_path / "anew")
    with Core(tmp_path / "anew", CALM) as core:
        assert core.metrics()["replayed_entries"] == 25
        assert digest(core) == before


def test_the_service_gives_what_the_command_gives(tmp_path, core):
    """The same file through `habitus score` and through the core: the same scores and entity-days."""
    log = tmp_path / "events.ndjson"
    records = lines(0, 2_400, step_ms=50_000)  # a day and a third
    shuffled = records[:]
    for at in range(0, len(shuffled), 2):  # out of order within the watermark
        shuffled[at : at + 2] = reversed(shuffled[at : at + 2])
    log.write_bytes(body(shuffled))
    detector = Detector(key_seed=9)
    rows = []

    def sink(batch, uids, scores):
        rows.extend(
            outputs.event_table(
                detector.baselines, detector.channels.all, TENANT, batch, uids, scores
            ).to_pylist()
        )

    frame, _ = replay.replay(
        detector, detector.reader(), [(files.open_log(log), "ocsf")], sinks=[sink], tenant=TENANT
    )
    for start in range(0, len(shuffled), 171):
        send(core, shuffled[start : start + 171])
    now = ledger(core)
    assert (now.scored, now.late) == (2_400, 0)
    core.stop()
    assert lake(core.data_dir) == rows
    database = core_database(core)
    with database.read() as connection:
        days = connection.execute(select(tables.entity_days)).mappings().all()
    database.close()
    last = frame["day"].max()
    closed = frame[frame["day"] < last]
    assert {(d["entity_kind"], d["entity"], d["risk"], d["n_events"], d["alert"]) for d in days} == set(
        zip(
            closed["entity_kind"],
            closed["entity"],
            closed["risk"],
            closed["n_events"],
            closed["alert"],
            strict=True,
        )
    )


def core_database(core):
    from serving.store.database import default_url, open_database

    return open_database(default_url(core.data_dir))


def test_scores_are_answered_in_the_order_of_the_request(core):
    send(core, lines(0, 200))
    asked = lines(200, 6)
    asked = [asked[4], b"{broken", asked[0], asked[5], asked[0], asked[2]]
    receipt = send(core, asked, Protocol.SCORE)
    assert receipt[:4] == (6, 4, 1, 1)
    outcomes = [score.outcome for score in receipt.scores]
    assert outcomes == ["scored", "quarantined", "scored", "scored", "duplicate", "scored"]
    assert [score.event_uid for score in receipt.scores][:4] == [
        "event-7-204",
        "",
        "event-7-200",
        "event-7-205",
    ]
    assert receipt.scores[1].reason
    assert ledger(core).balanced


def test_a_question_that_is_not_to_be_learned_changes_nothing(core):
    """A preview that used the detector itself, its names or its deduplication keys makes it fail."""
    send(core, lines(0, 200))
    before, position = digest(core), core.metrics()["journal_position"]
    odd = event(500, START_MS + 10_000)
    odd["user"], odd["device"] = {"name": "nobody-knows"}, {"hostname": "never-seen"}
    asked = submission([*lines(0, 2), json.dumps(odd).encode()], Protocol.SCORE)
    receipt = core.offer(asked, learn=False, want_scores=True).result(300)
    assert [score.outcome == "duplicate" for score in receipt.scores] == [False] * 3
    assert digest(core) == before
    assert core.metrics()["journal_position"] == position
    again = core.offer(asked, learn=False, want_scores=True).result(300)
    assert again == receipt


def test_questions_that_are_not_to_be_learned_keep_nobody_waiting(core, monkeypatch):
    """Scoring the copy on the engine's thread, or letting any number of copies wait, makes it fail."""
    send(core, lines(0, 50))
    right, gate = Detector.restored, threading.Event()

    def slow(*given, **more):
        assert gate.wait(60)
        return right(*given, **more)

    monkeypatch.setattr(Detector, "restored", slow)
    asked = submission(lines(50, 2), Protocol.SCORE)
    answers, busy = [], 0
    for _ in range(30):
        try:
            answers.append(core.offer(asked, learn=False, want_scores=True))
        except Busy:
            busy += 1
    assert busy > 0
    assert core.metrics()["shed"] == {"previews": busy}
    assert send(core, lines(60, 10))[:2] == (10, 10)  # acknowledged after it was decoded by the engine
    assert not any(answer.done() for answer in answers)
    gate.set()
    for answer in answers:
        assert [score.outcome for score in answer.result(60).scores] == ["scored"] * 2


def test_two_cores_do_not_share_a_directory(core):
    with pytest.raises(StateError, match="another habitus"), Core(core.data_dir, CALM):
        pass
    send(core, lines(0, 3))


def test_what_cannot_be_written_is_refused_and_leaves_no_trace_until_it_can(core):
    """P9, P10. Remembering keys before the commit would make the client's retry a duplicate, and lose it."""
    send(core, lines(0, 10))
    before = digest(core)
    with core.database.write() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )
        )
    with pytest.raises(Refused, match="disk is full"):
        send(core, lines(10, 10))
    with pytest.raises(Refused):
        send(core, lines(10, 10))
    assert digest(core) == before  # reads are served
    with core.database.write() as connection:
        connection.execute(text("DROP TRIGGER full"))
    for _ in range(600):
        try:
            receipt = send(core, lines(10, 10))
            break
        except Refused:
            core._stopping.wait(0.05)
    assert receipt[:4] == (10, 10, 0, 0)
    assert ledger(core).balanced


def test_limits_are_told(core):
    with pytest.raises(TooLarge, match="split"):
        Core(core.data_dir, replace(CALM, submission_bytes=10)).offer(submission(lines(0, 1)))
    with pytest.raises(InputError, match="source"):
        core.offer(submission(lines(0, 1), source="nonsense"))
    with pytest.raises(InputError, match="tenant"):
        core.offer(submission(lines(0, 1), tenant="../x"))


def test_nothing_is_taken_in_after_the_end(tmp_path):
    core = Core(tmp_path / "data", CALM)
    with pytest.raises(Refused):
        core.offer(submission(lines(0, 1)))
    core.start()
    core.stop()
    core.stop()
    with pytest.raises(Refused):
        core.offer(submission(lines(0, 1)))


def test_what_waits_is_scored_when_nothing_follows(tmp_path):
    """A stream that ends must not keep its last minute to itself. Timers are monotonic (P8)."""
    with Core(tmp_path / "data", replace(CALM, linger_seconds=0.05)) as core:
        send(core, lines(0, 10))
        for _ in range(600):
            if core.metrics()["tenants"][TENANT]["scored"] == 10:
                break
            core._stopping.wait(0.05)
        assert core.metrics()["tenants"][TENANT]["scored"] == 10
        assert core.metrics()["flushes"] == 1


def test_tenants_do_not_see_each_other(core):
    send(core, lines(0, 20))
    send(core, lines(0, 20), tenant="other")
    assert core._tenants.states["other"].ledger.duplicate == 0
    odd = event(900, START_MS)
    odd["user"] = {"name": "secret-agent"}
    send(core, [json.dumps(odd).encode()], tenant="other")
    asyncio.run(core.flush("other"))
    assert len(asyncio.run(core.baseline("other", "secret-agent")))
    with pytest.raises(InputError, match="nothing is known"):
        asyncio.run(core.baseline(TENANT, "secret-agent"))
