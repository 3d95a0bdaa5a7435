"""What a bundle says about itself, and what it may consist of."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from features.errors import StateError

FORMAT = 1
MANIFEST = "manifest.json"
ARRAYS, SETTINGS, RUN, REFERENCE = "arrays.safetensors", "settings.json", "run.toml", "reference.json"
CARD, CARD_PAGE = "card.md", "card.html"
PICTURES = "pictures"
REQUIRED = (ARRAYS, SETTINGS)
DOCUMENTS = (RUN, REFERENCE, CARD, CARD_PAGE)
_PICTURE = re.compile(r"pictures/[a-z0-9][a-z0-9-]{0,63}\.svg")
_DIGEST = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]|[a-z0-9]")
"""Names of models and experiments: safe as part of a path, a URL and an MLflow name."""
CODE = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".npy", ".npz", ".dill", ".cloudpickle")
"""Suffixes of formats that are, or can hold, code."""

MEBIBYTE = 1 << 20
LIMITS = {MANIFEST: MEBIBYTE, ARRAYS: 64 << 30, SETTINGS: 1 << 30}
"""Bytes that a file may have; every other one `DOCUMENT_LIMIT`."""
DOCUMENT_LIMIT = 16 * MEBIBYTE


class FileFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Size in bytes and SHA-256 (64 hex digits) of a file."""

    bytes: int
    sha256: str


class DataFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input: its name as the run file has it, its size in bytes and its SHA-256."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bundle holds.

    No clock is read for it, so the same run gives the same manifest; when it was registered stands in the
    registry.

    Attributes
    ----------
    format
        `FORMAT` of the version that wrote it.
    name
        Of the model, see `NAME`.
    code_version
        `training.versions.code_version` at the time.
    feature_schema
        `Detector.schema`: what ids and columns mean.
    off
        Kinds of channels that are thrown away.
    trained_from, trained_until
        First and last event learned, RFC 3339 in UTC with microseconds; "" when there was none.
    events
        Events learned.
    data
        Inputs in the order in which they were read.
    metrics
        Figures by name; null where there was nothing to measure.
    files
        Every file of the bundle but the manifest, by path.
    """

    format: int
    name: str
    code_version: str
    feature_schema: str
    off: list[str]
    trained_from: str
    trained_until: str
    events: int
    data: list[DataFact]
    metrics: dict[str, float | None]
    files: dict[str, FileFact]


def encoded(manifest: Manifest) -> bytes:
    """The one way in which a manifest is written: sorted, indented JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1) + b"\n"


def decoded(content: bytes, place: str) -> Manifest:
    """A manifest that only names files a bundle may have; StateError for anything else."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise StateError(
            f"{place}: is no manifest of a model ({str(error)[:160]}); fetch the model again"
        ) from error
    if manifest.format != FORMAT:
        raise StateError(
            f"{place}: has the format {manifest.format}, this version reads {FORMAT};"
            " train the model with this version"
        )
    if not NAME.fullmatch(manifest.name):
        raise StateError(f"{place}: {manifest.name[:64]!r} is no name of a model")
    for path, fact in manifest.files.items():
        check_path(path, place)
        if not _DIGEST.fullmatch(fact.sha256) or fact.bytes < 0:
            raise StateError(f"{place}: {path} has no proper size and SHA-256; fetch the model again")
    missing = [path for path in REQUIRED if path not in manifest.files]
    if missing:
        raise StateError(f"{place}: the model lacks {missing[0]}; fetch it again or train a new one")
    if encoded(manifest) != content:  # to the byte: JSON has room for changes that mean nothing
        raise StateError(f"{place}: is not written as habitus writes it; fetch the model again")
    return manifest


def check_path(path: str, place: str) -> None:
    """Refuse a path that a bundle cannot have: absolute, upwards, code, or of an unknown name."""
    if path.lower().endswith(CODE):
        raise StateError(
            f"{place}: names {path[:128]!r}, a format that can hold code; a model of habitus is data only"
            " (safetensors, JSON, TOML, text), so do not trust where this came from"
        )
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
        raise StateError(
            f"{place}: names {path[:128]!r}, which lies outside of the model; do not trust where this came"
            " from"
        )
    if path not in (*REQUIRED, *DOCUMENTS) and not _PICTURE.fullmatch(path):
        raise StateError(f"{place}: names {path[:128]!r}, which is no part of a model; fetch the model again")


def limit_of(path: str) -> int:
    """Bytes that a file of a bundle may have."""
    return LIMITS.get(path, DOCUMENT_LIMIT)
