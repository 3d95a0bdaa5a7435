"""`habitus alerts` against a real server in this process: uvicorn over the real application and core."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from serving.cli.main import cli
from tests.serving.triage.triage_app import alert, listening, opened

EVIL = 'eve\x1b]0;owned\x07\x1b[2J" \u202e'


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    alerts = [
        alert("acme", 1),
        alert("acme", 2, entity=EVIL, reasons=json.dumps([f"first logon to {EVIL}"])),
        alert("acme", 3),
        alert("globex", 4),
    ]
    desk = opened(tmp_path_factory.mktemp("cli") / "data", alerts)
    with listening(desk) as url:
        yield {"HABITUS_URL": url, "HABITUS_KEY": desk.own["acme", "analyst"]}


def run(service, *arguments, code=0, **given):
    result = CliRunner().invoke(cli, ["alerts", *arguments], env=service, **given)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_a_case_is_worked_on_from_the_terminal(service):
    listed = run(service, "list").stdout.splitlines()
    assert len(listed) == 3
    assert "acme-3" in listed[0]
    assert "[new]" in listed[0]
    assert "[triaged, benign]" in run(service, "verdict", "acme-3", "benign", "--reason", "a backup").stdout
    assert "with zoë" in run(service, "assign", "acme-3", "zoë").stdout
    run(service, "note", "acme-3", "-", input="one\ntwo")
    assert "[closed, benign, with zoë]" in run(service, "close", "acme-3").stdout
    shown = run(service, "show", "acme-3").stdout
    for text in (
        "verdict: nothing -> Benign",
        "state: triaged -> closed",
        "assignee: nothing -> zoë",
        "      two",
    ):
        assert text in shown
    assert "[closed, with zoë]" in run(service, "verdict", "acme-3", "revert").stdout
    assert [line.split()[0] for line in run(service, "list", "--state", "closed").stdout.splitlines()] == [
        "acme-3"
    ]


def test_json_is_what_the_service_answered(service):
    page = json.loads(run(service, "list", "--json", "--entity", "user1").stdout)
    assert [found["finding_info"]["uid"] for found in page["alerts"]] == ["acme-1"]
    assert json.loads(run(service, "show", "acme-1", "--json").stdout)["history"] == []


def test_nothing_from_an_event_steers_the_terminal(service):
    for arguments in (("list",), ("show", "acme-2"), ("list", "--json"), ("show", "acme-2", "--json")):
        text = run(service, *arguments).stdout
        assert "acme-2" in text
        assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_what_the_service_has_against_it_is_one_line(service):
    for arguments, status in ((("show", "globex-4"), "404"), (("close", "acme-1", "--version", "9"), "409")):
        result = CliRunner().invoke(cli, ["alerts", *arguments], env=service)
        assert status in str(result.exception)
    run({**service, "HABITUS_KEY": ""}, "list", code=2)
    nobody = {**service, "HABITUS_URL": "http://127.0.0.1:9"}
    assert "cannot be asked" in str(CliRunner().invoke(cli, ["alerts", "list"], env=nobody).exception)
