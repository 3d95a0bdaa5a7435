"""What is fuzzed, and what has to hold whatever the bytes are: every decoder, and every parser of a protocol.

A target takes bytes and raises when something does not hold. Used by tools/fuzz.py for as long as one likes,
and by tests/serving/test_security_fuzz.py for a moment.
"""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING, Any

from features.errors import HabitusError, InputError, RecordError
from features.sources.registry import MODULES, decoder_class
from tools import fuzz_seeds

if TYPE_CHECKING:
    from collections.abc import Callable

    Target = Callable[[bytes], None]

PROTOCOLS = (
    "bulk",
    "hec",
    "hec-raw",
    "native",
    "otlp-json",
    "otlp-protobuf",
    "syslog-stream",
    "carrier",
    "limits",
    "gzip",
    "deflate",
    "zstd",
    "sniff",
    "key",
)
NAMES = (*(f"source-{name}" for name in MODULES), *PROTOCOLS)
NOW_US = 1_767_600_000_000_000
FRESH_EVERY = 500
"""Inputs after which a decoder starts with an empty memory: what it learned from others must not decide for
ever.
"""
LIMIT = 1 << 20
HOSTILE = (
    None,
    True,
    -1,
    0,
    10**30,
    -(10**30),
    1e308,
    "",
    "\x00\x1b[31m",
    "\ud800",
    "A" * 5_000,
    [],
    {},
    [[[]]],
    {"a": {"b": 1}},
    "-",
    "0",
    "NaN",
    "9999-12-31T23:59:59Z",
    "0000-00-00",
    "::1",
    "CORP\\ann",
    "@",
    "\\",
)


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with."""
    kind, _, source = name.partition("source-")
    return fuzz_seeds.of_protocol(kind) if kind else fuzz_seeds.of_source(source)


def target(name: str) -> Target:
    """A target by its name; InputError when there is none."""
    if name.startswith("source-") and name in NAMES:
        return _source(name.removeprefix("source-"))
    if name not in PROTOCOLS:
        raise InputError(f"{name!r} is no target: one of {', '.join(NAMES)}")
    return _PROTOCOL[name]


def _require(*, holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


# ------------------------------------------------------------------------------------------------------
# sources


def _source(source: str) -> Target:
    """Decode records alone and as a request: nothing but RecordError, and every record accounted for."""
    from features import bodies
    from features.bodies import Body
    from features.sources.base import SourceContext
    from models.detector import Detector

    decoder_type = decoder_class(source)
    kept: list[Any] = []
    inputs = itertools.count()

    def run(data: bytes) -> None:
        if next(inputs) % FRESH_EVERY == 0 or not kept:
            kept[:] = [Detector(key_seed=1).reader()]
        decoder = decoder_type(SourceContext(default_year=2026, modified_us=NOW_US))
        numbered = enumerate((line for line in data.split(b"\n") if line.strip()), 1)
        for _, record in decoder.frames(numbered):
            try:
                event = decoder.decode(record)
            except RecordError as error:
                _require(holds=bool(str(error)), what="a refusal without a reason")
                continue
            json.dumps(str(event))
        for hint in (source, "auto"):
            decoded = bodies.decode(kept[0], [Body(data, hint, None, NOW_US)])
            lengths = {len(decoded.uids), len(decoded.record), len(decoded.batch.time_us)}
            _require(holds=len(lengths) == 1, what=f"columns of different lengths: {lengths}")
            for aside in decoded.aside:
                _require(holds=bool(aside.reason), what="a record put aside without a reason")
            known = len(decoded.uids) + int(decoded.duplicate.sum()) + len(decoded.aside)
            received = int(decoded.received.sum())
            _require(holds=known == received, what=f"{received} records, {known} accounted for ({hint})")

    return run


# ----------------------------------------------------------------------------------------------------
# protocols


def _sound(framed: Any) -> None:
    from serving.protocols import framing
    from serving.submission import Protocol

    for record in framed.records:
        _require(holds=bool(record.strip()) and b"\n" not in record, what=f"no record: {record[:40]!r}")
    found = framing.parts(framed, "t", Protocol.BULK)
    placed = sorted(index for part in found for index in part.indices)
    _require(holds=placed == list(range(len(framed.records))), what="a record is lost, or there twice")
    for part in found:
        count = part.submission.body.count(b"\n") + 1
        _require(holds=count == len(part.indices), what="a submission of another number of lines")


def _bulk(data: bytes) -> None:
    from serving.protocols import bulk, carriers

    framed, items = bulk.frame(data)
    _sound(framed)
    carriers.unwrap(framed, {index for index, _ in framed.poison})
    _sound(framed)
    answered = json.loads(bulk.answer(items, 0, 0))
    _require(holds=len(answered["items"]) == len(items), what="an item is not answered")


def _hec(data: bytes) -> None:
    from serving.protocols import hec

    framed = hec.frame(data)
    _sound(framed)
    _require(holds=bool(framed.records) == bool(data.strip()), what="events are lost")


def _hec_raw(data: bytes) -> None:
    from serving.protocols import hec

    _sound(hec.frame_raw(data))


def _native(data: bytes) -> None:
    from serving.protocols import native

    try:
        framed = native.frame(data)
    except InputError:
        return
    _sound(framed)


def _otlp(data: bytes, *, is_json: bool) -> None:
    from serving.protocols import otlp

    try:
        framed = otlp.frame(data, is_json=is_json)
    except InputError:
        return
    _sound(framed)


def _syslog_stream(data: bytes) -> None:
    from serving.protocols.syslog import BadStream, Framer

    whole, cut = Framer(limit=256), Framer(limit=256)
    try:
        expected = whole.feed(data) + whole.finish()
    except BadStream:
        return
    step = 1 + len(data) // 7
    found = [
        line for at in range(0, len(data), step) for line in cut.feed(data[at : at + step])
    ] + cut.finish()
    for line in found:
        line.decode()
        _require(holds=b"\n" not in line and b"\x00" not in line, what="a control character in a line")
    if not whole.oversized:
        _require(holds=found == expected, what="messages depend on how the stream is cut")


def _carrier(data: bytes) -> None:
    from serving.protocols.carriers import line_in

    line = line_in(data)
    _require(holds=line is None or (bool(line.strip()) and b"\n" not in line), what="a forged line")


def _limits(data: bytes) -> None:
    from serving.protocols.limits import Limits

    Limits(depth=1, keys=1, string_bytes=3, record_bytes=100, tokens=10).broken_by(data)


def _decompressed(data: bytes, encoding: str) -> None:
    from serving.http.compression import decompressed

    try:
        plain = decompressed(data, encoding, LIMIT)
    except HabitusError:
        return
    _require(holds=len(plain) <= LIMIT, what="more than the limit")


def _sniff(data: bytes) -> None:
    from features import bodies

    found = bodies.source_of(data)
    _require(holds=found == "" or found in MODULES, what=f"an unknown source {found!r}")


def _key(data: bytes) -> None:
    from serving.http.request import Request

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    for header in (b"authorization", b"x-api-key"):
        scope = {"method": "GET", "path": "/", "headers": [(header, data)], "query_string": data}
        request = Request(scope, receive)
        secret = request.secret()
        _require(holds=len(secret) <= len(data), what="a key longer than its header")
        try:
            _ = request.query, request.media_type
        except HabitusError:
            continue


_PROTOCOL: dict[str, Target] = {
    "bulk": _bulk,
    "hec": _hec,
    "hec-raw": _hec_raw,
    "native": _native,
    "otlp-json": lambda data: _otlp(data, is_json=True),
    "otlp-protobuf": lambda data: _otlp(data, is_json=False),
    "syslog-stream": _syslog_stream,
    "carrier": _carrier,
    "limits": _limits,
    "gzip": lambda data: _decompressed(data, "gzip"),
    "deflate": lambda data: _decompressed(data, "deflate"),
    "zstd": lambda data: _decompressed(data, "zstd"),
    "sniff": _sniff,
    "key": _key,
}


# ------------------------------------------------------------------------------------- changing and
# minimising


def mutated(data: bytes, seed: int) -> bytes:
    """Another input from one: a value within a JSON record is replaced, or a piece of the dictionary
    comes in.
    """
    rng = random.Random(seed)  # noqa: S311 - the same seed has to give the same input
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    try:
        value = json.loads(lines[place]) if rng.random() < 0.7 else None
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict | list) and value:
        _replace(value, rng)
        lines[place] = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        return b"\n".join(lines)
    at = rng.randrange(len(data) + 1)
    cut = at + (rng.randrange(8) if rng.random() < 0.5 else 0)
    return data[:at] + rng.choice(fuzz_seeds.DICTIONARY) + data[cut:]


def _replace(value: dict[str, Any] | list[Any], rng: random.Random) -> None:
    where: Any = value
    while True:
        key = rng.choice(list(where) if isinstance(where, dict) else range(len(where)))
        if isinstance(where[key], dict | list) and where[key] and rng.random() < 0.7:
            where = where[key]
            continue
        if isinstance(where, dict) and rng.random() < 0.15:
            del where[key]
        else:
            where[key] = rng.choice(HOSTILE)
        return


def minimised(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The shortest input that still fails, by leaving out ever smaller pieces (ddmin, Zeller and
    Hildebrandt 2002).
    """
    size = max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
