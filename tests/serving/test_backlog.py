"""Between committer and engine: groups grow while the engine is behind, and not longer."""

from __future__ import annotations

import threading

from serving.backlog import Backlog, Commit
from serving.intake import Item
from serving.journal import Entry, Kind, Operation


def commit(seq: int) -> Commit:
    operation = Operation("acme", Kind.SUBMISSION, "bulk", b"x")
    return Commit([Entry(seq, seq, 0, operation)], [Item(operation)])


def waiting(backlog: Backlog, seconds: float) -> threading.Thread:
    thread = threading.Thread(target=backlog.wait_for_turn, args=(seconds,), daemon=True)
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
