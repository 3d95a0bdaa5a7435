"""Folders of data-only state: arrays as safetensors, settings as JSON, SHA-256 over both, replaced as a
whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from features.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

FORMAT = 1
ARRAYS, MANIFEST, CURRENT = "arrays.safetensors", "manifest.json", "CURRENT"
PREFIX, NONE = "checkpoint-", b"none"
_NAME = re.compile(PREFIX + r"[0-9]{6,18}")


def write(folder: Path, arrays: dict[str, np.ndarray], settings: dict[str, Any], schema: str) -> None:
    """Write a new checkpoint and make it the current one; a crash at any point leaves the former one in
    force.

    Steps: 1 write and fsync the files of a new sub-folder, 2 fsync the folder, 3 replace CURRENT by rename, 4
    fsync the folder again, 5 remove older checkpoints.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CURRENT).exists():
        _point(folder, NONE)  # from here on, a folder without it has lost it
    number = 1 + max((int(path.name[len(PREFIX) :]) for path in _checkpoints(folder)), default=0)
    name = f"{PREFIX}{number:06d}"
    target = folder / name
    target.mkdir()
    content = save(arrays)
    manifest = {
        "format": FORMAT,
        "schema": schema,
        "files": {ARRAYS: hashlib.sha256(content).hexdigest()},
        "settings": settings,
    }
    _write_synced(target / ARRAYS, content)  # 1
    _write_synced(target / MANIFEST, _sealed(manifest))
    sync_folder(target)  # 2
    _point(folder, name.encode())  # 3, 4
    for old in _checkpoints(folder):  # 5
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)


def read(folder: Path, schema: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The current checkpoint, None when there is none; StateError when it is damaged, foreign or of another
    schema.
    """
    pointer = folder / CURRENT
    if not pointer.exists() and not _checkpoints(folder):
        return None
    content = pointer.read_bytes() if pointer.exists() else b""
    if content == NONE:
        return None
    name = content.decode("ascii", "replace")
    if not _NAME.fullmatch(name):
        raise StateError(
            f"{pointer}: does not name a checkpoint; restore the folder from a back-up or start a new one"
        )
    target = folder / name
    try:
        manifest = _unsealed((target / MANIFEST).read_bytes(), target / MANIFEST)
        content = (target / ARRAYS).read_bytes()
    except OSError as error:
        raise StateError(
            f"{target}: cannot be read ({error}); restore it from a back-up or start a new folder"
        ) from error
    if manifest.get("format") != FORMAT:
        raise StateError(
            f"{target}: written by another version of habitus (format {manifest.get('format')!r})"
        )
    if hashlib.sha256(content).hexdigest() != manifest["files"][ARRAYS]:
        raise StateError(f"{target / ARRAYS}: does not match its checksum; restore it from a back-up")
    if manifest["schema"] != schema:
        raise StateError(
            f"{target}: was learned with other behaviours; replay the history into a new state folder"
        )
    try:
        return load(content), manifest["settings"]
    except SafetensorError as error:
        raise StateError(f"{target / ARRAYS}: not a safetensors file ({error})") from error


def _point(folder: Path, content: bytes) -> None:
    """Replace CURRENT as a whole, also where there is none: half of it would name nothing."""
    new = folder / (CURRENT + ".new")
    _write_synced(new, content)
    new.replace(folder / CURRENT)
    sync_folder(folder)


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob(PREFIX + "*") if _NAME.fullmatch(path.name)]


def _sealed(manifest: dict[str, Any]) -> bytes:
    return _seal(json.dumps(manifest, indent=1, sort_keys=True))


def _seal(body: str) -> bytes:
    return json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "manifest": body}).encode()


def _unsealed(content: bytes, path: Path) -> dict[str, Any]:
    try:
        outer = json.loads(content)
        body = outer["manifest"]
        if _seal(body) != content:  # to the byte: JSON has room for changes that mean nothing
            raise StateError(f"{path}: does not match its checksum; restore it from a back-up")
        manifest: dict[str, Any] = json.loads(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StateError(f"{path}: is no manifest of habitus") from error
    return manifest


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: what was made, renamed or removed there."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
