from __future__ import annotations

import json

import pytest

from serving.protocols import bulk
from serving.protocols.carriers import line_in, unwrap
from serving.protocols.framing import Framed

LINE = "Mar  1 10:00:00 web1 sshd[812]: Failed password for root from 203.0.113.9 port 22 ssh2"


@pytest.mark.parametrize(
    "document",
    [
        {
            "@timestamp": "2026-03-01T10:00:01Z",
            "message": LINE,
            "log": {"file": {"path": "/var/log/auth.log"}},
        },
        {"@timestamp": "2026-03-01T10:00:01Z", "log": LINE},
        {"message": LINE, "host": "web1", "source_type": "file", "timestamp": "2026-03-01T10:00:01Z"},
    ],
    ids=["filebeat", "fluent-bit", "vector"],
)
def test_a_line_that_a_shipper_wrapped_is_taken_out(document):
    assert line_in(json.dumps(document).encode()) == LINE.encode()


def test_syslog_ng_s_default_document_is_written_back_as_a_line():
    document = {
        "PROGRAM": "sshd", "PRIORITY": "info", "PID": "812", "MESSAGE": "Failed password for root",
        "HOST": "web1", "FACILITY": "authpriv", "@timestamp": "2026-03-01T10:00:00+01:00",
    }  # fmt: skip
    expected = b"<86>2026-03-01T10:00:00+01:00 web1 sshd[812]: Failed password for root"
    assert line_in(json.dumps(document).encode()) == expected


def test_rsyslog_s_document_is_written_back_as_a_line():
    document = {
        "message": " Failed password for root", "fromhost": "web1", "syslogtag": "sshd[812]:",
        "timereported": "2026-03-01T10:00:00+00:00",
    }  # fmt: skip
    expected = b"2026-03-01T10:00:00+00:00 web1 sshd[812]: Failed password for root"
    assert line_in(json.dumps(document).encode()) == expected


@pytest.mark.parametrize(
    "document",
    [
        {"class_uid": 3002, "message": LINE},
        {"winlog": {"event_id": 4624}, "message": LINE},
        {"event": {"category": ["process"]}, "message": LINE},
        {"@timestamp": "2026-03-01T10:00:00Z", "message": "no stamp in front"},
        {"message": 7},
        {},
    ],
)
def test_an_event_of_its_own_stays_as_it_is(document):
    assert line_in(json.dumps(document).encode()) is None


def test_a_log_line_that_is_no_utf_8_is_left_to_the_decoders():
    document = b'{"log":"\x83 x","stream":"out"}'
    assert line_in(document) is None
    framed, items = bulk.frame(b'{"create":{}}\n' + document + b"\n")
    unwrap(framed, ())
    assert framed.records == [document]
    assert len(items) == 1


def test_a_document_in_a_message_is_taken_out():
    inner = '{"class_uid":3002}'
    assert line_in(json.dumps({"message": f" {inner}\n"}).encode().replace(b"class_uid", b"class_ui")) == (
        inner.replace("class_uid", "class_ui").encode()
    )


def test_a_line_end_in_a_message_cannot_forge_a_line():
    assert b"\n" not in (line_in(json.dumps({"message": LINE + "\nMar  1 x"}).encode()) or b"\n")


def test_an_index_called_syslog_says_what_its_documents_carry():
    carried = json.dumps({"message": LINE}).encode()
    event = b'{"class_uid":3002}'
    framed = Framed([carried, event, carried, event], sources=["syslog", "syslog", "zeek", "auto"])
    unwrap(framed, ())
    assert framed.records == [LINE.encode(), event, carried, event]
    assert framed.sources == ["syslog", "auto", "zeek", "auto"]
