"""WMI, BITS, DNS, firewall, Defender, AppLocker, and the applications that matter most.

Field names are those of the providers' manifests; parameters without a name are param1, param2 and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.events import (
    API_ACTIVITY,
    APPLICATION_LIFECYCLE,
    AUTHENTICATION,
    BASE_EVENT,
    DATASTORE_ACTIVITY,
    DETECTION_FINDING,
    DNS_ACTIVITY,
    ENTITY_MANAGEMENT,
    FAILURE,
    FILE_ACTIVITY,
    HTTP_ACTIVITY,
    MODULE_ACTIVITY,
    PROCESS_ACTIVITY,
    SCRIPT_ACTIVITY,
)
from features.sources import windows_codes as codes
from features.sources.windows_record import OTHER, Rule, assignments, set_source, url_host

if TYPE_CHECKING:
    from features.events import Event
    from features.sources.windows_record import Resolver, WindowsRecord

_MESSAGE_LIMIT: Final = 16_384


# --- WMI, BITS, DNS, firewall, Defender, AppLocker -------------------------------------------------


def _wmi(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """5857 to 5861: from UserData, else from the `Key = Value;` pairs of the message."""
    pairs: dict[str, str] = {}
    if not record.data or "param1" in record.data:
        pairs = assignments(record.message[:_MESSAGE_LIMIT].replace("; ", "\n"), " = ")

    def value(name: str, *more: str) -> str:
        return record.first(name, *more) or pairs.get(name.lower(), "")

    event.user = who.user(value("User"), "", "", record.computer) or event.user
    event.src_host = who.host(value("ClientMachine"))
    event.process = value("HostProcess")
    event.file = value("ProviderPath")
    event.service = value("ProviderName") or record.message.partition(" provider started")[0][:256]
    event.command = value("Query", "Operation", "CONSUMER")
    event.resource = value("NamespaceName", "Namespace", "ESS")
    if record.event_id != 5857:
        event.service = "wmi"
    if record.event_id == 5858:
        event.status_detail = value("ResultCode").lower()


WMI: Final[dict[int, Rule]] = {
    5857: Rule(MODULE_ACTIVITY, 1, "WmiProviderStarted", "writer", detail=_wmi),
    5858: Rule(API_ACTIVITY, 2, "WmiOperation", "writer", status_id=FAILURE, detail=_wmi),
    5859: Rule(ENTITY_MANAGEMENT, 1, "WmiEventSubscription", "writer", detail=_wmi),
    5860: Rule(ENTITY_MANAGEMENT, 1, "WmiTemporarySubscription", "writer", detail=_wmi),
    5861: Rule(ENTITY_MANAGEMENT, 1, "WmiPermanentSubscription", "writer", detail=_wmi),
}
"""Rules for Microsoft-Windows-WMI-Activity."""


def _bits(event: Event, record: WindowsRecord, who: Resolver) -> None:
    owner = record.first("jobOwner", "User", "string2")
    event.user = who.user(owner, "", "", record.computer) or event.user
    event.resource = record.first("jobTitle", "name", "string", "jobName")
    event.process = record.get("processPath")
    event.file = record.get("LocalName")
    url = record.first("url", "RemoteName")
    if url:
        event.domain = url_host(url)
        event.protocol = url.partition(":")[0].strip().lower()[:16]
    event.service = "bits"
    code = record.number("hr") & 0xFFFFFFFF
    if code:
        event.status_id = FAILURE
        event.status_detail = f"0x{code:08x}"


BITS: Final[dict[int, Rule]] = {
    3: Rule(ENTITY_MANAGEMENT, 1, "BitsJobCreated", "writer", detail=_bits),
    4: Rule(ENTITY_MANAGEMENT, 3, "BitsJobCompleted", "writer", detail=_bits),
    5: Rule(ENTITY_MANAGEMENT, 4, "BitsJobCancelled", "writer", detail=_bits),
    59: Rule(HTTP_ACTIVITY, 3, "BitsTransferStarted", "writer", detail=_bits),
    60: Rule(HTTP_ACTIVITY, 3, "BitsTransferStopped", "writer", detail=_bits),
    61: Rule(HTTP_ACTIVITY, 3, "BitsTransferFailed", "writer", status_id=FAILURE, detail=_bits),
    16403: Rule(ENTITY_MANAGEMENT, 1, "BitsFileAdded", "writer", detail=_bits),
}
"""Rules for Microsoft-Windows-Bits-Client."""


def _dns(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    event.domain = record.get("QueryName")
    event.protocol = "dns"
    status = record.first_number("QueryStatus", "Status", "ResponseStatus")
    if status:
        event.status_detail = codes.DNS_STATUS.get(status, str(status))
        event.status_id = FAILURE


DNS_CLIENT: Final[dict[int, Rule]] = {
    3006: Rule(DNS_ACTIVITY, 1, "DnsQuery", "writer", detail=_dns),
    3008: Rule(DNS_ACTIVITY, 6, "DnsQuery", "writer", detail=_dns),
    3018: Rule(DNS_ACTIVITY, 2, "DnsCacheLookup", "writer", detail=_dns),
    3020: Rule(DNS_ACTIVITY, 2, "DnsResponse", "writer", detail=_dns),
    1014: Rule(DNS_ACTIVITY, 1, "DnsTimeout", "writer", status_id=FAILURE, detail=_dns),
}
"""Rules for Microsoft-Windows-DNS-Client."""


def _firewall(event: Event, record: WindowsRecord, who: Resolver) -> None:
    event.user = who.user("", "", record.get("ModifyingUser"), record.computer) or event.user
    event.process = record.get("ModifyingApplication")
    event.resource = record.first("RuleName", "SettingType", "RuleId")
    event.file = record.get("ApplicationPath")


FIREWALL: Final[dict[int, Rule]] = {
    number: Rule(ENTITY_MANAGEMENT, activity, operation, "", detail=_firewall)
    for activity, operation, numbers in (
        (1, "FirewallRuleAdded", (2004, 2071, 2097)),
        (3, "FirewallRuleModified", (2005, 2073, 2099)),
        (4, "FirewallRuleDeleted", (2006, 2052)),
        (4, "FirewallRulesDeleted", (2033, 2059)),
        (3, "FirewallSettingChanged", (2002, 2003, 2008, 2082, 2083)),
        (3, "FirewallDefaultsRestored", (2032, 2060)),
    )
    for number in numbers
}
"""Rules for Microsoft-Windows-Windows Firewall With Advanced Security."""


def _defender(event: Event, record: WindowsRecord, who: Resolver) -> None:
    event.user = who.user(record.first("Detection User", "User"), "", "", record.computer)
    event.resource = record.first("Threat Name", "Feature Name", "New Value", "Changed Type")
    event.process = record.get("Process Name")
    if event.process == "Unknown":
        event.process = ""
    path = record.get("Path")
    for prefix in ("file:_", "containerfile:_", "process:_", "regkey:_", "amsi:_"):
        if path.startswith(prefix):
            path = path[len(prefix) :]
            break
    event.file = path.partition(";")[0]
    event.service = "defender"
    event.status_detail = record.first("Action Name", "Severity Name", "Error Description")
    if event.class_uid != DETECTION_FINDING:
        event.status_detail = record.get("Old Value")


DEFENDER: Final[dict[int, Rule]] = {
    number: Rule(class_uid, activity, operation, "", status_id=status, detail=_defender)
    for class_uid, activity, operation, status, numbers in (
        (DETECTION_FINDING, 1, "ThreatDetected", 1, (1006, 1015, 1116)),
        (DETECTION_FINDING, 2, "ThreatActionTaken", 1, (1007, 1117)),
        (DETECTION_FINDING, 2, "ThreatActionFailed", FAILURE, (1008, 1118, 1119)),
        (DETECTION_FINDING, 1, "AttackSurfaceBlocked", 1, (1121, 1122, 1123, 1124, 1126, 1127, 1128)),
        (ENTITY_MANAGEMENT, 4, "QuarantineDeleted", 1, (1011, 1012, 1013)),
        (ENTITY_MANAGEMENT, 3, "QuarantineRestored", 1, (1009,)),
        (ENTITY_MANAGEMENT, 8, "ProtectionEnabled", 1, (5000,)),
        (ENTITY_MANAGEMENT, 9, "ProtectionDisabled", 1, (5001, 5010, 5012)),
        (ENTITY_MANAGEMENT, 3, "ProtectionConfigured", 1, (5004, 5007)),
        (ENTITY_MANAGEMENT, 3, "TamperBlocked", FAILURE, (5013,)),
    )
    for number in numbers
}
"""Rules for Microsoft-Windows-Windows Defender."""


def _applocker(event: Event, record: WindowsRecord, who: Resolver) -> None:
    event.user = who.user("", "", record.get("TargetUser"), record.computer) or event.user
    path = record.first("FullFilePath", "FilePath", "Package")
    if event.class_uid == PROCESS_ACTIVITY:
        event.process = path
    else:
        event.file = path
    event.resource = record.get("RuleName")
    event.service = record.first("PolicyName", "PolicyNameBuffer")


APPLOCKER: Final[dict[int, Rule]] = {
    number: Rule(class_uid, 1, operation, "writer", status_id=status, detail=_applocker)
    for class_uid, operation, status, numbers in (
        (PROCESS_ACTIVITY, "ProgramAllowed", 1, (8002, 8020)),
        (PROCESS_ACTIVITY, "ProgramAudited", 1, (8003, 8021)),
        (PROCESS_ACTIVITY, "ProgramBlocked", FAILURE, (8004, 8022)),
        (SCRIPT_ACTIVITY, "ScriptAllowed", 1, (8005, 8023)),
        (SCRIPT_ACTIVITY, "ScriptAudited", 1, (8006, 8024)),
        (SCRIPT_ACTIVITY, "ScriptBlocked", FAILURE, (8007, 8025)),
    )
    for number in numbers
}
"""Rules for Microsoft-Windows-AppLocker."""


# --- applications ----------------------------------------------------------------------------------


def _installer(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """Windows Installer: product or package, which may be a URL."""
    name = record.get("param1")
    if name.startswith("Product: "):
        name = name[9:].partition(" -- ")[0]
    event.resource = name
    if record.event_id in (1040, 1042):
        event.file = name
        event.domain = url_host(name)
    if record.event_id in (1033, 1034, 1035, 1036, 1038):
        code = record.get("param4" if record.event_id != 1036 else "param5")
        if code.isdecimal() and int(code[:12]) not in (0, 1641, 3010):  # restart wanted is a success
            event.status_id, event.status_detail = FAILURE, code[:12]


INSTALLER: Final[dict[int, Rule]] = {
    number: Rule(APPLICATION_LIFECYCLE, activity, operation, "writer", status_id=status, detail=_installer)
    for activity, operation, status, numbers in (
        (1, "ProductInstalled", 1, (1033, 11707)),
        (1, "ProductInstalled", FAILURE, (11708, 10005, 1013)),
        (2, "ProductRemoved", 1, (1034, 11724)),
        (2, "ProductRemoved", FAILURE, (11725,)),
        (OTHER, "ProductConfigured", 1, (1035, 11728, 1036, 1022, 1029)),
        (OTHER, "ProductConfigured", FAILURE, (11729,)),
        (OTHER, "InstallerTransaction", 1, (1040, 1042)),
    )
    for number in numbers
}
"""Rules for MsiInstaller."""


def _sam(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """16962 to 16969: a remote call to the account database; the manifest's names end in a colon."""
    event.user = who.user("", "", record.first("Client SID:", "ClientSid"), record.computer)
    set_source(event, who, record.first("Client Network Address:", "ClientAddress"))


