"""How many alerts people were promised, and how many they got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, select

from features.behaviours import ENTITY_KINDS
from serving.days import day_of
from serving.store.tables import alerts

if TYPE_CHECKING:
    from serving.store.database import Database
    from serving.tenant import TenantState

WEEK = 7


def budget_of(state: TenantState) -> dict[str, Any]:
    """Nominal and realised alerts of a tenant, by days of its events; on the engine's thread, O(1).

    day: the open day (since 1970), None before the first event. week: closed days, oldest first.
    """
    controller, today = state.detector.alerts.controller, state.detector.activity.today
    entities = sum(
        int((state.detector.baselines.entities.kind[: state.detector.baselines.entities.end] == kind).sum())
        for kind in range(len(ENTITY_KINDS))
    )
    past = np.asarray(controller.export()[0]["days"])[-WEEK:].tolist()
    nominal = controller.nominal(today, 0) if past else controller.budget.alerts(entities)
    realised, wanted = sum(row[2] for row in past), sum(row[1] for row in past)
    return {
        "day": None if today < 0 else int(today),
        "nominal": int(nominal),
        "week": [
            {"day": day_of(day).isoformat(), "nominal": nominal, "raised": raised, "paged": paged}
            for day, nominal, raised, paged in past
        ],
        "rate": realised / wanted if wanted else None,
    }


def raised_on(database: Database, tenant: str, day: int) -> int:
    """Alerts about a day (since 1970, UTC)."""
    c = alerts.c
    with database.read() as connection:
        found = connection.execute(select(func.count()).where(c.tenant == tenant, c.day == day)).scalar()
    return int(found or 0)


def by_state(database: Database, tenant: str) -> dict[str, int]:
    """How many alerts are in each state that has any."""
    c = alerts.c
    query = select(c.state, func.count()).where(c.tenant == tenant).group_by(c.state)
    with database.read() as connection:
        return {state: int(number) for state, number in connection.execute(query)}


def changed_since(database: Database, tenant: str, after_us: int, limit: int) -> tuple[list[str], int]:
    """Ids of alerts that changed after a moment (microseconds UTC), oldest change first; and the newest
    moment of them.
    """
    c = alerts.c
    query = (
        select(c.alert_id, c.updated_us)
        .where(c.tenant == tenant, c.updated_us > after_us)
        .order_by(c.updated_us)
        .limit(limit)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [row.alert_id for row in rows], max((row.updated_us for row in rows), default=after_us)
