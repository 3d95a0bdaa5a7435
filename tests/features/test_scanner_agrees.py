"""The byte scanner gives the same events as the typed decoder, or leaves the line to it."""

from __future__ import annotations

import json
import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import ocsf_events
from features import identity
from features.errors import RecordError
from features.events import MOST_BYTES, Event
from features.interner import StringTable
from features.lowlevel import hash_bytes
from features.rows import BROKEN, HAND_OVER, OK, PARTS, RAW_COLUMNS, RawRows, empty_rows
from features.scanner import LINE_LIMIT, OcsfScanner
from features.scanner_grammar import _CHAINS, COLUMNS, NODES, TEXT, packed, program
from features.scanner_line import MARGIN
from features.sources.base import SourceContext
from features.sources.ocsf import OcsfDecoder, machine_of
from features.sources.ocsf_schema import Document, shapes_of

TIME = 1_772_000_000_123
SEED = 99

SIGN_IN = {
    "class_uid": 3002,
    "activity_id": 1,
    "time": TIME,
    "metadata": {"uid": "e-1", "version": "1.8.0", "profiles": ["host", None, -1.5]},
    "user": {"name": "Alice", "domain": "CORP", "uid": "S-1-5-21-1-2-3-1105"},
    "actor": {"process": {"file": {"path": "C:\\Windows\\System32\\lsass.exe"}, "pid": 612}},
    "device": {"hostname": "WS-12.corp.example", "ip": "10.0.0.12"},
    "src_endpoint": {"ip": "::ffff:10.9.8.7", "hostname": "LAPTOP-7", "port": 50123},
    "dst_endpoint": {"hostname": "dc-1.corp.example", "ip": "10.0.0.1", "port": 88, "svc_name": "krbtgt"},
    "auth_protocol": "Kerberos",
    "logon_type_id": 10,
    "is_mfa": True,
    "status": "Failure",
    "status_detail": "bad password",
}
PROCESS = {
    "class_uid": 1007,
    "activity_id": 1,
    "time": TIME,
    "metadata": {"uid": "e-2"},
    "actor": {"user": {"name": "CORP\\bob"}, "process": {"name": "explorer.exe"}},
    "device": {"name": "ws-12"},
    "process": {
        "cmd_line": '"C:\\Tools\\run me.exe" /x "a\tb"',
        "file": {"path": "C:\\Tools\\run me.exe"},
        "user": {"name": "WS-12\\Administrator"},
        "parent_process": {"name": "services.exe"},
    },
    "status_id": 1,
}
EVENTS = (
    SIGN_IN,
    {**SIGN_IN, "user": {}, "actor": {"user": {"email_addr": "alice@corp.example"}}, "auth_protocol_id": 1},
    {**SIGN_IN, "device": {}, "auth_protocol": None, "auth_protocol_id": 2, "logon_type": "Network"},
    {**SIGN_IN, "user": {"name": "admin", "domain": "ws-12", "uid": "500"}, "status_id": 1},
    {**SIGN_IN, "user": {"name": "admin", "domain": "."}, "class_uid": 3003},
    {**SIGN_IN, "user": {"name": "José Müller", "domain": "CORP"}},
    PROCESS,
    {**PROCESS, "process": {"name": "cron"}, "actor": {"user": {"uid": "1000"}}},
    {**PROCESS, "class_uid": 1001, "file": {"name": "a.txt"}, "process": None},
    {"class_uid": 3001, "time": TIME, "actor": {"user": {"name": "root"}}, "user": {"name": "eve"}},
    {"class_uid": 3001, "time": TIME, "actor": {"user": {"name": "eve"}}, "user": {"name": "eve"}},
    {"class_uid": 3001, "time": TIME, "user": {"name": "eve", "uid": "7"}, "actor": {"user": {"uid": "7"}}},
    {"class_uid": 3005, "time": TIME, "user": {"name": "eve"}},
    {
        "class_uid": 3006,
        "time": TIME,
        "actor": {"user": {"name": "root"}},
        "group": {"name": "wheel"},
        "user": {"uid": "arn:aws:iam::123456789012:user/dana"},
    },
    {"class_uid": 3004, "time": TIME, "actor": {"user": {"name": "root"}}, "entity": {"name": "policy-1"}},
    {
        "class_uid": 4001,
        "time": TIME,
        "src_endpoint": {"ip": "10.0.0.1"},
        "dst_endpoint": {"ip": "203.0.113.7", "port": 443, "name": "edge"},
        "connection_info": {"protocol_num": 17},
        "tls": {"sni": "example.org"},
    },
    {
        "class_uid": 4002,
        "time": TIME,
        "http_request": {"user_agent": "curl/8", "url": {"hostname": "h.example"}},
    },
    {
        "class_uid": 4003,
        "time": TIME,
        "query": {"hostname": "q.example"},
        "connection_info": {"protocol_name": "UDP"},
    },
    {
        "class_uid": 4006,
        "time": TIME,
        "share": "\\\\fs-1\\finance",
        "actor": {"process": {"user": {"name": "x"}}},
    },
    {
        "class_uid": 201001,
        "time": TIME,
        "reg_key": {"path": "HKLM\\Run"},
        "reg_value": {"path": "HKLM\\Other"},
    },
    {"class_uid": 201004, "time": TIME, "win_service": {"name": "PSEXESVC"}, "service": {"name": "scm"}},
    {"class_uid": 1005, "time": TIME, "module": {"file": {"path": "C:\\a.dll"}}},
    {"class_uid": 1006, "time": TIME, "job": {"name": "\\Updater", "cmd_line": "calc.exe"}},
    {
        "class_uid": 6003,
        "time": TIME,
        "type_uid": 600304,
        "api": {"operation": "GetObject", "service": {"name": "s3.amazonaws.com"}},
        "actor": {"user": {"type": "AssumedRole", "uid": "arn:aws:sts::123456789012:assumed-role/Deploy/ci"}},
        "resources": [{"uid": "arn:aws:s3:::bucket", "labels": [[], {}]}, {"name": "second"}, {"name": 7}],
        "cloud": {"account": {"uid": "123456789012"}, "region": "eu-central-1"},
        "status_code": "AccessDenied",
    },
    {
        "class_uid": 6005,
        "time": TIME,
        "database": {"name": "hr"},
        "databucket": {"name": "b"},
        "resources": [],
    },
    {"class_uid": 0, "time": 0},
    {
        "class_uid": 4001,
        "time": TIME,
        "dst_endpoint": {"port": 70000},
        "connection_info": {"protocol_num": 999},
    },
    {
        "class_uid": 4001,
        "time": TIME,
        "src_endpoint": {"ip": "10.0.0.1"},
        "traffic": {"bytes_in": 4_321, "packets": 9, "bytes_out": 987_654_321, "bytes": 987_658_642},
    },
    {"class_uid": 4001, "time": TIME, "traffic": {"bytes": 77, "bytes_out": None}},
    {"class_uid": 4001, "time": TIME, "traffic": {"bytes_in": 2**53, "bytes_out": 2**53 + 1}},
)
LINES = [json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() for event in EVENTS]


