"""A second model of a tenant stands beside the first, takes its place, and gives it back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from features.enrich import GeoDatabase
from models.detector import Detector
from serving.following.orders import Change, Mark, Shadow
from serving.following.prepared import place_of
from serving.journal import Entry, Kind, Operation
from serving.judgement import Judged, Reverted
from serving.learned import Learned
from serving.outputs import EVENT_SCHEMA
from serving.sinks import StoreSinks
from serving.store.database import default_url, open_database
from serving.tenant import TenantState
from serving.triage.words import TRUE_POSITIVE
from serving.unlearning import Unlearn
from tests.durable_events import CALM, START_MS, TENANT, body, lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_MS = 86_400_000
STEP_MS = 150_000
GROUP = 40
"""Events of one entry."""
ENTRIES = 36
"""Two days and a half."""
DIGEST = "ab" * 32
MARK = Mark(DIGEST, "acme", 3, "2025-03-03T08:00:00.000000Z")
RECEIVED_US = (START_MS + 10 * DAY_MS) * 1000
NOBODY = Change("0" * 64)


def operation(kind: Kind, content: bytes) -> Operation:
    return Operation(TENANT, kind, body=content)


def events(number: int) -> Operation:
    content = body(lines(number * GROUP, GROUP, step_ms=STEP_MS))
    return Operation(TENANT, Kind.SUBMISSION, "score" if number % 3 else "native", content, "ocsf")


class World:
    """A folder with a prepared model, and tenants' states over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._databases: list[Any] = []
        student = Detector(key_seed=0, geo=GeoDatabase())
        history = lines(9_000, 900, step_ms=STEP_MS, start_ms=START_MS - 9_900 * STEP_MS)
        from features import bodies

        found = bodies.decode(student.reader(), [bodies.Body(body(history), "ocsf", None, RECEIVED_US)])
        student.score_learn(found.batch)
        self.until_us = int(found.batch.time_us.max())
        self.from_us = int(found.batch.time_us.min())
        student.save(folder / "models" / place_of(DIGEST, TENANT, 0))

    def shadow(self) -> Operation:
        order = Shadow(MARK, place_of(DIGEST, TENANT, 0), 0, self.from_us, self.until_us)
        return operation(Kind.MODEL_SHADOW, order.encoded())

    def sinks(self, name: str) -> StoreSinks:
        place = self.folder / name
        place.mkdir(exist_ok=True)
        database = open_database(default_url(place))
        self._databases.append(database)
        return StoreSinks(database, Learned(lambda tenant: place / tenant), models=self.folder / "models")

    def state(self, name: str) -> TenantState:
        return TenantState(TENANT, Detector(key_seed=5, geo=GeoDatabase()), CALM, self.sinks(name))

    def close(self) -> None:
        for database in self._databases:
            database.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def entries(given: dict[int, list[Operation]]) -> list[Entry]:
    """Events all the way; given: what else comes before the events of a number."""
    found: list[Operation] = []
    for number in range(ENTRIES):
        found += [*given.get(number, ()), events(number)]
    return [Entry(seq, seq, RECEIVED_US, one) for seq, one in enumerate(found, 1)]


def applied(state: TenantState, some: list[Entry], at_once: int = 1) -> list[dict[str, Any]]:
    """Apply, and give the rows of the lake."""
    rows: list[dict[str, Any]] = []
    sinks = state.sinks
    assert isinstance(sinks, StoreSinks)
    for first in range(0, len(some), at_once):
        state.apply(some[first : first + at_once])
    for table in sinks.cut(state):
        rows += table.cast(EVENT_SCHEMA).to_pylist()
    return rows


def learned(detector: Detector) -> dict[str, bytes]:
    """What a detector has learned, without ids and without what was raised."""
    arrays, settings = detector.export()
    names = ("weights", "moment_sums", "behaviour_bins", "event_bins", "held_time_us")
    found = {name: np.sort(arrays[name], axis=None).tobytes() for name in names}
    return found | {"nights": str(settings["nights"]).encode()}


def swap(digest: str) -> Operation:
    return operation(Kind.MODEL_SWAP, Change(digest).encoded())


def test_a_swap_changes_the_scores_and_a_rollback_brings_the_former_ones_back(world: World) -> None:
    """A second model that learns less, or in another order, than it would have alone fails it."""
    stay = {10: [world.shadow()], 18: [swap(NOBODY.digest)], 28: [swap(NOBODY.digest)]}
    there_and_back = {10: [world.shadow()], 18: [swap(DIGEST)], 28: [swap("")]}
    calm, moved = world.state("calm"), world.state("moved")
    stayed, went = applied(calm, entries(stay)), applied(moved, entries(there_and_back))
    assert [row["event_uid"] for row in stayed] == [row["event_uid"] for row in went]
    models = [row["model"] for row in went]
    first, last = models.index(DIGEST[:16]), len(models) - models[::-1].index(DIGEST[:16])
    # one stretch, and the events of a native body wait for the watermark, not for the swap
    assert models == [""] * first + [DIGEST[:16]] * (last - first) + [""] * (len(models) - last)
    assert abs(first - 18 * GROUP) <= 1
    assert abs(last - 28 * GROUP) <= 1
    assert went[:first] == stayed[:first]
    assert went[last:] == stayed[last:]
    differ = [one["evidence"] != other["evidence"] for one, other in zip(went, stayed, strict=True)]
    assert sum(differ[first:last]) > 10
    assert learned(moved.detector) == learned(calm.detector)
    assert moved.second is not None
    assert calm.second is not None
    assert learned(moved.second.detector) == learned(calm.second.detector)
    assert asdict(moved.ledger) == asdict(calm.ledger)
    assert moved.ledger.balanced


