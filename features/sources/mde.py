r"""Microsoft Defender for Endpoint: advanced hunting's Device* tables, and IdentityLogonEvents beside them.

Rows come as JSON (hunting API, Sentinel tables), in the streaming API's envelope (`category`
"AdvancedHunting-<table>", `properties`), or as CSV with a header (portal export). The sensor's own raw column
names (`CreatedProcessName`, `ComputerDnsName`) are read too.

Field names: "Advanced hunting schema" in Microsoft Defender XDR's documentation. Times are UTC. ReportId is a
counter that repeats, so a row's own id is device, time and ReportId together, as the schema says.

`user` is the account that the event is about: that of the new process for a process, the one that logs on for
a logon, else the account of the initiating process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from features import identity
from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    AUTHENTICATION,
    BASE_EVENT,
    DETECTION_FINDING,
    DNS_ACTIVITY,
    FAILURE,
    FILE_ACTIVITY,
    GROUP_MANAGEMENT,
    HTTP_ACTIVITY,
    KERNEL_EXTENSION,
    MEMORY_ACTIVITY,
    MODULE_ACTIVITY,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    REGISTRY_KEY,
    REGISTRY_VALUE,
    SCHEDULED_JOB,
    SCRIPT_ACTIVITY,
    SSH_ACTIVITY,
    SUCCESS,
    WINDOWS_SERVICE,
    Event,
)
from features.sources.parsing import integer, json_object, mapping, text, volume
from features.sources.tabular import Rows, header, stamp_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

OTHER = 99
"""OCSF: the activity is known but the class has no number for it."""

_RAW = {
    "CreatedProcessCreationTime": "Timestamp",
    "ComputerDnsName": "DeviceName",
    "MachineId": "DeviceId",
    "ReportGuid": "ReportId",
    "CreatedProcessAccountName": "AccountName",
    "CreatedProcessAccountDomainName": "AccountDomain",
    "CreatedProcessAccountSid": "AccountSid",
    "CreatedProcessName": "FileName",
    "CreatedProcessFilePath": "FolderPath",
    "CreatedProcessCommandLine": "ProcessCommandLine",
    "InitiatingProcessName": "InitiatingProcessFileName",
    "InitiatingProcessImageFilePath": "InitiatingProcessFolderPath",
    "InitiatingProcessAccountDomainName": "InitiatingProcessAccountDomain",
    "InitiatingProcessParentProcessName": "InitiatingProcessParentFileName",
    "Process_CommandLine": "InitiatingProcessCommandLine",
}
"""The sensor's names on the left, advanced hunting's on the right."""

_ACTIONS: dict[str, tuple[int, int]] = {
    "ProcessCreated": (PROCESS_ACTIVITY, 1),
    "ProcessTerminated": (PROCESS_ACTIVITY, 2),
    "OpenProcessApiCall": (PROCESS_ACTIVITY, 3),
    "OpenProcess": (PROCESS_ACTIVITY, 3),
    "CreateRemoteThreadApiCall": (PROCESS_ACTIVITY, 4),
    "QueueUserApcRemoteApiCall": (PROCESS_ACTIVITY, 4),
    "SetThreadContextRemoteApiCall": (PROCESS_ACTIVITY, 4),
    "MemoryRemoteProtect": (PROCESS_ACTIVITY, 4),
    "ProcessPrimaryTokenModified": (PROCESS_ACTIVITY, 5),
    "ReadProcessMemoryApiCall": (MEMORY_ACTIVITY, 7),
    "WriteProcessMemoryApiCall": (MEMORY_ACTIVITY, 8),
    "NtAllocateVirtualMemoryApiCall": (MEMORY_ACTIVITY, 1),
    "NtAllocateVirtualMemoryRemoteApiCall": (MEMORY_ACTIVITY, 1),
    "NtProtectVirtualMemoryApiCall": (MEMORY_ACTIVITY, 2),
    "NtMapViewOfSectionRemoteApiCall": (MEMORY_ACTIVITY, 9),
    "ImageLoaded": (MODULE_ACTIVITY, 1),
    "DriverLoad": (KERNEL_EXTENSION, 1),
    "PowerShellCommand": (SCRIPT_ACTIVITY, 1),
    "ScriptContent": (SCRIPT_ACTIVITY, 1),
    "AmsiScriptContent": (SCRIPT_ACTIVITY, 1),
    "LogonSuccess": (AUTHENTICATION, 1),
    "LogonFailed": (AUTHENTICATION, 1),
    "LogonAttempted": (AUTHENTICATION, 1),
    "FileCreated": (FILE_ACTIVITY, 1),
    "FileModified": (FILE_ACTIVITY, 3),
    "FileDeleted": (FILE_ACTIVITY, 4),
    "FileRenamed": (FILE_ACTIVITY, 5),
    "SensitiveFileRead": (FILE_ACTIVITY, 2),
    "ShellLinkCreateFileEvent": (FILE_ACTIVITY, 1),
    "NamedPipeEvent": (FILE_ACTIVITY, OTHER),
    "RegistryKeyCreated": (REGISTRY_KEY, 1),
    "RegistryKeyDeleted": (REGISTRY_KEY, 4),
    "RegistryKeyRenamed": (REGISTRY_KEY, 5),
    "RegistryValueSet": (REGISTRY_VALUE, 2),
    "RegistryValueDeleted": (REGISTRY_VALUE, 4),
    "ConnectionSuccess": (NETWORK_ACTIVITY, 1),
    "ConnectionRequest": (NETWORK_ACTIVITY, 1),
    "ConnectionAttempt": (NETWORK_ACTIVITY, 1),
    "ConnectionFound": (NETWORK_ACTIVITY, 1),
    "ConnectionAcknowledged": (NETWORK_ACTIVITY, 1),
    "InboundConnectionAccepted": (NETWORK_ACTIVITY, 1),
    "InboundConnectionAttempt": (NETWORK_ACTIVITY, 1),
    "ConnectionFailed": (NETWORK_ACTIVITY, 4),
    "InboundInternetScanInspected": (NETWORK_ACTIVITY, 6),
    "NetworkSignatureInspected": (NETWORK_ACTIVITY, 6),
    "ListeningConnectionCreated": (NETWORK_ACTIVITY, OTHER),
    "DnsConnectionInspected": (DNS_ACTIVITY, 6),
    "DnsQueryResponse": (DNS_ACTIVITY, 2),
    "HttpConnectionInspected": (HTTP_ACTIVITY, OTHER),
    "SshConnectionInspected": (SSH_ACTIVITY, 6),
    "FirewallInboundConnectionBlocked": (NETWORK_ACTIVITY, 5),
    "FirewallOutboundConnectionBlocked": (NETWORK_ACTIVITY, 5),
    "ScheduledTaskCreated": (SCHEDULED_JOB, 1),
    "ScheduledTaskUpdated": (SCHEDULED_JOB, 2),
    "ScheduledTaskDeleted": (SCHEDULED_JOB, 3),
    "ScheduledTaskEnabled": (SCHEDULED_JOB, 4),
    "ScheduledTaskDisabled": (SCHEDULED_JOB, 5),
    "ServiceInstalled": (WINDOWS_SERVICE, 1),
    "UserAccountCreated": (ACCOUNT_CHANGE, 1),
    "UserAccountModified": (ACCOUNT_CHANGE, OTHER),
    "UserAccountDeleted": (ACCOUNT_CHANGE, 6),
    "PasswordChangeAttempt": (ACCOUNT_CHANGE, 3),
    "UserAccountAddedToLocalGroup": (GROUP_MANAGEMENT, 3),
    "UserAccountRemovedFromLocalGroup": (GROUP_MANAGEMENT, 4),
    "SecurityGroupCreated": (GROUP_MANAGEMENT, 6),
    "SecurityGroupDeleted": (GROUP_MANAGEMENT, 5),
    "AntivirusDetection": (DETECTION_FINDING, 1),
}
_TABLES = {
    "DeviceProcessEvents": PROCESS_ACTIVITY,
    "DeviceLogonEvents": AUTHENTICATION,
    "IdentityLogonEvents": AUTHENTICATION,
    "DeviceNetworkEvents": NETWORK_ACTIVITY,
    "DeviceFileEvents": FILE_ACTIVITY,
    "DeviceRegistryEvents": REGISTRY_VALUE,
    "DeviceImageLoadEvents": MODULE_ACTIVITY,
    "DeviceEvents": BASE_EVENT,
    "AlertInfo": DETECTION_FINDING,
    "AlertEvidence": DETECTION_FINDING,
}
"""Class of an action that is not listed above."""

_NETWORK = frozenset({NETWORK_ACTIVITY, DNS_ACTIVITY, HTTP_ACTIVITY, SSH_ACTIVITY})
_OWN_ACCOUNT = frozenset({PROCESS_ACTIVITY, AUTHENTICATION})
_CHANGES = frozenset({ACCOUNT_CHANGE, GROUP_MANAGEMENT})
_FAILED = ("Failed", "Blocked")
_SUCCEEDED = (
    "Success",
    "Accepted",
    "Acknowledged",
    "Created",
    "Modified",
    "Deleted",
    "Renamed",
    "Set",
    "Installed",
)
_DETAILED = """
    PowerShellCommand ScriptContent NamedPipeEvent ServiceInstalled UserAccountAddedToLocalGroup
    UserAccountRemovedFromLocalGroup ScheduledTaskCreated ScheduledTaskUpdated ScheduledTaskDeleted
    ScheduledTaskEnabled ScheduledTaskDisabled DnsQueryResponse DnsConnectionInspected HttpConnectionInspected
    SslConnectionInspected LdapSearch
