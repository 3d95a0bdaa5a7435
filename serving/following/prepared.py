"""Prepared models on disk: a detector that was brought near to where a tenant is, in a folder of its own.

    models/<digest>/bundle/              the model as it was fetched
    models/<digest>/<tenant>-<base>/     a state folder (`features.checkpoint`)

It belongs to the journal's entry that names it, and stays until no recovery can need it any more.
"""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING

from features.errors import StateError
from models.detector import Detector

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_PLACE = re.compile(r"[0-9a-f]{64}/[a-z0-9][a-z0-9_-]{0,62}-\d{1,19}")
KEPT_SECONDS = 86_400.0
"""How long what nobody uses is left: a checkpoint a minute makes sure that no recovery asks for it."""


def place_of(digest: str, tenant: str, base: int) -> str:
    """Where a prepared model lies, under the folder of all."""
    return f"{digest}/{tenant}-{base}"


def bundle_of(folder: Path, digest: str) -> Path:
    """Where a model lies as it was fetched."""
    return folder / digest / "bundle"


def load(folder: Path | None, place: str) -> Detector:
    """A prepared model; StateError when it is not there, or damaged."""
    if folder is None or not _PLACE.fullmatch(place):
        raise StateError(f"{place[:120]!r} is no place of a prepared model")
    if not (folder / place).is_dir():
        raise StateError(f"{folder / place}: the prepared model is gone; it will be prepared again")
    return Detector.load(folder / place)


def clean(folder: Path, used: Collection[str], now: float | None = None) -> int:
    """Remove what was prepared or fetched for models that nobody uses, a day after; returns how many.

    used: digests. now: seconds since 1970, for tests.
    """
    removed = 0
    moment = time.time() if now is None else now
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in used and moment - path.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed
