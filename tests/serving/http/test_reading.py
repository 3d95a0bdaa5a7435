"""Reading, over a store with alerts of two tenants; and the whole document against the whole application."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import date

import pandas as pd
import pytest
from sqlalchemy import insert

from features.errors import HabitusError, InputError
from serving.accounts.people import People
from serving.http import openapi
from serving.http.app import Front
from serving.http.reading import application
from serving.http.settings import Settings
from serving.learned import TakenBack
from serving.store import tables
from serving.store.database import open_database
from serving.unlearning import Unlearned
from tests.serving.asgi import App
from tests.serving.doubles import MemoryCaller, MemoryCore, MemoryKeys

ANALYSTS = {
    "key-of-acme": MemoryCaller("acme", "analyst"),
    "key-of-globex": MemoryCaller("globex", "analyst"),
}
ADMIN = "admin-key"


class ReadingCore(MemoryCore):
    """A core with a store and one habit of one entity."""

    follower = None

    async def open_days(self, tenant):
        return pd.DataFrame(
            {
                "entity_kind": ["user"], "entity": [f"open-{tenant}"], "day": [date(2026, 3, 2)],
                "risk": [1.5], "alert": [False], "n_events": [3], "reasons": [["new host"]],
            }
        )  # fmt: skip

    async def baseline(self, tenant, name):
        if name != f"user-{tenant}":
            raise InputError("nothing is known of this user")
        return pd.DataFrame({"behaviour": ["user.host"], "value": ["web"], "weight": [float("nan")]})

    def usage(self, tenant):
        return {"received": 7, "tenant": tenant}

    async def unlearn(self, tenant, kind, name, from_us, to_us, actor):
        return Unlearned(name, from_us, to_us, TakenBack(3, 1, 0.5))

    def ask(self, question):
        future = Future()
        try:
            future.set_result(question())
        except HabitusError as error:
            future.set_exception(error)
        return future

    def state_of(self, tenant):
        raise InputError("this double has learned nothing")

    def oldest_learned_us(self, state):
        return 0

    async def operate(self, operation):
        raise InputError("this double takes nothing")


def alert(tenant, number, day, risk):
    return {
        "tenant": tenant, "alert_id": f"{tenant}-{number}", "entity_kind": "user", "entity": f"user-{tenant}",
        "day": day, "risk": risk, "n_events": 10, "reasons": '["first logon to db1"]', "raised_us": 10**15,
        "updated_us": 10**15, "seq": 1,
    }  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('store') / 'habitus.db'}")
    rows = [alert(t, n, 20_500 + n // 2, float(n)) for t in ("acme", "globex") for n in range(5)]
    rows = [{**row, "day": row["day"]} for row in rows]
    for number, row in enumerate(rows):
        row["entity"] = f"{row['entity']}-{number}" if number % 5 else row["entity"]
    with database.write() as connection:
        connection.execute(insert(tables.alerts), rows)
        view = {"tenant": "acme", "name": "new", "query": "state=new", "actor": "k1", "at_us": 1}
        connection.execute(insert(tables.views), [view])
    core = ReadingCore()
    core.database = database
    made = App(core=core)
    keys = MemoryKeys({**ANALYSTS, ADMIN: MemoryCaller("acme", "admin")})
    people = People.over(database, is_secure=True)
    made.front = Front(application(), core, keys, Settings(bulk_patience_seconds=0), people=people)
    yield made
    database.close()


def test_alerts_come_newest_day_first_page_by_page(app):
    whole = app.ask("GET", "/v1/alerts", key="key-of-acme").json()
    ids = [found["finding_info"]["uid"] for found in whole["alerts"]]
    assert ids == ["acme-4", "acme-3", "acme-2", "acme-1", "acme-0"]
    assert whole["next"] is None
    pages, after = [], ""
    while True:
        page = app.ask("GET", f"/v1/alerts?limit=2&after={after}", key="key-of-acme").json()
        pages += [found["finding_info"]["uid"] for found in page["alerts"]]
        after = page["next"]
        if after is None:
            break
    assert pages == ids


def test_alerts_are_chosen_by_day_and_risk(app):
    found = app.ask("GET", "/v1/alerts?from=2026-02-17&to=2026-02-17&min_risk=3", key="key-of-acme").json()
    assert [item["finding_info"]["uid"] for item in found["alerts"]] == ["acme-3"]
    assert found["alerts"][0]["unmapped"]["day"] == "2026-02-17"
    assert found["alerts"][0]["metadata"]["tenant_uid"] == "acme"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "from=yesterday",
        "entity_kind=x",
        "min_risk=nan",
        "state=gone",
        "sort=size",
        "min_severity=6",
        "verdict_id=3",
        "since=soon",
    ],
)
def test_a_parameter_of_no_use_is_named(app, query):
    response = app.ask("GET", f"/v1/alerts?{query}", key="key-of-acme")
    assert response.status_code == 400
    assert query.partition("=")[2] in response.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/alerts/acme-1", "/v1/baselines/user-acme", "/v1/entities/user/open-acme",
        "/v1/alerts?text=acme", "/v1/alerts",
    ],
)  # fmt: skip
def test_what_one_tenant_reads_another_never_does(app, path):
    own = app.ask("GET", path, key="key-of-acme")
    other = app.ask("GET", path, key="key-of-globex")
    assert own.status_code == 200
    assert "acme" in own.text
    assert "acme" not in other.text
    if "?" not in path and path != "/v1/alerts":
        assert other.status_code == 404
        nobody = app.ask("GET", path.replace("acme", "nobody"), key="key-of-globex")
        assert other.json() == nobody.json(), "what belongs to others looks like what does not exist"


def test_the_open_day_is_shown_and_what_is_no_number_is_null(app):
    days = app.ask("GET", "/v1/entities/user/open-acme", key="key-of-acme").json()["days"]
    assert days == [
        {
            "day": "2026-03-02",
            "risk": 1.5,
            "alert": False,
            "n_events": 3,
            "reasons": ["new host"],
            "open": True,
        }
    ]
    habits = app.ask("GET", "/v1/baselines/user-acme", key="key-of-acme").json()["habits"]
    assert habits[0]["weight"] is None


def test_every_documented_path_exists(app):
    for path, operations in openapi.document()["paths"].items():
        for method in operations:
            asked = path.replace("{kind}", "user").replace("{entity}", "user-acme").replace("{index}", "logs")
            asked = (
                asked.replace("user/user-acme", "user/open-acme")
                .replace("{alert_id}", "acme-1")
                .replace("{key_id}", "k")
                .replace("{name}", "new")
                .replace("/v1/live", "/v1/live?seconds=0")
            )
            answer = app.ask(method.upper(), asked, key=ADMIN)
            assert answer.status_code != 405, path
            assert "no such route" not in answer.text, path


@pytest.mark.slow
def test_answers_are_what_the_document_says_whatever_is_asked(app):
    schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
    from hypothesis import HealthCheck, given, settings

    for media_type in ("application/x-ndjson", "application/x-protobuf"):
        schemathesis.serializer(media_type)(lambda context, value: value)
    schema = schemathesis.openapi.from_dict(openapi.document())
    schema.app = None
    for operation in schema.get_all_operations():
        if operation.ok().path == "/v1/live":
            continue  # a stream: tests/serving/http/test_console_queue.py

        @given(case=operation.ok().as_strategy())
        @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def check(case):
            response = app.ask(
                case.method,
                case.formatted_path,
                key=ADMIN,
                params=case.query or None,
                **sent(case),
            )
            assert response.status_code < 500, (case.method, case.formatted_path, response.text)
            documented = case.operation.definition.raw["responses"]
            assert str(response.status_code) in documented, (response.status_code, case.formatted_path)

        check()


def sent(case) -> dict:
    """The body of a case, as bytes."""
    import json

    from schemathesis.core import NOT_SET

    if case.body is NOT_SET:
        return {}
    content = case.body if isinstance(case.body, bytes) else json.dumps(case.body, default=str).encode()
    return {"content": content, "headers": {"Content-Type": case.media_type or "application/json"}}