"""
_DETAILS = frozenset(_DETAILED.split())
"""Actions whose AdditionalFields are worth reading: that is a second JSON document in the record."""


class MdeDecoder:
    """One hunting row to one event."""

    name: ClassVar[str] = "mde"

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._rows = Rows()

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Tell by the streaming category, or by a hunting table's columns in a JSON record or CSV header."""
        category = sample.record.get("category")
        if isinstance(category, str) and category.startswith("AdvancedHunting-"):
            return 1.0
        columns = set(sample.record)
        if not columns and sample.lines:
            first = sample.lines[0][:16384]
            if b"InitiatingProcess" in first or b"ActionType" in first:
                try:
                    columns = set(header(first))
                except RecordError:
                    return 0.0
        if {"ActionType", "DeviceName"} <= columns and columns & {"Timestamp", "TimeGenerated"}:
            return 1.0
        if {"CreatedProcessName", "ComputerDnsName", "InitiatingProcessName"} <= columns:
            return 1.0
        return 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Keep a CSV header, join the lines of quoted fields, drop blank lines."""
        return self._rows.frames(lines)

    def decode(self, record: bytes) -> Event:
        """One row to one event; RecordError for a broken row and for a missing or impossible time."""
        row, table = _unwrap(self._rows.read(record))
        get = row.get
        stamp = get("Timestamp") or get("TimeGenerated")
        action = text(get("ActionType"))
        class_uid, activity_id = _ACTIONS.get(action) or (_TABLES.get(table, BASE_EVENT), OTHER)
        device, device_id, report = text(get("DeviceName")), text(get("DeviceId")), text(get("ReportId"))
        event = Event(
            time_us=stamp_us(stamp),
            class_uid=class_uid,
            activity_id=activity_id,
            status_id=_status(action),
            uid=f"{device_id or device}|{text(stamp)}|{report}" if report and (device_id or device) else "",
            host=identity.host(device),
            operation=action or text(get("Title")),
            service=text(get("ServiceSource")),
            status_detail=text(get("FailureReason"))[:200],
        )
        account = self._account(row, "Account", device)
        actor = self._account(row, "InitiatingProcessAccount", device) or self._account(
            row, "Request", device
        )
        event.user = account or actor if class_uid in _OWN_ACCOUNT else actor or account
        if class_uid in _CHANGES and account != event.user:
            event.target_user = account
        _put_processes(event, row)
        if class_uid == AUTHENTICATION:
            _put_logon(event, row, table)
        elif class_uid in _NETWORK or get("RemoteIP"):
            _put_network(event, row, action)
        elif class_uid in (REGISTRY_KEY, REGISTRY_VALUE):
            event.file = _joined(text(get("RegistryKey")), text(get("RegistryValueName")))
        elif class_uid in (FILE_ACTIVITY, MODULE_ACTIVITY, KERNEL_EXTENSION):
            event.file = _joined(text(get("FolderPath")), text(get("FileName")))
            event.src_ip = identity.ip(text(get("RequestSourceIP")))
        if action in _DETAILS:
            _put_details(event, get("AdditionalFields"))
        return event

    def _account(self, row: dict[str, Any], prefix: str, device: str) -> str:
        name, sid = text(row.get(f"{prefix}Name")), text(row.get(f"{prefix}Sid"))
        if prefix == "Request":
            name, domain = text(row.get("RequestAccountName")), text(row.get("RequestAccountDomain"))
            sid = text(row.get("RequestAccountSid"))
        else:
            domain = text(row.get(f"{prefix}Domain"))
        if not name:
            name, domain = text(row.get(f"{prefix}Upn")), ""
        if not name and not sid:
            return ""
        return self._context.identity.user(name, domain=domain, sid=sid, host=device)


def _unwrap(row: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Row and table name; the sensor's column names become those of advanced hunting."""
    category = row.get("category")
    if isinstance(category, str) and category.startswith("AdvancedHunting-"):
        inner = row.get("properties")
        if isinstance(inner, str):
            inner = json_object(inner.encode("utf-8", "replace"))
        row = mapping(inner)
        return row, category.removeprefix("AdvancedHunting-")
    if "CreatedProcessName" in row or "ComputerDnsName" in row:
        raw = {_RAW.get(key, key): value for key, value in row.items()}
        raw.setdefault("ActionType", "ProcessCreated" if row.get("CreatedProcessName") else "")
        raw["Timestamp"] = raw.get("Timestamp") or row.get("ReportTime")
        return raw, "DeviceProcessEvents"
    return row, text(row.get("Type")) or text(row.get("$table"))


