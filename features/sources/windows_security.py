"""The Security log: one rule an event id of Microsoft-Windows-Security-Auditing.

Field names and meanings: Microsoft's "Advanced security auditing" event pages. Who acts: for logons and
tickets the account that logs on, otherwise the subject. Logons, objects and network have functions of their
own in `windows_security_details`.
"""

from __future__ import annotations

from typing import Final

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
    MODULE_ACTIVITY,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    RDP_ACTIVITY,
    REGISTRY_VALUE,
    SCHEDULED_JOB,
    SMB_ACTIVITY,
    USER_ACCESS,
    WINDOWS_SERVICE,
)
from features.sources import windows_security_details as details
from features.sources.windows_record import OTHER, Rule, with_detail

_PROCESS: Final = (("process", "ProcessName"),)
_OBJECT: Final = (("process", "ProcessName"), ("file", "ObjectName"), ("resource", "ObjectType"))
_TASK: Final = (("resource", "TaskName"),)

_LOGON: Final = {
    4624: Rule(AUTHENTICATION, 1, "Logon", "target", copy=_PROCESS, source="IpAddress", detail=details.logon),
    4625: Rule(
        AUTHENTICATION,
        1,
        "Logon",
        "target",
        copy=_PROCESS,
        source="IpAddress",
        status_id=FAILURE,
        detail=with_detail(details.logon, details.logon_failure),
    ),
    4626: Rule(AUTHORIZE_SESSION, 2, "LogonClaims", "target"),
    4627: Rule(AUTHORIZE_SESSION, 2, "LogonGroups", "target", detail=details.logon),
    4634: Rule(AUTHENTICATION, 2, "Logoff", "target", detail=details.logon),
    4647: Rule(AUTHENTICATION, 2, "LogoffRequested", "target", detail=details.logon),
    4648: Rule(
        AUTHENTICATION,
        1,
        "ExplicitCredentialLogon",
        target=True,
        copy=_PROCESS,
        source="IpAddress",
        detail=details.explicit_logon,
    ),
    4649: Rule(AUTHENTICATION, 1, "ReplayDetected", "target", copy=_PROCESS, status_id=FAILURE),
    4672: Rule(AUTHORIZE_SESSION, 1, "SpecialPrivilegesAssigned", detail=details.privileges),
    4964: Rule(AUTHORIZE_SESSION, 2, "SpecialGroupsAssigned", "target", detail=details.special_groups),
    4675: Rule(AUTHENTICATION, 1, "SidsFiltered", "target"),
    4768: Rule(
        AUTHENTICATION, 3, "KerberosTicket", "target", source="IpAddress", detail=details.kerberos_ticket
    ),
    4769: Rule(
        AUTHENTICATION,
        4,
        "KerberosServiceTicket",
        "target",
        source="IpAddress",
        detail=details.kerberos_service,
    ),
    4770: Rule(
        AUTHENTICATION,
        5,
        "KerberosTicketRenewed",
        "target",
        source="IpAddress",
        detail=details.kerberos_service,
    ),
    4771: Rule(
        AUTHENTICATION,
        3,
        "KerberosPreAuthentication",
        "target",
        source="IpAddress",
        status_id=FAILURE,
        detail=details.kerberos_ticket,
    ),
    4772: Rule(
        AUTHENTICATION,
        3,
        "KerberosTicket",
        "target",
        source="IpAddress",
        status_id=FAILURE,
        detail=details.kerberos_ticket,
    ),
    4773: Rule(
        AUTHENTICATION,
        4,
        "KerberosServiceTicket",
        "target",
        source="IpAddress",
        status_id=FAILURE,
        detail=details.kerberos_service,
    ),
    4776: Rule(AUTHENTICATION, 1, "CredentialValidation", "target", detail=details.ntlm),
    4774: Rule(AUTHENTICATION, 1, "AccountMapped", "target", detail=details.mapped_account),
    4775: Rule(
        AUTHENTICATION, 1, "AccountMapped", "target", status_id=FAILURE, detail=details.mapped_account
    ),
    4777: Rule(AUTHENTICATION, 1, "CredentialValidation", "target", status_id=FAILURE, detail=details.ntlm),
    4820: Rule(
        AUTHENTICATION,
        3,
        "KerberosTicket",
        "target",
        source="IpAddress",
        status_id=FAILURE,
        detail=details.kerberos_ticket,
    ),
    4821: Rule(
        AUTHENTICATION,
        4,
        "KerberosServiceTicket",
        "target",
        source="IpAddress",
        status_id=FAILURE,
        detail=details.kerberos_service,
    ),
    4778: Rule(RDP_ACTIVITY, 8, "SessionReconnected", "", source="ClientAddress", detail=details.session),
    4779: Rule(RDP_ACTIVITY, 7, "SessionDisconnected", "", source="ClientAddress", detail=details.session),
    4800: Rule(AUTHENTICATION, OTHER, "WorkstationLocked", "target"),
    4801: Rule(AUTHENTICATION, OTHER, "WorkstationUnlocked", "target"),
    4802: Rule(AUTHENTICATION, OTHER, "ScreenSaverInvoked", "target"),
    4803: Rule(AUTHENTICATION, OTHER, "ScreenSaverDismissed", "target"),
}

