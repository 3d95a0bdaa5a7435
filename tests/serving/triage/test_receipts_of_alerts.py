"""A core that raises alerts keeps their receipts, which give the risk that is shown."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from functools import cache

import httpx
import pytest

from models.risk import Budget
from serving.core import Core
from serving.http.app import Front
from serving.http.reading import application
from serving.http.settings import Settings
from serving.keys import Keys, Role
from serving.receipts import evidence_again, recomputed
from tests.durable_events import CALM, START_MS, event, lines, submission

DAY_MS = 86_400_000
DAYS = 9
TODAY = "2025-03-11"
PAGING = replace(CALM, alert_seconds=0.0, budget=Budget(page_nats=0.5))


@cache
def door(core, tenant):
    keys = Keys(core.database)
    return keys, keys.create(tenant, Role.ANALYST)


def ask(core, path, tenant="acme"):
    keys, key = door(core, tenant)
    front = Front(application(), core, keys, Settings())

    async def once():
        transport = httpx.ASGITransport(app=front, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://habitus") as client:
            return await client.get(path, headers={"Authorization": f"Bearer {key}"})

    return asyncio.run(once())


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    with Core(tmp_path_factory.mktemp("receipts") / "data", PAGING) as made:
        for day in range(DAYS):
            start_ms = START_MS + day * DAY_MS
            records = lines(200 * day, 60, start_ms=start_ms - 200 * day * 600_000, step_ms=600_000)
            made.offer(submission(records)).result(300)
            made.offer(submission(lines(0, 5, seed=day + 100, start_ms=start_ms, step_ms=1))).result(300)
            asyncio.run(made.flush("acme"))
        for _ in range(600):  # the engine looks for alerts when it has time
            if ask(made, f"/v1/alerts?from={TODAY}").json()["alerts"]:
                break
            made._stopping.wait(0.1)
        yield made


def test_an_alert_of_the_open_day_has_a_receipt_that_gives_its_risk(core):
    today = ask(core, f"/v1/alerts?from={TODAY}").json()["alerts"]
    assert today
    for alert in today:
        receipt = ask(core, f"/v1/alerts/{alert['finding_info']['uid']}/receipt").json()
        assert recomputed(receipt) == receipt["risk"] == alert["unmapped"]["risk"]
        assert evidence_again(receipt) == receipt["evidence"]
        first_ms = min((one["time_us"] // 1000 for one in receipt["findings"]), default=None)
        assert alert["unmapped"]["first_time"] == first_ms


def test_an_alert_of_a_closed_day_has_the_receipt_of_its_closing(core):
    found = ask(core, "/v1/alerts?limit=1000&to=2025-03-10").json()["alerts"]
    assert len(found) > 10
    for alert in found:
        receipt = ask(core, f"/v1/alerts/{alert['finding_info']['uid']}/receipt").json()
        assert recomputed(receipt) == receipt["risk"] == alert["unmapped"]["risk"]


def test_another_tenant_gets_no_receipt(core):
    uid = ask(core, f"/v1/alerts?from={TODAY}").json()["alerts"][0]["finding_info"]["uid"]
    assert ask(core, f"/v1/alerts/{uid}/receipt").status_code == 200
    assert ask(core, f"/v1/alerts/{uid}/receipt", "globex").status_code == 404


@pytest.mark.slow
def test_a_thousand_alerts_chosen_at_random_are_worked_out_again_bit_for_bit(tmp_path):
    """Everybody is raised, so that there are alerts of every kind, with and without findings."""
    people, days = 60, 16
    rng = random.Random(11)
    everybody = replace(CALM, budget=Budget(alerts_per_day=1000.0))
    with Core(tmp_path / "data", everybody) as made:
        for day in range(days):
            records = []
            for number in range(4 * people):
                found = event(10_000 * day + number, START_MS + day * DAY_MS + 100_000 * number)
                user = number % people
                found["user"] = {"name": f"user{user}", "domain": "ACME"}
                host = rng.randrange(people) if rng.random() < 0.05 else user
                found["device"] = {"hostname": f"host-{host}.acme.example"}
                found["src_endpoint"] = {"ip": f"10.0.{user}.{rng.randrange(1, 3)}"}
                records.append(json.dumps(found).encode())
            made.offer(submission(records)).result(300)
        asyncio.run(made.flush("acme"))
        alerts = []
        for day in range(days - 1):
            date = f"2025-03-{3 + day:02d}"
            alerts += ask(made, f"/v1/alerts?limit=1000&from={date}&to={date}").json()["alerts"]
        assert len(alerts) >= 1000
        fitted = 0
        for alert in rng.sample(alerts, 1000):
            receipt = ask(made, f"/v1/alerts/{alert['finding_info']['uid']}/receipt").json()
            fitted += receipt["fitted"]
            assert recomputed(receipt) == receipt["risk"] == alert["unmapped"]["risk"]
            assert evidence_again(receipt) == receipt["evidence"]
        assert fitted > 100