def _status(action: str) -> int:
    if action.endswith(_FAILED):
        return FAILURE
    return SUCCESS if action.endswith(_SUCCEEDED) else 0


def _joined(folder: str, name: str) -> str:
    r"""Full path. FolderPath holds the file's name already in most tables, and only the folder in some."""
    if not name or not folder:
        return folder or name
    if folder.lower().endswith(name.lower()):
        return folder
    slash = "/" if "/" in folder and "\\" not in folder else "\\"
    return f"{folder.rstrip(slash)}{slash}{name}"


def _put_processes(event: Event, row: dict[str, Any]) -> None:
    """Fill process, parent and command line: of the new process if there is one, else of the initiator."""
    get = row.get
    initiator = _joined(text(get("InitiatingProcessFolderPath")), text(get("InitiatingProcessFileName")))
    if event.class_uid == PROCESS_ACTIVITY and (get("FileName") or get("FolderPath")):
        event.process = _joined(text(get("FolderPath")), text(get("FileName")))
        event.command = text(get("ProcessCommandLine"))
        event.parent_process = initiator
    else:
        event.process = initiator
        event.command = text(get("InitiatingProcessCommandLine"))
        event.parent_process = text(get("InitiatingProcessParentFileName"))


def _put_logon(event: Event, row: dict[str, Any], table: str) -> None:
    get = row.get
    kind, protocol = text(get("LogonType")), text(get("Protocol"))
    event.auth = f"{protocol} {kind}".strip().lower()
    if table == "IdentityLogonEvents" or get("DestinationDeviceName"):
        # Defender for Identity: DeviceName is where the logon came from.
        event.src_host = event.host
        event.host = identity.host(text(get("DestinationDeviceName")))
        event.src_ip = identity.ip(text(get("IPAddress")))
        event.service = text(get("Application"))
    else:
        event.src_ip = identity.ip(text(get("RemoteIP")))
        event.src_host = identity.host(text(get("RemoteDeviceName")))


