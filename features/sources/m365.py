"""Microsoft 365 unified audit log: Exchange, SharePoint, OneDrive, Teams, Entra ID, Power Platform, Purview.

Four ways in, one event out: the Management Activity API's objects; rows of Purview's or PowerShell's export
(CSV or JSON) that hold such an object as text in `AuditData`; Graph's auditLogQueries records (`auditData`);
and Sentinel's OfficeActivity table, whose columns have other names.

Field names: "Office 365 Management Activity API schema". `CreationTime` is UTC and has no zone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from features import identity
from features.errors import RecordError
from features.events import (
    API_ACTIVITY,
    AUTHENTICATION,
    EMAIL_ACTIVITY,
    ENTITY_MANAGEMENT,
    FAILURE,
    FILE_ACTIVITY,
    FILE_HOSTING,
    GROUP_MANAGEMENT,
    SUCCESS,
    USER_ACCESS,
    Event,
)
from features.sources.entra import classify_change
from features.sources.parsing import json_object, mapping, text, volume
from features.sources.tabular import Rows, header, stamp_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

OTHER = 99
"""OCSF: the activity is known but the class has no number for it."""

_OFFICE_ACTIVITY = {
    "TimeGenerated": "CreationTime",
    "OfficeWorkload": "Workload",
    "OfficeId": "Id",
    "OfficeObjectId": "ObjectId",
    "Client_IPAddress": "ClientIPAddress",
    "Logon_Type": "LogonType",
    "Site_Url": "SiteUrl",
    "AADTarget": "Target",
}
"""Columns of Sentinel's OfficeActivity table that are named otherwise than in the schema."""


def _words(text: str) -> list[str]:
    return text.split()


_FILES = {
    **dict.fromkeys(_words("FileUploaded FileUploadedPartial FileSyncUploadedFull FolderCreated"), 1),
    **dict.fromkeys(_words("FileDownloaded FileSyncDownloadedFull FileSyncDownloadedPartial"), 2),
    **dict.fromkeys(_words("FileModified FileModifiedExtended FolderModified"), 3),
    **dict.fromkeys(
        _words(
            """FileDeleted FileRecycled FileDeletedFirstStageRecycleBin FileDeletedSecondStageRecycleBin
            FileVersionsAllDeleted FileVersionRecycled FolderDeleted FolderRecycled"""
        ),
        4,
    ),
    **dict.fromkeys(_words("FileRenamed FolderRenamed"), 5),
    **dict.fromkeys(_words("FileCopied FolderCopied"), 6),
    **dict.fromkeys(_words("FileMoved FolderMoved"), 7),
    **dict.fromkeys(_words("FileRestored FolderRestored"), 8),
    "FilePreviewed": 9,
    **dict.fromkeys(_words("FileCheckedOut LockRecord"), 10),
    **dict.fromkeys(_words("FileCheckedIn FileCheckOutDiscarded UnlockRecord"), 11),
    **dict.fromkeys(
        _words(
            """SharingSet SharingInvitationCreated AnonymousLinkCreated CompanyLinkCreated SecureLinkCreated
            AddedToSecureLink SharingLinkCreated"""
        ),
        12,
    ),
    **dict.fromkeys(
        _words(
            """SharingRevoked SharingInvitationRevoked AnonymousLinkRemoved CompanyLinkRemoved
            SecureLinkDeleted RemovedFromSecureLink"""
        ),
        13,
    ),
    **dict.fromkeys(
        _words(
            """FileAccessed FileAccessedExtended PageViewed AnonymousLinkUsed CompanyLinkUsed SecureLinkUsed
            SharingInvitationAccepted"""
        ),
        14,
    ),
    "ManagedSyncClientAllowed": 15,
}
_ENDPOINT_FILES = {"FileCreated": 1, "FileRead": 2, "FileModified": 3, "FileDeleted": 4, "FileRenamed": 5}
"""What Purview's agent reports from computers: local files, not hosted ones."""

