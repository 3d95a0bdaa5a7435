"""PowerShell, services, tasks, remote desktop, WMI, WinRM, Defender, AppLocker, BITS and applications."""

from __future__ import annotations

import json

import pytest

from features.events import (
    APPLICATION_LIFECYCLE,
    AUTHENTICATION,
    DATASTORE_ACTIVITY,
    DETECTION_FINDING,
    DNS_ACTIVITY,
    ENTITY_MANAGEMENT,
    EVENT_LOG_ACTIVITY,
    FAILURE,
    FILE_ACTIVITY,
    HTTP_ACTIVITY,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    RDP_ACTIVITY,
    SCHEDULED_JOB,
    SCRIPT_ACTIVITY,
    SUCCESS,
    WINDOWS_SERVICE,
    Event,
)
from features.sources.base import SourceContext
from features.sources.windows_json import WindowsJsonDecoder

ALICE = "S-1-5-21-111-222-333-1104"
MW = "Microsoft-Windows-"
DETAILS = (
    "\tDetailSequence=1\r\n\tUserId=CORP\\alice\r\n\tHostName=ConsoleHost\r\n"
    "\tHostApplication=C:\\Windows\\powershell.exe -NoProfile\r\n\tScriptName=C:\\s.ps1\r\n"
)


def event_of(
    provider: str, event_id: int, data: dict[str, object], *, sid: str = "", message: str = ""
) -> Event:
    record = {
        "@timestamp": "2024-03-05T08:09:10.123Z",
        "message": message,
        "winlog": {
            "provider_name": provider,
            "channel": "Some-Log",
            "event_id": str(event_id),
            "computer_name": "WS-12.corp.example",
            "record_id": 7,
            "event_data": data,
            "user": {"identifier": sid},
        },
    }
    return WindowsJsonDecoder(SourceContext()).decode(json.dumps(record).encode())


# --- PowerShell ------------------------------------------------------------------------------------


def test_a_powershell_command_names_user_host_application_and_cmdlet() -> None:
    context = (
        "        Severity = Informational\r\n        Host Name = ConsoleHost\r\n"
        '        Host Application = "C:\\Program Files\\ps.exe" -File a.ps1\r\n'
        "        Command Name = Get-ADUser\r\n        Script Name = C:\\a.ps1\r\n"
        "        User = CORP\\alice\r\n"
    )
    event = event_of(f"{MW}PowerShell", 4103, {"ContextInfo": context, "Payload": "x"})
    assert (event.class_uid, event.activity_id, event.user) == (SCRIPT_ACTIVITY, 1, "alice")
    assert (event.process, event.resource, event.file) == (
        "C:\\Program Files\\ps.exe",
        "Get-ADUser",
        "C:\\a.ps1",
    )


def test_a_command_line_cannot_pose_as_the_user_of_a_command() -> None:
    context = (
        "  Host Application = a.exe\r\n  User = CORP\\mallory\r\n  User = CORP\\alice\r\n  Shell ID = x\r\n"
    )
    assert event_of(f"{MW}PowerShell", 4103, {"ContextInfo": context}).user == "alice"
    assert (
        event_of(f"{MW}PowerShell", 4103, {"ContextInfo": "  Host Application = a User = bob\r\n"}).user == ""
    )


def test_a_script_block_is_its_writers() -> None:
    event = event_of(
        f"{MW}PowerShell", 4104, {"ScriptBlockText": "Get-Process", "Path": "C:\\x.ps1"}, sid=ALICE
    )
    assert (event.user, event.command, event.file) == (ALICE, "Get-Process", "C:\\x.ps1")


@pytest.mark.parametrize("carrier", ["parameters", "message"])
def test_a_classic_pipeline_event_is_read_from_parameters_or_message(carrier: str) -> None:
    if carrier == "parameters":
        event = event_of("PowerShell", 800, {"param1": "Get-Item x\nmore", "param2": DETAILS, "param3": "P"})
    else:
        message = "Pipeline execution details for command line: Get-Item x\n. \r\n\r\nContext Information:"
        message = f"{message} \r\n{DETAILS}"
        event = event_of("PowerShell", 800, {}, message=message)
    assert (event.user, event.resource, event.service) == ("alice", "Get-Item x", "ConsoleHost")
    assert (event.process, event.command) == (
        "C:\\Windows\\powershell.exe",
        "C:\\Windows\\powershell.exe -NoProfile",
    )


