"""What a request costs besides its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from hypothesis import given
from hypothesis import strategies as st

from features import bodies
from features.bodies import Body
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