_OPERATIONS = {
    **dict.fromkeys(
        _words(
            """UserLoggedIn UserLoginFailed MailboxLogin TeamsSessionStarted
            ForeignRealmIndexLogonInitialAuthUsingADFSFederatedToken"""
        ),
        (AUTHENTICATION, 1),
    ),
    **dict.fromkeys(_words("UserLoggedOff UserLoggedOut"), (AUTHENTICATION, 2)),
    **dict.fromkeys(_words("Send SendAs SendOnBehalf"), (EMAIL_ACTIVITY, 1)),
    **dict.fromkeys(
        _words("MailItemsAccessed MessageBind FolderBind AttachmentAccess SearchQueryPerformed"),
        (API_ACTIVITY, 2),
    ),
    **dict.fromkeys(_words("SoftDelete HardDelete MoveToDeletedItems"), (API_ACTIVITY, 4)),
    **dict.fromkeys(_words("MemberAdded AddedToGroup Add-RoleGroupMember"), (GROUP_MANAGEMENT, 3)),
    **dict.fromkeys(_words("MemberRemoved RemovedFromGroup Remove-RoleGroupMember"), (GROUP_MANAGEMENT, 4)),
    **dict.fromkeys(_words("TeamDeleted GroupRemoved"), (GROUP_MANAGEMENT, 5)),
    **dict.fromkeys(_words("TeamCreated GroupAdded"), (GROUP_MANAGEMENT, 6)),
    **dict.fromkeys(
        _words(
            """Add-MailboxPermission Add-RecipientPermission Add-MailboxFolderPermission
            AddFolderPermissions"""
        ),
        (USER_ACCESS, 1),
    ),
    **dict.fromkeys(
        _words(
            """Remove-MailboxPermission Remove-RecipientPermission Remove-MailboxFolderPermission
            RemoveFolderPermissions"""
        ),
        (USER_ACCESS, 2),
    ),
    **dict.fromkeys(
        _words("MemberRoleChanged SiteCollectionAdminAdded New-ManagementRoleAssignment"), (USER_ACCESS, 3)
    ),
    **dict.fromkeys(_words("SiteCollectionAdminRemoved Remove-ManagementRoleAssignment"), (USER_ACCESS, 4)),
}
# Looked for anywhere in the lower-case operation, deletion first: "DeletedCreatedReport" deletes.
_VERBS = (
    (("delet", "remov", "purge", "uninstall", "revok", "cancel", "recycl"), 4),
    (("creat", "add", "new-", "upload", "install", "start-", "publish", "copy", "invite", "export"), 1),
    (("updat", "set-", "set", "modif", "chang", "edit", "renam", "enable", "disable", "mov", "restor"), 3),
    (("view", "get", "read", "list", "search", "access", "download", "preview", "bind", "test-", "run"), 2),
)
_LOGON_TYPES = {
    "0": "owner",
    "1": "admin",
    "2": "delegate",
    "3": "transport",
    "4": "system",
    "5": "best access",
}
_UPLOAD, _DOWNLOAD = 1, 2
"""Activity ids of File Hosting (6006) that move a file's bytes."""
_FAILURES = frozenset({"failed", "failure", "false", "partiallysucceeded"})
_FILE_WORKLOADS = frozenset({"SharePoint", "OneDrive"})


