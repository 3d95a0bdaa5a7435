"""What an analyst reads: title, story, timeline and scope, from findings alone."""

from __future__ import annotations

import msgspec
import pytest

from models.incidents.alert import clean, thing
from models.incidents.book import IncidentBook
from models.incidents.rules import Rules
from models.incidents.story import MOST_NAMED, MOST_TITLE, Description, describe
from tests.models.incidents.stories import alert, at, clue, intrusion

NASTY = "evil\x1b[31m\r\n\u202egnp.exe\x00\u200b\ud800<b>&amp;"


def incident(alerts, **rules):
    book = IncidentBook("acme", Rules(**rules))
    book.take(alerts)
    (one,) = book.incidents.values()
    return one


@pytest.fixture(scope="module")
def told() -> Description:
    return describe(incident(intrusion()))


def test_the_title_names_the_leading_entity_and_its_strongest_evidence(told):
    assert (
        told.title
        == "user alice: used host srv-17; host ws-4 sent 4.2 GB to files.example in a day and 2 more"
    )


def test_the_story_tells_when_who_what_and_why_it_is_one(told):
    when, what, ties, techniques = told.story
    assert when == (
        "From 2025-03-11 01:00 to 2025-03-11 03:00 UTC, 4 alerts tell one story of user alice, "
        "2 hosts (srv-17, ws-4) and address 198.51.100.7: risk 15.0 nats, severity critical."
    )
    assert "2025-03-11 01:00 address 198.51.100.7 had 40 failures in an hour: usually 0; 6.0 nats" in what
    assert "01:30 user alice used host srv-17: 0 of 412 events by this user; 8.0 nats, 1 in 3,000." in what
    assert ties.startswith("What ties it together: ")
    assert "host ws-4 by domain files.example (by chance 1 in " in ties
    assert "Additional Cloud Credentials (T1098.001, Persistence)" in techniques


def test_the_timeline_goes_by_time_over_all_views(told):
    assert [one.first_us for one in told.timeline] == sorted(one.first_us for one in told.timeline)
    assert {one.view for one in told.timeline} == {"identity", "endpoint", "network", "cloud"}
    assert len(told.timeline) == 7


def test_the_scope_has_whom_alerts_are_about_and_what_they_name(told):
    assert told.scope.affected == {
        "host": ["srv-17", "ws-4"],
        "src_ip": ["198.51.100.7"],
        "user": ["alice"],
    }
    assert told.scope.touched["domain"] == ["files.example"]
    assert told.scope.numbers["host"] == 2
    # a session is how things were linked, not what was odd
    assert "session" not in told.scope.numbers


def test_next_steps_are_those_of_the_strongest_evidence(told):
    assert [one.name for one in told.next_steps] == ["new machine", "large transfer", "failed logons"]


def test_nothing_that_steers_a_terminal_gets_into_any_text():
    nasty = alert(
        f"user:{NASTY}",
        at(1, 1.0),
        clue(
            "user.process", at(1, 1.0), NASTY, names=[("process", NASTY)], says=f"ran {NASTY}: 0 of 1; 5 nats"
        ),
        touched=(thing("host", NASTY),),
    )
    encoded = msgspec.json.encode(describe(incident([nasty]))).decode()
    assert encoded.isprintable()
    assert "\\u0000" not in encoded
    # escaping is the business of whoever writes HTML
    assert "<b>&amp;" in encoded


def test_a_title_is_one_bounded_line():
    long = alert(
        "user:" + "a" * 500, at(1, 1.0), clue("user.host", at(1, 1.0), "h" * 500, says="used " + "h" * 900)
    )
    title = describe(incident([long])).title
    assert len(title) <= MOST_TITLE
    assert "\n" not in title


def test_a_finding_that_comes_again_is_told_as_the_reason():
    shares = {"user:alice": 1.0, "host:srv-17": 1.0}
    days = [
        alert("user:alice", at(day, 1.0), clue("user.host", at(day, 1.0), "srv-17"), shares=shares)
        for day in (1, 2)
    ]
    assert "user alice by the same finding again." in " ".join(describe(incident(days)).story)


def test_long_lists_are_cut_and_their_number_is_told():
    names = [("file", f"f{number:02}") for number in range(40)]
    one = alert(
        "user:alice",
        at(1, 1.0),
        *(clue("user.file", at(1, 1.0), name, names=[(kind, name)]) for kind, name in names),
    )
    found = describe(incident([one]))
    assert len(found.scope.touched["file"]) == MOST_NAMED
    assert found.scope.numbers["file"] == 40
    assert "32 weaker findings more." in found.story[1]


def test_an_alert_without_reasons_says_so():
    found = describe(incident([alert("host:srv-1", at(1, 1.0))]))
    assert found.title == "host srv-1: unusual as a whole, by no single thing"
    assert found.story[0].startswith("At 2025-03-02 01:00 UTC, 1 alert tells of host srv-1")
    assert found.story[-1] == "The findings do not point to a particular technique."


def test_everyday_alerts_are_told_as_such():
    many = [
        alert(
            "host:mail",
            at(1, hour),
            clue("ClamAV update", at(1, hour)),
            uid=str(hour),
            risk=1.0,
            source="Wazuh",
        )
        for hour in range(5)
    ]
    found = describe(incident(many, routine_nats=4.0))
    assert found.title == "Everyday alerts of host mail: 1 kind, 5 events"
    assert (found.severity_id, found.techniques) == (1, [])
    assert "come up there all the time" in found.story[0]


def test_the_same_incident_is_told_in_the_same_words():
    one, other = (describe(incident(order)) for order in (intrusion(), intrusion()[::-1]))
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


@pytest.mark.parametrize("text", ["", "plain", "Grüße 東京", "x" * 1000, NASTY])
def test_clean_text_is_printable_and_bounded(text):
    found = clean(text)
    assert found.isprintable()
    assert len(found) <= 300
    assert clean(found) == found
