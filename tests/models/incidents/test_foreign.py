"""Alerts of other detectors: counted, not dropped, and everyday ones told from strange ones."""

from __future__ import annotations

import random

import pytest

from models.incidents.alert import thing
from models.incidents.book import IncidentBook
from models.incidents.foreign import FOREIGN_RULES, ForeignAlert, ForeignAlerts
from tests.models.incidents.stories import at

EVERYDAY = FOREIGN_RULES.routine_nats


def everyday(days: int, rule: str = "ClamAV update", host: str = "mail") -> list[ForeignAlert]:
    return [ForeignAlert(at(day, half / 2), rule, host, "Wazuh") for day in range(days) for half in range(48)]


def risk_of(source: ForeignAlerts, one: ForeignAlert) -> float:
    (found,) = source.take([one])
    return found.risk


def test_repeats_within_a_second_are_one_alert_with_a_count():
    many = [ForeignAlert(at(1, 1.0) + number * 1_000, "scan", "web", "Suricata") for number in range(500)]
    (found,) = ForeignAlerts().take(many)
    assert (found.count, found.clues[0].count) == (500, 500)
    assert found.first_us == at(1, 1.0)
    book = IncidentBook("acme")
    book.take([found])
    assert [one.events for one in book.incidents.values()] == [500]


def test_the_order_of_alerts_does_not_matter():
    alerts = everyday(2) + everyday(2, "IDS event", "web")
    shuffled = alerts.copy()
    random.Random(1).shuffle(shuffled)
    assert ForeignAlerts().take(shuffled) == ForeignAlerts().take(alerts)


def test_a_rule_that_fires_all_day_becomes_everyday_on_its_host():
    source = ForeignAlerts()
    first, *_, last = source.take(everyday(5))
    assert first.risk > EVERYDAY > last.risk


def test_a_new_rule_on_a_known_host_is_strange():
    source = ForeignAlerts()
    source.take(everyday(5))
    assert risk_of(source, ForeignAlert(at(5, 12.0), "web shell", "mail", "Wazuh")) > 6.0


def test_a_rule_that_fires_everywhere_is_less_of_a_surprise_on_one_more_host():
    source = ForeignAlerts()
    hosts = [f"ws-{number}" for number in range(6)]
    source.take([one for host in hosts for one in everyday(3, host=host)])
    widespread = risk_of(source, ForeignAlert(at(3, 12.0), "ClamAV update", "ws-new", "Wazuh"))
    unheard = risk_of(source, ForeignAlert(at(3, 12.1), "web shell", "ws-new", "Wazuh"))
    assert widespread < unheard - 2


def test_a_burst_does_not_make_its_own_rule_everyday():
    source = ForeignAlerts()
    source.take(everyday(5))
    burst = [ForeignAlert(at(5, 12.0) + second * 1_000_000, "404", "web", "Wazuh") for second in range(1_200)]
    found = source.take(burst)
    assert min(one.risk for one in found) == pytest.approx(max(one.risk for one in found), rel=0.01)


def test_what_was_learned_survives_an_alert_from_the_future():
    source = ForeignAlerts()
    source.take(everyday(5))
    future = ForeignAlert(at(4000, 0.0), "ClamAV update", "mail", "Wazuh")
    source.take([future], now_us=at(5, 0.0))
    assert risk_of(source, ForeignAlert(at(5, 0.5), "ClamAV update", "mail", "Wazuh")) < EVERYDAY


def test_addresses_users_and_techniques_of_the_detector_are_kept():
    one = ForeignAlert(at(1, 1.0), "brute force", "web", "Suricata", "198.51.100.7", "root", ("T1110",))
    (found,) = ForeignAlerts().take([one])
    assert set(found.clues[0].things) == {
        thing("rule", "brute force"),
        thing("src_ip", "198.51.100.7"),
        thing("user", "root"),
    }
    assert found.techniques == ("T1110",)


def test_an_attack_over_several_hosts_is_one_story_beside_everyday_alerts():
    rng = random.Random(3)
    noise = [one for host in ("mail", "web", "vpn", "dns") for one in everyday(5, host=host)]
    noise += [
        ForeignAlert(at(day, rng.random() * 24), f"odd {day} {place}", f"ws-{place}", "AMiner")
        for day in range(5)
        for place in range(2)
    ]
    attack = [
        ForeignAlert(at(4, 12.0), "scan", "vpn", "Suricata", "198.51.100.7"),
        ForeignAlert(at(4, 12.1), "web attack", "web", "Suricata", "198.51.100.7"),
        ForeignAlert(at(4, 12.2), "web shell", "web", "Wazuh"),
        ForeignAlert(at(4, 12.4), "sudo to root", "web", "Wazuh"),
    ]
    source = ForeignAlerts()
    book = IncidentBook("acme", FOREIGN_RULES)
    homes: dict[str, str] = {}
    alerts = source.take(noise + attack)
    for one in alerts:
        homes |= book.take([one]).homes
    strange = {one.clues[0].cause for one in attack_alerts(alerts)}
    assert strange == {"scan", "web attack", "web shell", "sudo to root"}
    where = {book.resolve(homes[one.uid]) for one in attack_alerts(alerts)}
    assert len(where) == 1
    (story,) = where
    assert len(book.incidents[story].members) == 4


def attack_alerts(alerts):
    return [
        one for one in alerts if one.clues[0].cause in {"scan", "web attack", "web shell", "sudo to root"}
    ]


def test_control_characters_of_a_foreign_rule_do_not_get_in():
    (found,) = ForeignAlerts().take([ForeignAlert(at(1, 1.0), "a\x1b[31m\udcff", "web\n", "x\x00")])
    assert found.entity.isprintable()
    assert found.clues[0].cause.isprintable()
    assert found.source.isprintable()
