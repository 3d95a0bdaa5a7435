"""Channels over HTTP: admins alone make them, nobody sees their secrets, no tenant another's."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import delete

from serving import audit
from serving.notify.addresses import Network
from serving.notify.sender import Deliverer, Sender
from serving.store import tables
from tests.serving.notify.receiver import receiving
from tests.serving.triage.triage_app import opened

HOOK = {"kind": "webhook", "label": "soc", "target": {"url": "https://hooks.example/T0ken/secret-part?k=v"}}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    made = opened(tmp_path_factory.mktemp("channels") / "data")
    yield made
    made.core.stop()


@pytest.fixture
def desk(kept):
    with kept.core.database.write() as connection:
        for table in (tables.channels, tables.outbox):
            connection.execute(delete(table))
    return kept


def make(desk, body=HOOK, **more):
    return desk.ask("POST", "/v1/channels", who="admin", json=body, **more)


def test_a_channel_is_made_by_an_admin_and_its_secret_shown_once(desk):
    for role in ("collector", "analyst", "scientist"):
        assert desk.ask("POST", "/v1/channels", who=role, json=HOOK).status_code == 403
    made = make(desk)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    (shown,) = desk.ask("GET", "/v1/channels", who="admin").json()["channels"]
    assert (shown["target"], shown["label"]) == ("https://hooks.example/...", "soc")
    lines = audit.lines(desk.core.database, "acme")
    for text in (json.dumps(shown), str(lines)):
        assert secret not in text
        assert "secret-part" not in text
    assert lines[0]["action"] == "channel.create"


def test_channels_of_another_tenant_are_not_there(desk):
    made = make(desk).json()["id"]
    assert desk.ask("GET", "/v1/channels", who="admin", tenant="globex").json() == {"channels": []}
    for method, end in (("DELETE", ""), ("POST", "/test"), ("POST", "/retry")):
        path = f"/v1/channels/{made}{end}"
        assert desk.ask(method, path, who="admin", tenant="globex").status_code == 404
        assert desk.ask(method, path, who="analyst").status_code == 403
    desk.ask("POST", f"/v1/channels/{made}/test", who="admin")
    assert desk.ask("GET", "/v1/notifications", tenant="globex").json() == {"messages": []}
    assert desk.ask("DELETE", f"/v1/channels/{made}", who="admin").status_code == 204
    assert desk.ask("DELETE", f"/v1/channels/{made}", who="admin").status_code == 404


def test_a_test_message_goes_the_way_of_all_messages(desk):
    with receiving() as server:
        made = make(desk, {**HOOK, "target": {"url": server.url}}).json()
        answer = desk.ask("POST", f"/v1/channels/{made['id']}/test", who="admin")
        assert answer.status_code == 202
        assert desk.ask("GET", "/v1/notifications?state=waiting").json()["messages"][0]["kind"] == "test"
        Sender(desk.core.database, Deliverer(Network.parsed("127.0.0.1"))).turn()
        assert server.bodies == [{"type": "test", "key": answer.json()["key"], "alerts": []}]
    (told,) = desk.ask("GET", "/v1/notifications?state=sent").json()["messages"]
    assert (told["state"], told["attempts"], told["channel"]) == ("sent", 1, "soc")


def test_a_message_that_may_not_go_there_says_why(desk):
    with receiving() as server:
        made = make(desk, {**HOOK, "target": {"url": server.url}}).json()
        desk.ask("POST", f"/v1/channels/{made['id']}/test", who="admin")
        Sender(desk.core.database, Deliverer(Network())).turn()
        assert server.taken == []
    (told,) = desk.ask("GET", "/v1/notifications").json()["messages"]
    assert (told["state"], told["attempts"]) == ("waiting", 1)
    assert "private network" in told["error"]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "pigeon"},
        {"target": {"url": "ftp://a.example/"}},
        {"target": {"url": "https://a.example/", "secret": "x"}},
        {"target": {}},
        {"label": "a\x07"},
        {"rules": {"about": "everything"}},
        {"rules": {"min_severity": 0}},
        {"rules": {"per_hour": 0}},
        {"rules": {"quiet_from": "22:00"}},
        {"rules": {"quiet_from": "25:00", "quiet_to": "06:00"}},
        {"rules": {"time_zone": "../../etc/passwd"}},
        {"rules": {"surprise": 1}},
        {"surprise": 1},
        {"kind": "syslog", "target": {"host": "a b"}},
        {"kind": "syslog", "target": {"host": "a", "transport": "smoke"}},
        {"kind": "apprise", "target": {"url": "json://127.0.0.1/"}},
    ],
)
def test_a_channel_that_could_not_work_is_refused(desk, change):
    answer = make(desk, {**HOOK, **change})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert desk.ask("GET", "/v1/channels", who="admin").json() == {"channels": []}


def test_there_is_an_end_to_channels(desk):
    answers = [make(desk).status_code for _ in range(21)]
    assert answers == [201] * 20 + [400]
