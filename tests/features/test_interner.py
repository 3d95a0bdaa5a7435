"""Strings and their ids, hostile strings first."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.interner import StringTable

HOSTILE = [
    "\x00",
    "\x00\x00",
    "a\x00b",
    "a\x00",
    "a",
    "\ud800",
    "x\udfffy",
    "\U0001f98a",
    "e\u0301",
    "\u00e9",
    "\u202egnp.exe",
    " ",
    "\x1f",
    "M" * 1_000_000,
    "M" * 999_999,
    "M" * 999_999 + "N",
    *("12345678" * 3)[:17].split("x"),
    *["abcdefgh"[:length] for length in range(1, 9)],
]


def readable(text: str) -> str:
    """What comes back: the text, lone surrogates replaced."""
    return text.encode("utf-8", "replace").decode()


def test_hostile_strings_come_back_as_they_went_in():
    table = StringTable(room=4)
    ids = table.intern_many(HOSTILE).tolist()
    assert table.many(ids) == [readable(text) for text in HOSTILE]
    distinct = {readable(text) for text in HOSTILE}
    assert len(set(ids)) == len(table) == len(distinct)
    assert [table.find(text) for text in HOSTILE] == ids
    assert table.intern_many(HOSTILE[::-1]).tolist() == ids[::-1]


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(codec=None), max_size=40), max_size=60), st.integers(1, 3))
def test_ids_count_from_one_in_order_of_arrival_and_equal_texts_share_one(texts, room):
    table, model = StringTable(room=room), {}
    for text in texts:
        key = readable(text)
        expected = model.setdefault(key, len(model) + 1) if key else 0
        if not key:
            model.pop("", None)
        assert table.intern(text) == expected
    assert len(table) == len(model)
    again = StringTable(room=room)
    assert again.intern_many(texts).tolist() == [model.get(readable(text), 0) for text in texts]


def test_the_empty_string_is_zero_and_takes_no_room():
    table = StringTable()
    assert table.intern("") == 0
    assert table.intern_many([]).tolist() == []
    assert table.intern_many(["", "x", ""]).tolist() == [0, 1, 0]
    assert table.find("") == 0
    assert table[0] == ""
    assert table[-1] == ""


def test_ids_stay_while_the_table_grows():
    table = StringTable(room=1)
    names = [f"name-{number}" * (1 + number % 5) for number in range(20_000)]
    ids = np.concatenate([table.intern_many(names[start : start + 777]) for start in range(0, 20_000, 777)])
    assert ids.tolist() == list(range(1, 20_001))
    assert table.many(ids) == names
    assert table.intern_many(names).tolist() == ids.tolist()
    assert table.nbytes < 100 * sum(map(len, names))


def test_name_spaces_are_apart():
    table = StringTable(room=1)
    by_space = {prefix: table.intern_many(["alice", "bob"], prefix).tolist() for prefix in (0, 1, 7, 255)}
    assert len({index for ids in by_space.values() for index in ids}) == 8
    for prefix, ids in by_space.items():
        assert table.intern_many(["alice", "bob"], prefix).tolist() == ids
        assert table.prefixed(ids)[0] == [prefix, prefix]
        assert table.many(ids) == ["alice", "bob"]


def test_looking_up_finds_the_plain_name_space_only():
    table = StringTable(room=1)
    for prefix in range(1, 256):
        table.intern_many([f"only elsewhere {number}" for number in range(40)], prefix)
    assert {table.find(f"only elsewhere {number}") for number in range(40)} == {0}
    table = StringTable()
    other = table.intern_many(["x"], 7)[0]
    table.arrays.slots[:] = table.arrays.slots.max()
    table.arrays.slots[0] = 0
    assert other == 1
    assert table.find("x") == 0, "also where a look-up passes the other one"


@given(st.lists(st.tuples(st.text(max_size=12), st.integers(0, 255)), max_size=40))
def test_an_exported_table_is_restored_as_it_was(entries):
    table = StringTable(room=2)
    ids = [int(table.intern_many([text], prefix)[0]) for text, prefix in entries]
    restored = StringTable.restored(*table.export())
    assert len(restored) == len(table)
    assert [int(restored.intern_many([text], prefix)[0]) for text, prefix in entries] == ids
    assert restored.intern("something new") == table.intern("something new")
    for new in range(3000):
        assert restored.intern(f"more {new}") == table.intern(f"more {new}") if new % 100 == 0 else True
    for left, right in zip(restored.export(), table.export(), strict=True):
        assert left.tolist() == right.tolist()


def test_an_exported_table_is_a_copy():
    table = StringTable()
    table.intern("before")
    blob, offsets = table.export()
    blob[:], offsets[:] = 0, 0
    assert table.find("before") == 1


@pytest.mark.parametrize("kept", [[], [1], [2, 4], [1, 2, 3, 4, 5]])
def test_compacting_keeps_the_chosen_strings_and_maps_their_ids(kept):
    table = StringTable()
    table.intern_many(["one", "two\x00", "three", "f\u00f6ur", "five"])
    keep = np.zeros(6, np.bool_)
    keep[kept] = True
    keep[0] = True
    smaller, renumbered = table.compacted(keep)
    assert len(smaller) == len(kept)
    assert renumbered[0] == 0
    for old in range(1, 6):
        assert smaller[int(renumbered[old])] == (table[old] if old in kept else "")


def test_texts_gathered_in_a_row_are_the_texts_of_the_ids():
    table = StringTable()
    ids = table.intern_many(["plain", "grün", "", "日本", "x" * 300])
    chosen = np.concatenate([ids[::-1], [0, 0], ids])
    offsets, content = table.gathered(chosen)
    texts = [content[a:b].tobytes().decode() for a, b in itertools.pairwise(offsets.tolist())]
    assert texts == table.many(chosen)
    assert table.gathered(np.zeros(0, np.int32))[0].tolist() == [0]
