"""Entra ID (Azure AD) sign-ins and directory audits, in the three shapes in which they leave Azure.

- Microsoft Graph: `auditLogs/signIns` and `auditLogs/directoryAudits` objects.
- Azure Monitor diagnostic settings (event hubs, storage): an envelope with the Graph object in `properties`.
- Log Analytics and Sentinel tables: the same fields with capitals at the top level (SigninLogs,
  AADNonInteractiveUserSignInLogs, AADServicePrincipalSignInLogs, AADManagedIdentitySignInLogs, AuditLogs);
  dynamic columns may be text that holds JSON.

The same sign-in gives the same event in each shape. Field names: Microsoft Graph reference (signIn,
directoryAudit) and Azure Monitor table reference. Times are UTC, also where a stamp has no zone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from features import identity
from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    AUTHENTICATION,
    ENTITY_MANAGEMENT,
    FAILURE,
    GROUP_MANAGEMENT,
    SUCCESS,
    USER_ACCESS,
    Event,
)
from features.sources.parsing import integer, iso_us, json_object, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

OTHER = 99
"""OCSF: the activity is known but the class has no number for it."""
REASON_LIMIT = 120
"""Characters kept of a reason in words."""


class _Fields(msgspec.Struct, rename="camel"):
    """Sign-in and audit fields as Graph writes them; loosely typed: a surprise in one never costs the record.

    The last five are columns of the tables only.
    """

    id: object = None
    created_date_time: object = None
    activity_date_time: object = None
    user_principal_name: object = None
    user_display_name: object = None
    user_id: object = None
    service_principal_name: object = None
    service_principal_id: object = None
    app_display_name: object = None
    app_id: object = None
    resource_display_name: object = None
    resource_id: object = None
    resource_identity: object = None
    ip_address: object = None
    client_app_used: object = None
    user_agent: object = None
    status: object = None
    device_detail: object = None
    is_interactive: object = None
    conditional_access_status: object = None
    authentication_requirement: object = None
    authentication_protocol: object = None
    sign_in_event_types: object = None
    home_tenant_id: object = None
    resource_tenant_id: object = None
    activity_display_name: object = None
    operation_name: object = None
    operation_type: object = None
    category: object = None
    initiated_by: object = None
    target_resources: object = None
    additional_details: object = None
    logged_by_service: object = None
    result: object = None
    result_reason: object = None
    aad_tenant_id: object = None
    time_generated: object = None
    result_type: object = None
    result_description: object = None
    type: object = None


class _Envelope(msgspec.Struct, rename="camel"):
    """Azure Monitor's envelope around one Graph object."""

    time: object = None
    category: object = None
    operation_name: object = None
    result_type: object = None
    result_description: object = None
    caller_ip_address: object = None
    tenant_id: object = None
    properties: object = None


class _Outside(NamedTuple):
    """What the shape around the Graph object adds to it."""

    time: object = None
    kind: str = ""
    """Category of the envelope or name of the table."""
    result: object = None
    reason: object = None
    address: object = None
    tenant: object = None


_COLUMNS = {"ip_address": "IPAddress", "aad_tenant_id": "AADTenantId"}
_Table = msgspec.defstruct(
    "_Table",
    [
        (name, object, msgspec.field(default=None, name=_COLUMNS.get(name) or name.title().replace("_", "")))
        for name in _Fields.__struct_fields__
    ],
    bases=(_Fields,),
)
"""The same fields under the names of a table's columns."""

_GRAPH = msgspec.json.Decoder(_Fields)
_TABLE: msgspec.json.Decoder[_Fields] = msgspec.json.Decoder(_Table)
_ENVELOPE = msgspec.json.Decoder(_Envelope)

