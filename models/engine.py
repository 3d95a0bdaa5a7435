"""Score, then learn: the one loop that replay and service share.

For every event, in the order given: look up its habits at three levels, turn them into evidence
(`models.habit`), calibrate (`models.calibration`), add up what is beyond the everyday, and only then learn
the event, unless it is so strange that it is held back. What is held is learned `hold_days` later with the
weight of its own time; since baselines are sums, that leaves the same baseline as learning it at once.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from features.behaviours import WIDTH
from features.entities import UNIT
from features.kernel import (
    DONE,
    ENTITY,
    EVERYONE,
    LEVELS,
    MAX_EXPONENT,
    MIN_EXPONENT,
    NEEDS_LANDMARK,
    NEEDS_OUTPUT,
    NEEDS_ROOM,
    PEERS,
    Program,
    Sums,
    class_slots,
    has_room,
    learn_row,
    level_entity,
    voice,
)
from features.lowlevel import prefetch
from features.sketch import find, home_slot, pack
from models.calibration import (
    THRESHOLD_NATS,
    Histograms,
    bin_of,
    calibrated,
    conformal,
    empty_histograms,
    observe,
    refresh,
)
from models.habit import (
    COUNTS,
    ORG,
    ORG_ALL,
    OWN,
    OWN_ALL,
    PEER,
    PEER_ALL,
    probabilities,
    shared_share,
)
from models.strongest import strongest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from features.baselines import Baselines
    from features.columns import Batch

RISK_SCALE_NATS = 10.0
"""Excess evidence at which risk is 63 of 100."""
HOLD_NATS = 12.0
"""Excess evidence from which an event is not learned at once: more than any single behaviour can give (its
cap less the threshold).
"""
LOOK_AHEAD = 6
"""Events between asking for a cache line and using it."""
HELD_ROOM = 4096

FIRST, LAST = 0, 1
HELD_ARRAYS = ("columns", "slots", "time_us", "release_us")


class Held(NamedTuple):
    """Ring of events held back, oldest first: their columns, class slots, times; `ends` is [first, last) as
    counters.
    """

    columns: np.ndarray
    slots: np.ndarray
    time_us: np.ndarray
    release_us: np.ndarray
    ends: np.ndarray


class Evidence(NamedTuple):
    """Rows of evidence beyond the everyday: one a (event, behaviour).

    row: event in the batch. behaviour, entity, value: ids. raw: nats before, nats: after calibration. gain:
    nats beyond the everyday, 0 where another behaviour of the same cause says more. counts: float32 (n, 6)
    events at the three levels, see `models.habit`.
    """

    row: np.ndarray
    behaviour: np.ndarray
    entity: np.ndarray
    value: np.ndarray
    raw: np.ndarray
    nats: np.ndarray
    gain: np.ndarray
    counts: np.ndarray

    def take(self, part: slice | np.ndarray) -> Evidence:
        """Some of the rows."""
        return Evidence(*(array[part] for array in self))


class Scores(NamedTuple):
    """What scoring says of a batch of n events.

    evidence: float64 (n,) excess nats, summed over causes. p_value: float64 (n,) tail probability of that sum
    within its event class. top: int16 (n,) strongest channel, -1 for none. held: bool (n,) not learned yet.
    fresh: uint8 (n, 3) values that the event's user, host and address showed for the first time. learned_us:
    int64 (n,) time whose weight it is learned with, as a rule its own. details: the evidence rows, by event.
    """

    evidence: np.ndarray
    p_value: np.ndarray
    top: np.ndarray
    held: np.ndarray
    fresh: np.ndarray
    learned_us: np.ndarray
    details: Evidence

    @property
    def risk(self) -> np.ndarray:
        """0-100: 100 (1 - exp(-evidence / RISK_SCALE_NATS))."""
        return 100.0 * (1.0 - np.exp(-self.evidence / RISK_SCALE_NATS))


class Plan(NamedTuple):
    """What a few events ahead will look up, worked out once and prefetched: a ring of LOOK_AHEAD rows.

    applies: (ring,) behaviours that apply. listed: (ring, most) places in `Program.listed`. key, slot, total:
    (ring, most, LEVELS) packed key (0: no such level), home slot, place of the totals. voice: (ring, most,
    LEVELS) part of the weight that counts at each level.
    """

    applies: np.ndarray
    listed: np.ndarray
    key: np.ndarray
    slot: np.ndarray
    total: np.ndarray
    voice: np.ndarray


def _empty_plan(most: int) -> Plan:
    shape = (LOOK_AHEAD, most, LEVELS)
    return Plan(
        np.zeros(LOOK_AHEAD, np.int64),
        np.zeros((LOOK_AHEAD, most), np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.int64),
        np.ones(shape),
    )


@njit(cache=True)
def _look_ahead(sums: Sums, program: Program, plan: Plan, columns: np.ndarray, row: int, slot: int) -> None:
    """Fill the plan of one event and ask for its cache lines."""
    width = columns.shape[1]
    capacity = sums.keys.shape[0] >> 1
    ring = row % LOOK_AHEAD
    count = 0
    for index in range(program.first[slot], program.first[slot + 1]):
        behaviour = program.listed[index]
        kind = program.kind[behaviour]
        entity = np.int64(columns[row, width - 3 + kind])
        value = np.int64(columns[row, program.value[behaviour]])
        if entity == 0 or value == 0:
            continue
        local = program.local[behaviour]
        plan.listed[ring, count] = index
        for level in range(LEVELS):
            holder = np.int64(level_entity(sums, entity, kind, level))
            if holder == 0:
                plan.key[ring, count, level] = 0
                continue
            key = pack(holder, behaviour, value)
            home = home_slot(key, capacity)
            total = holder * UNIT + local
            plan.key[ring, count, level] = key
            plan.slot[ring, count, level] = home
            plan.total[ring, count, level] = total
            plan.voice[ring, count, level] = voice(sums, entity, local, level)
            prefetch(sums.keys, 2 * home)
            if level == 0:
                prefetch(sums.totals, total)
                prefetch(sums.distinct, total)
        count += 1
    plan.applies[ring] = count


@njit(cache=True, inline="always")
def _place(keys: np.ndarray, key: int, slot: int) -> int:
    """Slot of a key (or the free slot where it would go), probing from a slot in its run."""
    while keys[2 * slot] != key and keys[2 * slot] != 0:
        slot += 1
        if 2 * slot == keys.shape[0]:
            slot = 0
    return slot


@njit(cache=True, nogil=True)
def _evidence_only(
    sums: Sums, program: Program, columns: np.ndarray, slots: np.ndarray, decays: np.ndarray, out: np.ndarray
) -> None:
    """Raw evidence of every (event, behaviour) against the baselines as they are; NaN where it does not
    apply.
    """
    counts = np.zeros(COUNTS)
    distinct = np.zeros(LEVELS)
    width = columns.shape[1]
    for row in range(columns.shape[0]):
        for index in range(program.first[slots[row]], program.first[slots[row] + 1]):
            behaviour = program.listed[index]
            kind = program.kind[behaviour]
            entity = np.int64(columns[row, width - 3 + kind])
            value = np.int64(columns[row, program.value[behaviour]])
            if entity == 0 or value == 0:
                continue
            for level in range(LEVELS):
                holder = np.int64(level_entity(sums, entity, kind, level))
                counts[2 * level] = counts[2 * level + 1] = distinct[level] = 0.0
                if holder == 0:
                    continue
                place = find(sums.keys, pack(holder, behaviour, value))
                total = holder * UNIT + program.local[behaviour]
                held = sums.weights[2 * place + 1] if sums.keys[2 * place] != 0 else 0.0
                counts[2 * level] = held * decays[row]
                counts[2 * level + 1] = sums.totals[total] * decays[row]
                distinct[level] = sums.distinct[total]
            in_group = voice(sums, entity, program.local[behaviour], PEERS)
            in_all = voice(sums, entity, program.local[behaviour], EVERYONE)
            background, mine = probabilities(
                counts[OWN],
                counts[OWN_ALL],
                max(0.0, counts[PEER] - in_group * counts[OWN]),
                max(0.0, counts[PEER_ALL] - in_group * counts[OWN_ALL]),
                max(0.0, counts[ORG] - in_all * counts[OWN]),
                max(0.0, counts[ORG_ALL] - in_all * counts[OWN_ALL]),
                distinct[0],
                distinct[1],
                distinct[2],
                shared_share(float(sums.pairs[behaviour]), distinct[2]),
            )
            out[row, behaviour] = log(background / mine)


@njit(cache=True, nogil=True)
def _unseen(sums: Sums, program: Program, columns: np.ndarray, slots: np.ndarray, out: np.ndarray) -> None:
    """Which (event, behaviour) would show a value that the entity never showed."""
    width = columns.shape[1]
    for row in range(columns.shape[0]):
        for index in range(program.first[slots[row]], program.first[slots[row] + 1]):
            behaviour = program.listed[index]
            entity = np.int64(columns[row, width - 3 + program.kind[behaviour]])
            value = np.int64(columns[row, program.value[behaviour]])
            if entity != 0 and value != 0:
                out[row, behaviour] = sums.keys[2 * find(sums.keys, pack(entity, behaviour, value))] == 0


@njit(cache=True, nogil=True)
def _score_learn(  # noqa: C901 - one loop on purpose: calls here cost reference counts for every array
    sums: Sums,
    program: Program,
    plan: Plan,
    behaviours: Histograms,
    held: Held,
    columns: np.ndarray,
    slots: np.ndarray,
    exponents: np.ndarray,
    weights_of: np.ndarray,
    score_weights_of: np.ndarray,
    time_us: np.ndarray,
    clock: np.ndarray,
    settings: np.ndarray,
    evidence: np.ndarray,
    top: np.ndarray,
    hold: np.ndarray,
    fresh: np.ndarray,
    details: Evidence,
    produced: int,
    first: int,
) -> tuple[int, int, int]:
    """The loop. clock: [watermark us, landmark us]; settings: [half-life us, hold nats, hold us].

    weights_of, score_weights_of: 2^exponent of each event for baselines and for calibration.
    Returns (next row, evidence rows produced, DONE | NEEDS_ROOM | NEEDS_LANDMARK | NEEDS_OUTPUT).
    """
    keys, weights, meta = sums.keys, sums.weights, sums.meta
    totals, distinct, pairs = sums.totals, sums.distinct, sums.pairs
    listed, cause_of = program.listed, program.cause
    bins, since = behaviours.bins, behaviours.since
    plan_applies, plan_listed, plan_key, plan_slot, plan_total, plan_voice = plan
    half_life_us, hold_nats, hold_us = settings[0], settings[1], np.int64(settings[2])
    width = columns.shape[1]
    most = program.kind.shape[0]
    causes = np.zeros(cause_of.max() + 1)
    winner = np.zeros(causes.shape[0], np.int64)
    last = columns.shape[0]
    for ahead in range(first, min(first + LOOK_AHEAD, last)):
        _look_ahead(sums, program, plan, columns, ahead, slots[ahead])
    for row in range(first, last):
        if exponents[row] > MAX_EXPONENT:
            return row, produced, NEEDS_LANDMARK
        if (
            produced + most > details.row.shape[0]
            or held.ends[LAST] - held.ends[FIRST] == held.slots.shape[0]
        ):
            return row, produced, NEEDS_OUTPUT
        if time_us[row] > clock[0]:
            clock[0] = time_us[row]
        while held.ends[FIRST] < held.ends[LAST]:
            oldest = held.ends[FIRST] % held.slots.shape[0]
            if held.release_us[oldest] > clock[0]:
                break
            if not has_room(sums, LEVELS * most):
                return row, produced, NEEDS_ROOM
            released = 2.0 ** ((held.time_us[oldest] - clock[1]) / half_life_us)
            learn_row(sums, program, held.columns, oldest, held.slots[oldest], released)
            held.ends[FIRST] += 1
        if not has_room(sums, LEVELS * most):
            return row, produced, NEEDS_ROOM
        ring = row % LOOK_AHEAD
        weight, score_weight = weights_of[row], score_weights_of[row]
        decay, score_decay = 1.0 / weight, 1.0 / score_weight
        total, strongest, best = 0.0, 0.0, -1
        for item in range(plan_applies[ring]):
            index = plan_listed[ring, item]
            behaviour = listed[index]
            place = _place(keys, plan_key[ring, item, 0], plan_slot[ring, item, 0])
            plan_slot[ring, item, 0] = place
            at = plan_total[ring, item, 0]
            own = 0.0
            if keys[2 * place] != 0:
                own = weights[2 * place + 1] * decay
            else:
                fresh[row, program.kind[behaviour]] += 1
            own_all = totals[at] * decay
            distinct_own = float(distinct[at])
            peer, peer_all, distinct_peer = 0.0, 0.0, 0.0
            if plan_key[ring, item, 1] != 0:
                place = _place(keys, plan_key[ring, item, 1], plan_slot[ring, item, 1])
                plan_slot[ring, item, 1] = place
                at = plan_total[ring, item, 1]
                in_group = plan_voice[ring, item, 1]
                if keys[2 * place] != 0:
                    peer = max(0.0, weights[2 * place + 1] * decay - in_group * own)
                peer_all = max(0.0, totals[at] * decay - in_group * own_all)
                distinct_peer = float(distinct[at])
            place = _place(keys, plan_key[ring, item, 2], plan_slot[ring, item, 2])
            plan_slot[ring, item, 2] = place
            at = plan_total[ring, item, 2]
            in_all = plan_voice[ring, item, 2]
            org = max(0.0, weights[2 * place + 1] * decay - in_all * own) if keys[2 * place] != 0 else 0.0
            org_all = max(0.0, totals[at] * decay - in_all * own_all)
            distinct_org = float(distinct[at])
            shared = shared_share(float(pairs[behaviour]), distinct_org)
            background, mine = probabilities(
                own, own_all, peer, peer_all, org, org_all, distinct_own, distinct_peer, distinct_org, shared
            )
            # most values are habits: no evidence, no logarithm
            raw = log(background / mine) if background > mine else 0.0
            bin_index = bin_of(raw)
            if bin_index > 0:
                nats = calibrated(behaviours, index, bin_index, raw, score_decay)
                if nats > THRESHOLD_NATS:
                    details.row[produced] = row
                    details.behaviour[produced] = behaviour
                    details.entity[produced] = columns[row, width - 3 + program.kind[behaviour]]
                    details.value[produced] = columns[row, program.value[behaviour]]
                    details.raw[produced] = raw
                    details.nats[produced] = nats
                    details.counts[produced, OWN] = own
                    details.counts[produced, OWN_ALL] = own_all
                    details.counts[produced, PEER] = peer
                    details.counts[produced, PEER_ALL] = peer_all
                    details.counts[produced, ORG] = org
                    details.counts[produced, ORG_ALL] = org_all
                    cause = cause_of[behaviour]
                    gain = nats - THRESHOLD_NATS
                    if gain > causes[cause]:
                        if causes[cause] > 0.0:
                            details.gain[winner[cause]] = 0.0
                        total += gain - causes[cause]
                        causes[cause] = gain
                        winner[cause] = produced
                        details.gain[produced] = gain
                    else:
                        details.gain[produced] = 0.0
                    produced += 1
                    if nats > strongest:
                        strongest, best = nats, behaviour
            bins[index, bin_index] += score_weight
            since[index, 0] += 1.0
            if since[index, 0] >= since[index, 1]:
                refresh(behaviours, index)
        if total > 0.0:
            causes[:] = 0.0
            evidence[row], top[row] = total, best
        if total >= hold_nats:
            hold[row] = True
            newest = held.ends[LAST] % held.slots.shape[0]
            for column in range(width):
                held.columns[newest, column] = columns[row, column]
            held.slots[newest] = slots[row]
            held.time_us[newest] = time_us[row]
            held.release_us[newest] = clock[0] + hold_us
            held.ends[LAST] += 1
        else:
            for item in range(plan_applies[ring]):
                for level in range(LEVELS):
                    key = plan_key[ring, item, level]
                    if key == 0:
                        continue
                    # an entry of this event may have taken the free slot meanwhile: probe on
                    place = _place(keys, key, plan_slot[ring, item, level])
                    at = plan_total[ring, item, level]
                    part = weight * plan_voice[ring, item, level]
                    if keys[2 * place] == 0:
                        keys[2 * place] = key
                        weights[2 * place + 1] = part
                        meta[0] += 1
                        distinct[at] += 1
                        if level == ENTITY:
                            pairs[key >> 32 & 127] += 1
                    else:
                        weights[2 * place + 1] += part
                    totals[at] += part
        if row + LOOK_AHEAD < last:
            _look_ahead(sums, program, plan, columns, row + LOOK_AHEAD, slots[row + LOOK_AHEAD])
    return last, produced, DONE


@njit(cache=True, nogil=True)
def _tails(
    events: Histograms, slots: np.ndarray, weights: np.ndarray, evidence: np.ndarray, p_value: np.ndarray
) -> None:
    """Tail probability of each event's evidence within its class, event by event."""
    for row in range(evidence.shape[0]):
        bin_index = bin_of(evidence[row])
        if bin_index > 0:
            p_value[row] = conformal(events, slots[row], bin_index, 1.0 / weights[row])
        observe(events, slots[row], bin_index, weights[row])


