"""A detector that was saved and loaded goes on as if nothing had happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from features.baselines import Baselines
from features.behaviours import ENTITY_KINDS
from features.dedup import Deduper
from features.enrich import GeoDatabase
from features.entities import UNIT
from features.errors import InputError, StateError
from features.events import AUTHENTICATION, PROCESS_ACTIVITY, Event
from features.identity import IdentityResolver
from features.rows import empty_rows, put_events
from models.detector import Detector
from models.engine import Engine
from models.ranking.ranker import Ranker
from models.ranking.settings import EXCESS, RankerSettings
from tests.batches import (
    DAY_US,
    START_US,
    assert_close,
    assert_identical,
    assert_sound,
    batch,
    habits,
    in_groups,
    score_in_pieces,
    state_of,
    story,
)

if TYPE_CHECKING:
    from pathlib import Path

    from features.columns import Batch


def detector(hold_days: float = 20.0, **options: float) -> Detector:
    baselines = in_groups(Baselines(**options))
    return Detector(
        baselines=baselines,
        engine=Engine(baselines, hold_days=hold_days),
        key_seed=7,
        geo=GeoDatabase(),
        ranker=Ranker(RankerSettings(members=(EXCESS,))),  # sixty nightly fits of the others take minutes
    )


def reloaded(original: Detector, folder: Path) -> Detector:
    original.save(folder)
    return Detector.load(folder, geo=GeoDatabase())


@pytest.mark.parametrize(
    ("days", "options"),
    [
        (40.0, {}),
        (3000.0, {}),
        (60.0, {"max_entries": 3000}),
        (1500.0, {"max_entries": 2500, "half_life_days": 9.5}),
    ],
)
def test_a_loaded_detector_gives_the_same_scores_bit_for_bit(tmp_path, days, options):
    told = story(1, 5000, people=30, days=days, strange=0.05)
    original = detector(**options)
    everything = batch(original.baselines, told)
    score_in_pieces(original.engine, everything.take(slice(0, 2500)), [600])
    if days == 40.0:
        assert original.engine.held_count > 0
    copy = reloaded(original, tmp_path)
    assert state_of(copy.engine)[:1] == state_of(original.engine)[:1], "every entry has its slot again"
    assert copy.engine.held_count == original.engine.held_count
    assert habits(copy.baselines, START_US).equals(habits(original.baselines, START_US))
    rest = everything.take(slice(2500, None))
    again = batch(copy.baselines, told).take(slice(2500, None))
    assert again.columns.tobytes() == rest.columns.tobytes()
    assert_identical(
        score_in_pieces(original.engine, rest, [700]), score_in_pieces(copy.engine, again, [311, 1000])
    )
    assert original.baselines.dropped_entries == copy.baselines.dropped_entries
    assert original.baselines.dropped_weight == copy.baselines.dropped_weight
    if "max_entries" in options:
        assert copy.baselines.dropped_entries > 0
    assert_sound(copy.baselines)


def test_saving_again_writes_the_same_state(tmp_path):
    original = detector()
    score_in_pieces(original.engine, batch(original.baselines, story(2, 1500)), [500])
    copy = reloaded(original, tmp_path / "one")
    copy.save(tmp_path / "two")
    one, two = ([*folder.glob("checkpoint-*/*")] for folder in (tmp_path / "one", tmp_path / "two"))
    assert {path.name: path.read_bytes() for path in one} == {path.name: path.read_bytes() for path in two}


def test_a_new_folder_holds_a_new_detector(tmp_path):
    fresh = Detector.load(tmp_path, geo=GeoDatabase())
    assert len(fresh.baselines) == 0
    assert fresh.baselines.landmark_us is None
    empty = reloaded(fresh, tmp_path)
    assert empty.key_seed == fresh.key_seed
    assert empty.baselines.landmark_us is None
    told = story(3, 200)
    assert_identical(
        fresh.engine.score_learn(batch(fresh.baselines, told)),
        empty.engine.score_learn(batch(empty.baselines, told)),
    )


def test_key_seeds_are_secret_and_kept(tmp_path):
    one, other = (Detector(geo=GeoDatabase()) for _ in range(2))
    assert one.key_seed != other.key_seed
    assert reloaded(one, tmp_path).key_seed == one.key_seed


def test_seen_keys_and_known_ids_are_kept(tmp_path):
    original = detector()
    original.deduper = Deduper()
    keys = np.arange(0, 6000, dtype=np.uint64)
    original.deduper.admit(keys)
    sid = "S-1-5-21-1004336348-1177238915-682003330-1104"
    assert original.resolver.user("alice", sid=sid) == "alice"
    original.attachments = ["000001.parquet"]
    copy = reloaded(original, tmp_path)
    assert not copy.deduper.admit(keys).any()
    assert copy.deduper.admit(keys + np.uint64(6000)).all()
    assert copy.resolver.user(sid=sid) == "alice"
    assert copy.attachments == ["000001.parquet"]


@pytest.mark.parametrize("lost", ["value_offsets", "held_slots", "seen_current", "event_bins"])
def test_a_checkpoint_without_one_of_its_parts_is_refused(tmp_path, monkeypatch, lost):
    from features import checkpoint

    original = detector()
    write = checkpoint.write

    def without(folder, arrays, settings, schema):
        write(folder, {name: array for name, array in arrays.items() if name != lost}, settings, schema)

    monkeypatch.setattr(checkpoint, "write", without)
    original.save(tmp_path)
    with pytest.raises(StateError, match="lacks"):
        Detector.load(tmp_path, geo=GeoDatabase())


def test_a_damaged_checkpoint_is_refused_by_the_detector(tmp_path):
    detector().save(tmp_path)
    path = next(tmp_path.glob("checkpoint-*/arrays.safetensors"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))
    with pytest.raises(StateError, match="checksum"):
        Detector.load(tmp_path, geo=GeoDatabase())


def test_a_checkpoint_of_other_behaviours_is_refused(tmp_path, monkeypatch):
    detector().save(tmp_path)
    monkeypatch.setattr(Detector, "schema", staticmethod(lambda: "0" * 64))
    with pytest.raises(StateError, match="behaviours"):
        Detector.load(tmp_path, geo=GeoDatabase())


# ----------------------------------------------------------------------------------------- house-keeping


def crowded(people: int, limit: int) -> tuple[Detector, Batch, Batch]:
    told = story(5, 3000, people=people, days=60.0, strange=0.03)
    full = detector(hold_days=1000.0, max_entities=limit)
    everything = batch(full.baselines, told)
    return full, everything.take(slice(0, 2500)), everything.take(slice(2500, None))


def test_keeping_house_does_nothing_while_there_is_room():
    roomy, past, _ = crowded(5, 1000)
    roomy.engine.score_learn(past)
    before = state_of(roomy.engine)
    assert not roomy.keep_house()
    assert state_of(roomy.engine) == before


def renamed(changed: Detector, original: Batch, names: list[str], kept: np.ndarray) -> Batch:
    """The batch again with the ids of a detector that has renumbered its own."""
    baselines = changed.baselines
    columns = np.zeros_like(original.columns)
    values = np.array([0, *[baselines.values.intern(name) for name in names[1:]]], np.int32)
    columns[:, :-3] = values[original.columns[:, :-3]]
    for kind, column in enumerate((0, 1, 2)):
        known = (columns[:, column] > 0) & kept[original.columns[:, -3 + kind]]
        columns[known, columns.shape[1] - 3 + kind] = baselines.entities.find(kind, columns[known, column])
    return original._replace(columns=columns)


def test_renumbering_changes_no_score_of_what_is_kept():
    changed, past, rest = crowded(6, 1000)
    plain, _, _ = crowded(6, 1000)
    for one in (changed, plain):
        one.score_learn(past)
    names = ["", *plain.baselines.values.many(range(1, len(plain.baselines.values) + 1))]
    changed.baselines.values.intern_many([f"unused {number}" for number in range(5000)])
    everybody = plain.baselines.entities.all_ids()
    held = changed.engine.held
    order = np.arange(held.ends[0], held.ends[1])
    entities, values = changed.baselines.renumber(everybody, np.arange(len(names)))
    held.columns[order, :-3] = values[held.columns[order, :-3]]
    held.columns[order, -3:] = entities[held.columns[order, -3:]]
    later = renamed(changed, rest, names, np.ones(plain.baselines.entities.end, np.bool_))
    assert_close(changed.engine.score_learn(later), plain.engine.score_learn(rest), 1e-9)
    assert_sound(changed.baselines)


@pytest.mark.slow
def test_keeping_house_makes_room_and_the_kept_are_judged_by_the_same_counts():
    full, past, rest = crowded(40, 200)
    plain, _, _ = crowded(40, 200)
    for one in (full, plain):
        one.score_learn(past)
    before = dict(habits(plain.baselines, START_US)["weight"].items())
    names = ["", *plain.baselines.values.many(range(1, len(plain.baselines.values) + 1))]
    frame = full.entity_days("acme")
    held = full.engine.held_count
    full.baselines.entities.limit = full.baselines.entities.count
    assert full.keep_house()
    assert_sound(full.baselines)
    after = habits(full.baselines, START_US)["weight"]
    assert 0 < len(after) < len(before)
    assert all(weight == pytest.approx(before[key], rel=1e-12) for key, weight in after.items())
    assert full.engine.held_count == held
    assert full.entity_days("acme").equals(frame), "entity-days survive"
    kept = np.zeros(plain.baselines.entities.end, np.bool_)
    for kind in range(3):
        for entity in plain.baselines.entities.all_ids((kind,)).tolist():
            name = plain.baselines.values[int(plain.baselines.entities.name[entity])]
            place = [UNIT * i for of, i in full.baselines.find(name) if of == ENTITY_KINDS[kind]]
            end = place[0] + UNIT * full.baselines.entities.units_of(kind) if place else 0
            kept[entity] = bool(place) and bool(full.baselines.sums().totals[place[0] : end].any())
    later = renamed(full, rest, names, kept)
    # one thing differs: the share of values that are known elsewhere is counted over those who are left
    full.baselines._pairs[:] = plain.baselines._pairs
    judged, plainly = full.engine.raw_evidence(later), plain.engine.raw_evidence(rest)
    both = ~np.isnan(judged)
    assert both.any()
    assert not np.isnan(plainly[both]).any()
    np.testing.assert_allclose(judged[both], plainly[both], atol=1e-9)


def test_an_unknown_name_is_answered_with_similar_ones():
    known = detector()
    known.score_learn(batch(known.baselines, story(6, 100)))
    assert known.known_name("USER-1") == "user-1"
    with pytest.raises(InputError, match=r"similar names: .*user-1"):
        known.known_name("usr-1")
    with pytest.raises(InputError, match="nothing is known"):
        known.known_name("\x1b[31mzzzzzz")


# -------------------------------------------------------------------------------------- through the door


def events(seed: int, count: int, start_us: int) -> list[Event]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        who = int(rng.integers(0, 6))
        made.append(
            Event(
                time_us=start_us + number * 60_000_000,
                class_uid=[AUTHENTICATION, PROCESS_ACTIVITY][number % 2],
                activity_id=1,
                user=f"user{who}" if number % 5 else f"S-1-5-21-1-2-3-{1000 + who}",
                host=f"ws-{who if rng.random() > 0.03 else int(rng.integers(0, 6))}",
                src_ip=f"10.0.{who}.{int(rng.integers(1, 4))}",
                process=["C:\\Windows\\cmd.exe", "/usr/bin/ssh", "powershell.exe"][int(rng.integers(0, 3))],
                parent_process="explorer.exe",
                auth="kerberos",
            )
        )
    return made


def door(known: Detector, told: list[Event]) -> Batch:
    rows = empty_rows(len(told))
    put_events(rows, np.arange(len(told)), told, known.columniser.begin())
    return known.columniser.batch(rows)


def test_events_score_the_same_after_a_save_and_a_load_between_two_of_them(tmp_path):
    past, rest = events(1, 1500, START_US), events(2, 500, START_US + 2 * DAY_US)
    original = Detector(geo=GeoDatabase(), resolver=IdentityResolver())
    for who in range(6):
        original.resolver.user(f"user{who}", sid=f"S-1-5-21-1-2-3-{1000 + who}")
    original.score_learn(door(original, past))
    copy = reloaded(original, tmp_path)
    one, other = door(original, rest), door(copy, rest)
    assert one.columns.tobytes() == other.columns.tobytes()
    assert_identical(original.score_learn(one), copy.score_learn(other))
    copied = copy.entity_days("acme")
    assert copied["risk"].sum() <= original.entity_days("acme")["risk"].sum()
