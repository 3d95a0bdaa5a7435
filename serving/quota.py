"""What one tenant may take of the service: events a second, and entities that are remembered."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.errors import InputError
from serving.submission import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

BURST_SECONDS = 10.0
"""Of the rate; the burst where none is given."""
ENTITIES = 4_000_000
VERDICTS = 240
"""Of one analyst in an hour: four a minute, longer than anybody reads."""
LEAST_ENTITIES = 100


@dataclass(frozen=True)
class Quota:
    """Limits of a tenant.

    Parameters
    ----------
    events_per_second
        Sustained rate; infinite for no limit.
    burst_events
        What may come at once after a quiet time; 0 for ten seconds of the rate.
    entities
        Users, hosts and addresses that are remembered. Near it the lightest fifth is forgotten, and counted.
    verdicts_per_hour
        Of one analyst: whoever steals a key must not be able to teach that everything is all right.
    """

    events_per_second: float = math.inf
    burst_events: float = 0.0
    entities: int = ENTITIES
    verdicts_per_hour: int = VERDICTS

    def __post_init__(self) -> None:
        if not self.events_per_second > 0 or not 0 <= self.burst_events < math.inf:
            raise InputError("a quota needs a rate above 0 events a second, and a burst that is a number")
        if self.entities < LEAST_ENTITIES:
            raise InputError(f"a quota of {self.entities} entities: at least {LEAST_ENTITIES} are needed")
        if self.verdicts_per_hour < 1:
            raise InputError("a quota of verdicts: at least one an hour")

    @property
    def burst(self) -> float:
        """Events that may come at once."""
        return self.burst_events or BURST_SECONDS * self.events_per_second

    @classmethod
    def parsed(cls, text: str) -> Quota:
        """The quota of RATE[:BURST[:ENTITIES[:VERDICTS]]]; a part that is left empty is as by default."""
        parts = text.strip().split(":")
        try:
            if len(parts) > 4:
                raise ValueError(text)
            rate, burst, entities, said = (*parts, "", "", "")[:4]
            return cls(
                float(rate or "inf"), float(burst or 0), int(entities or ENTITIES), int(said or VERDICTS)
            )
        except ValueError as error:
            raise InputError(
                f"{text!r} is no quota: RATE[:BURST[:ENTITIES[:VERDICTS]]], such as 500:5000"
            ) from error


def parsed_by_tenant(text: str) -> dict[str, Quota]:
    """Quotas of TENANT=QUOTA, several with commas; InputError for what is none."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        tenant, separator, quota = part.partition("=")
        if not separator:
            raise InputError(f"{part!r} is no tenant's quota: TENANT=RATE[:BURST[:ENTITIES[:VERDICTS]]]")
        found[tenant.strip()] = Quota.parsed(quota)
    return found


class OverQuota(Busy):
    """A tenant sends more than its quota; nothing was kept."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s, "rate")


class Rates:
    """Token buckets by tenant. Thread-safe; time is monotonic, so clock jumps change nothing.

    A submission is taken whole while its tenant has any token left, and may leave a debt: what is larger
    than the burst gets through, too, and is paid for before anything else comes.

    Parameters
    ----------
    quota_of
        A tenant's quota.
    clock
        Seconds, never falling.
    """

    def __init__(self, quota_of: Callable[[str], Quota], clock: Callable[[], float] = time.monotonic) -> None:
        self._quota_of = quota_of
        self._clock = clock
        self._lock = threading.Lock()
        self._filled: dict[str, tuple[float, float]] = {}

    def limits(self, tenant: str) -> bool:
        """Whether a tenant has a limit: for one without, nobody needs to count."""
        return not math.isinf(self._quota_of(tenant).events_per_second)

    def take(self, tenant: str, events: int) -> None:
        """Count events; OverQuota, with the time until it can be otherwise, when the tenant has had its."""
        quota = self._quota_of(tenant)
        if math.isinf(quota.events_per_second):
            return
        now = self._clock()
        with self._lock:
            tokens, at = self._filled.get(tenant, (quota.burst, now))
            tokens = min(quota.burst, tokens + (now - at) * quota.events_per_second)
            if tokens <= 0:
                self._filled[tenant] = tokens, now
                wait = (1.0 - tokens) / quota.events_per_second
                raise OverQuota(f"more than {quota.events_per_second:g} events a second of this tenant", wait)
            self._filled[tenant] = tokens - events, now

    def give_back(self, tenant: str, events: int) -> None:
        """Events that were counted were not kept."""
        with self._lock:
            if tenant in self._filled:
                tokens, at = self._filled[tenant]
                self._filled[tenant] = tokens + events, at
