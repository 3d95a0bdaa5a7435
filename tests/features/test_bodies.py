"""What a request costs besides its bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

from hypothesis import given
from hypothesis import strategies as st

from features import bodies, files
from features.bodies import Body
from features.sources import registry
from features.sources.base import Sample
from features.sources.ocsf import OcsfDecoder
from models.detector import Detector
from tests.durable_events import lines

if TYPE_CHECKING:
    import pytest


def test_a_request_of_one_event_is_read_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room behind it, the last line of a buffer goes to the typed decoder: here, every line."""
    records = lines(0, 20)
    expected = bodies.decode(Detector(key_seed=1).reader(), [Body(b"\n".join(records), "ocsf", None, 0)])

    def slow(*_: object) -> NoReturn:
        raise AssertionError("left to the typed decoder")

    monkeypatch.setattr(OcsfDecoder, "decode", slow)
    reader = Detector(key_seed=1).reader()
    found = [bodies.decode(reader, [Body(record, "auto", None, 0)]) for record in records]
    assert not any(one.aside for one in found)
    assert [uid for one in found for uid in one.uids] == expected.uids.tolist()
    assert [int(time) for one in found for time in one.batch.time_us] == expected.batch.time_us.tolist()


def test_a_reader_keeps_its_scanner() -> None:
    reader = Detector(key_seed=1).reader()
    assert reader.scanner() is reader.scanner()
    assert reader.scanner() is not Detector(key_seed=1).reader().scanner()


@given(st.lists(st.sampled_from([b"a", b"{}", b" ", b"\r", b"\t", b"\x0b", b"\n", b"\n\n"]), max_size=12))
def test_records_of_a_large_body_are_counted_as_those_of_a_small_one(parts):
    end = b"".join(parts)
    large = b"x\n" * bodies._SMALL
    assert bodies.count_records(large + end) == bodies._SMALL + bodies.count_records(end)
    assert bodies.line_feeds(large + end) == (large + end).count(b"\n")


KEYS = ["class_uid", "time", "metadata", "Records", "value", "events", "ts", "eventType", "action", "é"]
LEAVES = (
    st.none() | st.booleans() | st.integers(0, 9999) | st.floats() | st.sampled_from(["", "a.b", "1.4.0"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6).map(json.dumps).map(str.encode)
OCSF = [b'{"class_uid": 3002, "time": 1, "metadata": {"version": "1.4.0"}}', b'{"class_uid": 1.0, "time": 1}']
LINES = (
    OBJECTS
    | st.sampled_from(
        [*OCSF, b'{"a": 1, "a": [', b"{", b"}", b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"a": "\xff"}']
    )
    | st.tuples(st.sampled_from([b" ", b"\xef\xbb\xbf", b"\xff\xfe", b"["]), OBJECTS).map(b"".join)
    | st.tuples(OBJECTS, st.sampled_from([b" ", b"\r", b"]", b"x"])).map(b"".join)
)


@given(st.lists(LINES, min_size=1, max_size=4))
def test_a_body_is_sniffed_as_a_file_with_its_lines_would_be(records):
    head = b"\n".join(records)
    record = files.sample_of(files.in_memory("", head + b"\n", 0)).record
    told = files.object_of(records[0])
    assert told is None or repr(told) == repr(record)
    assert bodies._sniffed(records) == registry.sniff(Sample("", head, tuple(records), record))


@given(LINES)
def test_a_body_of_one_line_is_sniffed_the_same_without_its_line_end(record):
    assert bodies.source_of(record) == bodies.source_of(b"\n" + record + b"\r\n")


def test_the_first_line_of_a_body_may_be_longer_than_what_is_sniffed():
    long = OCSF[0][:-1] + b', "message": "' + b"x" * 3 * files.HEAD_BYTES + b'"}'
    assert bodies.source_of(long) == bodies.source_of(long + b"\n" + OCSF[0])