_KINDS = (
    ("noninteractive", "NonInteractiveUserSignIn"),
    ("serviceprincipal", "ServicePrincipalSignIn"),
    ("managedidentity", "ManagedIdentitySignIn"),
)
# "Microsoft Entra authentication and authorization error codes". Short words where the code is common.
_REASONS = {
    50034: "no such user",
    50053: "locked out",
    50055: "password expired",
    50056: "no password",
    50057: "account disabled",
    50058: "no session",
    50072: "mfa enrolment required",
    50074: "mfa required",
    50076: "mfa required",
    50079: "mfa enrolment required",
    50097: "device authentication required",
    50105: "not assigned to application",
    50126: "bad password",
    50131: "blocked by policy",
    50132: "session revoked",
    50133: "session expired",
    50140: "stay signed in prompt",
    50144: "domain password expired",
    50158: "external challenge",
    50173: "token revoked",
    53000: "device not compliant",
    53001: "device not joined",
    53002: "application not approved",
    53003: "blocked by conditional access",
    53004: "risky mfa enrolment",
    65001: "no consent",
    70043: "session expired by policy",
    70044: "session expired by policy",
    90094: "administrator consent required",
    500121: "mfa failed",
    530032: "blocked by security policy",
    700016: "no such application",
    7000215: "bad client secret",
    7000222: "client secret expired",
}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split("|")]


_CHANGES = {
    **dict.fromkeys(_names("add user|invite external user|create user"), (ACCOUNT_CHANGE, 1)),
    **dict.fromkeys(_names("enable account|restore user|enable user"), (ACCOUNT_CHANGE, 2)),
    **dict.fromkeys(
        _names("change user password|change password (self-service)|update password"), (ACCOUNT_CHANGE, 3)
    ),
    **dict.fromkeys(
        _names(
            """reset user password|reset password (by admin)|reset password (self-service)|
            set force change user password"""
        ),
        (ACCOUNT_CHANGE, 4),
    ),
    **dict.fromkeys(_names("disable account|disable user"), (ACCOUNT_CHANGE, 5)),
    **dict.fromkeys(_names("delete user|hard delete user"), (ACCOUNT_CHANGE, 6)),
    **dict.fromkeys(
        _names(
            """user registered security info|admin registered security info|enable strong authentication|
            user registered all required security info|add fido2 security key|create passkey"""
        ),
        (ACCOUNT_CHANGE, 10),
    ),
    **dict.fromkeys(
        _names(
            """user deleted security info|admin deleted security info|disable strong authentication|
            delete fido2 security key"""
        ),
        (ACCOUNT_CHANGE, 11),
    ),
    "unlock user account (self-service)": (ACCOUNT_CHANGE, 12),
    **dict.fromkeys(
        _names(
            """update user|user changed default security info|
            update stsrefreshtokenvalidfrom timestamp"""
        ),
        (ACCOUNT_CHANGE, OTHER),
    ),
    **dict.fromkeys(_names("delete group|hard delete group"), (GROUP_MANAGEMENT, 5)),
    "add group": (GROUP_MANAGEMENT, 6),
    "update group": (GROUP_MANAGEMENT, OTHER),
    "consent to application": (USER_ACCESS, 1),
}
# The names vary in their tail ("... (PIM activation)", "... completed", "... requested").
_STEMS = {
    **dict.fromkeys(_names("add member to group|add owner to group"), (GROUP_MANAGEMENT, 3)),
    **dict.fromkeys(_names("remove member from group|remove owner from group"), (GROUP_MANAGEMENT, 4)),
    **dict.fromkeys(
        _names("""add app role assignment|add delegated permission grant|add oauth2permissiongrant"""),
        (USER_ACCESS, 1),
    ),
    **dict.fromkeys(
        _names("remove app role assignment|remove delegated permission grant|remove oauth2permissiongrant"),
        (USER_ACCESS, 2),
    ),
    **dict.fromkeys(
        _names(
            """add member to role|add eligible member to role|add scoped member to role|
            create role assignment|user has elevated their access"""
        ),
        (USER_ACCESS, 3),
    ),
    **dict.fromkeys(
        _names(
            """remove member from role|remove eligible member from role|
            remove scoped member from role|delete role assignment|remove role assignment"""
        ),
        (USER_ACCESS, 4),
    ),
}
_VERBS = {
    **dict.fromkeys(
        ("add", "added", "create", "register", "invite", "import", "consent", "restore", "start"), 1
    ),
    **dict.fromkeys(("get", "read", "list", "view", "download", "export"), 2),
    **dict.fromkeys(
        ("update", "updated", "set", "change", "enable", "disable", "reset", "verify", "rename", "assign"), 3
    ),
    **dict.fromkeys(("delete", "deleted", "remove", "hard", "unregister", "revoke", "cancel", "purge"), 4),
}


