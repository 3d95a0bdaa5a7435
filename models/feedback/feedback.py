"""One tenant's feedback: exemptions, verdicts and weights, and how much of an entity-day's risk they leave.

A verdict that an entity-day was all right is remembered: as much evidence of the same causes on a later day
of that entity is no news. What is left of the evidence, relative to all of it, is what is left of the risk,

    factor = (left + EASE) / (all + EASE),

which is 1 without feedback, never 0, and falls with nothing but what was judged or exempted: more, or
something else, raises the risk again. A verdict that something was an attack ends what was remembered of the
entity and puts it under watch: on the days after the one that was judged its risk counts up to WATCH times,
less every day, until WATCH_DAYS are over or somebody says of a later day that it was harmless.

With weights by cause (`models.feedback.weights`) what is left counts by its weight: at most twice, at least
half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from features.behaviours import ENTITY_KINDS
from features.errors import InputError
from models.feedback import weights as weighing
from models.feedback.exemptions import MOST, Exemption, checked, covered
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
WATCH = 3.0
WATCH_DAYS = 5
"""Chosen on two simulated organisations of which no figure is published; 2 to 4 and 3 to 7 days do much the
same (docs/decisions.md).
"""
REMEMBERED_DAYS = 90
"""A verdict says nothing about what happens longer after the day that it is about."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of an entity-day.

    evidence: nats beyond the everyday by cause, as they were. day: days since 1970, UTC.
    """

    uid: str
    entity_kind: str
    entity: str
    day: int
    verdict_id: int
    at_us: int
    evidence: dict[str, float]


class Feedback:
    """Exemptions, verdicts and weights of one tenant; reads no clock."""

    def __init__(self) -> None:
        self._exemptions: dict[str, Exemption] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._weights: Weights | None = None

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

    def revert(self, uid: str) -> bool:
        """Take a verdict back with all it did; whether there was one."""
        return self._verdicts.pop(uid, None) is not None

    def forget(self, day: int) -> None:
        """Drop exemptions that have ended and verdicts that say nothing any more, as of a day."""
        now_us = day * 86_400_000_000
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

    def factors(
        self,
        baselines: Baselines,
        causes: tuple[str, ...],
        entity: np.ndarray,
        day: int,
        evidence: np.ndarray,
        left: np.ndarray,
    ) -> np.ndarray:
        """How the risk of a day's entities changes, float64 (n,): above 0, at most 1 without a watch and at
        most WATCH with one; with weights up to BOUND times as much.

        entity: (n,) ids. evidence, left: float64 (n, causes) nats with and without what is exempted.
        """
        left = left.copy()
        remembered, watched = self._remembered(causes, day)
        kinds = baselines.entities.kind

        def rows_of(kind: int, name: str) -> np.ndarray:
            known = dict(baselines.find(name)).get(ENTITY_KINDS[kind], -1)
            return np.flatnonzero((entity == known) & (kinds[entity] == kind))

        for key, nats in remembered.items():
            rows = rows_of(*key)
            left[rows] = np.maximum(left[rows] - nats, 0.0)
        by_cause = np.ones(len(causes)) if self._weights is None else self._weights.of(causes)
        factor = weighing.factor(by_cause, evidence, left)
        for key, since in watched.items():
            if day > since:
                factor[rows_of(*key)] *= 1.0 + (WATCH - 1.0) * (1.0 - (day - since - 1) / WATCH_DAYS)
        return factor

    def _remembered(
        self, causes: tuple[str, ...], day: int
    ) -> tuple[dict[tuple[int, str], np.ndarray], dict[tuple[int, str], int]]:
        """Nats by cause that were judged harmless of each entity, before a day or on it; and of those under
        watch the last day that was an attack.
        """
        column = {cause: place for place, cause in enumerate(causes)}
        found: dict[tuple[int, str], np.ndarray] = {}
        watched: dict[tuple[int, str], int] = {}
        for verdict in self.verdicts:
            key = (ENTITY_KINDS.index(verdict.entity_kind), verdict.entity)
            if verdict.verdict_id == TRUE_POSITIVE:
                found.pop(key, None)
                if 0 <= day - verdict.day <= WATCH_DAYS:
                    watched[key] = max(watched.get(key, verdict.day), verdict.day)
            elif verdict.verdict_id in HARMLESS and 0 <= day - verdict.day <= REMEMBERED_DAYS:
                if verdict.day > watched.get(key, verdict.day):
                    del watched[key]
                nats = found.setdefault(key, np.zeros(len(causes)))
                for cause, amount in verdict.evidence.items():
                    if cause in column:
                        nats[column[cause]] = max(nats[column[cause]], amount)
        return found, watched

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
