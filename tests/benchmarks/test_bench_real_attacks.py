"""Recordings keep their times of day, harmless records take another machine's name, and ranks are honest."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from benchmarks import bench_real_attacks as bench
from benchmarks import real_attack_past as quiet
from benchmarks import real_attack_records as records_of
from benchmarks.real_attack_cases import ALONE, CASES, DOMAIN, HOME_ADDRESSES
from benchmarks.real_attack_page import NATIVE, SIMULATED, Outcome, Place, page, place_of, rank
from training.simulate import organisation

DAY = date(2024, 3, 14)
ACTOR, MACHINE = ("user", "eve"), ("host", "desk-9")


def sysmon(at, host="DESK-9", **fields):
    return {
        "EventID": 1, "SourceName": "Microsoft-Windows-Sysmon", "Hostname": f"{host}.lab.example",
        "Channel": "Microsoft-Windows-Sysmon/Operational", "UtcTime": f"2020-05-01 {at}.000",
        "TimeCreated": f"2020-05-01T{at}.000Z", **fields,
    }  # fmt: skip


def security(at, **fields):
    return {
        "EventID": 4663, "SourceName": "Microsoft-Windows-Security-Auditing", "Hostname": "DESK-9",
        "Channel": "Security", "TimeCreated": f"2020-05-01T{at}.000Z", **fields,
    }  # fmt: skip


def clock(record):
    [time_us] = records_of.times_of([record])
    return datetime.fromtimestamp(int(time_us) / 1e6, UTC)


def test_a_recording_keeps_its_time_of_day_on_another_day():
    [moved] = records_of.on_day([sysmon("22:58:30")], DAY)
    assert clock(moved) == datetime(2024, 3, 14, 22, 58, 30, tzinfo=UTC)


def test_records_of_another_clock_are_set_right_by_sysmon():
    apart = [sysmon("10:00:00", TimeCreated="2020-05-01T06:00:00.000Z"), security("06:00:05")]
    moved = records_of.on_day(apart, DAY)
    assert [clock(record).time().isoformat() for record in moved] == ["10:00:00", "10:00:05"]


def test_without_sysmon_stamps_are_taken_as_they_are():
    [moved] = records_of.on_day([security("06:00:05")], DAY)
    assert clock(moved).time().isoformat() == "06:00:05"


@pytest.fixture
def stretch():
    records = [
        sysmon(f"10:00:{second:02d}", host="SPARE-1", RecordNumber=second, User=user, Source="10.0.0.7")
        for second, user in ((0, "LAB\\SPARE-1$"), (20, "LAB\\eve"), (30, "NT AUTHORITY\\SYSTEM"))
    ]
    return records_of.stretch_of(
        "f", [*records, sysmon("10:00:40")], "spare-1", "10.0.0.7", {"eve", "mallory"}
    )


def test_a_stretch_has_one_machines_records_that_name_nobody_of_the_attacks(stretch):
    assert [record["RecordNumber"] for record in stretch.records] == [0, 30]


def test_a_clip_is_another_machines_and_keeps_its_distances(stretch):
    at = records_of.day_us(DAY)
    found = records_of.clip(stretch, 0, 3, "WS-1", "10.9.9.9", at)
    text = msgspec.json.encode(found).decode()
    assert "SPARE" not in text
    assert "10.0.0.7" not in text
    assert "WS-1$" in text
    assert "RecordNumber" not in text
    assert np.diff(records_of.times_of(found)).tolist() == [30_000_000, 1_000_000]
    assert records_of.times_of(found)[0] == at


def test_equal_scores_share_the_worse_rank():
    scores = {("user", "a"): 2.0, ("user", "b"): 2.0, ("host", "c"): 3.0, ("host", "d"): 1.0}
    assert rank(scores, ("user", "a")) == 3
    assert rank(scores, ("user", "x")) == 0
    assert place_of(scores, ("user", "a"), {("user", "a"), ("host", "d")}) == Place(file=1, day=3, kind=2)


@pytest.mark.parametrize("name", [DOMAIN, ALONE])
def test_newcomers_take_the_places_of_fitting_people(name):
    found = organisation.build(5, quiet.PEOPLE)
    names, desks = quiet.renames(found, name)
    old = {new.decode(): before.decode() for before, new in names.items()}
    people = {person.name: person for person in found.people}
    for newcomer in quiet.NEWCOMERS[name]:
        if newcomer.name:
            assert (people[old[newcomer.name]].role.name == "it") == newcomer.admin
    for case in CASES:
        if case.organisation == name:
            assert case.host.upper() in desks
    assert not set(HOME_ADDRESSES) & set(desks)


ZEEK = """#separator \\x09
#open	2017-03-08-13-47-04
#fields	ts	uid	id.orig_h	label
1.5	C1	10.0.0.5	Malicious
2.5	C2	10.0.0.5	Benign
3.5	C3	10.0.0.6	Background
"""


def test_the_capture_starts_at_the_time_in_its_header_and_can_be_cut_to_its_harmless_part(tmp_path):
    path = tmp_path / "labeled.log"
    path.write_text(ZEEK)
    infected, harmless = bench.zeek_truth(path)
    assert infected == "10.0.0.5"
    assert harmless == {"C2", "C3"}
    rows = bench.zeek_rows(bench.zeek_on_day(ZEEK, DAY, only=harmless))
    assert [row["uid"] for row in rows] == ["C2", "C3"]
    began = datetime.fromtimestamp(float(rows[0]["ts"]), UTC)
    assert began == datetime(2024, 3, 14, 13, 47, 6, 500_000, tzinfo=UTC)


def launch(at_ms, user, host, program):
    return {
        "class_uid": 1007, "activity_id": 1, "time": at_ms, "metadata": {"version": "1.8.0"},
        "actor": {"user": {"name": user}}, "process": {"name": program}, "device": {"hostname": host},
    }  # fmt: skip


@pytest.fixture
def stage(tmp_path):
    people = [("eve", "desk-9"), *((f"p{number}", f"desk-{number}") for number in range(5))]
    midnight = records_of.day_us(DAY) // 1000
    events = [
        launch(midnight + day * 86_400_000 + minute * 60_000, user, host, "word.exe")
        for day in range(-6, 1)
        for minute in range(0, 600, 60)
        for user, host in people
    ]
    events.sort(key=lambda event: event["time"])
    before = records_of.write(tmp_path / "before.ndjson", [e for e in events if e["time"] <= midnight])
    today = records_of.write(tmp_path / "day.ndjson", [e for e in events if e["time"] > midnight])
    return bench.Stage(tmp_path / "state", [before], [today], DAY, 0)


def test_an_attack_comes_out_on_top_of_a_quiet_past_and_leaves_no_trace(stage, tmp_path):
    tools = [f"C:\\Tools\\tool{number}.exe" for number in range(40)]
    attack = [
        sysmon(f"11:{n:02d}:00", Image=tool, User="LAB\\eve", CommandLine=f"{tool} --dump", ProcessId="7")
        for n, tool in enumerate(tools)
    ]
    path = records_of.write(tmp_path / "attack.ndjson", records_of.on_day(attack, DAY))
    before = stage.score(None).scores["events"][ACTOR]
    # ten of the quiet day; the first of a new day may be taken for one of a wrong clock
    assert 9 <= before <= 10
    outcome = bench.tried(stage, SIMULATED, "otrf/x", path, (ACTOR, MACHINE), [])
    assert max(outcome.places["habitus"][who].day for who in (ACTOR, MACHINE)) == 2  # perhaps equal
    assert outcome.places["never seen before"][ACTOR].day <= 2
    assert outcome.entities == 2
    assert outcome.without_past == 0
    assert set(outcome.places) == {"habitus", "events", "never seen before", "isolation forest"}
    again = bench.tried(stage, SIMULATED, "otrf/x", path, (ACTOR, MACHINE), [])
    assert again == outcome
    assert stage.score(None).scores["events"][ACTOR] == before


def test_the_page_counts_only_files_with_more_entities_than_ranks():
    def one(file, entities, past, place):
        places = {name: {ACTOR: place, MACHINE: place} for name in ("habitus", "events")}
        control = {"habitus": 8, "events": 2}
        outcome = Outcome(file, past, (ACTOR, MACHINE), entities, 90, 0, places, [7], control)
        outcome.everyday = {ACTOR: Place(0, 60, 31)}
        return outcome

    text = page(
        [
            one("otrf/a__first.ndjson.gz", 9, SIMULATED, Place(2, 5, 3)),
            one("otrf/a__second.ndjson.gz", 9, SIMULATED, Place(4, 7, 1)),
            one("otrf/a__tiny.ndjson.gz", 3, SIMULATED, Place(1, 6, 2)),
            one("otrf/a__first.ndjson.gz", 9, NATIVE, Place(1, 1, 1)),
        ]
    )
    assert "| simulated past | habitus | 3 | 1 of 2 | 1 | 1 | 2 | 6 | 2 | 6 |" in text
    assert "| simulated past (3) | habitus | 6 | 8 | 3, 0, 0 |" in text
    assert "| simulated past (3) | events | 6 | 2 | 0, 0, 3 |" in text
    assert "| first | eve | 2 of 9 | 3 | 31 | 5 of 90 |" in text
    assert "| tiny |" in text


def test_a_missing_data_folder_is_named(tmp_path, capsys):
    assert bench.main(["--data", str(tmp_path / "nowhere")]) == []
    assert "nowhere" in capsys.readouterr().out


def test_a_recording_is_read_as_it_is(tmp_path):
    path = tmp_path / "x.ndjson.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(sysmon("10:00:00")) + b"\n\n"))
    [record] = records_of.recorded(path)
    assert records_of.host_of(record) == "desk-9"


def test_the_past_is_the_fourteen_days_before_and_background_is_at_every_desk_a_day(stretch, tmp_path):
    past = quiet.Past(tmp_path, tmp_path, {"WS-1": "10.1.1.1", "WS-2": "10.1.1.2"})
    before, today = quiet.background(past, [stretch], DAY, 3)
    assert len(before) == 2 * quiet.DAYS * quiet.CLIP_RECORDS
    assert len(today) == 2 * quiet.CLIP_RECORDS
    assert {records_of.host_of(record) for record in today} == {"ws-1", "ws-2"}
    days = sorted({clock(record).date() for record in [*before, *today]})
    assert days[-1] == DAY
    assert all((later - earlier).days == 1 for earlier, later in pairwise(days))
    assert len(days) == quiet.DAYS + 1
