"""Sysmon: processes, network, registry, files, DNS and WMI, as NXLog and winlogbeat ship them."""

from __future__ import annotations

import json

import pytest

from features.events import (
    DNS_ACTIVITY,
    FAILURE,
    FILE_ACTIVITY,
    KERNEL_EXTENSION,
    MODULE_ACTIVITY,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    REGISTRY_KEY,
    REGISTRY_VALUE,
    Event,
)
from features.sources.base import SourceContext
from features.sources.windows_json import WindowsJsonDecoder
from features.sources.windows_sysmon import SYSMON


def sysmon(event_id: int, **fields: object) -> Event:
    record = {
        "EventID": event_id,
        "SourceName": "Microsoft-Windows-Sysmon",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Hostname": "WS-12.corp.example",
        "UtcTime": "2024-03-05 08:09:10.123",
        "AccountName": "SYSTEM",
        "AccountType": "User",
        "Domain": "NT AUTHORITY",
        "UserID": "S-1-5-18",
    } | fields
    return WindowsJsonDecoder(SourceContext()).decode(json.dumps(record).encode())


def test_a_process_runs_as_its_user_and_not_as_the_sensor() -> None:
    event = sysmon(
        1,
        Image="C:\\Windows\\System32\\net.exe",
        ParentImage="C:\\Windows\\System32\\cmd.exe",
        CommandLine="net user /domain",
        User="CORP\\alice",
    )
    assert event == Event(
        time_us=1_709_626_150_123_000,
        class_uid=PROCESS_ACTIVITY,
        activity_id=1,
        status_id=1,
        user="alice",
        host="ws-12",
        process="C:\\Windows\\System32\\net.exe",
        parent_process="C:\\Windows\\System32\\cmd.exe",
        command="net user /domain",
        operation="ProcessCreate",
    )


def test_without_a_user_field_nobody_is_named() -> None:
    assert sysmon(11, Image="C:\\a.exe", TargetFilename="C:\\b").user == ""


def test_an_outgoing_connection_has_its_target() -> None:
    event = sysmon(
        3,
        Image="C:\\a.exe",
        User="CORP\\alice",
        Protocol="tcp",
        Initiated="true",
        SourceIp="10.0.0.5",
        SourceHostname="-",
        SourcePort="50000",
        DestinationIp="203.0.113.9",
        DestinationHostname="www.example.com",
        DestinationPort="443",
    )
    assert (event.class_uid, event.operation, event.user) == (NETWORK_ACTIVITY, "NetworkConnect", "alice")
    assert (event.src_ip, event.dst_ip, event.dst_port) == ("10.0.0.5", "203.0.113.9", 443)
    assert (event.protocol, event.domain) == ("tcp", "www.example.com")


def test_an_incoming_datagram_is_turned_so_that_the_client_is_the_source() -> None:
    event = sysmon(
        3,
        Image="C:\\Windows\\System32\\dns.exe",
        Protocol="udp",
        Initiated=False,
        SourceIp="10.0.0.1",
        SourcePort=53,
        DestinationIp="10.0.0.5",
        DestinationPort=49_246,
    )
    assert (event.operation, event.src_ip, event.dst_ip, event.dst_port) == (
        "NetworkAccept",
        "10.0.0.5",
        "10.0.0.1",
        53,
    )


def test_an_incoming_stream_keeps_its_ends() -> None:
    event = sysmon(
        3,
        Protocol="tcp",
        Initiated="false",
        SourceIp="10.0.0.5",
        SourcePort="50000",
        DestinationIp="10.0.0.1",
        DestinationPort="445",
    )
    assert (event.src_ip, event.dst_ip, event.dst_port) == ("10.0.0.5", "10.0.0.1", 445)


@pytest.mark.parametrize(
    ("event_id", "kind", "class_uid", "activity", "operation"),
    [
        (12, "CreateKey", REGISTRY_KEY, 1, "RegistryKeyCreate"),
        (12, "DeleteKey", REGISTRY_KEY, 4, "RegistryKeyDelete"),
        (12, "DeleteValue", REGISTRY_VALUE, 4, "RegistryValueDelete"),
        (13, "SetValue", REGISTRY_VALUE, 2, "RegistryValueSet"),
        (14, "RenameKey", REGISTRY_KEY, 5, "RegistryKeyRename"),
    ],
)
def test_the_kind_of_registry_event_decides_class_and_activity(
    event_id: int, kind: str, class_uid: int, activity: int, operation: str
) -> None:
    event = sysmon(event_id, EventType=kind, Image="C:\\a.exe", TargetObject="HKLM\\Software\\Run\\x")
    assert (event.class_uid, event.activity_id, event.operation) == (class_uid, activity, operation)
    assert event.file == "HKLM\\Software\\Run\\x"