_PROCESSES: Final = {
    4688: Rule(
        PROCESS_ACTIVITY,
        1,
        "ProcessCreate",
        "",
        copy=(
            ("process", "NewProcessName"),
            ("parent_process", "ParentProcessName"),
            ("command", "CommandLine"),
        ),
        detail=details.process_creator,
    ),
    4689: Rule(PROCESS_ACTIVITY, 2, "ProcessTerminate", copy=_PROCESS, detail=details.exit_status),
    4696: Rule(PROCESS_ACTIVITY, OTHER, "PrimaryTokenAssigned", target=True, copy=_PROCESS),
    4673: Rule(BASE_EVENT, OTHER, "PrivilegedServiceCalled", copy=_PROCESS, detail=details.privilege_use),
    4674: Rule(
        BASE_EVENT,
        OTHER,
        "PrivilegedObjectOperation",
        copy=(("process", "ProcessName"), ("file", "ObjectName")),
        detail=details.privilege_use,
    ),
    4690: Rule(BASE_EVENT, OTHER, "HandleDuplicated"),
    4703: Rule(USER_ACCESS, 1, "TokenRightAdjusted", target=True, copy=_PROCESS, detail=details.token_right),
    4704: Rule(USER_ACCESS, 1, "UserRightAssigned", target=True, detail=details.privileges),
    4705: Rule(USER_ACCESS, 2, "UserRightRemoved", target=True, detail=details.privileges),
    4717: Rule(USER_ACCESS, 1, "LogonRightGranted", target=True, copy=(("resource", "AccessGranted"),)),
    4718: Rule(USER_ACCESS, 2, "LogonRightRemoved", target=True, copy=(("resource", "AccessRemoved"),)),
    4611: Rule(MODULE_ACTIVITY, 1, "LogonProcessRegistered", copy=(("resource", "LogonProcessName"),)),
    4610: Rule(
        MODULE_ACTIVITY, 1, "AuthenticationPackageLoaded", copy=(("file", "AuthenticationPackageName"),)
    ),
    4614: Rule(MODULE_ACTIVITY, 1, "NotificationPackageLoaded", copy=(("file", "NotificationPackageName"),)),
    4622: Rule(MODULE_ACTIVITY, 1, "SecurityPackageLoaded", copy=(("file", "SecurityPackageName"),)),
}

