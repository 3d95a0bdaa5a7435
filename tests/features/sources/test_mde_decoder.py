from __future__ import annotations

import csv
import gzip
import io
import json

import pytest

from features.errors import RecordError
from features.events import (
    AUTHENTICATION,
    BASE_EVENT,
    DETECTION_FINDING,
    DNS_ACTIVITY,
    FAILURE,
    FILE_ACTIVITY,
    GROUP_MANAGEMENT,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    REGISTRY_VALUE,
    SCHEDULED_JOB,
    SUCCESS,
)
from features.sources.base import Sample, SourceContext
from features.sources.mde import MdeDecoder

HOSTILE = (None, True, -1, 10**30, 1e308, "\x00\x1b[31m", "A" * 100_000, [], {}, [[[]]], {"a": {"b": 1}})
COMMON = {
    "Timestamp": "2026-01-05T08:00:00.2500000Z",
    "DeviceId": "d1",
    "DeviceName": "ws-12.corp.example",
    "ReportId": 42,
    "InitiatingProcessAccountDomain": "corp",
    "InitiatingProcessAccountName": "alice",
    "InitiatingProcessAccountSid": "S-1-5-21-1-2-3-1104",
    "InitiatingProcessFileName": "winword.exe",
    "InitiatingProcessFolderPath": "c:\\program files\\office\\winword.exe",
    "InitiatingProcessCommandLine": "winword.exe /n report.docx",
    "InitiatingProcessParentFileName": "explorer.exe",
}
PROCESS = COMMON | {
    "ActionType": "ProcessCreated",
    "FileName": "cmd.exe",
    "FolderPath": "C:\\Windows\\System32\\cmd.exe",
    "ProcessCommandLine": "cmd.exe /c whoami",
    "AccountDomain": "corp",
    "AccountName": "alice",
    "AccountSid": "S-1-5-21-1-2-3-1104",
}
LOGON = COMMON | {
    "ActionType": "LogonFailed",
    "AccountDomain": "WS-12",
    "AccountName": "Administrator",
    "LogonType": "RemoteInteractive",
    "Protocol": "NTLM",
    "RemoteIP": "203.0.113.9",
    "RemoteDeviceName": "KALI",
    "FailureReason": "InvalidUserNameOrPassword",
}
CONNECTION = COMMON | {
    "ActionType": "ConnectionSuccess",
    "LocalIP": "10.0.0.12",
    "LocalPort": 50123,
    "RemoteIP": "198.51.100.7",
    "RemotePort": 443,
    "RemoteUrl": "https://cdn.evil.example/a?b",
    "Protocol": "TcpV4",
}


def decode(record, **changes):
    return MdeDecoder(SourceContext()).decode(json.dumps(record | changes).encode())


def reason(decoder, record):
    try:
        decoder.decode(json.dumps(record).encode())
    except RecordError as error:
        return str(error)
    return ""


def test_a_process_keeps_its_parent_its_command_and_its_user():
    event = decode(PROCESS)
    assert event.time_us == 1767600000250000
    assert (event.class_uid, event.activity_id, event.status_id) == (PROCESS_ACTIVITY, 1, SUCCESS)
    assert (event.user, event.host) == ("alice", "ws-12")
    assert event.process == "C:\\Windows\\System32\\cmd.exe"
    assert event.parent_process == "c:\\program files\\office\\winword.exe"
    assert event.command == "cmd.exe /c whoami"
    assert event.uid == "d1|2026-01-05T08:00:00.2500000Z|42"


def test_a_logon_is_to_the_device_and_from_the_remote_one():
    event = decode(LOGON)
    assert (event.class_uid, event.status_id) == (AUTHENTICATION, FAILURE)
    assert (event.user, event.host) == ("ws-12\\administrator", "ws-12")
    assert (event.src_ip, event.src_host, event.auth) == ("203.0.113.9", "kali", "ntlm remoteinteractive")
    assert event.status_detail == "InvalidUserNameOrPassword"


