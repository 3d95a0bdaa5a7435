from __future__ import annotations

import gzip
import json

import pytest

from features.errors import RecordError
from features.events import (
    ACCOUNT_CHANGE,
    AUTHENTICATION,
    ENTITY_MANAGEMENT,
    FAILURE,
    GROUP_MANAGEMENT,
    SUCCESS,
    USER_ACCESS,
)
from features.sources.base import Sample, SourceContext
from features.sources.entra import EntraDecoder, classify_change

HOSTILE = (
    None,
    True,
    -1,
    10**30,
    1e308,
    "\x00\x1b[31m",
    "A" * 100_000,
    [],
    {},
    [[[]]],
    {"a": {"b": 1}},
    "{[",
    "[{",
)
SIGN_IN = {
    "id": "66ea54eb-0000-4000-8000-000000000001",
    "createdDateTime": "2026-01-05T08:00:00.2500000Z",
    "userDisplayName": "Alice Smith",
    "userPrincipalName": "Alice@corp.example",
    "userId": "11111111-2222-4333-8444-555555555555",
    "appDisplayName": "Azure Portal",
    "appId": "c44b4083-0000-4000-8000-000000000000",
    "resourceDisplayName": "Windows Azure Service Management API",
    "ipAddress": "203.0.113.9",
    "clientAppUsed": "Browser",
    "userAgent": "Mozilla/5.0",
    "isInteractive": True,
    "conditionalAccessStatus": "success",
    "authenticationRequirement": "multiFactorAuthentication",
    "authenticationProtocol": "none",
    "deviceDetail": {"displayName": "WS-12", "operatingSystem": "Windows 11", "browser": "Edge 120"},
    "status": {"errorCode": 0, "failureReason": "Other."},
    "location": {"countryOrRegion": "SE"},
    "resourceTenantId": "tenant-1",
}
AUDIT = {
    "id": "Directory_1",
    "category": "RoleManagement",
    "activityDisplayName": "Add member to role",
    "activityDateTime": "2026-01-05T08:00:00Z",
    "loggedByService": "Core Directory",
    "result": "success",
    "initiatedBy": {
        "user": {"id": "u-1", "userPrincipalName": "admin@corp.example", "ipAddress": "203.0.113.9"},
        "app": None,
    },
    "targetResources": [
        {
            "id": "u-2",
            "type": "User",
            "userPrincipalName": "bob@corp.example",
            "modifiedProperties": [
                {"displayName": "Role.DisplayName", "oldValue": None, "newValue": '"Global Administrator"'}
            ],
        },
        {"id": "r-1", "type": "Role", "displayName": None},
    ],
    "additionalDetails": [{"key": "User-Agent", "value": "Mozilla/5.0"}],
}


def decode(record):
    return EntraDecoder(SourceContext()).decode(json.dumps(record).encode())


def reason(decoder, record):
    try:
        decoder.decode(json.dumps(record).encode())
    except RecordError as error:
        return str(error)
    return ""


def variants(record, value):
    for key, inner in record.items():
        yield record | {key: value}
        if isinstance(inner, dict):
            for changed in variants(inner, value):
                yield record | {key: changed}
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            for changed in variants(inner[0], value):
                yield record | {key: [changed]}


def table(record, **extra):
    named = {key[0].upper() + key[1:]: value for key, value in record.items() if key != "ipAddress"}
    return named | {"TimeGenerated": "2026-01-05T08:00:00.2500000Z", "AADTenantId": "tenant-1"} | extra


def envelope(record, category, **extra):
    return {
        "time": "2026-01-05T08:07:00Z",
        "resourceId": "/tenants/tenant-1/providers/Microsoft.aadiam",
        "operationName": "Sign-in activity",
        "category": category,
        "tenantId": "tenant-1",
        "properties": record,
    } | extra