class Scanned(NamedTuple):
    rows: RawRows
    memo: StringTable
    filled: int
    buffer: np.ndarray


def padded(data: bytes, margin: int = MARGIN) -> np.ndarray:
    return np.frombuffer(data + bytes(margin), np.uint8)


def scan(data: bytes, margin: int = MARGIN) -> Scanned:
    buffer = padded(data, margin)
    rows, memo = empty_rows(data.count(b"\n") + 1), StringTable()
    position, filled = OcsfScanner(SourceContext(), SEED).scan_chunk(buffer, 0, len(data), rows, memo)
    assert position == len(data)
    return Scanned(rows, memo, filled, buffer)


def resolved(name: str, raw: str) -> str:
    if raw.startswith(PARTS):
        user, domain, sid, machine = raw[1:].split(PARTS)
        return identity.IdentityResolver().user(user, domain=domain, sid=sid, host=machine)
    if name in ("host", "src_host", "dst_host"):
        return identity.host(raw)
    return identity.ip(raw) if name in ("src_ip", "dst_ip") else raw


def event_of(scanned: Scanned, row: int) -> Event:
    rows, memo = scanned.rows, scanned.memo
    texts = {
        name: resolved(name, memo[int(rows.raw[row, column])]) for column, name in enumerate(RAW_COLUMNS)
    }
    numbers = {
        name: int(getattr(rows, name)[row])
        for name in ("time_us", "class_uid", "activity_id", "status_id", "dst_port", "bytes_in", "bytes_out")
    }
    uid = scanned.buffer[rows.uid_start[row] : rows.uid_stop[row]].tobytes().decode()
    return Event(**texts, **numbers, uid=uid)


