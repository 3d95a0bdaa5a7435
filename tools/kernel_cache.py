"""Where numba may keep compiled kernels of exactly this source: print the folder, made and pruned.

numba takes a cached kernel for fresh as long as the *file that defines it* has not changed. A callee or a
constant in another file is compiled into its callers, so after a change there the callers run on with the old
code, silently. The cure is a cache folder named by everything that can end up in machine code: the modules
that import numba and whatever of our own they import, directly or not. Standard library only: it runs before
numba is imported, since numba reads NUMBA_CACHE_DIR once.

    NUMBA_CACHE_DIR="$(python tools/kernel_cache.py)" habitus ...
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import sys
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


def folder(root: Path) -> Path:
    """Make the folder for this state under `<root>/.cache/numba` and drop those not used for longest."""
    base = root / ".cache" / "numba"
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


def _imports(path: Path) -> set[str]:
    """Dotted names that a module imports; `from a.b import c` gives `a.b` and `a.b.c`: c may be a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{folder(Path(__file__).resolve().parent.parent)}\n")
