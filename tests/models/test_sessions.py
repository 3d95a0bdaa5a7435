"""Sessions: cutting a day by partner, counting, knowing partners, and finding the strange one."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.baselines import Baselines
from features.behaviours import BEHAVIOURS, COLUMN, VALUE_COLUMNS, WIDTH
from features.columns import Batch
from features.interner import StringTable
from models.channels import Channels
from models.engine import Evidence
from models.sessions import book, history
from models.sessions.history import Acquaintance
from models.sessions.scorer import LEAST
from models.sessions.sessions import Sessions
from models.sessions.views import COUNTS, DISTINCT, FRESH_DAYS, INSIDE, VIEWS, View, bits_of, partners

DAY_US = 86_400_000_000
CHANNELS = Channels(BEHAVIOURS)
BY_ZONE, BY_ADDRESS, BY_ACCOUNT, BY_DOMAIN, WHOLE = VIEWS
LOGON, LOGON_FAILED = "Authentication: logon succeeded", "Authentication: logon failed"


class Values(NamedTuple):
    """Baselines whose string table gives the texts of the tests their ids."""

    baselines: Baselines

    def __getitem__(self, text: str) -> int:
        return int(self.baselines.values.intern_many([text])[0]) if text else 0


@pytest.fixture
def values() -> Values:
    return Values(Baselines())


def events(values: Values, rows: list[dict[str, object]], day: int = 0) -> Batch:
    """A batch; a user's or host's entity id is its number, its value id that of its text."""
    columns = np.zeros((len(rows), WIDTH), np.int32)
    for index, row in enumerate(rows):
        for name, value in row.items():
            if name in COLUMN:
                columns[index, COLUMN[name]] = values[str(value)]
        columns[index, len(VALUE_COLUMNS)] = row.get("user_id", 0)
        columns[index, len(VALUE_COLUMNS) + 1] = row.get("host_id", 0)
    n = len(rows)
    return Batch(
        time_us=day * DAY_US + np.arange(n, dtype=np.int64),
        class_uid=np.full(n, 3002, np.int32),
        src_ip=columns[:, COLUMN["src_ip"]].copy(),
        columns=columns,
        bytes_in=np.array([row.get("bytes_in", 0) for row in rows], np.int64),
        bytes_out=np.zeros(n, np.int64),
    )


def scored(batch: Batch, found: list[tuple[int, int, int, float]] = ()) -> tuple[np.ndarray, Evidence]:  # type: ignore[assignment]
    """What everything shows for the first time, and findings (event, channel, value, gain)."""
    rows = np.array([f[0] for f in found], np.int64)
    gain = np.array([f[3] for f in found], np.float64)
    evidence = Evidence(
        row=rows,
        behaviour=np.array([f[1] for f in found], np.int16),
        entity=batch.columns[rows, len(VALUE_COLUMNS)] if len(rows) else np.zeros(0, np.int32),
        value=np.array([f[2] for f in found], np.int32),
        raw=gain,
        nats=gain + 3,
        gain=gain,
        counts=np.zeros((len(found), 6), np.float32),
    )
    return np.ones((len(batch.time_us), 3), np.uint8), evidence


def logon(user: int, address: str, country: str = "", net: str = "", **more: object) -> dict[str, object]:
    return {
        "user_id": user,
        "user": f"user{user}",
        "src_ip": address,
        "src_net": net or address.rpartition(".")[0],
        "src_country": country,
        "activity": LOGON,
        **more,
    }


def test_a_session_is_a_public_network_or_everything_inside(values: Values) -> None:
    batch = events(
        values,
        [
            logon(1, "10.0.0.1"),
            logon(1, "10.9.0.1"),
            logon(1, "203.0.113.9", "DE", "AS1 One"),
            logon(1, "203.0.113.77", "DE", "AS1 One"),
            {"user_id": 1, "activity": LOGON},
        ],
    )
    zone = partners(BY_ZONE, batch.columns)
    assert zone.tolist() == [INSIDE, INSIDE, zone[2], zone[2], 0]
    assert zone[2] == values["AS1 One"] + INSIDE
    assert partners(BY_ADDRESS, batch.columns)[2] != partners(BY_ADDRESS, batch.columns)[3]
    assert partners(WHOLE, batch.columns).tolist() == [INSIDE] * 5


def test_tallies_look_at_class_outcome_and_words() -> None:
    names = dict(zip(COUNTS, range(len(COUNTS)), strict=True))

    def counted(class_uid: int, text: str) -> set[str]:
        bits = bits_of(class_uid, text)
        return {name for name, index in names.items() if bits >> index & 1}

    assert counted(3002, LOGON_FAILED) == {"events", "failures", "sign-ins"}
    assert counted(6003, "API Activity: create succeeded") == {"events", "calls", "created"}
    # "recreate" is another word
    assert counted(6003, "API Activity: recreate succeeded") == {"events", "calls"}


def test_tables_grow_at_the_same_event_however_the_day_is_cut() -> None:
    values = Values(Baselines())
    whole = events(
        values,
        [
            {"user_id": 1, "src_ip": "10.0.0.1", "api": f"a{i}", **({"dst": f"d{i}"} if i < 100 else {})}
            for i in range(1_960)
        ],
    )

    def exported(n: int, cuts: list[int]) -> dict[str, bytes]:
        sessions = Sessions(values.baselines, CHANNELS)
        sessions.open_day(0)
        for first, last in itertools.pairwise([0, *cuts, n]):
            found = [(i // 2, 1, 1 + 2 * first + i, 2.0) for i in range(2 * (last - first))]
            sessions.add(whole.take(slice(first, last)), *scored(whole.take(slice(first, last)), found))
        return {name: array.tobytes() for name, array in sessions.export()[0].items()}

    # the last event of one of these makes the first table of distinct values too small, which shows at the
    # next event only; by then the findings have long outgrown theirs
    for n in range(1_940, 1_960):
        assert exported(n, []) == exported(n, [1_500]), n


ROW = st.tuples(
    st.integers(0, 3),  # user
    st.sampled_from(["", "10.0.0.1", "10.0.0.2", "203.0.113.1", "203.0.113.2", "198.51.100.7"]),
    st.sampled_from(["", "a", "b", "c"]),  # api
    st.booleans(),  # failed
    st.integers(0, 1000),  # bytes
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=60), cut=st.integers(0, 60))
def test_counts_are_those_of_a_plain_recount_wherever_the_stream_is_cut(
    rows: list[tuple[int, str, str, bool, int]], cut: int
) -> None:
    values = Values(Baselines())
    given_rows = [
        {
            "user_id": user,
            "src_ip": address,
            "api": api,
            "activity": LOGON_FAILED if failed else LOGON,
            "bytes_in": size,
        }
        for user, address, api, failed, size in rows
    ]
    batch = events(values, given_rows)
    sessions = Sessions(values.baselines, CHANNELS)
    sessions.open_day(0)
    for part in (slice(0, cut), slice(cut, None)):
        sessions.add(batch.take(part), *scored(batch.take(part)))
    table = sessions.table(VIEWS.index(BY_ADDRESS))
    expected: dict[tuple[int, int], dict[str, object]] = defaultdict(
        lambda: {"events": 0, "failures": 0, "bytes_in": 0, "api": set()}
    )
    for user, address, api, failed, size in rows:
        if user and address:
            session = expected[user, values[address] + INSIDE]
            session["events"] += 1  # type: ignore[operator]
            session["failures"] += failed  # type: ignore[operator]
            session["bytes_in"] += size  # type: ignore[operator]
            session["api"] |= {api} - {""}  # type: ignore[operator]
    got = {
        (int(entity), int(partner)): dict(zip(COUNTS, counts.tolist(), strict=True))
        for entity, partner, counts in zip(table.entity, table.partner, table.counts, strict=True)
    }
    assert got.keys() == expected.keys()
    for key, session in expected.items():
        assert got[key]["events"] == session["events"]
        assert got[key]["failures"] == session["failures"]
        assert got[key]["bytes_in"] == session["bytes_in"]
        assert got[key]["api"] == len(session["api"])  # type: ignore[arg-type]
        assert got[key]["first_user"] == session["events"]


def test_of_the_same_finding_the_strongest_counts_once_in_each_session(values: Values) -> None:
    batch = events(values, [logon(1, "10.0.0.1"), logon(1, "10.0.0.1"), logon(1, "10.0.0.2")])
    found = [(0, 1, 7, 2.0), (1, 1, 7, 5.0), (1, 1, 8, 1.0), (2, 1, 7, 3.0)]
    sessions = Sessions(values.baselines, CHANNELS)
    sessions.open_day(0)
    sessions.add(batch, *scored(batch, found))
    column = CHANNELS.column_of[1]
    by_address = sessions.table(VIEWS.index(BY_ADDRESS))
    assert by_address.evidence[:, column].tolist() == [6.0, 3.0]
    assert sessions.table(VIEWS.index(BY_ZONE)).evidence[:, column].tolist() == [6.0]


def test_only_events_of_the_open_day_belong_to_it(values: Values) -> None:
    batch = events(values, [logon(1, "10.0.0.1")] * 3)
    batch.time_us[:] = [DAY_US - 1, DAY_US, 2 * DAY_US]
    sessions = Sessions(values.baselines, CHANNELS)
    sessions.open_day(1)
    sessions.add(batch, *scored(batch, [(0, 1, 7, 2.0), (1, 1, 7, 4.0)]))
    table = sessions.table(0)
    assert table.counts[:, 0].tolist() == [1.0]
    assert table.evidence.sum() == 4.0


def test_partners_have_an_age_and_are_forgotten() -> None:
    met = Acquaintance()
    first, second = 5 << 32 | 1, 7 << 32 | 9
    met.meet(np.array([second, first]), 10)
    met.meet(np.array([first]), 12)
    age, days = met.of(np.array([first, second, 1]), 13)
    assert age.tolist() == [3, 3, 0]
    assert days.tolist() == [2, 1, 0]
    met.meet(np.array([first]), 10 + history.AGE_DAYS + 1)
    assert met.of(np.array([second]), 80)[1].tolist() == [0]
    assert met.of(np.array([first]), 80)[1].tolist() == [3]


def weeks(values: Values, days: int = 8, people: int = 20) -> Sessions:
    """Everybody works inside every day and from one home network; now and then from a new address."""
    sessions = Sessions(values.baselines, CHANNELS)
    rng = np.random.default_rng(1)
    for day in range(days):
        sessions.open_day(day)
        rows = []
        for user in range(1, people + 1):
            rows += [logon(user, "10.0.0.1", api=f"a{rng.integers(6)}") for _ in range(rng.integers(3, 9))]
            rows += [logon(user, f"203.0.113.{user}", "DE", "AS1 One") for _ in range(rng.integers(1, 4))]
            rows += [logon(user, f"198.51.{day}.{user}", "FR", "AS2 Two") for _ in range(rng.integers(1, 3))]
        batch = events(values, rows, day)
        sessions.add(batch, *scored(batch))
        sessions.close_day()
    sessions.refit()
    return sessions


def attack(values: Values, sessions: Sessions, day: int = 8) -> None:
    """A day on which user 3 does forty different things from a network that nobody knows."""
    sessions.open_day(day)
    rows = [logon(user, "10.0.0.1", api=f"a{k}") for user in range(1, 21) for k in range(5)]
    rows += [logon(3, "192.0.2.5", "BR", "AS9 Nine", api=f"odd{k}", activity=LOGON_FAILED) for k in range(40)]
    batch = events(values, rows, day)
    sessions.add(batch, *scored(batch))


def scores(sessions: Sessions, kinds: np.ndarray, entities: np.ndarray) -> np.ndarray:
    return sessions.scores(sessions.judged(kinds, entities), len(entities))


def test_a_strange_session_says_what_is_strange_about_it(values: Values) -> None:
    sessions = weeks(values)
    attack(values, sessions)
    users = np.arange(1, 21)
    said = sessions.remarks(sessions.judged(np.zeros(20, np.int8), users))
    assert max(said, key=lambda row: said[row].nats) == 2, "the third of twenty users"
    remark = said[2]
    assert remark.text.startswith("an unusual session from 192.0.2.5, new for this user: ")
    assert "40 sign-ins (usually 2)" in remark.text
    assert 3.0 < remark.nats <= 12.0
    assert f"; {remark.nats:.1f} nats, 1 in " in remark.text
    assert not any(not text.isprintable() for _, text in said.values())


def test_a_strange_session_stands_out_among_everybodys(values: Values) -> None:
    sessions = weeks(values)
    attack(values, sessions)
    users = np.arange(1, 21)
    nats = scores(sessions, np.zeros(20, np.int8), users)
    assert users[nats[:, 0].argmax()] == 3
    assert users[nats[:, 1].argmax()] == 3
    others = np.delete(nats, 2, axis=0)
    assert nats[2, 0] > others[:, 0].max() + 2
    # nobody else met anyone new
    assert (others[:, 1] == 0).all()
    again = scores(sessions, np.zeros(20, np.int8), users)
    assert np.array_equal(nats, again)


def test_a_look_says_the_same_whether_there_was_one_before_or_not(values: Values) -> None:
    sessions = weeks(values)
    attack(values, sessions)
    unseen = Sessions(values.baselines, CHANNELS)
    users, kinds = np.arange(1, 21), np.zeros(20, np.int8)
    first = scores(sessions, kinds[:9], users[:9])
    more = events(
        values,
        [logon(u, "203.0.113.7", "DE", "AS1 One", api=f"new{k}") for u in (3, 8) for k in range(25)],
        8,
    )
    sessions.add(more, *scored(more))
    unseen.restore(*sessions.export())
    now = scores(sessions, kinds, users)
    assert np.array_equal(now, scores(unseen, kinds, users))
    assert now[7, 0] > first[7, 0], "the eighth went on since the look before"


def test_nothing_is_said_before_there_is_a_past_or_where_no_view_looks(values: Values) -> None:
    sessions = Sessions(values.baselines, CHANNELS)
    attack(values, sessions)
    assert np.isnan(scores(sessions, np.zeros(1, np.int8), np.array([3]))).all()
    # a past of fewer sessions than needed says nothing either
    sessions.close_day()
    sessions.refit()
    sessions.open_day(9)
    assert LEAST > 21
    assert np.isnan(scores(sessions, np.zeros(1, np.int8), np.array([3]))).all()
    ready = weeks(values)
    attack(values, ready)
    assert np.isnan(scores(ready, np.array([2], np.int8), np.array([3]))[0, 1])


def test_a_restored_state_goes_on_as_if_nothing_had_happened(values: Values) -> None:
    sessions = weeks(values)
    attack(values, sessions)
    users, kinds = np.arange(1, 21), np.zeros(20, np.int8)
    other = Sessions(values.baselines, CHANNELS)
    other.restore(*sessions.export())
    assert np.array_equal(scores(other, kinds, users), scores(sessions, kinds, users))
    for each in (sessions, other):
        attack(values, each, day=each.today)
        each.close_day()
        each.refit()
        attack(values, each, day=9)
    assert np.array_equal(scores(other, kinds, users), scores(sessions, kinds, users))


def test_a_state_of_other_views_is_refused(values: Values) -> None:
    sessions = Sessions(values.baselines, CHANNELS)
    other = Sessions(values.baselines, CHANNELS, views=(View("mine", "user", "api"),))
    with pytest.raises(ValueError, match="mine"):
        sessions.restore(*other.export())


def test_ids_may_change_in_the_middle_of_a_day(values: Values) -> None:
    sessions = weeks(values)
    attack(values, sessions)
    users, kinds = np.arange(1, 21), np.zeros(20, np.int8)
    before = scores(sessions, kinds, users)
    held_entities, held_values = sessions.held_ids()
    assert set(users) <= set(held_entities.tolist())
    assert {values["192.0.2.5"], values["odd7"]} <= set(held_values.tolist())
    table = values.baselines.values
    texts = table.many(np.arange(1, len(table) + 1))
    renamed = StringTable()
    new_ids = np.zeros(len(texts) + 1, np.int32)
    new_ids[1:] = renamed.intern_many(list(reversed(texts)))[::-1]
    entities = np.zeros(100, np.int32)
    entities[1:50] = np.arange(1, 50) + 40
    values.baselines.values = renamed  # as Baselines.renumber does
    sessions.renumber(entities, new_ids)
    assert np.array_equal(scores(sessions, kinds, users + 40), before)
    # going on counts into the same sessions: the same values are not distinct anew
    sizes = [len(sessions.table(index).entity) for index in range(len(VIEWS))]
    distinct = sessions.table(0).counts[:, COUNTS.index(DISTINCT[0]) :].copy()
    failures = sessions.table(0).counts[:, COUNTS.index("failures")].sum()
    again = logon(43, "192.0.2.5", "BR", "AS9 Nine", api="odd3", activity=LOGON_FAILED)
    more = events(values, [again], day=8)
    sessions.add(more, *scored(more))
    # what an activity means is looked up under its new id
    assert sessions.table(0).counts[:, COUNTS.index("failures")].sum() == failures + 1
    assert [len(sessions.table(index).entity) for index in range(len(VIEWS))] == sizes
    after = sessions.table(0).counts[:, COUNTS.index(DISTINCT[0]) :]
    api = DISTINCT.index("api")
    assert np.array_equal(after[:, api], distinct[:, api])


def test_what_finds_no_room_is_counted(values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "ROW_LIMIT", 3)
    sessions = Sessions(values.baselines, CHANNELS, views=(BY_ADDRESS,))
    sessions.open_day(0)
    batch = events(values, [logon(1, f"10.0.0.{k}") for k in range(8)])
    sessions.add(batch, *scored(batch))
    assert len(sessions.table(0).entity) == 3
    assert sessions.dropped == 5


def test_the_account_view_belongs_to_hosts(values: Values) -> None:
    rows = [{"host_id": 5, "user": "a"}, {"host_id": 5, "user": "b"}, {"user": "a", "user_id": 1}]
    sessions = Sessions(values.baselines, CHANNELS)
    sessions.open_day(0)
    batch = events(values, rows)
    sessions.add(batch, *scored(batch))
    table = sessions.table(VIEWS.index(BY_ACCOUNT))
    assert table.entity.tolist() == [5, 5]
    assert len(sessions.table(VIEWS.index(BY_DOMAIN)).entity) == 0


@given(seed=st.integers(0, 20))
def test_what_is_kept_of_a_day_does_not_depend_on_ids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 50
    table = history.SessionTable(
        np.arange(n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.zeros(n, np.int32),
        rng.integers(0, 5, n).astype(np.int32),
        np.zeros(n, np.int32),
        rng.random((n, len(COUNTS))).astype(np.float32),
        rng.random((n, 3)).astype(np.float32),
    )
    renamed = table._replace(entity=table.entity[::-1].copy(), partner=table.partner + 99)
    assert np.array_equal(history.chosen(table, 10, 1), history.chosen(renamed, 10, 1))
    assert len(history.chosen(table, 10, 1)) == 10
    assert FRESH_DAYS < history.HISTORY_DAYS