def _put_network(event: Event, row: dict[str, Any], action: str) -> None:
    get = row.get
    local, remote = identity.ip(text(get("LocalIP"))), identity.ip(text(get("RemoteIP")))
    if action.startswith(("Inbound", "FirewallInbound")) or action == "ConnectionAcknowledged":
        event.src_ip, event.dst_ip, port = remote, local, integer(get("LocalPort"))
    elif action == "ListeningConnectionCreated":
        event.dst_ip, port = local, integer(get("LocalPort"))
    else:
        event.src_ip, event.dst_ip, port = local, remote, integer(get("RemotePort"))
        event.domain = _hostname(text(get("RemoteUrl")))
    event.dst_port = port if 0 < port < 65_536 else 0
    protocol = text(get("Protocol")).lower()
    event.protocol = protocol[:3] if protocol in ("tcpv4", "tcpv6", "udpv4", "udpv6") else protocol


def _hostname(url: str) -> str:
    """Host name in a URL or in `name:port`; "" for an address."""
    rest = url.partition("://")[2] or url
    name = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    if identity.ip(name):
        return ""
    return name.partition(":")[0]


def _put_details(event: Event, value: object) -> None:
    """Read AdditionalFields, a JSON object or its text; a broken one costs only these attributes."""
    if isinstance(value, str):
        try:
            value = json_object(value.encode("utf-8", "replace"))
        except RecordError:
            return
    get = mapping(value).get
    event.command = text(get("Command")) or text(get("ScriptContent")) or event.command
    event.file = text(get("PipeName")) or event.file
    event.resource = (
        text(get("TaskName"))
        or text(get("ServiceName"))
        or text(get("GroupName"))
        or text(get("SearchFilter"))
        or event.resource
    )
    event.domain = (
        text(get("DnsQueryString"))
        or text(get("query"))
        or text(get("host"))
        or text(get("server_name"))
        or event.domain
    )
    # The sensor takes these from Zeek; request and response are of the client, which "In" is the other end.
    requested, answered = volume(get("request_body_len")), volume(get("response_body_len"))
    inbound = text(get("direction")).lower() == "in"
    event.bytes_in, event.bytes_out = (requested, answered) if inbound else (answered, requested)