def typed(line: bytes) -> Event | str:
    try:
        return OcsfDecoder(SourceContext()).decode(line)
    except RecordError as error:
        return str(error)


def check(lines: list[bytes]) -> int:
    """Scan the lines together and compare each with the typed decoder; how many the scanner took."""
    scanned = scan(b"\n".join(lines) + b"\n")
    assert scanned.filled == len(lines)
    taken = 0
    for row, line in enumerate(lines):
        begin, end = int(scanned.rows.start[row]), int(scanned.rows.stop[row])
        content = line.removesuffix(b"\r")
        assert scanned.buffer[begin:end].tobytes() == content
        if scanned.rows.state[row] == OK:
            event = event_of(scanned, row)
            assert event == typed(content), line
            key = event.uid.encode() or content
            assert scanned.rows.key[row] == hash_bytes(padded(key), 0, len(key), np.uint64(SEED))
            taken += 1
        else:
            assert scanned.rows.state[row] == HAND_OVER
    return taken


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_scanner_reads_every_class_like_the_typed_decoder(line):
    assert check([line]) == 1


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\t", " : ")])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b" \n", b"\n\n\r\n  \t\n"])
def test_spaces_and_line_endings_do_not_matter(separators, ending):
    lines = [json.dumps(event, ensure_ascii=False, separators=separators).encode() for event in EVENTS]
    scanned = scan(ending.join([*lines, b""]))
    assert scanned.filled == len(lines)
    assert scanned.rows.state[: len(lines)].tolist() == [OK] * len(lines)
    assert [event_of(scanned, row) for row in range(len(lines))] == [typed(line) for line in lines]


def test_realistic_events_are_all_taken():
    lines = ocsf_events.lines(3000, 500, seed=3).splitlines()
    assert check(lines) == len(lines)


def test_users_hosts_and_addresses_stay_unresolved():
    scanned = scan(LINES[0])
    row = {name: scanned.memo[int(scanned.rows.raw[0, column])] for column, name in enumerate(RAW_COLUMNS)}
    assert row["user"] == f"{PARTS}Alice{PARTS}CORP{PARTS}S-1-5-21-1-2-3-1105{PARTS}"
    assert row["host"] == "WS-12.corp.example"
    assert row["src_ip"] == "::ffff:10.9.8.7"
    assert row["auth"] == "kerberos remoteinteractive mfa"


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        ('{"bytes_in":10,"bytes_out":2000}', (10, 2_000)),
        ('{"bytes":2010,"bytes_out":2000}', (0, 2_000)),
        ('{"bytes_in":null}', (0, 0)),
        ("{}", (0, 0)),
        ("null", (0, 0)),
        (f'{{"bytes_in":{MOST_BYTES},"bytes_out":{MOST_BYTES + 1}}}', (MOST_BYTES, 0)),
        ('{"bytes_in":999999999999999999}', (0, 0)),
    ],
)
def test_volumes_are_read_up_to_what_a_float_holds_exactly(traffic, expected):
    line = f'{{"class_uid":4001,"time":{TIME},"traffic":{traffic}}}'.encode()
    rows = scan(line).rows
    assert rows.state[0] == OK
    assert (rows.bytes_in[0], rows.bytes_out[0]) == expected
    assert check([line]) == 1


@pytest.mark.parametrize("volume", ["-1", "1000000000000000000", "1e3", "7.0", '"7"', "true", "[1]", "{}"])
def test_a_volume_of_another_kind_is_left_to_the_typed_decoder(volume):
    line = f'{{"class_uid":4001,"time":{TIME},"traffic":{{"bytes_in":{volume},"bytes_out":5}}}}'.encode()
    buffer, rows = padded(line), empty_rows(1)
    scanner = OcsfScanner(SourceContext(), SEED)
    assert scanner.scan_chunk(buffer, 0, len(line), rows, StringTable()) == (len(line), 1)
    assert rows.state[0] == HAND_OVER
    _, _, broken = scanner.scan_with_fallback(buffer, 0, len(line), rows, StringTable())
    event = typed(line)
    assert not broken
    assert isinstance(event, Event)
    assert (rows.bytes_in[0], rows.bytes_out[0]) == (event.bytes_in, event.bytes_out)
    assert event.bytes_out == 5


