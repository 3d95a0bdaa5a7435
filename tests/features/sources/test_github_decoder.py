from __future__ import annotations

import gzip
import json

import pytest

from features.errors import RecordError
from features.events import API_ACTIVITY, AUTHENTICATION, FAILURE, GROUP_MANAGEMENT, SUCCESS, USER_ACCESS
from features.sources.base import Sample, SourceContext
from features.sources.github import GitHubDecoder, classify

HOSTILE = (None, True, -1, 10**30, 1e308, "\x00\x1b[31m", "A" * 100_000, [], {}, [[[]]], {"a": {"b": 1}})
ENTRY = {
    "@timestamp": 1767600000250,
    "_document_id": "pWWWWWWWWWWWWWWWWWWWWW",
    "action": "repo.add_member",
    "actor": "Alice-Smith",
    "actor_ip": "203.0.113.9",
    "actor_location": {"country_code": "SE"},
    "created_at": 1767600000250,
    "operation_type": "create",
    "org": "corp-example",
    "programmatic_access_type": "Fine-grained personal access token",
    "repo": "corp-example/payroll",
    "user": "bob",
    "user_agent": "Mozilla/5.0",
}


def decode(**changes):
    return GitHubDecoder(SourceContext()).decode(json.dumps(ENTRY | changes).encode())


def reason(decoder, record):
    try:
        decoder.decode(json.dumps(record).encode())
    except RecordError as error:
        return str(error)
    return ""


def test_an_entry_keeps_who_did_what_to_whom_and_where():
    event = decode()
    assert event.time_us == 1767600000250000
    assert (event.class_uid, event.activity_id, event.status_id) == (USER_ACCESS, 1, SUCCESS)
    assert (event.user, event.target_user, event.src_ip) == ("alice-smith", "bob", "203.0.113.9")
    assert (event.resource, event.cloud_account, event.service) == (
        "corp-example/payroll",
        "corp-example",
        "GitHub",
    )
    assert event.auth == "fine-grained personal access token"
    assert event.uid == ENTRY["_document_id"]


def test_a_git_event_reads_or_writes_a_repository():
    event = decode(action="git.clone", transport_protocol_name="SSH", user=None)
    assert (event.class_uid, event.activity_id, event.protocol) == (API_ACTIVITY, 2, "ssh")
    assert decode(action="git.push").activity_id == 3


def test_a_team_is_what_a_team_event_is_about():
    event = decode(action="team.add_member", team="corp-example/admins")
    assert (event.class_uid, event.activity_id, event.resource) == (
        GROUP_MANAGEMENT,
        3,
        "corp-example/admins",
    )


def test_failure_is_told_by_the_action_or_by_the_conclusion_of_a_run():
    login = decode(action="user.failed_login", operation_type="authentication")
    assert (login.class_uid, login.status_id, login.status_detail) == (
        AUTHENTICATION,
        FAILURE,
        "failed_login",
    )
    run = decode(action="workflows.completed_workflow_run", conclusion="timed_out")
    assert (run.status_id, run.status_detail) == (FAILURE, "timed_out")
    assert decode(action="workflows.completed_workflow_run", conclusion="success").status_id == SUCCESS


@pytest.mark.parametrize(
    "stamp",
    [{"@timestamp": "2026-01-05 08:00:00.250"}, {"@timestamp": None}, {"@timestamp": "1767600000250"}],
)
def test_the_time_may_be_rewritten_or_elsewhere(stamp):
    assert decode(**stamp).time_us == 1767600000250000


def test_fields_of_an_enterprise_server_lie_under_data():
    record = {
        "@timestamp": 1767600000250,
        "action": "hook.create",
        "actor": "alice",
        "data": {"repo": "corp/web"},
    }
    assert GitHubDecoder(SourceContext()).decode(json.dumps(record).encode()).resource == "corp/web"


@pytest.mark.parametrize(
    ("action", "kind", "expected"),
    [
        ("org.sso_response", "", (AUTHENTICATION, 1)),
        ("anything.at_all", "authentication", (AUTHENTICATION, 1)),
        ("repo.transfer", "transfer", (API_ACTIVITY, 3)),
        ("protected_branch.policy_override", "", (API_ACTIVITY, 3)),
        ("repo.download_zip", "", (API_ACTIVITY, 2)),
        ("hook.destroy", "", (API_ACTIVITY, 4)),
        ("repo.archived", "", (API_ACTIVITY, 99)),
        ("", "", (API_ACTIVITY, 99)),
    ],
)
def test_an_action_has_its_class(action, kind, expected):
    assert classify(action, kind) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not valid JSON"),
        (b"null", "expected a JSON object"),
        (b'{"action":"repo.create"}', "time is missing"),
        (b'{"action":"repo.create","@timestamp":true}', "time is not a number"),
        (b'{"action":"repo.create","@timestamp":99999999999999999}', "out of range"),
    ],
)
def test_a_record_that_is_none_is_refused_with_the_reason(body, why):
    with pytest.raises(RecordError, match=why):
        GitHubDecoder(SourceContext()).decode(body)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_surprise_in_any_field_gives_an_event_or_a_short_reason(value):
    decoder = GitHubDecoder(SourceContext())
    for key in (*ENTRY, "data", "team", "conclusion", "business", "transport_protocol_name"):
        said = reason(decoder, ENTRY | {key: value})
        assert said.isprintable()
        assert len(said) < 200


def test_sniffing_knows_its_own_and_nothing_else():
    assert GitHubDecoder.sniff(Sample("x", b"", (), dict(ENTRY))) == 1
    webhook = {"action": "opened", "repository": {}, "sender": {}}
    slack = {"action": "user.login", "actor": {"type": "user"}, "created_at": 1, "org": "x"}
    for other in (
        {},
        webhook,
        slack,
        {"action": "a.b", "actor": "x", "created_at": 1},
        {"action": "a.b", "org": "x"},
    ):
        assert GitHubDecoder.sniff(Sample("x", b"", (), other)) == 0


def test_sample_events_of_detection_rules_decode_or_say_that_their_time_was_trimmed(real_data):
    decoder = GitHubDecoder(SourceContext())
    with gzip.open(real_data / "panther" / "unit_events.ndjson.gz") as file:
        rows = [row for row in map(json.loads, file) if row["log_type"] == "GitHub.Audit"]
    reasons = [reason(decoder, row["event"]) for row in rows]
    assert set(reasons) <= {"", "time is missing"}
    assert reasons.count("") == 58
