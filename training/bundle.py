"""Models as bundles: a whole fitted detector in a folder of data that is checked before it is used.

    manifest.json        what it is, and size and SHA-256 of every other file
    arrays.safetensors   all that was learned
    settings.json        numbers and names beside the arrays
    run.toml             the run file that made it
    reference.json       what training days looked like, for `training.drift`
    card.md, card.html   for people
    pictures/*.svg

The digest of a bundle is the SHA-256 of its manifest. The registry keeps it beside the model's version, so
that a bundle which is consistent with itself but not what was registered is refused too. Whoever can write
both the registry and its artifacts can put another model there: guard them like the data they were made from.

Nothing here unpickles. Files are opened without following links, their size is checked before they are read,
and what was hashed is what is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from features.errors import InputError, StateError
from models.channels import KINDS
from models.detector import Detector
from training.manifest import (
    ARRAYS,
    FORMAT,
    MANIFEST,
    NAME,
    PICTURES,
    SETTINGS,
    DataFact,
    FileFact,
    Manifest,
    check_path,
    decoded,
    encoded,
    limit_of,
)
from training.versions import code_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from features.enrich import GeoDatabase

HEADER_LIMIT = 16 << 20
"""Bytes of a safetensors header; the library itself would take 100 MB of JSON."""
DTYPES = frozenset(("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F32", "F64"))
MAY_LACK = re.compile(r"ranker/ranker_history_sessions")
"""Arrays in which NaN stands for "nothing known"; in all others it is damage."""
EMPTY_KEYS = {"seen_current": np.zeros(0, np.uint64), "seen_previous": np.zeros(0, np.uint64)}


class Facts(NamedTuple):
    """What the maker of a bundle knows about it, see `training.manifest.Manifest`."""

    name: str
    trained_from: str
    trained_until: str
    events: int
    data: Sequence[DataFact]
    metrics: Mapping[str, float | None]


class Bundle(NamedTuple):
    """A bundle that was checked. digest: SHA-256 of its manifest."""

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def bytes(self) -> int:
        """Size of all files but the manifest."""
        return sum(fact.bytes for fact in self.manifest.files.values())


# ---------------------------------------------------------------------------------------------------- writing


def write(folder: Path, detector: Detector, facts: Facts, documents: Mapping[str, bytes]) -> Bundle:
    """Write a bundle into a folder that does not exist yet; all of it or nothing.

    Deduplication keys and their secret seed stay behind: they belong to the door that events come in by.

    Parameters
    ----------
    documents
        Other files by path: run.toml, reference.json, card.md, card.html, pictures/NAME.svg.

    Raises
    ------
    InputError
        If the folder exists or the model has no proper name.
    StateError
        If something learned is not a finite number.
    """
    arrays, settings = detector.export()
    settings |= {"key_seed": 0, "attachments": []}
    return write_parts(
        folder, arrays | EMPTY_KEYS, settings, Detector.schema(), sorted(detector.off), facts, documents
    )


def write_parts(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
    schema: str,
    off: Sequence[str],
    facts: Facts,
    documents: Mapping[str, bytes],
) -> Bundle:
    """Write a bundle of parts, as `write`. schema: what the parts are, see `Manifest.feature_schema`."""
    if not NAME.fullmatch(facts.name):
        raise InputError(
            f"{facts.name[:64]!r} cannot be the name of a model: use lower-case letters, digits, '.', '_' and"
            " '-'"
        )
    if folder.exists() or folder.is_symlink():
        raise InputError(f"{folder}: exists already; give a folder that does not")
    contents = {
        ARRAYS: _packed(arrays),
        SETTINGS: json.dumps(settings, allow_nan=False, sort_keys=True).encode(),
        **documents,
    }
    for path in contents:
        check_path(path, str(folder))
    manifest = Manifest(
        FORMAT,
        facts.name,
        code_version(),
        schema,
        list(off),
        facts.trained_from,
        facts.trained_until,
        facts.events,
        list(facts.data),
        {name: None if value is None else float(value) for name, value in facts.metrics.items()},
        {path: FileFact(len(content), _digest(content)) for path, content in sorted(contents.items())},
    )
    content = encoded(manifest)
    new = folder.parent / f".{folder.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    (new / PICTURES).mkdir(parents=True)
    for path, part in {**contents, MANIFEST: content}.items():
        with (new / path).open("wb") as file:
            file.write(part)
            file.flush()
            os.fsync(file.fileno())
    new.replace(folder)
    return Bundle(folder, decoded(content, str(folder / MANIFEST)), _digest(content))


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    for name, array in arrays.items():
        _check_finite(name, array, "training went wrong; nothing was written")
    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_finite(name: str, array: np.ndarray, then: str) -> None:
    if array.dtype.kind != "f":
        return
    bad = np.isinf(array) if MAY_LACK.fullmatch(name) else ~np.isfinite(array)
    if bad.any():
        raise StateError(f"{name} holds {int(bad.sum())} values that are no finite numbers: {then}")


# ---------------------------------------------------------------------------------------------------- reading


def verify(folder: Path, digest: str = "") -> Bundle:
    """Check every file of a bundle without loading it: O(bytes), constant memory.

    Parameters
    ----------
    digest
        What the registry says of it; "" where there is no registry.

    Raises
    ------
    StateError
        If it is damaged, foreign, holds anything else, or is not the one that was registered; the message
        says which file and what to do.
    """
    manifest, found = _manifest(folder, digest)
    _check_listing(folder, manifest)
    for path in manifest.files:
        _checked(folder, path, manifest.files[path], keep=path == SETTINGS)
    return Bundle(folder, manifest, found)


def read_document(bundle: Bundle, path: str) -> bytes | None:
    """One of the documents, checked again; None when the bundle has none of that name."""
    fact = bundle.manifest.files.get(path)
    return None if fact is None else _checked(bundle.folder, path, fact, keep=True)


def load_detector(
    folder: Path, digest: str = "", *, geo: GeoDatabase | None = None
) -> tuple[Detector, Bundle]:
    """The detector of a bundle, as it was after its last training event, and what was checked.

    Memory: twice the arrays while it loads. Its deduplication starts empty with the seed 0, so whoever lets
    events of others in sets a secret one.

    Raises
    ------
    StateError
        As `verify`; and for weights that are no finite numbers, unknown array types, oversized headers, and
        models of another feature schema.
    """
    arrays, settings, bundle = load_parts(folder, digest, _of_this_version)
    detector = Detector.restored(arrays, settings, str(folder), geo=geo)
    _turn_off(detector, frozenset(bundle.manifest.off))
    return detector, bundle


def _of_this_version(folder: Path, manifest: Manifest) -> None:
    """Whether a manifest is a detector's that this version can load."""
    if manifest.feature_schema != Detector.schema():
        raise StateError(
            f"{folder}: was trained with other features (schema {manifest.feature_schema[:12]}, this version"
            f" has {Detector.schema()[:12]}); train it again from its run file"
        )
    if unknown := sorted(set(manifest.off) - set(KINDS)):
        raise StateError(f"{folder}: turns off {unknown[0]!r}, which is no kind of channels here")


