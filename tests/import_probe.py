"""Run as a script: import every module of the packages and report what their own top-level code reads.

Prints one line for each file, environment variable, clock, socket or process that is touched while a module
of ours is being imported, by its own code or by a library that it calls. What the import system, numba's
kernel cache and click's translations look up on their own account is not ours to answer for. Standard output
is empty when nothing was touched.

    python import_probe.py ROOT PACKAGE...
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import time
from pathlib import Path

OPENERS = {
    "open",
    "os.listdir",
    "os.scandir",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
}
NOT_OURS = (f"{os.sep}numba{os.sep}", f"{os.sep}click{os.sep}")
CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")


class Probe:
    """Remembers who of ours touched what."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = tuple(folders)
        self.seen: dict[str, None] = {}

    def report(self, what: str) -> None:
        """Walk up the stack: ours, unless the import system or one of NOT_OURS stands in between."""
        frame = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib") or any(part in name for part in NOT_OURS):
                return
            if name.startswith(self.folders):
                self.seen[
                    f"{os.path.relpath(name, Path(self.folders[0]).parent)}:{frame.f_lineno} {what}"
                ] = None
                return
            frame = frame.f_back


def watch(probe: Probe) -> None:
    """Hook files, sockets and processes (audit events), the environment and the clocks (by wrapping)."""

    def hear(event: str, args: tuple[object, ...]) -> None:
        if event in OPENERS:
            probe.report(f"{event} {str(args[0])[:200]}")

    sys.addaudithook(hear)

    environment = type(os.environ)
    look_up = environment.__getitem__

    def get(self, key):
        probe.report(f"environment {key}")
        return look_up(self, key)

    environment.__getitem__ = get

    for name in CLOCKS:
        clock = getattr(time, name)

        def tell(clock=clock, name=name):
            probe.report(f"clock {name}")
            return clock()

        setattr(time, name, tell)


def main(root: str, packages: list[str]) -> None:
    sys.path.insert(0, root)
    probe = Probe([f"{root}{os.sep}{name}{os.sep}" for name in packages])
    watch(probe)
    for name in packages:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    sys.stdout.write("".join(f"{line}\n" for line in probe.seen))


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), sys.argv[2:])
