"""Doubles for tests of what stands in front of the core: they keep everything in memory and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serving.protocols.framing import PUT_ASIDE
from serving.submission import EventScore, Receipt

if TYPE_CHECKING:
    from serving.keys import KeyInfo
    from serving.submission import Submission


@dataclass
class MemoryCore:
    """Takes every submission; `failing` are errors raised instead, one a submission, first come first."""

    taken: list[Submission] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    ready: bool = True

    async def submit(
        self, submission: Submission, *, learn: bool = True, want_scores: bool = False
    ) -> Receipt:
        """See `serving.http.ports.Ingest`."""
        await asyncio.sleep(0)
        if self.failing:
            raise self.failing.pop(0)
        if learn:
            self.taken.append(submission)
        n = len(submission.body.split(b"\n")) if submission.body else 0
        bad = submission.body.count(PUT_ASIDE)
        scores = None
        if want_scores:
            scores = [EventScore(f"{index}", "", 0.0, 0.0, 1.0, "", "", held=False) for index in range(n)]
        return Receipt(n, n - bad, 0, bad, 0, scores)

    def metrics(self) -> dict[str, float]:
        """Counters."""
        return {"submissions_total": len(self.taken), "queue_bytes": 0.0}

    @property
    def records(self) -> list[bytes]:
        """All records taken, in order."""
        return [record for submission in self.taken for record in submission.body.split(b"\n")]


@dataclass(frozen=True)
class MemoryCaller:
    """Owner of a key."""

    tenant: str
    role: str
    key_id: str = "k1"


@dataclass
class MemoryKeys:
    """Keys by their secrets."""

    known: dict[str, MemoryCaller] = field(default_factory=dict)

    def verify(self, secret: str) -> MemoryCaller | None:
        """See `serving.http.ports.KeyRing`."""
        return self.known.get(secret)

    def all(self, tenant: str) -> list[KeyInfo]:
        """None that could be shown."""
        return []

    def create(self, tenant: str, role: str, label: str, *, actor: str, actor_role: str) -> str:
        """A key that opens nothing."""
        return f"{tenant}-{role}-{label}"

    def revoke(self, key_id: str, tenant: str, *, actor: str, actor_role: str) -> None:
        """It never opened anything."""