@pytest.mark.parametrize(("event_id", "activity"), [(400, 1), (403, 99), (600, 99)])
def test_the_classic_engine_events_tell_the_host_application(event_id: int, activity: int) -> None:
    event = event_of("PowerShell", event_id, {"param1": "A", "param2": "B", "param3": DETAILS})
    assert (event.activity_id, event.process) == (activity, "C:\\Windows\\powershell.exe")


# --- services and tasks ----------------------------------------------------------------------------


def test_a_service_installation_of_the_system_log_is_the_writers() -> None:
    event = event_of(
        "Service Control Manager",
        7045,
        {"ServiceName": "PSEXESVC", "ImagePath": "%SystemRoot%\\PSEXESVC.exe", "AccountName": "LocalSystem"},
        sid=ALICE,
    )
    assert (event.class_uid, event.activity_id, event.user, event.target_user) == (
        WINDOWS_SERVICE,
        1,
        ALICE,
        "",
    )
    assert (event.service, event.command) == ("PSEXESVC", "%SystemRoot%\\PSEXESVC.exe")


def test_service_states_and_start_types_are_told() -> None:
    started = event_of("Service Control Manager", 7036, {"param1": "Spooler", "param2": "running"})
    assert (started.activity_id, started.service) == (3, "Spooler")
    changed = event_of(
        "Service Control Manager",
        7040,
        {"param1": "Windows Event Log", "param2": "auto start", "param3": "disabled", "param4": "EventLog"},
    )
    assert (changed.activity_id, changed.service, changed.status_detail) == (2, "EventLog", "disabled")
    late = event_of("Service Control Manager", 7009, {"param1": "30000", "param2": "updater"})
    assert (late.service, late.status_id) == ("updater", FAILURE)


@pytest.mark.parametrize(
    ("event_id", "activity", "field"),
    [(106, 1, "UserContext"), (140, 2, "UserName"), (141, 3, "UserName"), (142, 5, "UserName")],
)
def test_task_scheduler_events_name_task_and_user(event_id: int, activity: int, field: str) -> None:
    event = event_of(f"{MW}TaskScheduler", event_id, {"TaskName": "\\updater", field: "CORP\\alice"})
    assert (event.class_uid, event.activity_id) == (SCHEDULED_JOB, activity)
    assert (event.user, event.resource) == ("alice", "\\updater")


def test_a_task_action_tells_what_it_ran() -> None:
    event = event_of(f"{MW}TaskScheduler", 200, {"TaskName": "\\u", "ActionName": "C:\\u.exe"})
    assert (event.activity_id, event.process) == (6, "C:\\u.exe")


# --- remote access ---------------------------------------------------------------------------------


def test_a_remote_session_logon_names_user_and_address() -> None:
    data: dict[str, object] = {"User": "CORP\\alice", "SessionID": "3", "Address": "198.51.100.7"}
    event = event_of(f"{MW}TerminalServices-LocalSessionManager", 21, data)
    assert (event.class_uid, event.user, event.src_ip) == (AUTHENTICATION, "alice", "198.51.100.7")
    assert event.auth == "remoteinteractive"
    local = event_of(f"{MW}TerminalServices-LocalSessionManager", 21, data | {"Address": "LOCAL"})
    assert (local.src_ip, local.src_host, local.auth) == ("", "ws-12", "interactive")


def test_a_session_event_without_fields_is_read_from_its_message() -> None:
    message = (
        "Session has been disconnected:\r\n\r\nUser: CORP\\alice\r\nSource Network Address: 198.51.100.7"
    )
    event = event_of(f"{MW}TerminalServices-LocalSessionManager", 24, {}, message=message)
    assert (event.class_uid, event.activity_id, event.user) == (RDP_ACTIVITY, 7, "alice")
    assert event.src_ip == "198.51.100.7"


