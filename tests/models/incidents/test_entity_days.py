"""A detector's own findings as alerts, and as one story."""

from __future__ import annotations

import numpy as np
import pytest

from features.baselines import Baselines
from models.channels import Channels
from models.days import Findings
from models.incidents.alert import checked, thing
from models.incidents.book import IncidentBook
from models.incidents.company import Company
from models.incidents.entity_days import alert_uid, of_entity_day
from models.incidents.story import describe
from serving.sinks import StoreSinks
from tests.activities import START_DAY, at, batch_of, event

STAFF = 20
DAY = START_DAY + 3


def world() -> tuple[Baselines, Channels, Company]:
    """Twenty people at their machines, all of them on the domain controller; on the last day user-3 comes to
    srv-9 from outside, and srv-9 asks for a new domain.
    """
    baselines = Baselines()
    told = []
    for day in range(4):
        for who in range(STAFF):
            mine = {"user": f"user-{who}", "src_ip": f"10.0.0.{who}"}
            told.append(event(at(day, 8.0 + who / 10), host=f"ws-{who}", **mine))
            told.append(event(at(day, 8.5 + who / 10), host="dc-1", dst="mail.example", **mine))
    told.append(event(at(3, 20.0), user="user-3", host="srv-9", src_ip="198.51.100.7"))
    told.append(event(at(3, 20.5), "traffic", host="srv-9", domain="files.example"))
    batch = batch_of(baselines, told)
    baselines.learn(batch)
    company = Company()
    company.learn(batch.time_us, batch.columns[:, -3:])
    return baselines, Channels(baselines.behaviours), company


def findings(baselines: Baselines, channels: Channels, *rows: tuple[str, str, str, str, float]) -> Findings:
    """Rows of (entity kind, entity, channel, value, hour)."""
    names = [channel.name for channel in channels.all]
    entity = [
        int(baselines.entities.find(("user", "host", "src_ip").index(kind), ids(baselines, who))[0])
        for kind, who, *_ in rows
    ]
    counts = np.tile([0.0, 40.0, 0.0, 10.0, 0.0, 200.0], (len(rows), 1))
    return Findings(
        np.array(entity, np.int64),
        np.full(len(rows), DAY, np.int64),
        np.array([names.index(channel) for _, _, channel, _, _ in rows], np.int64),
        np.array([ids(baselines, value)[0] for _, _, _, value, _ in rows], np.int64),
        np.full(len(rows), 8.0),
        np.full(len(rows), 5.0),
        counts,
        np.array([at(3, hour) for *_, hour in rows], np.int64),
    )


def ids(baselines: Baselines, name: str) -> np.ndarray:
    return baselines.values.intern_many([name]).astype(np.int32)


@pytest.fixture(scope="module")
def office():
    baselines, channels, company = world()
    found = findings(
        baselines,
        channels,
        ("user", "user-3", "user.host", "srv-9", 20.0),
        ("user", "user-3", "user.src_ip", "198.51.100.7", 20.0),
        ("user", "user-3", "user.lineage", "winword.exe > cmd.exe", 20.1),
        ("host", "srv-9", "host.lineage", "winword.exe > cmd.exe", 20.1),
        ("host", "srv-9", "host.domain", "files.example", 20.5),
        ("host", "srv-9", "host.dst", "10.9.9.9", 20.6),
        ("user", "user-5", "user.dst", "mail.example", 20.0),
        ("src_ip", "198.51.100.7", "src_ip.host", "srv-9", 20.0),
    )

    def alert(kind: str, name: str, risk: float = 9.0):
        number = ("user", "host", "src_ip").index(kind)
        entity = int(baselines.entities.find(number, ids(baselines, name))[0])
        assert entity > 0
        common = {"tenant": "acme", "day": DAY, "n_events": 3, "company": company}
        return of_entity_day(baselines, channels, found, entity=entity, risk=risk, **common)

    return alert


def test_findings_become_clues_with_words_and_things(office):
    alert = checked(office("user", "user-3"))
    assert alert.who == "user:user-3"
    by_channel = {clue.channel: clue for clue in alert.clues}
    assert set(by_channel) == {"user.host", "user.src_ip", "user.lineage"}
    assert by_channel["user.host"].things == (thing("host", "srv-9"),)
    assert by_channel["user.host"].says.startswith("used host srv-9: 0 of 40 events by this user")
    assert by_channel["user.host"].nats == 5.0
    assert (alert.first_us, alert.last_us) == (at(3, 20.0), at(3, 20.1))


def test_a_user_and_an_address_name_the_same_session_and_a_user_and_a_host_the_same_process_tree(office):
    user, address, host = (
        checked(office(*who)) for who in (("user", "user-3"), ("src_ip", "198.51.100.7"), ("host", "srv-9"))
    )
    session = thing("session", "user-3 from 198.51.100.7 on 2025-03-04")
    assert session in user.touched
    assert session in address.touched
    tree = thing("tree", "srv-9: winword.exe > cmd.exe")
    assert tree in {one for clue in user.clues for one in clue.things}
    assert tree in {one for clue in host.clues for one in clue.things}


def test_destinations_are_machines_addresses_or_internet_names(office):
    host = {one for clue in office("host", "srv-9").clues for one in clue.things}
    assert {thing("src_ip", "10.9.9.9"), thing("domain", "files.example")} <= host
    assert thing("domain", "mail.example") in office("user", "user-5").clues[0].things


def test_what_everybody_uses_has_a_large_share_and_what_few_use_a_small_one(office):
    shares = office("user", "user-3").shares
    assert shares[thing("host", "dc-1")] > 0.9
    assert shares[thing("host", "srv-9")] < 0.1
    assert shares[thing("host", "ws-3")] < 0.1


def test_linked_entity_days_are_one_story_and_others_are_not_glued_by_the_domain_controller(office):
    book = IncidentBook("acme")
    story = [("user", "user-3"), ("host", "srv-9"), ("src_ip", "198.51.100.7")]
    others = [("user", "user-5"), ("host", "ws-7"), ("user", "user-11")]
    alerts = [office(*who) for who in story + others]
    homes = book.take(alerts).homes
    assert len({homes[alert.uid] for alert in alerts[:3]}) == 1
    assert len({homes[alert.uid] for alert in alerts}) == 4
    told = describe(book.incidents[homes[alerts[0].uid]])
    assert told.scope.affected == {"host": ["srv-9"], "src_ip": ["198.51.100.7"], "user": ["user-3"]}
    assert {one.view for one in told.timeline} == {"identity", "endpoint", "network"}


def test_an_entity_day_that_no_finding_explains_is_an_alert_of_its_whole_day(office):
    alert = checked(office("host", "ws-7"))
    assert alert.clues == ()
    assert (alert.first_us, alert.last_us + 1) == (at(3, 0.0), at(4, 0.0))


def test_its_uid_is_the_id_of_the_stored_alert():
    row = {
        "entity_kind": "user",
        "entity": "user-3",
        "day": np.datetime64(DAY, "D").item(),
        "risk": 1.0,
        "n_events": 1,
        "reasons": [],
        "alerted_at": None,
        "entity_risk": 1.0,
    }
    assert StoreSinks._alert("acme", row, 0)["alert_id"] == alert_uid("acme", "user", "user-3", DAY)
