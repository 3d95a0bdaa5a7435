"""The project as it is installed: its names, its wheel, its pins, and what importing it does."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata, util
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("features", "models", "training", "serving")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment | variables,
        timeout=240,
    )


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


def declared() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for group in (PROJECT["dependencies"], *extras) for text in group]


def third_party_imports(path: Path) -> set[str]:
    """Top-level names imported anywhere in a module that neither Python nor the project brings."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - set(PACKAGES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> dict[str, bytes]:
    """Files of the wheel by name, built offline with the pinned backend."""
    out = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    built = run(*pip, "--wheel-dir", out, ROOT)
    assert built.returncode == 0, built.stderr[-2000:]
    (path,) = out.glob("habitus-*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_else_in_the_environment_provides_the_package(name):
    providers = set(metadata.packages_distributions().get(name, [])) - {"habitus"}
    assert not providers, f"{sorted(providers)} installs a top-level package {name!r} too"
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("name", PACKAGES)
def test_the_package_that_is_imported_is_the_one_in_this_tree(name):
    script = f"import {name}; print({name}.__file__)"
    found = run(sys.executable, "-P", "-c", script)
    assert found.returncode == 0, found.stderr[-500:]
    assert Path(found.stdout.strip()) == ROOT / name / "__init__.py"


def test_the_wheel_holds_every_file_of_the_four_packages_and_no_other(wheel):
    tree = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel if ".dist-info/" not in name}
    assert packed == tree


@pytest.mark.parametrize("name", PACKAGES)
def test_the_wheel_says_that_the_package_is_typed(wheel, name):
    assert f"{name}/py.typed" in wheel


def test_the_wheel_refuses_to_be_uploaded_and_carries_licence_and_command(wheel):
    about = next(text for name, text in wheel.items() if name.endswith(".dist-info/METADATA")).decode()
    commands = next(text for name, text in wheel.items() if name.endswith("entry_points.txt")).decode()
    assert "Classifier: Private :: Do Not Upload" in about
    assert "License-Expression: Apache-2.0" in about
    assert "habitus = serving.cli.main:main" in commands
    assert any(name.endswith("/LICENSE") for name in wheel)


def test_the_command_of_the_entry_point_exists():
    module, _, function = PROJECT["scripts"]["habitus"].partition(":")
    assert util.find_spec(module) is not None
    checked = run(sys.executable, "-c", f"from {module} import {function}; assert callable({function})")
    assert checked.returncode == 0, checked.stderr[-500:]


def test_the_installed_version_is_the_one_of_this_tree():
    assert metadata.version("habitus") == PROJECT["version"], "run make setup: the installation is older"


def test_the_changelog_speaks_of_this_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## \[Unreleased\]$", text, re.MULTILINE)
    coming = re.findall(r"^To be released as (\S+)\.$", text, re.MULTILINE)
    released = re.findall(r"^## \[(\d[^\]]*)\]", text, re.MULTILINE)
    assert [*coming, *released][:1] == [PROJECT["version"]]


def test_every_declared_dependency_is_pinned_within_its_range():
    known = pins()
    wrong = []
    for requirement in declared():
        pin = known.get(canonicalize_name(requirement.name))
        exact = [part.version for part in pin.specifier if part.operator == "=="] if pin else []
        if len(exact) != 1 or not requirement.specifier.contains(exact[0]):
            wrong.append(f"{requirement} (pin: {pin})")
    assert not wrong, f"run make lock: {wrong}"


def test_what_the_dependencies_need_is_pinned_too():
    known = pins()
    todo = declared()
    seen: set[str] = set()
    missing: set[str] = set()
    while todo:
        requirement = todo.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        # torch asks for setuptools, which comes with the environment and is left out of the pins like pip
        if canonicalize_name(requirement.name) not in {*known, "setuptools"}:
            missing.add(requirement.name)
        try:
            needs = [Requirement(text) for text in metadata.requires(requirement.name) or []]
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed here
        chosen = requirement.extras | {""}
        todo += [
            need
            for need in needs
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in chosen)
        ]
    assert not missing, f"run make lock: {sorted(missing)} have no pin"


def test_what_is_installed_is_what_is_pinned():
    wrong = []
    for name, pin in pins().items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed here
        if not pin.specifier.contains(installed, prereleases=True):
            wrong.append(f"{name} {installed} (pin: {pin.specifier})")
    assert not wrong, f"run make setup: {wrong}"


def test_no_pin_names_a_local_build_or_a_place():
    wrong = [str(pin) for pin in pins().values() if pin.url or "+" in str(pin.specifier)]
    assert not wrong


def at_once(path: Path) -> set[str]:
    """Top-level names that a module imports as soon as it is imported itself."""
    body = [n for n in ast.parse(path.read_bytes()).body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = [alias.name for n in body if isinstance(n, ast.Import) for alias in n.names]
    names += [n.module for n in body if isinstance(n, ast.ImportFrom) and n.module and not n.level]
    return {name.split(".")[0] for name in names}


def test_every_third_party_import_of_the_packages_is_a_declared_dependency():
    runtime = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    extra = PROJECT["optional-dependencies"]["research"]
    # what only some need is imported by the functions that use it
    research = {canonicalize_name(Requirement(text).name) for text in extra}
    providers = metadata.packages_distributions()
    wrong = []
    for name in PACKAGES:
        for path in sorted((ROOT / name).rglob("*.py")):
            for imported in sorted(third_party_imports(path)):
                given = {canonicalize_name(dist) for dist in providers.get(imported, [])}
                # llvmlite is numba's own compiler interface, exactly pinned by numba.
                allowed = runtime | {"llvmlite"} | (set() if imported in at_once(path) else research)
                if not given & allowed:
                    wrong.append(f"{path.relative_to(ROOT)} imports {imported}")
    assert not wrong, "not in [project] dependencies: " + "; ".join(wrong)


def test_no_test_folder_is_a_package():
    assert not sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("__init__.py"))


def test_importing_any_module_reads_no_file_environment_clock_or_network():
    probed = run(sys.executable, ROOT / "tests" / "import_probe.py", ROOT, *PACKAGES)
    assert probed.returncode == 0, probed.stderr[-2000:]
    assert probed.stdout == ""


def test_the_import_probe_sees_what_it_is_meant_to_see(tmp_path):
    package = tmp_path / "nosy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "data.txt").write_text("text")
    (package / "reader.py").write_text(
        "import os, time\n"
        "from pathlib import Path\n"
        "TEXT = (Path(__file__).parent / 'data.txt').read_text()\n"
        "HOME = os.environ.get('HOME', '')\n"
        "SHELL = os.getenv('SHELL', '')\n"
        "NOW = time.time()\n"
        "def later():\n"
        "    return open(__file__)\n"
    )
    probed = run(sys.executable, ROOT / "tests" / "import_probe.py", tmp_path, "nosy")
    assert probed.returncode == 0, probed.stderr[-2000:]
    lines = probed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [f"nosy/reader.py:{number}" for number in (3, 4, 5, 6)]