def test_who_serves_later_scores_as_if_it_had_from_the_start(world: World) -> None:
    late, early = world.state("late"), world.state("early")
    rows = applied(late, entries({10: [world.shadow()], 24: [swap(DIGEST)]}))
    other = applied(early, entries({10: [world.shadow(), swap(DIGEST)]}))
    at = 24 * GROUP + 1
    assert {row["model"] for row in rows[at:]} == {DIGEST[:16]}
    assert [row["evidence"] for row in rows[at:]] == [row["evidence"] for row in other[at:]]
    assert [row["risk"] for row in rows[at:]] == [row["risk"] for row in other[at:]]


@pytest.mark.parametrize("cut", [21, 33])
def test_a_checkpoint_anywhere_goes_on_as_if_nothing_had_happened(world: World, cut: int) -> None:
    """Forgetting the second model, whose ids events have, or what people said to it, fails it."""
    verdict = Judged("v1", "entity_day", "user", "user2", START_MS // DAY_MS, TRUE_POSITIVE)
    given = {
        10: [world.shadow()],
        15: [operation(Kind.VERDICT, verdict.encoded())],
        18: [swap(DIGEST)],
        24: [operation(Kind.REVERT, Reverted("v1").encoded())],
        28: [swap("")],
    }
    some = entries(given)
    whole, cut_off = world.state("whole"), world.state("cut")
    rows = applied(whole, some)
    before = applied(cut_off, some[:cut])
    arrays, settings = cut_off.export()
    again = TenantState.restored(arrays, settings, CALM, cut_off.sinks, GeoDatabase())
    # what no segment has yet is text by now
    after = applied(again, some[cut:])
    assert before + after == rows
    assert again.model == whole.model
    assert again.digest() == whole.digest()


def test_what_is_unlearned_is_unlearned_for_both(world: World) -> None:
    day_us = START_MS // DAY_MS * DAY_MS * 1000
    order = Unlearn("user", "user2", day_us, day_us + 2 * DAY_MS * 1000, 0)
    given = {10: [operation(Kind.UNLEARN, order.encoded()), world.shadow()]}
    before = world.state("before")  # the model comes after the unlearning, and must not know more
    applied(before, entries(given)[: 10 + 2 + 1])
    given = {10: [world.shadow(), operation(Kind.UNLEARN, order.encoded())]}
    after = world.state("after")
    applied(after, entries(given)[: 10 + 2 + 1])
    never = world.state("never")
    applied(never, entries({10: [world.shadow()]})[: 10 + 1 + 1])
    weights = []
    for one in (before, after, never):
        assert one.second is not None
        weights.append(np.sort(one.second.detector.baselines.habits("user2")["weight"].to_numpy()))
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-9)
    assert weights[0].sum() < weights[2].sum() - 100


def test_days_are_compared_and_a_model_that_is_gone_is_left_out(world: World) -> None:
    state = world.state("report")
    applied(state, entries({10: [world.shadow()]}))
    assert state.second is not None
    report = list(state.second.report)
    assert [row["day"] for row in report] == ["2025-03-04"]
    assert all(0.0 <= row["overlap"] <= 1.0 and 0.0 <= row["top"] <= 1.0 for row in report)
    other = world.state("gone")
    order = Shadow(MARK, place_of("cd" * 32, TENANT, 0), 0, 0, 0)
    applied(other, entries({10: [operation(Kind.MODEL_SHADOW, order.encoded())]}))
    assert other.second is None
    assert other.position == ENTRIES + 1


def test_what_was_raised_stays_raised_and_once(world: World) -> None:
    """A day in which two models raise by their own lines would have twice its budget."""
    moved = world.state("moved")
    applied(moved, entries({10: [world.shadow()]})[:21])
    book = moved.detector.alerts
    table = moved.detector.today()
    entity = int(table.entity[0])
    book._insert(np.setdiff1d(np.array([entity]), book._entity))
    book._raise(entity, RECEIVED_US, paged=False)
    name = moved.detector.baselines.values[int(moved.detector.baselines.entities.name[entity])]
    assert book.raised_today == 1
    moved.apply([Entry(1_000, 1_000, RECEIVED_US, swap(DIGEST))])
    assert moved.model == MARK
    assert moved.detector.alerts.raised_today == 1
    frame = moved.open_days()
    today = frame[frame["day"] == frame["day"].max()]
    assert today[today["alerted_at"].notna()]["entity"].tolist() == [name]
