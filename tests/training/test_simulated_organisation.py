"""A simulated organisation is valid, reproducible, alive, and does not give its attacks away."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

import msgspec
import pytest

from features import identity
from features.errors import InputError
from features.identity import IdentityResolver
from features.sources.base import SourceContext
from features.sources.ocsf import OcsfDecoder
from training.simulate import places
from training.simulate.chance import Chance
from training.simulate.profile import registered_domain
from training.simulate.worktime import SITES, Day, is_holiday, utc_offset_minutes
from training.simulate.writer import Label, Oddity, Simulation, write

HAMBURG, LEEDS, NEWARK, PUNE = SITES
START = date(2026, 2, 2)
DAYS = 14

SMALL_SITES = {registered_domain(places.rare_domain(number)) for number in range(places.RARE_DOMAINS)}
SAME_VALUES = (
    "metadata.product.name",
    "class_uid",
    "type_uid",
    "status_detail",
    "auth_protocol",
    "logon_type",
    "service.name",
    "process.file.path",
    "process.parent_process.file.path",
    "api.operation",
    "api.service.name",
    "http_request.user_agent",
    "http_request.url.hostname",
    "query.hostname",
    "share",
    "file.name",
    "device.hostname",
    "dst_endpoint.hostname",
    "dst_endpoint.port",
    "user.name",
    "actor.user.name",
    "job.name",
    "job.cmd_line",
    "cloud.region",
)
"""What an attack event may say only if some benign event says it too (about somebody)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    write(Simulation(seed=3, users=30, days=DAYS, start=START), folder)
    return folder


@pytest.fixture(scope="module")
def raw(folder) -> list[bytes]:
    return (folder / "events.ndjson").read_bytes().splitlines()


@pytest.fixture(scope="module")
def decoded(raw):
    decoder = OcsfDecoder(SourceContext(identity=IdentityResolver()))
    return [decoder.decode(line) for line in raw]


@pytest.fixture(scope="module")
def labels(folder) -> list[Label]:
    return msgspec.json.Decoder(Label).decode_lines((folder / "labels.ndjson").read_bytes())


@pytest.fixture(scope="module")
def oddities(folder) -> list[Oddity]:
    return msgspec.json.Decoder(Oddity).decode_lines((folder / "oddities.ndjson").read_bytes())


@pytest.fixture(scope="module")
def attack_uids(labels) -> set[str]:
    return {uid for label in labels for uid in label.event_uids}


def directory(folder):
    return list(csv.DictReader((folder / "directory.csv").read_text(encoding="utf-8").splitlines()))


def leaves(value, path=""):
    """Key paths and scalar values of a JSON document; list positions do not count."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path, value


def general(path, value):
    """A value without what is each event's own: numbers in names of files, the machine of a ticket."""
    if path == "service.name":
        return value.partition("/")[0]
    if path in ("query.hostname", "http_request.url.hostname", "dst_endpoint.hostname"):
        domain = registered_domain(value)
        if domain in SMALL_SITES:
            return "a small site"
        return domain if path == "query.hostname" else value
    return re.sub(r"\d+", "0", value) if path == "file.name" else value


def shape(value) -> str:
    """Punctuation and kinds of runs of a text; a number's kind."""
    if not isinstance(value, str):
        return type(value).__name__
    return re.sub(r"[A-Za-z0-9]+", "w", value)


@pytest.fixture(scope="module")
def profiles(raw, attack_uids):
    """(paths, shapes, values, combinations of keys) of benign and of attack events."""
    sides = {side: (set(), defaultdict(set), defaultdict(set), set()) for side in (False, True)}
    seen = {side: set() for side in (False, True)}
    for line in raw:
        document = msgspec.json.decode(line)
        side = document["metadata"]["uid"] in attack_uids
        paths, shapes, values, layouts = sides[side]
        found = list(leaves(document))
        layouts.add((document["type_uid"], tuple(path for path, _ in found)))
        for path, value in found:
            if (path, value) in seen[side]:
                continue
            seen[side].add((path, value))
            paths.add(path)
            shapes[path].add(shape(value))
            if path in SAME_VALUES:
                values[path].add(general(path, value))
    return sides[False], sides[True]


# --- form --------------------------------------------------------------------------


def test_every_line_decodes_and_says_when_what_and_in_which_class(raw, decoded):
    assert len(raw) > 60_000
    assert all(event.uid and event.class_uid and event.activity_id and event.status_id for event in decoded)
    first = datetime.fromisoformat("2026-02-02T00:00:00+00:00").timestamp() * 1e6
    assert first <= min(event.time_us for event in decoded)
    assert max(event.time_us for event in decoded) < first + DAYS * 86_400e6
    assert len({event.class_uid for event in decoded}) >= 10