_OBJECTS: Final = {
    4656: Rule(BASE_EVENT, OTHER, "HandleRequested", copy=_OBJECT, detail=details.object_access),
    4658: Rule(BASE_EVENT, OTHER, "HandleClosed", copy=_PROCESS),
    4660: Rule(BASE_EVENT, 4, "ObjectDeleted", copy=_OBJECT),
    4661: Rule(ENTITY_MANAGEMENT, 2, "HandleRequested", copy=_OBJECT),
    4662: Rule(ENTITY_MANAGEMENT, 2, "DirectoryObjectAccess", copy=_OBJECT, detail=details.directory_access),
    4663: Rule(BASE_EVENT, OTHER, "ObjectAccess", copy=_OBJECT, detail=details.object_access),
    4664: Rule(FILE_ACTIVITY, 1, "HardLinkCreated", copy=(("file", "FileName"), ("resource", "LinkName"))),
    4657: Rule(REGISTRY_VALUE, 3, "RegistryValueSet", copy=_PROCESS, detail=details.registry_value),
    4670: Rule(BASE_EVENT, OTHER, "PermissionsChanged", copy=_OBJECT, detail=details.permissions),
    4907: Rule(ENTITY_MANAGEMENT, 3, "ObjectAuditingChanged", copy=_OBJECT),
    4985: Rule(BASE_EVENT, OTHER, "TransactionStateChanged", copy=_PROCESS),
    5058: Rule(FILE_ACTIVITY, OTHER, "KeyFileOperation", detail=details.key_operation),
    5059: Rule(ENTITY_MANAGEMENT, OTHER, "KeyMigration", detail=details.key_operation),
    5061: Rule(ENTITY_MANAGEMENT, OTHER, "CryptographicOperation", detail=details.key_operation),
    5136: Rule(ENTITY_MANAGEMENT, 3, "DirectoryObjectModified", detail=details.directory_change),
    5137: Rule(ENTITY_MANAGEMENT, 1, "DirectoryObjectCreated", detail=details.directory_change),
    5138: Rule(ENTITY_MANAGEMENT, 1, "DirectoryObjectRestored", detail=details.directory_change),
    5139: Rule(ENTITY_MANAGEMENT, 5, "DirectoryObjectMoved", detail=details.directory_change),
    5141: Rule(ENTITY_MANAGEMENT, 4, "DirectoryObjectDeleted", detail=details.directory_change),
    5379: Rule(ENTITY_MANAGEMENT, 2, "CredentialsRead", detail=details.vault),
    5381: Rule(ENTITY_MANAGEMENT, 2, "VaultCredentialsRead", detail=details.vault),
    5382: Rule(ENTITY_MANAGEMENT, 2, "VaultCredentialsRead", detail=details.vault),
    5140: Rule(SMB_ACTIVITY, OTHER, "ShareAccess", source="IpAddress", detail=details.share),
    5145: Rule(SMB_ACTIVITY, 2, "ShareFileAccess", source="IpAddress", detail=details.share),
    5142: Rule(ENTITY_MANAGEMENT, 1, "ShareAdded", detail=details.share),
    5143: Rule(ENTITY_MANAGEMENT, 3, "ShareModified", detail=details.share),
    5144: Rule(ENTITY_MANAGEMENT, 4, "ShareDeleted", detail=details.share),
    5168: Rule(SMB_ACTIVITY, OTHER, "SpnCheckFailed", status_id=FAILURE, copy=(("resource", "SpnName"),)),
}

_SERVICES_AND_TASKS: Final = {
    4697: Rule(WINDOWS_SERVICE, 1, "ServiceInstalled", detail=details.service_installed),
    4698: Rule(SCHEDULED_JOB, 1, "TaskCreated", copy=_TASK, detail=details.task_content),
    4699: Rule(SCHEDULED_JOB, 3, "TaskDeleted", copy=_TASK, detail=details.task_content),
    4700: Rule(SCHEDULED_JOB, 4, "TaskEnabled", copy=_TASK, detail=details.task_content),
    4701: Rule(SCHEDULED_JOB, 5, "TaskDisabled", copy=_TASK, detail=details.task_content),
    4702: Rule(SCHEDULED_JOB, 2, "TaskUpdated", copy=_TASK, detail=details.task_content),
}

