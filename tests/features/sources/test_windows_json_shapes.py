"""The shapes that carry Windows records: one event is the same in each; times, sniffing, hostility."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.windows import audit_result
from features.sources.windows_json import WindowsJsonDecoder, event_data

DATA = Path(os.environ.get("HABITUS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))

FIELDS: dict[str, object] = {
    "SubjectUserName": "-",
    "TargetUserName": "alice",
    "TargetDomainName": "CORP",
    "TargetUserSid": "S-1-5-21-111-222-333-1104",
    "LogonType": "3",
    "AuthenticationPackageName": "Kerberos",
    "IpAddress": "10.0.0.5",
}
STAMP = "2024-03-05T08:09:10.123456Z"
PROVIDER = "Microsoft-Windows-Security-Auditing"
EXPECTED = Event(
    time_us=1_709_626_150_123_456,
    class_uid=3002,
    activity_id=1,
    status_id=SUCCESS,
    uid="ws-12.corp.example|Security|4711",
    user="alice",
    host="ws-12",
    src_ip="10.0.0.5",
    operation="Logon",
    auth="kerberos network",
)

WINLOGBEAT: dict[str, object] = {
    "@timestamp": STAMP,
    "event": {"code": "4624", "kind": "event", "outcome": "success", "provider": PROVIDER},
    "host": {"name": "WS-12.corp.example"},
    "agent": {"type": "winlogbeat"},
    "message": "An account was successfully logged on.",
    "winlog": {
        "channel": "Security",
        "provider_name": PROVIDER,
        "event_id": "4624",
        "record_id": 4711,
        "computer_name": "WS-12.corp.example",
        "keywords": ["Audit Success"],
        "event_data": FIELDS,
    },
}
WINLOGBEAT_6: dict[str, object] = {
    "@timestamp": STAMP,
    "event_id": 4624,
    "log_name": "Security",
    "source_name": PROVIDER,
    "computer_name": "WS-12.corp.example",
    "record_number": "4711",
    "keywords": ["Audit Success"],
    "event_data": FIELDS,
}
EVTX_DUMP: dict[str, object] = {
    "Event": {
        "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
        "System": {
            "Provider": {"#attributes": {"Name": PROVIDER, "Guid": "{54849625-5478-4994-A5BA-3E3B0328C30D}"}},
            "EventID": {"#attributes": {"Qualifiers": 0}, "#text": 4624},
            "Keywords": "0x8020000000000000",
            "TimeCreated": {"#attributes": {"SystemTime": STAMP}},
            "EventRecordID": 4711,
            "Channel": "Security",
            "Computer": "WS-12.corp.example",
            "Security": None,
        },
        "EventData": FIELDS | {"LogonType": 3},
    }
}
SEPARATE_ATTRIBUTES: dict[str, object] = {
    "Event": {
        "System": {
            "Provider_attributes": {"Name": PROVIDER},
            "EventID": 4624,
            "Keywords": "0x8020000000000000",
            "TimeCreated_attributes": {"SystemTime": STAMP},
            "EventRecordID": 4711,
            "Channel": "Security",
            "Computer": "WS-12.corp.example",
        },
        "EventData": FIELDS,
    }
}
XML_CONVERTED: dict[str, object] = {
    "Event": {
        "System": {
            "Provider": {"@Name": PROVIDER},
            "EventID": "4624",
            "Keywords": "0x8020000000000000",
            "TimeCreated": {"@SystemTime": "2024-03-05T08:09:10.123456700Z"},
            "EventRecordID": "4711",
            "Channel": "Security",
            "Computer": "WS-12.corp.example",
        },
        "EventData": {"Data": [{"@Name": name, "#text": value} for name, value in FIELDS.items()]},
    }
}
VELOCIRAPTOR: dict[str, object] = {
    "System": {
        "Provider": {"Name": PROVIDER},
        "EventID": {"Value": 4624},
        "Keywords": -9214364837600034816,
        "TimeCreated": {"SystemTime": 1709626150.123456},
        "EventRecordID": 4711,
        "Channel": "Security",
        "Computer": "WS-12.corp.example",
    },
    "EventData": FIELDS,
    "Message": "An account was successfully logged on.",
}
FLAT: dict[str, object] = {
    "EventTime": "2024-03-05T10:09:10.123456+02:00",
    "Hostname": "WS-12.corp.example",
    "EventType": "AUDIT_SUCCESS",
    "EventID": 4624,
    "SourceName": PROVIDER,
    "Channel": "Security",
    "RecordNumber": 4711,
    "host": "collector.corp.example",
    **FIELDS,
}
PANTHER: dict[str, object] = {
    "EventID": "4624",
    "ProviderName": PROVIDER,
    "TimeCreated": "2024-03-05 08:09:10.123456 +0000",
    "Computer": "WS-12.corp.example",
    "Channel": "Security",
    "EventRecordID": "4711",
    "Keywords": "0x8020000000000000",
    "ExtraEventData": FIELDS,
}
SHAPES: dict[str, dict[str, object]] = {
    "winlogbeat": WINLOGBEAT,
    "winlogbeat 6": WINLOGBEAT_6,
    "evtx_dump": EVTX_DUMP,
    "evtx_dump with separate attributes": SEPARATE_ATTRIBUTES,
    "xmltodict": XML_CONVERTED,
    "velociraptor": VELOCIRAPTOR,
    "nxlog": FLAT,
    "panther": PANTHER,
    "elasticsearch hit": {"_index": "winlogbeat", "_source": WINLOGBEAT},
}


def decode(record: object) -> Event:
    return WindowsJsonDecoder(SourceContext()).decode(json.dumps(record).encode())


def sample(record: dict[str, Any]) -> Sample:
    line = json.dumps(record).encode()
    return Sample(name="x.json", head=line, lines=(line,), record=record)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_the_same_event_is_the_same_in_every_shape(shape: str) -> None:
    assert decode(SHAPES[shape]) == EXPECTED


@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_shape_is_recognised(shape: str) -> None:
    assert WindowsJsonDecoder.sniff(sample(SHAPES[shape])) >= 0.9


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"eventVersion": "1.08", "eventID": "x", "eventName": "GetObject", "eventSource": "s3.amazonaws.com"},
        {"event_type": "alert", "timestamp": "2024-03-05T08:09:10+0000", "src_ip": "10.0.0.5"},
        {"ts": 1.0, "uid": "C1", "id.orig_h": "10.0.0.5"},
        {"class_uid": 3002, "time": 1, "metadata": {}},
        {"@timestamp": STAMP, "ecs": {"version": "8.0"}, "event": {"category": ["process"]}},
        {"Operation": "FileAccessed", "Workload": "SharePoint", "CreationTime": STAMP},
    ],
)
def test_records_of_other_sources_are_left_alone(record: dict[str, Any]) -> None:
    assert WindowsJsonDecoder.sniff(sample(record)) == 0


def test_it_is_a_decoder() -> None:
    assert isinstance(WindowsJsonDecoder(SourceContext()), Decoder)


def test_blank_lines_are_no_records() -> None:
    frames = WindowsJsonDecoder(SourceContext()).frames([(1, b"{}"), (2, b""), (3, b"  "), (4, b"{}")])
    assert [number for number, _ in frames] == [1, 4]


def test_an_ecs_document_in_a_windows_stream_is_read_too() -> None:
    event = decode(
        {"@timestamp": STAMP, "event": {"category": ["process"], "type": ["start"]}, "user": {"name": "bob"}}
    )
    assert (event.class_uid, event.user) == (1007, "bob")


def test_what_a_pipeline_moved_to_ecs_fields_is_taken_from_there() -> None:
    event = decode(
        {
            "@timestamp": STAMP,
            "event": {"code": "1", "category": ["process"]},
            "process": {"executable": "C:\\a.exe", "command_line": "a.exe -x"},
            "user": {"name": "alice", "domain": "CORP"},
            "winlog": {"event_id": 1, "provider_name": "Microsoft-Windows-Sysmon", "event_data": {}},
        }
    )
    assert (event.operation, event.process, event.command) == ("ProcessCreate", "C:\\a.exe", "a.exe -x")
    assert event.user == "alice"


# --- time ------------------------------------------------------------------------------------------


def flat(**fields: object) -> Event:
    return decode({"EventID": 4634, "Channel": "Security", "Hostname": "WS-12"} | fields)


UTC_US = 1_709_626_150_000_000


@pytest.mark.parametrize(
    "fields",
    [
        {"UtcTime": "2024-03-05 08:09:10.000", "TimeCreated": "2024-03-05T04:09:10.000Z"},
        {"UtcTime": "2024-03-05 08:09:10.000", "@timestamp": "2024-03-05T08:09:14.000Z"},
        {"EventTime": "2024-03-05T10:09:10+02:00", "@timestamp": "2024-03-05T08:09:14Z"},
        {
            "EventTime": "2024-03-05 04:09:10",
            "EventReceivedTime": "2024-03-05 04:09:14",
            "@timestamp": "2024-03-05T08:09:15.100Z",
        },
        {
            "EventTime": "2024-03-05 13:39:10",
            "EventReceivedTime": "2024-03-05 13:39:59",
            "@timestamp": "2024-03-05T08:10:00.100Z",
        },
        {"@timestamp": "2024-03-05T08:09:10.000Z"},
        {"TimeGenerated": "2024-03-05T08:09:10Z"},
        {"TimeCreated": "2024-03-05 08:09:10"},
        {"TimeCreated": "/Date(1709626150000)/"},
        {"EventTime": "2024-03-05 08:09:10"},
        {"UtcTime": "", "EventTime": "2024-03-05T08:09:10Z"},
    ],
)
def test_flat_records_find_their_way_to_utc(fields: dict[str, object]) -> None:
    assert flat(**fields).time_us == UTC_US


def test_local_time_without_a_clue_falls_back_to_the_shippers_utc() -> None:
    assert flat(EventTime="2024-03-05 04:09:10", **{"@timestamp": "2024-03-05T08:09:10Z"}).time_us == UTC_US


def test_a_broken_shipping_time_does_not_cost_the_record() -> None:
    event = flat(
        EventTime="2024-03-05 08:09:10",
        EventReceivedTime="2024-03-05 08:09:10",
        **{"@timestamp": "not a time at all"},
    )
    assert event.time_us == UTC_US


@pytest.mark.parametrize(
    "stamp",
    [
        None,
        "",
        "never",
        [],
        {},
        True,
        "2024-13-05T08:09:10Z",
        "2024-03-05T08:09:61Z",
        "1601-01-01T00:00:00Z",
        1e300,
        -5,
    ],
)
def test_a_record_without_a_usable_time_is_refused(stamp: object) -> None:
    with pytest.raises(RecordError, match="time"):
        flat(TimeCreated=stamp)


# --- fields ----------------------------------------------------------------------------------------


def test_unnamed_values_are_numbered_from_one() -> None:
    assert event_data({"Data": {"#text": ["a", "b"]}, "Binary": None}) == {
        "param1": "a",
        "param2": "b",
        "Binary": None,
    }
    assert event_data({"Data": "a"}) == {"param1": "a"}
    assert event_data({"Data": ["a", {"@Name": "n", "#text": "v"}]}) == {"param1": "a", "n": "v"}


def test_user_data_is_opened_to_its_fields() -> None:
    assert (
        event_data({"EventXML": {"#attributes": {"xmlns": "x"}, "User": "a", "Address": "b"}})["User"] == "a"
    )


@pytest.mark.parametrize(
    ("channel", "keywords", "words", "result"),
    [
        ("Security", "0x8020000000000000", "", SUCCESS),
        ("Security", "0x8010000000000000", "", FAILURE),
        ("Security", -9218868437227405312, "", FAILURE),
        ("Security", ["Audit Failure"], "", FAILURE),
        ("Application", "0xa0000000000000", "", SUCCESS),
        ("Microsoft-Windows-X/Operational", "0x8010000000000000", "", 0),
        ("System", None, "AUDIT_FAILURE", FAILURE),
        ("Security", "nonsense", "INFO", 0),
        ("Security", [], "", 0),
        ("Security", True, "", 0),
    ],
)
def test_audit_keywords_give_the_result(channel: str, keywords: object, words: str, result: int) -> None:
    assert audit_result(channel, keywords, words) == result


def test_without_a_record_number_there_is_no_unique_id() -> None:
    assert flat(TimeCreated=STAMP).uid == ""


def test_a_missing_host_is_the_one_given_for_the_file() -> None:
    context = SourceContext(default_host="WS-99.corp.example")
    record = json.dumps({"EventID": 1, "Channel": "x", "TimeCreated": STAMP}).encode()
    assert WindowsJsonDecoder(context).decode(record).host == "ws-99"


# --- hostility -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"EventID": NaN}',
        b"\xff\xfe",
        b'{"a":' * 5000,
        b'{"EventID": "x\\u0000y", "Channel": "Security", "TimeCreated": "2024-03-05T08:09:10Z"}',
        b'{"winlog": {}, "@timestamp": "2024-03-05T08:09:10Z"}',
        b'{"winlog": {"event_id": []}, "@timestamp": "2024-03-05T08:09:10Z"}',
        b'{"EventID": "\\ud800", "Channel": "x"}',
        b'{"Event": {"System": {"EventID": null}}}',
        b'{"hello": "world"}',
    ],
)
def test_what_is_no_windows_record_is_refused_shortly(record: bytes) -> None:
    with pytest.raises(RecordError) as error:
        WindowsJsonDecoder(SourceContext()).decode(record)
    assert len(str(error.value)) < 200
    assert str(error.value).isprintable()


def test_the_last_of_duplicate_keys_counts() -> None:
    record = b'{"EventID": 1, "EventID": 4634, "Channel": "Security", "TimeCreated": "2024-03-05T08:09:10Z"}'
    assert WindowsJsonDecoder(SourceContext()).decode(record).operation == "Logoff"


def refusal(record: object) -> str:
    """Why a record is refused, "" if it is not."""
    try:
        decode(record)
    except RecordError as error:
        return str(error)
    return ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_gives_an_event_or_a_refusal(data: st.DataObject) -> None:
    record = json.loads(json.dumps(data.draw(st.sampled_from(list(SHAPES.values())))))
    places: list[tuple[dict[str, object], str]] = []

    def visit(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                places.append((node, key))
                visit(value)

    visit(record)
    for _ in range(data.draw(st.integers(1, 3))):
        node, key = data.draw(st.sampled_from(places))
        node[key] = data.draw(json_values)
    reason = refusal(record)
    assert len(reason) < 200
    assert reason == "" or reason.isprintable()


@pytest.mark.skipif(not (DATA / "otrf").is_dir(), reason=f"needs recorded scenarios in {DATA / 'otrf'}")
def test_recorded_scenarios_decode_without_a_refusal() -> None:
    for path in sorted((DATA / "otrf").glob("*.ndjson.gz")):
        decoder = WindowsJsonDecoder(SourceContext(path=str(path)))
        with gzip.open(path) as lines:
            for number, line in zip(range(1500), lines, strict=False):
                event = decoder.decode(line)
                assert event.host, f"{path.name} record {number} names no host"
