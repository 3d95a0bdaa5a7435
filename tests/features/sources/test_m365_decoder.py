from __future__ import annotations

import csv
import gzip
import io
import json

import pytest

from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    EMAIL_ACTIVITY,
    FAILURE,
    FILE_ACTIVITY,
    FILE_HOSTING,
    GROUP_MANAGEMENT,
    SUCCESS,
    USER_ACCESS,
)
from features.sources.base import Sample, SourceContext
from features.sources.m365 import M365Decoder, classify

HOSTILE = (None, True, -1, 10**30, 1e308, "\x00\x1b[31m", "A" * 100_000, [], {}, [[[]]], {"a": {"b": 1}})
DOWNLOAD = {
    "CreationTime": "2026-01-05T08:00:00",
    "Id": "9b1d0000-0000-4000-8000-000000000001",
    "Operation": "FileDownloaded",
    "OrganizationId": "tenant-1",
    "RecordType": 6,
    "UserKey": "i:0h.f|membership|1003@live.com",
    "UserType": 0,
    "Workload": "SharePoint",
    "ClientIP": "203.0.113.9",
    "UserId": "alice@corp.example",
    "ObjectId": "https://corp.sharepoint.example/sites/finance/Shared Documents/q4.xlsx",
    "SiteUrl": "https://corp.sharepoint.example/sites/finance/",
    "UserAgent": "Mozilla/5.0",
    "ItemType": "File",
}
LOGIN = {
    "CreationTime": "2026-01-05T08:00:00",
    "Id": "9b1d0000-0000-4000-8000-000000000002",
    "Operation": "UserLoginFailed",
    "RecordType": 15,
    "ResultStatus": "Success",
    "LogonError": "InvalidUserNameOrPassword",
    "UserKey": "11111111-2222-4333-8444-555555555555",
    "UserType": 0,
    "Workload": "AzureActiveDirectory",
    "ActorIpAddress": "203.0.113.9",
    "UserId": "alice@corp.example",
    "ExtendedProperties": [
        {"Name": "UserAgent", "Value": "Mozilla/5.0"},
        {"Name": "RequestType", "Value": "OAuth2:Authorize"},
    ],
    "DeviceProperties": [{"Name": "DisplayName", "Value": "WS-12"}],
    "Actor": [{"ID": "alice@corp.example", "Type": 5}],
    "Target": [{"ID": "00000002-0000-0000-c000-000000000000", "Type": 0}],
}
RULE = {
    "CreationTime": "2026-01-05T08:00:00",
    "Id": "9b1d0000-0000-4000-8000-000000000003",
    "Operation": "New-InboxRule",
    "RecordType": 1,
    "ResultStatus": "True",
    "UserType": 0,
    "Workload": "Exchange",
    "ClientIP": "[2001:db8::1]:51424",
    "UserId": "alice@corp.example",
    "ObjectId": "alice\\hide",
    "Parameters": [
        {"Name": "ForwardTo", "Value": "mallory@evil.example"},
        {"Name": "DeleteMessage", "Value": "True"},
    ],
}


def decode(record, **changes):
    return M365Decoder(SourceContext()).decode(json.dumps(record | changes).encode())


def reason(decoder, record):
    try:
        decoder.decode(json.dumps(record).encode())
    except RecordError as error:
        return str(error)
    return ""


def variants(record, value):
    for key, inner in record.items():
        yield record | {key: value}
        if isinstance(inner, list):
            yield record | {key: [value]}
            for changed in variants(inner[0], value):
                yield record | {key: [changed]}


def test_a_download_keeps_the_file_and_its_site():
    event = decode(DOWNLOAD)
    assert event.time_us == 1767600000000000
    assert (event.class_uid, event.activity_id, event.status_id) == (FILE_HOSTING, 2, SUCCESS)
    assert (event.user, event.src_ip, event.service) == ("alice", "203.0.113.9", "SharePoint")
    assert (event.file, event.resource) == (DOWNLOAD["ObjectId"], DOWNLOAD["SiteUrl"])
    assert (event.uid, event.cloud_account) == (DOWNLOAD["Id"], "tenant-1")


def test_a_failed_login_is_a_failure_though_its_status_says_success():
    event = decode(LOGIN)
    assert (event.class_uid, event.activity_id, event.status_id) == (AUTHENTICATION, 1, FAILURE)
    assert (event.status_detail, event.auth) == ("InvalidUserNameOrPassword", "oauth2:authorize")
    assert (event.src_ip, event.src_host, event.user_agent) == ("203.0.113.9", "ws-12", "Mozilla/5.0")


def test_a_forwarding_rule_shows_in_the_command():
    event = decode(RULE)
    assert (event.class_uid, event.activity_id, event.src_ip) == (API_ACTIVITY, 1, "2001:db8::1")
    assert event.command == "New-InboxRule -ForwardTo mallory@evil.example -DeleteMessage True"


