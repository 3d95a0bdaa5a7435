"""Habits of one entity, its peers and everybody, taken from the running state without holding it up.

The habit table has no index by entity. It is searched in parts, each a few milliseconds on the engine's
thread, between which events are scored: what is shown may mix two moments, which no person can tell apart.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features import sketch
from features.behaviours import ENTITY_KINDS
from features.entities import UNIT

if TYPE_CHECKING:
    from features.baselines import Baselines
    from features.kernel import Sums
    from serving.http.ports import Acts
    from serving.tenant import TenantState

SLOTS = 1 << 19
"""Slots of the table that are searched at once: about 2 ms."""
MOST_VALUES = 48
ENTITY, PEERS, ORGANISATION = range(3)


class Habit(NamedTuple):
    """A value of a behaviour, its decayed count, and its share of the behaviour (0 to 1)."""

    value: str
    weight: float
    share: float


@dataclass
class Profile:
    """Habits by level (ENTITY, PEERS, ORGANISATION) and behaviour, heaviest first; at most MOST_VALUES each.

    members: other entities of the group.
    """

    kind: str
    name: str
    group: str = ""
    members: list[str] = field(default_factory=list)
    habits: dict[tuple[int, str], list[Habit]] = field(default_factory=dict)


class _Search(NamedTuple):
    ids: np.ndarray
    levels: np.ndarray
    sums: Sums
    renumberings: int
    group: str
    members: list[str]


async def profile(core: Acts, tenant: str, kind: str, name: str) -> Profile:
    """What is normal for an entity; empty when nothing is known of it. O(habits of the tenant) in parts."""
    found = await asyncio.wrap_future(core.ask(lambda: _begin(core.state_of(tenant), kind, name)))
    made = Profile(kind, name)
    if found is None:
        return made
    made.group, made.members = found.group, found.members
    parts = []
    for first in range(0, len(found.sums.keys) // 2, SLOTS):
        part = await asyncio.wrap_future(
            core.ask(lambda first=first: _search(found, first))  # type: ignore[misc]
        )
        parts.append(part)
    keys = np.concatenate([part[0] for part in parts])
    weights = np.concatenate([part[1] for part in parts])
    made.habits = await asyncio.wrap_future(
        core.ask(lambda: _named(core.state_of(tenant).detector.baselines, found, keys, weights))
    )
    return made


def _begin(state: TenantState, kind: str, name: str) -> _Search | None:
    baselines = state.detector.baselines
    number = ENTITY_KINDS.index(kind)
    value = baselines.values.find(name)
    entities = baselines.entities
    entity = int(entities.find(number, np.array([value], np.int32))[0]) if value else 0
    if not entity:
        return None
    group = int(entities.group[entity])
    ids, levels = [entity], [ENTITY]
    members: list[str] = []
    if group:
        ids, levels = [*ids, group], [*levels, PEERS]
        others = np.flatnonzero(entities.group[: entities.end] == group)
        others = others[(entities.kind[others] == number) & (others != entity)][:MOST_VALUES]
        members = baselines.values.many(entities.name[others])
    ids, levels = [*ids, entities.organisation[number]], [*levels, ORGANISATION]
    return _Search(
        np.array(ids, np.int64),
        np.array(levels),
        baselines.sums(),
        baselines.renumberings,
        baselines.group_name(entity),
        members,
    )


def _search(found: _Search, first: int) -> tuple[np.ndarray, np.ndarray]:
    keys = found.sums.keys[2 * first : 2 * (first + SLOTS) : 2]
    entity = keys >> (sketch.BEHAVIOUR_BITS + sketch.VALUE_BITS)
    chosen = np.flatnonzero((entity == found.ids[:, None]).any(0))
    return keys[chosen], found.sums.weights[2 * (first + chosen) + 1]


def _named(
    baselines: Baselines, found: _Search, keys: np.ndarray, weights: np.ndarray
) -> dict[tuple[int, str], list[Habit]]:
    """Names instead of numbers; nothing if these were given anew meanwhile."""
    if baselines.renumberings != found.renumberings or not len(keys):
        return {}
    entity, behaviour, value = sketch.unpack(keys)
    totals = baselines.sums().totals[entity * UNIT + baselines.program.local[behaviour]]
    share = weights / np.maximum(totals, np.finfo(float).tiny)
    counts = weights * baselines.decay()
    made: dict[tuple[int, str], list[Habit]] = {}
    order = np.lexsort((value, -weights, behaviour, entity))
    bounds = np.flatnonzero(np.diff(keys[order] >> sketch.VALUE_BITS)) + 1
    level_of = dict(zip(found.ids.tolist(), found.levels.tolist(), strict=True))
    for rows in np.split(order, bounds):
        kept = rows[:MOST_VALUES]
        names = baselines.values.many(value[kept])
        place = (level_of[int(entity[rows[0]])], baselines.behaviours[int(behaviour[rows[0]])].name)
        made[place] = [
            Habit(text, float(number), min(1.0, float(part)))
            for text, number, part in zip(names, counts[kept], share[kept], strict=True)
        ]
    return made


def hours_of_week(habits: list[Habit]) -> list[float]:
    """168 weights, Monday 00 h UTC first, of the habit `hour`, which knows weekdays and weekends."""
    hours = [0.0] * 168
    for habit in habits:
        words = habit.value.split()  # "on a weekday at 09 h UTC"
        if len(words) != 7 or not words[4].isdecimal():
            continue
        days = (5, 6) if words[2] == "weekend" else (0, 1, 2, 3, 4)
        for day in days:
            hours[24 * day + int(words[4]) % 24] += habit.weight / len(days)
    return hours


def plain(habits: list[Habit], most: int) -> list[dict[str, Any]]:
    """The heaviest habits as JSON has them."""
    return [
        {"value": habit.value, "share": round(habit.share, 4), "count": round(habit.weight, 2)}
        for habit in habits[:most]
    ]
