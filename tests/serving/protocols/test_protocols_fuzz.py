"""No bytes make a decoder raise what it does not promise, lose a record, or put a line end into one."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from serving.protocols import bulk, framing, hec, native, otlp
from serving.protocols.carriers import line_in
from serving.protocols.limits import Limits
from serving.submission import Protocol

PIECES = st.sampled_from(
    [
        b'{"index":{}}', b'{"create":{"_index":"a","_id":"1"}}', b'{"delete":{}}', b'{"update":{}}',
        b'{"doc":{}}', b'{"event":{"a":1}}', b'{"event":"x"}', b"{", b"}", b"[", b"]", b'"', b"\\", b",",
        b"\n", b"\r\n", b" ", b"\x0b", b'{"message":"Mar  1 10:00:00 a b: c"}', b'{"Records":[{"a":1}]}',
        b"\x00", b"\xff", b"\xc3\xa9", b"null", b"1e999", b'"\\ud800"', b'{"event":"\\ud800"}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}',
    ]
)  # fmt: skip
BODIES = st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=20).map(b"".join))


def assert_sound(framed: framing.Framed) -> None:
    assert all(record.strip() and b"\n" not in record for record in framed.records)
    assert not framed.ids or len(framed.ids) == len(framed.records)
    assert not framed.sources or len(framed.sources) == len(framed.records)
    indices = [index for index, _ in framed.poison]
    assert indices == sorted(set(indices))
    assert all(0 <= index < len(framed.records) for index in indices)
    found = framing.parts(framed, "t", Protocol.BULK)
    assert sorted(index for part in found for index in part.indices) == list(range(len(framed.records)))
    for part in found:
        lines = part.submission.body.split(b"\n")
        for line, index in zip(lines, part.indices, strict=True):
            assert line.endswith(framed.records[index])
            assert line.startswith(framing.PUT_ASIDE) == (index in indices)
        assert part.submission.ids is None or len(part.submission.ids) == len(lines)


@given(BODIES)
def test_bulk(body):
    framed, items = bulk.frame(body)
    assert_sound(framed)
    answered = json.loads(bulk.answer(items, 0, 0))
    assert len(answered["items"]) == len(items)
    assert len(framed.records) == sum(item.operation != "delete" for item in items)


@given(BODIES)
def test_hec_events(body):
    framed = hec.frame(body)
    assert_sound(framed)
    assert bool(framed.records) == bool(body.strip())


@given(BODIES)
def test_hec_lines(body):
    assert_sound(hec.frame_raw(body))


@given(BODIES)
def test_native(body):
    try:
        framed = native.frame(body)
    except InputError:
        return
    assert_sound(framed)


@given(BODIES, st.booleans())
def test_otlp(body, is_json):
    try:
        framed = otlp.frame(body, is_json=is_json)
    except InputError:
        return
    assert_sound(framed)


@given(st.one_of(st.binary(max_size=200), PIECES))
def test_carriers(document):
    line = line_in(document)
    assert line is None or (line.strip() and b"\n" not in line)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.text(max_size=20)),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=30,
    )
)
def test_limits_agree_with_a_plain_count(value):
    def measure(found, depth=0):
        if isinstance(found, dict):
            inner = [measure(item, depth + 1) for item in found.values()]
            return max([depth + 1, *(d for d, _ in inner)]), len(found) + sum(k for _, k in inner)
        if isinstance(found, list):
            inner = [measure(item, depth + 1) for item in found]
            return max([depth + 1, *(d for d, _ in inner)]), sum(k for _, k in inner)
        return depth, 0

    depth, keys = measure(value)
    record = json.dumps(value).encode()
    assert bool(Limits(depth=3).broken_by(record)) == (depth > 3)
    assert bool(Limits(keys=3).broken_by(record)) == (keys > 3)


@given(BODIES)
def test_limits_take_any_bytes(body):
    Limits(depth=1, keys=1, string_bytes=3, record_bytes=100, tokens=10).broken_by(body)
