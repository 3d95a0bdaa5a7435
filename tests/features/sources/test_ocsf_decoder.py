"""OCSF JSON to events: who acts, where, and what becomes of records that are not as the schema says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecordError
from features.events import CLASS_NAMES, LATEST_US, Event
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.ocsf import OcsfDecoder, machine_of
from features.sources.ocsf_schema import Document, shapes_of
from features.sources.parsing import TEXT_LIMIT

TIME = 1_772_000_000_123


def decode(**fields: object) -> Event:
    return decode_bytes(json.dumps({"time": TIME, "class_uid": 0, **fields}).encode())


def decode_bytes(record: bytes) -> Event:
    return OcsfDecoder(SourceContext()).decode(record)


def sample(record: dict[str, object]) -> Sample:
    return Sample("events.json", b"", (), record)


def test_decoder_follows_the_protocol():
    assert isinstance(OcsfDecoder(SourceContext()), Decoder)
    assert OcsfDecoder.name == "ocsf"


def test_sign_in():
    event = decode(
        class_uid=3002,
        activity_id=1,
        status_id=2,
        status_detail="bad password",
        metadata={"uid": "4f2c", "version": "1.8.0"},
        user={"name": "Alice", "domain": "CORP", "uid": "S-1-5-21-1-2-3-1105"},
        actor={"user": {"name": "WS-12$"}},
        device={"hostname": "DC-1.corp.example"},
        src_endpoint={"ip": "::ffff:10.0.0.7", "hostname": "WS-12.corp.example"},
        auth_protocol="NTLM",
        logon_type="Network",
    )
    assert event == Event(
        time_us=TIME * 1000,
        class_uid=3002,
        activity_id=1,
        status_id=2,
        uid="4f2c",
        user="alice",
        host="dc-1",
        src_ip="10.0.0.7",
        src_host="ws-12",
        auth="ntlm network",
        status_detail="bad password",
    )


def test_sign_in_without_a_device_happened_at_the_destination():
    event = decode(class_uid=3002, dst_endpoint={"hostname": "vpn-1.corp.example", "ip": "10.0.0.1"})
    assert (event.host, event.dst_host, event.dst_ip) == ("vpn-1", "vpn-1", "10.0.0.1")
    assert decode(class_uid=3003, dst_endpoint={"ip": "10.0.0.1"}).host == "10.0.0.1"
    assert decode(class_uid=4001, dst_endpoint={"ip": "10.0.0.1"}).host == ""


def test_process_start():
    event = decode(
        class_uid=1007,
        activity_id=1,
        actor={"user": {"name": "alice"}, "process": {"file": {"path": "C:\\Windows\\explorer.exe"}}},
        device={"name": "WS-12"},
        process={
            "file": {"path": "C:\\Windows\\System32\\cmd.exe"},
            "cmd_line": "cmd.exe /c whoami",
            "user": {"name": "bob"},
        },
    )
    assert (event.user, event.host) == ("bob", "ws-12")
    assert event.process == "C:\\Windows\\System32\\cmd.exe"
    assert event.parent_process == "C:\\Windows\\explorer.exe"
    assert event.command == "cmd.exe /c whoami"


def test_parent_process_of_its_own_comes_before_the_actor():
    process = {"name": "sh", "parent_process": {"name": "sshd"}}
    event = decode(class_uid=1007, process=process, actor={"process": {"name": "init"}})
    assert (event.process, event.parent_process) == ("sh", "sshd")


def test_other_classes_take_the_process_of_the_actor():
    actor = {"process": {"file": {"path": "/usr/bin/curl"}, "cmd_line": "curl x", "user": {"name": "eve"}}}
    event = decode(class_uid=4001, actor=actor)
    assert (event.user, event.process, event.command) == ("eve", "/usr/bin/curl", "curl x")
    assert event.parent_process == ""


@pytest.mark.parametrize("class_uid", [3001, 3004, 3005, 3006])
def test_account_changes_have_an_actor_and_a_target(class_uid):
    event = decode(class_uid=class_uid, actor={"user": {"name": "admin"}}, user={"name": "eve"})
    assert (event.user, event.target_user) == ("admin", "eve")
    alone = decode(class_uid=class_uid, user={"name": "eve"})
    assert (alone.user, alone.target_user) == ("eve", "")


@pytest.mark.parametrize(
    ("actor", "user"),
    [
        ({"name": "eve"}, {"name": "eve"}),
        ({"name": "eve", "uid": "S-1-5-21-1-2-3-7"}, {"uid": "S-1-5-21-1-2-3-7"}),
    ],
)
def test_a_change_of_the_own_account_has_no_target(actor, user):
    assert decode(class_uid=3001, actor={"user": actor}, user=user).target_user == ""


def test_group_management_names_the_group_as_resource():
    event = decode(
        class_uid=3006, actor={"user": {"name": "admin"}}, user={"name": "eve"}, group={"name": "wheel"}
    )
    assert event.resource == "wheel"


def test_cloud_call():
    event = decode(
        class_uid=6003,
        activity_id=2,
        actor={
            "user": {"type": "AssumedRole", "uid": "arn:aws:sts::123456789012:assumed-role/Deploy/session-9"},
            "invoked_by": "athena.amazonaws.com",
        },
        api={"operation": "GetObject", "service": {"name": "s3.amazonaws.com"}},
        resources=[{"uid": "arn:aws:s3:::payroll"}, {"name": "other"}],
        cloud={"provider": "AWS", "region": "eu-central-1", "account": {"uid": "123456789012"}},
        http_request={"user_agent": "aws-cli/2.15.30"},
        src_endpoint={"ip": "198.51.100.7"},
        status_code="AccessDenied",
        status="Failure",
    )
    assert event.user == "role/deploy"
    assert (event.operation, event.service) == ("GetObject", "s3.amazonaws.com")
    assert event.resource == "arn:aws:s3:::payroll"
    assert (event.cloud_account, event.cloud_region) == ("123456789012", "eu-central-1")
    assert (event.user_agent, event.src_ip) == ("aws-cli/2.15.30", "198.51.100.7")
    assert (event.status_id, event.status_detail) == (2, "AccessDenied")


def test_a_service_that_acts_alone_is_no_user():
    assert decode(class_uid=6003, actor={"invoked_by": "config.amazonaws.com", "app_name": "x"}).user == ""


def test_connection():
    event = decode(
        class_uid=4001,
        src_endpoint={"ip": "10.0.0.7", "name": "ws-7"},
        dst_endpoint={"ip": "203.0.113.9", "port": 443, "svc_name": "https"},
        connection_info={"protocol_name": "TCP", "protocol_num": 6},
        tls={"sni": "example.org"},
    )
    assert (event.protocol, event.dst_port, event.service, event.domain) == (
        "tcp",
        443,
        "https",
        "example.org",
    )
    assert event.src_host == "ws-7"
    assert decode(connection_info={"protocol_num": 17}).protocol == "udp"


@pytest.mark.parametrize(
    ("fields", "attribute", "expected"),
    [
        ({"query": {"hostname": "a.example"}, "url": {"hostname": "b.example"}}, "domain", "a.example"),
        (
            {"http_request": {"url": {"hostname": "c.example"}}, "url": {"hostname": "b"}},
            "domain",
            "c.example",
        ),
        ({"file": {"path": "/etc/passwd", "name": "passwd"}}, "file", "/etc/passwd"),
        ({"file": {"name": "passwd"}}, "file", "passwd"),
        ({"module": {"file": {"path": "C:\\x.dll"}}}, "file", "C:\\x.dll"),
        ({"driver": {"file": {"name": "x.sys"}}}, "file", "x.sys"),
        ({"reg_key": {"path": "HKLM\\Run"}}, "file", "HKLM\\Run"),
        ({"reg_value": {"path": "HKLM\\Run\\x"}}, "file", "HKLM\\Run\\x"),
        ({"share": "\\\\fs-1\\finance"}, "file", "\\\\fs-1\\finance"),
        ({"job": {"name": "\\Updater", "cmd_line": "calc"}}, "resource", "\\Updater"),
        ({"job": {"name": "\\Updater", "cmd_line": "calc"}}, "command", "calc"),
        ({"win_service": {"name": "PSEXESVC"}}, "resource", "PSEXESVC"),
        ({"resource": {"uid": "r-1"}}, "resource", "r-1"),
        ({"resources": [{"name": "first", "uid": "r"}], "resource": {"name": "x"}}, "resource", "first"),
        ({"database": {"name": "hr"}}, "resource", "hr"),
        ({"app": {"name": "Teams"}}, "service", "Teams"),
        ({"service": {"name": "sshd"}, "app": {"name": "Teams"}}, "service", "sshd"),
        ({"device": {"uid": "i-0abc", "ip": "10.0.0.1"}}, "host", "i-0abc"),
        ({"device": {"ip": "10.0.0.1"}}, "host", "10.0.0.1"),
        ({"user": {"email_addr": "Alice@corp.example"}}, "user", "alice"),
        ({"user": {"uid": "S-1-5-21-1-2-3-1105"}}, "user", "S-1-5-21-1-2-3-1105"),
        (
            {"user": {"name": "Administrator", "domain": "WS-12"}, "device": {"hostname": "WS-12"}},
            "user",
            None,
        ),
        ({"auth_protocol_id": 2, "logon_type_id": 10}, "auth", "kerberos remoteinteractive"),
        ({"auth_protocol_id": 99, "logon_type_id": 3}, "auth", "network"),
        ({"auth_protocol": "SAML", "is_mfa": True}, "auth", "saml mfa"),
        ({"is_mfa": True}, "auth", "mfa"),
        ({"is_mfa": False}, "auth", ""),
        ({"status": "SUCCESS"}, "status_id", 1),
        ({"status_id": 99, "status": "failure"}, "status_id", 2),
        ({"status_id": 99, "status": "Throttled"}, "status_id", 0),
        ({"dst_endpoint": {"port": 70000}}, "dst_port", 0),
        ({"dst_endpoint": {"port": -1}}, "dst_port", 0),
    ],
)
def test_attributes(fields, attribute, expected):
    expected = "ws-12\\administrator" if expected is None else expected
    assert getattr(decode(**fields), attribute) == expected


@pytest.mark.parametrize("class_uid", CLASS_NAMES)
def test_every_class_is_read(class_uid):
    assert decode(class_uid=class_uid, actor={"user": {"name": "alice"}}).user == "alice"


def test_class_and_activity_come_from_the_type_where_they_are_missing():
    event = decode(class_uid=None, type_uid=300201)
    assert (event.class_uid, event.activity_id) == (3002, 1)
    assert decode(class_uid=3002, type_uid=300204, activity_id=1).activity_id == 1


@pytest.mark.parametrize(
    ("time", "expected_us"),
    [
        (TIME, TIME * 1000),
        (TIME + 0.5, TIME * 1000 + 500),
        (str(TIME), TIME * 1000),
        ("2026-02-25T06:13:20.123Z", TIME * 1000),
        (0, 0),
    ],
)
def test_time(time, expected_us):
    assert decode(time=time).time_us == expected_us


def test_time_as_text_stands_in_where_the_number_is_missing():
    assert decode(time=None, time_dt="2026-02-25T07:13:20.123456+01:00").time_us == TIME * 1000 + 456


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time": None}, "no time"),
        ({"time": ""}, "no time"),
        ({"time": []}, "no time"),
        ({"time": True}, "no time"),
        ({"time": "soon"}, "time is not a number"),
        ({"time": "2026-13-45"}, "time is not ISO 8601"),
        ({"time": -1}, "time out of range"),
        ({"time": LATEST_US // 1000}, "time out of range"),
        ({"time": 10**30}, "time out of range"),
        ({"time": 1e300}, "time out of range"),
        ({"class_uid": None}, "no class_uid"),
        ({"class_uid": "login"}, "no class_uid"),
        ({"class_uid": -1}, "class_uid out of range"),
        ({"class_uid": 2**31}, "class_uid out of range"),
        ({"class_uid": None, "type_uid": -5}, "class_uid out of range"),
    ],
)
def test_records_without_time_or_class_are_refused(fields, reason):
    with pytest.raises(RecordError, match=reason):
        decode(**fields)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'{"class_uid":1,"time":NaN}',
        b'{"class_uid":1,"time":1}x',
        b"\x00\x00",
        b'{"user":{"name":"\xff"}}',
        b'{"user":{"name":"\\ud800"}}',
        b'{"class_uid":"1","time":1,"x":"\xff"}',
        b'{"x":' * 100_000,
        b'{"class_uid":1,"time":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"class_uid":1,"time":' + b"9" * 6000 + b"}",
    ],
)
def test_broken_records_are_refused_with_a_short_reason(record):
    with pytest.raises(RecordError) as caught:
        decode_bytes(record)
    reason = str(caught.value)
    assert 0 < len(reason) < 200
    assert reason.isprintable()


def test_a_field_of_another_type_is_missing_and_the_rest_is_kept():
    event = decode(
        class_uid="3002",
        status_id=1.0,
        user={"name": ["alice"], "uid": 501},
        device="ws-1",
        src_endpoint={"ip": 7, "hostname": "ws-7"},
        dst_endpoint={"port": "443"},
        metadata=[1],
        resources={"name": "single"},
        is_mfa="true",
        activity_id=True,
    )
    assert (event.class_uid, event.status_id, event.activity_id) == (3002, 1, 0)
    assert (event.user, event.host, event.src_ip, event.src_host) == ("501", "", "", "ws-7")
    assert (event.dst_port, event.uid, event.resource, event.auth) == (443, "", "single", "mfa")


def test_the_last_of_duplicate_keys_counts():
    assert decode_bytes(b'{"class_uid":1,"time":1,"user":{"name":"a"},"user":{"name":"b"}}').user == "b"


def test_long_texts_are_cut():
    event = decode(
        process={"cmd_line": "x" * 20_000}, user={"name": "y" * 20_000}, metadata={"uid": "z" * 20_000}
    )
    assert len(event.command) == TEXT_LIMIT
    assert len(event.uid) == TEXT_LIMIT
    assert len(event.user) <= 128


@pytest.mark.parametrize(
    ("record", "sure"),
    [
        ({"class_uid": 3002, "time": 1}, 0.98),
        ({"class_uid": 3002, "metadata": {}}, 0.98),
        ({"type_uid": 300201, "metadata": {}}, 0.9),
        ({"class_uid": 3002}, 0.0),
        ({"class_uid": "x", "time": 1}, 0.0),
        ({"class_uid": True, "time": 1}, 0.0),
        ({}, 0.0),
        ({"@timestamp": "2026-01-01", "event": {"code": "4624"}}, 0.0),
    ],
)
def test_sniffing(record, sure):
    assert OcsfDecoder.sniff(sample(record)) == sure


def test_blank_lines_are_no_records():
    lines = [(1, b"{}"), (2, b""), (3, b" \t\r"), (4, b"{} ")]
    assert list(OcsfDecoder(SourceContext()).frames(lines)) == [lines[0], lines[3]]


@pytest.mark.parametrize(
    ("name", "domain", "uid", "host", "kept"),
    [
        ("a", "WS-12", "", "ws-12.corp.example", True),
        ("a", "ws-12.corp.example", "", "WS-12.corp.example", True),
        ("a", ".", "", "ws-12", True),
        ("WS-12\\a", "", "", "ws-12", True),
        ("a", "LONGCOMPUTERNAM", "", "longcomputername-7", True),
        ("a", "", "1000", "ws-12", True),
        ("a", "CORP", "S-1-5-21-1", "corp-ws-12", False),
        ("a", "CORP", "", "ws-12", False),
        ("CORP\\a", "WS-12", "", "ws-12", False),
        ("a", "", "", "ws-12", False),
        ("a", "ws-12", "", "", False),
    ],
)
def test_machine_is_kept_where_it_can_change_who_is_meant(name, domain, uid, host, kept):
    assert machine_of(name, domain, uid, host) == (host if kept else "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "uid", "file", "user"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(list(shapes_of(Document))), JSON, max_size=12))
def test_any_json_gives_an_event_or_a_short_refusal(fields):
    record = json.dumps({"class_uid": 1007, "time": TIME, **fields}).encode()
    event, reason = None, ""
    try:
        event = decode_bytes(record)
    except RecordError as error:
        reason = str(error)
    assert len(reason) < 200
    assert reason.isprintable()
    if event is not None:
        assert 0 <= event.class_uid < 2**31
        assert 0 <= event.activity_id < 2**31
        assert 0 <= event.dst_port < 65536


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_short_reason(record):
    with pytest.raises(RecordError) as caught:
        decode_bytes(record)
    assert str(caught.value).isprintable()
