"""Entity-days as a table for people: reasons in words, alerts, the strangest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.behaviours import ENTITY_KINDS
from models.alerts import NEVER
from models.calibration import THRESHOLD_NATS
from models.explain import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from features.baselines import Baselines
    from models.alerts import AlertBook
    from models.channels import Channels
    from models.days import DayTable, Findings
    from models.risk import Budget
    from models.sessions.sessions import Remark

REASONS = 5
"""Reasons kept for an entity-day."""
COUNT_REASONS = 2
"""Reasons that are counts, while there are others."""


class Ranked(NamedTuple):
    """Entity-days of one day and what they were given, float64 (n,) each; see `models.days.DayBook.frame`."""

    table: DayTable
    rarity: np.ndarray
    risk: np.ndarray
    entity_risk: np.ndarray


def unsorted_frame(
    baselines: Baselines,
    tenant: str,
    keys: np.ndarray,
    counts: np.ndarray,
    evidence: np.ndarray,
    ranked: Sequence[Ranked],
    reasons: list[list[str]],
) -> pd.DataFrame:
    """One row a key (entity << 32 | day, ascending), without alerts; see `models.days.DayBook.frame`.

    counts: events. evidence: risk of what was never ranked.
    """
    import pandas as pd

    risk, entity_risk, rarity = evidence.copy(), np.full(len(keys), np.nan), np.full(len(keys), np.nan)
    for one in ranked:
        at = np.searchsorted(keys, one.table.entity.astype(np.int64) << 32 | one.table.day)
        risk[at], entity_risk[at], rarity[at] = one.risk, one.entity_risk, one.rarity
    entity = keys >> 32
    return pd.DataFrame(
        {
            "tenant": tenant,
            "entity_kind": np.array(ENTITY_KINDS, object)[baselines.entities.kind[entity]],
            "entity": baselines.values.many(baselines.entities.name[entity]),
            "day": pd.to_datetime(keys & 0xFFFFFFFF, unit="D").date,
            "risk": risk,
            "alert": np.zeros(len(keys), np.bool_),
            "n_events": counts,
            "reasons": reasons,
            "alerted_at": _moments(np.full(len(keys), NEVER)),
            "entity_risk": entity_risk,
            "rarity": rarity,
        }
    )


def _moments(at_us: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Moments in UTC; as Arrow has them, since pandas and pyarrow disagree on how to hand over others."""
    import pandas as pd
    import pyarrow as pa

    kind = pa.timestamp("us", tz="UTC")
    return pd.array(pa.array(at_us, pa.int64(), mask=at_us == NEVER).cast(kind), dtype=pd.ArrowDtype(kind))


def _strangest_first(frame: pd.DataFrame) -> pd.DataFrame:
    order = ["day", "risk", "entity_kind", "entity"]
    return frame.sort_values(order, ascending=[False, False, True, True]).reset_index(drop=True)


def with_highest(frame: pd.DataFrame, budget: Budget) -> pd.DataFrame:
    """In order, with the highest risks of each day as alerts."""
    frame = _strangest_first(frame)
    days = frame.groupby("day")
    rank, allowed = days.cumcount(), days["risk"].transform("size").map(budget.alerts)
    return frame.assign(alert=(rank < allowed) & (frame["risk"] > 0))


def with_raised(
    frame: pd.DataFrame, keys: np.ndarray, alerts: AlertBook, now: tuple[DayTable, np.ndarray] | None
) -> pd.DataFrame:
    """In order, with what was raised as alerts, and on the open day with what would be if it ended now."""
    today = int(now[0].day[0]) if now is not None and len(now[0].day) else -1
    at_us = alerts.moments(keys, today)
    raised = at_us != NEVER
    moments = _moments(at_us)
    if now is not None:
        key = now[0].entity.astype(np.int64) << 32 | now[0].day
        filling = np.isin(now[0].entity, alerts.would_fill(*now))
        raised[np.searchsorted(keys, key[filling])] = True
    return _strangest_first(frame.assign(alert=raised, alerted_at=moments))


def reasons_of(
    baselines: Baselines,
    channels: Channels,
    keys: np.ndarray,
    found: Findings | None,
    remarks: dict[int, Remark],
) -> list[list[str]]:
    """Reasons of each entity-day (keys ascending), the strongest first, at most REASONS.

    remarks: on sessions, by key; each stands among the findings where its nats beyond the everyday put it.
    """
    reasons: list[list[str]] = [[] for _ in keys]
    gains: list[list[float]] = [[] for _ in keys]
    if found is not None:
        _add_findings(baselines, channels, keys, found, reasons, gains)
    for key, remark in remarks.items():
        at = int(np.searchsorted(keys, key))
        gain = remark.nats - THRESHOLD_NATS
        place = sum(other >= gain for other in gains[at])
        reasons[at].insert(place, remark.text)
        del reasons[at][REASONS:]
    return reasons


def _add_findings(
    baselines: Baselines,
    channels: Channels,
    keys: np.ndarray,
    found: Findings,
    reasons: list[list[str]],
    gains: list[list[float]],
) -> None:
    """Add the strongest findings of each entity-day and their gains, at most REASONS."""
    at = np.searchsorted(keys, found.entity << 32 | found.day)
    order = np.lexsort((-found.gain, at))
    place = np.arange(len(order)) - np.searchsorted(at[order], at[order])
    # counts of one burst say much the same: after COUNT_REASONS of them, other kinds of reasons go first
    counted = (found.channel >= channels.volume) & (found.channel < channels.returns)
    before: np.ndarray = np.cumsum(counted[order]) - counted[order]
    before -= before[np.searchsorted(at[order], at[order])]
    later = counted[order] & (before >= COUNT_REASONS)
    order = order[np.lexsort((place, later, at[order]))]
    place = np.arange(len(order)) - np.searchsorted(at[order], at[order])
    chosen = order[place < REASONS]
    for index in chosen[np.lexsort((-found.gain[chosen], at[chosen]))]:
        reasons[at[index]].append(
            reason(
                baselines,
                channels.all[int(found.channel[index])],
                int(found.entity[index]),
                int(found.value[index]),
                float(found.nats[index]),
                found.counts[index],
            )
        )
        gains[at[index]].append(float(found.gain[index]))
