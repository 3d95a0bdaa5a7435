"""The disk of a process that is watched by `disk_shim.c`: run it, end it in the middle, read what it did."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BEFORE, AFTER, TORN = 0, 1, 2
_HEAD = struct.Struct("<cIQQ")


class Operation(NamedTuple):
    """One thing that was done to the folder; kinds as in disk_shim.c, paths below the folder."""

    kind: str
    path: str
    offset: int
    data: bytes


def built_shim(folder: Path) -> Path:
    """The compiled library; skips where no compiler is."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev)")
    library = folder / "disk_shim.so"
    command = [
        compiler,
        "-O1",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(HERE / "disk_shim.c"),
        "-lpthread",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return library


@dataclass
class Run:
    """What one process said before it ended. ledger: None when it did not come to its end."""

    acknowledged: list[int] = field(default_factory=list)
    ledger: dict[str, int] | None = None
    operations: int = 0
    failed: str = ""


class Zygote:
    """Starts watched processes in milliseconds, by forking one that has loaded everything."""

    def __init__(self, library: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.armed_process"],
            cwd=ROOT,
            env={**os.environ, "LD_PRELOAD": str(library)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        assert self._answer() == ["ready"]

    def _answer(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process of the cores ended"
        return line.strip().split(maxsplit=1)

    def run(self, folder: Path, first: int, last: int, **job: Any) -> Run:
        """Send bodies first .. last; see `armed_process` for what else can be asked for."""
        assert self._process.stdin is not None
        self._process.stdin.write(
            json.dumps({"folder": str(folder), "first": first, "last": last, **job}) + "\n"
        )
        found = Run()
        while (answer := self._answer())[0] != "ended":
            if answer[0] == "ack":
                found.acknowledged.append(int(answer[1]))
            elif answer[0] == "done":
                found.ledger, found.operations = json.loads(answer[1])
            elif answer[0] == "failed":
                found.failed = answer[1]
        return found

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def read_log(path: Path, folder: Path) -> list[Operation]:
    """The operations of a log, in order."""
    return list(_records(path.read_bytes(), str(folder.resolve())))


def _records(content: bytes, root: str) -> Iterator[Operation]:
    at = 0
    while at + _HEAD.size <= len(content):
        kind, name_length, offset, data_length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        name = content[at : at + name_length].decode()
        at += name_length
        data = content[at : at + data_length]
        at += data_length
        if kind == b"r":
            data = _below(data.decode(), root).encode()
        yield Operation(kind.decode(), _below(name, root), offset, data)


def _below(name: str, root: str) -> str:
    return "." if name == root else name.removeprefix(root + "/")


class Disk:
    """A folder in memory, with what of it is safe: replays operations, and writes down what a power cut
    leaves.

    The model is the least that POSIX promises: a file's bytes survive as they were at its last sync; its name
    survives from the sync of the folder it is in, or (as on ext4, XFS and btrfs, which log a new file's name
    with its first sync) from its own sync; a rename or removal survives from the sync of the folder. What was
    not synced may survive all the same, so both extremes are written.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.folders: set[str] = set()
        self.safe: dict[str, bytes] = {}
        self._pending: list[tuple[str, str, str]] = []
        self._syncing: dict[str, bytes] = {}

    def apply(self, operation: Operation) -> None:
        """One operation, carried out."""
        kind, path, offset, data = operation
        if kind == "c" and offset:
            self.folders.add(path)
        elif kind == "c":
            self.files[path] = bytearray()
        elif kind == "w":
            content = self.files.setdefault(path, bytearray())
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
        elif kind == "t":
            content = self.files.setdefault(path, bytearray())
            del content[offset:]
            content.extend(bytes(offset - len(content)))
        elif kind == "r":
            self.files[data.decode()] = self.files.pop(path)
            self._pending.append(("r", path, data.decode()))
        elif kind == "u":
            self.files.pop(path, None)
            self.folders.discard(path)
            self._pending.append(("u", path, ""))
        elif kind == "b":
            # what is written while the sync runs may come too late for it
            self._syncing[path] = bytes(self.files[path]) if path in self.files else b""
        elif kind == "s":
            self._sync(path)

    def _sync(self, path: str) -> None:
        if path in self.files:
            self.safe[path] = self._syncing.pop(path, b"")
            return
        # a folder: what was renamed or removed in it is so for good
        inside = [step for step in self._pending if str(Path(step[1]).parent) == path]
        for kind, old, new in inside:
            content = self.safe.pop(old, None)
            if kind == "r":
                # the new name leads to what was synced under the old one
                self.safe[new] = content if content is not None else b""
            self._pending.remove((kind, old, new))

    def write(self, folder: Path, *, synced_only: bool) -> None:
        """Write the folder as a kill leaves it, or as a power cut leaves it at worst."""
        folder.mkdir(parents=True)
        files = self.safe if synced_only else self.files
        for name in self.folders:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
