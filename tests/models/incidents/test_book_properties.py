"""Whatever comes in and is judged, in whatever order: nothing is lost, nothing is counted twice, and the
book can be written down at any moment.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from models.incidents.alert import thing
from models.incidents.book import IncidentBook
from models.incidents.incident import CLOSED, OPEN, VERDICT
from models.incidents.rules import Rules
from models.incidents.ties import things_of
from tests.models.incidents.stories import alert, at, clue

RULES = Rules(
    routine_nats=2.0, quiet_hours=20.0, merge_nats=3.0, most_open=6, most_closed=500, keep_days=500.0
)
NAMES = st.sampled_from("abcdef")


@st.composite
def alerts(draw, day: int):
    who = draw(st.sampled_from(["user", "host", "src_ip"])) + ":" + draw(NAMES)
    found = []
    for _ in range(draw(st.integers(0, 3))):
        name = draw(NAMES)
        when = at(day, draw(st.integers(0, 23)))
        found.append(clue("user.domain", when, name, names=[("domain", name)]))
    share = draw(st.sampled_from([0.001, 0.1, 1.0]))
    return alert(
        who,
        at(day, draw(st.integers(0, 23))),
        *found,
        uid=f"{day} {draw(st.integers(0, 30))}",
        source=draw(st.sampled_from(["habitus", "Wazuh"])),
        risk=draw(st.sampled_from([1.0, 6.0, 9.0])),
        shares={thing("domain", one.value): share for one in found},
    )


STEPS = st.integers(1, 6).flatmap(
    lambda days: st.tuples(
        *(
            st.tuples(st.lists(alerts(day), max_size=6), st.integers(0, 20), st.sampled_from([0, 1, 2, 5]))
            for day in range(days)
        )
    )
)


def judged(book: IncidentBook, place: int, verdict: int, day: int) -> None:
    if book.incidents:
        keys = sorted(book.incidents)
        book.judge(keys[place % len(keys)], verdict, at(day, 23.5))


def consistent(book: IncidentBook) -> None:
    for key, one in book.incidents.items():
        assert one.incident_id == key
        assert one.members or one.folded
        assert one.alerts >= len(one.members)
        assert {member.who for member in one.members.values()} <= set(one.parties)
        assert sum(one.sizes.values()) == len(one.things)
        reachable = not one.routine and (one.state == OPEN or one.closed_for == VERDICT)
        for name in one.things:
            assert (key in book._naming.get(name, {})) == reachable
        for member in one.members.values():
            assert set(things_of(member)) <= set(one.things)
            assert member.signatures() <= one.signs
    for into in book._aliases.values():
        assert into in book.incidents
    for key in book._naming.values():
        assert set(key) <= set(book.incidents)


@given(STEPS)
@settings(max_examples=60)
def test_every_alert_has_a_home_and_the_index_agrees_with_the_incidents(steps):
    book = IncidentBook("acme", RULES)
    keys: set[str] = set()
    for day, (batch, place, verdict) in enumerate(steps):
        taken = book.take(batch)
        assert set(taken.homes) == {one.uid for one in batch}
        assert all(home in book.incidents for home in taken.homes.values())
        keys |= set(book.incidents)
        judged(book, place, verdict, day)
        consistent(book)
        # old keys lead somewhere for as long as incidents are kept
        assert all(book.resolve(key) in book.incidents for key in keys)


@given(STEPS, st.randoms())
@settings(max_examples=40)
def test_neither_the_order_in_a_batch_nor_a_restart_changes_anything(steps, rng):
    straight, other = IncidentBook("acme", RULES), IncidentBook("acme", RULES)
    for day, (batch, place, verdict) in enumerate(steps):
        shuffled = batch.copy()
        rng.shuffle(shuffled)
        assert straight.take(batch) == other.take(shuffled)
        judged(straight, place, verdict, day)
        judged(other, place, verdict, day)
        assert other.export() == straight.export()
        other = IncidentBook.restored(other.export())


@given(STEPS)
@settings(max_examples=40)
def test_a_batch_that_comes_twice_opens_merges_and_reopens_nothing(steps):
    book = IncidentBook("acme", RULES)
    for batch, _, _ in steps:
        book.take(batch)
        latest = {one.uid: one for one in batch}
        if len(latest) < len(batch):
            continue
        before = {key: (one.alerts, one.events) for key, one in book.incidents.items() if one.state != CLOSED}
        taken = book.take(batch)
        assert [change for change in taken.changes if change.kind != "closed"] == []
        for key, counted in before.items():
            assert (book.incidents[key].alerts, book.incidents[key].events) == counted