def test_a_sign_in_keeps_who_with_what_and_where_from():
    event = decode(SIGN_IN)
    assert event.time_us == 1767600000250000
    assert (event.class_uid, event.activity_id, event.status_id) == (AUTHENTICATION, 1, SUCCESS)
    assert (event.user, event.src_ip, event.src_host) == ("alice", "203.0.113.9", "ws-12")
    assert (event.service, event.resource) == ("Azure Portal", "Windows Azure Service Management API")
    assert (event.auth, event.status_detail) == ("browser mfa", "conditional access success")
    assert (event.operation, event.cloud_account) == ("UserSignIn", "tenant-1")
    assert event.uid == SIGN_IN["id"]


def test_the_three_shapes_of_a_sign_in_give_the_same_event():
    expected = decode(SIGN_IN)
    assert decode(envelope(SIGN_IN, "SignInLogs")) == expected
    columns = table(SIGN_IN, IPAddress="203.0.113.9", Type="SigninLogs", ResultType="0", TenantId="workspace")
    assert decode(columns) == expected
    text = columns | {key: json.dumps(columns[key]) for key in ("DeviceDetail", "Status")}
    assert decode(text) == expected
    assert decode(columns | {"CreatedDateTime": "2026-01-05T08:00:00"}) == expected


def test_the_two_shapes_of_an_audit_give_the_same_event():
    expected = decode(AUDIT)
    assert expected.cloud_account == ""
    expected.cloud_account = "tenant-1"
    assert decode(envelope(AUDIT, "AuditLogs")) == expected
    assert decode(table(AUDIT, Type="AuditLogs")) == expected


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        ({"errorCode": 50126, "failureReason": "Error validating credentials ..."}, "50126 bad password"),
        ({"errorCode": "53003"}, "53003 blocked by conditional access"),
        ({"errorCode": 999, "failureReason": "Something new."}, "999 Something new."),
        ({"errorCode": 999, "failureReason": "Other."}, "999"),
    ],
)
def test_an_error_code_is_a_failure_with_its_reason(status, detail):
    event = decode(SIGN_IN | {"status": status})
    assert (event.status_id, event.status_detail) == (FAILURE, detail)


def test_the_result_of_the_envelope_counts_where_the_status_is_missing():
    record = {key: value for key, value in SIGN_IN.items() if key != "status"}
    assert (
        decode(envelope(record, "SignInLogs", resultType="50057")).status_detail == "50057 account disabled"
    )
    assert decode(envelope(record, "SignInLogs", resultType="Success")).status_id == SUCCESS


@pytest.mark.parametrize(
    ("category", "operation"),
    [
        ("SignInLogs", "UserSignIn"),
        ("NonInteractiveUserSignInLogs", "NonInteractiveUserSignIn"),
        ("ServicePrincipalSignInLogs", "ServicePrincipalSignIn"),
        ("ManagedIdentitySignInLogs", "ManagedIdentitySignIn"),
    ],
)
def test_the_category_tells_the_kind_of_sign_in(category, operation):
    assert decode(envelope(SIGN_IN, category)).operation == operation


def test_a_service_principal_signs_in_under_its_name():
    record = {
        "createdDateTime": "2026-01-05T08:00:00Z",
        "servicePrincipalName": "Backup-Job",
        "servicePrincipalId": "sp-1",
        "ipAddress": "203.0.113.9",
        "resourceDisplayName": "Azure Storage",
        "status": {"errorCode": 7000215},
    }
    event = decode(record)
    assert (event.user, event.operation, event.auth) == (
        "backup-job",
        "ServicePrincipalSignIn",
        "service principal",
    )
    assert event.status_detail == "7000215 bad client secret"


def test_a_device_code_sign_in_shows_in_auth():
    event = decode(SIGN_IN | {"authenticationProtocol": "deviceCode"})
    assert event.auth == "browser mfa devicecode"


def test_an_object_id_in_place_of_a_name_is_remembered():
    decoder = EntraDecoder(SourceContext())
    decoder.decode(json.dumps(SIGN_IN).encode())
    unnamed = SIGN_IN | {"userPrincipalName": SIGN_IN["userId"]}
    assert decoder.decode(json.dumps(unnamed).encode()).user == "alice"


