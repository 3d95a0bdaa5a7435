from __future__ import annotations

import json

import pytest

from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    DETECTION_FINDING,
    FAILURE,
    GROUP_MANAGEMENT,
    SUCCESS,
)
from features.sources.base import Sample, SourceContext
from features.sources.cloudtrail import CloudTrailDecoder, classify

HOSTILE = (None, True, -1, 10**30, 1e308, "\x00\x1b[31m", "A" * 100_000, [], {}, [[[]]], {"a": {"b": 1}})
CALL = {
    "eventVersion": "1.09",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:alice@corp.example",
        "arn": "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_ab12/alice@corp.example",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "userName": "AWSReservedSSO_Admin_ab12"},
            "attributes": {"mfaAuthenticated": "true"},
        },
    },
    "eventTime": "2026-01-05T08:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "eu-west-1",
    "sourceIPAddress": "203.0.113.9",
    "userAgent": "aws-cli/2.15",
    "requestParameters": {"bucketName": "payroll", "key": "2026/january.csv"},
    "responseElements": None,
    "eventID": "6f1c2a7e-0000-4000-8000-000000000001",
    "readOnly": True,
    "resources": [{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::payroll/2026/january.csv"}],
    "recipientAccountId": "111122223333",
}
IAM_USER = {"type": "IAMUser", "userName": "bob", "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE"}


def decode(**changes):
    return CloudTrailDecoder(SourceContext()).decode(json.dumps(CALL | changes).encode())


def iam(name, **parameters):
    return decode(
        eventSource="iam.amazonaws.com",
        eventName=name,
        requestParameters=parameters,
        resources=None,
        userIdentity=IAM_USER,
        readOnly=False,
    )


def variants(record, value):
    for key, inner in record.items():
        yield record | {key: value}
        if isinstance(inner, dict):
            for changed in variants(inner, value):
                yield record | {key: changed}


def reason(decoder, record):
    try:
        decoder.decode(json.dumps(record).encode())
    except RecordError as error:
        return str(error)
    return ""


def test_a_call_keeps_who_where_from_and_what_was_touched():
    event = decode()
    assert event.time_us == 1767600000000000
    assert (event.class_uid, event.activity_id, event.status_id) == (API_ACTIVITY, 2, SUCCESS)
    assert event.uid == CALL["eventID"]
    assert (event.user, event.src_ip, event.host) == ("alice", "203.0.113.9", "")
    assert (event.operation, event.service) == ("GetObject", "s3.amazonaws.com")
    assert (event.resource, event.file) == ("payroll", "2026/january.csv")
    assert event.auth == "session mfa"
    assert (event.cloud_account, event.cloud_region) == ("111122223333", "eu-west-1")


def test_an_error_code_is_a_failure():
    event = decode(errorCode="AccessDenied", errorMessage="User is not authorized to ...")
    assert (event.status_id, event.status_detail) == (FAILURE, "AccessDenied")


def test_a_service_that_calls_has_no_address():
    event = decode(
        sourceIPAddress="ec2.amazonaws.com",
        userIdentity={"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
    )
    assert (event.user, event.src_ip) == ("", "")


@pytest.mark.parametrize(
    ("response", "message", "status", "detail"),
    [
        ({"ConsoleLogin": "Success"}, None, SUCCESS, ""),
        ({"ConsoleLogin": "Failure"}, "Failed authentication", FAILURE, "Failed authentication"),
    ],
)
def test_a_console_login_says_whether_it_worked_and_with_what(response, message, status, detail):
    event = decode(
        eventSource="signin.amazonaws.com",
        eventName="ConsoleLogin",
        userIdentity=IAM_USER,
        responseElements=response,
        errorMessage=message,
        additionalEventData={"MFAUsed": "No", "LoginTo": "https://console.aws.amazon.com"},
        requestParameters=None,
        resources=None,
    )
    assert (event.class_uid, event.activity_id, event.status_id) == (AUTHENTICATION, 1, status)
    assert (event.user, event.auth, event.status_detail) == ("bob", "no mfa", detail)


def test_assuming_a_role_is_a_logon_to_that_role():
    arn = "arn:aws:iam::111122223333:role/Deploy"
    event = decode(
        eventSource="sts.amazonaws.com",
        eventName="AssumeRole",
        userIdentity=IAM_USER,
        requestParameters={"roleArn": arn, "roleSessionName": "x"},
        resources=[{"ARN": arn, "type": "AWS::IAM::Role"}],
    )
    assert (event.class_uid, event.activity_id) == (AUTHENTICATION, 1)
    assert (event.user, event.target_user, event.resource) == ("bob", "role/deploy", arn)
    assert event.auth == "access key"


def test_changes_of_users_and_groups_have_their_own_classes():
    created = iam("CreateUser", userName="carol")
    assert (created.class_uid, created.activity_id) == (ACCOUNT_CHANGE, 1)
    assert (created.user, created.target_user) == ("bob", "carol")
    attached = iam(
        "AttachUserPolicy", userName="carol", policyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    assert (attached.activity_id, attached.resource) == (7, "arn:aws:iam::aws:policy/AdministratorAccess")
    added = iam("AddUserToGroup", userName="carol", groupName="admins")
    assert (added.class_uid, added.activity_id) == (GROUP_MANAGEMENT, 3)
    assert (added.target_user, added.resource) == ("carol", "admins")
    assert iam("CreateRole", roleName="Deploy").target_user == "role/deploy"
    assert iam("CreateAccessKey", userName="bob").target_user == ""


@pytest.mark.parametrize(
    ("operation", "read_only", "activity"),
    [
        ("RunInstances", False, 1),
        ("DescribeInstances", True, 2),
        ("BatchGetSecretValue", True, 2),
        ("AdminDeleteUser", False, 4),
        ("UpdateFunctionCode20150331v2", False, 3),
        ("TerminateInstances", False, 4),
        ("Decrypt", True, 2),
        ("Frobnicate", False, 99),
        ("", False, 99),
    ],
)
def test_the_verb_of_an_operation_gives_the_activity(operation, read_only, activity):
    assert classify("some.amazonaws.com", operation, read_only) == (API_ACTIVITY, activity)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"DeleteFlowLogsRequest": {"FlowLogId": {"content": "fl-1", "tag": 1}}}, "fl-1"),
        ({"instancesSet": {"items": [{"imageId": "ami-1"}]}, "subnetId": "subnet-1"}, "ami-1"),
        ({"instanceIds": ["i-1", "i-2"], "documentName": "AWS-RunShellScript"}, "AWS-RunShellScript"),
        ({"resolverQueryLogConfigId": "rqlc-1", "clientToken": "t"}, "rqlc-1"),
        ({"secretId": "HIDDEN_DUE_TO_SECURITY_REASONS"}, ""),
        (None, ""),
    ],
)
def test_the_most_telling_name_of_a_request_is_the_resource(parameters, expected):
    assert (
        decode(eventSource="x.amazonaws.com", requestParameters=parameters, resources=None).resource
        == expected
    )


