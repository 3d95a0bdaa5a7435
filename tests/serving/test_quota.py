"""Quotas and fair sharing: of a bucket alone, and of the real core."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from features.errors import InputError
from serving.core import Core
from serving.http.settings import Settings
from serving.quota import OverQuota, Quota, Rates, parsed_by_tenant
from serving.store import tables
from tests.durable_events import CALM, START_MS, TENANT, event, lines, submission

NOISY = "noisy"


@given(
    rate=st.floats(1, 1e5),
    burst=st.floats(1, 1e5),
    asked=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5_000)), min_size=1, max_size=60),
)
def test_no_more_than_burst_and_rate_gets_through_but_for_the_last_one(rate, burst, asked):
    """Forgetting a debt, or filling past the burst, makes it fail."""
    now, taken, largest = 0.0, 0, 0
    rates = Rates(lambda _: Quota(rate, burst), lambda: now)
    for pause, events in asked:
        now += pause
        try:
            rates.take("a", events)
        except OverQuota as error:
            now += error.retry_after_s * 1.001
            rates.take("a", events)  # whoever waits as long as told is taken
        taken, largest = taken + events, max(largest, events)
    assert taken <= burst + rate * now + largest


def test_what_was_not_kept_is_not_counted_and_tenants_have_their_own():
    rates = Rates({"a": Quota(1, 10), "b": Quota(1, 10), "c": Quota()}.__getitem__, lambda: 0.0)
    rates.take("a", 10)
    with pytest.raises(OverQuota) as caught:
        rates.take("a", 1)
    assert caught.value.retry_after_s == pytest.approx(1.0)
    rates.take("b", 10)
    rates.give_back("a", 5)
    rates.take("a", 5)
    for _ in range(10):
        rates.take("c", 1 << 40)


@pytest.mark.parametrize("text", ["x", "-1", "0", "1:2:3:4", "5:x", "5::1.5", "nan", "5:inf", "5:5:3"])
def test_a_quota_that_is_none_is_named(text):
    with pytest.raises(InputError):
        Quota.parsed(text)
    with pytest.raises(InputError):
        Settings(tenant_quotas=f"acme={text}")


def test_quotas_are_read_as_documented():
    assert Quota.parsed("") == Quota()
    assert Quota.parsed("500").burst == 5_000
    assert Quota.parsed("500:800:100000") == Quota(500, 800, 100_000)
    assert Quota.parsed("::200").entities == 200
    assert math.isinf(Quota.parsed("::200").events_per_second)
    assert parsed_by_tenant("acme=5, beta=6:7") == {"acme": Quota(5), "beta": Quota(6, 7)}
    with pytest.raises(InputError, match="TENANT="):
        parsed_by_tenant("500")


def test_a_tenant_over_its_rate_is_told_when_to_come_back_and_others_are_not(tmp_path):
    settings = replace(CALM, tenant_quotas={NOISY: Quota(0.001, 30)})
    with Core(tmp_path / "data", settings) as core:
        core.offer(submission(lines(0, 40), tenant=NOISY)).result(300)
        for learn in (True, False):
            with pytest.raises(OverQuota, match="events a second") as caught:
                core.offer(submission(lines(40, 1), tenant=NOISY), learn=learn)
            assert 10_000 < caught.value.retry_after_s < 20_000
        for start in range(0, 200, 40):
            assert core.offer(submission(lines(start, 40))).result(300).accepted == 40
        numbers = core.metrics()
        assert numbers["shed"] == {"rate": 2}
        assert numbers["tenants"][NOISY]["shed"] == {"rate": 2}
        assert numbers["tenants"][TENANT]["shed"] == {}
        assert core.usage(NOISY)["limits"] == {
            "events_per_second": 0.001,
            "burst_events": 30,
            "entities": 4_000_000,
        }
        assert core.usage(NOISY)["received"] == 40
        assert core.usage("nobody-yet")["received"] == 0


def test_a_noisy_tenant_delays_a_quiet_one_by_two_commits_at_most(tmp_path):
    """Commits are counted, not seconds. One queue for all, first come first served, makes it fail."""
    settings = replace(CALM, group_bytes=1 << 16)
    with Core(tmp_path / "data", settings) as core:
        noisy, finished = [], []
        with core.database.write():  # the committer waits for this transaction, and everything piles up
            noisy += [core.offer(submission(lines(n * 50, 50), tenant=NOISY)) for n in range(60)]
            quiet = core.offer(submission(lines(0, 5), tenant="quiet"))
            quiet.add_done_callback(lambda _: finished.append(sum(one.done() for one in noisy)))
        assert quiet.result(300).accepted == 5
        for one in noisy:
            assert one.result(300).accepted == 50
        with core.database.read() as connection:
            columns = tables.journal.c
            rows = connection.execute(select(columns.commit_no, columns.tenant)).all()
        commits = sorted({row.commit_no for row in rows})
        (its,) = (row.commit_no for row in rows if row.tenant == "quiet")
        assert len(commits) > 6
        assert commits.index(its) <= 2
        assert finished[0] < 30


def test_entities_of_a_tenant_are_bounded_and_what_finds_no_room_is_counted(tmp_path):
    """P6. A limit that is not the tenant's own, or a count that a recovery loses, makes it fail."""
    settings = replace(CALM, tenant_quotas={TENANT: Quota(entities=200)})
    with Core(tmp_path / "data", settings) as core:
        for first in range(0, 800, 100):
            records = []
            for number in range(first, first + 100):
                one = event(number, START_MS + number * 1000)
                one["user"] = {"name": f"somebody-{number}"}
                records.append(json.dumps(one).encode())
            for tenant in (TENANT, "roomy"):
                core.offer(submission(records, tenant=tenant)).result(300)
        asyncio.run(core.flush(TENANT))
        asyncio.run(core.flush("roomy"))
        now, roomy = (core.metrics()["tenants"][tenant] for tenant in (TENANT, "roomy"))
        assert now["scored"] == roomy["scored"] == 800
        assert now["entities"] <= 200
        assert now["entities_evicted"] + now["entities_refused"] >= 600
        assert roomy["entities"] > 800
        assert roomy["entities_evicted"] == roomy["entities_refused"] == 0
        digest = asyncio.run(core.digest(TENANT))
    with Core(tmp_path / "data", settings) as core:
        assert asyncio.run(core.digest(TENANT)) == digest
        again = core.metrics()["tenants"][TENANT]
        assert again["entities_refused"] == now["entities_refused"]
        assert again["entities_evicted"] == now["entities_evicted"]