def test_a_logon_seen_by_the_domain_controller_has_its_devices_the_other_way_round():
    event = decode(
        {"Timestamp": COMMON["Timestamp"], "Type": "IdentityLogonEvents", "ActionType": "LogonSuccess"},
        AccountUpn="alice@corp.example",
        DeviceName="ws-12",
        IPAddress="10.0.0.12",
        DestinationDeviceName="DC01.corp.example",
        Protocol="Kerberos",
        LogonType="Credentials validation",
    )
    assert (event.user, event.host, event.src_host, event.src_ip) == ("alice", "dc01", "ws-12", "10.0.0.12")


def test_an_outgoing_connection_ends_at_the_remote_address():
    event = decode(CONNECTION)
    assert (event.class_uid, event.activity_id, event.protocol) == (NETWORK_ACTIVITY, 1, "tcp")
    assert (event.src_ip, event.dst_ip, event.dst_port) == ("10.0.0.12", "198.51.100.7", 443)
    assert (event.user, event.domain) == ("alice", "cdn.evil.example")
    assert event.process == "c:\\program files\\office\\winword.exe"


def test_an_incoming_connection_ends_at_the_local_address():
    event = decode(CONNECTION, ActionType="InboundConnectionAccepted", RemoteUrl="")
    assert (event.src_ip, event.dst_ip, event.dst_port) == ("198.51.100.7", "10.0.0.12", 50123)
    assert event.domain == ""


@pytest.mark.parametrize(
    ("url", "domain"), [("evil.example:8080", "evil.example"), ("198.51.100.7:80", ""), ("", "")]
)
def test_the_host_of_a_url_is_the_domain(url, domain):
    assert decode(CONNECTION, RemoteUrl=url).domain == domain


def test_a_file_event_has_the_whole_path_however_the_folder_is_written():
    for folder in ("C:\\Temp\\a.exe", "C:\\Temp", "C:\\Temp\\"):
        event = decode(COMMON, ActionType="FileCreated", FolderPath=folder, FileName="a.exe")
        assert (event.class_uid, event.activity_id, event.file) == (FILE_ACTIVITY, 1, "C:\\Temp\\a.exe")


def test_a_file_written_over_the_network_names_where_it_came_from():
    event = decode(
        COMMON | {"InitiatingProcessAccountName": "SYSTEM", "InitiatingProcessAccountDomain": "NT AUTHORITY"},
        ActionType="FileCreated",
        FileName="psexesvc.exe",
        FolderPath="C:\\Windows",
        InitiatingProcessAccountSid="S-1-5-18",
        RequestAccountName="bob",
        RequestAccountDomain="corp",
        RequestSourceIP="10.0.0.9",
    )
    assert (event.user, event.src_ip) == ("bob", "10.0.0.9")


def test_a_registry_event_has_key_and_value():
    event = decode(
        COMMON, ActionType="RegistryValueSet", RegistryKey="HKLM\\Software\\Run", RegistryValueName="upd"
    )
    assert (event.class_uid, event.activity_id, event.file) == (REGISTRY_VALUE, 2, "HKLM\\Software\\Run\\upd")


def test_details_are_read_from_additional_fields():
    task = decode(COMMON, ActionType="ScheduledTaskCreated", AdditionalFields='{"TaskName": "\\\\upd"}')
    assert (task.class_uid, task.activity_id, task.resource) == (SCHEDULED_JOB, 1, "\\upd")
    dns = decode(COMMON, ActionType="DnsConnectionInspected", AdditionalFields={"query": "evil.example"})
    assert (dns.class_uid, dns.domain) == (DNS_ACTIVITY, "evil.example")
    group = decode(
        COMMON,
        ActionType="UserAccountAddedToLocalGroup",
        AccountName="carol",
        AdditionalFields='{"GroupName": "Administrators"}',
    )
    assert (group.class_uid, group.user, group.target_user) == (GROUP_MANAGEMENT, "alice", "carol")
    assert group.resource == "Administrators"
    broken = decode(COMMON, ActionType="PowerShellCommand", AdditionalFields="{broken")
    assert broken.command == COMMON["InitiatingProcessCommandLine"]


