from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from serving.protocols import bulk, framing
from serving.protocols.limits import Limits
from serving.submission import Protocol

EVENT = b'{"class_uid":3002,"time":1}'


def frame(*lines: bytes, **more):
    return bulk.frame(b"\n".join(lines) + b"\n", **more)


def test_documents_come_in_order_with_their_ids_scoped_by_index():
    found = frame(b'{"index":{"_index":"a","_id":"1"}}', EVENT, b'{"create":{"_index":"b","_id":1}}', EVENT)
    assert found.framed.records == [EVENT, EVENT]
    assert found.framed.ids == ["a/1", "b/1"]
    assert [item.status for item in found.items] == [201, 201]


def test_the_index_of_the_path_is_meant_where_the_action_names_none():
    found = frame(b'{"index":{}}', EVENT, default_index="logs-zeek")
    assert found.items[0].into == "logs-zeek"
    assert found.framed.sources == ["zeek"]


def test_without_ids_there_are_none_to_deduplicate_by():
    assert frame(b'{"create":{}}', EVENT).framed.ids == []


def test_an_update_carries_its_document_and_a_delete_carries_none():
    found = frame(
        b'{"update":{"_id":"u"}}',
        b'{"doc":{"a":1},"doc_as_upsert":true}',
        b'{"delete":{"_id":"d"}}',
        b'{"index":{}}',
        EVENT,
    )
    assert found.framed.records == [b'{"a":1}', EVENT]
    assert [(item.operation, item.status) for item in found.items] == [
        ("update", 200), ("delete", 404), ("index", 201),
    ]  # fmt: skip


def test_a_line_that_is_no_action_is_put_aside_and_the_batch_goes_on():
    found = frame(b'{"index":{}}', EVENT, b"broken", b'{"index":{}}', EVENT)
    assert found.framed.records == [EVENT, b"broken", EVENT]
    assert found.framed.poison == [(1, "a line of a bulk request that is no action")]
    assert len(found.items) == 3


def test_an_action_without_its_document_is_put_aside():
    found = frame(b'{"index":{}}', EVENT, b'{"index":{"_id":"x"}}')
    assert found.framed.poison == [(1, "an action of a bulk request without its document")]


def test_an_index_that_names_a_source_says_how_to_read_its_documents():
    assert bulk.source_of("logs-suricata-2026.03.01") == "suricata"
    assert bulk.source_of("filebeat-8.19.0") == "auto"
    assert bulk.source_of("evtx") == "auto"


def test_the_answer_always_has_took_errors_and_items_and_one_item_an_action():
    found = frame(b'{"index":{"_index":"a\\"b","_id":"\\u00e9"}}', EVENT, b'{"delete":{"_id":"d"}}')
    answered = json.loads(bulk.answer(found.items, 3, 10))
    assert answered["took"] == 3
    assert answered["errors"] is False
    assert answered["items"][0]["index"]["_index"] == 'a"b'
    assert answered["items"][0]["index"]["_id"] == "é"
    assert answered["items"][1]["delete"]["status"] == 404
    assert json.loads(bulk.answer([], 0, 0)) == {"took": 0, "errors": False, "items": []}


def test_documents_without_an_id_are_given_names_that_differ():
    found = frame(b'{"create":{}}', EVENT, b'{"create":{}}', EVENT)
    items = json.loads(bulk.answer(found.items, 0, 7))["items"]
    assert [item["create"]["_id"] for item in items] == ["habitus-7", "habitus-8"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [b'{"create":{"_index":"logs-zeek-1"}}', b'{"index":{}}', b'{"delete":{"_id":"1"}}', b""]
            ),
            st.sampled_from([b'{"a":1}', b' {"a":1}', b"", b" ", b"x"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([b"", b"\n", b"\n\n"]),
    st.sampled_from(["auto", "ocsf"]),
)
def test_documents_of_one_action_are_taken_apart_as_any_others_are(pairs, end, source):
    body = b"\n".join(line for pair in pairs for line in pair) + end
    found = bulk.frame(body, "logs", source)
    # a line that is no action keeps the short way from being taken, and adds one record
    slow = bulk.frame(b"no action\n" + body, "logs", source)
    assert slow.items[1:] == found.items
    assert slow.framed.records[1:] == found.framed.records
    assert (slow.framed.ids or [""] * len(slow.framed.records))[1:] == (
        found.framed.ids or [""] * len(found.framed.records)
    )
    if source == "auto":
        assert slow.framed.sources[1:] == found.framed.sources
    assert [index - 1 for index, _ in slow.framed.poison[1:]] == [index for index, _ in found.framed.poison]


ACTION = b'{"create":{"_index":"logs-zeek-1"}}'
LINES = st.sampled_from(
    [ACTION, b'{"a":1}', b'{"a":[[[1]]]}', b' {"a":1}', b'{"a":1}\r', b'{"index":{}}', b"", b"x", b"{}"]
)


@given(
    st.one_of(
        st.lists(LINES, max_size=9),
        st.lists(LINES, max_size=4).map(lambda documents: [one for d in documents for one in (ACTION, d)]),
    ),
    st.sampled_from([b"", b"\n", b"\n\n"]),
    st.sampled_from(["auto", "ocsf", "syslog"]),
)
def test_a_body_that_goes_on_as_it_is_holds_what_its_documents_would(lines, end, source):
    body, limits = b"\n".join(lines) + end, Limits(depth=3, keys=10)
    found = bulk.whole(body, limits, "logs", source)
    if found is None:
        return
    one_by_one = bulk.frame(body, "logs", source)
    assert limits.put_aside_broken(one_by_one.framed.records) == []
    assert found.items == one_by_one.items
    both = [framing.parts(framed, "acme", Protocol.BULK) for framed in (found.framed, one_by_one.framed)]
    assert both[0] == both[1]
    assert found.framed.count == len(one_by_one.framed.records)


def test_documents_under_one_action_go_on_as_they_are_and_no_others():
    pair = ACTION + b"\n" + EVENT + b"\n"
    found = bulk.whole(pair * 50, Limits())
    assert found is not None
    assert (found.framed.count, found.framed.source, len(found.items)) == (50, "zeek", 50)
    for other in (pair * 50 + ACTION, pair * 50 + EVENT, pair + b"\n" + pair, pair * 3 + b'{"index":{}}\n{}'):
        assert bulk.whole(other, Limits()) is None
    assert bulk.whole(pair * 50, Limits(), source="syslog") is None, "a document may carry a line of a log"
    assert bulk.whole(pair.replace(b"logs-zeek-1", b"logs") * 50, Limits()) is None
    with_id = pair.replace(b'"_index"', b'"_id":"1","_index"')
    assert bulk.whole(with_id * 50, Limits()) is None, "ids are one a document"


def test_items_that_are_alike_are_answered_as_others_are():
    for name in ("100%", 'a"b', "%d"):
        alike = [bulk.Item("create", name, "", 201)] * 3
        others = [*alike, bulk.Item("index", name, "", 201)]
        answered = json.loads(bulk.answer(alike, 3, 10))
        assert answered["items"] == json.loads(bulk.answer(others, 3, 10))["items"][:3]
        assert [item["create"]["_id"] for item in answered["items"]] == [f"habitus-{n}" for n in (10, 11, 12)]
