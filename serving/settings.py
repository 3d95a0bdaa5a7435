"""What an operator can set about the core. Times that order events are event times; timers are monotonic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.alerts import EVERY_HOURS
from models.risk import Budget
from serving.quota import Quota

if TYPE_CHECKING:
    from collections.abc import Mapping


LIVE_SECONDS = 7_200.0
"""Events that come later than this after they happened are history: nobody could have acted on them."""
LEARN_SHARE = 0.1


@dataclass(frozen=True)
class CoreSettings:
    """Limits and times of the core; the defaults suit two cores and 8 GB.

    Parameters
    ----------
    lateness_seconds
        How much later than newer ones an event may arrive and still be scored in its place.
    linger_seconds
        After this long without a submission of a tenant, what still waits for the watermark is scored.
    future_seconds
        An event further than this ahead of the moment it was received is quarantined.
    waiting_events
        Most events of a tenant that wait for the watermark.
    submission_bytes
        Largest body of one submission.
    queue_bytes, tenant_queue_bytes
        Bodies that may wait to be written, over all tenants and of one.
    group_bytes, group_submissions
        Most that one commit takes.
    backlog_bytes
        Bodies that may be on disk and not yet scored; while there are more, nothing further is taken.
    checkpoint_seconds, checkpoint_events
        A tenant's state is written this often, if it changed, or after so many events: what a recovery has to
        replay.
    journal_days, lake_days, learned_days, quarantine_days, entity_days_days
        How long what has been taken in, was scored, was learned (so that it can be unlearned), could not be
        read, and was summed up is kept. What was learned six half-lives of the baselines ago weighs less than
        2 %: nothing is gained by taking it back.
    journal_bytes
        Most bytes of the journal that are kept although no checkpoint needs them.
    quarantine_records
        Most records of a tenant in quarantine; the oldest go first.
    mark_minutes
        How often, in event time, the open day is ranked anew and what has come up to the line raised: for
        events that come within `LIVE_SECONDS`. One look takes the engine some tenths of a second.
    history_mark_hours
        The same for events that come later than that.
    alert_seconds
        How often alerts of the open day are brought up to date, at the least; new ones are given at once.
    min_free_bytes
        With less room than this on the disk, submissions are refused before the disk is full, so that
        checkpoints and queries still work.
    budget
        How many alerts a day people can read; one in ten is for what a verdict would teach most.
    quota, tenant_quotas
        What any tenant may take, and what some may instead.
    """

    lateness_seconds: float = 60.0
    linger_seconds: float = 5.0
    future_seconds: float = 3600.0
    waiting_events: int = 500_000
    submission_bytes: int = 64 << 20
    queue_bytes: int = 256 << 20
    tenant_queue_bytes: int = 128 << 20
    group_bytes: int = 8 << 20
    group_submissions: int = 512
    backlog_bytes: int = 64 << 20
    checkpoint_seconds: float = 60.0
    checkpoint_events: int = 1_000_000
    journal_days: float = 2.0
    journal_bytes: int = 8 << 30
    lake_days: float = 400.0
    learned_days: float = 180.0
    quarantine_days: float = 30.0
    quarantine_records: int = 100_000
    entity_days_days: float = 400.0
    mark_minutes: int = 15
    history_mark_hours: int = EVERY_HOURS
    alert_seconds: float = 60.0
    min_free_bytes: int = 64 << 20
    budget: Budget = field(default_factory=lambda: Budget(learn_share=LEARN_SHARE))
    quota: Quota = field(default_factory=Quota)
    tenant_quotas: Mapping[str, Quota] = field(default_factory=dict)

    def quota_of(self, tenant: str) -> Quota:
        """What a tenant may take."""
        return self.tenant_quotas.get(tenant, self.quota)
