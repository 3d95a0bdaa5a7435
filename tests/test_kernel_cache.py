"""The folder of compiled kernels changes with whatever can end up in machine code, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tool():
    spec = util.spec_from_file_location("kernel_cache_under_test", ROOT / "features" / "kernel_cache.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path):
    package = tmp_path / "features"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "limits.py").write_text("ROOM = 10\n")
    (package / "callee.py").write_text(
        "from numba import njit\nfrom features.limits import ROOM\n\n"
        "@njit(cache=True)\ndef f(x):\n    return x + ROOM\n"
    )
    (package / "caller.py").write_text(
        "from numba import njit\nfrom features.callee import f\n\n"
        "@njit(cache=True)\ndef g(x):\n    return f(x) * 10\n"
    )
    (package / "plain.py").write_text("from features.caller import g\n")
    return tmp_path


def test_kernel_sources_are_the_modules_that_use_numba_and_what_they_import(tool, tree):
    names = [path.stem for path in tool.kernel_sources(tree)]
    assert names == ["callee", "caller", "limits"]


@pytest.mark.parametrize("name", ["callee", "caller", "limits"])
def test_a_change_of_a_kernel_a_callee_or_a_constant_changes_the_folder(tool, tree, name):
    before = tool.digest(tree)
    path = tree / "features" / f"{name}.py"
    path.write_text(path.read_text() + "# changed\n")
    assert tool.digest(tree) != before


def test_a_change_elsewhere_or_of_a_time_stamp_leaves_the_folder(tool, tree):
    before = tool.digest(tree)
    (tree / "features" / "plain.py").write_text("# changed\n")
    os.utime(tree / "features" / "caller.py", (1, 1))
    assert tool.digest(tree) == before


def test_a_changed_callee_reaches_its_caller_in_the_next_process(tool, tree):
    def answer() -> str:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tool.folder(tree)), "PYTHONPATH": str(tree)}
        command = [sys.executable, "-c", "from features.caller import g; print(g(1))"]
        done = subprocess.run(
            command, env=environment, cwd=tree, capture_output=True, text=True, check=True, timeout=120
        )
        return done.stdout.strip()

    assert answer() == "110"
    (tree / "features" / "limits.py").write_text("ROOM = 20\n")
    assert answer() == "210"


def test_old_folders_are_dropped_and_the_current_one_stays(tool, tree):
    base = tree / ".cache" / "numba"
    for age in range(6):
        old = base / f"old{age}"
        old.mkdir(parents=True)
        stamp = time.time() - 1000 - age
        os.utime(old, (stamp, stamp))
    current = tool.folder(tree)
    left = {path.name for path in base.iterdir()}
    assert left == {current.name, "old0", "old1", "old2"}


def test_the_tests_run_with_the_folder_of_this_source(tool):
    import numba

    assert Path(numba.config.CACHE_DIR) == ROOT / ".cache" / "numba" / tool.digest(ROOT)
