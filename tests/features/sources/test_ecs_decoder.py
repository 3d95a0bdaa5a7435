"""ECS documents of Beats and Elastic Agent: classes, people, places, and whatever else may stand in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    APPLICATION_LIFECYCLE,
    AUTHENTICATION,
    BASE_EVENT,
    DETECTION_FINDING,
    DNS_ACTIVITY,
    ENTITY_MANAGEMENT,
    FAILURE,
    FILE_ACTIVITY,
    GROUP_MANAGEMENT,
    HTTP_ACTIVITY,
    MODULE_ACTIVITY,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    REGISTRY_KEY,
    REGISTRY_VALUE,
    SUCCESS,
    Event,
)
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.ecs import EcsDecoder

STAMP = "2024-03-05T08:09:10.123Z"


def ecs(**sections: object) -> Event:
    record: dict[str, object] = {"@timestamp": STAMP, "ecs": {"version": "8.11.0"}} | sections
    return EcsDecoder(SourceContext()).decode(json.dumps(record).encode())


def kind(category: object, types: object = None, action: str = "", **sections: object) -> tuple[int, int]:
    event = ecs(event={"category": category, "type": types, "action": action}, **sections)
    return event.class_uid, event.activity_id


def test_an_ssh_logon_of_filebeat_names_user_host_source_and_method() -> None:
    event = ecs(
        event={
            "category": ["authentication", "session"],
            "type": ["info"],
            "action": "ssh_login",
            "outcome": "failure",
            "dataset": "system.auth",
        },
        user={"name": "Alice"},
        host={"name": "WEB-01.corp.example", "hostname": "web-01"},
        source={"ip": "198.51.100.7", "port": 51000},
        process={"name": "sshd", "pid": 4},
        system={"auth": {"ssh": {"method": "publickey"}}},
    )
    assert event == Event(
        time_us=1_709_626_150_123_000,
        class_uid=AUTHENTICATION,
        activity_id=1,
        status_id=FAILURE,
        user="alice",
        host="web-01",
        src_ip="198.51.100.7",
        process="sshd",
        operation="ssh_login",
        auth="publickey",
    )


@pytest.mark.parametrize(
    ("category", "types", "action", "expected"),
    [
        ("authentication", "start", "", (AUTHENTICATION, 1)),
        (["authentication"], ["end"], "", (AUTHENTICATION, 2)),
        ("authentication", "info", "user-logout", (AUTHENTICATION, 2)),
        ("session", "end", "", (AUTHENTICATION, 2)),
        ("iam", ["user", "creation"], "added-user-account", (ACCOUNT_CHANGE, 1)),
        ("iam", ["user", "deletion"], "", (ACCOUNT_CHANGE, 6)),
        ("iam", ["user", "change"], "reset-password", (ACCOUNT_CHANGE, 4)),
        ("iam", ["user", "change"], "changed-password", (ACCOUNT_CHANGE, 3)),
        ("iam", ["user", "change"], "disabled-user-account", (ACCOUNT_CHANGE, 5)),
        ("iam", ["user", "change"], "unlocked-user-account", (ACCOUNT_CHANGE, 12)),
        ("iam", ["group", "change"], "added-member-to-group", (GROUP_MANAGEMENT, 3)),
        ("iam", ["group", "change"], "removed-member-from-group", (GROUP_MANAGEMENT, 4)),
        ("iam", ["group", "creation"], "group-created", (GROUP_MANAGEMENT, 6)),
        ("iam", ["admin", "change"], "", (ENTITY_MANAGEMENT, 3)),
        ("process", "start", "", (PROCESS_ACTIVITY, 1)),
        ("process", ["end"], "", (PROCESS_ACTIVITY, 2)),
        ("file", "creation", "", (FILE_ACTIVITY, 1)),
        ("file", "deletion", "", (FILE_ACTIVITY, 4)),
        ("file", "change", "rename", (FILE_ACTIVITY, 5)),
        ("library", "start", "load", (MODULE_ACTIVITY, 1)),
        ("network", ["connection", "start"], "", (NETWORK_ACTIVITY, 1)),
        ("network", ["connection", "end"], "", (NETWORK_ACTIVITY, 2)),
        ("network", ["connection", "denied"], "", (NETWORK_ACTIVITY, 5)),
        ("network", "protocol", "", (NETWORK_ACTIVITY, 6)),
        ("package", "installation", "", (APPLICATION_LIFECYCLE, 1)),
        ("configuration", "change", "", (ENTITY_MANAGEMENT, 3)),
        ("intrusion_detection", "info", "", (DETECTION_FINDING, 1)),
        (["network", "intrusion_detection"], "connection", "", (NETWORK_ACTIVITY, 6)),
        ("host", "info", "", (BASE_EVENT, 0)),
        (None, None, "", (BASE_EVENT, 0)),
        (5, {"a": 1}, "", (BASE_EVENT, 0)),
    ],
)
def test_category_type_and_action_give_class_and_activity(
    category: object, types: object, action: str, expected: tuple[int, int]
) -> None:
    assert kind(category, types, action) == expected


def test_an_alert_is_a_finding_whatever_it_is_about() -> None:
    assert ecs(event={"kind": "alert", "category": ["process"]}).class_uid == DETECTION_FINDING


def test_registry_values_and_keys_are_told_apart() -> None:
    assert kind("registry", "change", registry={"value": "x"}) == (REGISTRY_VALUE, 2)
    assert kind("registry", "deletion", registry={"key": "x"}) == (REGISTRY_KEY, 4)
    assert ecs(event={"category": "registry"}, registry={"path": "HKLM\\x"}).file == "HKLM\\x"


def test_a_dns_query_names_what_was_asked_and_how_it_ended() -> None:
    event = ecs(
        event={"category": ["network"], "type": ["protocol"]},
        dns={"question": {"name": "a.example.com"}, "response_code": "NXDOMAIN", "type": "answer"},
        network={"transport": "udp", "protocol": "dns"},
        destination={"ip": "10.0.0.1", "port": 53},
    )
    assert (event.class_uid, event.domain, event.status_detail) == (DNS_ACTIVITY, "a.example.com", "NXDOMAIN")
    assert (event.dst_ip, event.dst_port, event.protocol) == ("10.0.0.1", 53, "dns")


def test_a_web_request_has_method_agent_and_status() -> None:
    event = ecs(
        event={"category": ["web"], "type": ["access"]},
        http={"request": {"method": "POST"}, "response": {"status_code": 403}},
        url={"domain": "intranet.corp.example", "path": "/login"},
        user_agent={"original": "curl/8.5.0"},
        client={"ip": "10.0.0.5"},
    )
    assert (event.class_uid, event.activity_id, event.operation) == (HTTP_ACTIVITY, 6, "POST")
    assert (event.status_id, event.status_detail) == (FAILURE, "403")
    assert (event.user_agent, event.domain, event.src_ip) == (
        "curl/8.5.0",
        "intranet.corp.example",
        "10.0.0.5",
    )


def test_a_process_has_its_parent_and_command_line() -> None:
    event = ecs(
        event={"category": "process", "type": "start", "id": "abc"},
        process={
            "executable": "/usr/bin/id",
            "args": ["id", "-u"],
            "parent": {"executable": "/usr/bin/bash"},
        },
    )
    assert (event.process, event.command, event.parent_process, event.uid) == (
        "/usr/bin/id",
        "id -u",
        "/usr/bin/bash",
        "abc",
    )


def test_who_logged_in_acts_even_after_becoming_another_user() -> None:
    event = ecs(user={"name": "root", "audit": {"name": "alice"}, "effective": {"name": "root"}})
    assert (event.user, event.target_user) == ("alice", "root")


def test_a_target_user_is_acted_upon() -> None:
    event = ecs(
        event={"category": "iam", "type": ["user", "change"]},
        user={"name": "alice", "domain": "CORP", "target": {"name": "bob", "domain": "CORP"}},
        group={"name": "Domain Admins"},
    )
    assert (event.user, event.target_user, event.resource) == ("alice", "bob", "Domain Admins")


def test_cloud_account_region_and_service_are_kept() -> None:
    event = ecs(
        event={"provider": "iam.amazonaws.com", "action": "CreateUser", "outcome": "success"},
        cloud={"account": {"id": "123456789012"}, "region": "eu-west-1"},
        error={"code": "AccessDenied"},
    )
    assert (event.cloud_account, event.cloud_region, event.service) == (
        "123456789012",
        "eu-west-1",
        "iam.amazonaws.com",
    )
    assert (event.operation, event.status_id, event.status_detail) == ("CreateUser", SUCCESS, "AccessDenied")


def test_an_appliance_is_the_host_where_no_host_is_given() -> None:
    assert ecs(event={"category": "network"}, observer={"hostname": "FW-01.corp.example"}).host == "fw-01"
    assert ecs(event={"category": "network"}, host="ws-12").host == "ws-12"


def test_a_loopback_source_is_the_host_itself() -> None:
    event = ecs(host={"name": "ws-12"}, source={"ip": "127.0.0.1"})
    assert (event.src_ip, event.src_host) == ("", "ws-12")


def test_dotted_names_are_opened() -> None:
    record = {
        "@timestamp": STAMP,
        "ecs.version": "8.11.0",
        "event.category": ["authentication"],
        "event.outcome": "success",
        "user.name": "alice",
        "host.name": "WS-12",
        "source.ip": ["10.0.0.5"],
        "source": "contradiction",
    }
    event = EcsDecoder(SourceContext()).decode(json.dumps(record).encode())
    assert (event.class_uid, event.user, event.host, event.src_ip) == (
        AUTHENTICATION,
        "alice",
        "ws-12",
        "10.0.0.5",
    )


def test_a_windows_document_is_read_by_the_windows_rules() -> None:
    event = ecs(
        event={"code": "4624", "category": ["authentication"], "outcome": "success"},
        user={"name": "alice", "domain": "CORP"},
        source={"ip": "10.0.0.5"},
        winlog={
            "event_id": "4624",
            "provider_name": "Microsoft-Windows-Security-Auditing",
            "channel": "Security",
            "computer_name": "WS-12.corp.example",
            "record_id": 1,
            "event_data": {"TargetUserName": "alice", "LogonType": "3"},
        },
    )
    assert (event.operation, event.auth, event.host) == ("Logon", "network", "ws-12")
    assert (event.src_ip, event.uid) == ("10.0.0.5", "ws-12.corp.example|Security|1")


def test_an_elasticsearch_hit_is_unwrapped() -> None:
    hit = {
        "_index": "logs",
        "_source": {"@timestamp": STAMP, "event": {"category": "file", "type": "change"}},
    }
    assert EcsDecoder(SourceContext()).decode(json.dumps(hit).encode()).class_uid == FILE_ACTIVITY


@pytest.mark.parametrize(
    ("record", "sure"),
    [
        ({"@timestamp": STAMP, "ecs": {"version": "8.0"}}, 0.8),
        ({"@timestamp": STAMP, "event": {"category": ["file"]}}, 0.8),
        ({"@timestamp": STAMP, "event": {"module": "nginx"}}, 0.5),
        ({"@timestamp": STAMP, "ecs": {"version": "8.0"}, "winlog": {"event_id": 1}}, 0.0),
        ({"@timestamp": STAMP, "EventID": 1, "Channel": "Security"}, 0.0),
        ({"@timestamp": STAMP, "message": "x"}, 0.0),
        ({"timestamp": STAMP, "event_type": "dns"}, 0.0),
        ({}, 0.0),
    ],
)
def test_only_ecs_documents_are_claimed(record: dict[str, Any], sure: float) -> None:
    assert EcsDecoder.sniff(Sample(name="x", head=b"", lines=(), record=record)) == sure


def test_it_is_a_decoder() -> None:
    assert isinstance(EcsDecoder(SourceContext()), Decoder)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"7",
        b"{}",
        b'{"event": {"category": "file"}}',
        b'{"@timestamp": "2024-03-05T08:09:10Z"}',
        b'{"@timestamp": "soon", "ecs": {"version": "8"}}',
        b'{"@timestamp": "1601-01-01T00:00:00Z", "ecs": {"version": "8"}}',
        b'{"@timestamp": [], "ecs": {"version": "8"}}',
        b"{" * 3000,
    ],
)
def test_what_is_no_ecs_document_is_refused_shortly(record: bytes) -> None:
    with pytest.raises(RecordError) as error:
        EcsDecoder(SourceContext()).decode(record)
    assert len(str(error.value)) < 200
    assert str(error.value).isprintable()


def refusal(record: bytes) -> str:
    """Why a record is refused, "" if it is not."""
    try:
        EcsDecoder(SourceContext()).decode(record)
    except RecordError as error:
        return str(error)
    return ""


sections = st.sampled_from(
    [
        "event",
        "user",
        "host",
        "source",
        "destination",
        "process",
        "file",
        "registry",
        "dns",
        "url",
        "http",
        "network",
        "cloud",
        "group",
        "error",
        "observer",
        "user_agent",
        "tls",
        "log",
        "system",
        "rule",
        "package",
        "winlog",
        "client",
        "server",
        "service",
        "orchestrator",
        "dll",
    ]
)
names = st.sampled_from(
    [
        "name",
        "id",
        "ip",
        "port",
        "domain",
        "category",
        "type",
        "action",
        "outcome",
        "kind",
        "target",
        "audit",
        "question",
        "response",
        "account",
        "executable",
        "parent",
        "args",
        "path",
        "version",
        "original",
        "event_id",
        "event_data",
        "hostname",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    document=st.dictionaries(sections, values, max_size=6),
    dotted=st.dictionaries(st.builds("{}.{}".format, sections, names), values, max_size=4),
)
def test_any_document_gives_an_event_or_a_refusal(document: dict[str, Any], dotted: dict[str, Any]) -> None:
    record = {"@timestamp": STAMP, "ecs": {"version": "8"}, "ecs.version": "8"} | document | dotted
    reason = refusal(json.dumps(record).encode())
    assert len(reason) < 200
    assert reason == "" or reason.isprintable()
