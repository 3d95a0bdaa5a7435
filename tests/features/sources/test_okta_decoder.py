from __future__ import annotations

import gzip
import json

import pytest

from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    FAILURE,
    GROUP_MANAGEMENT,
    SUCCESS,
    USER_ACCESS,
)
from features.sources.base import Sample, SourceContext
from features.sources.okta import OktaDecoder, classify

HOSTILE = (None, True, -1, 10**30, 1e308, "\x00\x1b[31m", "A" * 100_000, [], {}, [[[]]], {"a": {"b": 1}})
LOGON = {
    "uuid": "3aeede38-0000-4000-8000-000000000001",
    "published": "2026-01-05T08:00:00.250Z",
    "eventType": "user.authentication.sso",
    "version": "0",
    "severity": "INFO",
    "displayMessage": "User single sign on to app",
    "actor": {
        "id": "00u1",
        "type": "User",
        "alternateId": "alice@corp.example",
        "displayName": "Alice Smith",
    },
    "client": {
        "userAgent": {"rawUserAgent": "Mozilla/5.0", "os": "Windows 11", "browser": "EDGE"},
        "device": "Computer",
        "ipAddress": "203.0.113.9",
    },
    "device": {"id": "d1", "name": "WS-12"},
    "authenticationContext": {"credentialType": "ASSERTION", "externalSessionId": "s1"},
    "outcome": {"result": "SUCCESS", "reason": None},
    "target": [
        {"id": "0oa1", "type": "AppInstance", "alternateId": "Payroll", "displayName": "Payroll"},
        {"id": "0ua1", "type": "AppUser", "alternateId": "alice@corp.example", "displayName": "Alice Smith"},
    ],
    "request": {"ipChain": [{"ip": "203.0.113.9", "version": "V4"}]},
    "debugContext": {"debugData": {"requestUri": "/app/payroll/sso/saml"}},
}


def decode(**changes):
    return OktaDecoder(SourceContext()).decode(json.dumps(LOGON | changes).encode())


def reason(decoder, record):
    try:
        decoder.decode(json.dumps(record).encode())
    except RecordError as error:
        return str(error)
    return ""


def variants(record, value):
    for key, inner in record.items():
        yield record | {key: value}
        if isinstance(inner, dict):
            for changed in variants(inner, value):
                yield record | {key: changed}
        elif isinstance(inner, list) and inner:
            yield record | {key: [value]}
            for changed in variants(inner[0], value):
                yield record | {key: [changed]}


def test_a_sign_on_keeps_who_to_what_and_where_from():
    event = decode()
    assert event.time_us == 1767600000250000
    assert (event.class_uid, event.activity_id, event.status_id) == (AUTHENTICATION, 1, SUCCESS)
    assert (event.user, event.target_user) == ("alice", "")
    assert (event.src_ip, event.src_host, event.user_agent) == ("203.0.113.9", "ws-12", "Mozilla/5.0")
    assert (event.service, event.operation, event.auth) == ("Payroll", "user.authentication.sso", "assertion")
    assert event.uid == LOGON["uuid"]


def test_a_refused_factor_is_a_failure_with_its_reason():
    event = decode(
        eventType="user.authentication.auth_via_mfa",
        outcome={"result": "FAILURE", "reason": "INVALID_CREDENTIALS"},
        debugContext={"debugData": {"factor": "OKTA_VERIFY_PUSH"}},
        target=[{"id": "00u1", "type": "User", "alternateId": "alice@corp.example"}],
    )
    assert (event.status_id, event.status_detail) == (FAILURE, "INVALID_CREDENTIALS")
    assert (event.auth, event.service, event.target_user) == ("okta_verify_push", "Okta", "")


def test_a_challenge_is_neither_success_nor_failure():
    assert decode(outcome={"result": "CHALLENGE", "reason": "Sign-on policy evaluation"}).status_id == 0


def test_a_change_names_the_account_and_the_group_it_touches():
    event = decode(
        eventType="group.user_membership.add",
        actor={"id": "00u9", "type": "User", "alternateId": "admin@corp.example"},
        target=[
            {"id": "00u1", "type": "User", "alternateId": "alice@corp.example"},
            {"id": "00g1", "type": "UserGroup", "displayName": "Finance"},
        ],
    )
    assert (event.class_uid, event.activity_id) == (GROUP_MANAGEMENT, 3)
    assert (event.user, event.target_user, event.resource) == ("admin", "alice", "Finance")