def test_process_access_names_both_processes_users_and_rights() -> None:
    event = sysmon(
        10,
        SourceImage="C:\\a.exe",
        TargetImage="C:\\Windows\\system32\\lsass.exe",
        GrantedAccess="0x1010",
        SourceUser="CORP\\alice",
        TargetUser="NT AUTHORITY\\SYSTEM",
    )
    assert (event.activity_id, event.user, event.target_user) == (3, "alice", "")
    assert (event.process, event.file) == ("C:\\a.exe", "C:\\Windows\\system32\\lsass.exe")
    assert event.resource == "0x1010"


def test_a_remote_thread_is_an_injection() -> None:
    event = sysmon(8, SourceImage="C:\\a.exe", TargetImage="C:\\b.exe")
    assert (event.class_uid, event.activity_id) == (PROCESS_ACTIVITY, 4)


@pytest.mark.parametrize(
    ("event_id", "class_uid", "activity", "status"),
    [
        (2, FILE_ACTIVITY, 6, 1),
        (5, PROCESS_ACTIVITY, 2, 1),
        (6, KERNEL_EXTENSION, 1, 1),
        (7, MODULE_ACTIVITY, 1, 1),
        (11, FILE_ACTIVITY, 1, 1),
        (15, FILE_ACTIVITY, 1, 1),
        (17, FILE_ACTIVITY, 1, 1),
        (18, FILE_ACTIVITY, 14, 1),
        (23, FILE_ACTIVITY, 4, 1),
        (25, PROCESS_ACTIVITY, 4, 1),
        (26, FILE_ACTIVITY, 4, 1),
        (27, FILE_ACTIVITY, 1, FAILURE),
        (28, FILE_ACTIVITY, 4, FAILURE),
        (29, FILE_ACTIVITY, 1, 1),
    ],
)
def test_each_id_has_its_class(event_id: int, class_uid: int, activity: int, status: int) -> None:
    event = sysmon(event_id)
    assert (event.class_uid, event.activity_id, event.status_id) == (class_uid, activity, status)


def test_all_ids_from_1_to_29_have_a_rule() -> None:
    assert set(range(1, 30)) <= set(SYSMON)


def test_a_dns_query_that_fails_says_how() -> None:
    event = sysmon(22, QueryName="wpad.corp.example", QueryStatus="9003", Image="C:\\a.exe")
    assert (event.class_uid, event.domain, event.status_id) == (DNS_ACTIVITY, "wpad.corp.example", FAILURE)
    assert event.status_detail == "NXDOMAIN"


@pytest.mark.parametrize("image", ["<unknown process>", "&lt;unknown process&gt;", "-"])
def test_an_unknown_process_is_no_process(image: str) -> None:
    assert sysmon(22, QueryName="a.example", QueryStatus="0", Image=image).process == ""


def test_a_remote_clipboard_names_user_and_machine() -> None:
    event = sysmon(24, ClientInfo="user: WS-12\\bob hostname: bobs-laptop")
    assert (event.user, event.src_host) == ("ws-12\\bob", "bobs-laptop")


def test_a_wmi_consumer_tells_what_it_runs() -> None:
    event = sysmon(
        20,
        Operation="Created",
        User="WS-12\\bob",
        Name=' "updater"',
        Destination=' "C:\\\\Windows\\\\System32\\\\notepad.exe"',
    )
    assert (event.activity_id, event.resource) == (1, "updater")
    assert event.command.endswith("notepad.exe")


def test_the_linux_sensor_uses_the_same_rules() -> None:
    event = sysmon(1, SourceName="Linux-Sysmon", Image="/usr/bin/id", User="alice", CommandLine="id -u")
    assert (event.class_uid, event.user, event.process) == (PROCESS_ACTIVITY, "alice", "/usr/bin/id")
