from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.protocols.syslog import BadStream, Framer, line_of

ONE = b"<34>1 2026-03-01T10:00:00Z web su - - - one"
TWO = b"<34>Mar  1 10:00:00 web su: two"


def counted(message: bytes) -> bytes:
    return b"%d %b" % (len(message), message)


@given(st.integers(1, 40), st.lists(st.booleans(), min_size=1, max_size=6))
def test_messages_are_the_same_however_the_stream_is_cut(step, counting):
    stream = b"".join(counted(ONE) if is_counted else TWO + b"\n" for is_counted in counting)
    framer = Framer()
    found = [line for at in range(0, len(stream), step) for line in framer.feed(stream[at : at + step])]
    assert found == [ONE if is_counted else TWO for is_counted in counting]


def test_a_line_that_begins_with_its_stamp_is_no_count():
    line = b"2026-03-01T10:00:00Z web su: one"
    assert Framer().feed(line + b"\n") == [line]


def test_a_count_over_the_limit_ends_the_connection():
    with pytest.raises(BadStream):
        Framer(limit=100).feed(b"101 <34>")


def test_of_a_line_without_an_end_the_beginning_is_kept_and_the_rest_dropped():
    framer = Framer(limit=10)
    lines = framer.feed(b"<1>" + b"x" * 50) + framer.feed(b"y" * 50 + b"\n<1>next\n")
    assert lines == [b"<1>xxxxxxx", b"<1>next"]
    assert framer.oversized == 1


def test_what_an_ended_connection_left_is_a_message():
    framer = Framer()
    assert framer.feed(b"<34>last words") == []
    assert framer.finish() == [b"<34>last words"]
    assert framer.finish() == []


@given(st.binary(max_size=200))
def test_a_message_is_one_line_of_valid_utf8_whatever_it_holds(message):
    line = line_of(message)
    assert b"\n" not in line
    assert b"\x1b" not in line
    line.decode()


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_a_stream_of_any_bytes_gives_lines_or_ends_the_connection(parts):
    framer = Framer(limit=50)
    try:
        for part in parts:
            assert all(b"\n" not in line for line in framer.feed(part))
    except BadStream:
        return
    assert len(framer._rest) <= 60
