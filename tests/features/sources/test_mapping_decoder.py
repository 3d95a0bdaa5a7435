from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from features.errors import InputError, RecordError
from features.events import Event
from features.sources.base import Sample, SourceContext
from features.sources.mapping import FieldMapping, load_mapping
from features.sources.tabular import JOINED_LIMIT, Rows, stamp_us

DOCUMENT = Path(__file__).parents[3] / "docs" / "mapping.md"
HOSTILE = (None, True, -1, 10**30, 1e308, "\x00\x1b[31m", "A" * 100_000, [], {}, [[[]]], {"a": {"b": 1}})


def decode(mapping, record):
    body = record if isinstance(record, bytes) else json.dumps(record).encode()
    return FieldMapping.parse(mapping).decoder(SourceContext()).decode(body)


def example(name):
    blocks = re.findall(r"<!-- example: (\w+) -->\n```\w+\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return dict(blocks)[name]


def reason(decoder, record):
    try:
        decoder.decode(json.dumps(record).encode())
    except RecordError as error:
        return str(error)
    return ""


def test_the_worked_example_of_the_documentation_gives_the_events_it_shows():
    decoder = FieldMapping.parse(example("mapping"), "docs/mapping.md").decoder(SourceContext())
    lines = enumerate(example("records").encode().splitlines(), 1)
    found = [decoder.decode(line) for _, line in decoder.frames(lines)]
    assert found == [Event(**json.loads(line)) for line in example("events").splitlines()]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("iso", "2026-01-05T08:00:00.5Z"),
        ("s", 1767600000.5),
        ("ms", 1767600000500),
        ("ms", "1767600000500"),
        ("us", 1767600000500000),
    ],
)
def test_every_time_format_means_the_same_moment(form, value):
    event = decode(f'[time]\npath = "t"\nformat = "{form}"', {"t": value})
    assert event.time_us == 1767600000500000


def test_the_first_path_that_leads_to_something_wins():
    mapping = '[time]\npath = "t"\n[fields]\nuser = ["a.b", "list.1.name", "plain"]'
    start = {"t": "2026-01-05T08:00:00Z", "a": {"b": ""}, "plain": "carol"}
    assert decode(mapping, start).user == "carol"
    assert decode(mapping, start | {"list": [{}, {"name": "bob"}]}).user == "bob"
    assert decode(mapping, start | {"a": {"b": "alice"}}).user == "alice"


def test_a_key_with_dots_in_it_is_found():
    mapping = '[time]\npath = "@timestamp"\n[fields]\nuser = "user.name"'
    assert decode(mapping, {"@timestamp": "2026-01-05T08:00:00Z", "user.name": "alice"}).user == "alice"


def test_domain_and_stable_id_inform_the_name_of_the_user():
    mapping = '[time]\npath = "t"\n[fields]\nuser = "u"\nuser_domain = "d"\nuser_id = "sid"\nhost = "h"'
    record = {"t": "2026-01-05T08:00:00Z", "u": "Administrator", "d": "WS-12", "h": "WS-12.corp.example"}
    event = decode(mapping, record)
    assert (event.user, event.host) == ("ws-12\\administrator", "ws-12")


def test_a_constant_gives_way_to_what_the_record_says():
    mapping = (
        '[time]\npath = "t"\n[fields]\nservice = "app"\nstatus_id = "s"\n'
        '[constants]\nservice = "vpn"\nstatus_id = 1'
    )
    assert decode(mapping, {"t": "2026-01-05T08:00:00Z"}).service == "vpn"
    said = decode(mapping, {"t": "2026-01-05T08:00:00Z", "app": "mail", "s": "2"})
    assert (said.service, said.status_id) == ("mail", 2)


@pytest.mark.parametrize(("port", "expected"), [(443, 443), ("443", 443), (70_000, 0), ("many", 0), (-1, 0)])
def test_a_number_out_of_range_is_not_taken(port, expected):
    mapping = '[time]\npath = "t"\n[fields]\ndst_port = "p"'
    assert decode(mapping, {"t": "2026-01-05T08:00:00Z", "p": port}).dst_port == expected


def test_csv_is_read_by_its_header():
    decoder = FieldMapping.parse(
        'input = "csv"\n[time]\npath = "when"\n[fields]\nuser = "who"\ncommand = "what"'
    ).decoder(SourceContext())
    lines = [
        b"\xef\xbb\xbfwhen,who,what",
        b"",
        b'2026-01-05 08:00:00,alice,"echo ""a',
        b'b"""',
        b"when,who,what",
    ]
    (event,) = [decoder.decode(body) for _, body in decoder.frames(enumerate(lines, 1))]
    assert (event.user, event.command) == ("alice", 'echo "a\nb"')
    with pytest.raises(RecordError, match="CSV row has 2 fields, its header 3"):
        decoder.decode(b"2026-01-05,alice")