def test_every_event_has_what_ocsf_requires_of_all_classes(raw):
    for line in raw[::7]:
        event = msgspec.json.decode(line)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000 % 100
        assert event["metadata"]["version"] == "1.8.0"
        assert event["metadata"]["product"]["vendor_name"]
        assert event["severity_id"] == 1
        assert (event["status_id"], event["status"]) in {(1, "Success"), (2, "Failure")}


def test_uids_are_unique_and_all_but_a_few_lines_are_in_order_of_time(decoded):
    late, latest = 0, 0
    for event in decoded:
        late += event.time_us < latest
        latest = max(latest, event.time_us)
    assert 0 < late < 0.05 * len(decoded)
    assert len({event.uid for event in decoded}) == len(decoded)


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        write(Simulation(seed=5, users=10, days=8, start=START), tmp_path / folder)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"events.ndjson", "directory.csv", "labels.ndjson", "oddities.ndjson", "delivery.json"}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_another_seed_gives_another_organisation(folder, tmp_path):
    write(Simulation(seed=4, users=8, days=8, start=START), tmp_path)
    names = {row["entity"] for row in directory(tmp_path)}
    others = {row["entity"] for row in directory(folder)}
    people = {name for name in names if "." in name}
    assert len(people) == 8
    assert not people <= others


@pytest.mark.parametrize("arguments", [{"users": 3}, {"days": 0}, {"seed": -1}, {"start": date(1889, 1, 1)}])
def test_an_impossible_argument_is_refused_by_name(arguments):
    with pytest.raises(InputError, match=f"--{next(iter(arguments))}"):
        Simulation(**arguments)


def test_streams_of_chance_depend_on_their_concern_only():
    first = [Chance(1, "web", 3).uniform() for _ in range(2)]
    other = Chance(1, "mail", 3).uniform()
    assert first[0] == first[1] != other
    draws = Chance(1, "ranks")
    ranks = Counter(draws.rank(50, 1.0) for _ in range(4000))
    assert ranks[0] > 2 * ranks[4] > 0
    assert sorted(Chance(1, "order").shuffled(range(20))) == list(range(20))


# --- life --------------------------------------------------------------------------


def by_people(decoded, folder, *others):
    rows = directory(folder)
    skip = {"services", "shared", "administrators", *others}
    people = {row["entity"] for row in rows if row["entity_kind"] == "user" and row["group"] not in skip}
    return [event for event in decoded if event.user in people]