def test_remote_desktop_connections_are_told_on_both_sides() -> None:
    server = event_of(
        f"{MW}TerminalServices-RemoteConnectionManager",
        1149,
        {"Param1": "alice", "Param2": "CORP", "Param3": "198.51.100.7"},
    )
    assert (server.class_uid, server.user, server.src_ip) == (RDP_ACTIVITY, "alice", "198.51.100.7")
    early = event_of(
        f"{MW}RemoteDesktopServices-RdpCoreTS", 131, {"ConnType": "TCP", "ClientIP": "198.51.100.7:52202"}
    )
    assert early.src_ip == "198.51.100.7"
    client = event_of(
        f"{MW}TerminalServices-ClientActiveXCore", 1102, {"Name": "Server Name", "Value": "fs-01"}
    )
    assert (client.class_uid, client.dst_host, client.dst_port) == (RDP_ACTIVITY, "fs-01", 3389)


def test_remote_management_names_target_and_user() -> None:
    client = event_of(f"{MW}WinRM", 6, {"connection": "fs-01/wsman?PSVersion=5.1"}, sid=ALICE)
    assert (client.class_uid, client.dst_host, client.user) == (NETWORK_ACTIVITY, "fs-01", ALICE)
    server = event_of(f"{MW}WinRM", 169, {"username": "corp\\alice", "authenticationMechanism": "NTLM"})
    assert (server.class_uid, server.user, server.auth) == (AUTHENTICATION, "alice", "ntlm")


def test_ssh_for_windows_is_read_from_the_line_of_sshd() -> None:
    event = event_of(
        "OpenSSH",
        4,
        {"process": "sshd", "payload": "Failed password for alice from 198.51.100.7 port 5000 ssh2"},
    )
    assert (event.class_uid, event.status_id, event.user) == (AUTHENTICATION, FAILURE, "alice")
    assert (event.auth, event.src_ip) == ("password", "198.51.100.7")


# --- WMI, BITS, DNS, firewall, Defender, AppLocker -------------------------------------------------


def test_wmi_operations_are_read_from_fields_or_message() -> None:
    event = event_of(
        f"{MW}WMI-Activity",
        5858,
        {
            "ClientMachine": "WS-13",
            "User": "CORP\\alice",
            "Operation": "SELECT 1",
            "ResultCode": "0x80041032",
        },
    )
    assert (event.user, event.src_host, event.command) == ("alice", "ws-13", "SELECT 1")
    message = (
        "Id = {1}; ClientMachine = WS-13; User = CORP\\alice; ClientProcessId = 3; Operation = SELECT 1; x"
    )
    assert event_of(f"{MW}WMI-Activity", 5858, {}, message=message).user == "alice"


def test_a_permanent_subscription_is_a_creation() -> None:
    event = event_of(
        f"{MW}WMI-Activity", 5861, {"Namespace": "//./root/subscription", "CONSUMER": "cmd /c x"}
    )
    assert (event.class_uid, event.activity_id, event.command) == (ENTITY_MANAGEMENT, 1, "cmd /c x")


def test_a_background_transfer_names_the_domain_it_asked() -> None:
    event = event_of(
        f"{MW}Bits-Client",
        61,
        {"name": "Job", "url": "https://cdn.example.com:8443/a?b=1", "hr": "2147954407"},
    )
    assert (event.class_uid, event.domain, event.protocol) == (HTTP_ACTIVITY, "cdn.example.com", "https")
    assert (event.status_id, event.status_detail) == (FAILURE, "0x80072ee7")


def test_the_dns_client_tells_name_and_result() -> None:
    event = event_of(f"{MW}DNS-Client", 3008, {"QueryName": "a.example", "QueryStatus": "0"})
    assert (event.class_uid, event.domain, event.status_id) == (DNS_ACTIVITY, "a.example", SUCCESS)


