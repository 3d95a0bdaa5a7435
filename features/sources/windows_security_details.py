"""What the rules of the Security log cannot say as a table: logons, tickets, objects, services, network."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

from features.events import FAILURE, FILE_ACTIVITY, PROCESS_ACTIVITY, REGISTRY_KEY
from features.sources import windows_codes as codes
from features.sources.windows_record import assignments, set_source

if TYPE_CHECKING:
    from features.events import Event
    from features.sources.windows_record import Resolver, WindowsRecord


# --- logons ----------------------------------------------------------------------------------------


def logon(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """Logon type, package and the machine it came from (4624, 4625, 4627, 4634, 4647)."""
    raw = record.get("LogonType")
    kind = codes.LOGON_TYPES.get(record.number("LogonType"), "") if raw else ""
    kind = kind or codes.LOGON_TYPES.get(codes.LOGON_TYPE_WORDS.get(raw, -1), "")
    package = _package(record.get("AuthenticationPackageName"), record.get("LmPackageName"))
    event.auth = f"{package} {kind}" if package and kind else package or kind
    event.service = record.get("LogonProcessName").strip(" \0")
    workstation = record.get("WorkstationName")
    if workstation:
        event.src_host = who.host(workstation) or event.src_host


def _package(package: str, lan_manager: str) -> str:
    if lan_manager.strip() == "NTLM V1":  # a downgrade, so it must not look like every other NTLM logon
        return "ntlmv1"
    package = package.strip(" \0").lower()
    return "ntlm" if package.startswith(("microsoft_authentication_package", "ntlm")) else package


def logon_failure(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """Words for why a logon failed; the sub status is the precise one where Windows fills it."""
    event.status_detail = (
        codes.status_words(record.number("SubStatus"))
        or codes.status_words(record.number("Status"))
        or codes.FAILURE_REASONS.get(record.get("FailureReason"), "")
    )


def explicit_logon(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4648: other credentials were used, possibly against another machine."""
    event.auth = "explicit"
    server = record.get("TargetServerName")
    event.dst_host = who.host(server)
    if server and not event.dst_host:  # localhost
        event.dst_host = event.host


