"""A core that raises alerts keeps their receipts, which give the risk that is shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from models.detector import Detector
from models.risk import Budget
from serving.core import Core
from serving.http.app import Front
from serving.http.reading import application
from serving.http.settings import Settings
from serving.keys import Keys, Role
from serving.receipts import evidence_again, recomputed
from tests.durable_events import CALM, START_MS, lines, submission

DAY_MS = 86_400_000
DAYS = 9
TODAY = "2025-03-11"
PAGING = replace(CALM, alert_seconds=0.0, budget=Budget(page_nats=0.5))


def ask(core, path, tenant="acme"):
    keys = Keys(core.database)
    key = keys.create(tenant, Role.ANALYST)
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
    if not hasattr(Detector(key_seed=1), "on_close"):
        pytest.skip("this detector does not tell when a day closes")
    found = ask(core, "/v1/alerts?limit=1000&to=2025-03-10").json()["alerts"]
    assert len(found) > 10
    for alert in found:
        receipt = ask(core, f"/v1/alerts/{alert['finding_info']['uid']}/receipt").json()
        assert recomputed(receipt) == receipt["risk"] == alert["unmapped"]["risk"]


def test_another_tenant_gets_no_receipt(core):
    uid = ask(core, f"/v1/alerts?from={TODAY}").json()["alerts"][0]["finding_info"]["uid"]
    assert ask(core, f"/v1/alerts/{uid}/receipt").status_code == 200
    assert ask(core, f"/v1/alerts/{uid}/receipt", "globex").status_code == 404
