"""One alert a story: what joins, what stays apart, what a verdict changes, and what is kept."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest

from features.errors import InputError, StateError
from models.incidents import incident as incident_module
from models.incidents.alert import thing
from models.incidents.book import IncidentBook
from models.incidents.incident import CLOSED, CROWDED, OPEN, QUIET
from models.incidents.rules import Rules
from tests.models.incidents.stories import DAY_US, alert, at, clue, intrusion

FALSE_POSITIVE, TRUE_POSITIVE, BENIGN = 1, 2, 5


def book(**rules) -> IncidentBook:
    return IncidentBook("acme", Rules(**rules))


def kinds(taken) -> list[str]:
    return [change.kind for change in taken.changes]


def only(one: IncidentBook):
    (found,) = one.incidents.values()
    return found


def linked(day: int, hour: float, who: str = "user:alice", domain: str = "files.example", **more):
    when = at(day, hour)
    more.setdefault("shares", {thing("domain", domain): 0.002})
    return alert(
        who, when, clue(f"{who.partition(':')[0]}.domain", when, domain, names=[("domain", domain)]), **more
    )


# ------------------------------------------------------------------------------------------------ what joins


def test_one_story_over_sign_in_endpoint_network_and_cloud_is_one_incident():
    one = book()
    taken = one.take(intrusion())
    assert len(one.incidents) == 1
    assert kinds(taken) == ["opened"]
    assert set(only(one).parties) == {"src_ip:198.51.100.7", "user:alice", "host:srv-17", "host:ws-4"}
    assert set(taken.homes.values()) == {only(one).incident_id}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
def test_the_order_within_a_batch_does_not_matter(order):
    straight, shuffled = book(), book()
    alerts = intrusion()
    straight.take(alerts)
    shuffled.take([alerts[place] for place in order])
    assert shuffled.export() == straight.export()


def test_the_same_story_alert_by_alert_is_the_same_incident():
    at_once, one_by_one = book(), book()
    at_once.take(intrusion())
    for one in intrusion():
        one_by_one.take([one])
    assert set(one_by_one.incidents) == set(at_once.incidents)
    assert set(only(one_by_one).parties) == set(only(at_once).parties)


def test_alerts_that_share_nothing_stay_apart():
    one = book()
    one.take([linked(10, 1.0), linked(10, 1.0, "user:bob", "other.example")])
    assert len(one.incidents) == 2


def test_a_machine_that_everybody_uses_does_not_glue_and_a_rare_one_does():
    def apart(share: float) -> int:
        one = book()
        for who in ("user:alice", "user:bob"):
            found = clue("user.host", at(10, 9.0), "dc-1", names=[("host", "dc-1")])
            one.take([alert(who, at(10, 9.0), found, shares={thing("host", "dc-1"): share})])
        return len(one.incidents)

    assert apart(0.9) == 2
    assert apart(0.01) == 1


def test_what_alerts_name_all_the_time_stops_gluing():
    # a scanner's address behind which everybody sits: nobody says how many use it, alerts have shown it
    nat = [("src_ip", "203.0.113.1")]
    one = book(quiet_hours=2.0)
    for day, hour in itertools.product(range(10), range(0, 24, 1)):
        who = f"user:u{day * 24 + hour}"
        one.take([alert(who, at(day, hour), clue("user.src_ip", at(day, hour), "203.0.113.1", names=nat))])
    late = [
        alert(who, at(10, 12.0), clue("user.src_ip", at(10, 12.0), "203.0.113.1", names=nat))
        for who in ("user:x", "user:y")
    ]
    homes = one.take(late).homes
    assert homes["user:x 20158"] != homes["user:y 20158"]


def test_the_same_cause_of_the_same_entity_is_one_incident_also_the_next_day():
    one = book()
    first = one.take([linked(10, 9.0, shares={"user:alice": 1.0, "domain:files.example": 1.0})])
    second = one.take([linked(11, 9.0, shares={"user:alice": 1.0, "domain:files.example": 1.0})])
    assert kinds(first) == ["opened"]
    assert kinds(second) == ["updated"]
    assert len(one.incidents) == 1


def test_something_else_of_an_entity_long_after_is_another_incident():
    one = book()
    one.take([linked(10, 9.0)])
    taken = one.take([linked(14, 9.0, domain="other.example")])
    assert "opened" in kinds(taken)
    assert len(one.incidents) == 2


def test_an_alert_that_is_tied_to_two_incidents_makes_them_one_and_old_keys_lead_there():
    one = book()
    one.take([linked(10, 1.0), linked(10, 1.2, "host:srv-1", "drop.example")])
    first, second = sorted(one.incidents.values(), key=lambda found: found.first_us)
    when = at(10, 1.4)
    bridge = alert(
        "user:bob",
        when,
        clue("user.domain", when, "files.example", names=[("domain", "files.example")]),
        clue("user.domain", when, "drop.example", names=[("domain", "drop.example")]),
    )
    taken = one.take([bridge])
    assert sorted(kinds(taken)) == ["merged", "updated"]
    (merged,) = (change for change in taken.changes if change.kind == "merged")
    assert (merged.incident_id, merged.into) == (second.incident_id, first.incident_id)
    assert one.resolve(second.incident_id) == one.resolve(first.incident_id) == first.incident_id
    assert len(only(one).members) == 3
    assert only(one).alerts == 3
    assert one.home("host:srv-1 20158") == first.incident_id


def test_keys_stay_resolvable_over_a_chain_of_merges():
    one = book(merge_nats=3.0)
    domains = [f"d{number}.example" for number in range(6)]
    one.take(
        [linked(10, 1.0 + number / 10, f"user:u{number}", domain) for number, domain in enumerate(domains)]
    )
    keys = list(one.incidents)
    assert len(keys) == 6
    for number in reversed(range(5)):
        when = at(10, 2.0)
        found = [
            clue("host.domain", when, name, names=[("domain", name)]) for name in domains[number : number + 2]
        ]
        one.take([alert(f"host:h{number}", when, *found)])
    assert len(one.incidents) == 1
    assert {one.resolve(key) for key in keys} == set(one.incidents)


# ------------------------------------------------------------------------------------- updates, not repeats


def test_an_alert_that_comes_again_unchanged_says_nothing():
    one = book()
    one.take(intrusion())
    state = one.export()
    for again in intrusion():
        assert one.take([again]).changes == []
    assert one.export() != b""
    found = only(one)
    assert found.alerts == 4
    assert msgspec.json.decode(state)["incidents"] == msgspec.json.decode(one.export())["incidents"]


def test_an_alert_that_says_more_updates_its_incident_under_the_same_key():
    one = book()
    one.take([linked(10, 9.0)])
    key = only(one).incident_id
    when = at(10, 12.0)
    more = alert(
        "user:alice",
        at(10, 9.0),
        clue("user.domain", at(10, 9.0), "files.example", names=[("domain", "files.example")]),
        clue("user.host", when, "srv-17", names=[("host", "srv-17")]),
        risk=11.0,
    )
    assert one.take([more]).changes == [("updated", key, "")]
    assert only(one).alerts == 1
    assert only(one).risk == 11.0
    assert len(only(one).evidence()) == 2


def test_of_one_alert_twice_in_a_batch_the_later_version_counts_in_any_order():
    early = linked(10, 9.0, uid="a", risk=5.0)
    late = linked(10, 9.0, uid="a", risk=9.0)
    for batch in ([early, late], [late, early]):
        one = book()
        one.take(batch)
        assert only(one).members["a"].risk == 9.0


# -------------------------------------------------------------------------------------------------- closing


def test_an_incident_closes_when_nothing_comes_for_a_while():
    one = book(quiet_hours=24.0)
    one.take([linked(10, 9.0)])
    assert one.sweep(at(11, 8.0)) == []
    assert [change.kind for change in one.sweep(at(11, 10.0))] == ["closed"]
    assert (only(one).state, only(one).closed_for) == (CLOSED, QUIET)
    assert kinds(one.take([linked(12, 9.0)])) == ["opened"]


def test_an_alert_from_the_future_closes_nothing_when_the_time_is_given():
    one = book()
    one.take([linked(10, 9.0)], now_us=at(10, 9.0))
    one.take([linked(4000, 9.0, "user:bob", "other.example")], now_us=at(10, 9.5))
    assert kinds(one.take([linked(10, 10.0, "host:srv-1")], now_us=at(10, 10.0))) == ["updated"]


def test_an_incident_does_not_grow_for_ever():
    one = book(most_days=3.0)
    for day in range(8):
        one.take([linked(day, 9.0)])
    assert len(one.incidents) > 1
    assert max(found.last_us - found.first_us for found in one.incidents.values()) <= 3 * DAY_US


def test_repeats_of_what_was_judged_harmless_are_counted_and_open_nothing():
    one = book()
    one.take([linked(10, 9.0)])
    key = only(one).incident_id
    one.judge(key, BENIGN, at(10, 10.0))
    assert one.take([linked(11, 9.0)]).changes == [("recurred", key, "")]
    assert one.take([linked(11, 9.0)]).changes == []
    assert one.take([linked(12, 9.0)]).homes == {"user:alice 20160": key}
    assert (only(one).recurrences, only(one).alerts, only(one).state) == (2, 1, CLOSED)


def test_a_harmless_incident_swallows_neither_new_things_nor_other_entities_nor_louder_repeats():
    for new in (
        linked(10, 11.0, domain="other.example", uid="new"),
        linked(10, 11.0, "host:srv-1"),
        linked(11, 9.0, risk=10.5),
    ):
        one = book()
        one.take([linked(10, 9.0)])
        key = only(one).incident_id
        one.judge(key, FALSE_POSITIVE, at(10, 10.0))
        taken = one.take([new])
        assert kinds(taken) == ["opened"]
        fresh = one.incidents[taken.changes[0].incident_id]
        assert fresh.related == [key]
        assert one.incidents[key].state == CLOSED
        assert list(one.incidents[key].members) == ["user:alice 20158"]


def test_an_alert_that_grows_after_it_was_judged_harmless_becomes_a_story_of_its_own():
    one = book()
    one.take([linked(10, 9.0)])
    key = only(one).incident_id
    one.judge(key, BENIGN, at(10, 10.0))
    grown = alert(
        "user:alice", at(10, 9.0), clue("user.host", at(10, 11.0), "srv-17", names=[("host", "srv-17")])
    )
    taken = one.take([grown])
    assert kinds(taken) == ["opened"]
    assert one.incidents[key].state == CLOSED
    assert one.incidents[taken.changes[0].incident_id].related == [key]
    assert one.home(grown.uid) == taken.changes[0].incident_id != key


def test_a_confirmed_incident_opens_again_when_the_attacker_is_back():
    one = book()
    one.take([linked(10, 9.0)])
    key = only(one).incident_id
    one.judge(key, TRUE_POSITIVE, at(10, 10.0))
    taken = one.take([linked(10, 12.0, "host:srv-1")])
    assert taken.changes == [("reopened", key, "")]
    assert (only(one).state, only(one).verdict_id) == (OPEN, 0)
    assert len(only(one).parties) == 2


def test_an_incident_that_fell_quiet_before_it_was_confirmed_opens_again_too():
    one = book(quiet_hours=1.0)
    one.take([linked(10, 9.0)])
    one.sweep(at(10, 11.0))
    key = only(one).incident_id
    one.judge(key, TRUE_POSITIVE, at(10, 11.5))
    assert one.take([linked(10, 12.0, "host:srv-1")]).changes == [("reopened", key, "")]


def test_long_after_its_verdict_an_incident_stays_closed():
    one = book(reopen_days=2.0)
    one.take([linked(10, 9.0)])
    one.judge(only(one).incident_id, TRUE_POSITIVE, at(10, 10.0))
    assert kinds(one.take([linked(13, 12.0)])) == ["opened"]


def test_a_verdict_can_be_taken_back():
    one = book()
    one.take([linked(10, 9.0)])
    key = only(one).incident_id
    one.judge(key, BENIGN, at(10, 10.0))
    assert one.judge(key, 0, at(10, 11.0)).kind == "reopened"
    assert kinds(one.take([linked(10, 11.5, "host:srv-1")])) == ["updated"]


def test_verdicts_on_unknown_incidents_and_unknown_verdicts_are_refused():
    one = book()
    with pytest.raises(StateError, match="look it up in the store"):
        one.judge("f" * 24, BENIGN, 0)
    one.take([linked(10, 9.0)])
    with pytest.raises(InputError, match="0 to 10 or 99"):
        one.judge(only(one).incident_id, 11, 0)


# ------------------------------------------------------------------------------------------- everyday alerts


def test_everyday_alerts_are_kept_by_entity_and_day_and_never_merge_with_a_story():
    one = book(routine_nats=4.0)
    everyday = [
        linked(10, hour, "host:mail", uid=f"r{hour}", risk=1.0, source="Wazuh") for hour in range(1, 20)
    ]
    one.take(everyday)
    one.take([linked(10, 9.0, "host:mail", uid="strange", risk=9.0, source="Wazuh")])
    routine = [found for found in one.incidents.values() if found.routine]
    assert [found.alerts for found in routine] == [19]
    assert len(one.incidents) == 2


def test_an_alert_of_our_own_is_never_everyday():
    one = book(routine_nats=4.0)
    one.take([linked(10, 9.0, risk=1.0)])
    assert not only(one).routine


def test_an_alert_that_outgrows_the_everyday_gets_an_incident_of_its_own():
    one = book(routine_nats=4.0)
    one.take([linked(10, 9.0, uid="a", risk=1.0, source="Wazuh")])
    assert kinds(one.take([linked(10, 9.0, uid="a", risk=9.0, source="Wazuh")])) == ["opened"]
    assert not one.find(one.home("a")).routine


# ------------------------------------------------------------------------------------------- bounds and state


def test_thousands_of_alerts_of_one_incident_take_bounded_room_and_keep_their_counts():
    one = book()
    many = [linked(10, 9.0 + number / 3600, uid=f"u{number}", count=3) for number in range(1_500)]
    one.take(many)
    found = only(one)
    assert len(found.members) <= incident_module.MOST_MEMBERS
    assert (found.alerts, found.events) == (1_500, 4_500)
    assert found.evidence()[0].count == 1_500
    assert len(msgspec.json.decode(one.export())["homes"]) <= incident_module.MOST_MEMBERS


def test_a_flood_of_different_things_in_one_incident_is_bounded_and_counted():
    one = book()
    for number in range(60):
        found = [
            clue("user.file", at(10, 9.0), f"f{number}-{place}", names=[("file", f"f{number}-{place}")])
            for place in range(60)
        ]
        one.take([alert("user:alice", at(10, 9.0), *found, uid=f"u{number}", risk=9.0)])
    kept = max(one.incidents.values(), key=lambda one: one.alerts)
    assert len(kept.things) <= incident_module.MOST_INCIDENT_THINGS
    assert kept.dropped > 0


def test_too_many_open_incidents_close_the_quietest_first_and_say_so():
    one = book(most_open=5, most_closed=4)
    alerts = [linked(10, 1.0 + number / 100, f"user:u{number}", f"d{number}.example") for number in range(12)]
    one.take(alerts)
    open_ones = [found for found in one.incidents.values() if found.state == OPEN]
    assert {next(iter(found.parties)) for found in open_ones} == {
        f"user:u{number}" for number in range(7, 12)
    }
    closed = [found for found in one.incidents.values() if found.state == CLOSED]
    assert {found.closed_for for found in closed} == {CROWDED}
    assert len(closed) == 4
    assert one.crowded_out == 7 + 3


def test_closed_incidents_are_dropped_after_their_days_with_all_their_keys():
    one = book(keep_days=5.0)
    one.take(intrusion(10))
    key = only(one).incident_id
    one.sweep(at(12, 12.0))
    one.sweep(at(17, 13.0))
    assert one.find(key) is None
    state = msgspec.json.decode(one.export())
    assert state["homes"] == state["aliases"] == {}
    assert one._naming == {}


def test_a_restored_book_goes_on_as_if_it_had_never_stopped():
    rng = random.Random(5)
    straight, stopped = book(quiet_hours=12.0), book(quiet_hours=12.0)
    for day in range(6):
        names = [(f"user:u{rng.randrange(6)}", f"d{rng.randrange(4)}.example") for _ in range(8)]
        batch = [
            linked(day, rng.random() * 23, who, domain, uid=f"{day} {place}")
            for place, (who, domain) in enumerate(names)
        ]
        if day == 3:
            for one in (straight, stopped):
                key = min(one.incidents)
                one.judge(key, BENIGN, at(day, 0.0))
        assert straight.take(batch) == stopped.take(batch)
        stopped = IncidentBook.restored(stopped.export())
        assert stopped.export() == straight.export()


def test_a_damaged_or_foreign_state_is_refused():
    one = book()
    one.take(intrusion())
    state = one.export()
    with pytest.raises(StateError, match="damaged"):
        IncidentBook.restored(state[:-20])
    with pytest.raises(StateError, match="damaged"):
        IncidentBook.restored(b"[]")
    with pytest.raises(StateError, match="version 99"):
        IncidentBook.restored(state.replace(b'"version":1', b'"version":99'))


@pytest.mark.parametrize(
    "bad",
    [
        {"uid": ""},
        {"risk": float("nan")},
        {"risk": -1.0},
        {"weight": 0.0},
        {"first_us": 5, "last_us": 4},
        {"first_us": -5},
        {"shares": {"host:x": 1.5}},
        {"touched": tuple(f"host:h{number}" for number in range(99))},
    ],
)
def test_an_alert_that_cannot_be_used_is_refused_and_nothing_of_its_batch_is_taken(bad):
    one = book()
    broken = msgspec.structs.replace(linked(10, 9.0, "user:bob"), **bad)
    with pytest.raises(InputError):
        one.take([linked(10, 9.0), broken])
    assert one.incidents == {}


def test_things_of_unknown_kinds_and_bad_rules_are_refused():
    with pytest.raises(InputError, match="is no kind of thing"):
        thing("planet", "mars")
    with pytest.raises(InputError, match="is no thing"):
        book().take(
            [
                alert(
                    "user:alice", at(1, 1.0), msgspec.structs.replace(clue("x", at(1, 1.0)), things=("mars",))
                )
            ]
        )
    with pytest.raises(InputError, match="merge_nats"):
        Rules(join_nats=5.0, merge_nats=4.0)
    with pytest.raises(InputError, match="above 0"):
        Rules(quiet_hours=0.0)
