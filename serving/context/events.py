"""Scored events as a page shows them: a timeline, hours of the week, and who was seen with whom."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving.days import DAY_US

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_MOMENTS = 200
MOST_PARTNERS = 12
LANES = {1: "endpoint", 2: "other", 3: "identity", 4: "network", 5: "other", 6: "cloud"}
"""OCSF category (class_uid // 1000) by where it happens."""
KINDS = ("user", "host", "src_ip")
HOUR_US = DAY_US // 24
MONDAY = 3
"""1970-01-01 was a Thursday: three days after a Monday."""


def timeline(events: pa.Table) -> list[dict[str, Any]]:
    """The events that were oddest, and otherwise spread over the day, in the order of time."""
    if len(events) > MOST_MOMENTS:
        risk = events["risk"].to_numpy()
        odd = np.argsort(-risk, kind="stable")[: MOST_MOMENTS // 2]
        spread = np.linspace(0, len(events) - 1, MOST_MOMENTS - len(odd)).astype(np.int64)
        events = events.take(pa.array(np.unique(np.concatenate([odd, spread]))))
    return [moment(row) for row in events.to_pylist()]


def moment(row: Mapping[str, Any]) -> dict[str, Any]:
    """One event; its time in milliseconds UTC."""
    return {
        "time": round(row["time"].timestamp() * 1000),
        "class": LANES.get(row["class_uid"] // 1000, "other"),
        "class_uid": row["class_uid"],
        "user": row["user"],
        "host": row["host"],
        "src_ip": row["src_ip"],
        "text": row["reason"] or "nothing unusual",
        "risk": round(row["risk"], 1),
        "event_uid": row["event_uid"],
    }


def hours_of_week(events: pa.Table) -> list[int]:
    """168 counts, Monday 00 h UTC first."""
    hours = events["time"].cast(pa.int64()).to_numpy() // HOUR_US
    found: list[int] = np.bincount((hours + 24 * MONDAY) % 168, minlength=168).tolist()
    return found


def graph(events: pa.Table, kind: str, entity: str, risks: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """Users, hosts and addresses that were seen together, the most frequent partners of the entity.

    risks: of entities that have an alert on that day.
    """
    partners: Counter[tuple[str, str]] = Counter()
    pairs: Counter[tuple[tuple[str, str], tuple[str, str]]] = Counter()
    if len(events):
        table = events.select(KINDS).group_by(list(KINDS)).aggregate([([], "count_all")])
        for row in table.to_pylist():
            seen = [(one, row[one]) for one in KINDS if row[one]]
            for place, left in enumerate(seen):
                partners[left] += row["count_all"]
                for right in seen[place + 1 :]:
                    pairs[left, right] += row["count_all"]
    partners.pop((kind, entity), None)
    ranked = sorted(partners, key=lambda one: (-risks.get(one, 0.0), -partners[one], one))
    kept = {(kind, entity), *ranked[:MOST_PARTNERS]}
    nodes = [
        {"id": ":".join(one), "kind": one[0], "name": one[1], "risk": risks.get(one)} for one in sorted(kept)
    ]
    edges = [
        {"from": ":".join(left), "to": ":".join(right), "count": number}
        for (left, right), number in sorted(pairs.items())
        if left in kept and right in kept
    ]
    return {"nodes": nodes, "edges": edges, "left_out": len(partners) - len(kept) + 1}


def strongest(events: pa.Table, limit: int) -> list[dict[str, Any]]:
    """The events with the highest risk, then the latest."""
    order = pc.sort_indices(events, sort_keys=[("risk", "descending"), ("time", "descending")])
    return [moment(row) for row in events.take(order[:limit]).to_pylist()]


def latest(events: pa.Table, limit: int) -> list[dict[str, Any]]:
    """The last events, newest first."""
    return [moment(row) for row in reversed(events.slice(max(0, len(events) - limit)).to_pylist())]
