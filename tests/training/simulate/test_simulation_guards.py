"""A simulation does not give its campaigns away: not by a count, a small tree, a value or a form."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from training.simulate import guards
from training.simulate.profile import agent_family, command_template, key_shape, read, registered_domain
from training.simulate.writer import Simulation, write


def line(uid, day, *, user="ann", program="a.exe", status=1):
    event = {
        "metadata": {"uid": uid},
        "time": day * 86_400_000 + 9 * 3_600_000,
        "class_uid": 1007,
        "type_uid": 100701,
        "status_id": status,
        "actor": {"user": {"name": f"{user}@firm.example"}},
        "process": {"file": {"path": program}},
    }
    return json.dumps(event, separators=(",", ":"))


def folder_of(tmp_path, lines, labels):
    (tmp_path / "events.ndjson").write_text("".join(f"{text}\n" for text in lines))
    (tmp_path / "labels.ndjson").write_text("".join(f"{json.dumps(label)}\n" for label in labels))
    return tmp_path


def label(uids, day, entity="ann", difficulty="easy"):
    return {
        "campaign": "c01",
        "kind": "ransomware",
        "difficulty": difficulty,
        "day": day,
        "entity_kind": "user",
        "entity": entity,
        "event_uids": uids,
    }


def crowd(loud: bool):
    """Twenty people over ten days; on the last three of them some are hit, loudly or not at all."""
    lines = [
        line(f"{user}-{day}-{n}", day, user=f"u{user}")
        for user in range(20)
        for day in range(10)
        for n in range(3)
    ]
    labels = []
    for user in range(6):
        day = 7 + user % 3
        uids = [f"x{user}-{n}" for n in range(30 if loud else 1)]
        lines += [line(uid, day, user=f"u{user}") for uid in uids]
        labels.append({**label(uids, f"1970-01-{day + 1:02d}", f"u{user}"), "campaign": f"c{user:02d}"})
    return lines, labels


def test_a_count_that_gives_campaigns_away_is_found(tmp_path):
    answer = guards.ask(folder_of(tmp_path, *crowd(loud=True)))
    value, name = answer.features["user"]
    assert value == 1.0
    assert "events" in name or "class" in name
    assert answer.trees["user"] > 0.9
    assert any("alone has AP" in fault for fault in answer.faults())


def test_a_program_of_campaigns_alone_is_found(tmp_path):
    lines, labels = crowd(loud=False)
    lines.append(line("y", 8, user="u1", program="evil.exe"))
    labels.append({**label(["y"], "1970-01-09", "u1"), "campaign": "c01"})
    answer = guards.ask(folder_of(tmp_path, lines, labels))
    assert ("program", "evil.exe") in answer.own_values


def test_single_values_are_allowed_where_benign_life_is_full_of_them(tmp_path):
    lines, labels = crowd(loud=False)
    lines += [line(f"s{n}", 3, user=f"u{n % 20}", program=f"own{n}.exe") for n in range(30)]
    lines.append(line("y", 8, user="u1", program="rare.exe"))
    labels.append({**label(["y"], "1970-01-09", "u1"), "campaign": "c01"})
    assert guards.own_values(read(folder_of(tmp_path, lines, labels))) == []


def test_a_form_of_campaigns_alone_is_found(tmp_path):
    lines, labels = crowd(loud=False)
    odd = json.loads(line("y", 8, user="u1"))
    odd["is_attack"] = True
    lines.append(json.dumps(odd, separators=(",", ":")))
    labels.append({**label(["y"], "1970-01-09", "u1"), "campaign": "c01"})
    found = guards.own_values(read(folder_of(tmp_path, lines, labels)))
    assert [column for column, _ in found] == ["shape"]


def test_easy_campaigns_rank_above_quiet_ones():
    found = [[("ransomware", "easy", 1.0), ("ransomware", "hard", 0.4)], [("ransomware", "hard", 0.6)]]
    assert guards.mean_ease(found) == {"easy": 1.0, "hard": 0.5}


def test_values_are_reduced_to_what_recurs():
    assert registered_domain("a1b2.cdn.example.com") == "example.com"
    assert registered_domain("www.citybikes.co.uk") == "citybikes.co.uk"
    assert command_template("net user anna.keller /domain") == command_template("net user ben.wolf2 /domain")
    assert agent_family("Chrome/144.0.0.0 Safari/537.36") == agent_family("Chrome/145.0.0.0 Safari/537.36")
    assert key_shape(b'{"a":1,"b":{"c":"x, \\"y\\""}}') == key_shape(b'{"a":-2.5,"b":{"c":""}}')
    assert key_shape(b'{"a":1}') != key_shape(b'{"a":1,"b":2}')


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    write(Simulation(seed=11, users=60, days=35, campaigns=24), folder)
    return read(folder)


@pytest.fixture(scope="module")
def answer(profile):
    return guards.answer(profile)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["user", "host", "src_ip"])
def test_no_feature_and_no_tree_of_depth_two_finds_the_campaigns(answer, kind):
    assert 0.0 < answer.features[kind][0] <= guards.HIGHEST_AP, answer.features[kind]
    assert answer.trees[kind] <= guards.HIGHEST_AP


@pytest.mark.slow
def test_no_value_and_no_form_is_the_campaigns_own(answer):
    assert answer.own_values == []


@pytest.mark.slow
def test_simple_detectors_rank_easy_campaigns_above_hard_ones(answer):
    means = guards.mean_ease([answer.ranks])
    assert means["easy"] > means["hard"]


@pytest.mark.slow
def test_every_campaign_shows_at_somebody_with_a_benign_past(answer, profile):
    assert len(answer.ranks) == 24
    benign = profile.days[profile.days["campaign"] == ""]
    past = Counter(zip(benign["kind"], benign["entity"], strict=True))
    touched = Counter()
    for one in profile.labels:
        if one["entity_kind"] != "src_ip":
            days = past[one["entity_kind"], one["entity"]]
            touched[one["campaign"]] = max(touched[one["campaign"]], days)
    assert len(touched) == 24
    assert min(touched.values()) >= 2
