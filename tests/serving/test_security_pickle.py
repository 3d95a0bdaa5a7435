"""Nothing that is read from disk or network can run code: a canary in every file that is read, and none
sings.

A canary is a pickle that creates a file when it is loaded. It stands where a checkpoint, an array, a lake
segment, a directory or a log is expected, with checksums that fit: whoever can write there can compute them,
too.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import json
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from features.errors import HabitusError
from serving.core import Core
from tests.durable_events import CALM, TENANT, lines, submission

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("features", "models", "training", "serving")
FORBIDDEN = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
}


class Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """Where the canary's folder appears if it sings."""
    return tmp_path / "sang"


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a checkpoint."""
    folder = tmp_path_factory.mktemp("learned") / "data"
    with Core(folder, CALM) as core:
        core.offer(submission(lines(0, 60))).result(300)
    return folder


def as_npz(canary: Canary) -> bytes:
    """An archive of NumPy arrays that holds an object."""
    buffer = io.BytesIO()
    np.savez(buffer, weights=np.array([canary], dtype=object))
    return buffer.getvalue()


def as_npy(canary: Canary) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([canary], dtype=object), allow_pickle=True)
    return buffer.getvalue()


FORMS: dict[str, Callable[[Canary], bytes]] = {
    "pickle": pickle.dumps,
    "pickle protocol 0": lambda canary: pickle.dumps(canary, 0),
    "npz": as_npz,
    "npy": as_npy,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_canary_sings_when_it_is_unpickled(form: str, tmp_path: Path) -> None:
    """The test's own test."""
    content = FORMS[form](Canary(tmp_path / "sang"))
    if form.startswith("pickle"):
        pickle.loads(content)  # noqa: S301 - it is the canary
    else:
        found = np.load(io.BytesIO(content), allow_pickle=True)
        _ = found["weights"] if form == "npz" else found
    assert (tmp_path / "sang").is_dir()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["arrays.safetensors", "manifest.json", "CURRENT"])
def test_a_poisoned_checkpoint_is_refused_and_runs_nothing(
    learned: Path, tmp_path: Path, canary: Path, name: str, form: str
) -> None:
    """With a manifest whose checksums fit, as an attacker would write it."""
    folder = tmp_path / "data"
    shutil.copytree(learned, folder)
    (checkpoint,) = (folder / "tenants" / TENANT / "state").glob("checkpoint-*")
    content = FORMS[form](Canary(canary))
    target = checkpoint.parent / name if name == "CURRENT" else checkpoint / name
    assert target.is_file()
    target.write_bytes(content)
    if name == "arrays.safetensors":
        sealed = json.loads((checkpoint / "manifest.json").read_bytes())
        manifest = json.loads(sealed["manifest"])
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        body = json.dumps(manifest, indent=1, sort_keys=True)
        seal = hashlib.sha256(body.encode()).hexdigest()
        (checkpoint / "manifest.json").write_bytes(json.dumps({"sha256": seal, "manifest": body}).encode())
    with pytest.raises(HabitusError), Core(folder, CALM):
        pass
    assert not canary.exists()


@pytest.mark.parametrize("form", FORMS)
def test_poisoned_events_logs_and_directories_run_nothing(tmp_path: Path, canary: Path, form: str) -> None:
    from features import files
    from serving import directory, lake, replay
    from serving.state import opened

    content = FORMS[form](Canary(canary))
    with Core(tmp_path / "data", CALM) as core:
        receipt = core.offer(submission([content.replace(b"\n", b"") or b"x", *lines(0, 3)])).result(300)
        assert receipt.received == 4
    for name in ("peers.parquet", "peers.csv", "peers.json"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(HabitusError):
            directory.read(path)
    for name in ("events.ndjson", "events.log", "events.evtx", "events.csv", "events.json"):
        path = tmp_path / name
        path.write_bytes(content)
        # refused is as good as put aside
        with opened(tmp_path / f"state-{name}") as state, contextlib.suppress(HabitusError):
            found = [(files.open_log(path), "auto")]
            replay.replay(state.detector, state.detector.reader(), found, sinks=[], tenant="t")
    segment = lake.day_folder(tmp_path / "lake", 20_000)
    segment.mkdir(parents=True)
    (segment / "00000001.parquet").write_bytes(content)
    with pytest.raises((HabitusError, ValueError, OSError)):
        lake.read_day(tmp_path / "lake", 20_000)
    assert not canary.exists()


def test_no_module_imports_what_unpickles_or_asks_a_library_to() -> None:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                found += [f"{path.relative_to(ROOT)}:{node.lineno}: {what}" for what in unpickling(node)]
    assert not found, "\n".join(found)


def unpickling(node: ast.AST) -> list[str]:
    """What a piece of a program does that unpickles."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN]
    if isinstance(node, ast.ImportFrom):
        return [node.module] if node.module and node.module.split(".")[0] in FORBIDDEN else []
    if not isinstance(node, ast.Call):
        return []
    name = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if given.get("allow_pickle", "False") != "False":
        return [f"{name}(allow_pickle=...)"]
    if name == "torch.load" and given.get("weights_only") != "True":
        return ["torch.load without weights_only=True"]
    if name in ("pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load"):
        return [name]
    return []


@pytest.mark.parametrize(
    "program",
    ["import pickle", "from joblib import load", "np.load(p, allow_pickle=True)", "torch.load(p)",
     "import dill.source", "pd.read_pickle(p)"],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(program: str) -> None:
    assert [found for node in ast.walk(ast.parse(program)) for found in unpickling(node)]


_unpickled: list[str] = []
_listening: list[bool] = []


def _hear(name: str, arguments: tuple[Any, ...]) -> None:
    # numba keeps its compiled kernels in pickles of its own, in a folder that only the service's user writes
    if name == "pickle.find_class" and _listening:
        frame = sys._getframe()
        callers = []
        while frame is not None:
            callers.append(frame.f_code.co_filename)
            frame = frame.f_back  # type: ignore[assignment]
        if not any("numba" in caller for caller in callers):
            _unpickled.append(f"{arguments} by {callers[:6]}")


def test_a_start_from_a_checkpoint_and_a_score_unpickle_nothing(learned: Path, tmp_path: Path) -> None:
    """Told by the interpreter itself (audit event pickle.find_class), whichever library would do it."""
    shutil.copytree(learned, tmp_path / "data")
    sys.addaudithook(_hear)
    _listening.append(True)
    try:
        pickle.loads(pickle.dumps(Path("x")))  # noqa: S301 - is it heard at all?
        assert _unpickled
        _unpickled.clear()
        with Core(tmp_path / "data", CALM) as core:
            assert core.offer(submission(lines(60, 60))).result(300).accepted == 60
    finally:
        _listening.clear()
    assert _unpickled == []