def load_parts(
    folder: Path, digest: str, check: Callable[[Path, Manifest], None]
) -> tuple[dict[str, np.ndarray], dict[str, Any], Bundle]:
    """Arrays and settings of a bundle, and what was checked; StateError as `verify`.

    check: refuses manifests of what is not wanted, before anything large is read.
    """
    manifest, found = _manifest(folder, digest)
    _check_listing(folder, manifest)
    check(folder, manifest)
    content = {path: _checked(folder, path, fact, keep=True) for path, fact in manifest.files.items()}
    arrays = _unpacked(content[ARRAYS], folder / ARRAYS)
    settings = _settings(content[SETTINGS], folder / SETTINGS)
    return arrays, settings, Bundle(folder, manifest, found)


def _turn_off(detector: Detector, off: frozenset[str]) -> None:
    """Channels that were off stay off: a detector's own state does not say so."""
    detector.off = off
    detector._silent = np.array([KINDS[c.kind] in off for c in detector.channels.all], np.bool_)


def _manifest(folder: Path, digest: str) -> tuple[Manifest, str]:
    if folder.is_symlink() or not folder.is_dir():
        raise StateError(f"{folder}: is no folder of a model; name one that `habitus train` has written")
    content = _read(folder / MANIFEST, limit_of(MANIFEST))
    found = _digest(content)
    if digest and found != digest:
        raise StateError(
            f"{folder}: is not the model that was registered (digest {found[:12]}, registered {digest[:12]});"
            " somebody has exchanged it: restore the artifacts from a back-up or train the model again"
        )
    return decoded(content, str(folder / MANIFEST)), found


