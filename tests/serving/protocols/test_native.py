from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from serving.protocols import framing, native
from serving.protocols.limits import Limits
from serving.submission import Protocol, TooLarge

A, B = b'{"a":1}', b'{"b":2}'


@pytest.mark.parametrize(
    "body",
    [
        A + b"\n" + B,
        A + b"\r\n\r\n" + B + b"\r\n",
        b"[" + A + b"," + B + b"]",
        b" \n[ " + A + b",\n" + B + b"\n]\n",
        b'{"Records":[' + A + b"," + B + b"]}",
        b'{"value":[' + A + b'],"@odata.context":"x"}\n{"value":[' + B + b"]}",
        b"\xef\xbb\xbf" + A + b"\n" + B,
    ],
)
def test_records_are_found_in_every_shape_that_sources_export(body):
    assert native.frame(body).records == [A, B]


def test_a_document_over_several_lines_becomes_one_record():
    body = json.dumps({"a": {"b": [1, "x\ny"]}}, indent=2).encode()
    (record,) = native.frame(body).records
    assert b"\n" not in record
    assert json.loads(record) == {"a": {"b": [1, "x\ny"]}}


def test_lines_of_a_text_log_stay_lines():
    body = b"Mar  1 10:00:00 web sshd[1]: a\n[12.5] b\n"
    assert native.frame(body).records == [b"Mar  1 10:00:00 web sshd[1]: a", b"[12.5] b"]
    assert native.frame(b"[12.5] b\nx").records == [b"[12.5] b", b"x"]


def test_a_broken_line_does_not_take_the_others_with_it():
    assert native.frame(A + b"\n{broken\n" + B).records == [A, b"{broken", B]
    assert native.frame(b"{broken\n" + B).records == [b"{broken", B]


def test_a_list_that_is_cut_off_is_refused_because_no_record_can_be_told_from_the_next():
    with pytest.raises(InputError, match="cut off"):
        native.frame(b"[" + A + b"," + B)


@pytest.mark.parametrize("body", [b"", b"\n \n", b"[]"])
def test_nothing_holds_no_records(body):
    assert native.frame(body).records == []


def test_an_unknown_source_is_refused_with_the_known_ones():
    assert native.source_named("") == "auto"
    assert native.source_named("zeek") == "zeek"
    with pytest.raises(InputError, match="cloudtrail"):
        native.source_named("zeek2")
    with pytest.raises(InputError):
        native.source_named("evtx")


LINES = st.sampled_from(
    [
        *(b'{"a":1}', b'{"a":[[[1]]]}', b'{"a":{"b":{}}}', b"{", b" {}", b"", b"\t", b"text", b"{}"),
        *(b'{"value":[{"a":1}]}', b'{"a":"' + b"x" * 60 + b'"}', b'{"a":1}\r', b'{"a":["value"]}'),
        *(b'{"v\\u0061lue":[{"a":1}]}', b'{"value":1}', b'{"a":1} '),
    ]
)


@given(st.sampled_from([native.whole, native.single]), st.lists(LINES, min_size=1, max_size=8), st.booleans())
def test_a_body_that_goes_on_as_it_is_holds_what_its_lines_would(shortcut, lines, ends):
    body = b"\n".join(lines if shortcut is native.whole else lines[:2]) + (b"\n" if ends else b"")
    limits = Limits(depth=3, keys=10)
    found = shortcut(body, limits, "ocsf")
    if found is None:
        return
    one_by_one = native.frame(body, "ocsf")
    limits.refuse_broken(one_by_one.records)
    both = [framing.parts(framed, "acme", Protocol.NATIVE) for framed in (found, one_by_one)]
    assert both[0] == both[1]
    assert found.count == len(one_by_one.records)


def test_plain_bodies_go_on_as_they_are_and_no_others():
    plain = b'{"a":1}\n' * 50
    whole = native.whole(plain, Limits())
    assert whole is not None
    assert whole.count == 50
    for other in (plain + b"\n", b"[" + plain, plain + b" {}", plain.replace(b"\n", b"\r\n")):
        assert native.whole(other, Limits()) is None
    deep = b'{"a":' * 70 + b"1" + b"}" * 70
    assert native.whole(plain + deep, Limits()) is None
    with pytest.raises(TooLarge, match="record 51"):
        Limits().refuse_broken(native.frame(plain + deep).records)


def test_an_event_on_a_line_of_its_own_goes_on_as_it_is_unless_it_may_be_a_wrapper():
    for plain in (b'{"a":1}', b'{"a":1}\n', b'{"a":["b",{"c":1}]}', b'{"records":1}'):
        assert native.single(plain, Limits()) is not None
    for other in (b"", b"text", b'[{"a":1}]', b'{"a":1}\n{"a":2}', b'{"a":1}\r\n', b'{"Records":[{"a":1}]}'):
        assert native.single(other, Limits()) is None
    assert native.single(b'{"Record\\u0073":[{"a":1}]}', Limits()) is None, "a key may be escaped"
    assert native.single(b'{"a":' * 70 + b"1" + b"}" * 70, Limits()) is None
