"""Short cuts for plain names decide as the rules do, or leave the name to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features import identity, plain_names
from features.columns import Columniser
from features.enrich import GeoDatabase
from features.entities import Entities
from features.identity import IdentityResolver
from features.interner import StringTable
from features.rows import PARTS, RAW_COLUMNS, empty_rows

SID = "S-1-5-21-1004336348-1177238915-682003330-1104"
RESERVED = sorted(identity._NOT_SAID | identity._NOT_PEOPLE | identity._SYSTEM_DOMAINS | identity._NO_HOST)
GEO = GeoDatabase()

alphabet = st.sampled_from("abszAZS0159.-_@\\/$ :\u00e9\u0130\u212a\x1e")
words = st.one_of(
    st.text(alphabet, max_size=9),
    st.sampled_from(RESERVED),
    st.sampled_from(["alice", "Bob.7", "s-1", "dwm-1", "umfd-0", "a" * 62, "a" * 63, "a-b", "abcde-f", "x-"]),
).flatmap(lambda word: st.sampled_from([word, word.upper(), word.title()]))
sids = st.one_of(
    st.just(""),
    st.sampled_from(
        [SID, SID.lower(), "S-1-5-21-", "S-1-5-21-1", "S-1-5-21-12345678901", "S-1-5-18", "1000"]
    ),
    st.lists(st.integers(0, 10**10), max_size=16).map(lambda rest: "-".join(["S-1-5-21", *map(str, rest)])),
)
users = st.one_of(
    words,
    st.tuples(words, words, sids, st.one_of(st.just(""), words)).map(lambda parts: PARTS.join(["", *parts])),
    st.lists(st.one_of(words, sids), max_size=6).map(lambda parts: PARTS.join(["", *parts])),
)
hosts = st.one_of(words, st.lists(words, min_size=1, max_size=7).map(".".join))
octets = st.one_of(
    st.integers(0, 260).map(str), st.sampled_from(["", "00", "01", "10", "172", "192", "168", "1000"])
)
addresses = st.one_of(
    st.lists(octets, min_size=3, max_size=5).map(".".join),
    st.tuples(
        st.sampled_from(["10", "172", "192", "127"]), st.sampled_from(["16", "31", "32", "168"])
    ).flatmap(
        lambda begin: st.lists(octets, min_size=2, max_size=2).map(lambda end: ".".join([*begin, *end]))
    ),
    st.sampled_from(["10.0.0.1 ", "::ffff:10.0.0.1", "10.0.0.1:80", "10.1.2.3/32", "fe80::1%eth0"]),
)
texts = st.one_of(
    st.tuples(st.sampled_from(["user", "target_user"]), users),
    st.tuples(st.sampled_from(["host", "src_host"]), hosts),
    st.tuples(st.sampled_from(["src_ip", "dst_ip"]), addresses),
).filter(lambda pair: pair[1])


class Tenant:
    """A columniser with what it writes into; by the rules alone when `short_cuts` is false."""

    def __init__(self, *, short_cuts: bool) -> None:
        self.values = StringTable(room=1)
        self.entities = Entities((19, 16, 5))
        self.resolver = IdentityResolver()
        self.columniser = Columniser(self.values, self.entities, self.resolver, GEO)
        if not short_cuts:
            self.columniser._work.kinds[:] = 0

    def read(self, pairs: list[tuple[str, str]]) -> list[tuple[list[str], list[tuple[int, str]]]]:
        """Values and entities of every text, one row each."""
        memo = self.columniser.begin()
        rows = empty_rows(len(pairs))
        for row, (name, text) in enumerate(pairs):
            column = RAW_COLUMNS.index(name)
            rows.raw[row, column] = memo.intern_many([text], column)[0]
        columns = self.columniser.batch(rows).columns
        return [
            (
                self.values.many(row[:-3]),
                [
                    (int(self.entities.kind[i]), self.values[int(self.entities.name[i])])
                    for i in row[-3:]
                    if i
                ],
            )
            for row in columns
        ]


@settings(max_examples=300)
@given(st.lists(texts, min_size=1, max_size=40), st.integers(1, 3))
@example([("user", f"{PARTS}alice{PARTS}CORP{PARTS}{SID}{PARTS}"), ("user", SID)], 1)
@example(
    [("user", f"{PARTS}x@y.zz{PARTS}{PARTS}{SID}{PARTS}"), ("user", f"{PARTS}bob{PARTS}{PARTS}{SID}{PARTS}")],
    1,
)
@example(
    [("user", f"{PARTS}bob{PARTS}{PARTS}{SID}{PARTS}"), ("user", f"{PARTS}x@y.zz{PARTS}{PARTS}{SID}{PARTS}")],
    1,
)
def test_names_mean_the_same_with_and_without_short_cuts(pairs, pieces):
    ours, rules = Tenant(short_cuts=True), Tenant(short_cuts=False)
    for piece in range(pieces):
        part = pairs[piece::pieces]
        if part:
            assert ours.read(part) == rules.read(part)
    assert ours.resolver.sids == rules.resolver.sids
    assert (ours.resolver.conflicts, ours.resolver.dropped) == (
        rules.resolver.conflicts,
        rules.resolver.dropped,
    )


def outcome(column: str, text: str) -> int:
    memo, values = StringTable(), StringTable()
    ids = memo.intern_many([text], RAW_COLUMNS.index(column)).astype(np.int64)
    outcomes = np.zeros(1, np.int8)
    derived = np.zeros((2, 3), np.int32)
    reserved, work = plain_names.reserved_names(), plain_names.make_work()
    done = plain_names.reduce_plain(
        memo.arrays, ids, 0, reserved.arrays, values.arrays, work, derived, outcomes
    )
    assert done == 1
    return int(outcomes[0])


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("user", "alice"),
        ("target_user", f"{PARTS}Alice.7{PARTS}CORP{PARTS}{PARTS}"),
        ("host", "WS-12.corp.example"),
        ("src_host", "ws-12"),
        ("src_ip", "10.1.2.3"),
        ("dst_ip", "172.31.0.9"),
        ("dst_ip", "192.168.255.255"),
    ],
)
def test_plain_names_never_reach_the_rules(column, text):
    assert outcome(column, text) == plain_names.PLAIN


def test_a_plain_user_with_an_account_id_is_paired_with_it():
    assert outcome("user", f"{PARTS}alice{PARTS}CORP{PARTS}{SID}{PARTS}") == plain_names.PAIRED
    assert outcome("user", f"{PARTS}alice{PARTS}CORP{PARTS}{SID}{PARTS}WS-1") == plain_names.RULES


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_left_to_the_rules(name):
    for text in (name, name.upper(), f"{PARTS}alice{PARTS}{name}{PARTS}{PARTS}"):
        if text and not (text.startswith(PARTS) and not name):
            assert outcome("user", text) == plain_names.RULES
    if name:
        assert outcome("host", name) == plain_names.RULES


def test_a_growing_table_of_values_loses_nothing():
    ours, rules = Tenant(short_cuts=True), Tenant(short_cuts=False)
    pairs = [
        pair
        for number in range(3000)
        for pair in (
            ("user", f"person.{number}"),
            ("host", f"WS-{number}.corp.example"),
            ("src_ip", f"10.{number >> 8}.{number & 255}.7"),
        )
    ]
    assert ours.read(pairs) == rules.read(pairs)
    assert len(ours.values) == len(rules.values)
