from __future__ import annotations

import json

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from features.errors import InputError
from serving.protocols import hec, otlp

LINE = "Mar  1 10:00:00 web sshd[1]: Failed password for root from 203.0.113.9 port 22 ssh2"
STAMP_NS = 1_767_225_600_000_000_000


def test_hec_events_may_follow_each_other_with_or_without_line_ends():
    one, two = b'{"event":{"a":1},"time":1}', b'{"event":{"b":2}}'
    for body in (one + two, one + b"\n" + two, one + b" \n\n " + two + b"\n", b'{"event":\n{"a":1}}' + two):
        assert [json.loads(record) for record in hec.frame(body).records] == [{"a": 1}, {"b": 2}]


def test_hec_text_is_read_as_the_line_it_is():
    body = json.dumps({"event": LINE + "\nforged", "sourcetype": "linux_secure"}).encode()
    framed = hec.frame(body)
    assert framed.records == [LINE.encode() + b"#012forged"]
    assert framed.sources == ["syslog"]


def test_hec_text_without_a_stamp_takes_time_and_host_from_its_envelope():
    (record,) = hec.frame(b'{"event":"hello","time":"1767225600.5","host":"web1"}').records
    document = json.loads(record)
    assert document["@timestamp"] == "2026-01-01T00:00:00.500000Z"
    assert document["host"]["name"] == "web1"


def test_a_hec_text_that_is_no_utf_8_is_taken_with_what_can_be_read():
    assert hec.frame(b'{"event":"\x83 x","host":"web1"}').records == ["\ufffd x".encode()]
    assert hec.frame(b'{"event":{"log":"\x83 x"}}').records == [b'{"log":"\x83 x"}']


def test_a_hec_body_of_separators_alone_is_a_broken_event_and_not_nothing():
    framed = hec.frame(b"\x1d\r")
    assert framed.records == [b"\x1d"]
    assert framed.poison


@pytest.mark.parametrize("bad", [b"{broken", b'{"event":""}', b'{"time":1}', b'{"event":7}', b'"text"'])
def test_a_broken_hec_event_is_put_aside_and_the_next_one_is_taken(bad):
    framed = hec.frame(bad + b'\n{"event":{"a":1}}')
    assert framed.records[-1] == b'{"a":1}'
    assert [index for index, _ in framed.poison] == [0]


@pytest.mark.parametrize(
    ("sourcetype", "source"),
    [
        ("aws:cloudtrail", "cloudtrail"),
        ("bro:conn:json", "zeek"),
        ("zeek", "zeek"),
        ("x", "auto"),
        (None, "auto"),
    ],
)
def test_source_types_of_splunk_name_sources(sourcetype, source):
    assert hec.source_of(sourcetype) == source


# ------------------------------------------------------------------------------------------------------- OTLP


def value(text: str) -> dict:
    return {"stringValue": text}


def exported(record: dict, resource: dict | None = None) -> dict:
    attributes = [{"key": key, "value": value(text)} for key, text in (resource or {}).items()]
    return {
        "resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": [record]}]}]
    }


def both_forms(document: dict) -> list:
    """The same request as JSON and as protobuf, framed."""
    from google.protobuf import json_format

    message = json_format.ParseDict(document, ExportLogsServiceRequest())
    return [
        otlp.frame(json.dumps(document).encode(), is_json=True),
        otlp.frame(message.SerializeToString(), is_json=False),
    ]


def test_a_log_line_in_an_otlp_body_is_read_as_the_line_it_is():
    for framed in both_forms(exported({"timeUnixNano": str(STAMP_NS), "body": value(LINE)})):
        assert framed.records == [LINE.encode()]


def test_an_original_record_goes_before_what_was_made_of_it():
    record = {
        "body": value("parsed"),
        "attributes": [{"key": "log.record.original", "value": value('{"class_uid":3002,"time":1}')}],
    }
    for framed in both_forms(exported(record)):
        assert framed.records == [b'{"class_uid":3002,"time":1}']


def test_a_map_in_an_otlp_body_is_the_event():
    pairs = [
        {"key": "class_uid", "value": {"intValue": "3002"}},
        {"key": "user", "value": {"kvlistValue": {"values": [{"key": "name", "value": value("ann")}]}}},
        {"key": "ok", "value": {"boolValue": False}},
        {"key": "list", "value": {"arrayValue": {"values": [value("x"), {"doubleValue": 0.5}]}}},
    ]
    for framed in both_forms(exported({"body": {"kvlistValue": {"values": pairs}}})):
        assert json.loads(framed.records[0]) == {
            "class_uid": 3002, "user": {"name": "ann"}, "ok": False, "list": ["x", 0.5],
        }  # fmt: skip


def test_attributes_become_an_ecs_document_with_the_record_s_time():
    record = {
        "timeUnixNano": str(STAMP_NS),
        "body": value("user logged in"),
        "eventName": "session.start",
        "attributes": [{"key": "user.name", "value": value("ann")}],
    }
    for framed in both_forms(exported(record, {"host.name": "web1"})):
        document = json.loads(framed.records[0])
        assert document["@timestamp"] == "2026-01-01T00:00:00.000000Z"
        assert document["user.name"] == "ann"
        assert document["host.name"] == "web1"
        assert document["event.action"] == "session.start"
        assert document["message"] == "user logged in"


def test_a_record_s_own_id_and_source_are_used():
    record = {
        "body": value("x"),
        "attributes": [
            {"key": "log.record.uid", "value": value("01J")},
            {"key": "habitus.source", "value": value("zeek")},
        ],
    }
    for framed in both_forms(exported(record)):
        assert framed.ids == ["01J"]
        assert framed.sources == ["zeek"]


def test_what_is_no_export_request_is_refused():
    for body, is_json in ((b"\xff", False), (b"[]", True), (b'{"resourceLogs":7}', True), (b"{", True)):
        with pytest.raises(InputError, match="ExportLogsServiceRequest"):
            otlp.frame(body, is_json=is_json)


def test_quarantine_is_a_warning_and_not_a_rejection():
    assert otlp.success(0, is_json=False) == b""
    response = ExportLogsServiceResponse.FromString(otlp.success(3, is_json=False))
    assert response.partial_success.rejected_log_records == 0
    assert "3 records" in response.partial_success.error_message
    assert "3 records" in json.loads(otlp.success(3, is_json=True))["partialSuccess"]["errorMessage"]
