"""What changes something over HTTP: who may, and that the audit log has it. Real keys, a real store."""

from __future__ import annotations

import json

import pytest

from features.errors import InputError
from serving import audit
from serving.http.app import Front
from serving.http.reading import application
from serving.http.settings import Settings
from serving.keys import Keys, Role
from serving.learned import TakenBack
from serving.store.database import default_url, open_database
from serving.unlearning import Unlearned
from tests.serving.asgi import App
from tests.serving.doubles import MemoryCore

WINDOW = {"from": "2026-03-01T08:00", "to": "2026-03-02"}
UNLEARN = "/v1/entities/user/ACME%5Cann/unlearn"


class UnlearningCore(MemoryCore):
    """Remembers what it was told to unlearn."""

    def __init__(self, database):
        super().__init__()
        self.database = database
        self.asked = []

    async def unlearn(self, tenant, kind, name, from_us, to_us, actor):
        if name == "nobody":
            raise InputError("nobody: nothing is known of this user, host or address")
        self.asked.append((tenant, kind, name, from_us, to_us, actor.actor, actor.role))
        return Unlearned("ann", from_us, to_us, TakenBack(3, 1, 0.5))


@pytest.fixture
def app(tmp_path):
    database = open_database(default_url(tmp_path))
    made = App(core=UnlearningCore(database))
    made.store = Keys(database)
    made.own = {
        (tenant, role): made.store.create(tenant, role) for tenant in ("acme", "globex") for role in Role
    }
    made.front = Front(application(), made.core, made.store, Settings())
    yield made
    database.close()


def ids(app, key):
    return [found["id"] for found in app.ask("GET", "/v1/keys", key=key).json()["keys"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "may"),
    [
        ("POST", UNLEARN, WINDOW, {"analyst", "scientist", "admin"}),
        ("GET", "/v1/keys", None, {"admin"}),
        ("POST", "/v1/keys", {"role": "analyst"}, {"admin"}),
        ("DELETE", "/v1/keys/0", None, {"admin"}),
        ("GET", "/v1/audit", None, {"admin"}),
    ],
)
def test_only_the_roles_that_may_get_past_the_door(app, method, path, body, may):
    for role in Role:
        answer = app.ask(method, path, key=app.own["acme", role], json=body)
        assert (answer.status_code != 403) == (role in may), (role, answer.text)
    assert app.ask(method, path, key=None, json=body).status_code == 401


def test_unlearning_is_asked_for_by_entity_and_window_of_the_callers_tenant(app):
    answer = app.ask("POST", UNLEARN, key=app.own["globex", "analyst"], json=WINDOW)
    assert answer.status_code == 200
    assert answer.json() == {
        "entity_kind": "user",
        "entity": "ann",
        "from": "2026-03-01T08:00:00+00:00",
        "to": "2026-03-02T00:00:00+00:00",
        "events": 3,
        "never_learned": 1,
        "missing_weight": 0.5,
    }
    ((tenant, kind, name, from_us, to_us, actor, role),) = app.core.asked
    assert (tenant, kind, name, role) == ("globex", "user", "ACME\\ann", "analyst")
    assert to_us - from_us == 16 * 3_600_000_000
    assert actor == app.own["globex", "analyst"].split("_")[1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b'{"from": "yesterday", "to": "2026-03-02"}', 400),
        (b'{"from": 5, "to": 6}', 400),
        (b"[" * 100_000, 413),
        (b"\xff", 400),
    ],
)
def test_a_body_of_no_use_is_refused_and_says_why(app, body, status):
    answer = app.ask("POST", UNLEARN, key=app.own["acme", "admin"], content=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert app.core.asked == []


def test_an_admin_makes_lists_and_ends_keys_of_the_own_tenant_only_and_the_log_has_it(app):
    admin = app.own["acme", "admin"]
    made = app.ask("POST", "/v1/keys", key=admin, json={"role": "collector", "label": "beats"})
    assert made.status_code == 201
    key = made.json()["key"]
    key_id = key.split("_")[1]
    assert app.store.verify(key).tenant == "acme"
    assert key_id in ids(app, admin)
    assert key_id not in ids(app, app.own["globex", "admin"])
    assert key.split("_", 2)[2] not in app.ask("GET", "/v1/keys", key=admin).text
    assert app.ask("POST", "/v1/keys", key=admin, json={"role": "root"}).status_code == 400
    assert app.ask("DELETE", f"/v1/keys/{key_id}", key=app.own["globex", "admin"]).status_code == 404
    assert app.store.verify(key) is not None
    assert app.ask("DELETE", f"/v1/keys/{key_id}", key=admin).status_code == 204
    assert app.store.verify(key) is None
    assert app.ask("DELETE", f"/v1/keys/{key_id}", key=admin).status_code == 404

    page = app.ask("GET", "/v1/audit?limit=2", key=admin).json()
    assert [(line["action"], line["subject"]) for line in page["lines"]] == [
        ("key.revoke", key_id),
        ("key.create", key_id),
    ]
    assert {line["actor"] for line in page["lines"]} == {admin.split("_")[1]}
    assert page["lines"][1]["detail"] == {"actor_role": "admin", "label": "beats", "role": "collector"}
    older = app.ask("GET", f"/v1/audit?before={page['next']}", key=admin).json()
    assert {line["actor"] for line in older["lines"]} == {"cli"}
    assert len(older["lines"]) == len(Role)
    assert "collector" not in json.dumps([line["subject"] for line in older["lines"]])
    assert audit.verify(app.core.database).broken == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "before=0", "before=-1", "before=" + "9" * 30])
def test_a_page_that_is_none_is_refused(app, query):
    assert app.ask("GET", f"/v1/audit?{query}", key=app.own["acme", "admin"]).status_code == 400
