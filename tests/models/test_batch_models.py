"""One contract for every model that is fitted on a batch of history, whatever library fits it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from features import checkpoint
from features.behaviours import BEHAVIOURS
from features.errors import StateError
from models.batch import FAMILIES, Family, Pairs
from models.ranking.history import Past
from models.sequence.sequences import sequences_of
from tests.communities import organisation
from tests.days_world import DAY0, World, joined_tables

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PROCESS = [behaviour.name for behaviour in BEHAVIOURS].index("user.process")


class Case(NamedTuple):
    """history: what is learned. usual, odd: rows to ask about. rows: some rows of what can be asked."""

    family: Family
    history: Any
    usual: Any
    odd: Any
    rows: Callable[[Any, np.ndarray], Any]


def days() -> tuple[Past, Past, Past]:
    world = World(3, people=12)
    rng = np.random.default_rng(1)
    tables = []
    for day in range(DAY0, DAY0 + 22):
        batch = world.day(day)
        tables.append(world.table(batch))
        world.learn(batch)
    table = joined_tables(tables)
    z = rng.normal(0, 0.4, table.counts.shape).astype(np.float32).clip(-1)
    newest = table.day == DAY0 + 21
    past, usual = (Past(table.take(rows), z[rows]) for rows in (~newest, newest))
    strange = usual.days._replace(counts=(usual.days.counts * 30 + 40).astype(np.float32))
    return past, usual, Past(strange, usual.z + 5)


def walks(number: int, seed: int, *, jumps: float) -> Any:
    """Everybody goes round a circle of 30 tokens in steps of their own; jumps: share of steps to anywhere."""
    rng = np.random.default_rng(seed)
    owners = rng.integers(1, 6, number)
    found = []
    for owner in owners.tolist():
        token, line = int(rng.integers(0, 30)), []
        for _ in range(int(rng.integers(6, 30))):
            token = int(rng.integers(0, 30)) if rng.random() < jumps else (token + owner) % 30
            line.append(100 + token)
        found.append(line)
    return sequences_of(found, owners)


def link_pairs(known: Any, *, own: bool) -> Pairs:
    find = known.baselines.values.find
    entities, values = [], []
    for user, department in sorted(known.department.items()):
        for each in sorted(set(known.department.values())):
            for number in range(10):
                text = value_of(each, number)
                if (each == department) == own and (user, "process", text) not in known.uses:
                    entities.append(dict(known.baselines.find(user))["user"])
                    values.append(find(text))
    return Pairs(PROCESS, np.array(entities), np.array(values))


def value_of(department: str, number: int) -> str:
    from tests.communities import value

    return value("process", department, number)


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    past, usual, odd = days()
    known = organisation(1)
    family = {one.name: one for one in FAMILIES}

    def rows_of_days(asked: Past, rows: np.ndarray) -> Past:
        return asked.take(rows)

    return {
        "window_ensemble": Case(family["window_ensemble"], past, usual, odd, rows_of_days),
        "autoencoder": Case(family["autoencoder"], past, usual, odd, rows_of_days),
        "half_space_trees": Case(
            family["half_space_trees"], past.z, usual.z, odd.z, lambda asked, rows: asked[rows]
        ),
        "links": Case(
            family["links"],
            known.baselines,
            link_pairs(known, own=True),
            link_pairs(known, own=False),
            lambda asked, rows: Pairs(asked.behaviour, asked.entity[rows], asked.value[rows]),
        ),
        "sequence": Case(
            family["sequence"],
            walks(260, 1, jumps=0.02),
            walks(30, 2, jumps=0.02),
            walks(30, 3, jumps=0.7),
            lambda asked, rows: asked.pick(rows),
        ),
    }


class Models(dict):
    """Each fitted when it is first asked for."""

    def __init__(self, cases: dict[str, Case]) -> None:
        super().__init__()
        self.cases = cases

    def __missing__(self, name: str) -> Any:
        self[name] = self.cases[name].family.fit(self.cases[name].history, 4)
        return self[name]


@pytest.fixture(scope="module")
def fitted(cases) -> Models:
    return Models(cases)


NO_TORCH = pytest.mark.skipif(
    find_spec("torch") is None, reason="needs PyTorch: pip install 'habitus[torch]'"
)
NAMES = [
    pytest.param(family.name, marks=NO_TORCH if family.learns_by == "PyTorch" else ()) for family in FAMILIES
]


@pytest.mark.parametrize("name", NAMES)
def test_what_departs_from_history_scores_higher(cases, fitted, name):
    usual, odd = (fitted[name].score(asked) for asked in (cases[name].usual, cases[name].odd))
    assert usual.dtype == np.float64
    assert (usual[:, None] < odd[None, :]).mean() > 0.85


@pytest.mark.parametrize("name", NAMES)
def test_scoring_changes_nothing_and_a_row_does_not_depend_on_the_others(cases, fitted, name):
    case, model = cases[name], fitted[name]
    before, _ = model.export()
    whole = model.score(case.odd)
    rows = np.array([3, 0, 5])
    np.testing.assert_allclose(model.score(case.rows(case.odd, rows)), whole[rows], atol=2e-3)
    assert len(model.score(case.rows(case.odd, rows[:0]))) == 0
    np.testing.assert_array_equal(model.score(case.odd), whole)
    after, _ = model.export()
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_history_and_seed_give_the_same_model_bit_for_bit(cases, fitted, name):
    again, settings = cases[name].family.fit(cases[name].history, 4).export()
    first, first_settings = fitted[name].export()
    assert settings == first_settings
    assert again.keys() == first.keys()
    for key, array in first.items():
        assert array.tobytes() == again[key].tobytes(), key


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_model_is_data_and_scores_the_same_bit_for_bit(cases, fitted, name, tmp_path):
    arrays, settings = fitted[name].export()
    checkpoint.write(tmp_path, arrays, json.loads(json.dumps(settings, allow_nan=False)), "contract")
    stored, stored_settings = checkpoint.read(tmp_path, "contract")
    restored = cases[name].family.restored(stored, stored_settings)
    for asked in (cases[name].usual, cases[name].odd):
        assert restored.score(asked).tobytes() == fitted[name].score(asked).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_or_incomplete_model_is_refused(cases, fitted, name):
    arrays, settings = fitted[name].export()
    floats = [key for key, array in arrays.items() if array.dtype.kind == "f" and array.size]
    for damage in (np.nan, np.inf):
        broken = arrays | {floats[-1]: np.full_like(arrays[floats[-1]], damage)}
        with pytest.raises(StateError, match=r"finite|damaged|number"):
            cases[name].family.restored(broken, settings)
    for key in floats[:3]:
        with pytest.raises(StateError):
            cases[name].family.restored({k: v for k, v in arrays.items() if k != key}, settings)


@NO_TORCH
@pytest.mark.parametrize("name", ["autoencoder", "sequence"])
def test_a_model_of_another_shape_is_refused(cases, fitted, name):
    arrays, settings = fitted[name].export()
    key = next(key for key in arrays if key.endswith("weight") and "." in key)
    with pytest.raises(StateError, match="shape"):
        cases[name].family.restored(arrays | {key: arrays[key][:-1]}, settings)


def test_scoring_needs_no_pytorch():
    code = (
        "import sys; import models.batch, models.detector, models.sequence.model, models.autoencoder.model;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
