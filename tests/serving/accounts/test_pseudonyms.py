from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from serving import audit
from serving.accounts.pseudonyms import Names
from serving.store import tables
from tests.serving.accounts.desk import Office
from tests.serving.triage.triage_app import alert, known_users, opened

NAMES = Names(b"key", ["alice", "Bob.Ash", "svc backup", "new", "zoë@acme.example"])


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    desk = opened(tmp_path_factory.mktemp("veil") / "data")
    known_users(desk.core)
    given = {"reasons": '["user1 used host db1, first of user2; user1\'s hour"]'}
    rows = [alert(tenant, number, **given) for tenant in ("acme", "globex") for number in range(1, 4)]
    with desk.core.database.write() as connection:
        connection.execute(insert(tables.alerts), rows)
    made = Office(desk.core)
    for login in ("zoe", "user1"):
        made.hire(login)
    made.hire("eve", tenant="globex")
    yield made
    desk.core.stop()


def veiled(office, login="zoe"):
    browser = office.browser(login)
    assert browser.ask("POST", "/console/session/pseudonymous", json={"on": True}).json()["pseudonymous"]
    return browser


@pytest.mark.parametrize(
    "text",
    [
        "alice", "ALICE", "alice used host db1.", "CORP\\alice", "alice@acme.example", "by Alice, (bob.ash)",
        "svc backup ran", "first of zoë@acme.example!", '"alice"', "user:alice", "alice's",
    ],
)  # fmt: skip
def test_names_are_replaced_wherever_they_stand(text):
    found = NAMES.veiled({"message": text})["message"]
    assert not any(name in found.casefold() for name in ("alice", "bob.ash", "svc backup", "zoë@"))
    assert "user-" in found


def test_words_that_only_hold_a_name_and_fields_that_name_nobody_stay():
    value = {"state": "new", "reason": "malice and renewal", "entity_kind": "host", "version": 3, "x": None}
    assert NAMES.veiled(value) == value


def test_somebody_who_came_a_moment_ago_has_a_pseudonym_as_well():
    value = {"entity_kind": "user", "entity": "fresh", "reasons": ["fresh used db1"], "raw": '{"fresh"}'}
    found = NAMES.veiled([value])[0]
    assert "fresh" not in json.dumps(found)
    assert found["raw"] is None
    assert found["reasons"] == [f"{NAMES.pseudonym('fresh')} used db1"]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_the_shape_of_an_answer_stays(value):
    found = NAMES.veiled(value)
    assert type(found) is type(value)
    if isinstance(value, dict):
        assert list(found) == list(value)


def test_a_pseudonym_is_the_same_for_ever_and_another_in_another_tenant():
    assert NAMES.pseudonym("alice") == NAMES.pseudonym("Alice")
    assert NAMES.pseudonym("alice") != Names(b"other", []).pseudonym("alice")
    assert (
        NAMES.named(f"of {NAMES.pseudonym('alice')} and user-000000000000")
        == "of alice and user-000000000000"
    )


def test_a_session_sees_pseudonyms_and_works_with_them(office):
    browser = veiled(office)
    answer = browser.ask("GET", "/v1/alerts")
    assert "user1" not in answer.text
    assert "db1" in answer.text
    entity = next(
        one["unmapped"]["entity"] for one in answer.json()["alerts"] if one["finding_info"]["uid"] == "acme-1"
    )
    assert entity.startswith("user-")
    for path in (f"/v1/baselines/{entity}", f"/v1/entities/user/{entity}/context"):
        own = browser.ask("GET", path)
        assert own.status_code == 200, path
        assert "user1" not in own.text
    assert len(browser.ask("GET", f"/v1/alerts?entity={entity}").json()["alerts"]) == 1
    note = browser.ask("POST", "/v1/alerts/acme-1/notes", json={"text": f"asked {entity}"})
    assert note.status_code == 201
    plain = office.browser("zoe")
    assert "asked user1" in plain.ask("GET", "/v1/alerts/acme-1/history").text
    assert "user1" in plain.ask("GET", "/v1/alerts").text


def test_a_name_is_not_found_out_by_asking_for_it(office):
    browser = veiled(office)
    assert browser.ask("GET", "/v1/baselines/user1").status_code == 404
    assert browser.ask("GET", "/v1/entities/user/USER1").status_code == 404
    assert browser.ask("GET", "/v1/alerts?entity=user1").status_code == 404
    assert browser.ask("GET", "/v1/alerts?text=ser1").status_code == 403
    assert browser.ask("GET", "/v1/alerts?text=db1").status_code == 200


def test_a_name_is_revealed_with_a_reason_that_is_kept(office):
    browser = veiled(office)
    entity = browser.ask("GET", "/v1/alerts?limit=1&sort=risk").json()["alerts"][0]["unmapped"]["entity"]
    for body in ({"pseudonym": entity, "reason": " "}, {"pseudonym": "user1", "reason": "x"}):
        assert browser.ask("POST", "/v1/reveal", json=body).status_code == 400
    told = browser.ask("POST", "/v1/reveal", json={"pseudonym": entity, "reason": "a case"}).json()
    assert told == {"pseudonym": entity, "name": "user3"}
    line = audit.lines(office.core.database, "acme", 1)[0]
    assert (line["actor"], line["action"], line["subject"]) == ("zoe", "pseudonym.reveal", entity)
    assert "a case" in line["detail"]
    assert "user3" not in str(line)
    other = veiled(office, "eve")
    body = {"pseudonym": entity, "reason": "curious"}
    assert other.ask("POST", "/v1/reveal", json=body).status_code == 404


def test_switching_it_off_stands_in_the_audit_log(office):
    browser = veiled(office)
    browser.ask("POST", "/console/session/pseudonymous", json={"on": False})
    assert "user1" in browser.ask("GET", "/v1/alerts").text
    line = audit.lines(office.core.database, "acme", 1)[0]
    assert (line["action"], json.loads(line["detail"])["on"]) == ("session.pseudonymous", False)
