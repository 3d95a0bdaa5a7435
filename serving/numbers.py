"""Numbers of a running core: for operators as a whole, for a tenant its own."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from serving.tenant import TenantLedger

if TYPE_CHECKING:
    from serving.quota import Quota
    from serving.tenant import TenantState

LEDGER = tuple(field.name for field in dataclasses.fields(TenantLedger))
LEARNED = ("entities", "habits", "held")
LOST = ("entities_evicted", "entities_refused", "habits_dropped", "quarantined_ahead")


def tenant_numbers(state: TenantState) -> dict[str, int]:
    """LEDGER, LEARNED and LOST of a tenant; from any thread, without waiting."""
    baselines, engine = state.detector.baselines, state.detector.engine
    return {
        **{name: getattr(state.ledger, name) for name in LEDGER},
        "entities": baselines.entities.count,
        "habits": len(baselines),
        "held": engine.held_count,
        "entities_evicted": state.evicted,
        "entities_refused": baselines.entities.refused,
        "habits_dropped": baselines.dropped_entries,
        "quarantined_ahead": state.ahead,
    }


def nothing_yet() -> dict[str, int]:
    """`tenant_numbers` of a tenant before its first event."""
    return dict.fromkeys((*LEDGER, *LEARNED, *LOST), 0)


def limits(quota: Quota) -> dict[str, float | None]:
    """A quota as JSON has it: None for no limit."""
    return {
        "events_per_second": None if math.isinf(quota.events_per_second) else quota.events_per_second,
        "burst_events": None if math.isinf(quota.burst) else quota.burst,
        "entities": quota.entities,
    }
