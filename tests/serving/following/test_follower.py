"""A running core follows a registry: promotion, rollback, and a model that is none, under load."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from features import bodies
from features.enrich import GeoDatabase
from models.detector import Detector
from serving.core import Core
from serving.following import preparing
from serving.following.follower import Follower
from serving.following.orders import Mark
from serving.submission import Protocol
from tests.durable_events import CALM, START_MS, TENANT, body, lines, submission
from training import bundle
from training.fit import moment
from training.manifest import DataFact
from training.tracking import CHALLENGER, Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEP_MS = 10_000
GROUP = 40
SETTINGS = replace(CALM, checkpoint_seconds=0.5)


def registered(registry: Registry, folder: Path, first: int, back: int) -> Any:
    """A model of some of the tenant's earlier events as a version."""
    student = Detector(key_seed=0, geo=GeoDatabase())
    history = lines(first, 400, step_ms=STEP_MS, start_ms=START_MS - (first + 400 + back) * STEP_MS)
    found = bodies.decode(student.reader(), [bodies.Body(body(history), "ocsf", None, START_MS * 1000)])
    student.score_learn(found.batch)
    times = found.batch.time_us
    facts = bundle.Facts(
        TENANT,
        moment(int(times.min())),
        moment(int(times.max())),
        400,
        [DataFact("x", 1, "0" * 64)],
        {"ap": 0.5},
    )
    made = bundle.write(folder, student, facts, {})
    return registry.log_run("tests", "run", parameters={}, metrics={}, tags={}, bundle=made)


def wait(until: Callable[[], bool], what: str) -> None:
    for _ in range(1_200):
        if until():
            return
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


class Sender:
    """Sends events all the time."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            records = lines(self.sent * GROUP, GROUP, step_ms=STEP_MS)
            protocol = (Protocol.NATIVE, Protocol.SCORE)[self.sent % 2]
            self._core.offer(submission(records, protocol)).result(120)
            self.sent += 1

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_the_service_follows_the_champion_under_load_and_loses_nothing(tmp_path: Path) -> None:
    """A swap between two events of one group, an event that is scored by both, or a state that a replay does
    not reach again fails it.
    """
    registry = Registry(str(tmp_path / "registry"))
    one = registered(registry, tmp_path / "one", 20_000, 10)
    with Core(tmp_path / "data", SETTINGS) as core:
        follower = core.follower = Follower(core, registry.where)
        with Sender(core) as sender:

            def serves() -> str:
                return core.ask(lambda: core.state_of(TENANT).model).result().digest

            wait(lambda: sender.sent > 5, "events")
            follower.start()
            wait(
                lambda: core.ask(lambda: core.state_of(TENANT).second is not None).result(),
                "the challenger stands beside",
            )
            assert serves() == ""
            registry.promote(registry.version(TENANT, CHALLENGER))
            wait(lambda: serves() == one.digest, "the first champion")
            two = registered(registry, tmp_path / "two", 30_000, 5)
            registry.promote(registry.version(TENANT, str(two.number)))
            wait(lambda: serves() == two.digest, "the second champion")
            done = sender.sent
            wait(lambda: sender.sent > done + 3, "events of the second champion")
            registry.rollback(TENANT)
            wait(lambda: serves() == one.digest, "the rollback")
            done = sender.sent
            wait(lambda: sender.sent > done + 3, "events after the rollback")
            status = follower.status(TENANT)
            assert status["aliases"]["champion"]["version"] == 1
            assert not status["trouble"]
            metrics = core.metrics()
            assert (metrics["second_models"], metrics["models_refused"], metrics["registry_trouble"]) == (
                1,
                0,
                "",
            )
        follower.stop()
        asyncio.run(core.flush(TENANT))
        digest = core.ask(lambda: core.state_of(TENANT).digest()).result()
        sent = sender.sent
    files = sorted((tmp_path / "data" / "tenants" / TENANT / "lake").glob("day=*/*.parquet"))
    table = pa.concat_tables([parquet.read_table(file, partitioning=None) for file in files])
    uids = table["event_uid"].to_pylist()
    assert len(uids) == len(set(uids)) == sent * GROUP
    models = table.sort_by("time")["model"].to_pylist()
    turns = [models[0]] + [now for before, now in itertools.pairwise(models) if now != before]
    assert turns == ["", one.digest[:16], two.digest[:16], one.digest[:16]]
    shutil.rmtree(tmp_path / "data" / "tenants" / TENANT / "state")
    with Core(tmp_path / "data", SETTINGS) as core:
        assert core.ask(lambda: core.state_of(TENANT).model.digest).result() == one.digest
        again = core.ask(lambda: core.state_of(TENANT).digest()).result()
    assert again == digest


def test_a_model_that_was_exchanged_is_refused_with_the_reason(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    one = registered(registry, tmp_path / "one", 20_000, 10)
    for path in (tmp_path / "registry" / "artifacts").rglob("arrays.safetensors"):
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(bytes(content))
    mark = Mark(one.digest, TENANT, one.number)
    order = preparing.Order(registry.where, mark, TENANT, str(tmp_path / "data"), 0)
    try:
        preparing.prepare(order)
    except Exception as error:  # noqa: BLE001 - its text is what people read
        why = str(error)
    assert "does not match its checksum" in why
    assert not list((tmp_path / "data").rglob("*.safetensors"))


def test_what_is_on_disk_is_learned_as_it_was_scored(tmp_path: Path) -> None:
    """Times instead of numbers as a position would learn what came late twice, or never."""
    with Core(tmp_path / "data", CALM) as core:
        order = np.random.default_rng(3).permutation(20)
        for number in order.tolist():
            records = lines(number * GROUP, GROUP, step_ms=STEP_MS)
            core.offer(submission(records, Protocol.NATIVE)).result(60)
    learned = tmp_path / "data" / "tenants" / TENANT / "learned"
    student = Detector(key_seed=0, geo=GeoDatabase())
    base, events = preparing.learn_from_disk(student, learned, 0, 0)
    assert (base, events) == (20 * GROUP, 20 * GROUP) or base == events > 19 * GROUP
    assert preparing.learn_from_disk(student, learned, base, 0) == (base, 0)
