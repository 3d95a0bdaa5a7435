"""A core that raises alerts puts them into incidents, which people read, judge and find after a crash."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from models.incidents.incident import CLOSED, OPEN, VERDICT
from models.risk import Budget
from serving.core import Core
from serving.http.app import Front
from serving.http.reading import application
from serving.http.settings import Settings
from serving.journal import Kind
from serving.keys import Keys, Role
from serving.store import tables
from tests.durable_events import CALM, START_MS, event, submission
from tests.serving.triage.triage_app import Desk

DAY_MS = 86_400_000
DAYS = 6
PEOPLE = 40
PAGING = replace(CALM, alert_seconds=0.0, budget=Budget(page_nats=4.0))
THIEF, VAULT = "user3", "vault-9"


def theft(number: int, start_ms: int) -> bytes:
    """One user at a machine that nobody used before, from an address that nobody came from before."""
    made = event(50_000 + number, start_ms + 30_000 * number, seed=3)
    made["user"] = {"name": THIEF, "domain": "ACME"}
    made["device"] = {"hostname": f"{VAULT}.acme.example"}
    made["src_endpoint"] = {"ip": "203.0.113.9"}
    return json.dumps(made).encode()


def calm(day: int, start_ms: int, count: int) -> list[bytes]:
    """Forty people, each at their own machine and address, now and then at a colleague's machine."""
    records = []
    for number in range(count):
        made = event(1000 * day + number, start_ms + 300_000 * number)
        user = number % PEOPLE
        made["user"] = {"name": f"user{user}", "domain": "ACME"}
        made["device"] = {"hostname": f"host-{(user + (number % 11 == 0)) % PEOPLE}.acme.example"}
        made["src_endpoint"] = {"ip": f"10.0.{user}.1"}
        records.append(json.dumps(made).encode())
    return records


def fed(core: Core) -> None:
    """Calm days, a theft in the night of the last one, and a morning behind it that closes that day."""
    for day in range(DAYS):
        core.offer(submission(calm(day, START_MS + day * DAY_MS, 80))).result(300)
    night_ms = START_MS + (DAYS - 1) * DAY_MS + 9 * 3_600_000
    core.offer(submission([theft(number, night_ms) for number in range(12)])).result(300)
    core.offer(submission(calm(DAYS, START_MS + DAYS * DAY_MS, 40))).result(300)
    asyncio.run(core.flush("acme"))
    written(core)


def written(core: Core) -> None:
    """Wait until the engine has looked for alerts: what incidents name is in the queue then."""
    known, c = tables.incident_alerts.c, tables.alerts.c
    for _ in range(1200):
        with core.database.read() as connection:
            links = set(connection.execute(select(known.alert_id)).scalars())
            if links and links == set(connection.execute(select(c.alert_id)).scalars()):
                return
        core._stopping.wait(0.05)
    raise AssertionError("alerts that incidents name are not in the queue")


def desk_over(core: Core) -> Desk:
    keys = Keys(core.database)
    own = {(tenant, role.value): keys.create(tenant, role) for tenant in ("acme", "globex") for role in Role}
    return Desk(core, own, Front(application(), core, keys, Settings()))


def book(core: Core):
    return core._tenants.states["acme"].incidents.book