def test_people_without_shifts_rest_at_weekends_and_at_night(decoded, folder):
    events = by_people(decoded, folder, "operations")
    days = Counter(datetime.fromtimestamp(event.time_us / 1e6).astimezone().weekday() for event in events)
    weekdays, weekend = sum(days[d] for d in range(5)) / 5, (days[5] + days[6]) / 2
    assert weekdays > 6 * weekend > 0
    hours = Counter(event.time_us // 3_600_000_000 % 24 for event in events)
    assert sum(hours[h] for h in range(8, 17)) / 9 > 5 * sum(hours[h] for h in range(4)) / 4


def test_a_working_day_has_between_80_and_250_events_a_person(decoded, folder):
    events = by_people(decoded, folder)
    per_day = Counter((event.user, event.time_us // 86_400_000_000) for event in events)
    busy = sorted(count for count in per_day.values() if count > 40)
    assert 80 <= sum(busy) / len(busy) <= 250


def test_people_have_habits_that_overlap_with_those_of_others(decoded, folder):
    domains = defaultdict(Counter)
    for event in by_people(decoded, folder):
        if event.domain:
            domains[event.user][event.domain] += 1
    shares = [count.most_common(1)[0][1] / sum(count.values()) for count in domains.values()]
    assert 0.1 < sum(shares) / len(shares) < 0.6
    users_of = Counter(domain for count in domains.values() for domain in count)
    assert sum(n == 1 for n in users_of.values()) > 30
    assert sum(n > 20 for n in users_of.values()) >= 5


def test_browsers_are_updated_in_waves(raw):
    versions = defaultdict(Counter)
    for line in raw[::3]:
        found = re.search(rb"Chrome/(\d+)\.0\.0\.0 Safari", line)
        if found:
            when = msgspec.json.decode(line)["time"] // 86_400_000
            versions[when][int(found[1])] += 1
    ordered = [versions[when] for when in sorted(versions) if sum(versions[when].values()) > 100]
    assert max(ordered[0]) < max(ordered[-1])
    assert any(len(count) > 1 for count in ordered)


def test_directory_names_come_out_as_entities_of_events(folder, decoded):
    rows = directory(folder)
    assert list(rows[0]) == ["entity_kind", "entity", "group", "weight", "owner"]
    users = {event.user for event in decoded}
    hosts = {event.host for event in decoded}
    for row in rows:
        resolve = identity.host if row["entity_kind"] == "host" else IdentityResolver().user
        assert resolve(row["entity"]) == row["entity"]
        float(row["weight"])
    named = {row["entity"] for row in rows if row["entity_kind"] == "user" and row["group"] != "shared"}
    assert len(named - users) <= 1  # somebody may be on leave for the whole time
    assert {row["entity"] for row in rows if row["entity_kind"] == "host"} <= hosts


@pytest.mark.parametrize(
    ("site", "day", "minutes"),
    [
        (HAMBURG, date(2026, 3, 28), 60),
        (HAMBURG, date(2026, 3, 29), 120),
        (HAMBURG, date(2026, 10, 25), 60),
        (LEEDS, date(2026, 6, 1), 60),
        (NEWARK, date(2026, 3, 7), -300),
        (NEWARK, date(2026, 3, 8), -240),
        (NEWARK, date(2026, 11, 1), -300),
        (PUNE, date(2026, 7, 1), 330),
    ],
)
def test_clocks_change_when_the_law_says(site, day, minutes):
    assert utc_offset_minutes(site, day) == minutes
    assert Day(0, day).local_midnight_ms(site) == Day(0, day).midnight_ms - minutes * 60_000


@pytest.mark.parametrize(
    ("site", "day"),
    [
        (HAMBURG, date(2026, 4, 3)),
        (HAMBURG, date(2026, 5, 14)),
        (LEEDS, date(2026, 8, 31)),
        (LEEDS, date(2027, 3, 29)),
        (NEWARK, date(2026, 2, 16)),
        (NEWARK, date(2026, 11, 26)),
        (PUNE, date(2026, 1, 26)),
    ],
)
def test_public_holidays_are_known(site, day):
    assert is_holiday(site, day)
    assert not is_holiday(site, day + timedelta(days=8))


# --- ground truth ------------------------------------------------------------------


def test_at_least_three_kinds_of_campaigns_lie_in_the_last_week(labels):
    assert len({label.kind for label in labels}) >= 3
    last_week = (START + timedelta(days=DAYS - 7)).isoformat()
    assert all(label.day >= last_week for label in labels)


def test_labels_name_events_that_exist_and_entities_that_are_in_them(labels, decoded):
    by_uid = {event.uid: event for event in decoded}
    for label in labels:
        assert label.event_uids
        assert len(set(label.event_uids)) == len(label.event_uids)
        events = [by_uid[uid] for uid in label.event_uids]
        assert any(getattr(event, label.entity_kind) == label.entity for event in events), label
        stamps = [event.time_us for event in events]
        for text, time_us in ((label.start, min(stamps)), (label.end, max(stamps))):
            assert abs(datetime.fromisoformat(text).timestamp() * 1e6 - time_us) < 1000
            assert text[:10] == label.day


def test_victims_and_machines_have_a_benign_past(labels, decoded, attack_uids):
    past = Counter()
    begin = min(label.day for label in labels)
    for event in decoded:
        day = datetime.fromisoformat("1970-01-01") + timedelta(microseconds=event.time_us)
        if day.date().isoformat() < begin:
            past[event.user] += 1
            past[event.host] += 1
    for label in labels:
        if label.entity_kind != "src_ip":
            assert past[label.entity] > 30, label


def test_benign_oddities_outnumber_campaigns_ten_to_one(labels, oddities):
    campaigns = {label.campaign for label in labels}
    assert len(oddities) >= 10 * len(campaigns)
    attacked_days = {(label.entity, label.day) for label in labels if label.entity_kind == "user"}
    odd_days = {(oddity.entity, day) for oddity in oddities for day in oddity.days}
    assert len(odd_days) >= 4 * len(attacked_days)
    assert len({oddity.kind for oddity in oddities}) >= 3 * len({label.kind for label in labels})
    assert all(oddity.days for oddity in oddities)


def test_attack_events_have_no_key_and_no_layout_of_their_own(profiles):
    benign, attack = profiles
    assert attack[0] <= benign[0]
    assert attack[3] <= benign[3]


def test_attack_events_have_no_shape_of_text_of_their_own(profiles):
    benign, attack = profiles
    for path, shapes in attack[1].items():
        assert shapes <= benign[1][path], path


def test_attack_events_use_programs_names_and_places_that_benign_events_use_too(profiles):
    benign, attack = profiles
    for path in SAME_VALUES:
        assert attack[2][path] <= benign[2][path], (path, attack[2][path] - benign[2][path])


def test_attack_uids_and_positions_do_not_stand_out(decoded, attack_uids):
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")
    assert all(pattern.fullmatch(event.uid) for event in decoded)
    first_digits = Counter(uid[0] for uid in attack_uids)
    assert len(first_digits) == 16
    assert max(first_digits.values()) < 3 * len(attack_uids) / 16


def test_events_do_not_speak_of_campaigns(folder, labels):
    text = (folder / "events.ndjson").read_bytes().lower()
    words = {label.kind for label in labels} | {f'"{label.campaign}"' for label in labels}
    for word in words | {"malicious", "intruder", "oddity", "is_attack", "planted"}:
        assert word.encode() not in text, word
