"""Techniques, stages and severity: data that is complete and says no more than a behaviour shows."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.behaviours import BEHAVIOURS
from models.channels import Channels
from models.incidents import attack, runbooks
from models.incidents.attack_data import FOREIGN, PATTERNS, TACTICS, TECHNIQUES
from models.incidents.incident import Evidence
from models.incidents.runbook_data import BY_CHANNEL, RUNBOOKS
from models.incidents.severity import NAMES, severity_id
from models.incidents.views import ANY, view_of

CHANNELS = sorted({attack.base(channel.name) for channel in Channels(BEHAVIOURS).all})
OF_THIS_ALONE = {"activity", "hour", "events", "first_seen"}
"""What every kind of event can show."""


def evidence(channel: str, value: str = "", nats: float = 5.0, source: str = "habitus") -> Evidence:
    return Evidence(
        who="user:alice",
        channel=channel,
        cause="x",
        value=value,
        nats=nats,
        first_us=0,
        last_us=0,
        says="",
        count=1,
        source=source,
    )


def test_every_pattern_is_about_channels_that_exist_and_names_a_known_technique():
    for one in PATTERNS:
        assert set(one.channels) <= set(CHANNELS), one
        re.compile(one.value)
    assert {one.technique for one in (*PATTERNS, *FOREIGN)} <= set(TECHNIQUES)


def test_every_technique_is_in_use_and_has_a_known_tactic():
    parents = {uid.partition(".")[0] for uid in TECHNIQUES if "." in uid}
    used = {one.technique for one in (*PATTERNS, *FOREIGN)}
    assert set(TECHNIQUES) - used - parents == set()
    assert {tactic for _, tactic in TECHNIQUES.values()} <= set(TACTICS)
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", uid) for uid in TECHNIQUES)


@pytest.mark.parametrize(
    ("channel", "value", "shown"),
    [
        ("user.src_country", "RO", {"T1078"}),
        ("user.travel", "RO", {"T1078"}),
        ("user.host/link", "srv-17", {"T1021"}),
        ("src_ip.users/hour", "", {"T1110.003"}),
        ("user.failures/5m", "", {"T1110"}),
        ("host.lineage", "winword.exe > powershell.exe", {"T1059.001"}),
        ("user.command", "cmd /c vssadmin delete /all /quiet", {"T1059.003", "T1490"}),
        ("user.command", "rundll32 comsvcs.dll num path", {"T1218", "T1003.001"}),
        ("host.file", "hklm/software/microsoft/windows/currentversion/run", {"T1547.001"}),
        ("host.file", "/home/*/.ssh/authorized_keys", {"T1098.004"}),
        ("user.api", "iam.amazonaws.com:createaccesskey", {"T1098.001"}),
        ("user.api", "cloudtrail.amazonaws.com:stoplogging", {"T1562.008"}),
        ("host.dst_service", "tcp/3389", {"T1021.001"}),
        ("host.changes/5m", "", {"T1486", "T1485"}),
        ("user.hour", "on a Sunday at 3", set()),
        ("user.activity", "Authentication: logon succeeded", set()),
        ("user.process", "notepad.exe", set()),
        ("user.process", "batch.exe", set()),
        ("user.file", "c:/users/*/documents/*.docx", set()),
        ("user.auth", "kerberos", set()),
        ("user.api", "s3.amazonaws.com:getobject", set()),
    ],
)
def test_a_behaviour_names_what_it_shows_and_nothing_else(channel, value, shown):
    assert set(attack.shown_by(evidence(channel, value))) == shown


def test_a_sub_technique_stands_for_its_parent_and_the_strongest_comes_first():
    found = attack.likely(
        [
            evidence("src_ip.failures", nats=9.0),
            evidence("src_ip.users", nats=4.0),
            evidence("user.host", nats=6.0),
        ]
    )
    assert [one.uid for one in found] == ["T1021", "T1110.003"]
    assert attack.stages(found) == ["credential-access", "lateral-movement"]


def test_what_a_detector_claims_comes_first_and_unknown_ids_are_left_out():
    found = attack.likely([evidence("user.host")], ["T1486", "T9999"])
    assert [(one.uid, one.claimed) for one in found] == [("T1486", True), ("T1021", False)]


def test_rules_of_other_detectors_are_read_by_name():
    assert attack.shown_by(evidence("Wazuh: User login failed.", source="Wazuh")) == []
    assert attack.shown_by(evidence("Wazuh: PAM: User login failed.", source="Wazuh")) == []
    assert attack.shown_by(evidence("Dovecot brute force attack", source="Wazuh")) == ["T1110"]


def test_ocsf_attacks_have_tactic_technique_and_version():
    (one,) = attack.ocsf_attacks(attack.likely([evidence("host.lineage", "explorer.exe > powershell.exe")]))
    assert one == {
        "version": "17.0",
        "tactic": {"uid": "TA0002", "name": "Execution"},
        "technique": {"uid": "T1059", "name": "Command and Scripting Interpreter"},
        "sub_technique": {"uid": "T1059.001", "name": "PowerShell"},
    }


def test_every_channel_has_a_runbook_of_its_own_and_every_runbook_is_in_use():
    named = [channel for channels in BY_CHANNEL.values() for channel in channels.split()]
    assert len(named) == len(set(named))
    assert set(named) >= set(CHANNELS)
    assert set(named) - set(CHANNELS) == set()
    assert set(BY_CHANNEL) | {runbooks.FOREIGN, *runbooks.BY_TECHNIQUE.values()} == set(RUNBOOKS)


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_runbook_says_what_to_check_collect_and_contain(name):
    for steps in RUNBOOKS[name]:
        assert steps
        for step in steps:
            assert 30 <= len(step) <= 160
            assert step.endswith((".", "?"))
            assert set(re.findall(r"\{(\w*)\}", step)) <= {"who", "value"}


def test_alerts_of_other_detectors_have_steps_by_what_their_rule_shows():
    web = evidence("Wazuh: Common web attack.", source="Wazuh", nats=4.0)
    other = evidence("AMiner: New event type.", source="AMiner", nats=9.0)
    assert [one.name for one in runbooks.next_steps([other, web])] == ["web attack"]
    assert [one.name for one in runbooks.next_steps([other])] == ["alert of another detector"]


def test_next_steps_are_filled_in_and_braces_of_an_attacker_stay_text():
    (steps,) = runbooks.next_steps([evidence("user.domain", "{who}{0.__class__}.example")])
    assert steps.check[0].startswith("Resolve {who}{0.__class__}.example: owner")
    assert "{value}" not in " ".join([*steps.check, *steps.collect, *steps.contain])


def test_general_steps_come_only_where_nothing_better_is_known():
    special = [evidence("user.hour", nats=9.0), evidence("user.travel", nats=4.0)]
    assert [one.name for one in runbooks.next_steps(special)] == ["impossible travel"]
    assert [one.name for one in runbooks.next_steps(special[:1])] == ["unusual activity"]


def test_every_channel_has_a_view_but_those_that_every_event_can_show():
    without = {channel for channel in CHANNELS if view_of(evidence(channel)) == ANY}
    assert {channel.partition(".")[2] for channel in without} == OF_THIS_ALONE


@pytest.mark.parametrize(
    ("risk", "weight", "tactics", "expected"),
    [
        (2.9, 20.0, ["impact"], 1),
        (3.0, 1.0, [], 2),
        (6.5, 1.0, [], 3),
        (9.0, 1.0, [], 4),
        (12.0, 1.0, [], 5),
        (8.0, 3.0, [], 4),
        (8.0, 1.0, ["initial-access"], 3),
        (8.0, 1.0, ["initial-access", "lateral-movement"], 4),
        (7.0, 1.0, ["impact"], 4),
        (6.2, 1.0, ["reconnaissance"], 2),
        (6.0, 1e9, ["impact"], 4),
        (9.5, 1e-9, [], 3),
    ],
)
def test_severity_follows_risk_asset_and_stage(risk, weight, tactics, expected):
    assert severity_id(risk, weight, tactics) == expected


def test_everyday_alerts_are_informational_whatever_they_add_up_to():
    assert severity_id(50.0, 10.0, ["impact"], routine=True) == 1


@given(
    st.floats(0, 40),
    st.floats(0.1, 10),
    st.lists(st.sampled_from(sorted(TACTICS)), max_size=3),
    st.floats(0, 5),
)
def test_severity_never_falls_when_risk_or_weight_or_stage_grows(risk, weight, tactics, more):
    level = severity_id(risk, weight, tactics)
    assert level in NAMES
    assert severity_id(risk + more, weight, tactics) >= level
    assert severity_id(risk, weight * (1 + more), tactics) >= level
    # no stage known counts like a first one, which reconnaissance alone is below
    assert severity_id(risk, weight, [*tactics, "impact"]) >= level


def test_evidence_of_the_same_data_is_the_same_object_for_json():
    one = evidence("user.host", "x")
    assert msgspec.json.decode(msgspec.json.encode(one), type=Evidence) == one