def stored(core: Core) -> list[tuple[object, ...]]:
    """What is in the store, but for the machine's own times."""
    c, known = tables.incidents.c, tables.incident_alerts.c
    with core.database.read() as connection:
        rows = connection.execute(
            select(
                c.incident_id, c.title, c.risk, c.alerts, c.revision, c.verdict_id, c.state, c.merged_into
            ).order_by(c.incident_id)
        ).all()
        links = connection.execute(select(known.alert_id, known.incident_id).order_by(known.alert_id)).all()
    return [tuple(row) for row in (*rows, *links)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("incidents") / "data"
    with Core(made, PAGING) as core:
        fed(core)
    return made


@pytest.fixture
def desk(folder, tmp_path):
    with Core(shutil.copytree(folder, tmp_path / "data"), PAGING) as core:
        yield desk_over(core)


def found(desk: Desk, path: str = "/v1/incidents?limit=1000", **more):
    answer = desk.ask("GET", path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def about_the_theft(desk: Desk):
    (incident,) = found(desk, f"/v1/incidents?entity_kind=host&entity={VAULT}")["incidents"]
    return incident


def test_every_alert_is_in_an_incident_that_names_it(desk):
    incidents = {one["unmapped"]["incident_id"]: one for one in found(desk)["incidents"]}
    alerts = desk.ask("GET", "/v1/alerts?limit=1000").json()["alerts"]
    assert len(alerts) > 5
    for alert in alerts:
        home = alert["unmapped"]["incident_id"]
        assert home in incidents
        full = found(desk, f"/v1/incidents/{home}")
        assert alert["finding_info"]["uid"] in [one["finding_info"]["uid"] for one in full["alerts"]]
    assert len(incidents) <= len(alerts)


def test_a_theft_is_one_story_of_the_user_the_machine_and_the_address(desk):
    incident = about_the_theft(desk)
    assert (incident["class_uid"], incident["type_uid"] // 100) == (2005, 2005)
    own = incident["unmapped"]
    assert {f"user:{THIEF}", f"host:{VAULT}", "src_ip:203.0.113.9"} <= set(own["entities"])
    assert (own["state"], own["active"]) == ("new", True)
    full = found(desk, f"/v1/incidents/{own['incident_id']}")
    assert VAULT in json.dumps(full["description"]["story"])
    assert full["description"]["next_steps"]
    assert full["ties"], "why they were put together is told"
    assert full["incident"]["severity_id"] == full["description"]["severity_id"]
    assert len(full["incident"]["finding_info_list"]) == own["n_alerts"] == len(full["alerts"])


@pytest.mark.parametrize(
    ("query", "among"),
    [
        (f"entity={THIEF}", True),
        ("entity=ser3", False),
        ("entity_kind=user&entity=vault-9", False),
        (f"text={VAULT[:5].upper()}", True),
        ("text=100%25", False),
        ("active=true", True),
        ("active=false", False),
        ("state=closed", False),
        ("state=new,closed", True),
        ("verdict_id=none", True),
        ("verdict_id=2", False),
        ("min_severity=1", True),
        ("min_risk=1000", False),
        ("from=2025-03-08T00:00:00Z", True),
        ("to=2025-03-04T00:00:00Z", False),
        ("assignee=", True),
        ("technique=T9999", False),
    ],
)
def test_incidents_are_chosen_by_what_is_known_of_them(desk_once, query, among):
    desk, key = desk_once
    assert (
        key
        in [
            one["unmapped"]["incident_id"]
            for one in found(desk, f"/v1/incidents?limit=1000&{query}")["incidents"]
        ]
    ) is among


@pytest.fixture(scope="module")
def desk_once(folder, tmp_path_factory):
    with Core(shutil.copytree(folder, tmp_path_factory.mktemp("once") / "data"), PAGING) as core:
        desk = desk_over(core)
        yield desk, about_the_theft(desk)["unmapped"]["incident_id"]


@pytest.mark.parametrize("sort", ["last", "risk", "opened", "updated"])
def test_every_order_comes_whole_page_by_page(desk_once, sort):
    desk, _ = desk_once
    whole = [
        one["unmapped"]["incident_id"]
        for one in found(desk, f"/v1/incidents?limit=1000&sort={sort}")["incidents"]
    ]
    pages, after = [], ""
    for _ in range(len(whole) + 1):
        page = found(desk, f"/v1/incidents?limit=2&sort={sort}&after={after}")
        pages += [one["unmapped"]["incident_id"] for one in page["incidents"]]
        after = page["next"]
        if after is None:
            break
    assert pages == whole
    assert len(whole) == len(set(whole)) > 2


@pytest.mark.parametrize(
    "query", ["sort=size", "after=x", "state=odd", "active=yes", "min_risk=nan", "limit=0"]
)
def test_what_cannot_be_asked_is_refused_with_its_name(desk_once, query):
    answer = desk_once[0].ask("GET", f"/v1/incidents?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


def test_another_tenant_sees_and_judges_nothing(desk_once):
    desk, key = desk_once
    assert found(desk, tenant="globex")["incidents"] == []
    assert desk.ask("GET", f"/v1/incidents/{key}", tenant="globex").status_code == 404
    for method in ("POST", "DELETE"):
        answer = desk.ask(method, f"/v1/incidents/{key}/verdict", tenant="globex", json={"verdict_id": 5})
        assert answer.status_code == 404
    assert desk.ask("GET", "/v1/incidents", "collector").status_code == 403


def test_a_verdict_on_an_incident_is_one_on_each_alert_and_can_be_taken_back(desk, tmp_path):
    incident = about_the_theft(desk)["unmapped"]
    key, path = incident["incident_id"], f"/v1/incidents/{incident['incident_id']}/verdict"
    last = desk.core._journal.last_seq
    once = {"Idempotency-Key": "k1"}
    given = desk.ask(
        "POST", path, json={"verdict_id": 2, "reason": "stolen", "state": "contained"}, headers=once
    )
    assert given.status_code == 201, given.text
    answer = given.json()
    assert (len(answer["verdicts"]), answer["failed"]) == (incident["n_alerts"], [])
    assert (answer["incident"]["verdict_id"], answer["incident"]["unmapped"]["state"]) == (2, "contained")
    entries = select(func.count()).where(tables.journal.c.seq > last, tables.journal.c.kind == Kind.VERDICT)
    with desk.core.database.read() as connection:
        assert connection.execute(entries).scalar() == incident["n_alerts"]
    kept = book(desk.core).incidents[key]
    assert (kept.state, kept.closed_for, kept.verdict_id) == (CLOSED, VERDICT, 2)
    # again with the same key: the same answer, and nothing is done
    again = desk.ask(
        "POST", path, json={"verdict_id": 2, "reason": "stolen", "state": "contained"}, headers=once
    )
    assert sorted(one["verdict"]["uid"] for one in again.json()["verdicts"]) == sorted(
        one["verdict"]["uid"] for one in answer["verdicts"]
    )
    with desk.core.database.read() as connection:
        assert connection.execute(entries).scalar() == incident["n_alerts"]
    right, rows = asyncio.run(desk.core.digest("acme")), stored(desk.core)
    crash = shutil.copytree(desk.core.data_dir, tmp_path / "crash")
    with Core(crash, PAGING) as other:
        assert other.metrics()["replayed_entries"] > 0
        assert asyncio.run(other.digest("acme")) == right
        assert book(other).export() == book(desk.core).export()
        assert stored(other) == rows
    back = desk.ask("DELETE", path)
    assert back.status_code == 200, back.text
    assert book(desk.core).incidents[key].state == OPEN
    assert "verdict_id" not in back.json()["incident"]
    assert desk.ask("DELETE", path).status_code == 404, "there is nothing left to take back"


def test_an_incident_is_judged_when_the_last_of_its_alerts_is(desk):
    incident = about_the_theft(desk)["unmapped"]
    key = incident["incident_id"]
    uids = [one["finding_info"]["uid"] for one in found(desk, f"/v1/incidents/{key}")["alerts"]]
    for place, uid in enumerate(uids):
        assert book(desk.core).incidents[key].state == OPEN
        given = desk.ask("POST", f"/v1/alerts/{uid}/verdict", json={"verdict_id": 2 if place == 0 else 5})
        assert given.status_code == 201
    kept = book(desk.core).incidents[key]
    assert (kept.state, kept.verdict_id) == (CLOSED, 2), "of several opinions the gravest"
    shown = found(desk, f"/v1/incidents/{key}")["incident"]
    assert (shown["verdict_id"], shown["unmapped"]["state"]) == (2, "triaged")
    for uid in uids:
        desk.ask("POST", f"/v1/alerts/{uid}/state", json={"state": "closed"})
    shown = found(desk, f"/v1/incidents/{key}")["incident"]
    assert (shown["unmapped"]["state"], shown["status_id"], shown["activity_id"]) == ("closed", 4, 3)


def test_a_replay_of_the_whole_journal_gives_the_same_incidents(desk, folder, tmp_path):
    """The state is a function of what came in: checkpoints in the middle, or none at all, change nothing."""
    whole = tmp_path / "whole"
    with Core(whole, replace(PAGING, checkpoint_events=40)) as core:
        fed(core)
        assert stored(core) == stored(desk.core)
        assert book(core).export() == book(desk.core).export()


def test_the_command_line_lists_and_tells_them(desk, monkeypatch):
    from serving.cli import incidents as command

    def asked(_url, _key, method, path, body=None, headers=None):
        answer = desk.ask(method, path, **({"json": body} if body else {}), headers=headers or {})
        assert answer.status_code < 300, answer.text
        return answer.json()

    monkeypatch.setattr(command, "asked", asked)
    runner = CliRunner()
    key = about_the_theft(desk)["unmapped"]["incident_id"]
    listed = runner.invoke(command.command, ["list", "--entity", VAULT])
    assert listed.exit_code == 0, listed.output
    assert listed.output.startswith(key)
    told = runner.invoke(command.command, ["show", key])
    assert told.exit_code == 0, told.output
    assert "Next steps" in told.output
    assert f"host {VAULT}" in told.output
    judged = runner.invoke(command.command, ["verdict", key, "true-positive"])
    assert "failed: 0" in judged.output
    assert "true positive" in judged.output
