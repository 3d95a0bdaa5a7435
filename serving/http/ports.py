"""What the HTTP side needs of the rest of the service; the core and the keys fit these protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from serving.triage.verdicts import Judges

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from serving.audit import Deed
    from serving.following.follower import Follower
    from serving.keys import KeyInfo
    from serving.store.database import Database
    from serving.submission import Receipt, Submission
    from serving.unlearning import Unlearned


CALLER, CORE, KEYS, PEOPLE = "habitus.caller", "habitus.core", "habitus.keys", "habitus.people"
"""Keys of the ASGI scope under which an application behind finds who asks, and what answers."""


class Ingest(Protocol):
    """Takes submissions; thread-safe (see `serving.core.Core`)."""

    async def submit(
        self, submission: Submission, *, learn: bool = True, want_scores: bool = False
    ) -> Receipt:
        """Resolves when the submission is on disk (and decoded or scored, as its protocol asks).

        Raises Busy, Refused or TooLarge; then nothing was kept.
        """

    def metrics(self) -> Mapping[str, Any]:
        """Counters (names ending in _total) and gauges, by name."""

    @property
    def ready(self) -> bool:
        """Whether recovery is done and writing works."""


class Reads(Protocol):
    """Answers questions about what was learned; every one names the tenant."""

    @property
    def database(self) -> Database:
        """The store of alerts and entity-days."""

    async def open_days(self, tenant: str) -> pd.DataFrame:
        """Entity-days of the day that is not over."""

    async def baseline(self, tenant: str, name: str) -> pd.DataFrame:
        """Habits of an entity; InputError when it is unknown."""

    def usage(self, tenant: str) -> Mapping[str, Any]:
        """A tenant's numbers and limits."""


class Acts(Reads, Judges, Protocol):
    """Changes what was learned."""

    follower: Follower | None

    async def unlearn(
        self, tenant: str, kind: str, name: str, from_us: int, to_us: int, actor: Deed, verdict: str = ""
    ) -> Unlearned:
        """See `serving.core.Core.unlearn`."""


class Caller(Protocol):
    """Who a key belongs to."""

    @property
    def tenant(self) -> str:
        """Everything that is read or written with the key belongs to it."""

    @property
    def role(self) -> str:
        """One of `serving.http.roles.ANYBODY`."""

    @property
    def key_id(self) -> str:
        """Names the key in logs without telling it."""


class KeyRing(Protocol):
    """Knows keys (see `serving.keys.Keys`)."""

    def verify(self, secret: str) -> Caller | None:
        """Whose key this is, None if it is nobody's; in constant time, without waiting."""


class KeyStore(KeyRing, Protocol):
    """Makes and ends keys (see `serving.keys.Keys`)."""

    def create(self, tenant: str, role: str, label: str, *, actor: str, actor_role: str) -> str:
        """A new key; InputError when role or label is none."""

    def all(self, tenant: str) -> list[KeyInfo]:
        """The keys of a tenant."""

    def revoke(self, key_id: str, tenant: str, *, actor: str, actor_role: str) -> None:
        """End a key of a tenant; InputError when it has no such."""
