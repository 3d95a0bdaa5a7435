"""Brings a registered model to where a tenant is, in a process of its own: it learns what the tenant has had
scored since the model was trained, as far as that is on disk.

    python -m serving.following.preparing < ORDER

Prints a line of JSON, `Prepared`, with `why` when it could not be done.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow.compute as pc
from pyarrow import parquet

from features.errors import HabitusError, StateError
from serving import segments
from serving.checkpoints import Folders
from serving.following import prepared
from serving.following.beside import learn_rows
from serving.following.orders import Mark
from serving.following.prepared import place_of
from serving.learned import NUMBERED
from serving.orphans import stop_with_parent

if TYPE_CHECKING:
    import pyarrow as pa

    from models.detector import Detector

NICER = 5
"""Steps of niceness below the service."""
LIST_TRIES = 10


class Order(msgspec.Struct, frozen=True):
    """What to prepare.

    registry: folder or URL. data_dir: the service's. base: what was prepared before goes on from there; -1
    for a model as it was registered. parent: process id.
    """

    registry: str
    mark: Mark
    tenant: str
    data_dir: str
    parent: int
    base: int = -1


class Prepared(msgspec.Struct, frozen=True):
    """What came of it: see `serving.following.orders.Shadow`. events: learned now."""

    place: str = ""
    base: int = 0
    from_us: int = 0
    until_us: int = 0
    events: int = 0
    why: str = ""


def prepare(order: Order) -> Prepared:
    """Fetch, check, learn what is on disk, and write the state.

    Raises
    ------
    HabitusError
        If the model is not what was registered, or cannot be used here.
    """
    from training.bundle import load_detector
    from training.fit import microseconds
    from training.tracking import Registry

    folders = Folders(Path(order.data_dir))
    models = folders.models
    bundle = prepared.bundle_of(models, order.mark.digest)
    registry = Registry(order.registry)
    if not bundle.is_dir():
        registry.fetch(registry.version(order.mark.name, str(order.mark.version)), bundle)
    detector, found = load_detector(bundle, order.mark.digest)
    manifest = found.manifest
    if not manifest.trained_until:
        raise StateError(f"{order.mark}: has learned nothing; train it on the events of {order.tenant}")
    from_us, until_us = microseconds(manifest.trained_from), microseconds(manifest.trained_until)
    base = 0
    if order.base >= 0:
        base = order.base
        detector = prepared.load(models, place_of(order.mark.digest, order.tenant, base))
    base, events = learn_from_disk(detector, folders.learned(order.tenant), base, until_us)
    detector.keep_house()
    place = place_of(order.mark.digest, order.tenant, base)
    shutil.rmtree(models / place, ignore_errors=True)
    detector.save(models / place)
    if order.base >= 0 and order.base != base:
        shutil.rmtree(models / place_of(order.mark.digest, order.tenant, order.base), ignore_errors=True)
    return Prepared(place, base, from_us, until_us, events)


def learn_from_disk(detector: Detector, folder: Path, base: int, until_us: int) -> tuple[int, int]:
    """Learn the rows of a tenant's learned segments from a number on, after a moment; returns the number of
    the first that is not on disk, and how many were learned.
    """
    events = 0
    for _ in range(LIST_TRIES):
        try:
            for _, path in segments.segments(folder):
                rows = _rows(path, base)
                if len(rows):
                    events += learn_rows(detector, rows, until_us)
                    base = int(rows["number"][-1].as_py()) + 1
        except FileNotFoundError:  # merged with others meanwhile: what was learned of it is behind `base`
            continue
        return base, events
    raise StateError(f"{folder}: its files change faster than they can be read; try again later")


def _rows(path: Path, base: int) -> pa.Table:
    """A file's rows from a number on, in their order; a file is small enough to be held."""
    rows = parquet.read_table(
        path, schema=NUMBERED, filters=[("number", ">=", base)], partitioning=None, use_threads=False
    )
    return rows.filter(pc.greater_equal(rows["number"], base)).sort_by("number")


def main() -> None:
    """Do what standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    stop_with_parent(order.parent)
    os.nice(NICER)
    try:
        found = prepare(order)
    except (HabitusError, OSError, ValueError) as error:
        found = Prepared(why=str(error)[:500])
    print(msgspec.json.encode(found).decode(), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