def test_an_instance_profile_names_its_machine_and_a_session_the_machine_it_reaches():
    caller = {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/web/i-0abcdef1234567890"}
    assert decode(userIdentity=caller).host == "i-0abcdef1234567890"
    event = decode(
        eventSource="ssm.amazonaws.com",
        eventName="StartSession",
        requestParameters={"target": "i-0abcdef1234567890"},
    )
    assert (event.dst_host, event.host) == ("i-0abcdef1234567890", "")


def test_other_shapes_of_the_same_record_give_the_same_event():
    expected = decode()
    decoder = CloudTrailDecoder(SourceContext())
    envelope = {"detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "detail": CALL}
    assert decoder.decode(json.dumps(envelope).encode()) == expected
    lower = {key.lower(): value for key, value in CALL.items()}
    assert decoder.decode(json.dumps(lower).encode()) == expected


def test_an_insight_is_a_finding():
    record = {
        "eventTime": "2026-01-05T08:00:00Z",
        "awsRegion": "eu-west-1",
        "eventCategory": "Insight",
        "recipientAccountId": "111122223333",
        "insightDetails": {
            "state": "Start",
            "eventSource": "iam.amazonaws.com",
            "eventName": "CreateUser",
            "insightType": "ApiCallRateInsight",
        },
    }
    event = CloudTrailDecoder(SourceContext()).decode(json.dumps(record).encode())
    assert (event.class_uid, event.activity_id, event.resource) == (DETECTION_FINDING, 1, "CreateUser")
    assert CloudTrailDecoder.sniff(Sample("x", b"", (), record)) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"[1]", "expected a JSON object"),
        (b'{"eventTime":"2026-01-05T08:00:00Z","x":' + b"[" * 200_000, "nested too deeply"),
        (b'{"eventName":"GetObject"}', "time is missing"),
        (b'{"eventTime":"soon"}', "not ISO 8601"),
        (b'{"eventTime":"1961-04-12T06:07:00Z"}', "out of range"),
        (b'{"eventTime":"2026-01-05T08:00:00Z","userAgent":"\xff"}', "not valid JSON"),
        (b'{"eventTime":NaN}', "not valid JSON"),
        (b'{"eventName":"\x00"}', "not valid JSON"),
    ],
)
def test_a_record_that_is_none_is_refused_with_the_reason(body, reason):
    with pytest.raises(RecordError, match=reason) as caught:
        CloudTrailDecoder(SourceContext()).decode(body)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", HOSTILE)
def test_a_surprise_in_any_field_gives_an_event_or_a_short_reason(value):
    decoder = CloudTrailDecoder(SourceContext())
    for record in variants(CALL, value):
        said = reason(decoder, record)
        assert said.isprintable()
        assert len(said) < 200


def test_sniffing_knows_its_own_and_nothing_else():
    assert CloudTrailDecoder.sniff(Sample("x", b"", (), dict(CALL))) == 1
    for other in (
        {},
        {"eventTime": "x"},
        {"eventName": "a", "eventSource": "b"},
        {"published": "x", "eventType": "y"},
    ):
        assert CloudTrailDecoder.sniff(Sample("x", b"", (), other)) == 0


def test_recorded_attacks_decode_without_exception(real_data):
    folder = real_data / "cloudtrail"
    decoder = CloudTrailDecoder(SourceContext())
    records = [
        record for path in sorted(folder.glob("*.json")) for record in json.loads(path.read_text("utf-8"))
    ]
    events = [decoder.decode(json.dumps(record).encode()) for record in records]
    assert len(events) == 310
    assert len({event.uid for event in events}) == len({record["eventID"] for record in records})
    assert all(event.user and event.operation and event.service for event in events)
    assert sum(event.status_id == FAILURE for event in events) == sum(
        "errorCode" in record for record in records
    )