def test_a_line_without_traffic_has_none_of_the_line_before_it():
    lines = [json.dumps({"class_uid": 4001, "time": TIME, "traffic": {"bytes_in": 9}}).encode(), LINES[0]]
    assert scan(b"\n".join(lines)).rows.bytes_in[:2].tolist() == [9, 0]


def test_the_machine_of_a_user_is_kept_only_where_it_matters():
    local = scan(LINES[3])
    assert (
        local.memo[int(local.rows.raw[0, 0])]
        == f"{PARTS}admin{PARTS}ws-12{PARTS}500{PARTS}WS-12.corp.example"
    )


# --- documents made at random -----------------------------------------------------------------------------

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70_000),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=2),
)
WORDS = st.sampled_from(
    [
        "",
        "-",
        "alice",
        "CORP",
        "CORP\\bob",
        "ws-1",
        "WS-1.corp.example",
        ".",
        "1000",
        "S-1-5-21-1-2-3-500",
        "10.0.0.1",
        "fe80::1%eth0",
        "a\\b\\c",
        'say "hi"',
        "tab\there",
        "café",
        "日本",
        "😀",
        "arn:aws:iam::1:user/x",
        "Success",
        "failure",
        "NTLM",
        "x" * 40,
        "/path/to",
        "\x00",
        "\x1f",
        "\x7f",
        "Ünï\\cödé",
        "a" * 33 + "\\",
    ]
)
VOLUMES = st.one_of(
    st.integers(0, 1 << 54),
    st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, 10**17, 10**18, 2**63 - 1, 2**63, 10**19, 10**40, -1, 1.5]),
    st.sampled_from(["7", "9007199254740993", "-3", "x", "0x10", True, 1e300, -0.0, 5.0]),
)
TEXTS = st.one_of(WORDS, WORDS, st.text(max_size=40))


def _value(record, key, shape):
    if shape.record is not None:
        inner = document(shape.record)
        return st.lists(inner, max_size=3) if shape.kind == "list" else inner
    if key == "class_uid":
        return st.sampled_from([3002, 3003, 3001, 3004, 3005, 3006, 1007, 1001, 4001, 6003, 0])
    if shape.kind == "text":
        return TEXTS
    if key in ("bytes_in", "bytes_out"):
        return VOLUMES
    return {"flag": st.booleans(), "time": st.integers(0, 2 * TIME)}.get(shape.kind, st.integers(-1, 70_000))


def document(record):
    """Objects of a record type: some keys, few of them of an odd type, and keys that nobody wants."""
    keys = {
        key: st.one_of(
            _value(record, key, shape), _value(record, key, shape), _value(record, key, shape), ODD
        )
        for key, shape in shapes_of(record).items()
    }
    extra = st.dictionaries(st.text(max_size=20), st.recursive(ODD | TEXTS, st.lists), max_size=2)
    return st.builds(lambda known, more: {**more, **known}, st.fixed_dictionaries({}, optional=keys), extra)


DOCUMENTS = document(Document)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(DOCUMENTS, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_random_documents_are_read_alike(documents, ascii_only, spaced):
    lines = []
    for values in documents:
        full = {"time": TIME, "class_uid": 3002, **values}
        text = json.dumps(full, ensure_ascii=ascii_only, separators=None if spaced else (",", ":"))
        lines.append(text.encode("utf-8", "surrogatepass"))
    check(lines)


def test_random_choices_between_all_texts_are_read_alike():
    chance = random.Random(5)
    words = ["", "alice", "CORP", "ws-1", "WS-1.corp.example", "arn:aws:iam::1:user/x", "a\\b", "42", "x/y"]

    def fill(record):
        found = {}
        for key, shape in shapes_of(record).items():
            if chance.random() < 0.5:
                continue
            if shape.record is not None:
                inner = fill(shape.record)
                found[key] = [inner, fill(shape.record)] if shape.kind == "list" else inner
            elif shape.kind == "text":
                found[key] = chance.choice(words)
            else:
                found[key] = bool(chance.getrandbits(1)) if shape.kind == "flag" else chance.randrange(20)
        return found

    lines = []
    for _ in range(1500):
        values = {
            **fill(Document),
            "time": TIME,
            "class_uid": chance.choice([3002, 3001, 3006, 1007, 4001, 6003]),
        }
        lines.append(json.dumps(values).encode())
    assert check(lines) > 1400  # all but those whose id has a backslash


# --- damaged and hostile lines ----------------------------------------------------------------------------


def mutated(line: bytes, chance: random.Random) -> bytes:
    data = bytearray(line)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(data)) if data else 0
        kind = chance.randrange(7)
        if kind == 0 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at : at + chance.choice((1, 1, 2, 9))]
        elif kind == 2:
            data[at:at] = chance.choice(
                (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"e", b"\xff", b"\x00")
            )
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            end = at + chance.randrange(1, 60)
            data[at:at] = data[at:end]
        elif kind == 5:
            data[at:at] = chance.choice(
                (b"\\u0041", b"\\ud83d", b"\\u00e9", b"\xc3\xa9", b"null", b"-1.5e3", b"\\n")
            )
        else:
            other = chance.randrange(len(data)) if data else 0
            data[at : at + 8] = data[other : other + 8]
    return bytes(data).replace(b"\n", b" ").strip(b" \t\r") or b"{"


