"""Bytes received and sent, from the side of the source endpoint, in every source that counts them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import MOST_BYTES
from features.sources import network_terms as terms
from features.sources.base import SourceContext
from features.sources.cert import CertDecoder
from features.sources.cloudtrail import CloudTrailDecoder
from features.sources.ecs import EcsDecoder
from features.sources.m365 import M365Decoder
from features.sources.mapping import FieldMapping
from features.sources.mde import MdeDecoder
from features.sources.ocsf import OcsfDecoder
from features.sources.parsing import volume
from features.sources.suricata import SuricataDecoder
from features.sources.zeek import ZeekDecoder

if TYPE_CHECKING:
    from features.events import Event

STAMP = "2026-01-05T08:00:00Z"


def both(event: Event) -> tuple[int, int]:
    """Received, sent."""
    return event.bytes_in, event.bytes_out


# --- what counts as a volume ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [MOST_BYTES, str(MOST_BYTES), float(1 << 52)])
def test_a_volume_is_kept_up_to_what_a_float_holds_exactly(value: object) -> None:
    assert volume(value) == int(float(value))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [MOST_BYTES + 1, 10**30, 1e300, -1, "-7", "many", "", None, True, [], {}])
def test_a_volume_that_cannot_be_counts_as_not_told(value: object) -> None:
    assert volume(value) == 0


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none(), st.lists(st.integers())))
def test_no_value_whatever_gives_a_volume_out_of_range(value: object) -> None:
    assert 0 <= volume(value) <= MOST_BYTES
    assert 0 <= terms.volume(str(value)) <= MOST_BYTES


# --- OCSF -------------------------------------------------------------------------------------------------


def ocsf(**traffic: object) -> Event:
    record = {"time": 1_772_000_000_123, "class_uid": 4001, "traffic": traffic}
    return OcsfDecoder(SourceContext()).decode(json.dumps(record).encode())


def test_ocsf_traffic_is_from_the_side_of_the_source_and_a_sum_tells_no_direction() -> None:
    assert both(ocsf(bytes_in=10, bytes_out=2_000, bytes=2_010)) == (10, 2_000)
    assert both(ocsf(bytes=2_010)) == (0, 0)


@pytest.mark.parametrize("odd", [-5, MOST_BYTES + 1, 10**40, "many", True, [], 1e300])
def test_an_odd_volume_costs_an_ocsf_event_nothing_else(odd: object) -> None:
    assert both(ocsf(bytes_in=odd, bytes_out=7)) == (0, 7)


def test_numbers_as_text_are_read_from_ocsf() -> None:
    assert both(ocsf(bytes_in="12", bytes_out=34.0)) == (12, 34)


# --- ECS --------------------------------------------------------------------------------------------------


def ecs(**sections: object) -> Event:
    record = {"@timestamp": STAMP, "ecs": {"version": "8.11.0"}, "event": {"category": ["network"]}}
    return EcsDecoder(SourceContext()).decode(json.dumps(record | sections).encode())


def test_ecs_bytes_of_an_end_are_those_that_it_sent() -> None:
    ends = {"source": {"ip": "10.0.0.5", "bytes": 700}, "destination": {"ip": "10.0.0.9", "bytes": [41]}}
    assert both(ecs(**ends, network={"bytes": 741})) == (41, 700)
    assert both(ecs(client=ends["source"], server=ends["destination"])) == (41, 700)


def test_the_sum_of_ecs_tells_a_missing_direction_but_none_alone() -> None:
    source, destination = {"ip": "10.0.0.5", "bytes": 700}, {"ip": "10.0.0.9", "bytes": 41}
    assert both(ecs(source=source, network={"bytes": 741})) == (41, 700)
    assert both(ecs(destination=destination, network={"bytes": 741})) == (41, 700)
    assert both(ecs(source=source, network={"bytes": 1})) == (0, 700)
    assert both(ecs(network={"bytes": 741})) == (0, 0)


def test_ecs_messages_of_http_count_where_the_connection_does_not() -> None:
    http = {"request": {"bytes": 300, "body": {"bytes": 100}}, "response": {"body": {"bytes": 9_000}}}
    assert both(ecs(http=http)) == (9_000, 300)
    assert both(ecs(http=http, source={"bytes": 350})) == (0, 350)


# --- sensors ----------------------------------------------------------------------------------------------


def zeek(path: str, **columns: object) -> Event:
    record = {"_path": path, "ts": 1_714_557_600.5, "id.orig_h": "10.0.0.5", "id.resp_h": "203.0.113.9"}
    return ZeekDecoder(SourceContext()).decode(json.dumps(record | columns).encode())


@pytest.mark.parametrize(
    ("path", "columns", "expected"),
    [
        ("conn", {"proto": "tcp", "orig_bytes": 500, "resp_bytes": 60}, (60, 500)),
        ("conn", {"proto": "tcp", "orig_ip_bytes": 900}, (0, 0)),
        ("http", {"method": "PUT", "request_body_len": 80_000, "response_body_len": 12}, (12, 80_000)),
        ("ftp", {"command": "STOR", "file_size": 77}, (0, 77)),
        ("ftp", {"command": "RETR", "file_size": 77}, (77, 0)),
        ("ftp", {"command": "SIZE", "file_size": 77}, (0, 0)),
        ("files", {"is_orig": True, "seen_bytes": 5}, (0, 5)),
        ("files", {"is_orig": False, "seen_bytes": 5}, (5, 0)),
        ("files", {"seen_bytes": 5}, (0, 0)),
        ("ssl", {"cipher": "x", "orig_bytes": 5}, (0, 0)),
        ("conn", {"orig_bytes": -5, "resp_bytes": MOST_BYTES + 1}, (0, 0)),
    ],
)
def test_zeek_counts_for_its_originator(
    path: str, columns: dict[str, object], expected: tuple[int, int]
) -> None:
    assert both(zeek(path, **columns)) == expected


def test_a_zeek_table_gives_the_volumes_of_its_json() -> None:
    decoder = ZeekDecoder(SourceContext())
    lines = [
        b"#separator \\x09",
        b"#unset_field\t-",
        b"#path\tconn",
        b"#fields\tts\tid.orig_h\tid.resp_h\tproto\torig_bytes\tresp_bytes",
        b"1714557600.5\t10.0.0.5\t203.0.113.9\ttcp\t500\t-",
    ]
    ((_, row),) = decoder.frames(enumerate(lines, start=1))
    assert both(decoder.decode(row)) == (0, 500)


def eve(kind: str, **fields: object) -> Event:
    ends = {
        "src_ip": "10.0.0.5",
        "src_port": 50_000,
        "dest_ip": "203.0.113.9",
        "dest_port": 80,
        "proto": "TCP",
    }
    record = {"timestamp": "2024-05-01T10:00:00.123456+0000", "event_type": kind} | ends | fields
    return SuricataDecoder(SourceContext()).decode(json.dumps(record).encode())


ANSWER = {"src_ip": "203.0.113.9", "src_port": 80, "dest_ip": "10.0.0.5", "dest_port": 50_000}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("flow", {"flow": {"bytes_toserver": 900, "bytes_toclient": 33}}, (33, 900)),
        ("netflow", {"netflow": {"bytes": 52}}, (0, 52)),
        ("http", {"http": {"length": 4_000}}, (4_000, 0)),
        ("fileinfo", {"fileinfo": {"size": 8}, "app_proto": "http"}, (0, 8)),
        ("fileinfo", ANSWER | {"fileinfo": {"size": 8}, "app_proto": "http"}, (8, 0)),
        # The flow goes on and its own record will count all of it.
        ("alert", {"alert": {}, "flow": {"bytes_toserver": 900, "bytes_toclient": 33}}, (0, 0)),
        ("flow", {"flow": {"bytes_toserver": -1, "bytes_toclient": 10**30}}, (0, 0)),
    ],
)
def test_suricata_counts_for_the_client(
    kind: str, fields: dict[str, object], expected: tuple[int, int]
) -> None:
    assert both(eve(kind, **fields)) == expected


# --- clouds and hosts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lower", [False, True])
def test_what_went_into_a_bucket_the_caller_of_cloudtrail_sent(lower: bool) -> None:
    record = {
        "eventTime": STAMP,
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "awsRegion": "eu-west-1",
        "additionalEventData": {"bytesTransferredIn": 1_024.0, "bytesTransferredOut": 9},
    }
    if lower:
        record = {key.lower(): value for key, value in record.items()}
        record["additionaleventdata"] = {"bytestransferredin": 1_024.0, "bytestransferredout": 9}
    assert both(CloudTrailDecoder(SourceContext()).decode(json.dumps(record).encode())) == (9, 1_024)


@pytest.mark.parametrize(
    ("operation", "fields", "expected"),
    [
        ("FileDownloaded", {"FileSizeBytes": 640}, (640, 0)),
        ("FileUploaded", {"FileSizeBytes": "640"}, (0, 640)),
        ("FileSyncUploadedFull", {"FileSyncBytesCommitted": "640"}, (0, 640)),
        ("FileDeleted", {"FileSizeBytes": 640}, (0, 0)),
        ("Send", {"Item": {"SizeInBytes": 3_819}}, (0, 3_819)),
        ("MailItemsAccessed", {"Item": {"SizeInBytes": 3_819}}, (0, 0)),
    ],
)
def test_only_operations_of_microsoft_365_that_move_a_file_or_mail_have_a_volume(
    operation: str, fields: dict[str, object], expected: tuple[int, int]
) -> None:
    record = {
        "CreationTime": "2026-01-05T08:00:00",
        "Operation": operation,
        "Workload": "SharePoint",
    } | fields
    assert both(M365Decoder(SourceContext()).decode(json.dumps(record).encode())) == expected


@pytest.mark.parametrize(("direction", "expected"), [("Out", (552, 30)), ("In", (30, 552)), ("", (552, 30))])
def test_a_request_that_defender_inspected_counts_for_its_own_machine(
    direction: str, expected: tuple[int, int]
) -> None:
    details = {"direction": direction, "request_body_len": "30", "response_body_len": 552}
    record = {
        "Timestamp": STAMP,
        "DeviceName": "ws-12",
        "ActionType": "HttpConnectionInspected",
        "LocalIP": "10.0.0.12",
        "RemoteIP": "198.51.100.7",
        "AdditionalFields": json.dumps(details),
    }
    assert both(MdeDecoder(SourceContext()).decode(json.dumps(record).encode())) == expected


@pytest.mark.parametrize(
    ("activity", "size", "attachments", "expected"),
    [
        ("Send", "25830", "", (0, 25_830)),
        ("View", "25830", "", (25_830, 0)),
        ("Send", "100", "C:\\plan (2).doc(700);b.doc(5)", (0, 705)),
        ("Send", "100", "2", (0, 100)),
        ("Send", "-", "broken(", (0, 0)),
    ],
)
def test_a_cert_mail_moves_at_least_the_larger_of_its_size_and_what_is_attached(
    activity: str, size: str, attachments: str, expected: tuple[int, int]
) -> None:
    decoder = CertDecoder(SourceContext())
    header = b"id,date,user,pc,to,cc,bcc,from,activity,size,attachments,content"
    line = (
        f"{{R}},01/02/2010 07:11:45,LAP0338,PC-1,a@b.example,,,c@d.example,{activity},{size},{attachments},w"
    )
    ((_, row),) = decoder.frames(enumerate([header, line.encode()], start=1))
    assert both(decoder.decode(row)) == expected


def test_a_mapping_may_name_the_volumes_and_a_broken_counter_is_not_told() -> None:
    text = '[time]\npath = "t"\n[fields]\nbytes_in = "down"\nbytes_out = ["up", "sent"]'
    decoder = FieldMapping.parse(text).decoder(SourceContext())
    for record, expected in (
        ({"down": "12", "sent": 34}, (12, 34)),
        ({"down": -1, "up": MOST_BYTES + 1}, (0, 0)),
        ({"down": 1.5e9, "up": "many"}, (1_500_000_000, 0)),
    ):
        assert both(decoder.decode(json.dumps({"t": STAMP} | record).encode())) == expected