@lru_cache(maxsize=4096)
def classify_change(activity: str) -> tuple[int, int]:
    """OCSF class and activity of a directory audit's activityDisplayName (Microsoft 365: Operation)."""
    name = activity.lower().rstrip(". ")
    if name in _CHANGES:
        return _CHANGES[name]
    for stem, found in _STEMS.items():
        if name.startswith(stem):
            return found
    return ENTITY_MANAGEMENT, _VERBS.get(name.partition(" ")[0], OTHER)


class EntraDecoder:
    """One sign-in or directory audit to one event."""

    name: ClassVar[str] = "entra"

    def __init__(self, context: SourceContext) -> None:
        self._context = context

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Tell by the pairs of field names that only these logs have, in any of the three shapes."""
        record = sample.record
        if "TimeGenerated" in record or "AADTenantId" in record:
            if {"UserPrincipalName", "AppDisplayName", "IPAddress"} <= record.keys():
                return 1.0
            if "AppDisplayName" in record and "ServicePrincipalId" in record and "ResultType" in record:
                return 1.0
            return 1.0 if {"InitiatedBy", "TargetResources"} <= record.keys() else 0.0
        inner = record.get("properties")
        if isinstance(inner, dict) and ("category" in record or "operationName" in record):
            category = record.get("category")
            signs = isinstance(category, str) and category.lower().endswith("signinlogs")
            return 1.0 if signs or "initiatedBy" in inner or _is_graph(inner) else 0.0
        return 1.0 if _is_graph(record) else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Drop blank lines."""
        return ((number, line) for number, line in lines if line.strip())

    def decode(self, record: bytes) -> Event:
        """One record to one event; RecordError for broken JSON and for a missing or impossible time."""
        fields, outside = _read(record)
        if fields.activity_date_time is not None or fields.initiated_by is not None:
            return self._audit(fields, outside)
        return self._sign_in(fields, outside)

    def _sign_in(self, fields: _Fields, outside: _Outside) -> Event:
        kind = _kind(fields, outside)
        device = _object(fields.device_detail)
        failed, detail = _outcome(fields, outside)
        return Event(
            time_us=_time(fields.created_date_time, outside.time),
            class_uid=AUTHENTICATION,
            activity_id=1,
            status_id=FAILURE if failed else SUCCESS,
            uid=text(fields.id),
            user=self._who(fields),
            src_ip=identity.ip(text(fields.ip_address)) or identity.ip(text(outside.address)),
            src_host=identity.host(text(device.get("displayName"))),
            operation=kind,
            service=text(fields.app_display_name) or text(fields.app_id),
            resource=text(fields.resource_display_name) or _resource_id(fields),
            auth=_auth(fields, kind),
            status_detail=detail,
            user_agent=text(fields.user_agent) or _client(device),
            cloud_account=_tenant(fields, outside),
        )

    def _who(self, fields: _Fields) -> str:
        user = self._context.identity.user
        name, uid = text(fields.user_principal_name), text(fields.user_id)
        if name or uid:
            # A sign-in with an unknown name carries the object's id instead of the name.
            return user("" if name == uid else name, sid=uid)
        return user(
            text(fields.service_principal_name) or text(fields.app_display_name),
            sid=text(fields.service_principal_id),
        )

    def _audit(self, fields: _Fields, outside: _Outside) -> Event:
        operation = (text(fields.activity_display_name) or text(fields.operation_name)).rstrip(". ")
        class_uid, activity_id = classify_change(operation[:256])
        who, address = self._initiator(_object(fields.initiated_by))
        target, resource = self._targets(_list(fields.target_resources))
        result = (text(fields.result) or text(outside.result)).lower()
        return Event(
            time_us=_time(fields.activity_date_time, outside.time),
            class_uid=class_uid,
            activity_id=activity_id,
            status_id=_AUDIT_STATUS.get(result, 0),
            uid=text(fields.id),
            user=who,
            target_user=target if target != who else "",
            src_ip=identity.ip(address) or identity.ip(text(outside.address)),
            operation=operation,
            service=text(fields.logged_by_service),
            resource=resource,
            status_detail=(text(fields.result_reason) or text(outside.reason))[:REASON_LIMIT],
            user_agent=_detail(fields.additional_details, "User-Agent"),
            cloud_account=_tenant(fields, outside),
        )

    def _initiator(self, initiator: dict[str, Any]) -> tuple[str, str]:
        user = self._context.identity.user
        person = mapping(initiator.get("user"))
        name = text(person.get("userPrincipalName")) or text(person.get("displayName"))
        who = user(name, sid=text(person.get("id")))
        if not who:
            app = mapping(initiator.get("app"))
            name = text(app.get("servicePrincipalName")) or text(app.get("displayName"))
            who = user(name, sid=text(app.get("servicePrincipalId")))
        return who, text(person.get("ipAddress"))

    def _targets(self, targets: list[object]) -> tuple[str, str]:
        """Name the user that is changed, and the group, role, application or policy that it is about."""
        person = thing = named = ""
        for entry in targets[:16]:
            if not isinstance(entry, dict):
                continue
            principal = text(entry.get("userPrincipalName"))
            if principal or text(entry.get("type")).lower() == "user":
                person = person or self._context.identity.user(
                    principal or text(entry.get("displayName")), sid=text(entry.get("id"))
                )
            else:
                thing = thing or text(entry.get("displayName")) or text(entry.get("id"))
            named = named or _changed_name(entry)
        return person, named or thing