def test_an_audit_names_actor_target_and_role():
    event = decode(AUDIT)
    assert (event.class_uid, event.activity_id, event.status_id) == (USER_ACCESS, 3, SUCCESS)
    assert (event.user, event.target_user, event.src_ip) == ("admin", "bob", "203.0.113.9")
    assert (event.resource, event.service) == ("Global Administrator", "Core Directory")
    assert event.user_agent == "Mozilla/5.0"


def test_an_application_can_be_the_actor():
    event = decode(
        AUDIT | {"initiatedBy": {"app": {"displayName": "Provisioning", "servicePrincipalId": "sp-9"}}}
    )
    assert event.user == "provisioning"


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        ("Add user", (ACCOUNT_CHANGE, 1)),
        ("Reset user password.", (ACCOUNT_CHANGE, 4)),
        ("Disable Strong Authentication", (ACCOUNT_CHANGE, 11)),
        ("Add member to group", (GROUP_MANAGEMENT, 3)),
        ("Add member to role completed (PIM activation)", (USER_ACCESS, 3)),
        ("Consent to application", (USER_ACCESS, 1)),
        ("Delete conditional access policy", (ENTITY_MANAGEMENT, 4)),
        ("Set federation settings on domain", (ENTITY_MANAGEMENT, 3)),
        ("Sail away", (ENTITY_MANAGEMENT, 99)),
        ("", (ENTITY_MANAGEMENT, 99)),
    ],
)
def test_an_activity_has_its_class(activity, expected):
    assert classify_change(activity) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not valid JSON"),
        (b"7", "expected a JSON object"),
        (b'{"properties":' + b"[" * 200_000, "nested too deeply"),
        (b'{"userPrincipalName":"a"}', "time is missing"),
        (b'{"TimeGenerated":"then"}', "not ISO 8601"),
        (b'{"createdDateTime":"2126-01-01T00:00:00Z"}', "out of range"),
    ],
)
def test_a_record_that_is_none_is_refused_with_the_reason(body, why):
    with pytest.raises(RecordError, match=why) as caught:
        EntraDecoder(SourceContext()).decode(body)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "record", [SIGN_IN, AUDIT, envelope(SIGN_IN, "SignInLogs"), envelope(AUDIT, "AuditLogs"), table(AUDIT)]
)
def test_a_surprise_in_any_field_gives_an_event_or_a_short_reason(record, value):
    decoder = EntraDecoder(SourceContext())
    for changed in variants(record, value):
        said = reason(decoder, changed)
        assert said.isprintable()
        assert len(said) < 200


def test_sniffing_knows_all_shapes_and_nothing_else():
    columns = table(SIGN_IN, IPAddress="203.0.113.9")
    for record in (
        SIGN_IN,
        AUDIT,
        envelope(SIGN_IN, "SignInLogs"),
        envelope(AUDIT, "Policy"),
        columns,
        table(AUDIT),
    ):
        assert EntraDecoder.sniff(Sample("x", b"", (), record)) == 1
    for other in (
        {},
        {"properties": {}, "category": "Administrative"},
        {"createdDateTime": "x"},
        {"TimeGenerated": "x"},
    ):
        assert EntraDecoder.sniff(Sample("x", b"", (), other)) == 0


def test_recorded_sign_ins_decode_and_the_two_copies_of_one_share_their_id(real_data):
    path = real_data / "azure_ad" / "aad_signins.ndjson.gz"
    decoder = EntraDecoder(SourceContext())
    with gzip.open(path) as file:
        events = [decoder.decode(body) for _, body in decoder.frames(enumerate(file, 1))]
    assert len(events) == 86
    assert len({event.uid for event in events}) == 45
    assert len({event.user for event in events}) == 6
    assert sum(event.status_id == FAILURE for event in events) == 2
    assert all(event.src_ip and event.service for event in events)