def empty_evidence(room: int) -> Evidence:
    """Zeroed rows."""
    return Evidence(
        row=np.zeros(room, np.int64),
        behaviour=np.zeros(room, np.int16),
        entity=np.zeros(room, np.int32),
        value=np.zeros(room, np.int32),
        raw=np.zeros(room),
        nats=np.zeros(room),
        gain=np.zeros(room),
        counts=np.zeros((room, COUNTS), np.float32),
    )


def _empty_held(room: int) -> Held:
    return Held(
        columns=np.zeros((room, WIDTH), np.int32),
        slots=np.zeros(room, np.int64),
        time_us=np.zeros(room, np.int64),
        release_us=np.zeros(room, np.int64),
        ends=np.zeros(2, np.int64),
    )


class Engine:
    """Scores events against baselines and learns them.

    Parameters
    ----------
    baselines
        Whose habits; learned in place.
    calibration_half_life_days
        Days after which a past score counts half in the tail probabilities; 10 follows a drift within days.
    hold_days
        How long an event of HOLD_NATS or more waits before it is learned.
    """

    def __init__(
        self, baselines: Baselines, *, calibration_half_life_days: float = 10.0, hold_days: float = 7.0
    ) -> None:
        self.baselines = baselines
        self.calibration_half_life_days = calibration_half_life_days
        self.hold_days = hold_days
        program = baselines.program
        self.behaviours = empty_histograms(len(program.listed))
        self.events = empty_histograms(len(program.classes) + 1)
        self.held = _empty_held(HELD_ROOM)
        self._plan = _empty_plan(len(program.kind))

    def __repr__(self) -> str:
        """Names the settings: benchmarks keep results by it."""
        return f"Engine({self.calibration_half_life_days}, {self.hold_days})"

    @property
    def held_count(self) -> int:
        """Events held back now."""
        return int(self.held.ends[LAST] - self.held.ends[FIRST])

    def raw_evidence(self, batch: Batch) -> np.ndarray:
        """Signed evidence in nats, float64 (events, behaviours), NaN where a behaviour does not apply;
        changes nothing.
        """
        out = np.full((len(batch.time_us), len(self.baselines.behaviours)), np.nan)
        # an empty baseline has no landmark yet, and reading sets none
        known = self.baselines.landmark_us is not None
        decays = 2.0 ** -self.baselines.exponents(batch.time_us) if known else np.ones(len(batch.time_us))
        slots = class_slots(self.baselines.program, batch.class_uid)
        _evidence_only(self.baselines.sums(), self.baselines.program, batch.columns, slots, decays, out)
        return out

    def unseen(self, batch: Batch) -> np.ndarray:
        """Which habits an event would show for the first time, bool (events, behaviours); changes nothing."""
        out = np.zeros((len(batch.time_us), len(self.baselines.behaviours)), np.bool_)
        slots = class_slots(self.baselines.program, batch.class_uid)
        _unseen(self.baselines.sums(), self.baselines.program, batch.columns, slots, out)
        return out

    def score_learn(
        self, batch: Batch, others: Callable[[Batch, np.ndarray, Evidence], Evidence] | None = None
    ) -> Scores:
        """Score every event and then learn it, in the order given; any chunking of one order gives the same
        scores.

        others: given the batch, `Scores.fresh` and the evidence of habits, adds evidence of other channels
        (of causes that are no habit's, gains worked out) before the events' tail probabilities are taken.
        """
        n = len(batch.time_us)
        baselines = self.baselines
        slots = class_slots(baselines.program, batch.class_uid)
        evidence, p_value, score_weights = np.zeros(n), np.ones(n), np.ones(n)
        top, hold = np.full(n, -1, np.int16), np.zeros(n, np.bool_)
        fresh = np.zeros((n, 3), np.uint8)
        details = empty_evidence(max(min(1024, len(baselines.program.kind) * n), n // 2))
        produced, row, state = 0, 0, -1
        moved: list[tuple[int, np.ndarray, float]] = []
        clock = np.array([baselines.watermark_us, 0], np.int64)
        settings = np.array([baselines.half_life_us, HOLD_NATS, self.hold_days * 86_400e6])
        ratio = baselines.half_life_days / self.calibration_half_life_days
        while state != DONE:
            exponents = baselines.exponents(batch.time_us)
            score_weights = np.exp2(np.clip(exponents * ratio, MIN_EXPONENT, -MIN_EXPONENT))
            clock[1] = baselines.landmark_us or 0
            row, produced, state = _score_learn(
                baselines.sums(),
                baselines.program,
                self._plan,
                self.behaviours,
                self.held,
                batch.columns,
                slots,
                exponents,
                np.exp2(exponents),
                score_weights,
                batch.time_us,
                clock,
                settings,
                evidence,
                top,
                hold,
                fresh,
                details,
                produced,
                row,
            )
            if state == NEEDS_LANDMARK:
                moved.append((row, score_weights, self._move_sums(int(batch.time_us[row]))))
            elif state == NEEDS_ROOM:
                baselines.make_room(int(batch.time_us[row]))
            elif state == NEEDS_OUTPUT:
                details = Evidence(*(_doubled(array) for array in details))
                self._grow_held()
        baselines.watermark_us = int(clock[0])
        details = details.take(slice(0, produced))
        np.minimum(details.counts, np.finfo(np.float32).max, out=details.counts)  # of an event decades late
        if others is not None:
            details = _with_others(details, others(batch, fresh, details), evidence, top)
        # each event with the landmark of its time, as if the batch had ended where the landmark moved
        first = 0
        for last, weights, factor in (*moved, (n, score_weights, 1.0)):
            part = slice(first, last)
            _tails(self.events, slots[part], weights[part], evidence[part], p_value[part])
            if factor != 1.0:
                _scale(self.events, factor)
            first = last
        return Scores(evidence, p_value, top, hold, fresh, batch.time_us, details)

    def drop_held(self, batch: Batch) -> np.ndarray:
        """Give up held events that equal events of the batch (time and all columns); bool (n,), which of the
        batch were held.
        """
        order = np.arange(self.held.ends[FIRST], self.held.ends[LAST]) % len(self.held.slots)
        waiting: dict[tuple[int, bytes], list[int]] = {}
        for index in order.tolist():
            key = (int(self.held.time_us[index]), self.held.columns[index].tobytes())
            waiting.setdefault(key, []).append(index)
        dropped = np.zeros(len(batch.time_us), np.bool_)
        gone = []
        for row, time_us in enumerate(batch.time_us.tolist()):
            found = waiting.get((time_us, batch.columns[row].tobytes()))
            if found:
                gone.append(found.pop())
                dropped[row] = True
        kept = order[~np.isin(order, gone)]
        held = _empty_held(len(self.held.slots))
        for name in HELD_ARRAYS:
            getattr(held, name)[: len(kept)] = getattr(self.held, name)[kept]
        held.ends[LAST] = len(kept)
        self.held = held
        return dropped

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Arrays and settings of a checkpoint: calibration histograms and held events."""
        first, last = int(self.held.ends[FIRST]), int(self.held.ends[LAST])
        order = np.arange(first, last) % len(self.held.slots)
        arrays = {f"held_{name}": getattr(self.held, name)[order] for name in HELD_ARRAYS}
        for name, histograms in (("behaviour", self.behaviours), ("event", self.events)):
            arrays |= {f"{name}_{part}": array.copy() for part, array in histograms._asdict().items()}
        settings: dict[str, object] = {
            "calibration_half_life_days": self.calibration_half_life_days,
            "hold_days": self.hold_days,
        }
        return arrays, settings

    @classmethod
    def restored(
        cls, baselines: Baselines, arrays: dict[str, np.ndarray], settings: dict[str, Any]
    ) -> Engine:
        """The engine that was exported, over its restored baselines."""
        engine = cls(
            baselines,
            calibration_half_life_days=settings["calibration_half_life_days"],
            hold_days=settings["hold_days"],
        )
        engine.behaviours, engine.events = (
            Histograms(*(arrays[f"{name}_{part}"].copy() for part in Histograms._fields))
            for name in ("behaviour", "event")
        )
        count = len(arrays["held_slots"])
        engine.held = _empty_held(max(HELD_ROOM, 2 * count))
        for name in HELD_ARRAYS:
            getattr(engine.held, name)[:count] = arrays[f"held_{name}"]
        engine.held.ends[LAST] = count
        return engine

    def _move_landmark(self, time_us: int) -> None:
        _scale(self.events, self._move_sums(time_us))

    def _move_sums(self, time_us: int) -> float:
        """Move the landmark of all sums but those of whole events, which are due the factor returned."""
        steps = self.baselines.move_landmark(time_us)
        factor = 2.0 ** (-steps * self.baselines.half_life_days / self.calibration_half_life_days)
        _scale(self.behaviours, factor)
        return float(factor)

    def _grow_held(self) -> None:
        first, last = int(self.held.ends[FIRST]), int(self.held.ends[LAST])
        room = len(self.held.slots)
        if last - first < room:
            return
        order = np.arange(first, last) % room
        bigger = _empty_held(2 * room)
        for name in HELD_ARRAYS:
            getattr(bigger, name)[: last - first] = getattr(self.held, name)[order]
        bigger.ends[:] = 0, last - first
        self.held = bigger


def _scale(histograms: Histograms, factor: float) -> None:
    histograms.bins[:] *= factor
    histograms.tails[:] *= factor


def _with_others(details: Evidence, more: Evidence, evidence: np.ndarray, top: np.ndarray) -> Evidence:
    """All evidence rows by event; the events' sums and strongest channels are brought up to date."""
    if not len(more.row):
        return details
    both = Evidence(*(np.concatenate(arrays) for arrays in zip(details, more, strict=True)))
    both = both.take(np.argsort(both.row, kind="stable"))
    np.add.at(evidence, more.row, more.gain)
    has_more = np.zeros(len(evidence), np.bool_)
    has_more[more.row] = True
    touched = np.flatnonzero(has_more[both.row])
    rows, nats = both.row[touched], both.nats[touched]
    first = strongest(nats, rows)
    top[rows[first]] = both.behaviour[touched][first]
    return both


def concatenated_scores(parts: Sequence[Scores]) -> Scores:
    """Scores of batches in a row, as if they had been one; none for no batch."""
    if not parts:
        nothing = np.zeros(0)
        return Scores(
            nothing,
            nothing,
            nothing.astype(np.int16),
            nothing.astype(np.bool_),
            np.zeros((0, 3), np.uint8),
            np.zeros(0, np.int64),
            empty_evidence(0),
        )
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.evidence) for part in parts)])
    details = [
        part.details._replace(row=part.details.row + start)
        for part, start in zip(parts, starts[:-1], strict=True)
    ]
    return Scores(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Scores._fields[:-1]),
        Evidence(*(np.concatenate(arrays) for arrays in zip(*details, strict=True))),
    )


def _doubled(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.zeros_like(array)])
