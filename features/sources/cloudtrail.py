"""AWS CloudTrail records: management, data, network activity and Insights events.

Field names: "CloudTrail record contents" in the AWS CloudTrail user guide. Also read: the same record inside
an EventBridge envelope (`detail`), and with lower-case column names, as Athena and other SQL engines give it
back.

Choices a reader may question:

- AssumeRole, its variants, GetSessionToken and GetFederationToken are Authentication (3002) Logon, not
  Authorize Session: they hand out credentials of a new session, and a habit of "who enters which role" is
  made of that. `target_user` is the role.
- A console password that is first set is Enable, one that an administrator sets anew is Password Reset.
- `status_id` is success wherever AWS gives no error: CloudTrail records every call after it was answered.
- Requests that AWS makes on its own have a service name for an address and no user.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from features import identity
from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    DETECTION_FINDING,
    FAILURE,
    GROUP_MANAGEMENT,
    SUCCESS,
    Event,
)
from features.sources.parsing import iso_us, json_object, mapping, text, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

OTHER = 99
"""OCSF: the activity is known but the class has no number for it."""


class _Record(msgspec.Struct, rename="camel"):
    """The fields that are used; loosely typed, so a surprise in one never costs the record."""

    event_time: object = None
    event_name: object = None
    event_source: object = None
    event_id: object = msgspec.field(default=None, name="eventID")
    event_category: object = None
    aws_region: object = None
    source_ip_address: object = msgspec.field(default=None, name="sourceIPAddress")
    user_agent: object = None
    user_identity: object = None
    error_code: object = None
    error_message: object = None
    request_parameters: object = None
    response_elements: object = None
    additional_event_data: object = None
    resources: object = None
    recipient_account_id: object = None
    read_only: object = None
    session_credential_from_console: object = None
    insight_details: object = None


_DECODER = msgspec.json.Decoder(_Record)
_FIELDS = dict(zip(_Record.__struct_encode_fields__, _Record.__struct_fields__, strict=True))


def _words(text: str) -> list[str]:
    return text.split()


_LOWER = {name.lower(): name for name in _FIELDS} | {
    name.lower(): name
    for name in _words(
        """principalId accountId userName sessionContext sessionIssuer invokedBy accessKeyId sourceIdentity
        onBehalfOf userId mfaAuthenticated bucketName roleName roleArn instanceId functionName keyId
        bytesTransferredIn bytesTransferredOut"""
    )
}

_IDENTITY_SERVICES = frozenset(
    _words(
        """iam.amazonaws.com identitystore.amazonaws.com sso.amazonaws.com sso-directory.amazonaws.com
        signin.amazonaws.com"""
    )
)
_CHANGES = {
    **dict.fromkeys(_words("CreateUser CreateRole CreateServiceLinkedRole"), (ACCOUNT_CHANGE, 1)),
    **dict.fromkeys(_words("CreateLoginProfile EnableUser"), (ACCOUNT_CHANGE, 2)),
    **dict.fromkeys(_words("ChangePassword PasswordRecoveryCompleted"), (ACCOUNT_CHANGE, 3)),
    **dict.fromkeys(
        _words("UpdateLoginProfile UpdatePassword PasswordRecoveryRequested"), (ACCOUNT_CHANGE, 4)
    ),
    **dict.fromkeys(_words("DeleteLoginProfile DisableUser"), (ACCOUNT_CHANGE, 5)),
    **dict.fromkeys(_words("DeleteUser DeleteRole DeleteServiceLinkedRole"), (ACCOUNT_CHANGE, 6)),
    **dict.fromkeys(
        _words(
            """AttachUserPolicy AttachRolePolicy PutUserPolicy PutRolePolicy PutUserPermissionsBoundary
            PutRolePermissionsBoundary CreateAccountAssignment"""
        ),
        (ACCOUNT_CHANGE, 7),
    ),
    **dict.fromkeys(
        _words(
            """DetachUserPolicy DetachRolePolicy DeleteUserPolicy DeleteRolePolicy
            DeleteUserPermissionsBoundary DeleteRolePermissionsBoundary DeleteAccountAssignment"""
        ),
        (ACCOUNT_CHANGE, 8),
    ),
    "EnableMFADevice": (ACCOUNT_CHANGE, 10),
    "DeactivateMFADevice": (ACCOUNT_CHANGE, 11),
    **dict.fromkeys(_words("UpdateUser UpdateRole UpdateAssumeRolePolicy"), (ACCOUNT_CHANGE, OTHER)),
    **dict.fromkeys(_words("AttachGroupPolicy PutGroupPolicy"), (GROUP_MANAGEMENT, 1)),
    **dict.fromkeys(_words("DetachGroupPolicy DeleteGroupPolicy"), (GROUP_MANAGEMENT, 2)),
    **dict.fromkeys(_words("AddUserToGroup AddMemberToGroup CreateGroupMembership"), (GROUP_MANAGEMENT, 3)),
    **dict.fromkeys(
        _words("RemoveUserFromGroup RemoveMemberFromGroup DeleteGroupMembership"), (GROUP_MANAGEMENT, 4)
    ),
    "DeleteGroup": (GROUP_MANAGEMENT, 5),
    "CreateGroup": (GROUP_MANAGEMENT, 6),
}
_LOGONS = {
    **dict.fromkeys(
        _words(
            """ConsoleLogin SwitchRole RenewRole GetSigninToken UserAuthentication CredentialVerification
            Authenticate Federate AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity AssumeRoot
            GetFederationToken GetSessionToken GetRoleCredentials CreateSession CreateToken
            CreateTokenWithIAM"""
        ),
        1,
    ),
    **dict.fromkeys(_words("Logout ExitRole"), 2),
    **dict.fromkeys(_words("CheckMfa CredentialChallenge"), OTHER),
}
_LOGON_SERVICES = frozenset(
    _words("signin.amazonaws.com sts.amazonaws.com sso.amazonaws.com rolesanywhere.amazonaws.com")
)
_VERBS = {
    **dict.fromkeys(
        _words(
            """Create Run Put Attach Add Import Start Register Allocate Associate Send Publish Copy Restore
            Request Upload Launch Issue Share Accept Generate Invoke Submit Subscribe Provision Purchase
            Initiate Clone Deploy Execute Enqueue Schedule Invite"""
        ),
        1,
    ),
    **dict.fromkeys(
        _words(
            """Get List Describe Head Lookup Search Query Scan Select View Check Test Validate Verify Simulate
            Preview Estimate Download Read Filter Discover Detect Export Converse Retrieve"""
        ),
        2,
    ),
    **dict.fromkeys(
        _words(
            """Update Modify Set Change Reset Rotate Tag Untag Enable Disable Reboot Stop Replace Upgrade
            Apply Configure Authorize Edit Rename Move Renew Resize Extend Suspend Resume Activate Deactivate
            Promote Failover Transfer"""
        ),
        3,
    ),
    **dict.fromkeys(
        _words(
            """Delete Terminate Remove Detach Deregister Release Revoke Cancel Destroy Purge Disassociate
            Leave Abort Unsubscribe Reject Discard"""
        ),
        4,
    ),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PREFIXES = frozenset(_words("Batch Admin Bulk Transact Post"))
"""Words that stand before the verb: BatchGetItem, AdminCreateUser."""

# Ordered: what stands first tells most about what was touched. The policy comes before the user it is
# attached to, because the user is `target_user` already.
_RESOURCE_KEYS = _words(
    """bucketName secretId functionName policyArn policyName groupName instanceProfileName roleArn roleName
    serialNumber trailName trailNameOrARN keyId documentName dBInstanceIdentifier dBSnapshotIdentifier
    dBClusterIdentifier dBClusterSnapshotIdentifier instanceId snapshotId imageId groupId volumeId tableName
    queueUrl topicArn streamName deliveryStreamName logGroupName repositoryName stackName stackSetName
    projectName domainName hostedZoneId modelId clusterName cluster taskDefinition jobName pipelineName
    stateMachineArn permissionSetArn detectorId webACLId certificateArn apiId restApiId distributionId
    instancesSet vpcId subnetId networkAclId routeTableId userName name names instanceIds target resourceArn
    resourceARN arn resourceId parameters"""
)
_NAMING = ("Name", "Id", "Arn", "ARN", "Identifier", "Url", "Names", "Ids", "Arns")
_NOT_NAMING = frozenset(
    _words("clientToken nextToken requestId roleSessionName sessionId instanceType accessKeyId")
)
_INSTANCE = re.compile(r"i-(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{17})")
_CONNECTS = frozenset(
    _words("StartSession ResumeSession SendSSHPublicKey SendSerialConsoleSSHPublicKey OpenTunnel")
)


class CloudTrailDecoder:
    """One CloudTrail record to one event. Times are UTC by definition of the source."""

    name: ClassVar[str] = "cloudtrail"

    def __init__(self, context: SourceContext) -> None:
        self._context = context

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain when the three fields that every record has are there, in any of the accepted shapes."""
        record = sample.record
        if "detail-type" in record:
            record = mapping(record.get("detail"))
        keys = {key.lower() for key in list(record)[:200]}
        if not {"eventtime", "eventsource"} <= keys:
            return 1.0 if {"insightdetails", "eventtime", "awsregion"} <= keys else 0.0
        if "eventname" not in keys or not keys & {
            "useridentity",
            "awsregion",
            "eventversion",
            "recipientaccountid",
        }:
            return 0.0
        return 1.0 if "eventTime" in record else 0.9

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Drop blank lines."""
        return ((number, line) for number, line in lines if line.strip())

    def decode(self, record: bytes) -> Event:
        """One record to one event; RecordError for broken JSON and for a missing or impossible eventTime."""
        row = _read(record)
        time_us = iso_us(row.event_time)
        caller: dict[str, Any] = mapping(row.user_identity)
        account = text(row.recipient_account_id) or text(caller.get("accountId"))
        if row.insight_details is not None and row.event_name is None:
            return _insight(row, time_us, account)
        operation, service = text(row.event_name), text(row.event_source)
        class_uid, activity_id = classify(service[:128], operation[:128], row.read_only in (True, "true"))
        parameters = _parameters(row.request_parameters)
        failed, detail = _failure(row, operation)
        user = self._context.identity.aws(caller)
        target = self._target(service, operation, parameters)
        extra: dict[str, Any] = mapping(row.additional_event_data)
        return Event(
            time_us=time_us,
            class_uid=class_uid,
            activity_id=activity_id,
            status_id=FAILURE if failed else SUCCESS,
            uid=text(row.event_id),
            user=user,
            target_user=target if target != user else "",
            host=_caller_instance(caller),
            src_ip=identity.ip(text(row.source_ip_address)),
            dst_host=_reached_instance(operation, parameters),
            file=text(parameters.get("key")) if service == "s3.amazonaws.com" else "",
            operation=operation,
            service=service,
            resource=_resource(row.resources, parameters),
            auth=_auth(row, caller, operation),
            status_detail=detail,
            user_agent=text(row.user_agent),
            cloud_account=account,
            cloud_region=text(row.aws_region),
            # The service counts from its side: what went in there, the caller sent.
            bytes_in=volume(extra.get("bytesTransferredOut")),
            bytes_out=volume(extra.get("bytesTransferredIn")),
        )

    def _target(self, service: str, operation: str, parameters: dict[str, Any]) -> str:
        """Name the user, role or group that is acted upon, written as its own events would name it."""
        get = parameters.get
        resolver = self._context.identity
        if service in _IDENTITY_SERVICES:
            if text(get("userName")):
                return resolver.aws({"type": "IAMUser", "userName": text(get("userName"))})
            member = get("userId") or mapping(get("memberId")).get("userId") or get("principalId")
            if text(member):
                return resolver.user(sid=text(member))
            for key, kind in (("roleName", "role"), ("groupName", "group")):
                if text(get(key)):
                    return resolver.user(f"{kind}/{text(get(key))}")
        elif service == "sts.amazonaws.com":
            if text(get("roleArn")):
                return resolver.user(text(get("roleArn")))
            if operation == "GetFederationToken":
                return resolver.user(text(get("name")))
        return ""


def _read(record: bytes) -> _Record:
    try:
        row = _DECODER.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        json_object(record)  # the same complaint as every other source's
        raise RecordError("not a CloudTrail record") from None
    if row.event_time is not None:
        return row
    other = json_object(record)
    inner = other.get("detail")
    known = _canonical(inner if isinstance(inner, dict) else other, 0)
    return _Record(**{_FIELDS[name]: value for name, value in known.items() if name in _FIELDS})


def _canonical(value: dict[str, Any], depth: int) -> dict[str, Any]:
    """Give the keys of a record that went through SQL their capitals back."""
    return {
        _LOWER.get(key, key): _canonical(item, depth + 1) if isinstance(item, dict) and depth < 4 else item
        for key, item in value.items()
    }


@lru_cache(maxsize=8192)
def classify(service: str, operation: str, read_only: bool) -> tuple[int, int]:
    """OCSF class and activity of an operation; by its verb where no class of identity management applies."""
    if service in _IDENTITY_SERVICES and operation in _CHANGES:
        return _CHANGES[operation]
    if service in _LOGON_SERVICES and operation in _LOGONS:
        return AUTHENTICATION, _LOGONS[operation]
    words = _WORD.findall(operation)
    if len(words) > 1 and words[0] in _PREFIXES:
        words = words[1:]
    activity = _VERBS.get(words[0], 0) if words else 0
    if not activity:
        activity = 2 if read_only else OTHER
    return API_ACTIVITY, activity


def _insight(row: _Record, time_us: int, account: str) -> Event:
    """Insights events report an unusual rate of calls; nobody in particular made them."""
    details = mapping(row.insight_details)
    return Event(
        time_us=time_us,
        class_uid=DETECTION_FINDING,
        activity_id={"Start": 1, "End": 3}.get(text(details.get("state")), OTHER),
        uid=text(row.event_id),
        operation=text(details.get("insightType")),
        service=text(details.get("eventSource")),
        resource=text(details.get("eventName")),
        status_detail=text(details.get("errorCode")),
        cloud_account=account,
        cloud_region=text(row.aws_region),
    )


def _parameters(value: object) -> dict[str, Any]:
    """Request parameters; EC2 wraps some in one object (`{"DeleteFlowLogsRequest": {...}}`)."""
    parameters = mapping(value)
    if len(parameters) == 1:
        key, inner = next(iter(parameters.items()))
        if isinstance(inner, dict) and key.endswith("Request"):
            return inner
    return parameters


def _failure(row: _Record, operation: str) -> tuple[bool, str]:
    """Sign-in events report failure without an errorCode, in responseElements and errorMessage."""
    code = text(row.error_code)
    if code:
        return True, code
    if text(mapping(row.response_elements).get(operation)) == "Failure":
        return True, text(row.error_message)[:200] or "Failure"
    message = text(row.error_message)[:200]
    return bool(message), message


def _auth(row: _Record, caller: dict[str, Any], operation: str) -> str:
    if operation == "ConsoleLogin":
        used = text(mapping(row.additional_event_data).get("MFAUsed")).lower()
        return {"yes": "mfa", "no": "no mfa"}.get(used, "")
    if operation == "AssumeRoleWithSAML":
        return "saml"
    if operation == "AssumeRoleWithWebIdentity":
        return "oidc"
    if row.session_credential_from_console in (True, "true"):
        kind = "console"
    else:
        # Prefixes: "IAM identifiers" in the IAM user guide. AKIA is a long-term key, ASIA a temporary one.
        kind = {"AKIA": "access key", "ASIA": "session"}.get(text(caller.get("accessKeyId"))[:4], "")
    attributes = mapping(mapping(caller.get("sessionContext")).get("attributes"))
    mfa = attributes.get("mfaAuthenticated") in ("true", True)
    return f"{kind} mfa".strip() if mfa else kind


def _caller_instance(caller: dict[str, Any]) -> str:
    """EC2 names a session of an instance profile after the instance, so here the machine is known."""
    if caller.get("type") != "AssumedRole":
        return ""
    session = text(caller.get("arn")).rpartition("/")[2] or text(caller.get("principalId")).rpartition(":")[2]
    return identity.host(session) if _INSTANCE.fullmatch(session) else ""


def _reached_instance(operation: str, parameters: dict[str, Any]) -> str:
    if operation not in _CONNECTS:
        return ""
    name = text(parameters.get("instanceId")) or text(parameters.get("target"))
    return identity.host(name) if name.startswith(("i-", "mi-")) else ""


def _resource(resources: object, parameters: dict[str, Any]) -> str:
    """What was touched. S3 names the object first, but a habit is about the bucket; the object is `file`."""
    bucket = _scalar(parameters.get("bucketName"))
    if bucket:
        return bucket
    if isinstance(resources, list):
        for entry in resources[:16]:
            if isinstance(entry, dict) and entry.get("type") != "AWS::S3::Object":
                arn = text(entry.get("ARN")) or text(entry.get("arn"))
                if arn:
                    return arn
    for key in _RESOURCE_KEYS:
        if key in parameters:
            found = _scalar(parameters[key])
            if found:
                return found
    for key in list(parameters)[:64]:
        if key.endswith(_NAMING) and key not in _NOT_NAMING:
            found = _scalar(parameters[key])
            if found:
                return found
    return ""


def _scalar(value: object, depth: int = 0) -> str:
    """Text of a name that may be wrapped: in a list, in EC2's {"items": [...]}, or in {"content": ...}."""
    if isinstance(value, str):
        return "" if value == "HIDDEN_DUE_TO_SECURITY_REASONS" else text(value)
    if depth > 3:
        return ""
    if isinstance(value, list):
        return _scalar(value[0], depth + 1) if value else ""
    if isinstance(value, dict):
        for key in ("content", "items", "instanceId", "imageId", "id", "name"):
            if key in value:
                return _scalar(value[key], depth + 1)
    return ""