def test_a_stray_quote_does_not_swallow_the_rows_that_follow():
    rows = Rows()
    lines = [b"a,b", b'"broken,1', *([b"x" * 1000 + b",2"] * (JOINED_LIMIT // 1000 + 10))]
    frames = list(rows.frames(enumerate(lines, 1)))
    assert len(frames) == len(lines) - 1
    assert rows.read(frames[-1][1])["b"] == "2"
    with pytest.raises(RecordError, match="stray quote"):
        rows.read(frames[0][1])


@pytest.mark.parametrize(
    "value", ["6/23/2021, 3:08:14.159 AM", "6/23/2021 3:08:14.159 AM", "2021-06-23 03:08:14.159"]
)
def test_the_portal_writes_times_in_its_own_way(value):
    assert stamp_us(value) == 1624417694159000


@pytest.mark.parametrize("value", [None, 5, "", "6/23", "13/45/2021, 3:08:14 AM", "yesterday"])
def test_a_time_that_is_none_goes_to_quarantine(value):
    with pytest.raises(RecordError):
        stamp_us(value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("= 1", "not valid TOML"),
        ("[fields]\nuser = 'u'", "needs path"),
        ("[time]\npath = 't'\nformat = 'ns'", "allowed are iso, s, ms, us"),
        ("[time]\npath = 3", "must be a dotted path"),
        ("[time]\npath = []", "must be a dotted path"),
        ("[time]\npath = ['a', 3]", "must be a dotted path"),
        ("[tiem]\npath = 't'", "did you mean time?"),
        ("[time]\npath = 't'\n[fields]\nusr = 'u'", "did you mean user?"),
        ("time = 3", "time must be a table, found int"),
        ("input = 'xml'\n[time]\npath = 't'", 'allowed are "json" and "csv"'),
        ("[time]\npath = 't'\n[constants]\nclass_uid = 3999", "3002 Authentication"),
        ("[time]\npath = 't'\n[constants]\nclass_uid = '3002'", "must be a whole number, found str"),
        ("[time]\npath = 't'\n[constants]\ndst_port = 70000", "not between 0 and 65535"),
        ("[time]\npath = 't'\n[constants]\nservice = 4", "must be text, found int"),
        ("[time]\npath = 't'\n[values.status_id]\nok = 1", "has no status_id in [fields]"),
        (
            "[time]\npath = 't'\n[fields]\nstatus_id = 's'\n[values.status_id]\nok = 'yes'",
            "must be a whole number",
        ),
        (
            "[time]\npath = 't'\n[fields]\nstatus_id = 's'\n[values]\nstatus_id = 1",
            "status_id must be a table",
        ),
        ("[time]\npath = 't'\nzone = 'CET'", "[time] has no 'zone'"),
        ("[time]\npath = 't'\n[fields]\nuser.name = 'u'", "must be a dotted path"),
    ],
)
def test_a_bad_mapping_file_is_refused_with_the_reason(tmp_path, source, message):
    path = tmp_path / "vpn.toml"
    path.write_text(source, "utf-8")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load_mapping(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_mapping_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(InputError, match="cannot read the mapping file"):
            load_mapping(path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        load_mapping(tmp_path / "binary.toml")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_surprise_in_any_field_gives_an_event_or_a_short_reason(value):
    names = ("t", "u", "h", "ip", "port", "status")
    mapping = FieldMapping.parse(
        '[time]\npath = "t"\nformat = "ms"\n[fields]\nuser = "u"\nhost = "h"\nsrc_ip = "ip"\n'
        'dst_port = "port"\nstatus_id = "status"\n[values.status_id]\nok = 1'
    )
    decoder = mapping.decoder(SourceContext())
    base = dict.fromkeys(names, "x") | {"t": 1767600000000}
    for name in names:
        said = reason(decoder, base | {name: value})
        assert said.isprintable()
        assert len(said) < 200


def test_a_mapping_is_never_chosen_by_sniffing():
    decoder = FieldMapping.parse('[time]\npath = "t"').decoder(SourceContext())
    assert decoder.sniff(Sample("a.json", b"", (), {"t": 1})) == 0
