"""What the core's threads tell each other and the outside about how they are."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from serving.gauges import Gauges

COUNTERS = (
    "submissions",
    "commits",
    "events",
    "bytes",
    "refused",
    "busy",
    "checkpoints",
    "flushes",
    "files_merged",
)
"""Numbers of the core that only grow. Each is written by one thread, or under the lock of whoever counts."""


@dataclass
class Status:
    """Shared by the threads of one core; every field is replaced as a whole.

    ready
        Whether submissions are taken.
    trouble
        Why nothing can be written for now; "" when all is well.
    failed
        Why the core has stopped for good; "" while it works.
    flushing
        Tenants for which a flush is on its way.
    gauges
        What the threads measured.
    shed
        Submissions that were told to come back, by tenant and reason (`serving.submission.Busy.reason`).
    """

    ready: bool = False
    trouble: str = ""
    failed: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    flushing: set[str] = field(default_factory=set)
    shed: dict[str, Counter[str]] = field(default_factory=dict)
    gauges: Gauges = field(default_factory=Gauges)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_shed(self, tenant: str, reason: str) -> None:
        """A submission was told to come back."""
        with self._lock:
            self.counts["busy"] += 1
            self.shed.setdefault(tenant, Counter())[reason] += 1

    @property
    def refusal(self) -> str:
        """Why nothing is taken in or answered at all; "" when it is."""
        if self.failed or not self.ready:
            return self.failed or "the service is starting or stopping; send it again"
        return ""
