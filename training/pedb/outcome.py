"""Judging one ranking against the truth: a small record from which every figure can be computed again.

An outcome holds one line a labelled entity-day, not one an entity-day, so that the bootstrap works on about a
hundred numbers a seed and results of earlier runs can be kept as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from features.errors import InputError
from training.pedb.protocol import RATES, Protocol
from training.pedb.ranking import completed
from training.pedb.truth import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Collection

    from training.pedb.ranking import Ranking
    from training.pedb.truth import Truth


class CampaignFact(msgspec.Struct, frozen=True):
    """A campaign with at least one entity-day on the judged days.

    cold: one of its entities was new on its first labelled day. after_drift: one of its entity-days lies
    within some days of a change of the organisation.
    """

    name: str
    kind: str
    difficulty: str
    cold: bool
    after_drift: bool


class Hit(msgspec.Struct, frozen=True):
    """One campaign at one entity-day.

    campaign: number in the outcome's list. primary: stands for its entity-day where entity-days are counted
    (one that belongs to several campaigns is one entity-day). place: 1 for the strangest of its day.
    entities: that were ranked on its day. above, at_least: unlabelled entity-days of all days with a higher
    score, with a higher or equal one. hours: from the campaign's first event to the moment at which this
    entity-day is shown, if it is.
    """

    campaign: int
    primary: bool
    place: int
    entities: int
    above: int
    at_least: int
    hours: float


class RateCount(msgspec.Struct, frozen=True):
    """Unlabelled entity-days, and those of them that a threshold at a nominal rate would have reported."""

    nominal: float
    after_drift: bool
    reported: int
    unlabelled: int


class Shown(msgspec.Struct, frozen=True):
    """What the reference budget showed on one day: false alerts in all, those of new entities; and how many
    were ranked and how many of these are new.
    """

    day: int
    after_drift: bool
    entities: int
    new_entities: int
    false_alerts: int
    new_false_alerts: int


class Outcome(msgspec.Struct, frozen=True):
    """One method on one seed. unlabelled: entity-days that belong to no campaign. users: size asked for."""

    method: str
    seed: int
    users: int
    campaigns: list[CampaignFact]
    hits: list[Hit]
    days: list[Shown]
    unlabelled: int
    rates: list[RateCount]


def judge(
    method: str,
    ranking: Ranking,
    truth: Truth,
    protocol: Protocol,
    *,
    first_day: int,
    last_day: int,
    seed: int = 0,
    users: int = 0,
    drift: Collection[int] = (),
    age: dict[tuple[str, str], int] | None = None,
) -> Outcome:
    """Judge a ranking on the days from first_day to last_day (since 1970-01-01 UTC, both included).

    Equal scores are broken against the method: unlabelled entity-days come first; labelled ones among
    themselves by kind and name. A labelled entity-day without a score comes last. age: the day on which each
    (kind, name) was first seen; by default the first day of the ranking as given, warm-up included. A ranking
    without rows before first_day and no age would make everybody new, so then nobody is.
    Cost: a sort of the entity-days.

    Raises
    ------
    InputError
        If no campaign has an entity-day on those days.
    """
    first_seen = _first_seen(ranking) if age is None else age
    ranking = completed(ranking, truth, first_day, last_day)
    keys = ranking.entity_days()
    labelled = np.array([key in truth.marks for key in keys], bool)
    if not labelled.any():
        raise InputError("no campaign has a user or host on the judged days; is the warm-up too long?")
    new = np.array([0 <= key[2] - first_seen.get(key[:2], key[2]) < protocol.cold_days for key in keys], bool)
    if not any(day < first_day for day in first_seen.values()):
        new[:] = False
    shaken = {day + later for day in drift for later in range(protocol.after_drift_days)}
    place, entities = _places(ranking, labelled)
    above, at_least = _false_before(ranking.score, labelled)
    facts, hits = _hits(
        ranking, truth, np.flatnonzero(labelled), place, entities, (above, at_least), new, shaken
    )
    return Outcome(
        method,
        seed,
        users,
        facts,
        hits,
        _days(ranking, labelled, place, new, shaken, protocol),
        int((~labelled).sum()),
        _rates(ranking, labelled, shaken, protocol),
    )


def _first_seen(ranking: Ranking) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for kind, name, day in ranking.entity_days():
        found[kind, name] = min(found.get((kind, name), day), day)
    return found


def _places(ranking: Ranking, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each row on its day (1 is the strangest), and how many rows its day has."""
    names = np.array([f"{kind} {name}" for kind, name, _ in ranking.entity_days()], object)
    order = np.lexsort((np.argsort(np.argsort(names, kind="stable")), labelled, -ranking.score, ranking.day))
    days, start, count = np.unique(ranking.day[order], return_index=True, return_counts=True)
    at = np.searchsorted(days, ranking.day)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place - start[at] + 1, count[at]


