"""Scored events as a page shows them: a timeline, hours of the week, and who was seen with whom."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

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

    risks: of entities that have an alert on that day. O(events), in arrays: only what is shown becomes text.
    """
    seen = {one: _Coded.of(events[one]) for one in KINDS}
    partners = {
        (one, name): count
        for one, coded in seen.items()
        for name, count in coded.most(MOST_PARTNERS + 1, [name for other, name in risks if other == one])
    }
    partners.pop((kind, entity), None)
    ranked = sorted(partners, key=lambda one: (-risks.get(one, 0.0), -partners[one], one))
    kept = {(kind, entity), *ranked[:MOST_PARTNERS]}
    nodes = [
        {"id": ":".join(one), "kind": one[0], "name": one[1], "risk": risks.get(one)} for one in sorted(kept)
    ]
    pairs: Counter[tuple[tuple[str, str], tuple[str, str]]] = Counter()
    for place, left in enumerate(KINDS):
        for right in KINDS[place + 1 :]:
            for names, number in _together(seen[left], seen[right], left, right, kept):
                pairs[names] = number
    edges = [
        {"from": ":".join(left), "to": ":".join(right), "count": number}
        for (left, right), number in sorted(pairs.items())
    ]
    others = sum(coded.distinct for coded in seen.values()) - seen[kind].holds(entity)
    return {"nodes": nodes, "edges": edges, "left_out": others - len(kept) + 1}


class _Coded(NamedTuple):
    """A column of texts. codes: int64 (n,), -1 for none; counts: of each name."""

    names: list[str]
    codes: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Coded:
        coded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
        names: list[str] = coded.dictionary.to_pylist()
        codes = coded.indices.to_numpy().astype(np.int64)
        if "" in names:
            codes = np.where(codes == names.index(""), -1, codes)
        return cls(names, codes, np.bincount(codes[codes >= 0], minlength=len(names)))

    @property
    def distinct(self) -> int:
        return int((self.counts > 0).sum())

    def holds(self, name: str) -> bool:
        return bool(name) and name in self.names

    def most(self, number: int, besides: list[str]) -> list[tuple[str, int]]:
        """The most frequent names, the first by name of equal ones; and some more, where they occur."""
        order = sorted(np.flatnonzero(self.counts).tolist(), key=lambda code: -self.counts[code])
        if len(order) > number:
            least = self.counts[order[number - 1]]
            order = [code for code in order if self.counts[code] >= least]
            order = sorted(order, key=lambda code: (-self.counts[code], self.names[code]))[:number]
        wanted = set(besides)
        order += [code for code, name in enumerate(self.names) if name in wanted and self.counts[code]]
        return [(self.names[code], int(self.counts[code])) for code in dict.fromkeys(order)]


def _together(
    left: _Coded, right: _Coded, left_kind: str, right_kind: str, kept: set[tuple[str, str]]
) -> list[tuple[tuple[tuple[str, str], tuple[str, str]], int]]:
    """How often names of two columns, among those that are kept, were in one event."""
    chosen = []
    for coded, kind in ((left, left_kind), (right, right_kind)):
        # the last place is for those without a name
        chosen.append(np.array([(kind, name) in kept and name != "" for name in coded.names] + [False]))
    rows = chosen[0][left.codes] & chosen[1][right.codes]
    pairs = left.codes[rows] * len(right.names) + right.codes[rows]
    found, counts = np.unique(pairs, return_counts=True)
    return [
        (
            (
                (left_kind, left.names[pair // len(right.names)]),
                (right_kind, right.names[pair % len(right.names)]),
            ),
            count,
        )
        for pair, count in zip(found.tolist(), counts.tolist(), strict=True)
    ]


def strongest(events: pa.Table, limit: int) -> list[dict[str, Any]]:
    """The events with the highest risk, then the latest."""
    order = pc.sort_indices(events, sort_keys=[("risk", "descending"), ("time", "descending")])
    return [moment(row) for row in events.take(order[:limit]).to_pylist()]


def latest(events: pa.Table, limit: int) -> list[dict[str, Any]]:
    """The last events, newest first."""
    return [moment(row) for row in reversed(events.slice(max(0, len(events) - limit)).to_pylist())]