def test_an_action_nobody_listed_takes_the_class_of_its_table():
    assert decode(COMMON, ActionType="Novelty", Type="DeviceFileEvents").class_uid == FILE_ACTIVITY
    assert decode(COMMON, ActionType="Novelty").class_uid == BASE_EVENT


def test_the_streaming_envelope_and_csv_give_the_same_event_as_the_row():
    expected = decode(PROCESS)
    decoder = MdeDecoder(SourceContext())
    envelope = {"category": "AdvancedHunting-DeviceProcessEvents", "time": "x", "properties": PROCESS}
    assert decoder.decode(json.dumps(envelope).encode()) == expected
    assert MdeDecoder.sniff(Sample("x", b"", (), envelope)) == 1
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(PROCESS), list(PROCESS.values())])
    lines = text.getvalue().encode().splitlines()
    assert MdeDecoder.sniff(Sample("x.csv", b"", tuple(lines), {})) == 1
    assert [decoder.decode(row) for _, row in decoder.frames(enumerate(lines, 1))] == [expected]


def test_an_alert_in_the_stream_is_a_finding():
    alert = {"Timestamp": COMMON["Timestamp"], "Title": "Suspicious task", "ServiceSource": "Endpoint"}
    event = decode({"category": "AdvancedHunting-AlertInfo", "properties": alert})
    assert (event.class_uid, event.operation) == (DETECTION_FINDING, "Suspicious task")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not valid JSON"),
        (b"a,b", "CSV row without a header"),
        (b'{"ActionType":"ProcessCreated"}', "time is missing"),
        (b'{"Timestamp":"1601-01-01T00:00:00Z"}', "out of range"),
        (b'{"category":"AdvancedHunting-DeviceEvents","properties":"{"}', "not valid JSON"),
    ],
)
def test_a_record_that_is_none_is_refused_with_the_reason(body, why):
    with pytest.raises(RecordError, match=why):
        MdeDecoder(SourceContext()).decode(body)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "record",
    [PROCESS, LOGON, CONNECTION, COMMON | {"ActionType": "DnsQueryResponse", "AdditionalFields": "{}"}],
)
def test_a_surprise_in_any_field_gives_an_event_or_a_short_reason(record, value):
    decoder = MdeDecoder(SourceContext())
    envelope = {"category": "AdvancedHunting-DeviceEvents", "properties": value}
    for changed in (*(record | {key: value} for key in record), envelope):
        said = reason(decoder, changed)
        assert said.isprintable()
        assert len(said) < 200


def test_sniffing_knows_its_own_and_nothing_else():
    assert MdeDecoder.sniff(Sample("x", b"", (), dict(PROCESS))) == 1
    for other in ({}, {"ActionType": "x"}, {"Timestamp": "x", "DeviceName": "y"}, {"category": "SignInLogs"}):
        assert MdeDecoder.sniff(Sample("x", b"", (), other)) == 0
    assert MdeDecoder.sniff(Sample("x.csv", b"", (b"ActionType,Other",), {})) == 0


def test_recorded_process_rows_of_the_sensor_decode_without_exception(real_data):
    with gzip.open(real_data / "azure_ad" / "mde_process.csv.gz") as file:
        lines = [line.rstrip(b"\r\n") for line in file]
    assert MdeDecoder.sniff(Sample("mde.csv", b"", tuple(lines[:5]), {})) == 1
    decoder = MdeDecoder(SourceContext())
    events = [decoder.decode(row) for _, row in decoder.frames(enumerate(lines, 1))]
    assert len(events) == len({event.uid for event in events}) == 1564
    assert {event.class_uid for event in events} == {PROCESS_ACTIVITY}
    assert all(event.process and event.parent_process and event.host for event in events)
