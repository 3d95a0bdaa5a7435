"""How fast and how well a tenant's people work on its alerts. Definitions, for people: docs/triage.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from features.errors import InputError
from serving.days import DAY_US, day_of
from serving.store.tables import alert_history, alerts
from serving.triage import golden
from serving.triage.words import CLEARED, TRUE_POSITIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serving.store.database import Database

DEFAULT_DAYS = 30
MOST_DAYS = 400


def numbers(database: Database, tenant: str, from_us: int, until_us: int) -> dict[str, Any]:
    """Numbers about the alerts raised in [from_us, until_us), microseconds UTC; O(alerts + history lines).

    Times are seconds: median and 90th percentile (linear between neighbours), of n alerts; None of none.

    Raises
    ------
    InputError
        If the window is empty, or longer than MOST_DAYS.
    """
    if not 0 < until_us - from_us <= MOST_DAYS * DAY_US:
        raise InputError(f"the window must end after it begins, within {MOST_DAYS} days")
    a, h = alerts.c, alert_history.c
    with database.read() as connection:
        columns = (
            a.alert_id,
            a.state,
            a.verdict_id,
            a.channel,
            a.raised_us,
            a.alerted_us,
            a.first_us,
            a.acknowledged_us,
            a.contained_us,
            a.closed_us,
            a.why,
            a.disagrees,
        )
        inside = (a.tenant == tenant, a.raised_us >= from_us, a.raised_us < until_us)
        rows = [dict(row) for row in connection.execute(select(*columns).where(*inside)).mappings()]
        handled = connection.execute(
            select(h.actor, h.at_us, h.alert_id).where(
                h.tenant == tenant, h.at_us >= from_us, h.at_us < until_us, h.what.in_(("verdict", "state"))
            )
        ).all()
        agreement = golden.agreement(connection, tenant, from_us, until_us)
    true = [row for row in rows if row["verdict_id"] == TRUE_POSITIVE]
    return {
        "from": from_us // 1000,
        "to": until_us // 1000,
        "alerts": len(rows),
        "by_state": _counted(row["state"] for row in rows),
        "time_to_detect": _between(rows, "first_us", "alerted_us"),
        "time_to_acknowledge": _between(rows, "raised_us", "acknowledged_us"),
        "time_to_contain": _between(rows, "raised_us", "contained_us"),
        "time_to_resolve": _between(rows, "raised_us", "closed_us"),
        "dwell_time": _between(true, "first_us", "contained_us"),
        "precision": _precision(rows),
        "precision_by_channel": {
            channel: _precision([row for row in rows if row["channel"] == channel])
            for channel in sorted({row["channel"] for row in rows if row["verdict_id"] is not None})
        },
        "agreement": agreement,
        "to_learn_from": sum(bool(row["why"]) for row in rows),
        "disagreeing": sum(bool(row["disagrees"]) for row in rows),
        "handled": _handled([(row.actor, row.at_us // DAY_US, row.alert_id) for row in handled]),
    }


def _between(rows: Iterable[Mapping[str, Any]], first: str, last: str) -> dict[str, float | int | None]:
    pairs = [(row[first], row[last]) for row in rows if row[first] is not None and row[last] is not None]
    # event times and the service's own clock may differ by a little
    seconds = np.array([max(end - start, 0) for start, end in pairs]) / 1e6
    if not len(seconds):
        return {"n": 0, "median_s": None, "p90_s": None}
    median, p90 = np.percentile(seconds, [50, 90])
    return {"n": len(seconds), "median_s": float(median), "p90_s": float(p90)}


def _precision(rows: Iterable[Mapping[str, Any]]) -> dict[str, float | int | None]:
    said = [row["verdict_id"] for row in rows if row["verdict_id"] is not None]
    true = sum(number == TRUE_POSITIVE for number in said)
    nothing = sum(number in CLEARED for number in said)
    judged = true + nothing
    return {
        "true_positives": true,
        "nothing": nothing,
        "undecided": len(said) - judged,
        "precision": true / judged if judged else None,
    }


def _counted(states: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in states:
        found[state] = found.get(state, 0) + 1
    return dict(sorted(found.items()))


def _handled(lines: list[tuple[str, int, str]]) -> dict[str, Any]:
    """Different alerts that somebody judged or moved, by analyst and day (UTC)."""
    found: dict[tuple[str, int], set[str]] = {}
    for actor, day, alert_id in lines:
        found.setdefault((actor, day), set()).add(alert_id)
    table = [
        {"analyst": actor, "day": day_of(day).isoformat(), "alerts": len(ids)}
        for (actor, day), ids in sorted(found.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    counts = [len(ids) for ids in found.values()]
    return {"by_analyst_and_day": table, "mean": sum(counts) / len(counts) if counts else None}
