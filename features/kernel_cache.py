"""Where numba may keep compiled kernels of exactly this source: print the folder, made and pruned.

numba takes a cached kernel for fresh as long as the *file that defines it* has not changed. A callee or a
constant in another file is compiled into its callers, so after a change there the callers run on with the old
code, silently. The cure is a cache folder named by everything that can end up in machine code: the modules
that import numba and whatever of our own they import, directly or not. Standard library only: it runs before
numba is imported, since numba reads NUMBA_CACHE_DIR once.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

PACKAGES = ("features", "models", "training", "serving")
KEPT = 3
"""Older folders kept beside the current one, so that going back and forth between states compiles nothing."""


def kernel_sources(root: Path) -> list[Path]:
    """Every module that can end up in machine code, sorted: what imports numba, and what that imports."""
    files = {
        _module_name(path, root): path for name in PACKAGES for path in sorted((root / name).rglob("*.py"))
    }
    imports = {name: _imports(path) for name, path in files.items()}
    todo = [name for name, wanted in imports.items() if any(w.split(".")[0] == "numba" for w in wanted)]
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += [wanted for wanted in imports[name] if wanted in files]
    return sorted(files[name] for name in reached)


def digest(root: Path) -> str:
    """Short name of the present state of all kernel sources."""
    state = hashlib.sha256()
    for path in kernel_sources(root):
        state.update(path.relative_to(root).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:16]


def folder(root: Path, base: Path | None = None) -> Path:
    """Make the folder for this state under `base` (default `<root>/.cache/numba`); drop those not used for
    longest.
    """
    base = base or root / ".cache" / "numba"
    current = base / digest(root)
    current.mkdir(parents=True, exist_ok=True)
    current.touch()
    others = [path for path in base.iterdir() if path.is_dir() and path != current]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
    return current


def _module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


_IMPORT = re.compile(
    r"^[ \t]*(?:import[ \t]+([\w., \t]+)|from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*))",
    re.MULTILINE,
)


def _imports(path: Path) -> set[str]:
    """Dotted names that a module imports; `from a.b import c` gives `a.b` and `a.b.c`: c may be a module.

    Found by pattern: parsing a hundred files would cost every command half a second. A line of a docstring
    that reads like an import adds a name, which does no harm.
    """
    found: set[str] = set()
    for plain, module, names in _IMPORT.findall(path.read_text("utf-8")):
        found.update(name.strip().partition(" ")[0] for name in plain.split(",") if name.strip())
        if module:
            found.add(module)
            found.update(f"{module}.{name}" for name in re.findall(r"\w+", names))
    return found


def is_cold() -> bool:
    """Whether the kernels of this source were never compiled here: the first run takes a minute more."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    return named is not None and not any(Path(named).iterdir())


def use_user_cache() -> None:
    """Let numba keep this installation's kernels in the user's cache folder, unless NUMBA_CACHE_DIR names
    another.

    Call it before anything imports numba. Where no folder can be written, kernels are compiled anew in every
    process.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    home = os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser() / ".cache"
    try:
        os.environ["NUMBA_CACHE_DIR"] = str(
            folder(Path(__file__).resolve().parent.parent, Path(home) / "habitus" / "numba")
        )
    except (OSError, RuntimeError):
        return
