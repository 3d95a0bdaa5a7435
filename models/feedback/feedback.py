"""One tenant's feedback: exemptions, verdicts and weights, and how much of an entity-day's risk they leave.

A verdict that an entity-day was all right is remembered with what was odd about it: the same things (cause
and value), as far as they are no stronger, are no news on a later day of that entity. What is left of the
evidence, relative to all of it, is what is left of the risk,

    factor = (left + EASE) / (all + EASE),

which is 1 without feedback, never 0, and falls with nothing but what was judged or exempted: more of it,
another value or another kind of finding counts in full. That one new address was all right says
nothing of the next: else whoever takes over an account that was odd before would pass.

A verdict that something was an attack ends what was remembered of the entity, and puts it and its partners
under watch: see `models.feedback.watch`.

With weights by cause (`models.feedback.weights`) what is left counts by its weight: at most twice, at least
half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from features.behaviours import ENTITY_KINDS
from features.errors import InputError
from models.feedback import weights as weighing
from models.feedback.exemptions import MOST, Exemption, checked, covered
from models.feedback.watch import Opinion, Record, Watch
from models.feedback.weights import Weights

if TYPE_CHECKING:
    from features.baselines import Baselines
    from models.channels import Channels

FALSE_POSITIVE, TRUE_POSITIVE, SUSPICIOUS, BENIGN, TEST = 1, 2, 4, 5, 6
VERDICTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99)
"""OCSF verdict_id: unknown, false positive, true positive, disregard, suspicious, benign, test, insufficient
data, security risk, managed externally, duplicate, other.
"""
HARMLESS = (FALSE_POSITIVE, BENIGN, TEST)
REMEMBERED_DAYS = 90
"""A verdict says nothing about what happens longer after the day that it is about."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of an entity-day.

    Attributes
    ----------
    uid, verdict_id, at_us
        Unique; OCSF; when it was given, microseconds UTC.
    entity_kind, entity, day
        What it is about; day: days since 1970, UTC.
    evidence
        Nats beyond the everyday by cause, as they were.
    things
        The same by cause and value; None in verdicts of versions that did not keep it, which are remembered
        by cause alone.
    partners
        Kind and name of who the entity worked with that day, see `models.feedback.partners`.
    """

    uid: str
    entity_kind: str
    entity: str
    day: int
    verdict_id: int
    at_us: int
    evidence: dict[str, float]
    things: dict[str, dict[str, float]] | None = None
    partners: tuple[tuple[str, str], ...] = ()


class Things(NamedTuple):
    """What was odd about the entity-days of a day, one row a thing, each (row, cause, value) once.

    row: int64 (m,) place of the entity-day. cause: int64 (m,) place among the causes. value: int64 (m,) ids,
    0 for none. nats: float64 (m,) beyond the everyday.
    """

    row: np.ndarray
    cause: np.ndarray
    value: np.ndarray
    nats: np.ndarray


class Remembered:
    """What was judged harmless of an entity: nats by cause and value; by cause alone from old verdicts."""

    def __init__(self) -> None:
        self.things: dict[tuple[str, str], float] = {}
        self.causes: dict[str, float] = {}

    def learn(self, verdict: Verdict) -> None:
        """Take in a harmless verdict."""
        if verdict.things is None:
            for cause, nats in verdict.evidence.items():
                self.causes[cause] = max(self.causes.get(cause, 0.0), nats)
            return
        for cause, values in verdict.things.items():
            for value, nats in values.items():
                self.things[cause, value] = max(self.things.get((cause, value), 0.0), nats)


class Feedback:
    """Exemptions, verdicts and weights of one tenant; reads no clock."""

    def __init__(self) -> None:
        self._exemptions: dict[str, Exemption] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._weights: Weights | None = None
        # of the day that was asked about last; follows from the verdicts
        self._watch: Watch | None = None

    # ---------------------------------------------------------------- taking in

    @property
    def exemptions(self) -> list[Exemption]:
        """All exemptions, by uid."""
        return [self._exemptions[uid] for uid in sorted(self._exemptions)]

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts, in the order in which they were given."""
        return sorted(self._verdicts.values(), key=lambda one: (one.at_us, one.uid))

    @property
    def weights(self) -> Weights | None:
        """What each cause counts; None when all count the same."""
        return self._weights

    def weigh(self, weights: Weights | None) -> None:
        """Let causes count differently from now on, or the same again (None).

        Raises
        ------
        InputError
            For a weight out of bounds; then nothing has changed.
        """
        self._weights = None if weights is None else weighing.checked(weights)

    def exempt(self, exemption: Exemption, channels: Channels) -> None:
        """Take an exemption; one of the same uid is replaced.

        Raises
        ------
        InputError
            When it covers too much or nothing, or there are too many.
        """
        if len(self._exemptions) >= MOST and exemption.uid not in self._exemptions:
            raise InputError(f"there are {MOST} exceptions already: take some away, or drop it at the source")
        self._exemptions[exemption.uid] = checked(exemption, channels)

    def end_exemption(self, uid: str) -> bool:
        """Take an exemption away; whether there was one."""
        return self._exemptions.pop(uid, None) is not None

    def judge(self, verdict: Verdict) -> None:
        """Take a verdict; one of the same uid is replaced.

        Raises
        ------
        InputError
            For a kind of entity or a verdict_id that is none.
        """
        if verdict.entity_kind not in ENTITY_KINDS:
            raise InputError(f"entity_kind is {verdict.entity_kind[:32]!r}: one of {', '.join(ENTITY_KINDS)}")
        if verdict.verdict_id not in VERDICTS:
            raise InputError(f"verdict_id is {verdict.verdict_id}: one of {', '.join(map(str, VERDICTS))}")
        self._verdicts[verdict.uid] = verdict
        self._watch = None

    def revert(self, uid: str) -> bool:
        """Take a verdict back with all it did; whether there was one."""
        self._watch = None
        return self._verdicts.pop(uid, None) is not None

    def forget(self, day: int) -> None:
        """Drop exemptions that have ended and verdicts that say nothing any more, as of a day."""
        now_us = day * 86_400_000_000
        self._watch = None
        self._exemptions = {uid: one for uid, one in self._exemptions.items() if one.until_us > now_us}
        self._verdicts = {
            uid: one for uid, one in self._verdicts.items() if one.day >= day - 2 * REMEMBERED_DAYS
        }

    # ---------------------------------------------------------------- what follows from it

    def covers(
        self,
        baselines: Baselines,
        channels: Channels,
        channel: np.ndarray,
        entity: np.ndarray,
        value: np.ndarray,
        time_us: np.ndarray,
    ) -> np.ndarray:
        """Which findings are exempted, see `exemptions.covered`."""
        if not self._exemptions:
            return np.zeros(len(channel), np.bool_)
        return covered(self.exemptions, baselines, channels, channel, entity, value, time_us)

    @property
    def says_nothing(self) -> bool:
        """Whether no risk would change."""
        if self._weights is not None:
            return False
        telling = (*HARMLESS, TRUE_POSITIVE)
        return not self._exemptions and not any(v.verdict_id in telling for v in self._verdicts.values())

    def attacked(self, baselines: Baselines, day: int) -> dict[int, int]:
        """The last day before another on which an attack was confirmed, by entity id."""
        found: dict[int, int] = {}
        for one in self._verdicts.values():
            if one.verdict_id == TRUE_POSITIVE and one.day < day:
                known = dict(baselines.find(one.entity)).get(one.entity_kind, 0)
                found[known] = max(found.get(known, one.day), one.day)
        return found

    def factors(
        self,
        baselines: Baselines,
        causes: tuple[str, ...],
        entity: np.ndarray,
        day: int,
        evidence: np.ndarray,
        left: np.ndarray,
        things: Things,
    ) -> np.ndarray:
        """How the risk of a day's entities changes, float64 (n,): above 0, at most 1 without a watch and at
        most WATCH with one; with weights up to BOUND times as much.

        entity: (n,) ids. evidence, left: float64 (n, causes) nats with and without what is exempted. things:
        what `left` is the sum of.
        """
        left = left.copy()
        kinds = baselines.entities.kind

        def rows_of(kind: str, name: str) -> np.ndarray:
            known = dict(baselines.find(name)).get(kind, -1)
            return np.flatnonzero((entity == known) & (kinds[entity] == ENTITY_KINDS.index(kind)))

        order = np.argsort(things.row, kind="stable")
        for key, known in self._remembered(day).items():
            for row in rows_of(*key).tolist():
                places = np.searchsorted(things.row, [row, row + 1], sorter=order)
                mine = order[places[0] : places[1]]
                left[row] = np.maximum(left[row] - _known(known, causes, baselines, things, mine), 0.0)
        by_cause = np.ones(len(causes)) if self._weights is None else self._weights.of(causes)
        factor = weighing.factor(by_cause, evidence, left)
        for key, times in self._watched(day).times().items():
            factor[rows_of(*key)] *= times
        return factor

    def record(self, day: int) -> Record:
        """What watches have paid before a day."""
        return self._watched(day).record

    def _watched(self, day: int) -> Watch:
        if self._watch is None or self._watch.day != day:
            self._watch = Watch(self._opinions(day), day)
        return self._watch

    def _opinions(self, day: int) -> list[Opinion]:
        found = []
        for one in self.verdicts:
            attack = one.verdict_id == TRUE_POSITIVE
            if (attack or one.verdict_id in HARMLESS) and 0 <= day - one.day <= REMEMBERED_DAYS:
                found.append(Opinion((one.entity_kind, one.entity), one.day, attack, one.partners))
        return found

    def _remembered(self, day: int) -> dict[tuple[str, str], Remembered]:
        """What was judged harmless of each entity (kind and name), before a day or on it."""
        found: dict[tuple[str, str], Remembered] = {}
        for verdict in self.verdicts:
            key = (verdict.entity_kind, verdict.entity)
            if verdict.verdict_id == TRUE_POSITIVE:
                found.pop(key, None)
            elif verdict.verdict_id in HARMLESS and 0 <= day - verdict.day <= REMEMBERED_DAYS:
                found.setdefault(key, Remembered()).learn(verdict)
        return found

    # ---------------------------------------------------------------- checkpoint

    def export(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        kept: dict[str, Any] = msgspec.to_builtins({"exemptions": self.exemptions, "verdicts": self.verdicts})
        if self._weights is not None:
            kept["weights"] = msgspec.to_builtins(self._weights)
        return kept

    @classmethod
    def restored(cls, kept: dict[str, Any]) -> Feedback:
        """The feedback that was exported; ValueError when it is something else."""
        feedback = cls()
        for one in msgspec.convert(kept["exemptions"], list[Exemption]):
            feedback._exemptions[one.uid] = one
        for verdict in msgspec.convert(kept["verdicts"], list[Verdict]):
            feedback._verdicts[verdict.uid] = verdict
        if "weights" in kept:
            try:
                feedback.weigh(msgspec.convert(kept["weights"], Weights))
            except InputError as error:
                raise ValueError(str(error)) from error
        return feedback


def _known(
    known: Remembered, causes: tuple[str, ...], baselines: Baselines, things: Things, mine: np.ndarray
) -> np.ndarray:
    """Nats by cause that are no news of an entity-day, float64 (causes,). mine: its places in things."""
    found = np.array([known.causes.get(cause, 0.0) for cause in causes])
    if not known.things:
        return found
    same = np.zeros(len(causes))
    texts = baselines.values.many(things.value[mine])
    for place, text in zip(mine.tolist(), texts, strict=True):
        column = int(things.cause[place])
        same[column] += min(float(things.nats[place]), known.things.get((causes[column], str(text)), 0.0))
    return np.asarray(np.maximum(found, same))
