"""Life in a simulated organisation: rhythms, oddities that resemble routine, and late deliveries."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise

import msgspec
import pytest

from training.simulate import beacons, oddities, organisation, plan, records, routine, tools
from training.simulate.campaigns import planning
from training.simulate.chance import Chance
from training.simulate.company import FIRST_EXITS, Company
from training.simulate.oddities import KINDS, Episode
from training.simulate.plan import World
from training.simulate.roles import ROLES
from training.simulate.worktime import HOUR_MS, SITES, Day, is_closing
from training.simulate.writer import Manifest, Oddity, Simulation, write

START = date(2026, 2, 2)
DAYS = 8
VALUES = (
    ("metadata", "product", "name"),
    ("type_uid",),
    ("status_id",),
    ("status_detail",),
    ("auth_protocol",),
    ("logon_type",),
    ("process", "file", "path"),
    ("process", "parent_process", "file", "path"),
    ("api", "operation"),
    ("http_request", "http_method"),
    ("share",),
    ("job", "name"),
    ("cloud", "region"),
    ("cloud", "account", "uid"),
    ("dst_endpoint", "port"),
    ("query", "type"),
)


def day(index):
    return Day(index, START + timedelta(days=index))


@pytest.fixture(scope="module")
def small() -> organisation.Organisation:
    return organisation.build(3, 60)


@pytest.fixture(scope="module")
def lived() -> tuple[Simulation, list[records.Record]]:
    simulation = Simulation(seed=3, users=60, days=DAYS, start=START)
    return simulation, [record for part in simulation for record in part]


@pytest.fixture(scope="module")
def routine_only() -> list[records.Record]:
    simulation = Simulation(seed=3, users=60, days=DAYS, start=START)
    simulation.episodes.clear()
    return [record for part in simulation for record in part]


def documents(found):
    for record in found:
        yield msgspec.json.decode('{"metadata":{' + record.body)


def value_of(document, path):
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


# --- chance ------------------------------------------------------------------------


def test_counts_have_the_mean_and_the_spread_that_was_asked_for():
    for mean in (0.4, 6.0, 700.0):
        chance = Chance(1, "counts", str(mean))
        counts = [chance.poisson(mean) for _ in range(3000)]
        centre = sum(counts) / len(counts)
        spread = sum((count - centre) ** 2 for count in counts) / len(counts)
        assert abs(centre - mean) < 5 * (mean / 3000) ** 0.5
        assert 0.85 * mean < spread < 1.15 * mean
    assert Chance(1, "none").poisson(0.0) == 0


def test_random_text_has_the_length_asked_for_and_never_repeats():
    chance = Chance(1, "text")
    texts = [chance.hexadecimal(16) for _ in range(50)]
    assert {len(text) for text in texts} == {32}
    assert len(set(texts)) == 50


# --- rhythms -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "closing"),
    [
        (date(2026, 2, 4), True),
        (date(2026, 2, 5), False),
        (date(2026, 2, 26), True),
        (date(2026, 2, 25), False),
        (date(2026, 2, 28), False),
        (date(2026, 12, 31), True),
    ],
)
def test_books_are_closed_on_the_last_two_and_first_three_weekdays_of_a_month(on, closing):
    assert is_closing(on) is closing


def test_finance_works_harder_while_books_are_closed(small):
    world = World(small)
    paces = defaultdict(list)
    for index in range(60):
        for person in small.of_role("finance"):
            made = plan.make(world, person, day(index))
            if made.blocks and not made.day.weekend:
                paces[is_closing(made.day.date)].append(made.pace / person.intensity)
    assert sum(paces[True]) / len(paces[True]) > 1.3 * sum(paces[False]) / len(paces[False])


def test_shifts_cover_nearly_every_hour_of_the_week():
    world = World(organisation.build(3, 250))
    hours = set()
    for index in range(9):
        for person in world.organisation.of_role("operations"):
            for start, end in plan.make(world, person, day(index)).blocks:
                hours |= set(range(int(start // HOUR_MS), int(end // HOUR_MS) + 1))
    first = day(1).midnight_ms // HOUR_MS
    assert len(set(range(first, first + 7 * 24)) - hours) <= 6  # pauses and leaves of a small team


def test_an_organisation_has_between_90_and_180_events_a_user_and_day(lived):
    _, found = lived
    assert 90 <= len(found) / 60 / DAYS <= 180
    hours = Counter(record.time_ms // HOUR_MS % 24 for record in found)
    assert min(hours[hour] for hour in range(8, 16)) > 1.5 * max(hours[hour] for hour in (0, 4, 22, 23))
    assert min(hours.values()) > 0


def test_programs_ask_at_fixed_intervals(small):
    world = World(small)
    person = small.of_role("sales")[0]
    made = plan.make(world, person, day(2))
    beacon = beacons.Beacon("www.example.org", 10.0, 0.01)
    beacons.tick(world, made, Chance(1, "tick"), beacon, made.start_ms, made.start_ms + 6 * HOUR_MS)
    times = [record.time_ms for record in world.sensors.records if '"http_request"' in record.body]
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) > 30
    assert all(abs(gap - 600_000) <= 6_001 for gap in gaps)


def test_ways_out_change_for_everybody_at_a_site():
    company = Company(5)
    changes = [change for change in company.changes(400) if change.kind == "line_change"]
    assert len(changes) > 5
    change = changes[0]
    before, after = (company.exit(change.site, change.first + step) for step in (-1, 0))
    assert before == FIRST_EXITS[change.site.country] != after
    others = [site for site in SITES if site is not change.site]
    assert all(company.exit(site, change.first) == company.exit(site, change.first - 1) for site in others)
    spells = [change for change in company.changes(400) if change.kind == "gateway_exit"]
    assert spells
    assert company.gateway(spells[0].first, 3)
    assert not company.gateway(spells[0].last + 1, 3)


# --- oddities ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_kind_of_oddity_comes_up_and_they_outnumber_campaigns_on_every_stretch(seed):
    found = oddities.plan_episodes(organisation.build(seed, 250), START, 42, planning.campaigns_in(250), 14)
    assert {episode.kind for episode in found} == set(KINDS)
    late = [episode for episode in found if episode.first >= 28]
    assert len(late) >= 12 * planning.campaigns_in(250)
    weeks = Counter(episode.first // 7 for episode in found)
    assert len(weeks) == 6
    assert max(weeks.values()) < 1.6 * min(weeks.values())


def test_everybody_has_oddities_at_a_steady_rate():
    found = oddities.plan_episodes(organisation.build(4, 250), START, 42, 40, 14)
    days_of = defaultdict(list)
    for episode in found:
        days_of[episode.person.key].append(episode.first)
    often = [days for days in days_of.values() if len(days) >= 3]
    assert len(often) > 100
    for days in often:
        assert min(days) < 42 * 2 / len(days) + 4
        assert max(days) > 42 - 42 * 2 / len(days) - 4


def test_sizes_of_oddities_are_graded():
    found = oddities.plan_episodes(organisation.build(4, 250), START, 42, 40, 14)
    sizes = sorted(episode.size for episode in found)
    assert 0.4 <= sizes[0] < 0.6 < 1.6 < sizes[-1] <= 4.0
    assert 0.8 < sizes[len(sizes) // 2] < 1.25


def test_nobody_changes_for_good_twice():
    found = oddities.plan_episodes(organisation.build(4, 250), START, 42, 40, 14)
    lasting = Counter(episode.person.key for episode in found if KINDS[episode.kind].reach != oddities.DAYS)
    assert set(lasting.values()) == {1}


def test_oddities_say_nothing_that_routine_does_not_say_too(lived, routine_only):
    _, everything = lived
    known = {record.body for record in routine_only}
    odd = [record for record in everything if record.body not in known and record.mark is None]
    assert len(odd) > 3_000
    usual, strange = defaultdict(set), defaultdict(set)
    for found, side in ((routine_only, usual), (odd, strange)):
        for document in documents(found):
            for path in VALUES:
                side[path].add(value_of(document, path))
    chosen = {program.path for linux in (False, True) for program in tools.pool(linux=linux)}
    for path in VALUES:
        left = strange[path] - usual[path]
        assert left <= (chosen if path == ("process", "file", "path") else set()), path
    # classes, products and outcomes of oddities are nearly all there are
    assert len(strange["type_uid",]) > 0.6 * len(usual["type_uid",])


def test_people_choose_every_tool_by_themselves_too():
    owned = Counter(program.path for person in organisation.build(1, 1000).people for program in person.tools)
    every = {program.path for linux in (False, True) for program in tools.pool(linux=linux)}
    assert set(owned) == every


def test_a_renamed_account_keeps_its_numbers_and_its_home(small):
    found = oddities.plan_episodes(organisation.build(4, 250), START, 42, 40, 14)
    renamed = next(episode for episode in found if episode.kind == "account_renamed")
    assert renamed.after is not None
    old, new = renamed.person.account, renamed.after.account
    assert old.name != new.name
    assert (old.sid, old.object_id, old.unix_uid) == (new.sid, new.object_id, new.unix_uid)
    assert renamed.after.key == renamed.person.key


def test_who_moves_to_another_department_can_live_there():
    founded = organisation.build(2, 120)
    world = World(founded)
    for person in founded.of_role("sales", "finance", "operations"):
        for role in (one for one in ROLES if one.name not in ("it", "contractor")):
            moved = organisation.new_job(founded, person, role)
            made = plan.make(world, person, day(2))
            made.person = moved
            routine.live(world, made)
            assert moved.folders[0][0] in role.shares
            assert moved.account is person.account
    assert world.sensors.records


@pytest.mark.parametrize(("kind", "absent"), [("new_hire", (0, 4)), ("leaver", (6, 9))])
def test_people_are_away_before_they_come_and_after_they_leave(small, kind, absent):
    world = World(small)
    episode = Episode(1, kind, small.of_role("sales")[0], 5, 5)
    for index in range(10):
        made = plan.make(world, episode.person, day(index))
        if oddities.reaches(episode, index):
            oddities.adjust(world, made, episode)
        assert made.absent is (absent[0] <= index <= absent[1])


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.act is not None])
def test_every_act_leaves_events_and_more_of_them_when_it_is_larger(small, kind):
    roles = KINDS[kind].roles or ("sales", "finance")
    counts = []
    for size in (0.4, 4.0):
        world = World(small)
        for person in small.of_role(*roles):
            made = plan.make(world, person, day(2))
            if made.blocks:
                oddities.act(world, made, Episode(1, kind, person, 2, 2, size))
        counts.append(len(world.sensors.records))
    assert counts[0] > 0
    assert counts[1] > counts[0] or kind == "new_program_polls"


# --- delivery ----------------------------------------------------------------------


def test_late_events_are_counted_and_none_is_made_up(lived):
    simulation, found = lived
    late, latest = 0, 0
    for record in found:
        late += record.time_ms < latest
        latest = max(latest, record.time_ms)
    delivery = simulation.delivery
    assert 0 < late <= delivery.late < 0.05 * len(found)
    assert sum(delivery.late_of.values()) == delivery.late
    held = sum(gap.events for gap in delivery.gaps)
    assert held == delivery.late + delivery.lost
    assert delivery.lost == sum(gap.events for gap in delivery.gaps if gap.arrives_ms is None)


def test_in_order_means_the_same_events_by_time(lived):
    _, found = lived
    ordered = Simulation(seed=3, users=60, days=DAYS, start=START, in_order=True)
    times, bodies = [], set()
    for part in ordered:
        times += [record.time_ms for record in part]
        bodies |= {record.body for record in part}
    assert times == sorted(times)
    assert bodies == {record.body for record in found}


def test_the_manifest_agrees_with_the_files(tmp_path):
    summary = write(Simulation(seed=6, users=10, days=8, start=START), tmp_path)
    manifest = msgspec.json.decode((tmp_path / "delivery.json").read_bytes(), type=Manifest)
    assert manifest.events == summary.events == (tmp_path / "events.ndjson").read_bytes().count(b"\n")
    assert (manifest.late, manifest.lost) == (summary.late, summary.lost)
    assert sum(held.events for held in manifest.held) == manifest.late + manifest.lost
    found = msgspec.json.Decoder(Oddity).decode_lines((tmp_path / "oddities.ndjson").read_bytes())
    assert {oddity.entity_kind for oddity in found} <= {"user", "site"}
    assert len({oddity.oddity for oddity in found}) == len(found)