def privileges(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """List of privileges in one line."""
    event.resource = " ".join(record.get("PrivilegeList").split())


def special_groups(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4964: the watched groups, as SIDs."""
    event.resource = " ".join(record.first("SidList", "GroupMembership").split())


def session(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4778, 4779: a remote session is taken up or left; the fields are named unlike everywhere else."""
    domain = record.first("AccountDomain", "SubjectDomainName")
    name = record.first("AccountName", "SubjectUserName")
    event.user = who.user(name, domain, record.get("SubjectUserSid"), record.computer)
    event.src_host = who.host(record.get("ClientName"))
    event.service = record.get("SessionName").partition("#")[0]
    event.protocol = "rdp"


def ntlm(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4776: credentials checked by NTLM, here or for another machine."""
    event.auth = "ntlm"
    workstation = record.first("Workstation", "ClientUserName")
    event.src_host = who.host(workstation)
    _result(event, codes.status_words(record.first_number("Status", "ErrorCode")))


def mapped_account(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4774, 4775: an account was mapped for logon, for example from a certificate."""
    event.user = event.user or who.user(record.first("MappedName", "ClientUserName"), "", "", record.computer)
    event.resource = record.first("MappingBy", "SourceName")


def kerberos_ticket(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4768, 4771, 4772: a ticket-granting ticket; cipher and pre-authentication tell roasting."""
    parts = ["kerberos"]
    cipher = codes.KERBEROS_ENCRYPTION.get(record.number("TicketEncryptionType"))
    if cipher:
        parts.append(cipher)
    preauth = record.get("PreAuthType")
    if preauth == "0" and record.event_id == 4768:
        parts.append("nopreauth")
    elif preauth in ("15", "16", "17"):  # PKINIT
        parts.append("certificate")
    event.auth = " ".join(parts)
    event.service = record.get("ServiceName").partition("/")[0]
    _result(event, codes.kerberos_words(record.first_number("Status", "FailureCode")))


def kerberos_service(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4769, 4770, 4773: a service ticket; a service that runs as a computer account names the machine."""
    cipher = codes.KERBEROS_ENCRYPTION.get(record.number("TicketEncryptionType"))
    event.auth = f"kerberos {cipher}" if cipher else "kerberos"
    service = record.get("ServiceName")
    event.service = service
    if service.endswith("$"):
        event.dst_host = who.host(service[:-1])
    _result(event, codes.kerberos_words(record.first_number("Status", "FailureCode")))


def _result(event: Event, words: str) -> None:
    event.status_detail = words
    if words:
        event.status_id = FAILURE


# --- processes and privileges ----------------------------------------------------------------------


def process_creator(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4688: the process runs as the target account if one is given, else as the subject."""
    prefix = "Target" if record.get("TargetUserName") else "Subject"
    event.user = who.user(
        record.get(f"{prefix}UserName"),
        record.get(f"{prefix}DomainName"),
        record.get(f"{prefix}UserSid"),
        record.computer,
    )


def exit_status(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4689: exit code of the process, "" for 0. A process that ends has not failed, whatever it returned."""
    status = record.get("Status")
    if status and record.number("Status"):
        event.status_detail = f"exit {status.lower()}"


def privilege_use(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4673, 4674: privileges and the service or kind of object they were used on."""
    privileges(event, record, who)
    event.service = record.first("Service", "ObjectServer")


def token_right(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4703: privileges switched on, or off where none was switched on."""
    enabled = record.get("EnabledPrivilegeList")
    if not enabled:
        event.activity_id = 2
        enabled = record.get("DisabledPrivilegeList")
    event.resource = " ".join(enabled.split())


# --- objects ---------------------------------------------------------------------------------------


def object_access(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4656, 4663: what was asked for decides class and activity; a handle request is not yet an access."""
    mask = record.number("AccessMask")
    kind = record.get("ObjectType")
    requested = record.event_id == 4656
    if kind in ("File", "SymbolicLink"):
        event.class_uid = FILE_ACTIVITY
        event.activity_id = 14 if requested else _file_activity(mask)
    elif kind == "Key":
        event.class_uid = REGISTRY_KEY
        event.activity_id = _key_activity(mask)
    elif kind == "Process":
        event.class_uid = PROCESS_ACTIVITY
        event.activity_id = 3


def _file_activity(mask: int) -> int:
    if mask & codes.ACCESS_DELETE:
        return 4
    if mask & codes.FILE_WRITE:
        return 3
    if mask & codes.ACCESS_WRITE_SECURITY:
        return 7
    if mask & codes.FILE_READ:
        return 2
    return 6 if mask & codes.FILE_SET_ATTRIBUTES else 8


def _key_activity(mask: int) -> int:
    if mask & codes.ACCESS_DELETE:
        return 4
    if mask & codes.ACCESS_WRITE_SECURITY:
        return 6
    if mask & codes.KEY_SET_VALUE:
        return 3
    return 1 if mask & codes.KEY_CREATE_SUBKEY else 2


def permissions(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4670: a security descriptor was replaced."""
    kind = record.get("ObjectType")
    if kind == "File":
        event.class_uid, event.activity_id = FILE_ACTIVITY, 7
    elif kind == "Key":
        event.class_uid, event.activity_id = REGISTRY_KEY, 6


def registry_value(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4657: %%1904 is a new value, %%1905 a changed one, %%1906 a deleted one."""
    name = record.get("ObjectName")
    value = record.get("ObjectValueName")
    event.file = f"{name}\\{value}" if value else name
    operation = record.get("OperationType")
    if operation == "%%1904":
        event.activity_id = 2
    elif operation == "%%1906":
        event.activity_id = 4
        event.operation = "RegistryValueDelete"


def directory_access(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4662: control access rights by name where known, because replication rights are how DCSync looks."""
    rights = []
    for word in record.get("Properties").split()[:64]:
        if word.startswith("{"):
            name = codes.DIRECTORY_RIGHTS.get(word[1:37].lower())
            if name and name not in rights:
                rights.append(name)
    if rights:
        event.resource = " ".join(rights)
    if record.number("AccessMask") & 0x20:
        event.activity_id = 3


def directory_change(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """5136 to 5141: the object's name and, for a modification, which attribute of which class."""
    event.file = record.first("ObjectDN", "NewObjectDN", "OldObjectDN")
    attribute = record.get("AttributeLDAPDisplayName")
    kind = record.get("ObjectClass")
    event.resource = f"{kind} {attribute}" if attribute else kind
    event.service = record.get("DSName")


def key_operation(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """5058, 5059, 5061: use of a stored key."""
    event.resource = record.get("KeyName")
    event.file = record.get("KeyFilePath")
    event.service = record.get("ProviderName")
    _result(event, codes.status_words(record.number("ReturnCode")))


def vault(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """5379, 5381, 5382: stored credentials were read; a code for "not found" is a result, not a denial."""
    event.resource = record.first("TargetName", "Resource", "SchemaFriendlyName")
    event.target_user = who.user(record.get("Identity"), "", "", record.computer)
    event.status_detail = codes.status_words(record.number("ReturnCode"))
    if event.status_detail:
        event.status_id = FAILURE


def share(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    r"""5140 to 5145: `\\*\IPC$` and the file below it, named pipes included."""
    name = record.get("ShareName")
    below = record.get("RelativeTargetName")
    event.file = f"{name}\\{below}" if below and below != "\\" else name
    event.resource = name.rpartition("\\")[2]
    event.protocol = "smb"


# --- services, tasks, accounts ---------------------------------------------------------------------


def service_installed(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4697, 7045: the command is what will run, with arguments; the account is what it will run as."""
    event.service = event.resource = record.get("ServiceName")
    event.command = record.first("ServiceFileName", "ImagePath")
    account = record.first("ServiceAccount", "AccountName")
    event.target_user = who.user(account, "", "", record.computer)


def task_content(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4698 to 4702: the command in the task's XML, found by its tags, so that a broken one still tells."""
    body = record.first("TaskContent", "TaskContentNew")
    if "&lt;" in body and "<" not in body:
        body = unescape(body)
    command = _between(body, "<Command>", "</Command>")
    arguments = _between(body, "<Arguments>", "</Arguments>")
    event.command = unescape(f"{command} {arguments}".strip())


def _between(body: str, start: str, end: str) -> str:
    _, found, rest = body.partition(start)
    return rest.partition(end)[0].strip() if found else ""


def account_attributes(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4738, 4742: names of the attributes that were set; their values differ from account to account."""
    changed = [
        name
        for name in (
            "SamAccountName",
            "DisplayName",
            "UserPrincipalName",
            "ScriptPath",
            "ProfilePath",
            "PasswordLastSet",
            "AccountExpires",
            "PrimaryGroupId",
            "AllowedToDelegateTo",
            "NewUacValue",
            "SidHistory",
            "LogonHours",
            "DnsHostName",
            "ServicePrincipalNames",
        )
        if record.get(name)
    ]
    event.resource = " ".join(changed)


def lockout(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4740: TargetDomainName holds the machine that sent the bad passwords, not a domain."""
    event.target_user = who.user(record.get("TargetUserName"), "", record.get("TargetSid"), record.computer)
    event.src_host = who.host(record.get("TargetDomainName"))


def rename(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4781: acted upon is the old name; the SID would pull in whichever name was seen first."""
    domain = record.get("TargetDomainName")
    event.target_user = who.user(record.get("OldTargetUserName"), domain, "", record.computer)
    event.resource = record.get("NewTargetUserName")


def workstation_status(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4793, 4794: the caller's machine and a status code."""
    set_source(event, who, "", record.get("Workstation"))
    _result(event, codes.status_words(record.number("Status")))


def member(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4728 and its kin: acted upon is the member; its SID is surer than its directory name."""
    event.target_user = who.user(record.get("MemberName"), "", record.get("MemberSid"), record.computer)


def audit_policy(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4719: which subcategory, and whether success or failure auditing went on or off."""
    event.resource = record.first("SubcategoryGuid", "SubcategoryId").strip("{}").upper()
    words = {
        "%%8448": "success removed",
        "%%8449": "success added",
        "%%8450": "failure removed",
        "%%8451": "failure added",
    }
    changes = record.get("AuditPolicyChanges").split(",")[:8]
    event.status_detail = ", ".join(words.get(change.strip(), change.strip()) for change in changes)


def security_log_cleared(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """1102 is about the log it stands in; exporters that skip UserData leave the user in the message."""
    event.resource = "Security"
    if not event.user and not record.get("SubjectUserName"):
        lines = assignments(record.message, ":")
        name, domain = lines.get("account name", ""), lines.get("domain name", "")
        event.user = who.user(name, domain, lines.get("security id", ""), record.computer)


def certificate(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4886 to 4888: a certificate authority was asked by Requester for the subject in Subject."""
    event.user = who.user(record.get("Requester"), "", "", record.computer)
    event.resource = record.first("Subject", "Attributes")


# --- filtering platform ----------------------------------------------------------------------------


def filtering(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """5150 to 5157: source is the initiator and destination the one who answers, whatever the direction.

    %%14592 is inbound and %%14593 outbound, as seen from this host.
    """
    direction = record.get("Direction")
    if direction == "%%14592":
        event.operation += "In"
    elif direction == "%%14593":
        event.operation += "Out"
    event.src_ip = who.ip(record.get("SourceAddress"))
    event.dst_ip = who.ip(record.get("DestAddress"))
    port = record.number("DestPort")
    event.dst_port = port if 0 < port < 65_536 else 0
    event.protocol = codes.protocol_name(record.number("Protocol"))


def listening(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """5154, 5158: the local port; a client's port is random, so only a listener's is worth keeping."""
    event.protocol = codes.protocol_name(record.number("Protocol"))
    if record.event_id in (5154, 5155):
        port = record.number("SourcePort")
        event.dst_port = port if 0 < port < 65_536 else 0
        event.dst_ip = who.ip(record.get("SourceAddress"))
