"""What can be said of a model without labels: whether it keeps its budget, is calibrated, leans on more than
one channel, repeats itself, and would say the same with another seed.

None of it says that the model finds anything. It says when something is wrong: a model that fails here cannot
be good, one that passes may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from training.pedb.protocol import RATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from models.risk import Budget

REPEAT_DAYS = 7
LEAST_EXPECTED = 5.0
"""Alerts that a nominal rate must promise before its realised rate is counted."""
TOP = 10
PERSISTENCE = 0.9
"""p of rank-biased overlap: the first ten places have 86% of the weight (Webber et al., table II)."""
KEY = ("entity_kind", "entity", "day")


def day_numbers(days: pd.DataFrame) -> np.ndarray:
    """int64 (n,) days since 1970-01-01 UTC of a frame of entity-days."""
    found: np.ndarray = days["day"].to_numpy("datetime64[D]").astype(np.int64)
    return found


def people(days: pd.DataFrame) -> pd.DataFrame:
    """Rows of users and hosts: what the budget is counted in."""
    return days[days["entity_kind"].isin(("user", "host"))]


def realised_rates(rarity: np.ndarray) -> dict[float, float]:
    """Realised over nominal rate of entity-days whose stated tail probability, exp(-rarity), is at most
    nominal, by nominal rate; only rates that promise `LEAST_EXPECTED`.

    A calibrated tail probability is uniform (Dawid, "Statistical theory: the prequential approach", JRSS A
    147, 1984), so the ratio is 1. Unknown attacks are counted among the benign: the truth is a little lower.
    """
    tail, least = np.exp(-rarity), LEAST_EXPECTED
    return {rate: float(np.mean(tail <= rate) / rate) for rate in RATES if rate * len(rarity) >= least}


def calibration_error(rates: Mapping[float, float]) -> float | None:
    """Mean of |ln(realised / nominal)|: 0 is calibrated, 0.69 off by a factor of two on average. A rate that
    never came counts as a tenth. None without rates.
    """
    if not rates:
        return None
    return float(np.mean([abs(np.log(max(ratio, 0.1))) for ratio in rates.values()]))


def budget_ratios(days: pd.DataFrame, budget: Budget) -> tuple[float, float] | None:
    """Least and most of realised over allowed alerts in any seven days in a row (all, if there are fewer);
    None without days. Alerts are counted over all kinds of entities, as the controller does.
    """
    number, alert = day_numbers(days), days["alert"].to_numpy(bool)
    found = np.unique(number)
    if not len(found):
        return None
    realised = np.array([(alert & (number == day)).sum() for day in found], np.float64)
    allowed = np.array([budget.alerts(int((number == day).sum())) for day in found], np.float64)
    width = min(7, len(found))
    ratios = [
        realised[start : start + width].sum() / allowed[start : start + width].sum()
        for start in range(len(found) - width + 1)
    ]
    return min(ratios), max(ratios)


def effective_causes(evidence: Mapping[str, float]) -> float | None:
    """Exp of the Shannon entropy of the causes' shares of the evidence: how many causes it would be if all
    gave the same (Hill, "Diversity and evenness", Ecology 54, 1973, number of order 1). None without any.
    """
    nats = np.array(list(evidence.values()))
    if not nats.sum() > 0:
        return None
    share = nats[nats > 0] / nats.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def repeat_share(days: pd.DataFrame) -> float | None:
    """Share of the alerts about an entity that had one in the `REPEAT_DAYS` before; None without alerts."""
    raised = days[days["alert"].to_numpy(bool)]
    if not len(raised):
        return None
    seen: dict[tuple[str, str], list[int]] = {}
    for kind, name, day in zip(raised["entity_kind"], raised["entity"], day_numbers(raised), strict=True):
        seen.setdefault((kind, name), []).append(int(day))
    repeats = 0
    for found in seen.values():
        gaps = np.diff(np.sort(found))
        repeats += int((gaps <= REPEAT_DAYS).sum())
    return repeats / len(raised)


def rank_biased_overlap(one: list[object], other: list[object], p: float = PERSISTENCE) -> float:
    """Extrapolated rank-biased overlap of two rankings of equal length, 0 to 1 (Webber, Moffat, Zobel, "A
    similarity measure for indefinite rankings", ACM TOIS 28(4), 2010, equation 23).

    The first places weigh most. 1 for two empty rankings.
    """
    depth = min(len(one), len(other))
    if not depth:
        return 1.0
    seen_one: set[object] = set()
    seen_other: set[object] = set()
    total, both = 0.0, 0
    for place in range(depth):
        seen_one.add(one[place])
        seen_other.add(other[place])
        both = len(seen_one & seen_other)
        total += both / (place + 1) * p ** (place + 1)
    return both / depth * p**depth + (1.0 - p) / p * total


def agreement(one: pd.DataFrame, other: pd.DataFrame, depth: int = 50) -> tuple[float, float] | None:
    """How alike two models rank the users and hosts of the same days: mean over days of the rank-biased
    overlap of the first `depth`, and of the share that the first `TOP` have in common. None without a day
    that both have.
    """
    tops = [_tops(people(frame), depth) for frame in (one, other)]
    shared = sorted(tops[0].keys() & tops[1].keys())
    if not shared:
        return None
    overlap, common = [], []
    for day in shared:
        left, right = (found[day] for found in tops)
        overlap.append(rank_biased_overlap(left, right))
        size = min(TOP, len(left), len(right))
        common.append(len(set(left[:size]) & set(right[:size])) / size)
    return float(np.mean(overlap)), float(np.mean(common))


def _tops(days: pd.DataFrame, depth: int) -> dict[Any, list[object]]:
    order = days.sort_values(
        ["day", "risk", "entity_kind", "entity"], ascending=[True, False, True, True], kind="stable"
    )
    return {
        day: list(zip(part["entity_kind"], part["entity"], strict=True))
        for day, part in order.groupby("day", sort=True).head(depth).groupby("day", sort=True)
    }


def measures(days: pd.DataFrame, evidence: Mapping[str, float], budget: Budget) -> dict[str, float | None]:
    """All figures of one model by name, None where there is nothing to measure. days: judged ones only."""
    rates = realised_rates(people(days)["rarity"].dropna().to_numpy(np.float64))
    ratios = budget_ratios(days, budget)
    return {
        "calibration_error": calibration_error(rates),
        "realised_over_nominal_at_1_percent": rates.get(0.01),
        "alerts_over_budget_least": None if ratios is None else ratios[0],
        "alerts_over_budget_most": None if ratios is None else ratios[1],
        "effective_causes": effective_causes(evidence),
        "repeated_alerts": repeat_share(days),
    }
