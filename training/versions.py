"""Which code made a model: the installed version and a digest of the sources that can change it."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("features", "models", "training")
"""What stands left of a model; the service only carries it."""


def source_digest(root: Path | None = None) -> str:
    """SHA-256 (16 hex digits) over the Python and TOML sources of `PACKAGES`, names included.

    A digest says more than a commit: a working tree with changes has another one. O(size of the sources).
    """
    base = Path(__file__).resolve().parent.parent if root is None else root
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((base / package).rglob("*")):
            if path.suffix in (".py", ".toml") and path.is_file():
                digest.update(f"{path.relative_to(base).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def code_version() -> str:
    """`<version>+<digest>`, for example 0.1.0+3f1c9a52d0b7e864."""
    try:
        installed = version("habitus")
    except PackageNotFoundError:
        installed = "0"
    return f"{installed}+{source_digest()}"
