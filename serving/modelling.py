"""What a tenant's scores are made with, and what people's verdicts say of them."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import zstandard
from sqlalchemy import case, func, select

from features.behaviours import ENTITY_KINDS
from models.detector import Detector
from serving import soc
from serving.days import DAY_US, day_of
from serving.queries import RECEIPT_BYTES, newest_day
from serving.store.tables import entity_days, exceptions, receipts, verdicts
from training import drift as drifts
from training.pedb.protocol import RATES
from training.stability import LEAST_EXPECTED

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from serving.store.database import Database
    from serving.tenant import TenantState


CALIBRATED_DAYS = 28
"""Days that tail probabilities are counted over."""
RECENT_DAYS = 7
"""Days that are compared with those before them."""
DRIFT_ROWS = 300_000
"""Entity-days that are compared, the newest: of more, no page wants to wait for."""


class Lag(NamedTuple):
    """newest_ms: time of the newest event that is trusted, milliseconds UTC; seconds: how old it is; None for
    both before the first event.
    """

    newest_ms: int | None
    seconds: float | None


def lag_seconds(state: TenantState) -> Lag:
    """How far a tenant's events are behind the clock."""
    newest_us = state.detector.clock.newest_us
    if newest_us < 0:
        return Lag(None, None)
    return Lag(newest_us // 1000, max(0.0, time.time() - newest_us / 1e6))


def running(state: TenantState) -> dict[str, Any]:
    """What is active now, on the engine's thread, O(1). What is not known is None.

    budget_by_day: alerts that were allowed and that came, by closed day (`models.budget`).
    """
    detector = state.detector
    past = detector.alerts.controller.export()[0]["days"].tolist()
    return {
        "active": {
            "version": state.model.version or None,
            "name": state.model.name or None,
            "schema": Detector.schema(),
            "digest": state.model.digest or None,
            "trained": state.model.trained_until or None,
            "events": state.learned_count,
            "channels": len(detector.channels.all),
            "settled": detector.alerts.controller.settled,
        },
        "beside": beside(state),
        "budget_by_day": {
            "days": [day_of(row[0]).isoformat() for row in past],
            "nominal": [row[1] for row in past],
            "realised": [row[2] for row in past],
            "paged": [row[3] for row in past],
        },
        "held": detector.engine.held_count,
    }


def beside(state: TenantState) -> dict[str, Any] | None:
    """The second model and where it differs from what serves; None without one."""
    second = state.second
    if second is None:
        return None
    return {
        **msgspec.to_builtins(second.mark),
        "has_served": second.has_served,
        "since": second.since_us // 1000,
        "held": second.detector.engine.held_count,
        "settled": second.detector.alerts.controller.settled,
        "days": list(second.report),
    }


def _rarity() -> ColumnElement[float]:
    """How rare an entity-day was; days of before what was told counted have their risk alone."""
    c = entity_days.c
    return func.coalesce(c.rarity, c.risk)


def calibration(database: Database, tenant: str) -> dict[str, Any] | None:
    """Share of the users' and hosts' closed days that stated a tail probability, exp(-rarity), of at most
    nominal, over the newest `CALIBRATED_DAYS`; only nominal rates that promise `LEAST_EXPECTED` days, None
    without any. As `training.stability.realised_rates`, counted by the store.
    """
    c = entity_days.c
    rarity = _rarity()
    with database.read() as connection:
        newest = newest_day(connection, tenant)
        if newest is None:
            return None
        counts = connection.execute(
            select(func.count(), *(func.sum(case((rarity >= -math.log(rate), 1), else_=0)) for rate in RATES))
            .where(c.tenant == tenant, c.day > newest - CALIBRATED_DAYS)
            .where(c.entity_kind.in_(("user", "host")))
        ).one()
    total, below = counts[0], counts[1:]
    kept = [
        (rate, int(found) / total)
        for rate, found in zip(RATES, below, strict=True)
        if rate * total >= LEAST_EXPECTED
    ]
    if not kept:
        return None
    return {"nominal": [rate for rate, _ in kept], "realised": [share for _, share in kept], "days": total}


def drift(database: Database, tenant: str) -> list[dict[str, Any]] | None:
    """How far the last `RECENT_DAYS` closed days are from the `CALIBRATED_DAYS` before them, by kind of
    entity: population stability of the rarity and of the number of events (`training.drift`), the strongest
    first. None with less than `RECENT_DAYS` days before.

    value: the index. bar: above it a shift, which is a reason to train a challenger; nothing is changed.
    """
    c = entity_days.c
    with database.read() as connection:
        newest = newest_day(connection, tenant)
        if newest is None:
            return None
        first = newest - RECENT_DAYS - CALIBRATED_DAYS + 1
        rows = connection.execute(
            select(c.day, c.entity_kind, _rarity(), c.n_events)
            .where(c.tenant == tenant, c.day >= first)
            .order_by(c.day.desc(), c.entity_kind, c.entity)
            .limit(DRIFT_ROWS)
        ).all()
    days = np.array([row[0] for row in rows], np.int64)
    if len(np.unique(days[days <= newest - RECENT_DAYS])) < RECENT_DAYS:
        return None
    kinds = np.array([row[1] for row in rows])
    found: list[dict[str, Any]] = []
    for kind in ENTITY_KINDS:
        for name, column in (("rarity", 2), ("events", 3)):
            values = np.array([row[column] for row in rows], np.float64)
            mine, recent = kinds == kind, days > newest - RECENT_DAYS
            moved = drifts.between(values[mine & ~recent], values[mine & recent])
            if moved is not None:
                bar = max(drifts.SHIFT, moved.chance)
                found.append({"name": f"{name} of {kind}s", "value": moved.psi, "bar": bar})
    return sorted(found, key=lambda row: -row["value"])


def said(database: Database, tenant: str) -> dict[str, Any]:
    """What verdicts and exceptions say, of the last 30 days by the service's clock; versions of what ranked
    last, from the newest receipt; how far stated tail probabilities came true.
    """
    now_us = time.time_ns() // 1000
    since_us = now_us - soc.DEFAULT_DAYS * DAY_US
    numbers = soc.numbers(database, tenant, since_us, now_us + 1)
    v, e, r = verdicts.c, exceptions.c, receipts.c
    with database.read() as connection:
        given = connection.execute(
            select(v.verdict_id, func.count())
            .where(v.tenant == tenant, v.reverted_us.is_(None))
            .group_by(v.verdict_id)
        ).all()
        open_exceptions = connection.execute(
            select(e.state, func.count()).where(e.tenant == tenant, e.until_us > now_us).group_by(e.state)
        ).all()
        newest = connection.execute(
            select(r.body).where(r.tenant == tenant).order_by(r.at_us.desc()).limit(1)
        ).scalar()
    ranked = None
    if newest is not None:
        body = zstandard.ZstdDecompressor().decompress(bytes(newest), max_output_size=RECEIPT_BYTES)
        ranked = msgspec.json.decode(body)["versions"]
    return {
        "calibration": calibration(database, tenant),
        "drift": drift(database, tenant),
        "ranked_with": ranked,
        "precision": numbers["precision"],
        "precision_by_channel": numbers["precision_by_channel"],
        "feedback": {
            "verdicts": {str(number): count for number, count in given},
            "exceptions": {row[0]: row[1] for row in open_exceptions},
        },
    }
