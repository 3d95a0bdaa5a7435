"""What every test shares: honest kernel caches, reproducible generated input, and the folder of real data."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _fresh_kernels() -> None:
    """Name numba's cache folder by the state of all kernel sources, here and for processes that tests start.

    numba notices a change only in the file that defines a kernel, not in what the kernel calls; a test of
    stale machine code proves nothing. numba reads the variable once, so it is set before any test module can
    import numba.
    """
    if "numba" in sys.modules:
        message = (
            "numba was imported before tests/conftest.py could name its cache folder (a plugin or -p option?)"
        )
        raise pytest.UsageError(message)
    spec = importlib.util.spec_from_file_location(
        "habitus_kernel_cache", ROOT / "features" / "kernel_cache.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    os.environ["NUMBA_CACHE_DIR"] = str(module.folder(ROOT))


def _reproducible_examples() -> None:
    """CI draws the same examples every time; a developer's run draws new ones and keeps what failed."""
    from hypothesis import HealthCheck, settings
    from hypothesis.database import DirectoryBasedExampleDatabase

    # The first example of a kernel compiles it, which no deadline and no health check should count.
    common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("ci", derandomize=True, database=None, print_blob=True, **common)
    database = DirectoryBasedExampleDatabase(ROOT / ".cache" / "hypothesis")
    settings.register_profile("local", database=database, **common)
    settings.load_profile("ci" if os.environ.get("CI") else "local")


_fresh_kernels()
_reproducible_examples()


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data (HABITUS_TEST_DATA, else shared/data beside the project); skips without it."""
    folder = Path(os.environ.get("HABITUS_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"no real data in {folder} (HABITUS_TEST_DATA names another folder)")
    return folder
