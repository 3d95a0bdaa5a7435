from __future__ import annotations

from collections import Counter
from concurrent.futures import Future

import pytest

from serving.intake import OVERHEAD, Intake, Item
from serving.journal import Kind, Operation
from serving.submission import Busy, Refused


def item(tenant: str, size: int = 1000, number: int = 0) -> Item:
    body = str(number).encode().ljust(size - OVERHEAD, b" ")
    return Item(Operation(tenant, Kind.SUBMISSION, "native", body), Future())


def test_a_tenant_that_floods_delays_others_by_no_more_than_its_share():
    """Taking from one queue for all, first come first served, makes it fail."""
    intake = Intake(10**9, 10**9)
    for number in range(1000):
        intake.put(item("loud", number=number))
    for number in range(5):
        intake.put(item("quiet", number=number))
    group = intake.take(10_000, 100)
    counts = Counter(one.operation.tenant for one in group)
    assert counts["quiet"] >= 4
    assert counts["loud"] >= 4


def test_each_tenant_keeps_its_order_and_nothing_is_left_behind():
    intake = Intake(10**9, 10**9)
    for number in range(50):
        intake.put(item("ab"[number % 2], number=number))
    seen: dict[str, list[int]] = {"a": [], "b": []}
    while group := intake.take(5_000, 7):
        for one in group:
            seen[one.operation.tenant].append(int(one.operation.body))
    assert seen == {"a": list(range(0, 50, 2)), "b": list(range(1, 50, 2))}
    assert intake.size == 0


def test_a_full_queue_is_busy_and_others_are_not():
    """P5. Without the tenant's own limit, or the one over all, it fails."""
    intake = Intake(total_bytes=20_000, tenant_bytes=5_000)
    for _ in range(5):
        intake.put(item("a"))
    with pytest.raises(Busy, match="tenant") as caught:
        intake.put(item("a"))
    assert caught.value.retry_after_s > 0
    for tenant in "bcd":
        for _ in range(5):
            intake.put(item(tenant))
    with pytest.raises(Busy):
        intake.put(item("e"))
    assert intake.size == 20_000


def test_one_that_is_larger_than_a_whole_group_gets_through():
    intake = Intake(10**9, 10)
    intake.put(item("a", 1_000_000))
    assert len(intake.take(10_000, 10)) == 1


def test_a_closed_intake_refuses_and_can_be_emptied():
    intake = Intake(10**9, 10**9)
    intake.put(item("a"))
    intake.close()
    with pytest.raises(Refused):
        intake.put(item("a"))
    assert len(intake.take(10_000, 10)) == 1
    assert intake.take(10_000, 10) == []


def test_only_those_who_are_answered_by_the_disk_alone_are_in_a_hurry():
    told: list[int] = []
    intake = Intake(10**9, 10**9, lambda: told.append(1))
    intake.put(item("acme"))
    intake.put(Item(Operation("acme", Kind.FLUSH)))
    intake.put(Item(Operation("acme", Kind.VERDICT, "bulk"), Future()))
    assert intake.is_patient()
    assert not told
    for number in range(3):
        intake.put(Item(Operation("acme", Kind.SUBMISSION, "bulk", b"%d" % number), Future()))
    assert not intake.is_patient()
    assert told == [1], "once is enough"
    assert len(intake.take(1 << 30, 5)) == 5
    assert not intake.is_patient()
    assert len(intake.take(1 << 30, 5)) == 1
    assert intake.is_patient()