@pytest.mark.parametrize(("event_id", "activity"), [(2004, 1), (2005, 3), (2006, 4)])
def test_firewall_rules_name_who_changed_them(event_id: int, activity: int) -> None:
    event = event_of(
        f"{MW}Windows Firewall With Advanced Security",
        event_id,
        {"RuleName": "allow all", "ModifyingUser": ALICE, "ModifyingApplication": "C:\\netsh.exe"},
    )
    assert (event.activity_id, event.user, event.resource) == (activity, ALICE, "allow all")
    assert event.process == "C:\\netsh.exe"


def test_a_defender_detection_is_a_finding() -> None:
    event = event_of(
        f"{MW}Windows Defender",
        1116,
        {
            "Threat Name": "Trojan:Win32/Example",
            "Path": "file:_C:\\Temp\\x.exe; file:_C:\\y",
            "Detection User": "CORP\\alice",
            "Process Name": "Unknown",
        },
    )
    assert (event.class_uid, event.user, event.resource) == (
        DETECTION_FINDING,
        "alice",
        "Trojan:Win32/Example",
    )
    assert (event.file, event.process) == ("C:\\Temp\\x.exe", "")


@pytest.mark.parametrize(("event_id", "activity"), [(5001, 9), (5007, 3)])
def test_switching_protection_off_is_a_change(event_id: int, activity: int) -> None:
    event = event_of(f"{MW}Windows Defender", event_id, {"New Value": "x"})
    assert (event.class_uid, event.activity_id) == (ENTITY_MANAGEMENT, activity)


def test_application_control_tells_what_was_blocked_for_whom() -> None:
    event = event_of(
        f"{MW}AppLocker",
        8004,
        {"PolicyName": "EXE", "TargetUser": ALICE, "FullFilePath": "C:\\x.exe", "RuleName": "-"},
    )
    assert (event.class_uid, event.status_id, event.user) == (PROCESS_ACTIVITY, FAILURE, ALICE)
    assert event.process == "C:\\x.exe"


# --- applications ----------------------------------------------------------------------------------


def test_a_cleared_system_log_names_log_and_user() -> None:
    event = event_of(
        f"{MW}Eventlog",
        104,
        {"SubjectUserName": "alice", "SubjectDomainName": "CORP", "Channel": "System"},
    )
    assert (event.class_uid, event.activity_id, event.user, event.resource) == (
        EVENT_LOG_ACTIVITY,
        1,
        "alice",
        "System",
    )


def test_an_installer_package_from_the_internet_names_its_domain() -> None:
    event = event_of("MsiInstaller", 1040, {"param1": "https://files.example.com/a.msi"}, sid=ALICE)
    assert (event.class_uid, event.domain, event.user) == (APPLICATION_LIFECYCLE, "files.example.com", ALICE)


def test_a_copied_directory_database_shows_its_path() -> None:
    event = event_of("ESENT", 325, {"param1": "NTDS", "param5": "C:\\Temp\\ntds.dit"})
    assert (event.class_uid, event.file) == (FILE_ACTIVITY, "C:\\Temp\\ntds.dit")


def test_sql_server_logons_and_audits_name_login_and_client() -> None:
    failed = event_of(
        "MSSQLSERVER",
        18456,
        {"param1": "sa", "param2": " Reason: bad password", "param3": " [CLIENT: 10.0.0.5]"},
    )
    assert (failed.class_uid, failed.status_id, failed.user, failed.src_ip) == (
        AUTHENTICATION,
        FAILURE,
        "sa",
        "10.0.0.5",
    )
    audit = event_of(
        "MSSQL$PROD",
        33205,
        {
            "param1": "action_id:EX\nsucceeded:true\nclient_ip:10.0.0.5\nserver_principal_name:alice\n"
            "database_name:hr\nobject_name:people\nstatement:SELECT 1"
        },
    )
    assert (audit.class_uid, audit.user, audit.resource) == (DATASTORE_ACTIVITY, "alice", "hr.people")
    assert (audit.operation, audit.command) == ("SqlAudit EX", "SELECT 1")
