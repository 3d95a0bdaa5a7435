"""Messages reach a real receiver at least once, under keys that never change, at the times asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from serving.audit import Deed
from serving.learned import Learned
from serving.notify import channels, outbox
from serving.notify.addresses import Network
from serving.notify.channels import Rules, Target
from serving.notify.sender import Deliverer, Sender
from serving.sinks import StoreSinks
from serving.store import tables
from serving.store.database import default_url, open_database
from serving.triage.words import Asked
from tests.serving.notify.receiver import receiving
from tests.serving.triage.triage_app import alert

WHO = Asked("acme", Deed("k1", "", "", "admin"))
NOON = 4_103_697_600_000_000
"""2100-01-15 12:00 UTC: later than any clock that a test runs by."""
SECOND, HOUR = 1_000_000, 3_600_000_000


class Clock:
    def __init__(self) -> None:
        self.now_us = NOON

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def store(tmp_path):
    database = open_database(default_url(tmp_path))
    yield database
    database.close()


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def clock():
    return Clock()


def sender(store, clock):
    return Sender(store, Deliverer(Network.parsed("127.0.0.0/8")), clock)


def channel(store, receiver, asked=WHO, **rules):
    return channels.create(
        store, asked, "webhook", "soc", Target(url=receiver.url), Rules(about="alerts", **rules)
    )


def raise_alerts(store, clock, *numbers, tenant="acme", risk=13.0):
    """As the engine does: through the sinks, alert and messages in one transaction."""
    sinks = StoreSinks(store, Learned(lambda name: Path("/nowhere") / name))
    for number in numbers:
        row = alert(tenant, number, risk=risk, reasons=json.dumps([f"reason {number}"]))
        sinks._alerts.append({**row, "alerted_us": None, "entity_risk": None})
    sinks.flush()
    fresh = tables.outbox.c.created_us < NOON  # written with the machine's own time
    with store.write() as connection:
        connection.execute(
            update(tables.outbox).where(fresh).values(created_us=clock.now_us, next_us=clock.now_us)
        )


def rows(store):
    with store.read() as connection:
        return [dict(row) for row in connection.execute(select(tables.outbox)).mappings()]


def ids(receiver):
    return [[one["finding_info"]["uid"] for one in body["alerts"]] for body in receiver.bodies]


def test_an_alert_is_sent_once_to_every_channel_of_its_tenant(store, receiver, clock):
    channel(store, receiver)
    channel(store, receiver)
    channel(store, receiver, WHO._replace(tenant="globex"))
    raise_alerts(store, clock, 1, 2)
    raise_alerts(store, clock, 2)  # looked at again: it is no news
    made = sender(store, clock)
    for _ in range(3):
        made.turn()
        clock.now_us += 60 * SECOND
    assert sorted(ids(receiver)) == [["acme-1"], ["acme-1"], ["acme-2"], ["acme-2"]]
    assert len(set(receiver.keys)) == 4
    assert {body["type"] for body in receiver.bodies} == {"alert.raised"}
    assert {body["alerts"][0]["metadata"]["tenant_uid"] for body in receiver.bodies} == {"acme"}
    assert made.numbers()["notifications_sent_total"] == 4


def test_what_is_not_written_with_the_alert_is_not_sent_and_the_other_way_round(store, receiver, clock):
    channel(store, receiver)
    with store.write() as connection:
        connection.execute(
            text("CREATE TRIGGER no BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END")
        )
    with pytest.raises(Exception, match="full"):
        raise_alerts(store, clock, 1)
    with store.read() as connection:
        assert connection.execute(select(tables.alerts.c.alert_id)).all() == []


def test_a_failing_receiver_is_asked_again_later_and_later_with_the_same_key(store, receiver, clock):
    channel(store, receiver)
    raise_alerts(store, clock, 1)
    receiver.answers = [503, "hang up", 500]
    made = sender(store, clock)
    pauses = []
    for _ in range(4):
        made.turn()
        (row,) = rows(store)
        pauses.append((row["next_us"] - clock.now_us) / SECOND)
        made.turn()
        clock.now_us = max(row["next_us"], clock.now_us)
    assert len(receiver.taken) == 4
    assert len(set(receiver.keys)) == 1
    assert 2.5 <= pauses[0] <= 5 <= pauses[1] <= 10 <= pauses[2] <= 20
    assert (row["attempts"], row["done_us"] is not None, row["error"]) == (4, True, "")
    assert made.numbers() == {
        "notifications_sent_total": 1,
        "notifications_failed_total": 3,
        "notifications_dead_total": 0,
        "notifications_waiting": 0,
    }


def test_what_never_arrives_is_given_up_and_can_be_tried_again(store, receiver, clock):
    made_channel = channel(store, receiver)
    raise_alerts(store, clock, 1)
    receiver.answers = [500] * outbox.MOST_ATTEMPTS
    made = sender(store, clock)
    for _ in range(outbox.MOST_ATTEMPTS + 5):
        made.turn()
        clock.now_us += 2 * HOUR
    (row,) = rows(store)
    assert len(receiver.taken) == outbox.MOST_ATTEMPTS
    assert row["dead_us"] is not None
    assert "500" in row["error"]
    assert made.numbers()["notifications_dead_total"] == 1
    with store.write() as connection:
        assert outbox.revive(connection, "globex", made_channel.channel_id, clock.now_us) == 0
        assert outbox.revive(connection, "acme", made_channel.channel_id, clock.now_us) == 1
    made.turn()
    assert rows(store)[0]["done_us"] is not None
    assert len(set(receiver.keys)) == 1


def test_one_receiver_that_is_down_does_not_hold_up_another(store, receiver, clock):
    with receiving() as dead:
        down = dead.url
    channels.create(store, WHO, "webhook", "", Target(url=down), Rules(about="alerts"))
    channel(store, receiver)
    raise_alerts(store, clock, 1, 2, 3)
    sender(store, clock).turn()
    assert len(receiver.taken) == 3


KILLED = textwrap.dedent("""
    import os, sys
    from serving.notify import outbox
    from serving.notify.addresses import Network
    from serving.notify.sender import Deliverer, Sender
    from serving.store.database import open_database

    url, now_us, point = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    database = open_database(url)
    deliver = Deliverer(Network.parsed("127.0.0.0/8"))

    def killed(*_):
        os._exit(9)

    def sent_then_killed(channel, parcel):
        deliver(channel, parcel)
        os._exit(9)

    if point == "before":
        deliver_or_die = killed
    elif point == "after":
        deliver_or_die = sent_then_killed
    else:
        deliver_or_die = deliver
    Sender(database, deliver_or_die, lambda: now_us).turn()
