"""The rules of who may import whom hold, and would notice if they did not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("features", "models", "training", "serving")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", LINT, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def house(tmp_path):
    """Four empty packages under the project's own rules."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    return tmp_path


def test_the_rules_hold_in_this_tree():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_an_import_to_the_left_and_the_named_exceptions_are_allowed(house):
    (house / "serving" / "service.py").write_text("import bentoml\nimport features, models, training\n")
    (house / "training" / "tune.py").write_text("import optuna\n")
    (house / "training" / "tracking.py").write_text("from mlflow.tracking import MlflowClient\n")
    (house / "serving" / "uses.py").write_text("import training.tracking\nimport serving.service\n")
    done = lint(house)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("features/low.py", "import models\n"),
        ("features/lazy.py", "def f():\n    from serving import x\n    return x\n"),
        ("models/up.py", "from training import fit\n"),
        ("training/up.py", "import serving\n"),
        ("training/fit.py", "import mlflow\n"),
        ("serving/other.py", "from bentoml import api\n"),
        ("serving/page.py", "import optuna\n"),
        ("models/peer.py", "from pyod.models.ecod import ECOD\n"),
    ],
)
def test_an_import_against_the_rules_is_found(house, module, code):
    (house / module).write_text(code)
    done = lint(house)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert "BROKEN" in done.stdout