def test_a_delegate_in_a_mailbox_acts_upon_its_owner():
    event = decode(
        RULE,
        Operation="MailItemsAccessed",
        MailboxOwnerUPN="bob@corp.example",
        LogonType=2,
        ClientIPAddress="198.51.100.7",
        ClientIP=None,
        ObjectId=None,
        Item={"ParentFolder": {"Path": "\\Inbox"}},
        ClientInfoString="Client=OWA;Action=ViaProxy",
    )
    assert (event.user, event.target_user, event.auth) == ("alice", "bob", "delegate")
    assert (event.resource, event.src_ip) == ("\\Inbox", "198.51.100.7")
    assert event.user_agent == "Client=OWA;Action=ViaProxy"


def test_sharing_names_with_whom():
    event = decode(DOWNLOAD, Operation="AddedToSecureLink", TargetUserOrGroupName="carol@partner.example")
    assert (event.activity_id, event.target_user) == (12, "carol")


def test_a_computer_that_reports_local_files_is_the_host():
    event = decode(
        DOWNLOAD,
        Workload="Endpoint",
        Operation="FileUploadedToCloud",
        DeviceName="WS-12.corp.example",
        ObjectId="C:\\Users\\alice\\q4.xlsx",
        Application="chrome.exe",
        TargetDomain="drop.example",
    )
    assert (event.class_uid, event.host, event.process) == (FILE_ACTIVITY, "ws-12", "chrome.exe")
    assert (event.file, event.domain) == ("C:\\Users\\alice\\q4.xlsx", "drop.example")


@pytest.mark.parametrize(
    ("operation", "workload", "expected"),
    [
        ("UserLoggedIn", "AzureActiveDirectory", (AUTHENTICATION, 1)),
        ("Reset user password", "AzureActiveDirectory", (ACCOUNT_CHANGE, 4)),
        ("SendAs", "Exchange", (EMAIL_ACTIVITY, 1)),
        ("Add-MailboxPermission", "Exchange", (USER_ACCESS, 1)),
        ("MemberAdded", "MicrosoftTeams", (GROUP_MANAGEMENT, 3)),
        ("DeletedCreatedReport", "PowerBI", (API_ACTIVITY, 4)),
        ("ViewReport", "PowerBI", (API_ACTIVITY, 2)),
        ("FileCheckInSomehow", "OneDrive", (FILE_HOSTING, 99)),
        ("Hmm", "Sway", (API_ACTIVITY, 99)),
        ("", "", (API_ACTIVITY, 99)),
    ],
)
def test_an_operation_has_its_class(operation, workload, expected):
    assert classify(operation, workload) == expected


def test_export_rows_give_the_same_event_as_the_record_in_them():
    expected = decode(DOWNLOAD)
    decoder = M365Decoder(SourceContext())
    body = json.dumps(DOWNLOAD)
    row = {"RecordType": "SharePointFileOperation", "CreationDate": "2026-01-05T08:00:00Z", "AuditData": body}
    assert decoder.decode(json.dumps(row).encode()) == expected
    graph = {"id": "1", "auditLogRecordType": "6", "auditData": DOWNLOAD}
    assert decoder.decode(json.dumps(graph).encode()) == expected
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["CreationDate", "AuditData"], ["2026-01-05", body]])
    lines = text.getvalue().encode().splitlines()
    assert M365Decoder.sniff(Sample("x.csv", b"", tuple(lines), {})) == 1
    assert [decoder.decode(row) for _, row in decoder.frames(enumerate(lines, 1))] == [expected]


def test_columns_of_the_sentinel_table_give_the_same_event():
    names = {
        "CreationTime": "TimeGenerated",
        "Workload": "OfficeWorkload",
        "Id": "OfficeId",
        "ObjectId": "OfficeObjectId",
    }
    table = {names.get(key, key): value for key, value in DOWNLOAD.items()}
    assert decode(table) == decode(DOWNLOAD)
    assert M365Decoder.sniff(Sample("x", b"", (), table)) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not valid JSON"),
        (b"a,b", "CSV row without a header"),
        (b'{"Operation":"Send"}', "time is missing"),
        (b'{"AuditData":"{"}', "AuditData: not valid JSON"),
        (b'{"AuditData":"[]"}', "AuditData: expected a JSON object"),
    ],
)
def test_a_record_that_is_none_is_refused_with_the_reason(body, why):
    with pytest.raises(RecordError, match=why):
        M365Decoder(SourceContext()).decode(body)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("record", [DOWNLOAD, LOGIN, RULE])
def test_a_surprise_in_any_field_gives_an_event_or_a_short_reason(record, value):
    decoder = M365Decoder(SourceContext())
    for changed in variants(record, value):
        said = reason(decoder, changed)
        assert said.isprintable()
        assert len(said) < 200


def test_sniffing_knows_nothing_else():
    for other in ({}, {"Operation": "x", "Workload": "y"}, {"CreationTime": "x"}):
        assert M365Decoder.sniff(Sample("x", b"", (), other)) == 0
    assert M365Decoder.sniff(Sample("x.csv", b"", (b"Name,AuditData",), {})) == 0


def test_sample_events_of_detection_rules_decode(real_data):
    decoder = M365Decoder(SourceContext())
    with gzip.open(real_data / "panther" / "unit_events.ndjson.gz") as file:
        rows = [
            row for row in map(json.loads, file) if (row["log_type"] or "").startswith("Microsoft365.Audit")
        ]
    assert [reason(decoder, row["event"]) for row in rows] == [""] * 9