_ACCOUNTS: Final = {
    4720: Rule(ACCOUNT_CHANGE, 1, "UserCreated", target=True),
    4722: Rule(ACCOUNT_CHANGE, 2, "UserEnabled", target=True),
    4723: Rule(ACCOUNT_CHANGE, 3, "PasswordChange", target=True),
    4724: Rule(ACCOUNT_CHANGE, 4, "PasswordReset", target=True),
    4725: Rule(ACCOUNT_CHANGE, 5, "UserDisabled", target=True),
    4726: Rule(ACCOUNT_CHANGE, 6, "UserDeleted", target=True),
    4738: Rule(ACCOUNT_CHANGE, OTHER, "UserChanged", target=True, detail=details.account_attributes),
    4740: Rule(ACCOUNT_CHANGE, 9, "UserLockedOut", detail=details.lockout),
    4767: Rule(ACCOUNT_CHANGE, 12, "UserUnlocked", target=True),
    4765: Rule(ACCOUNT_CHANGE, OTHER, "SidHistoryAdded", target=True),
    4766: Rule(ACCOUNT_CHANGE, OTHER, "SidHistoryAdded", target=True, status_id=FAILURE),
    4780: Rule(ACCOUNT_CHANGE, OTHER, "AdminAccountAclSet", target=True),
    4781: Rule(ACCOUNT_CHANGE, OTHER, "AccountRenamed", detail=details.rename),
    4794: Rule(ACCOUNT_CHANGE, 4, "RestoreModePasswordSet", detail=details.workstation_status),
    4741: Rule(ACCOUNT_CHANGE, 1, "ComputerCreated", target=True),
    4742: Rule(ACCOUNT_CHANGE, OTHER, "ComputerChanged", target=True, detail=details.account_attributes),
    4743: Rule(ACCOUNT_CHANGE, 6, "ComputerDeleted", target=True),
    4798: Rule(
        ENTITY_MANAGEMENT, 2, "UserGroupsEnumerated", target=True, copy=(("process", "CallerProcessName"),)
    ),
    4799: Rule(
        ENTITY_MANAGEMENT,
        2,
        "GroupMembersEnumerated",
        copy=(("process", "CallerProcessName"), ("resource", "TargetUserName")),
    ),
    4793: Rule(ENTITY_MANAGEMENT, 2, "PasswordPolicyChecked", detail=details.workstation_status),
}

_GROUP: Final = (("resource", "TargetUserName"),)
_GROUPS: Final = {
    number: Rule(GROUP_MANAGEMENT, activity, operation, copy=_GROUP, detail=details.member)
    for activity, operation, numbers in (
        (6, "GroupCreated", (4727, 4731, 4754, 4744, 4749, 4759)),
        (3, "GroupMemberAdded", (4728, 4732, 4756, 4746, 4751, 4761)),
        (4, "GroupMemberRemoved", (4729, 4733, 4757, 4747, 4752, 4762)),
        (5, "GroupDeleted", (4730, 4734, 4758, 4748, 4753, 4763)),
        (OTHER, "GroupChanged", (4735, 4737, 4755, 4745, 4750, 4760, 4764)),
    )
    for number in numbers
}
"""Security groups (global, local, universal) first, then distribution groups of the same scopes."""