def test_okta_itself_is_nobody_and_an_application_acts_under_its_name():
    system = {
        "id": "0",
        "type": "SystemPrincipal",
        "alternateId": "system@okta.com",
        "displayName": "Okta System",
    }
    assert decode(actor=system).user == ""
    app = {"id": "0oa2", "type": "PublicClientApp", "alternateId": "0oa2", "displayName": "Deploy Bot"}
    assert decode(actor=app).user == "deploy bot"


def test_an_unknown_user_keeps_the_name_that_was_tried():
    actor = {"id": "unknown", "type": "User", "alternateId": "mallory@corp.example", "displayName": "unknown"}
    assert decode(actor=actor).user == "mallory"


def test_the_first_hop_stands_in_for_a_missing_address():
    assert decode(client={"ipAddress": None}).src_ip == "203.0.113.9"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("user.session.start", (AUTHENTICATION, 1)),
        ("user.session.end", (AUTHENTICATION, 2)),
        ("user.session.impersonation.grant", (USER_ACCESS, 1)),
        ("user.lifecycle.delete.initiated", (ACCOUNT_CHANGE, 6)),
        ("user.account.lock.limit", (ACCOUNT_CHANGE, 9)),
        ("user.mfa.factor.reset_all", (ACCOUNT_CHANGE, 11)),
        ("user.account.privilege.grant", (USER_ACCESS, 1)),
        ("application.user_membership.add", (USER_ACCESS, 1)),
        ("policy.rule.deactivate", (API_ACTIVITY, 4)),
        ("system.api_token.create", (API_ACTIVITY, 1)),
        ("zone.update", (API_ACTIVITY, 3)),
        ("something.unheard_of", (API_ACTIVITY, 99)),
        ("", (API_ACTIVITY, 99)),
    ],
)
def test_an_event_type_has_its_class(operation, expected):
    assert classify(operation) == expected


def test_other_shapes_of_the_same_record_give_the_same_event():
    expected = decode()
    decoder = OktaDecoder(SourceContext())
    envelope = {"detail-type": "SystemLog", "source": "aws.partner/okta.com/corp/1", "detail": LOGON}
    assert decoder.decode(json.dumps(envelope).encode()) == expected
    lower = {key.lower(): value for key, value in LOGON.items()}
    assert decoder.decode(json.dumps(lower).encode()) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "expected a JSON object"),
        (b'{"eventType":"a.b"}', "time is missing"),
    ],
)
def test_a_record_that_is_none_is_refused_with_the_reason(body, why):
    with pytest.raises(RecordError, match=why):
        OktaDecoder(SourceContext()).decode(body)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_surprise_in_any_field_gives_an_event_or_a_short_reason(value):
    decoder = OktaDecoder(SourceContext())
    for record in variants(LOGON, value):
        said = reason(decoder, record)
        assert said.isprintable()
        assert len(said) < 200


def test_sniffing_knows_its_own_and_nothing_else():
    assert OktaDecoder.sniff(Sample("x", b"", (), dict(LOGON))) == 1
    trail = {"eventType": "AwsApiCall", "eventSource": "s3.amazonaws.com", "actor": {}}
    for other in ({}, trail, {"eventType": "a.b", "actor": "alice"}, {"eventType": "a.b", "actor": {}}):
        assert OktaDecoder.sniff(Sample("x", b"", (), other)) == 0


def test_sample_events_of_detection_rules_decode_or_say_that_their_time_was_trimmed(real_data):
    decoder, reasons, events = OktaDecoder(SourceContext()), set(), 0
    with gzip.open(real_data / "panther" / "unit_events.ndjson.gz") as file:
        rows = [row for row in map(json.loads, file) if row["log_type"] == "Okta.SystemLog"]
    for row in rows:
        said = reason(decoder, row["event"])
        reasons.add(said)
        events += said == ""
    assert reasons <= {"", "time is missing", "time is not ISO 8601"}
    assert events == 44
