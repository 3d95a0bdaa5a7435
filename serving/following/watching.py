"""Looks at the registry again and again, in a process of its own: MLflow is large, slow to load, and whatever
happens to it must not happen to the service.

    python -m serving.following.watching REGISTRY SECONDS PARENT

Prints a line of JSON whenever something has changed: `{"models": {NAME: {ALIAS: Wanted}}}`, or
`{"trouble": TEXT}` while the registry does not answer; what was said before then goes on to hold.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec

from features.errors import HabitusError
from serving.following.orders import Mark
from serving.orphans import stop_with_parent

ALIASES = ("champion", "challenger")


class Seen(msgspec.Struct, frozen=True):
    """What the registry says: marks by model and alias; trouble: why it says nothing, "" when it does."""

    models: dict[str, dict[str, Mark]] = {}
    trouble: str = ""


def look(where: str) -> Seen:
    """The aliases of all models."""
    from training.tracking import Registry

    registry = Registry(where)
    found: dict[str, dict[str, Mark]] = {}
    for name in registry.names():
        marks = {
            alias: Mark(version.digest, name, version.number, version.trained_until)
            for version in registry.versions(name)
            for alias in version.aliases
            if alias in ALIASES and version.digest
        }
        found[name] = dict(sorted(marks.items()))
    return Seen(found)


def main(where: str, seconds: float, parent: int) -> None:
    """Look until the parent ends."""
    stop_with_parent(parent)
    before: Any = None
    while True:
        try:
            seen = look(where)
        except (HabitusError, OSError) as error:
            seen = Seen(trouble=str(error)[:500])
        if seen != before:
            before = seen
            print(msgspec.json.encode(seen).decode(), flush=True)  # noqa: T201 - the parent reads it
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