def _check_listing(folder: Path, manifest: Manifest) -> None:
    """Nothing but what the manifest names, all of it plain files."""
    allowed = {*manifest.files, MANIFEST}
    for entry in sorted(folder.iterdir()):
        if entry.name == PICTURES and entry.is_dir() and not entry.is_symlink():
            found = [f"{PICTURES}/{inner.name}" for inner in sorted(entry.iterdir())]
        else:
            found = [entry.name]
        for path in found:
            if path not in allowed:
                raise StateError(
                    f"{folder / path}: is no part of the model; do not trust where this came from, or remove"
                    " the file if it is yours"
                )


def _checked(folder: Path, path: str, fact: FileFact, *, keep: bool) -> bytes:
    """A file's content when it is what the manifest says; b"" when it is not to be kept."""
    content, digest = _read_and_hash(folder / path, limit_of(path), fact.bytes, keep=keep)
    if digest != fact.sha256:
        raise StateError(
            f"{folder / path}: does not match its checksum; fetch the model again or restore it from a"
            " back-up"
        )
    return content


def _read(path: Path, limit: int) -> bytes:
    return _read_and_hash(path, limit, None, keep=True)[0]


def _read_and_hash(path: Path, limit: int, size: int | None, *, keep: bool) -> tuple[bytes, str]:
    try:
        # a link would lead out of the model, and opening a pipe would wait for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise StateError(
            f"{path}: cannot be read as a plain file ({error.strerror}); fetch the model again"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StateError(f"{path}: is no plain file; do not trust where this came from")
        if size is not None and found.st_size != size:
            raise StateError(
                f"{path}: has {found.st_size:,} bytes instead of {size:,}; fetch the model again or restore"
                " it from a back-up"
            )
        if found.st_size > limit:
            raise StateError(f"{path}: has {found.st_size:,} bytes, more than the {limit:,} a model may have")
        if keep:
            content = file.read(found.st_size)
            return content, _digest(content)
        return b"", hashlib.file_digest(file, "sha256").hexdigest()


def _unpacked(content: bytes, path: Path) -> dict[str, np.ndarray]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(HEADER_LIMIT, len(content) - 8):
        raise StateError(f"{path}: its header of {length:,} bytes is none of habitus; fetch the model again")
    try:
        header = json.loads(content[8 : 8 + length])
        types = {str(entry["dtype"]) for name, entry in header.items() if name != "__metadata__"}
        arrays: dict[str, np.ndarray] = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StateError(f"{path}: is no safetensors file ({str(error)[:120]})") from error
    if unknown := sorted(types - DTYPES):
        raise StateError(f"{path}: holds arrays of type {unknown[0]!r}, which habitus never writes")
    for name, array in arrays.items():
        _check_finite(name, array, f"do not use {path.parent}; train the model again")
    return arrays


def _settings(content: bytes, path: Path) -> dict[str, Any]:
    try:
        # unlike the standard library's, this decoder takes no NaN and no Infinity
        settings: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StateError(f"{path}: is not JSON as habitus writes it ({str(error)[:120]})") from error
    return settings
