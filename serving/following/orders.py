"""What is journalled when models change, and how a model is named in a tenant's state.

A swap is an entry like any other: everything before it is scored by one model, everything after it by the
other, in a replay as the first time.
"""

from __future__ import annotations

from typing import Any

import msgspec

from features.errors import StateError


class Mark(msgspec.Struct, frozen=True):
    """Which model something is.

    digest: of its bundle, "" for one that grew by itself from the tenant's events. name, version: in the
    registry. trained_until: RFC 3339, UTC.
    """

    digest: str = ""
    name: str = ""
    version: int = 0
    trained_until: str = ""

    @property
    def short(self) -> str:
        """The first 16 hex digits of the digest: what scores are marked with."""
        return self.digest[:16]

    def __str__(self) -> str:
        return f"{self.name} version {self.version}" if self.digest else "the model of its own events"


OWN = Mark()


class Shadow(msgspec.Struct, frozen=True):
    """From here on a second model exists, which knows what the tenant has had scored before.

    mark
        Which.
    place
        Folder of the prepared state, under the data directory's `models`.
    base
        Number of the first of the tenant's events that the prepared state has not met.
    from_us, until_us
        First and last event that the bundle was trained on, microseconds UTC: of what came in before, only
        events after the last are new to it.
    """

    mark: Mark
    place: str
    base: int
    from_us: int
    until_us: int

    def encoded(self) -> bytes:
        """The body."""
        return msgspec.json.encode(self)


class Change(msgspec.Struct, frozen=True):
    """Body of a swap and of a drop. digest: of the second model at that moment; with another one, or none,
    nothing happens.
    """

    digest: str

    def encoded(self) -> bytes:
        """The body."""
        return msgspec.json.encode(self)


def decoded(body: bytes, form: type[Any]) -> Any:
    """A journalled body; StateError when it is none."""
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.DecodeError as error:
        raise StateError(f"a journalled change of models cannot be read ({error})") from error
