"""Security log: who acted, what, from where; in the shape that evtx tools write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    AUTHENTICATION,
    AUTHORIZE_SESSION,
    BASE_EVENT,
    ENTITY_MANAGEMENT,
    EVENT_LOG_ACTIVITY,
    FAILURE,
    FILE_ACTIVITY,
    GROUP_MANAGEMENT,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    RDP_ACTIVITY,
    REGISTRY_KEY,
    REGISTRY_VALUE,
    SCHEDULED_JOB,
    SMB_ACTIVITY,
    SUCCESS,
    USER_ACCESS,
    WINDOWS_SERVICE,
    Event,
)
from features.sources.base import SourceContext
from features.sources.windows_json import WindowsJsonDecoder
from features.sources.windows_security import SECURITY

if TYPE_CHECKING:
    from collections.abc import Mapping

ALICE = "S-1-5-21-111-222-333-1104"
SUBJECT = {"SubjectUserSid": ALICE, "SubjectUserName": "alice", "SubjectDomainName": "CORP"}
TARGET = {"TargetUserName": "bob", "TargetDomainName": "CORP", "TargetSid": "S-1-5-21-111-222-333-1105"}


def security(
    event_id: int,
    fields: Mapping[str, object],
    *,
    failure: bool = False,
    provider: str = "Microsoft-Windows-Security-Auditing",
    computer: str = "DC-01.corp.example",
) -> Event:
    record = {
        "Event": {
            "System": {
                "Provider": {"#attributes": {"Name": provider}},
                "EventID": event_id,
                "Keywords": "0x8010000000000000" if failure else "0x8020000000000000",
                "TimeCreated": {"#attributes": {"SystemTime": "2024-03-05T08:09:10.123456Z"}},
                "EventRecordID": 4711,
                "Channel": "Security",
                "Computer": computer,
                "Security": None,
            },
            "EventData": dict(fields),
        }
    }
    return WindowsJsonDecoder(SourceContext()).decode(json.dumps(record).encode())


def test_a_logon_names_the_account_the_machine_and_where_it_came_from() -> None:
    event = security(
        4624,
        {
            "SubjectUserName": "-",
            "SubjectUserSid": "S-1-0-0",
            "TargetUserName": "Alice",
            "TargetDomainName": "CORP",
            "TargetUserSid": ALICE,
            "LogonType": 3,
            "LogonProcessName": "NtLmSsp ",
            "AuthenticationPackageName": "NTLM",
            "LmPackageName": "NTLM V2",
            "WorkstationName": "WS-12",
            "IpAddress": "::ffff:10.0.0.5",
        },
    )
    assert event == Event(
        time_us=1_709_626_150_123_456,
        class_uid=AUTHENTICATION,
        activity_id=1,
        status_id=SUCCESS,
        uid="dc-01.corp.example|Security|4711",
        user="alice",
        host="dc-01",
        src_ip="10.0.0.5",
        src_host="ws-12",
        operation="Logon",
        service="NtLmSsp",
        auth="ntlm network",
    )


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (2, "interactive"),
        (3, "network"),
        (4, "batch"),
        (5, "service"),
        (7, "unlock"),
        (8, "cleartext"),
        (9, "newcredentials"),
        (10, "remoteinteractive"),
        (11, "cached"),
    ],
)
def test_logon_type_numbers_become_words(number: int, word: str) -> None:
    assert security(4624, {"LogonType": number}).auth == word
    assert security(4624, {"LogonType": str(number)}).auth == word


def test_an_unknown_logon_type_says_nothing() -> None:
    assert security(4624, {"LogonType": 77}).auth == ""


def test_the_first_version_of_ntlm_is_told_apart() -> None:
    fields = {"LogonType": 3, "AuthenticationPackageName": "NTLM", "LmPackageName": "NTLM V1"}
    assert security(4624, fields).auth == "ntlmv1 network"


@pytest.mark.parametrize("address", ["::1", "127.0.0.1", "::ffff:127.0.0.1"])
def test_a_loopback_address_means_the_machine_itself(address: str) -> None:
    event = security(4624, {"TargetUserName": "alice", "IpAddress": address, "LogonType": "2"})
    assert (event.src_ip, event.src_host) == ("", "dc-01")


@pytest.mark.parametrize("address", ["-", "", "0.0.0.0", "LOCAL", None, ["10.0.0.1"], {"a": 1}])  # noqa: S104
def test_a_placeholder_address_is_no_address(address: object) -> None:
    assert security(4624, {"TargetUserName": "alice", "IpAddress": address}).src_ip == ""


@pytest.mark.parametrize(
    ("status", "sub_status", "words"),
    [
        ("0xc000006d", "0xc000006a", "bad password"),
        ("0xc000006d", "0xc0000064", "no such user"),
        ("0xc0000234", "0x0", "locked out"),
        ("0xc000006e", "0xc0000072", "account disabled"),
        ("0xc0000413", "0x0", "authentication firewall"),
        (-1073741715, 0, "bad user name or password"),
        ("0xc0ffee00", "0x0", "0xc0ffee00"),
    ],
)
def test_a_failed_logon_says_why(status: object, sub_status: object, words: str) -> None:
    event = security(
        4625,
        {"TargetUserName": "alice", "Status": status, "SubStatus": sub_status, "LogonType": 3},
        failure=True,
    )
    assert (event.user, event.status_id, event.status_detail) == ("alice", FAILURE, words)


def test_a_failure_reason_stands_in_where_there_is_no_code() -> None:
    assert security(4625, {"FailureReason": "%%2307"}, failure=True).status_detail == "locked out"


def test_a_local_account_keeps_its_machine() -> None:
    fields = {"TargetUserName": "Administrator", "TargetDomainName": "DC-01", "LogonType": 2}
    assert security(4624, fields).user == "dc-01\\administrator"


def test_a_computer_account_keeps_its_dollar_sign() -> None:
    fields = {
        "TargetUserName": "WS-12$",
        "TargetDomainName": "CORP",
        "TargetUserSid": "S-1-5-21-111-222-333-1200",
    }
    assert security(4624, fields).user == "ws-12$"


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("SYSTEM", "NT AUTHORITY"),
        ("ANONYMOUS LOGON", "NT AUTHORITY"),
        ("DWM-1", "Window Manager"),
        ("-", "-"),
    ],
)
def test_parts_of_the_operating_system_are_nobody(name: str, domain: str) -> None:
    assert security(4624, {"TargetUserName": name, "TargetDomainName": domain}).user == ""


def test_a_logoff_is_the_target_accounts() -> None:
    event = security(4634, {"TargetUserName": "alice", "TargetDomainName": "CORP", "LogonType": "3"})
    assert (event.class_uid, event.activity_id, event.user, event.auth) == (
        AUTHENTICATION,
        2,
        "alice",
        "network",
    )


def test_with_explicit_credentials_the_subject_acts_and_the_target_is_used() -> None:
    event = security(
        4648,
        SUBJECT
        | {
            "TargetUserName": "svc-backup",
            "TargetDomainName": "CORP",
            "TargetServerName": "FS-01.corp.example",
            "ProcessName": "C:\\Windows\\System32\\runas.exe",
            "IpAddress": "-",
        },
    )
    assert (event.user, event.target_user, event.dst_host) == ("alice", "svc-backup", "fs-01")
    assert event.process.endswith("runas.exe")


def test_explicit_credentials_against_localhost_stay_on_the_machine() -> None:
    event = security(4648, SUBJECT | {"TargetUserName": "bob", "TargetServerName": "localhost"})
    assert event.dst_host == "dc-01"


def test_special_privileges_are_one_line() -> None:
    event = security(4672, SUBJECT | {"PrivilegeList": "SeDebugPrivilege\r\n\t\t\tSeTcbPrivilege"})
    assert (event.class_uid, event.user) == (AUTHORIZE_SESSION, "alice")
    assert event.resource == "SeDebugPrivilege SeTcbPrivilege"


def test_a_ticket_request_tells_cipher_and_missing_pre_authentication() -> None:
    event = security(
        4768,
        TARGET
        | {
            "ServiceName": "krbtgt",
            "TicketEncryptionType": "0x17",
            "PreAuthType": "0",
            "Status": "0x0",
            "IpAddress": "::ffff:10.0.0.5",
        },
    )
    assert (event.activity_id, event.user, event.src_ip) == (3, "bob", "10.0.0.5")
    assert (event.auth, event.status_id, event.status_detail) == ("kerberos rc4 nopreauth", SUCCESS, "")


@pytest.mark.parametrize(
    ("event_id", "code", "words"),
    [
        (4768, "0x6", "no such user"),
        (4771, "0x18", "bad password"),
        (4768, "0x12", "account disabled or locked out"),
        (4768, "0x25", "clock skew"),
        (4768, "0xc0000234", "locked out"),
    ],
)
def test_kerberos_failures_have_words(event_id: int, code: str, words: str) -> None:
    event = security(event_id, TARGET | {"Status": code}, failure=True)
    assert (event.status_id, event.status_detail, event.user) == (FAILURE, words, "bob")


def test_a_service_ticket_names_the_service_and_its_machine() -> None:
    event = security(
        4769,
        {
            "TargetUserName": "alice@CORP.EXAMPLE",
            "TargetDomainName": "CORP.EXAMPLE",
            "ServiceName": "FS-01$",
            "TicketEncryptionType": "0x12",
            "IpAddress": "::ffff:10.0.0.5",
            "Status": "0x0",
        },
    )
    assert (event.activity_id, event.user, event.service, event.dst_host) == (4, "alice", "FS-01$", "fs-01")
    assert event.auth == "kerberos aes256"


def test_ntlm_validation_names_the_asking_machine() -> None:
    event = security(
        4776,
        {
            "PackageName": "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0",
            "TargetUserName": "alice",
            "Workstation": "\\\\WS-12",
            "Status": "0xc000006a",
        },
        failure=True,
    )
    assert (event.user, event.src_host, event.auth, event.status_detail) == (
        "alice",
        "ws-12",
        "ntlm",
        "bad password",
    )


def test_a_process_runs_as_its_target_account_if_one_is_given() -> None:
    fields = SUBJECT | {
        "NewProcessName": "C:\\Windows\\System32\\cmd.exe",
        "ParentProcessName": "C:\\Windows\\explorer.exe",
        "CommandLine": "cmd.exe /c whoami",
        "TargetUserName": "-",
        "TargetDomainName": "-",
    }
    event = security(4688, fields)
    assert (event.class_uid, event.activity_id, event.user) == (PROCESS_ACTIVITY, 1, "alice")
    assert event.process == "C:\\Windows\\System32\\cmd.exe"
    assert event.parent_process == "C:\\Windows\\explorer.exe"
    assert event.command == "cmd.exe /c whoami"
    assert security(4688, fields | {"TargetUserName": "bob", "TargetDomainName": "CORP"}).user == "bob"


def test_a_process_that_ends_has_not_failed() -> None:
    event = security(4689, SUBJECT | {"ProcessName": "C:\\a.exe", "Status": "0x1"})
    assert (event.activity_id, event.status_id, event.status_detail) == (2, SUCCESS, "exit 0x1")


@pytest.mark.parametrize(
    ("kind", "mask", "class_uid", "activity"),
    [
        ("File", "0x1", FILE_ACTIVITY, 2),
        ("File", "0x2", FILE_ACTIVITY, 3),
        ("File", "0x10000", FILE_ACTIVITY, 4),
        ("File", "0x40000", FILE_ACTIVITY, 7),
        ("File", "0x80", FILE_ACTIVITY, 8),
        ("Key", "0x1", REGISTRY_KEY, 2),
        ("Key", "0x2", REGISTRY_KEY, 3),
        ("Key", "0x4", REGISTRY_KEY, 1),
        ("Key", "0x10000", REGISTRY_KEY, 4),
        ("Process", "0x10", PROCESS_ACTIVITY, 3),
        ("Token", "0x1", BASE_EVENT, 99),
    ],
)
def test_the_access_mask_decides_what_was_done_to_an_object(
    kind: str, mask: str, class_uid: int, activity: int
) -> None:
    event = security(4663, SUBJECT | {"ObjectType": kind, "ObjectName": "X", "AccessMask": mask})
    assert (event.class_uid, event.activity_id, event.file) == (class_uid, activity, "X")


def test_a_handle_request_is_an_open_and_can_be_denied() -> None:
    event = security(4656, SUBJECT | {"ObjectType": "File", "ObjectName": "C:\\x"}, failure=True)
    assert (event.activity_id, event.status_id) == (14, FAILURE)


def test_a_registry_value_is_named_with_its_key() -> None:
    fields = SUBJECT | {"ObjectName": "\\REGISTRY\\MACHINE\\Run", "ObjectValueName": "updater"}
    event = security(4657, fields | {"OperationType": "%%1904"})
    assert (event.class_uid, event.activity_id) == (REGISTRY_VALUE, 2)
    assert event.file == "\\REGISTRY\\MACHINE\\Run\\updater"
    assert security(4657, fields | {"OperationType": "%%1906"}).activity_id == 4


def test_replication_rights_are_named() -> None:
    event = security(
        4662,
        SUBJECT
        | {
            "ObjectServer": "DS",
            "ObjectType": "%{19195a5b-6da0-11d0-afd3-00c04fd930c9}",
            "AccessMask": "0x100",
            "Properties": "%%7688\r\n\t\t{1131f6ad-9c07-11d1-f79f-00c04fc2dcd2}\r\n",
        },
    )
    assert (event.class_uid, event.resource) == (ENTITY_MANAGEMENT, "DS-Replication-Get-Changes-All")


def test_a_new_service_tells_what_it_runs_and_as_whom() -> None:
    event = security(
        4697,
        SUBJECT
        | {
            "ServiceName": "updater",
            "ServiceFileName": "C:\\Temp\\u.exe -k",
            "ServiceAccount": "CORP\\svc-update",
        },
    )
    assert (event.class_uid, event.activity_id, event.user) == (WINDOWS_SERVICE, 1, "alice")
    assert (event.service, event.command, event.target_user) == (
        "updater",
        "C:\\Temp\\u.exe -k",
        "svc-update",
    )


@pytest.mark.parametrize(
    "content",
    [
        "<Task><Exec><Command>cmd.exe</Command><Arguments>/c a &amp; b</Arguments></Exec></Task>",
        "&lt;Command&gt;cmd.exe&lt;/Command&gt;&lt;Arguments&gt;/c a &amp;amp; b&lt;/Arguments&gt;",
    ],
)
def test_a_task_tells_its_command(content: str) -> None:
    event = security(4698, SUBJECT | {"TaskName": "\\updater", "TaskContent": content})
    assert (event.class_uid, event.activity_id, event.resource) == (SCHEDULED_JOB, 1, "\\updater")
    assert event.command == "cmd.exe /c a & b"


@pytest.mark.parametrize(
    ("event_id", "activity"),
    [
        (4720, 1),
        (4722, 2),
        (4723, 3),
        (4724, 4),
        (4725, 5),
        (4726, 6),
        (4738, 99),
        (4767, 12),
        (4741, 1),
        (4743, 6),
    ],
)
def test_account_changes_name_who_acts_and_who_is_acted_upon(event_id: int, activity: int) -> None:
    event = security(event_id, SUBJECT | TARGET)
    assert (event.class_uid, event.activity_id) == (ACCOUNT_CHANGE, activity)
    assert (event.user, event.target_user) == ("alice", "bob")


def test_a_lockout_names_the_machine_that_caused_it() -> None:
    event = security(
        4740,
        {"TargetUserName": "bob", "TargetDomainName": "WS-12", "SubjectUserName": "DC-01$"},
    )
    assert (event.activity_id, event.target_user, event.src_host) == (9, "bob", "ws-12")


def test_a_rename_is_told_with_both_names() -> None:
    event = security(
        4781,
        SUBJECT | {"OldTargetUserName": "WS-12$", "NewTargetUserName": "DC-01", "TargetDomainName": "CORP"},
    )
    assert (event.target_user, event.resource) == ("ws-12$", "DC-01")


@pytest.mark.parametrize(
    ("event_id", "activity"),
    [(4728, 3), (4732, 3), (4756, 3), (4729, 4), (4733, 4), (4757, 4)],
)
def test_group_membership_changes_name_member_and_group(event_id: int, activity: int) -> None:
    event = security(
        event_id,
        SUBJECT
        | {
            "MemberName": "CN=bob,OU=Staff,DC=corp,DC=example",
            "MemberSid": "S-1-5-21-111-222-333-1105",
            "TargetUserName": "Domain Admins",
        },
    )
    assert (event.class_uid, event.activity_id) == (GROUP_MANAGEMENT, activity)
    assert (event.user, event.target_user, event.resource) == ("alice", "bob", "Domain Admins")


def test_a_user_right_is_assigned_by_the_subject_to_the_target() -> None:
    event = security(4704, SUBJECT | {"TargetSid": "S-1-5-21-9-9-9-9", "PrivilegeList": "SeTcbPrivilege"})
    assert (event.class_uid, event.activity_id, event.resource) == (USER_ACCESS, 1, "SeTcbPrivilege")
    assert event.target_user == "S-1-5-21-9-9-9-9"


def test_a_share_access_names_share_file_and_client() -> None:
    event = security(
        5145,
        SUBJECT | {"IpAddress": "10.0.0.5", "ShareName": "\\\\*\\IPC$", "RelativeTargetName": "svcctl"},
    )
    assert (event.class_uid, event.user, event.src_ip) == (SMB_ACTIVITY, "alice", "10.0.0.5")
    assert (event.file, event.resource, event.protocol) == ("\\\\*\\IPC$\\svcctl", "IPC$", "smb")


def test_a_permitted_connection_has_both_ends() -> None:
    fields: dict[str, object] = {
        "Application": "\\device\\harddiskvolume2\\windows\\system32\\svchost.exe",
        "Direction": "%%14593",
        "SourceAddress": "10.0.0.5",
        "SourcePort": "50000",
        "DestAddress": "10.0.0.9",
        "DestPort": 445,
        "Protocol": 6,
    }
    event = security(5156, fields)
    assert (event.class_uid, event.activity_id, event.operation) == (NETWORK_ACTIVITY, 1, "ConnectionOut")
    assert (event.src_ip, event.dst_ip, event.dst_port, event.protocol) == (
        "10.0.0.5",
        "10.0.0.9",
        445,
        "tcp",
    )
    blocked = security(5157, fields, failure=True)
    assert (blocked.activity_id, blocked.status_id) == (5, FAILURE)


def test_a_listening_port_is_kept_but_a_random_one_is_not() -> None:
    fields: dict[str, object] = {"SourceAddress": "0.0.0.0", "SourcePort": "8000", "Protocol": "6"}  # noqa: S104
    assert security(5154, fields).dst_port == 8000
    assert security(5158, fields).dst_port == 0


def test_a_session_taken_up_again_is_a_remote_desktop_event() -> None:
    event = security(
        4778,
        {
            "AccountName": "alice",
            "AccountDomain": "CORP",
            "SessionName": "RDP-Tcp#3",
            "ClientName": "ALICE-HOME",
            "ClientAddress": "198.51.100.7",
        },
    )
    assert (event.class_uid, event.activity_id, event.user) == (RDP_ACTIVITY, 8, "alice")
    assert (event.src_host, event.src_ip, event.service) == ("alice-home", "198.51.100.7", "RDP-Tcp")


def test_audit_policy_changes_are_worded() -> None:
    event = security(
        4719,
        SUBJECT
        | {
            "SubcategoryGuid": "{0cce9215-69ae-11d9-bed3-505054503030}",
            "AuditPolicyChanges": "%%8448, %%8450",
        },
    )
    assert event.resource == "0CCE9215-69AE-11D9-BED3-505054503030"
    assert event.status_detail == "success removed, failure removed"


def test_clearing_the_security_log_names_the_user_from_user_data() -> None:
    record = {
        "Event": {
            "System": {
                "Provider": {"#attributes": {"Name": "Microsoft-Windows-Eventlog"}},
                "EventID": 1102,
                "TimeCreated": {"#attributes": {"SystemTime": "2024-03-05T08:09:10Z"}},
                "Channel": "Security",
                "Computer": "DC-01",
            },
            "UserData": {"LogFileCleared": {"#attributes": {"xmlns": "x"}, **SUBJECT}},
        }
    }
    event = WindowsJsonDecoder(SourceContext()).decode(json.dumps(record).encode())
    assert (event.class_uid, event.activity_id, event.user) == (EVENT_LOG_ACTIVITY, 1, "alice")


def test_the_same_id_of_another_provider_is_not_a_logon() -> None:
    event = security(4625, {"param1": "86400"}, provider="Microsoft-Windows-EventSystem")
    assert (event.class_uid, event.operation) == (BASE_EVENT, "Microsoft-Windows-EventSystem 4625")


def test_an_id_without_a_rule_still_names_user_host_and_process() -> None:
    event = security(4999, SUBJECT | {"ProcessName": "C:\\a.exe", "IpAddress": "10.0.0.5"})
    assert event.operation == "Microsoft-Windows-Security-Auditing 4999"
    assert (event.user, event.host, event.process, event.src_ip) == (
        "alice",
        "dc-01",
        "C:\\a.exe",
        "10.0.0.5",
    )


def test_every_rule_survives_fields_of_every_wrong_type() -> None:
    values: list[object] = [
        None,
        0,
        -1,
        1e300,
        True,
        "",
        "\0",
        "x" * 20_000,
        [],
        [1],
        {},
        {"a": {}},
        "\u202e",
    ]
    names = [
        "SubjectUserName",
        "TargetUserName",
        "LogonType",
        "Status",
        "SubStatus",
        "AccessMask",
        "Properties",
        "DestPort",
        "Protocol",
        "IpAddress",
        "TaskContent",
        "PrivilegeList",
        "TicketEncryptionType",
        "AuditPolicyChanges",
        "ServiceName",
        "MemberName",
        "ReturnCode",
    ]
    for event_id in SECURITY:
        for value in values:
            event = security(event_id, dict.fromkeys(names, value))
            assert event.host == "dc-01"


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("1601-01-01T00:00:00.000000Z", "time out of range"),
        ("2900-01-01T00:00:00Z", "time out of range"),
        ("yesterday", "time is not ISO 8601"),
        ("", "time is missing"),
        (None, "time is missing"),
    ],
)
def test_a_record_without_a_usable_time_is_refused(stamp: object, reason: str) -> None:
    record = {
        "System": {
            "Provider": {"Name": "x"},
            "EventID": {"Value": 1},
            "TimeCreated": {"SystemTime": stamp},
        }
    }
    with pytest.raises(RecordError, match=reason):
        WindowsJsonDecoder(SourceContext()).decode(json.dumps(record).encode())