SAM: Final[dict[int, Rule]] = {
    16962: Rule(ENTITY_MANAGEMENT, 3, "SamRemoteAccessPolicy", ""),
    16965: Rule(ENTITY_MANAGEMENT, 2, "SamRemoteCallDenied", "", status_id=FAILURE, detail=_sam),
    16968: Rule(ENTITY_MANAGEMENT, 2, "SamRemoteCallAudited", "", detail=_sam),
}
"""Rules for Microsoft-Windows-Directory-Services-SAM."""


def _database(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """ESENT 216, 325 to 327: the path of a database, which tells a copied ntds.dit."""
    event.process = record.get("param1")
    event.file = record.first("param5", "param4")


ESENT: Final[dict[int, Rule]] = {
    216: Rule(FILE_ACTIVITY, 5, "DatabaseMoved", "", detail=_database),
    325: Rule(FILE_ACTIVITY, 1, "DatabaseCreated", "", detail=_database),
    326: Rule(FILE_ACTIVITY, 14, "DatabaseAttached", "", detail=_database),
    327: Rule(FILE_ACTIVITY, OTHER, "DatabaseDetached", "", detail=_database),
}
"""Rules for ESENT."""


def _sql_logon(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """18453 to 18456: login name, then ` [CLIENT: 10.0.0.5]` in one of the parameters."""
    event.user = who.user(record.get("param1"), "", "", record.computer)
    event.service = "mssql"
    event.auth = "windows" if record.event_id == 18453 else "password"
    for name in ("param2", "param3"):
        _, found, rest = record.get(name).partition("[CLIENT: ")
        if found:
            address = rest.partition("]")[0]
            if address.startswith("<local"):
                event.src_host = event.host
            else:
                set_source(event, who, address)


def _sql_audit(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """33205: the audit record is one text of `key:value` lines."""
    pairs = assignments(record.get("param1"), ":")
    event.service = "mssql"
    event.user = who.user(pairs.get("server_principal_name", ""), "", "", record.computer)
    set_source(event, who, pairs.get("client_ip", ""))
    event.operation = f"SqlAudit {pairs.get('action_id', '')}".strip()[:64]
    names = (pairs.get(key, "") for key in ("database_name", "schema_name", "object_name"))
    event.resource = ".".join(name for name in names if name)
    event.command = pairs.get("statement", "")
    if pairs.get("succeeded") in ("false", "0"):
        event.status_id = FAILURE


SQL_SERVER: Final[dict[int, Rule]] = {
    18453: Rule(AUTHENTICATION, 1, "SqlLogon", "", detail=_sql_logon),
    18454: Rule(AUTHENTICATION, 1, "SqlLogon", "", detail=_sql_logon),
    18456: Rule(AUTHENTICATION, 1, "SqlLogon", "", status_id=FAILURE, detail=_sql_logon),
    15457: Rule(ENTITY_MANAGEMENT, 3, "SqlOptionChanged", "writer", copy=(("resource", "param1"),)),
    33205: Rule(DATASTORE_ACTIVITY, OTHER, "SqlAudit", "", detail=_sql_audit),
}
"""Rules for MSSQLSERVER and named instances (MSSQL$...)."""


def _openssh(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """OpenSSH for Windows: sshd's own line is the payload."""
    line = record.get("payload")
    event.service = "sshd"
    words = line.split()[:16]
    if words[:1] not in (["Accepted"], ["Failed"]) or "for" not in words or "from" not in words:
        return
    event.class_uid, event.activity_id, event.operation = AUTHENTICATION, 1, "SshLogon"
    event.status_id = FAILURE if words[0] == "Failed" else 1
    event.auth = words[1]
    at = words.index("from")
    event.user = who.user(words[at - 1], "", "", record.computer)
    if at + 1 < len(words):
        set_source(event, who, words[at + 1])


OPENSSH: Final[dict[int, Rule]] = {
    4: Rule(BASE_EVENT, OTHER, "SshMessage", "", copy=(("process", "process"),), detail=_openssh)
}
"""Rules for the provider OpenSSH."""


def _shutdown(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """USER32 1074: process, computer, reason, code, kind, comment, user."""
    event.process = record.get("param1").partition(" (")[0]
    event.user = who.user(record.get("param7"), "", "", record.computer)
    event.status_detail = record.get("param5")


SHUTDOWN: Final[dict[int, Rule]] = {1074: Rule(BASE_EVENT, OTHER, "ShutdownRequested", "", detail=_shutdown)}
"""Rules for User32."""