_AUDIT_STATUS = {"success": SUCCESS, "0": SUCCESS, "failure": FAILURE, "timeout": FAILURE}


def _is_graph(record: dict[str, object]) -> bool:
    keys = record.keys()
    if "createdDateTime" in keys and "ipAddress" in keys and "conditionalAccessStatus" in keys:
        return True
    if "createdDateTime" in keys and ("userPrincipalName" in keys or "servicePrincipalId" in keys):
        return "appId" in keys or "appDisplayName" in keys
    return "activityDisplayName" in keys and ("initiatedBy" in keys or "targetResources" in keys)


def _read(record: bytes) -> tuple[_Fields, _Outside]:
    """Try the shapes that the bytes hint at; the object without an envelope last."""
    try:
        if b'"TimeGenerated"' in record:
            table = _TABLE.decode(record)
            if table.time_generated is not None:
                outside = _Outside(
                    time=table.time_generated,
                    kind=text(table.type) or text(table.category),
                    result=table.result_type,
                    reason=table.result_description,
                    tenant=table.aad_tenant_id,
                )
                return table, outside
        if b'"properties"' in record:
            envelope = _ENVELOPE.decode(record)
            inner = _object(envelope.properties)
            if inner:
                outside = _Outside(
                    time=envelope.time,
                    kind=text(envelope.category),
                    result=envelope.result_type,
                    reason=envelope.result_description,
                    address=envelope.caller_ip_address,
                    tenant=envelope.tenant_id,
                )
                return _fields(inner, envelope.operation_name), outside
        return _GRAPH.decode(record), _Outside()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        json_object(record)  # the same complaint as every other source's
        raise RecordError("not an Entra ID record") from None


_NAMES = dict(zip(_Fields.__struct_encode_fields__, _Fields.__struct_fields__, strict=True))


def _fields(inner: dict[str, Any], operation: object) -> _Fields:
    fields = _Fields(**{_NAMES[key]: value for key, value in inner.items() if key in _NAMES})
    if fields.operation_name is None:
        fields.operation_name = operation
    return fields