def _false_before(score: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row how many unlabelled rows score higher, and how many at least as high."""
    false = np.sort(score[~labelled])
    return (
        len(false) - np.searchsorted(false, score, side="right"),
        len(false) - np.searchsorted(false, score, side="left"),
    )


def _hits(
    ranking: Ranking,
    truth: Truth,
    rows: np.ndarray,
    place: np.ndarray,
    entities: np.ndarray,
    before: tuple[np.ndarray, np.ndarray],
    new: np.ndarray,
    shaken: Collection[int],
) -> tuple[list[CampaignFact], list[Hit]]:
    keys = ranking.entity_days()
    by_campaign: dict[int, list[int]] = {}
    for row in rows.tolist():
        for number in truth.marks[keys[row]]:
            by_campaign.setdefault(number, []).append(row)
    facts, hits = [], []
    counted: set[int] = set()
    for index, number in enumerate(sorted(by_campaign)):
        campaign = truth.campaigns[number]
        mine = sorted(by_campaign[number], key=lambda row: (keys[row][2], keys[row]))
        first: dict[tuple[str, str], int] = {}
        for row in mine:
            first.setdefault(keys[row][:2], row)
        facts.append(
            CampaignFact(
                campaign.name,
                campaign.kind,
                campaign.difficulty,
                any(bool(new[row]) for row in first.values()),
                any(keys[row][2] in shaken for row in mine),
            )
        )
        for row in mine:
            began = truth.marks[keys[row]][number]
            alerted = int(ranking.alerted_ms[row])
            shown = (keys[row][2] + 1) * DAY_MS if alerted < 0 else max(alerted, began)
            hits.append(
                Hit(
                    index,
                    row not in counted,
                    int(place[row]),
                    int(entities[row]),
                    int(before[0][row]),
                    int(before[1][row]),
                    (shown - campaign.start_ms) / 3_600_000,
                )
            )
            counted.add(row)
    return facts, hits


def _days(
    ranking: Ranking,
    labelled: np.ndarray,
    place: np.ndarray,
    new: np.ndarray,
    shaken: Collection[int],
    protocol: Protocol,
) -> list[Shown]:
    found = []
    for day in np.unique(ranking.day).tolist():
        today = ranking.day == day
        n = int(today.sum())
        false = today & ~labelled & (place <= protocol.slots(protocol.reference, n))
        found.append(
            Shown(day, day in shaken, n, int((today & new).sum()), int(false.sum()), int((false & new).sum()))
        )
    return found


def _rates(
    ranking: Ranking, labelled: np.ndarray, shaken: Collection[int], protocol: Protocol
) -> list[RateCount]:
    """Realised alert counts. A method that states tail probabilities is taken at its word; any other is given
    the quantile of all its scores of the earlier judged days, once there are some days of them.
    """
    drifted = np.isin(ranking.day, np.array(sorted(shaken), np.int64))
    stated = bool(np.isfinite(ranking.tail).any())
    found = []
    for nominal in RATES:
        if stated:
            counted = ~labelled
            reported = np.nan_to_num(ranking.tail, nan=1.0) <= nominal
        else:
            counted, reported = _by_quantile(ranking, nominal, protocol.history_days)
            counted &= ~labelled
        for after in (False, True):
            part = counted & (drifted == after)
            found.append(RateCount(nominal, after, int((part & reported).sum()), int(part.sum())))
    return found


def _by_quantile(ranking: Ranking, nominal: float, history_days: int) -> tuple[np.ndarray, np.ndarray]:
    counted = np.zeros(len(ranking.day), bool)
    reported = np.zeros(len(ranking.day), bool)
    days = np.unique(ranking.day)
    for day in days[history_days:]:
        past = ranking.score[(ranking.day < day) & np.isfinite(ranking.score)]
        today = ranking.day == day
        counted |= today
        reported |= today & (ranking.score > np.quantile(past, 1 - nominal, method="higher"))
    return counted, reported