class M365Decoder:
    """One audit record, or one export row around it, to one event."""

    name: ClassVar[str] = "m365"

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._rows = Rows()

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Tell by the schema's own names, in a JSON record or in a CSV header."""
        keys = sample.record.keys()
        if {"CreationTime", "Operation", "Workload"} <= keys or {
            "CreationTime",
            "RecordType",
            "UserType",
        } <= keys:
            return 1.0
        if "AuditData" in keys or {"auditData", "auditLogRecordType"} <= keys:
            return 1.0
        if {"OfficeWorkload", "Operation"} <= keys:
            return 1.0
        if sample.lines and not keys:
            first = sample.lines[0][:8192]
            if b"AuditData" in first or b"OfficeWorkload" in first:
                try:
                    columns = set(header(first))
                except RecordError:
                    return 0.0
                if "AuditData" in columns:
                    return 1.0 if columns & {"CreationDate", "RecordType", "Operations", "Operation"} else 0.0
                return 1.0 if {"OfficeWorkload", "Operation"} <= columns else 0.0
        return 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Keep a CSV header, join the lines of quoted fields, drop blank lines."""
        return self._rows.frames(lines)

    def decode(self, record: bytes) -> Event:
        """One record to one event; RecordError for a broken record or AuditData, and for a missing time."""
        row = _audit_data(self._rows.read(record))
        get = row.get
        operation = text(get("Operation")).rstrip(". ")
        workload = text(get("Workload"))
        class_uid, activity_id = classify(operation[:256], workload[:64])
        extended = _pairs(get("ExtendedProperties"))
        device = _pairs(get("DeviceProperties"))
        user = self._who(row, workload)
        target = self._target(row, operation)
        failed, detail = _outcome(row, operation, extended)
        named = text(get("ObjectId"))
        is_file = class_uid in (FILE_HOSTING, FILE_ACTIVITY) or workload in _FILE_WORKLOADS
        received, sent = _volumes(row, class_uid, activity_id)
        return Event(
            time_us=stamp_us(get("CreationTime")),
            class_uid=class_uid,
            activity_id=activity_id,
            status_id=FAILURE if failed else SUCCESS,
            uid=text(get("Id")),
            user=user,
            target_user=target if target != user else "",
            host=identity.host(text(get("DeviceName"))),
            src_ip=_address(row),
            src_host=identity.host(device.get("DisplayName", "") or device.get("Name", "")),
            process=text(get("Application")) if workload == "Endpoint" else "",
            command=_cmdlet(operation, get("Parameters")),
            file=named if is_file else text(get("FilePath")),
            operation=operation,
            service=workload,
            resource=_resource(row, named, is_file=is_file),
            auth=_auth(row, class_uid, extended),
            status_detail=detail,
            user_agent=text(get("UserAgent"))
            or extended.get("UserAgent", "")
            or text(get("ClientInfoString")),
            domain=text(get("TargetDomain")),
            cloud_account=text(get("OrganizationId")),
            bytes_in=received,
            bytes_out=sent,
        )

    def _who(self, row: dict[str, Any], workload: str) -> str:
        # Only the directory's records carry the user's object id in UserKey; others carry a service's key.
        key = text(row.get("UserKey")) if workload == "AzureActiveDirectory" else ""
        name = text(row.get("UserId"))
        return self._context.identity.user(name, sid=key if "-" in key and key != name else "")

    def _target(self, row: dict[str, Any], operation: str) -> str:
        """Whoever's mailbox, membership, account or share it is."""
        user = self._context.identity.user
        for key in ("MailboxOwnerUPN", "SendAsUserSmtp", "SendOnBehalfOfUserSmtp", "TargetUserOrGroupName"):
            name = text(row.get(key))
            if name:
                return user(name)
        members = row.get("Members")
        if isinstance(members, list) and members:
            return user(text(mapping(members[0]).get("UPN")))
        targets = row.get("Target")
        for entry in targets[:16] if isinstance(targets, list) else ():
            # Type 5 is a user principal name (schema: IdentityType).
            if isinstance(entry, dict) and text(entry.get("Type")) == "5":
                return user(text(entry.get("ID")))
        if "-Mailbox" in operation or operation.endswith(("-RecipientPermission", "-InboxRule")):
            return user(_pairs(row.get("Parameters")).get("Identity", ""))
        return ""


def _audit_data(row: dict[str, Any]) -> dict[str, Any]:
    """The audit object itself: from an export's column, Graph's field, or a table with other names."""
    inner = row.get("AuditData", row.get("auditData"))
    if isinstance(inner, str) and inner:
        try:
            return json_object(inner.encode("utf-8", "replace"))
        except RecordError as error:
            raise RecordError(f"AuditData: {error}") from error
    if isinstance(inner, dict):
        return inner
    if "OfficeWorkload" in row:
        return {_OFFICE_ACTIVITY.get(key, key): value for key, value in row.items()}
    return row