_RULE: Final = (("resource", "RuleName"),)
_POLICY: Final = {
    4616: Rule(BASE_EVENT, OTHER, "SystemTimeChanged", copy=_PROCESS),
    4608: Rule(BASE_EVENT, OTHER, "WindowsStarting"),
    4609: Rule(BASE_EVENT, OTHER, "WindowsShuttingDown"),
    4612: Rule(EVENT_LOG_ACTIVITY, OTHER, "AuditRecordsLost", status_id=FAILURE),
    4621: Rule(BASE_EVENT, OTHER, "CrashOnAuditFailRecovered"),
    4706: Rule(ENTITY_MANAGEMENT, 1, "DomainTrustCreated", copy=(("resource", "DomainName"),)),
    4707: Rule(ENTITY_MANAGEMENT, 4, "DomainTrustRemoved", copy=(("resource", "DomainName"),)),
    4713: Rule(ENTITY_MANAGEMENT, 3, "KerberosPolicyChanged", copy=(("resource", "KerberosPolicyChange"),)),
    4716: Rule(ENTITY_MANAGEMENT, 3, "DomainTrustModified", copy=(("resource", "DomainName"),)),
    4739: Rule(ENTITY_MANAGEMENT, 3, "DomainPolicyChanged", copy=(("resource", "DomainPolicyChanged"),)),
    4715: Rule(ENTITY_MANAGEMENT, 3, "AuditPolicyChanged"),
    4719: Rule(ENTITY_MANAGEMENT, 3, "AuditPolicyChanged", detail=details.audit_policy),
    4817: Rule(ENTITY_MANAGEMENT, 3, "ObjectAuditingChanged", copy=_OBJECT),
    4902: Rule(BASE_EVENT, OTHER, "UserAuditTableCreated"),
    4912: Rule(ENTITY_MANAGEMENT, 3, "UserAuditPolicyChanged", detail=details.audit_policy),
    4904: Rule(
        ENTITY_MANAGEMENT,
        1,
        "EventSourceRegistered",
        copy=(("process", "ProcessName"), ("resource", "AuditSourceName")),
    ),
    4905: Rule(
        ENTITY_MANAGEMENT,
        4,
        "EventSourceUnregistered",
        copy=(("process", "ProcessName"), ("resource", "AuditSourceName")),
    ),
    4886: Rule(ENTITY_MANAGEMENT, 1, "CertificateRequested", "", detail=details.certificate),
    4887: Rule(ENTITY_MANAGEMENT, 1, "CertificateIssued", "", detail=details.certificate),
    4888: Rule(ENTITY_MANAGEMENT, 1, "CertificateDenied", "", status_id=FAILURE, detail=details.certificate),
    4899: Rule(ENTITY_MANAGEMENT, 3, "CertificateTemplateUpdated", "any"),
    4946: Rule(ENTITY_MANAGEMENT, 1, "FirewallRuleAdded", "any", copy=_RULE),
    4947: Rule(ENTITY_MANAGEMENT, 3, "FirewallRuleModified", "any", copy=_RULE),
    4948: Rule(ENTITY_MANAGEMENT, 4, "FirewallRuleDeleted", "any", copy=_RULE),
    4949: Rule(ENTITY_MANAGEMENT, 3, "FirewallDefaultsRestored", "any"),
    4950: Rule(ENTITY_MANAGEMENT, 3, "FirewallSettingChanged", "any", copy=(("resource", "SettingType"),)),
    4956: Rule(ENTITY_MANAGEMENT, 3, "FirewallProfileChanged", "any"),
    4957: Rule(ENTITY_MANAGEMENT, 3, "FirewallRuleIgnored", "any", copy=_RULE, status_id=FAILURE),
    5024: Rule(BASE_EVENT, OTHER, "FirewallStarted", "any"),
    5025: Rule(BASE_EVENT, OTHER, "FirewallStopped", "any"),
    5447: Rule(ENTITY_MANAGEMENT, 3, "FilterChanged", "any", copy=(("resource", "FilterName"),)),
    6416: Rule(BASE_EVENT, OTHER, "DeviceAttached", copy=(("resource", "DeviceDescription"),)),
    6419: Rule(BASE_EVENT, OTHER, "DeviceDisableRequested", copy=(("resource", "DeviceDescription"),)),
    6420: Rule(BASE_EVENT, OTHER, "DeviceDisabled", copy=(("resource", "DeviceDescription"),)),
    6423: Rule(
        BASE_EVENT,
        OTHER,
        "DeviceInstallBlocked",
        status_id=FAILURE,
        copy=(("resource", "DeviceDescription"),),
    ),
    6424: Rule(BASE_EVENT, OTHER, "DeviceInstallAllowed", copy=(("resource", "DeviceDescription"),)),
}

