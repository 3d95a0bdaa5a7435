"""A checkpoint whose arrays cannot be what they say is refused before a kernel sees them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from features.enrich import GeoDatabase
from features.errors import StateError
from models.detector import Detector
from models.ranking.ranker import Ranker
from models.ranking.settings import EXCESS, RankerSettings
from tests.batches import batch, story

if TYPE_CHECKING:
    from features.columns import Batch

State = tuple[dict[str, np.ndarray], dict[str, Any]]
MUTATIONS = 150
GEO = GeoDatabase()
POINTERS = (
    ("entity_name", 0),
    ("entity_group", 0),
    ("keys", 0),
    ("voice_entity", 0),
    ("moment_keys", 0),
    ("above_keys", 0),
    ("held_columns", 1),
    ("held_columns", -1),
    ("open_entity", 0),
    ("days_entity", 0),
    ("days_repeats_entity", 0),
    ("sample/sample_columns", 1),
    ("sample/sample_columns", -1),
    ("value_offsets", 0),
)
"""Arrays that point into others, and a column."""


@pytest.fixture(scope="module")
def world() -> tuple[State, Batch]:
    """The state of a detector after some days, and events that come next."""
    detector = Detector(key_seed=7, geo=GEO, ranker=Ranker(RankerSettings(members=(EXCESS,))))
    told = story(3, events=3_000, days=6)
    everything = batch(detector.baselines, told)
    detector.score_learn(everything.take(slice(0, 2_700)))
    return detector.export(), everything.take(slice(2_700, 3_000))


def restored(arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> Detector:
    return Detector.restored(arrays, copy.deepcopy(settings), "here", geo=GEO)


def test_what_was_exported_is_taken_and_goes_on(world: tuple[State, Batch]) -> None:
    (arrays, settings), following = world
    assert len(restored(arrays, settings).score_learn(following).evidence) == len(following.time_us)


@pytest.mark.parametrize(("name", "column"), POINTERS)
@pytest.mark.parametrize("wrong", [-2, 1 << 30])
def test_an_id_beyond_its_table_is_refused_by_name(
    world: tuple[State, Batch], name: str, column: int, wrong: int
) -> None:
    (arrays, settings), _ = world
    spoilt = arrays[name].copy()
    if not len(spoilt):
        pytest.skip(f"{name} is empty in this state")
    shift = {"keys": 39, "moment_keys": 8, "above_keys": 8}.get(name, 0)
    at = (len(spoilt) // 2,) if spoilt.ndim == 1 else (len(spoilt) // 2, column)
    spoilt[at] = wrong << shift if shift == 8 or wrong < 0 else (1 << 62) - 1 if shift else wrong
    with pytest.raises(StateError, match=f"here: .*{name}.*back-up"):
        restored({**arrays, name: spoilt}, settings)


def test_a_table_without_room_is_refused(world: tuple[State, Batch]) -> None:
    """A full table would be searched for ever."""
    (arrays, settings), _ = world
    with pytest.raises(StateError, match="do not fit"):
        restored(arrays, {**settings, "capacity": len(arrays["keys"]) // 2})


def spoil(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """Cut, stretched, of another type or shape, or with a wild number in it."""
    how = rng.integers(5)
    if how == 0:
        return array[: int(rng.integers(len(array) + 1))]
    if how == 1:
        return np.concatenate([array, array[: 1 + len(array) // 3]])
    if how == 2:
        return array.astype(np.float32 if array.dtype != np.float32 else np.int16)
    if how == 3:
        return array[..., None]
    spoilt = array.copy()
    if spoilt.size and spoilt.dtype.kind in "iu":
        limits = np.iinfo(spoilt.dtype)
        spoilt.flat[int(rng.integers(spoilt.size))] = rng.choice([limits.min, limits.max, limits.max // 3])
    elif spoilt.size and spoilt.dtype.kind == "f":
        spoilt.flat[int(rng.integers(spoilt.size))] = rng.choice([np.nan, np.inf, -1e30])
    return spoilt


def test_any_damage_is_refused_or_harmless(world: tuple[State, Batch]) -> None:
    """Arrays that kernels see, spoilt at random: a StateError, or a detector whose tables are sound."""
    (arrays, settings), _ = world
    rng = np.random.default_rng(5)
    names = [name for name in sorted(arrays) if not name.startswith(("ranker/", "alerts/"))]
    refused = 0
    for _ in range(MUTATIONS):
        name = str(rng.choice(names))
        try:
            found = restored({**arrays, name: spoil(rng, arrays[name])}, settings)
        except StateError:
            refused += 1
            continue
        baselines = found.baselines
        assert len(baselines) == len(arrays["keys"])
        assert baselines.entities.count == restored(arrays, settings).baselines.entities.count
    assert refused > MUTATIONS // 3
