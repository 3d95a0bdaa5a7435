"""Where the model that serves and the one beside it differ, day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from serving.days import day_of
from training.stability import TOP, agreement, day_numbers, people, realised_rates

if TYPE_CHECKING:
    import pandas as pd

KEPT_DAYS = 30
MOST_NAMED = 10
"""Alerts of one model alone that are named, of each day and model."""
RATE = 0.01
KEY = ["entity_kind", "entity"]


def compared(serving: pd.DataFrame, beside: pd.DataFrame, day: int) -> dict[str, Any] | None:
    """A day (since 1970, UTC) of two frames of entity-days (`models.days.DayBook.frame`); None where one of
    them has nothing of it.

    overlap: rank-biased, of the first 50 users and hosts. top: share of the first ten that both have. rate:
    realised over nominal at 1 %, by model, None where the day is too small. alerts: raised by both, and by
    one alone. only: the highest of those, with what each model says.
    """
    parts = [frame[day_numbers(frame) == day] for frame in (serving, beside)]
    alike = agreement(people(parts[0]), people(parts[1]))
    if alike is None:
        return None
    both = parts[0].merge(parts[1], on=KEY, how="outer", suffixes=("", "_beside"))
    raised = both["alert"].eq(True).to_numpy(), both["alert_beside"].eq(True).to_numpy()
    return {
        "day": day_of(day).isoformat(),
        "overlap": alike[0],
        "top": alike[1],
        "shown": TOP,
        "rate": [realised_rates(people(part)["risk"].to_numpy(np.float64)).get(RATE) for part in parts],
        "alerts": {
            "both": int((raised[0] & raised[1]).sum()),
            "serving": int((raised[0] & ~raised[1]).sum()),
            "beside": int((raised[1] & ~raised[0]).sum()),
        },
        "only": {
            "serving": _named(both[raised[0] & ~raised[1]], "risk", "reasons"),
            "beside": _named(both[raised[1] & ~raised[0]], "risk_beside", "reasons_beside"),
        },
    }


def _named(rows: pd.DataFrame, risk: str, reasons: str) -> list[dict[str, Any]]:
    chosen = rows.sort_values([risk, *KEY], ascending=[False, True, True], kind="stable").head(MOST_NAMED)
    return [
        {
            "entity_kind": row["entity_kind"],
            "entity": row["entity"],
            "risk": {"serving": _number(row["risk"]), "beside": _number(row["risk_beside"])},
            "reason": next(iter(row[reasons]), ""),
        }
        for row in chosen.to_dict("records")
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
