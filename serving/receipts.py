"""Receipts: what an alert's risk was made of, so that it can be worked out again from the receipt alone.

    evidence by cause = sum of the gains of the findings of that cause                          (float32)
    excess            = sum over causes
    alone             = nats of the excess among past days                       (models.ranking.ensemble)
    combined          = weighted mean of the members' nats                        (models.ranking.ranker)
    rarity            = (1 - trust) alone + trust nats(combined)
    risk              = rarity x news(rarity, told) x factor                      (models.repeats)

The members (neighbours, forests, the combiner) are recorded as what they said: they are fitted anew every few
nights, and a model a night would be more than all events. Everything behind them is worked out again, bit for
bit. Of a tail (`models.ranking.tails`) a receipt holds the points between which it was read. `told` is what
people had been told of the entity before, in nats, `factor` what feedback left of the risk.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from features.behaviours import ENTITY_KINDS
from features.errors import StateError
from features.measures import COUNTS
from models.days import shared
from models.detector import Detector
from models.ranking.ensemble import excess_nats
from models.ranking.ranker import combined
from models.ranking.tails import Tail
from models.repeats import news
from serving.days import day_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.days import DayTable, Findings
    from models.ranking.ranker import Ranker, Trace

FORM = 1
MOST_FINDINGS = 2_000
"""Findings of one entity-day in a receipt, the strongest; with more, the evidence is recorded only."""


def alert_id(tenant: str, kind: str, entity: str, day: int) -> str:
    """The id of the alert about an entity's day (days since 1970, UTC)."""
    return hashlib.sha256(msgspec.json.encode([tenant, kind, entity, day])).hexdigest()[:24]


def take(
    detector: Detector, tenant: str, table: DayTable, rows: np.ndarray, fitted: str = ""
) -> list[dict[str, Any]]:
    """Receipts of some rows of a day's table, which must be all of the day: nats depend on nothing else, but
    the last bits of a product of matrices depend on how many rows it has. Changes nothing.

    rows: int64, places in the table. fitted: `digest_of_ranker`, which takes long, if it is known. O(rows of
    the table) for the ranking.
    """
    if not len(rows):
        return []
    trace = detector.ranker.trace(table)
    told, factors = detector.days.told(table), detector.days.factors(table)
    found = detector.days.findings()
    if found is not None:
        found = shared(found, detector.channels, int(table.day[0]))
    made = versions(detector, fitted)
    return [
        _receipt(detector, tenant, table, int(row), trace, float(told[row]), float(factors[row]), found, made)
        for row in rows.tolist()
    ]


def digest_of_ranker(ranker: Ranker) -> str:
    """SHA-256 of everything fitted, which changes at night only; O(size of the ranker)."""
    arrays, state = ranker.export()
    fitted = hashlib.sha256(msgspec.json.encode(state, order="sorted"))
    for name in sorted(arrays):
        fitted.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\0".encode())
        fitted.update(np.ascontiguousarray(arrays[name]).tobytes())
    return fitted.hexdigest()


