"""The registry gives back what was registered or nothing, and a rollback is one step, exactly."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from features.errors import InputError, StateError
from models.feedback.weights import Weights
from tests.training.small_models import written
from training import reranker, tracking
from training.tracking import CHALLENGER, CHAMPION, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from training.bundle import Bundle
    from training.tracking import Version

# mlflow's migrations and mappers warn of what its dependencies are about to drop
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return written(tmp_path_factory.mktemp("bundles") / "office")


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A migrated registry without runs: the migration takes seconds."""
    folder = tmp_path_factory.mktemp("empty") / "models"
    assert Registry(str(folder)).names() == []
    return folder


@pytest.fixture
def registry(empty, tmp_path) -> Registry:
    return Registry(str(shutil.copytree(empty, tmp_path / "models")))


def logged(registry: Registry, bundle: Bundle, recall: float = 0.5) -> Version:
    return registry.log_run(
        "tests",
        "run",
        parameters={"detector.seed": 1, "long": "x" * 10_000},
        metrics={"recall@10": recall, "ap": None},
        tags={"code_version": "1"},
        bundle=bundle,
    )


def test_a_run_is_logged_with_its_figures_and_registered_as_challenger(registry, bundle):
    version = logged(registry, bundle)
    assert (version.name, version.number, version.digest) == ("office", 1, bundle.digest)
    assert version.aliases == (CHALLENGER,)
    run = registry._mlflow.get_run(version.run_id)
    assert run.data.metrics == {"recall_at_10": 0.5}
    assert run.data.params["detector.seed"] == "1"
    assert run.info.status == "FINISHED"
    assert registry._mlflow.list_artifacts(version.run_id, "bundle/pictures")


def test_a_run_reads_as_one_on_the_pages_of_mlflow(registry, tmp_path):
    """The card is its description, and it is as long as it took."""
    card = "# Weights\n\n![bars](pictures/bars.svg)\n" + "a line\n" * 2_000
    bundle = reranker.write(tmp_path / "one", "acme.weights", Weights(by_cause={}), [], {}, card)
    version = registry.log_run(
        "pages", "run", parameters={}, metrics={}, tags={}, bundle=bundle, began_us=1_760_000_000_000_000
    )
    run = registry._mlflow.get_run(version.run_id)
    assert run.info.start_time == 1_760_000_000_000
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("# Weights\n\na line\n")
    assert note.endswith("\n(the rest: bundle/card.md)")
    assert len(note) < 5_000


def test_what_is_fetched_is_what_was_registered(registry, bundle, tmp_path):
    version = logged(registry, bundle)
    found = registry.fetch(version, tmp_path / "fetched")
    assert found.digest == bundle.digest
    assert found.folder == tmp_path / "fetched"
    with pytest.raises(InputError, match="exists already"):
        registry.fetch(version, tmp_path / "fetched")


def test_an_exchanged_artifact_is_refused_and_leaves_nothing_behind(registry, bundle, tmp_path):
    version = logged(registry, bundle)
    other = written(tmp_path / "other", frozenset({"habit"}))
    place = next((tmp_path / "models" / "artifacts").rglob("bundle"))
    shutil.rmtree(place)
    shutil.copytree(other.folder, place)
    with pytest.raises(StateError, match="not the model that was registered"):
        registry.fetch(version, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    assert not list(tmp_path.glob(".fetch-*"))


def test_a_smuggled_pickle_is_refused(registry, bundle, tmp_path):
    version = logged(registry, bundle)
    place = next((tmp_path / "models" / "artifacts").rglob("bundle"))
    (place / "python_model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(StateError, match="no part of the model"):
        registry.fetch(version, tmp_path / "fetched")


def test_a_lost_artifact_says_so(registry, bundle, tmp_path):
    version = logged(registry, bundle)
    shutil.rmtree(tmp_path / "models" / "artifacts")
    with pytest.raises(StateError):
        registry.fetch(version, tmp_path / "fetched")


def test_the_champion_can_be_had_back_step_by_step(registry, bundle):
    assert len({logged(registry, bundle).number for _ in range(3)}) == 3
    for number in ("1", "2", "3"):
        registry.promote(registry.version("office", number))
    assert registry.champion("office").number == 3
    assert registry.former("office").number == 2
    before, now = registry.rollback("office")
    assert (before.number, now.number) == (3, 2)
    assert registry.rollback("office")[1].number == 1
    with pytest.raises(InputError, match="no champion before"):
        registry.rollback("office")
    assert registry.champion("office").number == 1


def test_promoting_after_a_rollback_goes_back_to_what_served(registry, bundle):
    for _ in range(3):
        logged(registry, bundle)
    for number in ("1", "2"):
        registry.promote(registry.version("office", number))
    registry.rollback("office")
    registry.promote(registry.version("office", "3"))
    assert registry.rollback("office")[1].number == 1


def test_a_step_that_was_written_down_but_not_taken_is_ignored(registry, bundle):
    for _ in range(2):
        logged(registry, bundle)
    registry.promote(registry.version("office", "1"))
    registry._write_past("office", [1, 2])  # a crash before the alias was moved
    with pytest.raises(InputError, match="no champion before"):
        registry.former("office")
    registry.promote(registry.version("office", "2"))
    assert registry.former("office").number == 1


def test_a_challenger_that_became_champion_is_no_challenger_any_more(registry, bundle):
    registry.promote(logged(registry, bundle))
    assert registry.version("office", CHAMPION).aliases == (CHAMPION,)


def test_what_is_not_there_is_named_with_what_is(registry, bundle):
    with pytest.raises(InputError, match="no model is called 'office'"):
        registry.versions("office")
    logged(registry, bundle)
    assert registry.names() == ["office"]
    assert registry.champion("office") is None
    with pytest.raises(InputError, match=r"no version '9'; there are 1 \(challenger\)"):
        registry.version("office", "9")


def test_a_place_that_cannot_be_a_registry_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"folder, or the http\(s\) URL"):
        Registry("postgresql://u:p@h/x")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is no folder"):
        Registry(str(tmp_path / "file"))


def test_a_server_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(StateError, match="does not answer as it should"):
        Registry("http://127.0.0.1:9").names()


def test_nothing_imports_mlflow_before_it_is_needed(project_root):
    code = (
        "import sys, training.tracking, training.experiment, training.gate, serving.cli.main;"
        "assert 'mlflow' not in sys.modules; assert 'MLFLOW_TRACKING_URI' not in __import__('os').environ"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project_root)


def test_telemetry_is_off_when_mlflow_is_imported(project_root, empty):
    code = (
        "import os, sys; from training.tracking import Registry;"
        f"Registry({str(empty)!r})._mlflow;"
        "assert 'mlflow' in sys.modules;"
        "assert os.environ['MLFLOW_DISABLE_TELEMETRY'] == 'true' and os.environ['DO_NOT_TRACK'] == 'true';"
        "from mlflow.telemetry.utils import is_telemetry_disabled; assert is_telemetry_disabled()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project_root)
    assert tracking.QUIET["MLFLOW_DISABLE_TELEMETRY"] == "true"
