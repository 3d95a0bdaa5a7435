"""`habitus doctor`: checks the installation and a state folder, and says what to do about what it finds."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Finding = tuple[bool, str, str]
"""Whether it is fine, what was checked, what was found (and what to do)."""


@click.command(name="doctor")
@click.option("--state", type=click.Path(path_type=Path), help="Also check this state folder.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Also check a service's data directory.")
@click.option("--url", help="With --data-dir: the store, when it is not the SQLite file in there.")
@click.pass_context
def command(ctx: click.Context, state: Path | None, data_dir: Path | None, url: str | None) -> None:
    """Check the installation and, with --state or --data-dir, what is kept there. Works while a service
    runs. Exit code 1 when something is wrong.
    """
    fine = True
    checks: list[Callable[[], Iterator[Finding]]] = [_python, _packages, _kernels, _enrichment, _disk]
    if state is not None:
        checks.append(lambda: _state(state))
    if data_dir is not None:
        checks.append(lambda: _store(data_dir, url))
    for check in checks:
        for good, what, found in check():
            fine = fine and good
            click.echo(f"{'ok  ' if good else 'FAIL'} {what}: {found}")
    if not fine:
        ctx.exit(1)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield (
        sys.version_info >= (3, 11),
        "Python",
        f"{version}" + ("" if sys.version_info >= (3, 11) else "; needs 3.11 or newer"),
    )


def _packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    missing = []
    for text in metadata.requires("habitus") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            missing.append(f"{requirement.name} {version} does not satisfy {requirement.specifier}")
    yield (
        not missing,
        "packages",
        "; ".join(missing) + "; run make setup" if missing else "all requirements are met",
    )


def _kernels() -> Iterator[Finding]:
    import numpy as np

    from features.baselines import Baselines
    from features.behaviours import COLUMN, WIDTH
    from features.columns import Batch

    baselines = Baselines()
    columns = np.zeros((2, WIDTH), np.int32)
    columns[:, COLUMN["host"]] = baselines.values.intern("ws-1")
    columns[:, WIDTH - 3] = baselines.entities.ids(0, baselines.values.intern_many(["alice"]))[0]
    times = np.array([0, 0], np.int64)
    none = np.zeros(2, np.int64)
    batch = Batch(times, np.full(2, 3002, np.int32), columns[:, COLUMN["src_ip"]], columns, none, none)
    baselines.learn(batch)
    right = bool(np.allclose(baselines.habits("alice")["weight"], 2.0))
    folder = os.environ.get("NUMBA_CACHE_DIR", "beside the source files")
    yield (
        right,
        "compiled kernels",
        f"compute correctly, cache {folder}"
        if right
        else "give wrong sums; clear the cache and reinstall numba",
    )


def _enrichment() -> Iterator[Finding]:
    from features.enrich import GeoDatabase, registered_domain, user_agent_family

    with GeoDatabase() as geo:
        country, network = geo.country("8.8.8.8"), geo.network("8.8.8.8")
    known = country == "US" and network.startswith("AS15169")
    found = f"8.8.8.8 is in {country}, {network}" if known else "do not know 8.8.8.8; reinstall habitus"
    yield known, "address databases", found
    yield registered_domain("a.b.co.uk") == "b.co.uk", "public suffixes", "known"
    family = user_agent_family("curl/8.5.0")
    yield bool(family), "user agents", f"curl/8.5.0 is {family}"


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    yield (
        free > 1 << 30,
        "disk",
        f"{free / 1e9:,.0f} GB free here" + ("" if free > 1 << 30 else "; make room"),
    )


def _state(folder: Path) -> Iterator[Finding]:
    from features.errors import HabitusError
    from models.detector import Detector

    if not (folder / "CURRENT").exists():
        yield False, f"state {folder}", "no checkpoint here; habitus score --state makes one"
        return
    try:
        detector = Detector.load(folder)
    except HabitusError as error:
        yield False, f"state {folder}", str(error)
        return
    baselines = detector.baselines
    yield (
        True,
        f"state {folder}",
        f"{baselines.entities.count:,} entities, {len(baselines):,} habits, checksums match",
    )
    lost = [name for name in detector.attachments if not (folder / "learned" / name).exists()]
    yield (
        not lost,
        "learned files",
        f"{lost[0]} is missing: unlearn cannot reach its events"
        if lost
        else f"{len(detector.attachments)} present",
    )
    full = len(baselines) / baselines.max_entries
    yield (
        full < 0.95,
        "habit table",
        f"{full:.0%} of {baselines.max_entries:,}; {baselines.dropped_entries:,} dropped so far",
    )


def _store(data_dir: Path, url: str | None) -> Iterator[Finding]:
    from features.errors import HabitusError
    from serving import audit
    from serving.store.database import FILE, default_url, open_database

    what = f"store {url or data_dir}"
    if url is None and not (data_dir / FILE).is_file():
        yield False, what, "no store here; habitus serve makes one"
        return
    try:
        database = open_database(url or default_url(data_dir))
    except HabitusError as error:
        yield False, what, str(error)
        return
    try:
        found = audit.verify(database)
    finally:
        database.close()
    yield (
        not found.broken,
        "audit log",
        f"line {found.broken} was changed, or one before it is missing; compare with a back-up"
        if found.broken
        else f"{found.lines:,} lines, the chain holds; newest {found.newest[:16]}",
    )