def versions(detector: Detector, fitted: str = "") -> dict[str, str]:
    """What made the scores: versions, and SHA-256 of the fitted ranker, its settings and the feedback."""
    try:
        own = version("habitus")
    except PackageNotFoundError:
        own = "0"
    return {
        "habitus": own,
        "numpy": np.__version__,
        "schema": Detector.schema(),
        "ranker": fitted or digest_of_ranker(detector.ranker),
        "settings": _digest(asdict(detector.ranker.settings)),
        "feedback": _digest(detector.feedback.export()),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _receipt(
    detector: Detector,
    tenant: str,
    table: DayTable,
    row: int,
    trace: Trace,
    told: float,
    factor: float,
    found: Findings | None,
    made: dict[str, str],
) -> dict[str, Any]:
    baselines, channels = detector.baselines, detector.channels
    entity, day = int(table.entity[row]), int(table.day[row])
    kind = ENTITY_KINDS[int(table.kind[row])]
    name = str(baselines.values.many(baselines.entities.name[entity : entity + 1])[0])
    vector = table.evidence[row]
    total = np.maximum(vector[None], 0.0).sum(1, dtype=np.float64)
    members = {name: float(nats[row]) for name, nats in trace.scores.members.items()}
    findings = _findings(detector, found, entity)
    return {
        "form": FORM,
        "alert_id": alert_id(tenant, kind, name, day),
        "entity_kind": kind,
        "entity": name,
        "day": day_of(day).isoformat(),
        "versions": made,
        "n_events": int(table.n_events[row]),
        "age_days": int(table.age_days[row]),
        "causes": list(channels.causes),
        "evidence": [float(value) for value in vector],
        "counts": {what: float(value) for what, value in zip(COUNTS, table.counts[row], strict=True)},
        "sessions": [_json(value) for value in table.sessions[row]],
        "findings": findings,
        "complete": len(findings) < MOST_FINDINGS,
        "excess_tail": _points(trace.excess_tail, total),
        "excess_seen": float(trace.excess_seen),
        "fitted": trace.fitted,
        "members": {name: _json(nats) for name, nats in members.items()},
        "weights": [[name, weight] for name, weight in detector.ranker.settings.weights],
        "risk_tail": _points(trace.risk_tail, trace.combined[row : row + 1]),
        "trust": float(trace.trust[row]),
        "rarity": float(trace.scores.risk[row]),
        "told": told,
        "factor": factor,
        "risk": _risk(trace.scores.risk[row], told, factor),
    }


def _risk(rarity: float, told: float, factor: float) -> float:
    return float(rarity * news(np.array([rarity]), np.array([told]))[0] * factor)


def _json(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _findings(detector: Detector, found: Findings | None, entity: int) -> list[dict[str, Any]]:
    """Findings in the order in which their gains were added up."""
    if found is None:
        return []
    rows = np.flatnonzero(found.entity == entity)[:MOST_FINDINGS]
    channels = detector.channels
    values = detector.baselines.values.many(found.value[rows])
    return [
        {
            "channel": channels.all[int(found.channel[row])].name,
            "cause": int(channels.column_of[int(found.channel[row])]),
            "value": str(value),
            "time_us": int(found.time_us[row]),
            "nats": float(found.nats[row]),
            "gain": float(found.gain[row]),
            # with the value, and all: of the entity, its group, everybody; decayed
            "counts": [float(count) for count in found.counts[row]],
        }
        for row, value in zip(rows.tolist(), values, strict=True)
    ]


def _points(tail: Tail, score: np.ndarray) -> dict[str, Any]:
    """The points of a tail that decide about a score; a tail of these alone says the same of it."""
    if not len(tail.scores):
        return {"scores": [], "nats": [], "slope": float(tail.nats_per_unit)}
    last = len(tail.scores) - 1
    left = min(max(int(np.searchsorted(tail.scores, score[0], "right")) - 1, 0), max(0, last - 1))
    kept = sorted({left, min(left + 1, last), last})
    return {
        "scores": tail.scores[kept].tolist(),
        "nats": tail.nats[kept].tolist(),
        "slope": float(tail.nats_per_unit),
    }


# ----------------------------------------------------------------------------------------------------- again


def recomputed(receipt: Mapping[str, Any]) -> float:
    """The risk, from the receipt alone; StateError when that holds too little or something else."""
    try:
        if receipt["form"] != FORM:
            raise StateError(f"a receipt of form {receipt['form']}: use the version of habitus that wrote it")
        vector = np.array([receipt["evidence"]], np.float32)
        total = np.maximum(vector, 0.0).sum(1, dtype=np.float64)
        told = receipt.get("told", 0.0)  # receipts from before `models.repeats` have none
        alone = excess_nats(_tail(receipt["excess_tail"]), receipt["excess_seen"], total)
        if not receipt["fitted"]:
            return _risk(alone[0], told, receipt["factor"])
        members = {
            name: np.array([np.nan if nats is None else nats]) for name, nats in receipt["members"].items()
        }
        mean = combined([(name, weight) for name, weight in receipt["weights"]], members, 1)
        full, trust = _tail(receipt["risk_tail"]).of(mean), receipt["trust"]
        rarity = (1.0 - trust) * alone + trust * full
        return _risk(rarity[0], told, receipt["factor"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StateError(f"the receipt lacks or contradicts a part ({error!r})") from error


def evidence_again(receipt: Mapping[str, Any]) -> list[float]:
    """Evidence by cause, from the findings, as the vector has it."""
    sums = np.zeros(len(receipt["causes"]))
    for finding in receipt["findings"]:
        sums[finding["cause"]] += finding["gain"]
    return [float(value) for value in sums.astype(np.float32)]


def _tail(points: Mapping[str, Any]) -> Tail:
    return Tail(
        np.array(points["scores"], np.float64), np.array(points["nats"], np.float64), float(points["slope"])
    )


# ---------------------------------------------------------------------------------------------- what it says


def first_us(receipt: Mapping[str, Any]) -> int | None:
    """Event time of the first finding, microseconds UTC; None without one."""
    return min((finding["time_us"] for finding in receipt["findings"]), default=None)


def leading_channel(receipt: Mapping[str, Any]) -> str:
    """The channel with the largest gain; "" without findings."""
    found = max(receipt["findings"], key=lambda one: one["gain"], default=None)
    return "" if found is None else str(found["channel"])
