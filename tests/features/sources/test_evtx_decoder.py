"""Binary event logs: a small file built by hand, damaged in several ways, and recorded ones."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("evtx", reason="needs the package evtx, which reads binary event logs")

from features.errors import InputError, RecordError
from features.sources.base import Sample, SourceContext
from features.sources.evtx import EvtxDecoder, records
from features.sources.windows_json import WindowsJsonDecoder

if TYPE_CHECKING:
    from features.events import Event

DATA = Path(os.environ.get("HABITUS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
STAMP = "2024-03-05T08:09:10.123456Z"
PROVIDER = "Microsoft-Windows-Security-Auditing"
FIELDS = {"TargetUserName": "alice", "TargetDomainName": "CORP", "LogonType": "3", "IpAddress": "10.0.0.5"}


class Chunk:
    """Writes one chunk of an event log: binary XML with names in place and no templates."""

    def __init__(self) -> None:
        self.body = bytearray(512)
        self.first_free = 512
        self.ends: list[int] = []

    def name(self, text: str) -> None:
        offset = len(self.body) + 4
        encoded = text.encode("utf-16-le")
        self.body += struct.pack("<IIHH", offset, 0, 0, len(text)) + encoded + b"\0\0"

    def value(self, text: str) -> None:
        self.body += struct.pack("<BBH", 0x05, 0x01, len(text)) + text.encode("utf-16-le")

    def element(self, tag: str, content: object, attributes: dict[str, str]) -> None:
        self.body += struct.pack("<BI", 0x41 if attributes else 0x01, 0)
        size_at = len(self.body) - 4
        self.name(tag)
        if attributes:
            list_at = len(self.body)
            self.body += b"\0\0\0\0"
            for number, (key, text) in enumerate(attributes.items(), 1):
                self.body += b"\x46" if number < len(attributes) else b"\x06"
                self.name(key)
                self.value(text)
            self.body[list_at : list_at + 4] = struct.pack("<I", len(self.body) - list_at - 4)
        self.body += b"\x02"
        if isinstance(content, list):
            for child in content:
                self.element(*child)
        elif content:
            self.value(str(content))
        self.body += b"\x04"
        self.body[size_at : size_at + 4] = struct.pack("<I", len(self.body) - size_at - 4)

    def record(self, number: int, header_time: int, tree: tuple[str, object, dict[str, str]]) -> None:
        start = len(self.body)
        self.body += b"\x2a\x2a\0\0" + struct.pack("<IQQ", 0, number, header_time)
        self.body += b"\x0f\x01\x01\0"
        self.element(*tree)
        self.body += b"\0"
        size = len(self.body) - start + 4
        self.body += struct.pack("<I", size)
        self.body[start + 4 : start + 8] = struct.pack("<I", size)
        self.ends.append(start)

    def bytes(self) -> bytes:
        count = len(self.ends)
        header = b"ElfChnk\0" + struct.pack("<QQQQ", 1, count, 1, count)
        header += struct.pack("<IIII", 128, self.ends[-1], len(self.body), 0)
        self.body[: len(header)] = header
        return bytes(self.body).ljust(65_536, b"\0")


def tree(stamp: str, record_id: int) -> tuple[str, object, dict[str, str]]:
    system: list[tuple[str, object, dict[str, str]]] = [
        ("Provider", "", {"Name": PROVIDER}),
        ("EventID", "4624", {}),
        ("Keywords", "0x8020000000000000", {}),
        ("TimeCreated", "", {"SystemTime": stamp}),
        ("EventRecordID", str(record_id), {}),
        ("Channel", "Security", {}),
        ("Computer", "WS-12.corp.example", {}),
    ]
    data = [("Data", text, {"Name": name}) for name, text in FIELDS.items()]
    return ("Event", [("System", system, {}), ("EventData", data, {})], {})


def log(*stamps: str, chunks: int = 1) -> bytes:
    chunk = Chunk()
    for number, stamp in enumerate(stamps, 1):
        chunk.record(number, 0, tree(stamp, 4710 + number))  # the header carries the zero stamp: year 1601
    header = b"ElfFile\0" + struct.pack("<QQQIHHHH", 0, chunks - 1, len(stamps) + 1, 128, 1, 3, 4096, chunks)
    return header.ljust(4096, b"\0") + chunk.bytes() * chunks


def content(raw: bytes) -> list[bytes | RecordError]:
    return [record for _, record in records(io.BytesIO(raw))]


def decoded(raw: bytes) -> list[Event]:
    decoder = EvtxDecoder(SourceContext())
    return [decoder.decode(record) for record in content(raw) if isinstance(record, bytes)]


def test_a_record_gives_the_event_that_winlogbeat_would_ship() -> None:
    shipped = {
        "@timestamp": STAMP,
        "winlog": {
            "channel": "Security",
            "provider_name": PROVIDER,
            "event_id": "4624",
            "record_id": "4711",
            "computer_name": "WS-12.corp.example",
            "keywords": ["Audit Success"],
            "event_data": FIELDS,
        },
    }
    [event] = decoded(log(STAMP))
    assert event == WindowsJsonDecoder(SourceContext()).decode(json.dumps(shipped).encode())
    assert (event.user, event.host, event.src_ip) == ("alice", "ws-12", "10.0.0.5")


def test_the_time_is_time_created_even_where_the_header_says_1601() -> None:
    [event] = decoded(log(STAMP))
    assert event.time_us == 1_709_626_150_123_456


def test_a_time_created_of_1601_is_refused_by_the_decoder() -> None:
    [record] = content(log("1601-01-01T00:00:00.000000Z"))
    assert isinstance(record, bytes)
    with pytest.raises(RecordError, match="time out of range"):
        EvtxDecoder(SourceContext()).decode(record)


def test_records_are_numbered_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "small.evtx"
    path.write_bytes(log(STAMP, "2024-03-05T08:09:11.000000Z"))
    assert [number for number, _ in records(path)] == [1, 2]
    assert [number for number, _ in records(str(path))] == [1, 2]


def test_a_damaged_chunk_costs_its_own_records_only() -> None:
    raw = bytearray(log(STAMP, chunks=3))
    raw[4096 + 65_536 : 4096 + 65_536 + 8] = b"XXXXXXXX"
    found = content(bytes(raw))
    assert [type(record) for record in found] == [bytes, RecordError, bytes]
    reason = str(found[1])
    assert reason.startswith("damaged event log record")
    assert reason.isprintable()
    assert len(reason) < 200


def test_a_damaged_record_is_reported_and_not_fatal() -> None:
    raw = bytearray(log(STAMP, chunks=2))
    start = 4096 + 512 + 24
    raw[start + 4] = 0x7F  # no such token
    found = content(bytes(raw))
    assert any(isinstance(record, RecordError) for record in found)
    assert sum(isinstance(record, bytes) for record in found) == 1


def test_a_file_that_was_cut_says_so() -> None:
    raw = log(STAMP, chunks=3)
    found = content(raw[: 4096 + 65_536 + 100])
    assert isinstance(found[0], bytes)
    assert "cut short: 2 chunks" in str(found[-1])


@pytest.mark.parametrize("raw", [b"", b"ElfFile\0", b"not an event log" * 400])
def test_what_is_no_event_log_is_an_input_error(raw: bytes) -> None:
    with pytest.raises(InputError, match="not a readable event log"):
        list(records(io.BytesIO(raw)))


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(records(tmp_path / "absent.evtx"))


def test_the_signature_is_certain() -> None:
    assert EvtxDecoder.sniff(Sample(name="a", head=b"ElfFile\0\0", lines=(), record={})) == 1
    assert EvtxDecoder.sniff(Sample(name="a.evtx", head=b"MZ", lines=(), record={})) == 0


@pytest.mark.skipif(not (DATA / "evtx").is_dir(), reason=f"needs recorded event logs in {DATA / 'evtx'}")
def test_recorded_logs_decode_without_a_refusal() -> None:
    total = 0
    for path in sorted((DATA / "evtx").glob("*.evtx")):
        decoder = EvtxDecoder(SourceContext(path=str(path)))
        for number, record in records(path):
            assert isinstance(record, bytes), f"{path.name} record {number}: {record}"
            event = decoder.decode(record)
            assert event.host
            assert event.uid
            assert event.time_us > 1_300_000_000_000_000, "the clocks of these logs run from 2013 on"
            total += 1
    assert total > 6000
