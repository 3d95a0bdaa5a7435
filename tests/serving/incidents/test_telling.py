"""Messages about incidents: one each, brought up to date while it waits, another when it is graver."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from serving.audit import Deed
from serving.incidents import rows, telling
from serving.incidents.keeping import Incidents
from serving.notify import cef, channels, messages
from serving.notify.addresses import Network
from serving.notify.channels import Rules, Target
from serving.notify.sender import Deliverer, Sender
from serving.store import tables
from serving.store.database import default_url, open_database
from serving.triage.words import Asked
from tests.models.incidents.stories import intrusion
from tests.serving.notify.receiver import receiving

WHO = Asked("acme", Deed("k1", "", "", "admin"))
NOON = 4_103_697_600_000_000
SECOND = 1_000_000


@pytest.fixture
def store(tmp_path):
    database = open_database(default_url(tmp_path))
    yield database
    database.close()


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


class World:
    """A store, a tenant's incidents, and a sender by a clock of its own."""

    def __init__(self, store):
        self.store = store
        self.incidents = Incidents("acme")
        self.now_us = NOON
        self.sender = Sender(store, Deliverer(Network.parsed("127.0.0.0/8")), lambda: self.now_us)

    def take(self, *alerts):
        """Alerts come, and the transaction that the sinks make."""
        links = {one.uid: _link(one) for one in alerts}
        self.incidents._note(self.incidents.book.take(list(alerts)), links)
        self.write(self.incidents.news())

    def write(self, news):
        with self.store.write() as connection:
            fresh = rows.write(connection, "acme", news, self.now_us)
            telling.fill(connection, fresh, self.now_us)

    def send(self):
        self.sender.turn()
        self.now_us += SECOND


def _link(alert):
    from serving.incidents.keeping import Link

    return Link(alert.uid, alert.entity_kind, alert.entity, alert.first_us // 86_400_000_000, alert.risk)


def told(receiver):
    return [
        (
            body["type"],
            [one["metadata"]["uid"] for one in body["incidents"]],
            [one["severity_id"] for one in body["incidents"]],
        )
        for body in receiver.bodies
    ]


def test_an_incident_is_one_message_that_grows_while_it_waits(store, receiver):
    channels.create(store, WHO, "webhook", "soc", Target(url=receiver.url), Rules())
    world = World(store)
    alerts = intrusion()
    for alert in alerts:
        world.take(alert)
    world.send()
    world.send()
    ((kind, (key,), _),) = told(receiver)
    assert kind == "incident.opened"
    assert receiver.bodies[0]["incidents"][0]["unmapped"]["n_alerts"] == len(alerts)
    assert receiver.bodies[0]["alerts"] == []
    assert key == next(iter(world.incidents.book.incidents))


def test_what_was_sent_is_followed_only_when_it_is_graver(store, receiver):
    channels.create(store, WHO, "webhook", "soc", Target(url=receiver.url), Rules())
    world = World(store)
    alerts = intrusion()
    severities = []
    for place in range(len(alerts)):
        world.take(*alerts[: place + 1])
        (incident,) = world.incidents.book.incidents.values()
        severities.append(_severity(store, incident.incident_id))
        world.send()
    kinds = [kind for kind, _, _ in told(receiver)]
    rises = 1 + sum(later > max(severities[: place + 1]) for place, later in enumerate(severities[1:]))
    assert 1 < rises < len(alerts), "the story is no test of this"
    assert kinds == ["incident.opened"] + ["incident.updated"] * (rises - 1)
    assert len(set(receiver.keys)) == len(kinds)
    assert len({key for _, (key,), _ in told(receiver)}) == 1
    # told again, as after a crash: nothing new
    before = len(receiver.taken)
    world.take(*alerts)
    world.send()
    assert len(receiver.taken) == before


def _severity(store, key):
    c = tables.incidents.c
    with store.read() as connection:
        return connection.execute(select(c.severity_id).where(c.incident_id == key)).scalar()


def test_channels_choose_what_they_are_about_and_how_severe(store, receiver):
    channels.create(store, WHO, "webhook", "alerts", Target(url=receiver.url), Rules(about="alerts"))
    world = World(store)
    world.take(*intrusion())
    world.send()
    assert receiver.taken == []
    quiet = list(intrusion(day=12))
    channels.create(store, WHO, "webhook", "grave", Target(url=receiver.url), Rules(min_severity=5))
    world.take(*quiet[:1])
    world.send()
    grave = _severity(store, world.incidents.book.home(quiet[0].uid))
    assert len(receiver.taken) == (grave == 5)
    world.take(*quiet)
    world.send()
    assert [kind for kind, _, _ in told(receiver)] == ["incident.opened"], "first of its severity: it opens"


def test_a_merged_incident_answers_by_its_new_name_and_its_alerts_move(store):
    world = World(store)
    alerts = intrusion()
    world.take(alerts[0])
    world.take(alerts[-1])
    world.take(*alerts[1:-1])
    from serving.incidents import lookup

    keys = {one.incident_id for one in world.incidents.book.incidents.values()}
    with store.read() as connection:
        stored = dict(
            connection.execute(select(tables.incidents.c.incident_id, tables.incidents.c.merged_into)).all()
        )
        links = connection.execute(select(tables.incident_alerts.c.incident_id)).scalars().all()
    assert {key for key, into in stored.items() if not into} == keys
    assert len(links) == len(alerts)
    assert set(links) == keys
    for key, into in stored.items():
        assert lookup.show(store, "acme", key)["incident"]["metadata"]["uid"] == (into or key)


def test_people_and_syslog_read_of_an_incident(store):
    world = World(store)
    world.take(*intrusion())
    from serving.incidents import lookup

    (incident,) = lookup.find(store, "acme", lookup.Wanted()).incidents
    title, text = messages.text(messages.OPENED, "k", [incident])
    assert "new incident" in title
    assert incident["unmapped"]["incident_id"] in text
    line = cef.message(incident, "k", "1", 8192).decode()
    assert "|incident|" in line
    assert f"externalId={incident['unmapped']['incident_id']}" in line
    assert json.loads(messages.body(messages.OPENED, "k", [incident]))["type"] == "incident.opened"


def test_old_incidents_go_and_their_alerts_name_none(store):
    world = World(store)
    world.take(*intrusion())
    with store.write() as connection:
        rows.forget(connection, "globex", NOON)
        assert connection.execute(select(tables.incidents)).all()
        rows.forget(connection, "acme", NOON)
        for table in (tables.incidents, tables.incident_alerts):
            assert connection.execute(select(table)).all() == []


@pytest.mark.parametrize(
    ("states", "right"),
    [
        (["new", "new"], "new"),
        (["new", "closed"], "triaged"),
        (["contained", "closed"], "contained"),
        (["closed", "closed"], "closed"),
        (["in_progress", "new", "closed"], "in_progress"),
        (["triaged"], "triaged"),
    ],
)
def test_the_state_follows_from_those_of_the_alerts(states, right):
    assert rows.state_of(states) == right