_APPLICATION: Final = (("process", "Application"),)
_FILTERING: Final = {
    5150: Rule(NETWORK_ACTIVITY, 5, "PacketBlocked", "", status_id=FAILURE, detail=details.filtering),
    5151: Rule(NETWORK_ACTIVITY, 5, "PacketBlocked", "", status_id=FAILURE, detail=details.filtering),
    5152: Rule(
        NETWORK_ACTIVITY,
        5,
        "PacketBlocked",
        "",
        copy=_APPLICATION,
        status_id=FAILURE,
        detail=details.filtering,
    ),
    5153: Rule(
        NETWORK_ACTIVITY,
        5,
        "PacketBlocked",
        "",
        copy=_APPLICATION,
        status_id=FAILURE,
        detail=details.filtering,
    ),
    5154: Rule(NETWORK_ACTIVITY, 7, "Listen", "", copy=_APPLICATION, detail=details.listening),
    5155: Rule(
        NETWORK_ACTIVITY,
        7,
        "Listen",
        "",
        copy=_APPLICATION,
        status_id=FAILURE,
        detail=details.listening,
    ),
    5156: Rule(NETWORK_ACTIVITY, 1, "Connection", "", copy=_APPLICATION, detail=details.filtering),
    5157: Rule(
        NETWORK_ACTIVITY,
        5,
        "ConnectionBlocked",
        "",
        copy=_APPLICATION,
        status_id=FAILURE,
        detail=details.filtering,
    ),
    5158: Rule(NETWORK_ACTIVITY, OTHER, "Bind", "", copy=_APPLICATION, detail=details.listening),
    5159: Rule(
        NETWORK_ACTIVITY,
        OTHER,
        "Bind",
        "",
        copy=_APPLICATION,
        status_id=FAILURE,
        detail=details.listening,
    ),
    5031: Rule(NETWORK_ACTIVITY, 5, "ApplicationBlocked", "", copy=_APPLICATION, status_id=FAILURE),
}

SECURITY: Final[dict[int, Rule]] = {
    **_LOGON,
    **_PROCESSES,
    **_OBJECTS,
    **_SERVICES_AND_TASKS,
    **_ACCOUNTS,
    **_GROUPS,
    **_POLICY,
    **_FILTERING,
}
"""Rules for the provider Microsoft-Windows-Security-Auditing."""

_CLEARED: Final = (("resource", ("Channel", "channel")),)
EVENTLOG: Final[dict[int, Rule]] = {
    104: Rule(EVENT_LOG_ACTIVITY, 1, "LogCleared", "any", copy=_CLEARED),
    1100: Rule(EVENT_LOG_ACTIVITY, 7, "LoggingStopped", "any"),
    1101: Rule(EVENT_LOG_ACTIVITY, OTHER, "AuditRecordsLost", "any", status_id=FAILURE),
    1102: Rule(EVENT_LOG_ACTIVITY, 1, "LogCleared", "any", detail=details.security_log_cleared),
    1104: Rule(EVENT_LOG_ACTIVITY, OTHER, "LogFull", "any", status_id=FAILURE),
    1105: Rule(EVENT_LOG_ACTIVITY, 4, "LogArchived", "any", copy=(("file", "BackupPath"),)),
    1108: Rule(EVENT_LOG_ACTIVITY, OTHER, "LoggingError", "any", status_id=FAILURE),
    6005: Rule(EVENT_LOG_ACTIVITY, 6, "LoggingStarted", "any"),
    6006: Rule(EVENT_LOG_ACTIVITY, 7, "LoggingStopped", "any"),
    6008: Rule(BASE_EVENT, OTHER, "UnexpectedShutdown", "any", status_id=FAILURE),
}
"""Rules for Microsoft-Windows-Eventlog and the classic EventLog source."""
