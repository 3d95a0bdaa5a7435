"""Between committer and engine: groups grow while the engine is behind, and not longer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from serving.backlog import Backlog, Commit
from serving.intake import Item
from serving.journal import Entry, Kind, Operation

if TYPE_CHECKING:
    from collections.abc import Callable


def commit(seq: int) -> Commit:
    operation = Operation("acme", Kind.SUBMISSION, "bulk", b"x")
    return Commit([Entry(seq, seq, 0, operation)], [Item(operation)])


def waiting(
    backlog: Backlog, seconds: float, lead: float = 0.0, is_patient: Callable[[], bool] = lambda: False
) -> threading.Thread:
    thread = threading.Thread(target=backlog.wait_for_turn, args=(seconds, lead, is_patient), daemon=True)
    thread.start()
    return thread


def test_the_next_group_waits_until_the_engine_has_begun_the_one_before() -> None:
    backlog = Backlog(1 << 20)
    backlog.wait_for_turn(1e6)
    backlog.put(commit(1))
    thread = waiting(backlog, 1e6)
    thread.join(0.1)
    assert thread.is_alive()
    assert backlog.take(0.0, hold=False).commit is not None
    thread.join(60)
    assert not thread.is_alive()


def test_an_engine_that_is_busy_for_long_does_not_keep_the_next_group_from_the_disk() -> None:
    backlog = Backlog(1 << 20)
    backlog.put(commit(1))
    thread = waiting(backlog, 0.01)
    thread.join(60)
    assert not thread.is_alive()


def test_a_group_that_was_put_back_is_given_with_the_others() -> None:
    backlog = Backlog(1 << 20)
    for seq in (1, 2):
        backlog.put(commit(seq))
    taken = backlog.take(0.0, hold=False).commit
    assert taken is not None
    backlog.put_back(taken)
    assert len(backlog.give_up("over")) == 2


def at_work(takes: float) -> tuple[Backlog, Commit, float]:
    """A backlog whose reader takes about so long for a group, what it is at work on, and since when."""
    backlog = Backlog(1 << 20)
    for seq in range(3):
        backlog.put(commit(seq))
        began = time.monotonic()
        taken = backlog.take(0.0, hold=False).commit
        assert taken is not None
        if seq < 2:
            time.sleep(takes)
            backlog.done(taken)
    return backlog, taken, began


def test_who_is_answered_by_the_engine_is_written_shortly_before_it_comes_back() -> None:
    backlog, _, began = at_work(0.4)
    waiting(backlog, 1e6, 0.1, lambda: True).join(60)
    assert time.monotonic() - began > 0.15, "with what comes in meanwhile"
    at_once = waiting(backlog, 1e6, 1e6, lambda: True)
    at_once.join(60)
    assert not at_once.is_alive(), "a commit that takes longer than the engine begins when it may"


def test_an_engine_that_comes_back_sooner_than_expected_finds_the_next_group_begun() -> None:
    backlog, taken, _ = at_work(0.0)
    backlog._expected_seconds = 1e6
    thread = waiting(backlog, 1e6, 0.0, lambda: True)
    thread.join(0.1)
    assert thread.is_alive()
    backlog.done(taken)
    thread.join(60)
    assert not thread.is_alive()


def test_who_is_answered_by_the_disk_alone_does_not_wait_for_an_engine_at_work() -> None:
    backlog, _, _ = at_work(0.0)
    backlog._expected_seconds = 1e6
    backlog.wait_for_turn(1e6, 0.0, lambda: False)
    patient = [True]
    thread = waiting(backlog, 1e6, 0.0, lambda: patient[0])
    thread.join(0.1)
    assert thread.is_alive()
    patient[0] = False
    backlog.hurry()
    thread.join(60)
    assert not thread.is_alive()