@lru_cache(maxsize=4096)
def classify(operation: str, workload: str) -> tuple[int, int]:
    """OCSF class and activity of an operation: by name, by workload, else API Activity by its verb."""
    if operation in _OPERATIONS:
        return _OPERATIONS[operation]
    if workload == "Endpoint" and operation.startswith("File"):
        return FILE_ACTIVITY, _ENDPOINT_FILES.get(operation, OTHER)
    if operation in _FILES:
        return FILE_HOSTING, _FILES[operation]
    if workload == "AzureActiveDirectory":
        return classify_change(operation)
    name = operation.lower()
    activity = next((number for words, number in _VERBS if any(word in name for word in words)), OTHER)
    if workload in _FILE_WORKLOADS and operation.startswith(("File", "Folder")):
        return FILE_HOSTING, OTHER
    if workload == "SecurityComplianceCenter" and name.startswith(("new-", "set-", "remove-")):
        return ENTITY_MANAGEMENT, activity
    return API_ACTIVITY, activity


def _pairs(value: object) -> dict[str, str]:
    """Read a list of {"Name": ..., "Value": ...}, as the schema writes properties."""
    if not isinstance(value, list):
        return {}
    return {
        text(entry.get("Name")): text(entry.get("Value")) for entry in value[:64] if isinstance(entry, dict)
    }


def _address(row: dict[str, Any]) -> str:
    for key in ("ClientIP", "ClientIPAddress", "ActorIpAddress"):
        address = identity.ip(text(row.get(key)))
        if address:
            return address
    return ""


def _outcome(row: dict[str, Any], operation: str, extended: dict[str, str]) -> tuple[bool, str]:
    """ResultStatus, but for logins: a failed one may say Success there, as the *request* was answered."""
    status = text(row.get("ResultStatus"))
    failed = status.lower() in _FAILURES or operation in ("UserLoginFailed", "MailboxLoginFailed")
    if not failed:
        return False, ""
    number = text(row.get("ErrorNumber"))
    detail = text(row.get("LogonError")) or (number if number != "0" else "") or text(row.get("ErrorCode"))
    detail = detail or extended.get("ResultStatusDetail", "")
    return True, (detail if detail != "Success" else "")[:200] or status[:200]


def _resource(row: dict[str, Any], named: str, *, is_file: bool) -> str:
    """Site of a file, team of a channel, mailbox folder or whatever ObjectId names."""
    if is_file:
        return text(row.get("SiteUrl")) or text(row.get("Site"))
    team = text(row.get("TeamName"))
    if team:
        channel = text(row.get("ChannelName"))
        return f"{team}/{channel}" if channel else team
    if named and named not in ("Not Available", "Unknown"):
        return named
    folder = mapping(mapping(row.get("Item")).get("ParentFolder")) or mapping(row.get("Folder"))
    return text(folder.get("Path")) or text(row.get("ApplicationId"))


def _auth(row: dict[str, Any], class_uid: int, extended: dict[str, str]) -> str:
    if class_uid == AUTHENTICATION and "RequestType" in extended:
        return extended["RequestType"].lower()
    kind = text(row.get("LogonType"))
    return _LOGON_TYPES.get(kind, kind.lower())


def _volumes(row: dict[str, Any], class_uid: int, activity_id: int) -> tuple[int, int]:
    """Bytes received and sent: of a file up or down, and of a mail sent; other operations move none."""
    if class_uid == FILE_HOSTING and activity_id in (_UPLOAD, _DOWNLOAD):
        size = volume(row.get("FileSizeBytes")) or volume(row.get("FileSyncBytesCommitted"))
        return (size, 0) if activity_id == _DOWNLOAD else (0, size)
    if class_uid == EMAIL_ACTIVITY:
        return 0, volume(mapping(row.get("Item")).get("SizeInBytes"))
    return 0, 0


def _cmdlet(operation: str, parameters: object) -> str:
    """Write an Exchange or Purview cmdlet as it would be typed: forwarding rules show in its parameters."""
    if "-" not in operation[1:24] or not isinstance(parameters, list):
        return ""
    words = [operation]
    for name, value in list(_pairs(parameters).items())[:32]:
        words.append(f"-{name} {value[:200]}".rstrip())
    return " ".join(words)