def test_no_mutation_of_a_good_line_is_read_differently():
    chance = random.Random(20260101)
    sources = LINES + ocsf_events.lines(40, 10, seed=1).splitlines()
    lines = [mutated(chance.choice(sources), chance) for _ in range(6000)]
    taken = check(lines)
    assert 600 < taken < len(lines)


HOSTILE = {
    "only a brace": b"{",
    "two braces": b"{{",
    "no object": b'"class_uid"',
    "nothing but quotes": b'"' * 5000,
    "nothing but backslashes": b"\\" * 5000,
    "backslashes in a string": b'{"x":"' + b"\\" * 4999,
    "deep lists": b'{"x":' + b"[" * 200_000,
    "deep objects": b'{"x":' * 50_000,
    "deep but closed": b'{"x":' * 20 + b"1" + b"}" * 20,
    "a long string": b'{"class_uid":3002,"time":1,"x":"' + b"a" * 1_100_000 + b'"}',
    "an unterminated string": b'{"class_uid":3002,"time":1,"x":"' + b"a" * 100_000,
    "a long key without an end": b'{"class_uid":3002,"time":1,"' + b"k" * 70_000,
    "a NUL": b'{"class_uid":3002,"time":1,"user":{"name":"a\x00b"}}',
    "NaN": b'{"class_uid":3002,"time":NaN}',
    "infinity": b'{"class_uid":3002,"time":1,"x":-Infinity}',
    "two times": b'{"class_uid":3002,"time":1,"time":2}',
    "two volumes": b'{"class_uid":3002,"time":1,"traffic":{"bytes_in":1,"bytes_in":2}}',
    "two traffics": b'{"class_uid":3002,"time":1,"traffic":{"bytes_in":1},"traffic":{"bytes_out":2}}',
    "two users": b'{"class_uid":3002,"time":1,"user":{"name":"a"},"user":{"uid":"b"}}',
    "a key with an escape": b'{"class_uid":3002,"time":1,"\\u0075ser":{"name":"a"}}',
    "a key that is not UTF-8": b'{"class_uid":3002,"time":1,"\xff":1}',
    "a text that is not UTF-8": b'{"class_uid":3002,"time":1,"user":{"name":"\xff"}}',
    "an encoded surrogate": b'{"class_uid":3002,"time":1,"user":{"name":"\xed\xa0\x80"}}',
    "an overlong form": b'{"class_uid":3002,"time":1,"user":{"name":"\xc0\xaf"}}',
    "half a character": b'{"class_uid":3002,"time":1,"user":{"name":"\xe2\x82"}}',
    "a lone surrogate": b'{"class_uid":3002,"time":1,"user":{"name":"\\ud800"}}',
    "a separator of users": b'{"class_uid":3002,"time":1,"user":{"name":"\\u001froot"}}',
    "a leading zero": b'{"class_uid":3002,"time":01}',
    "a leading plus": b'{"class_uid":3002,"time":+1}',
    "a bare minus": b'{"class_uid":3002,"time":1,"x":-}',
    "a bare point": b'{"class_uid":3002,"time":1,"x":1.}',
    "a negative time": b'{"class_uid":3002,"time":-1}',
    "a late time": b'{"class_uid":3002,"time":4102444800000}',
    "a very late time": b'{"class_uid":3002,"time":99999999999999999999}',
    "a large class": b'{"class_uid":2147483648,"time":1}',
    "no class": b'{"time":1}',
    "no time": b'{"class_uid":1}',
    "a comma too many": b'{"class_uid":3002,"time":1,}',
    "a comma in a list": b'{"class_uid":3002,"time":1,"x":[1,]}',
    "no comma": b'{"class_uid":3002 "time":1}',
    "wrong bracket": b'{"class_uid":3002,"time":1,"x":[1}}',
    "something behind": b'{"class_uid":3002,"time":1}x',
    "two objects": b'{"class_uid":3002,"time":1}{}',
    "half a word": b'{"class_uid":3002,"time":1,"x":tru}',
    "a word too long": b'{"class_uid":3002,"time":1,"x":nullnull}',
    "a byte order mark": b'\xef\xbb\xbf{"class_uid":3002,"time":1}',
    "single quotes": b"{'class_uid':3002,'time':1}",
    "a tab in a string": b'{"class_uid":3002,"time":1,"x":"\t"}',
    "a wrong escape": b'{"class_uid":3002,"time":1,"x":"\\q"}',
    "half an escape": b'{"class_uid":3002,"time":1,"x":"\\u00"}',
    "a surrogate that nobody wants": b'{"class_uid":3002,"time":1,"x":"\\udc00"}',
    "a text over the limit": b'{"class_uid":3002,"time":1,"user":{"name":"' + b"a" * 8193 + b'"}}',
    "an escaped text over the limit": b'{"class_uid":3002,"time":1,"user":{"name":"'
    + b"\\\\" * 4200
    + b'"}}',
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_hostile_lines_are_left_to_the_typed_decoder(line):
    scanned = scan(line + b"\n" + LINES[0])
    assert scanned.rows.state[:2].tolist() == [HAND_OVER, OK]
    assert event_of(scanned, 1) == typed(LINES[0])


def test_harmless_oddities_are_read():
    odd = [
        b'{"class_uid":3002,"time":1,"":{"":[]},"x":"\\u00e9\\n\xc3\xa9","y":-0.5,"z":12345678901234567890}',
        b'{"class_uid":3002,"time":1,"user":{"name":"o\\u0027brien","full_name":"\\u00d3"}}',
        b'{"class_uid":3002,"time":1,"user":{"name":"' + b"a" * 8192 + b'"}}',
        b'{"class_uid":3002,"time":1,"user":{"name":"' + b"\\\\" * 4096 + b'"}}',
        b'{"class_uid":3002,"time":1,"' + b"k" * 70_000 + b'":1}',
        b'{"time":null,"class_uid":3002,"time_dt":"2026-01-01"}',
    ]
    assert check(odd) == 5


def test_a_line_over_the_limit_is_left_to_the_typed_decoder():
    line = LINES[0][:-1] + b',"x":"' + b"a" * LINE_LIMIT + b'"}'
    assert scan(line).rows.state[0] == HAND_OVER


@pytest.mark.parametrize("margin", [8, 20, 64, MARGIN, 200])
def test_a_line_cut_anywhere_is_never_read(margin):
    line = LINES[0]
    for cut in range(1, len(line)):
        buffer = padded(line, margin)
        rows = empty_rows(2)
        position, filled = OcsfScanner(SourceContext()).scan_chunk(buffer, 0, cut, rows, StringTable())
        assert (position, filled) == (cut, 1)
        assert rows.state[0] == HAND_OVER


def test_a_buffer_without_padding_is_refused():
    with pytest.raises(ValueError, match="8 bytes behind"):
        OcsfScanner(SourceContext()).scan_chunk(
            padded(LINES[0], 7), 0, len(LINES[0]), empty_rows(1), StringTable()
        )


# --- pieces -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines_a_call", [1, 7, 1000])
@pytest.mark.parametrize("rows_a_call", [1, 3, 64])
def test_pieces_of_any_size_give_the_same_rows(lines_a_call, rows_a_call):
    chance = random.Random(8)
    lines = (
        LINES + [mutated(line, chance) for line in LINES] + ocsf_events.lines(60, 1000, seed=4).splitlines()
    )
    whole = scan(b"\n".join(lines))
    buffer = whole.buffer
    ends = np.append(np.flatnonzero(buffer == 10) + 1, len(buffer) - MARGIN)
    memo = StringTable(1)
    scanner = OcsfScanner(SourceContext(), SEED)
    pieces = []
    position = 0
    for end in [*ends[lines_a_call - 1 :: lines_a_call].tolist(), int(ends[-1])]:
        while position < end:
            rows = empty_rows(rows_a_call)
            position, filled = scanner.scan_chunk(buffer, position, end, rows, memo)
            pieces.append(RawRows(*(array[:filled] for array in rows)))
    together = RawRows(*map(np.concatenate, zip(*pieces, strict=True)))
    for name, array in together._asdict().items():
        expected = getattr(whole.rows, name)[: whole.filled]
        if name == "raw":
            assert memo.many(array.ravel()) == whole.memo.many(expected.ravel())
        elif name != "state":
            assert array.tolist() == expected.tolist(), name
    # Before the end of a piece there is always room behind a line, so the states agree too.
    assert together.state.tolist() == whole.rows.state[: whole.filled].tolist()


def test_a_small_memo_grows_while_scanning():
    data = ocsf_events.lines(5000, 5000, seed=6)
    memo = StringTable(1)
    rows = empty_rows(5000)
    scanner = OcsfScanner(SourceContext(), SEED)
    _, filled = scanner.scan_chunk(padded(data), 0, len(data), rows, memo)
    assert filled == 5000
    texts = memo.many(range(1, len(memo) + 1))
    spaces = memo.prefixed(range(1, len(memo) + 1))[0]
    assert len(set(zip(spaces, texts, strict=True))) == len(memo)
    # The table is the interner's own: what was scanned is found by it.
    for column in range(len(RAW_COLUMNS)):
        ids = [index + 1 for index, space in enumerate(spaces) if space == column]
        assert memo.intern_many([texts[index - 1] for index in ids], column).tolist() == ids


def test_scanning_twice_gives_the_same_ids():
    data = ocsf_events.lines(500, 100, seed=6)
    memo = StringTable()
    scanner = OcsfScanner(SourceContext(), SEED)
    first, second = empty_rows(500), empty_rows(500)
    scanner.scan_chunk(padded(data), 0, len(data), first, memo)
    strings = len(memo)
    scanner.scan_chunk(padded(data), 0, len(data), second, memo)
    assert len(memo) == strings
    assert (first.raw == second.raw).all()


def test_fallback_decodes_what_was_handed_over_and_names_what_is_broken():
    odd = b'{"class_uid":"3002","time":1,"metadata":{"uid":"odd-1"},"user":{"name":"zoe"}}'
    escaped = b'{"class_uid":3002,"time":1,"metadata":{"uid":"a\\/b"},"user":{"name":"yan"}}'
    data = b"\n".join([LINES[0], odd, b"{", escaped, LINES[6]])
    buffer, rows, memo = padded(data), empty_rows(9), StringTable()
    scanner = OcsfScanner(SourceContext(), SEED)
    position, filled, broken = scanner.scan_with_fallback(buffer, 0, len(data), rows, memo)
    assert (position, filled) == (len(data), 5)
    assert [row for row, _ in broken] == [2]
    assert broken[0][1].startswith("not valid JSON")
    assert rows.state[:5].tolist() == [OK, OK, BROKEN, OK, OK]
    assert memo.many(rows.raw[[1, 3], 0]) == ["zoe", "yan"]
    uids = [buffer[rows.uid_start[row] : rows.uid_stop[row]].tobytes() for row in range(5)]
    assert uids == [b"e-1", b"odd-1", b"", b"", b"e-2"]
    assert rows.key[3] == hash_bytes(padded(b"a/b"), 0, 3, np.uint64(SEED))


# --- the grammar ------------------------------------------------------------------------------------------


def test_every_wanted_text_belongs_to_one_column():
    texts = sorted(
        node.path for number, node in enumerate(NODES) if packed(number) & 0xFF in (TEXT, TEXT + 1)
    )
    assert texts == sorted(path for paths in _CHAINS.values() for path in paths)
    assert len(NODES) < 256
    assert len(COLUMNS) < 256
    assert all(len(node.key) <= 16 for node in NODES)


def test_every_wanted_key_has_a_slot_of_its_own():
    numbers = [number for number, node in enumerate(NODES) if node.key]
    slots = program().slots
    assert sorted(slots[slots > 0].tolist()) == numbers


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_leaving_out_the_machine_never_changes_who_is_meant(name, domain, uid, host):
    whole = identity.IdentityResolver().user(name, domain=domain, sid=uid, host=host)
    short = identity.IdentityResolver().user(
        name, domain=domain, sid=uid, host=machine_of(name, domain, uid, host)
    )
    assert short == whole
