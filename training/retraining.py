"""Whether weights fitted to verdicts are let in: past days are queued again with them, and compared.

Only what was shown was judged, so a new order can be judged within that alone: what would the upper half of
each day's alerts have been? A day's line is the risk of the last alert of that half. Two questions:

  forward   each day is queued with weights of the verdicts that were known before it: is the upper half
  purer? backward  the weights that would serve, on all days: does a confirmed attack fall below a line it
  was above?

Entity-days whose evidence nobody kept (no alert was raised) stand in the queue with their own risk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from models.feedback.weights import factor
from training.gate import Check, Decision
from training.reranker import FITS, Learner, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.feedback.weights import Weights
    from training.labels import Lesson

PART = 0.5
"""Of a day's alerts, those above the line. A quarter would rest on fewer, and all of them are in no order."""
STRENGTHS = (1.0, 0.75, 0.5, 0.25)
"""Powers of the weights that are tried, the whole first."""
SAMPLES = 4_000
SURE = 0.95
FLIPPED, DRAWS, MAY_FAIL = 0.1, 20, 1
"""With a tenth of the verdicts turned round, the attacks above the line may become fewer in one of 20
draws.
"""


class Queue(NamedTuple):
    """What was raised, and what else there was.

    lessons: entity-days with evidence, judged or not (`Lesson.true` is None), risk as it was shown with
    `present` weights. others: float64 risks of the other entity-days by day. raised: alerts by day, those
    to learn from apart. present: the weights that serve.
    """

    lessons: Sequence[Lesson]
    others: Mapping[int, np.ndarray]
    raised: Mapping[int, int]
    present: Weights | None = None


class Upper(NamedTuple):
    """The upper half of the days: places in `Queue.lessons` of what is in it, the same for the present
    weights, and the days that were queued.
    """

    before: np.ndarray
    after: np.ndarray
    days: int


class Move(NamedTuple):
    """An entity-day that weights move in its day's queue. before, after: places among what was raised, from
    1.
    """

    lesson: Lesson
    before: int
    after: int
    factor: float


class Outcome(NamedTuple):
    """What came of a retraining. weights: None when there was too little to fit."""

    decision: Decision
    weights: Weights | None
    metrics: dict[str, float | None]

    @property
    def said(self) -> list[str]:
        """What each cause's weight does and why, in words, those that do most first."""
        if self.weights is None:
            return []
        by_cause = self.weights.by_cause
        ranked = sorted(by_cause, key=lambda cause: (-abs(np.log(by_cause[cause])), cause))
        return [self.weights.said(cause) for cause in ranked]


class _Days:
    """A queue as arrays. rows: places in `Queue.lessons` by day, ascending."""

    def __init__(self, queue: Queue) -> None:
        self.lessons = queue.lessons
        self.causes = tuple(sorted({cause for lesson in queue.lessons for cause in lesson.evidence}))
        self.evidence = evidence_of(queue.lessons, self.causes)
        day = np.array([lesson.day for lesson in queue.lessons], np.int64)
        self.rows = {int(one): np.flatnonzero(day == one) for one in np.unique(day)}
        self.true = np.array([lesson.true is True for lesson in queue.lessons], np.bool_)
        self.judged = np.array([lesson.true is not None for lesson in queue.lessons], np.bool_)
        self.shown = np.array([lesson.risk for lesson in queue.lessons], np.float64)
        # as they would be without any weights
        self.plain = self.shown / self.factors(queue.present)
        self.above = {day: -np.sort(-queue.others.get(day, np.zeros(0))) for day in self.rows}
        self.raised = {day: queue.raised.get(day, 0) for day in self.rows}

    def factors(self, weights: Weights | None) -> np.ndarray:
        """What weights make of the risks, float64 (lessons,)."""
        by_cause = np.ones(len(self.causes)) if weights is None else weights.of(self.causes)
        return factor(by_cause, self.evidence, self.evidence)

    def upper(self, day: int, risk: np.ndarray, part: float = PART) -> np.ndarray:
        """Which of a day's rows are above its line. risk: of all. part: of its alerts that are above it."""
        rows = self.rows[day]
        own = risk[rows]
        rank = np.argsort(np.lexsort((rows, -own)))
        # each row stands behind the rows and the others with more risk
        rank += np.searchsorted(-self.above[day], -own)
        return rows[rank < int(np.ceil(part * self.raised[day]))]

    def attacks(self, risk: np.ndarray, part: float) -> set[int]:
        """Rows of confirmed attacks in that part of their day's alerts."""
        upper = [self.upper(day, risk, part) for day in self.rows]
        return {row for rows in upper for row in rows[self.true[rows]].tolist()}

    def counts(self, rows: np.ndarray) -> tuple[int, int]:
        """Attacks and harmless ones among rows."""
        true = int(self.true[rows].sum())
        return true, int(self.judged[rows].sum()) - true