def _object(value: object) -> dict[str, Any]:
    """Return the object itself, or the one that a text column holds as JSON."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            return json_object(value.encode("utf-8", "replace"))
        except RecordError:
            return {}
    return mapping(value)


def _list(value: object) -> list[object]:
    if isinstance(value, str) and value[:1] == "[":
        value = _object('{"list":' + value + "}").get("list")
    return value if isinstance(value, list) else []


def _time(own: object, outside: object) -> int:
    """Time of the sign-in or the change itself; the envelope's, which may be later, where that is missing."""
    if own is None or own == "":
        return iso_us(outside)
    # Tables cut CreatedDateTime to seconds and keep the fraction in TimeGenerated.
    if isinstance(own, str) and isinstance(outside, str) and len(own) == 19 and outside.startswith(f"{own}."):
        return iso_us(outside)
    return iso_us(own)


def _kind(fields: _Fields, outside: _Outside) -> str:
    types = fields.sign_in_event_types
    said = " ".join(item for item in types[:8] if isinstance(item, str)) if isinstance(types, list) else ""
    said = (said or outside.kind).lower()
    for word, kind in _KINDS:
        if word in said:
            return kind
    if fields.is_interactive is False:
        return "NonInteractiveUserSignIn"
    if not fields.user_principal_name and not fields.user_id and fields.service_principal_id:
        return "ServicePrincipalSignIn"
    return "UserSignIn"


def _auth(fields: _Fields, kind: str) -> str:
    """Client and factors, such as "browser mfa" or "imap4 single factor", and the protocol if it is said."""
    client = text(fields.client_app_used).lower()
    if not client and kind in ("ServicePrincipalSignIn", "ManagedIdentitySignIn"):
        client = "service principal" if kind == "ServicePrincipalSignIn" else "managed identity"
    need = text(fields.authentication_requirement)
    factors = {"multiFactorAuthentication": "mfa", "singleFactorAuthentication": "single factor"}.get(
        need, ""
    )
    protocol = text(fields.authentication_protocol).lower()
    if protocol in ("none", "unknownfuturevalue"):
        protocol = ""
    return " ".join(part for part in (client, factors, protocol) if part)


def _outcome(fields: _Fields, outside: _Outside) -> tuple[bool, str]:
    """Failure and its reason: errorCode is 0 for success, and anything else means that no token was given."""
    status = _object(fields.status)
    said = status.get("errorCode")
    code = text(said if said is not None else outside.result)
    if code in ("", "0", "Success"):
        access = text(fields.conditional_access_status)
        applied = access not in ("", "notApplied", "unknownFutureValue")
        return False, f"conditional access {access}"[:REASON_LIMIT] if applied else ""
    reason = _REASONS.get(integer(code)) or text(status.get("failureReason")) or text(outside.reason)
    if reason == "Other." or not reason:
        return True, code[:REASON_LIMIT]
    return True, f"{code} {reason}"[:REASON_LIMIT]


def _resource_id(fields: _Fields) -> str:
    """Id of the application that was signed in to; in a table ResourceId is the log's own Azure path."""
    found = text(fields.resource_id)
    return text(fields.resource_identity) if not found or found.startswith("/") else found


def _client(device: dict[str, Any]) -> str:
    """Browser and system in words, where the header itself is not logged."""
    browser, system = text(device.get("browser")), text(device.get("operatingSystem"))
    return f"{browser} ({system})" if browser and system else browser or system


def _tenant(fields: _Fields, outside: _Outside) -> str:
    # A table's TenantId is the Log Analytics workspace, not the directory.
    return text(outside.tenant) or text(fields.resource_tenant_id) or text(fields.home_tenant_id)


def _detail(details: object, key: str) -> str:
    for entry in _list(details)[:32]:
        if isinstance(entry, dict) and entry.get("key") == key:
            return text(entry.get("value"))
    return ""


def _changed_name(entry: dict[str, Any]) -> str:
    """Name of the role or group among the changed properties; Entra names it there and nowhere else."""
    for change in _list(entry.get("modifiedProperties"))[:32]:
        if isinstance(change, dict) and change.get("displayName") in (
            "Role.DisplayName",
            "Group.DisplayName",
        ):
            name = (text(change.get("newValue")) or text(change.get("oldValue"))).strip('"')
            if name and name != "null":
                return name
    return ""