""")


def test_killed_between_sending_and_striking_off_it_sends_again_with_the_same_key(
    store, receiver, clock, tmp_path
):
    """P11: at least once, and once for a receiver that drops the keys it has seen."""
    channel(store, receiver, per_hour=3)
    raise_alerts(store, clock, *range(1, 9))
    url = default_url(tmp_path)
    for point in ("after", "before", "after", "after", "never", "never"):
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, url, str(clock.now_us), point],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
        )
        assert ended.returncode == (0 if point == "never" else 9), ended.stderr.decode()
        clock.now_us += 60 * SECOND
    taken: dict[str, list[str]] = {}
    for key, found in zip(receiver.keys, ids(receiver), strict=True):
        assert taken.setdefault(key, found) == found, "the same key must mean the same alerts"
    assert len(receiver.keys) > len(taken), "nothing was sent twice: the test kills at the wrong point"
    once = [one for found in taken.values() for one in found]
    assert sorted(once) == [f"acme-{number}" for number in range(1, 9)]
    assert all(row["done_us"] is not None for row in rows(store))


def test_what_was_sent_but_cannot_be_struck_off_is_not_sent_at_every_turn(store, receiver, clock):
    channel(store, receiver)
    raise_alerts(store, clock, 1)
    with store.write() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER no BEFORE UPDATE OF done_us ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END"
            )
        )
    made = sender(store, clock)
    for _ in range(10):
        made.turn()
        clock.now_us += SECOND
    assert len(receiver.taken) == 1
    clock.now_us += 30 * SECOND
    made.turn()
    assert len(receiver.taken) == 2
    assert len(set(receiver.keys)) == 1


def test_more_than_the_rate_comes_as_one_digest(store, receiver, clock):
    channel(store, receiver, per_hour=3, urgent_severity=6)
    raise_alerts(store, clock, *range(1, 11))
    made = sender(store, clock)
    made.turn()
    assert [len(found) for found in ids(receiver)] == [1, 1, 8]
    assert receiver.bodies[-1]["type"] == "digest"
    raise_alerts(store, clock, 20, 21)
    made.turn()
    assert len(receiver.taken) == 3, "the hour's messages are spent"
    clock.now_us += HOUR + SECOND
    made.turn()
    assert [len(found) for found in ids(receiver)] == [1, 1, 8, 2]


def test_what_is_urgent_goes_over_the_rate(store, receiver, clock):
    channel(store, receiver, per_hour=1, urgent_severity=5)
    raise_alerts(store, clock, 1, 2, 3, risk=1.0)
    made = sender(store, clock)
    made.turn()
    raise_alerts(store, clock, 4, risk=13.0)
    made.turn()
    assert [len(found) for found in ids(receiver)] == [3, 1]


def test_quiet_hours_hold_back_what_can_wait(store, receiver, clock):
    channel(store, receiver, quiet_from="18:00", quiet_to="08:00", time_zone="Europe/Berlin")
    clock.now_us = NOON + 8 * HOUR  # nine in the evening in Berlin
    raise_alerts(store, clock, 1, 2, risk=4.0)
    raise_alerts(store, clock, 3, risk=13.0)
    made = sender(store, clock)
    made.turn()
    assert ids(receiver) == [["acme-3"]]
    clock.now_us = NOON + 19 * HOUR - SECOND
    made.turn()
    assert len(receiver.taken) == 1
    clock.now_us += SECOND
    made.turn()
    assert [sorted(found) for found in ids(receiver)] == [["acme-3"], ["acme-1", "acme-2"]]


@pytest.mark.parametrize(
    ("hour", "first", "last", "ends"),
    [
        (23, "22:00", "06:00", 30),
        (3, "22:00", "06:00", 6),
        (12, "22:00", "06:00", None),
        (6, "22:00", "06:00", None),
        (12, "12:00", "13:30", 13.5),
        (12, "08:00", "08:00", None),
        (12, "", "", None),
    ],
)
def test_quiet_hours_may_go_past_midnight(hour, first, last, ends):
    midnight = NOON - 12 * HOUR
    found = Rules(quiet_from=first, quiet_to=last).quiet_until(midnight + hour * HOUR)
    assert found == (None if ends is None else midnight + round(ends * HOUR))


def test_quiet_hours_follow_the_clocks_of_summer(store):
    """At the change to summer time in Berlin on 2027-03-28 the night is an hour shorter."""
    evening = 1_806_181_200_000_000  # 2027-03-27 21:00 UTC, 22:00 in Berlin
    rules = Rules(quiet_from="22:00", quiet_to="07:00", time_zone="Europe/Berlin")
    assert rules.quiet_until(evening) == evening + 8 * HOUR


def test_only_what_is_severe_enough_is_written(store, receiver, clock):
    channel(store, receiver, min_severity=4)
    raise_alerts(store, clock, 1, risk=8.9)
    raise_alerts(store, clock, 2, risk=9.0)
    assert [json.loads(row["payload"])["alert"]["finding_info"]["uid"] for row in rows(store)] == ["acme-2"]


def test_a_removed_channel_gets_nothing_more_and_its_secret_is_gone(store, receiver, clock):
    made = channel(store, receiver)
    raise_alerts(store, clock, 1)
    channels.remove(store, WHO, made.channel_id)
    raise_alerts(store, clock, 2)
    sender(store, clock).turn()
    assert receiver.taken == []
    (row,) = rows(store)
    assert (row["dead_us"] is not None, row["error"]) == (True, "the channel was removed")
    with store.read() as connection:
        kept = connection.execute(select(tables.channels)).mappings().one()
    assert made.target.secret not in str(dict(kept))


def test_old_messages_are_forgotten_and_waiting_ones_are_not(store, receiver, clock):
    channel(store, receiver)
    with store.write() as connection:
        made = channels.of_tenant(connection, "acme")[0]
        for about, values in (("a", {"done_us": 1}), ("b", {"dead_us": 1}), ("c", {})):
            key = outbox.put(connection, made, about, "test", None, 1)
            if values:
                mine = tables.outbox.c.message_key == key
                connection.execute(update(tables.outbox).where(mine).values(values))
        outbox.forget(connection, NOON)
    assert len(rows(store)) == 1


def test_the_thread_sends_by_itself_and_stops(store, receiver):
    channel(store, receiver)
    sinks = StoreSinks(store, Learned(lambda name: Path("/nowhere") / name))
    sinks._alerts.append({**alert("acme", 1), "alerted_us": None, "entity_risk": None})
    sinks.flush()
    made = Sender(store, Deliverer(Network.parsed("127.0.0.0/8")))
    made.start()
    for _ in range(600):
        if made.numbers()["notifications_sent_total"]:
            break
        made._stopping.wait(0.05)
    made.stop()
    assert ids(receiver) == [["acme-1"]]