def evidence_of(lessons: Sequence[Lesson], causes: tuple[str, ...]) -> np.ndarray:
    """Nats by cause, float64 (lessons, causes); what is below 0 is nothing."""
    column = {cause: place for place, cause in enumerate(causes)}
    found = np.zeros((len(lessons), len(causes)))
    for place, lesson in enumerate(lessons):
        for cause, nats in lesson.evidence.items():
            found[place, column[cause]] = max(nats, 0.0)
    return found


def factors(weights: Weights | None, lessons: Sequence[Lesson]) -> np.ndarray:
    """What weights make of the risks of entity-days, float64 (n,)."""
    causes = tuple(sorted({cause for lesson in lessons for cause in lesson.evidence}))
    evidence = evidence_of(lessons, causes)
    by_cause = np.ones(len(causes)) if weights is None else weights.of(causes)
    return factor(by_cause, evidence, evidence)


def retrain(queue: Queue, *, seed: int = 0) -> Outcome:
    """Fit weights to what people said and judge them; see the module. O(days x verdicts) with the batch
    fit.
    """
    lessons = sorted((one for one in queue.lessons if one.true is not None), key=lambda one: one.known_day)
    learner = Learner(FITS[0])
    for lesson in lessons:
        learner.learn(lesson)
    if learner.lacks:
        return Outcome(_refused("verdicts", str(sum(learner.count)), learner.lacks), None, {})
    days = _Days(queue)
    tried = [_tried(days, lessons, fit) for fit in FITS]
    _, weights, upper = max(tried, key=lambda one: (one[0], _gain(days, one[2])))
    if not upper.days or not sum(days.counts(upper.before)):
        why = "no judged day is behind that many verdicts yet: retrain again when some have passed"
        return Outcome(_refused("days to compare on", "0", why), None, {})
    checks, metrics = _compared(days, lessons, upper, weights, seed)
    first, last = (str(np.datetime64(day, "D")) for day in (min(days.rows), max(days.rows)))
    return Outcome(Decision(checks, first, last), weights, metrics)


def _refused(what: str, has: str, why: str) -> Decision:
    return Decision([Check(what, "-", has, "-", why)], "", "")


def _tried(days: _Days, lessons: Sequence[Lesson], fit: str) -> tuple[bool, Weights, Upper]:
    """The strongest weights of a fit that lose nobody, whether there are any, and the days queued with
    weights of that strength.
    """
    whole, before = fitted(lessons, fit), days.attacks(days.shown, 1.0)

    def safe(strength: float) -> bool:
        return before <= days.attacks(days.plain * days.factors(softened(whole, strength)), 1.0)

    strength = next((one for one in STRENGTHS if safe(one)), 0.0)
    chosen = strength or STRENGTHS[-1]
    return strength > 0, softened(whole, chosen), _forward(days, lessons, fit, chosen)


def softened(weights: Weights, strength: float) -> Weights:
    """Weights to the power of their strength: 1 leaves them, 0 would make all 1."""
    by_cause = {cause: weight**strength for cause, weight in weights.by_cause.items()}
    return msgspec.structs.replace(weights, by_cause=by_cause)


def _forward(days: _Days, lessons: Sequence[Lesson], fit: str, strength: float) -> Upper:
    """The days behind enough verdicts, each queued with what had been learned before it."""
    learner, place, risk = Learner(fit), 0, days.shown
    before, after, count = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for day in days.rows:
        fresh = place
        while place < len(lessons) and lessons[place].known_day <= day:
            learner.learn(lessons[place])
            place += 1
        if learner.lacks:
            continue
        if fresh < place or not count:
            risk = days.plain * days.factors(softened(learner.weights(), strength))
        count += 1
        before.append(days.upper(day, days.shown))
        after.append(days.upper(day, risk))
    return Upper(np.concatenate(before), np.concatenate(after), count)


def _precision(counts: tuple[int, int]) -> float:
    return counts[0] / sum(counts) if sum(counts) else 0.0


def _gain(days: _Days, upper: Upper) -> float:
    return _precision(days.counts(upper.after)) - _precision(days.counts(upper.before))


def _interval(days: _Days, upper: Upper, seed: int) -> tuple[float, float]:
    """SURE of a bootstrap of what precision above the line gains, over entities: one that is shown every
    day is one witness.
    """
    names: dict[tuple[str, str], int] = {}
    counts = np.zeros((len(upper.before) + len(upper.after), 4))
    for column, part in ((0, upper.before), (2, upper.after)):
        for row in part[days.judged[part]].tolist():
            number = names.setdefault(days.lessons[row].key[:2], len(names))
            counts[number, column + (not days.true[row])] += 1
    rng = np.random.default_rng((seed, 53))
    many = len(names)
    drawn = rng.multinomial(many, np.full(many, 1.0 / many), SAMPLES) @ counts[:many]
    true = drawn[:, [0, 2]]
    found = true / np.maximum(true + drawn[:, [1, 3]], 1.0)
    low, high = np.quantile(found[:, 1] - found[:, 0], ((1 - SURE) / 2, (1 + SURE) / 2))
    return float(low), float(high)


def moves(queue: Queue, weights: Weights) -> list[Move]:
    """Entity-days that stand in another place of their day, those that move most first, by day and name
    then.
    """
    days, found = _Days(queue), []
    change = days.factors(weights) / days.factors(queue.present)
    for rows in days.rows.values():
        parts = (days.shown[rows], days.shown[rows] * change[rows])
        places = [np.argsort(np.lexsort((rows, -risk))) + 1 for risk in parts]
        for place in np.flatnonzero(places[0] != places[1]).tolist():
            row = int(rows[place])
            found.append(
                Move(queue.lessons[row], int(places[0][place]), int(places[1][place]), float(change[row]))
            )
    return sorted(found, key=lambda one: (-abs(one.before - one.after), one.lesson.day, one.lesson.key))


def _turned(days: _Days, lessons: Sequence[Lesson], fit: str, seed: int) -> list[int]:
    """Confirmed attacks above their lines with weights of verdicts of which a tenth was turned round, by
    draw.
    """
    rng = np.random.default_rng((seed, 59))
    found = []
    for _ in range(DRAWS):
        wrong = rng.random(len(lessons)) < FLIPPED
        turned = [
            one._replace(true=not one.true) if other else one
            for one, other in zip(lessons, wrong.tolist(), strict=True)
        ]
        found.append(len(days.attacks(days.plain * days.factors(fitted(turned, fit)), PART)))
    return found


def _compared(
    days: _Days, lessons: Sequence[Lesson], upper: Upper, weights: Weights, seed: int
) -> tuple[list[Check], dict[str, float | None]]:
    before, after = days.counts(upper.before), days.counts(upper.after)
    purer = _precision(before), _precision(after)
    low, high = _interval(days, upper, seed)
    above = days.attacks(days.shown, 1.0)
    lost = sorted(
        days.lessons[row].key for row in above - days.attacks(days.plain * days.factors(weights), 1.0)
    )
    enough = len(days.attacks(days.shown, PART))
    worse = sum(count < enough for count in _turned(days, lessons, weights.fit, seed))
    names = ", ".join(f"{entity} on {np.datetime64(day, 'D')}" for _, entity, day in lost[:3])
    checks = [
        Check(
            "attacks above the line",
            str(before[0]),
            str(after[0]),
            f"at least {before[0]}",
            f"recall falls from {before[0]} to {after[0]} attacks" if after[0] < before[0] else "",
        ),
        Check(
            "harmless ones above it",
            str(before[1]),
            str(after[1]),
            f"fewer than {before[1]}",
            "" if after[1] < before[1] else f"false alarms do not become fewer ({before[1]} -> {after[1]})",
        ),
        Check(
            "precision above it",
            f"{purer[0]:.3f}",
            f"{purer[1]:.3f}",
            f"gain {purer[1] - purer[0]:+.3f} ({low:+.3f} to {high:+.3f}) above 0",
            ""
            if low > 0
            else f"gains nothing that is sure: precision {purer[0]:.3f} -> {purer[1]:.3f},"
            f" {SURE:.0%} interval of the gain {low:+.3f} to {high:+.3f}",
        ),
        Check(
            "confirmed attacks raised",
            str(len(above)),
            str(len(above) - len(lost)),
            f"all {len(above)}",
            f"confirmed attacks are no longer raised: {names}" if lost else "",
        ),
        Check(
            f"draws of {DRAWS} with {FLIPPED:.0%} wrong verdicts that lose attacks",
            "0",
            str(worse),
            f"at most {MAY_FAIL}",
            f"a tenth of wrong verdicts loses attacks in {worse} of {DRAWS} draws"
            if worse > MAY_FAIL
            else "",
        ),
    ]
    metrics: dict[str, float | None] = {
        "precision_before": purer[0],
        "precision_after": purer[1],
        "gain_low": low,
        "gain_high": high,
        "attacks_before": float(before[0]),
        "attacks_after": float(after[0]),
        "harmless_before": float(before[1]),
        "harmless_after": float(after[1]),
        "days": float(upper.days),
        "draws_that_lose": float(worse),
        "confirmed_lost": float(len(lost)),
    }
    return checks, metrics
