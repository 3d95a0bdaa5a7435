"""The sequences of one tenant: collected by entity and day, learned, and judged.

Of a day only transitions are kept that the entity had not shown that day: an event whose token followed that
same token before says nothing new about order, and how often it came is what volume looks at. So a day is
bounded by what is different in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.baselines import DAY_US
from features.behaviours import VALUE_COLUMNS
from models.ranking.content import chosen_by, digest
from models.ranking.tails import Tail
from models.ranking.threads import one_thread
from models.sequence.fitting import DEFAULTS, fit
from models.sequence.model import SequenceModel
from models.sequence.sequences import Sequences
from models.sequence.tokens import tokens_of

if TYPE_CHECKING:
    from features.baselines import Baselines
    from features.columns import Batch

KINDS = 2
"""Users and hosts; an address is no one's routine."""
MOST = 256
"""Transitions kept of an entity-day; what comes after is not seen here."""
MERGE_EVENTS = 32_768
HISTORY_DAYS = 28
HISTORY_TOKENS = 300_000
"""Most tokens kept: of each day at most a fourteenth, whole sequences chosen by what they say."""
DAY_SHARE = 14
HELD_EVERY = 5
"""Every so many days one is held out, to stop training and to say what is usual."""
LEAST_HELD = 40
"""Held-out sequences of a kind of entity below which nothing is said about it."""


class Steps(NamedTuple):
    """Transitions in the order in which they came: int64 ids of entities, uint64 tokens before and now."""

    entity: np.ndarray
    before: np.ndarray
    token: np.ndarray

    def take(self, rows: np.ndarray) -> Steps:
        """Some of them."""
        return Steps(*(array[rows] for array in self))


class Past(NamedTuple):
    """Closed sequences with kind (int8) and day (int32) of each."""

    sequences: Sequences
    kind: np.ndarray
    day: np.ndarray


def _no_steps() -> Steps:
    return Steps(np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint64))


def _nothing() -> Past:
    empty = Sequences(np.zeros(0, np.uint64), np.zeros(1, np.int64), np.zeros(0, np.int64))
    return Past(empty, np.zeros(0, np.int8), np.zeros(0, np.int32))


class SequenceBook:
    """Sequences of the open day and of the past, and the model of them.

    Call `open_day`, `add` for every batch, `nats` as often as wanted, `close_day`, and `refit` from time to
    time.

    Parameters
    ----------
    baselines
        The tenant's; ids are theirs.
    seed
        Of the training, and of what is kept.
    device
        As in `models.neural.settings.LoopSettings`.
    """

    def __init__(self, baselines: Baselines, seed: int = 0, device: str = "auto") -> None:
        self._baselines, self._seed, self._device = baselines, seed, device
        self.today = -1
        self._steps, self._last = _no_steps(), _no_steps()
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting = 0
        self.past = _nothing()
        self.model: SequenceModel | None = None
        self._tails: dict[int, Tail] = {}

    # ------------------------------------------------------------------------------------------------ days

    def open_day(self, day: int) -> None:
        """Begin a day (days since 1970, UTC); the last one must be closed."""
        self.today = day
        self._steps, self._last, self._pending, self._waiting = _no_steps(), _no_steps(), [], 0

    def add(self, batch: Batch) -> None:
        """Take in a batch; events of other days than the open one are left out."""
        rows = np.flatnonzero(batch.time_us // DAY_US == self.today)
        if not len(rows):
            return
        tokens = tokens_of(batch, self._baselines.values)
        for kind in range(KINDS):
            entity = batch.columns[rows, len(VALUE_COLUMNS) + kind].astype(np.int64)
            said = (entity > 0) & (tokens[rows] > 0)
            self._pending.append((entity[said], tokens[rows][said]))
            self._waiting += int(said.sum())
        if self._waiting >= MERGE_EVENTS:
            self._settle()

    def _settle(self) -> None:
        """Merge what is waiting; in which portions that happens makes no difference."""
        if not self._pending:
            return
        entity = np.concatenate([part for part, _ in self._pending])
        token = np.concatenate([part for _, part in self._pending])
        self._pending, self._waiting = [], 0
        # the last event of each entity before these goes first, so that it is what its next one follows
        entity = np.concatenate([self._last.entity, entity])
        token = np.concatenate([self._last.token, token])
        known = len(self._last.entity)
        order = np.argsort(entity, kind="stable")
        before = np.zeros(len(token), np.uint64)
        same = entity[order][1:] == entity[order][:-1]
        before[order[1:][same]] = token[order[:-1][same]]
        ends = order[np.append(~same, True)] if len(order) else order
        new = Steps(entity[known:], before[known:], token[known:])
        self._last = Steps(entity[ends], before[ends], token[ends])
        steps = Steps(*(np.concatenate(arrays) for arrays in zip(self._steps, new, strict=True)))
        _, first = np.unique(digest(*steps), return_index=True)
        steps = steps.take(np.sort(first))
        order = np.argsort(steps.entity, kind="stable")
        sorted_entity = steps.entity[order]
        rank = np.arange(len(order)) - np.searchsorted(sorted_entity, sorted_entity)
        self._steps = steps.take(np.sort(order[rank < MOST]))

    def sequences(self) -> Sequences:
        """The open day's, by entity, ids ascending; as far as the day has come."""
        self._settle()
        order = np.argsort(self._steps.entity, kind="stable")
        owner, lengths = np.unique(self._steps.entity, return_counts=True)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Sequences(self._steps.token[order], starts, owner)

    def nats(self, entity: np.ndarray) -> np.ndarray:
        """float32 (n,): -ln p of the open day's sequence of each entity among held-out ones of its kind; NaN
        where there is no sequence or no model. Changes nothing that is learned.
        """
        out = np.full(len(entity), np.nan, np.float32)
        if self.model is None:
            return out
        today = self.sequences()
        at = np.minimum(np.searchsorted(today.owner, entity), max(0, len(today) - 1))
        mine = np.flatnonzero(today.owner[at] == entity) if len(today) else np.zeros(0, np.int64)
        with one_thread():
            score = self.model.score(today.pick(at[mine]))
        kind = self._kinds(entity[mine])
        for number, tail in self._tails.items():
            out[mine[kind == number]] = tail.of(score[kind == number])
        return out

    def _kinds(self, entity: np.ndarray) -> np.ndarray:
        return np.asarray(self._baselines.entities.kind[entity], np.int8)

    def close_day(self) -> None:
        """Keep the open day's sequences for the next fit."""
        today = self.sequences()
        if len(today):
            limit = HISTORY_TOKENS // DAY_SHARE
            said = _digests(today)
            if today.lengths.sum() > limit:
                share = limit / float(today.lengths.sum())
                today = today.pick(chosen_by(said, max(1, int(len(today) * share)), self._seed))
                said = _digests(today)
            today = today.pick(np.lexsort((today.owner, said)))
            added = Past(today, self._kinds(today.owner), np.full(len(today), self.today, np.int32))
            old = np.flatnonzero(self.past.day > self.today - HISTORY_DAYS)
            self.past = _joined(_picked(self.past, old), added)
        self.open_day(-1)

    def refit(self) -> None:
        """Fit the model on the past, and learn from held-out days what is usual; O(tokens), see
        `models.sequence.fitting`.
        """
        held = self.past.day % HELD_EVERY == HELD_EVERY - 1
        learned = self.past.sequences.pick(np.flatnonzero(~held))
        kept = _picked(self.past, np.flatnonzero(held))
        if len(kept.sequences) < LEAST_HELD:
            return
        with one_thread():
            model = fit(learned, kept.sequences, replace(DEFAULTS, seed=self._seed, device=self._device))
            if model is None:
                return
            score = model.score(kept.sequences)
        self.model = model
        self._tails = {
            kind: Tail.fitted(score[kept.kind == kind])
            for kind in range(KINDS)
            if (kept.kind == kind).sum() >= LEAST_HELD
        }

    # ----------------------------------------------------------------------------------------------- state

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here; tokens hold no value ids."""
        self._settle()
        return np.unique(self._last.entity), np.zeros(0, np.int64)

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering of entities (old id -> new id, 0: gone)."""
        self._settle()
        self._steps = self._steps._replace(entity=entities[self._steps.entity].astype(np.int64))
        self._last = self._last._replace(entity=entities[self._last.entity].astype(np.int64))
        past = self.past.sequences
        renamed = replace(past, owner=entities[past.owner].astype(np.int64))
        self.past = self.past._replace(sequences=renamed)
        if self.model is not None:
            self.model = self.model.renumber(entities)

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings of a checkpoint: data only."""
        self._settle()
        arrays = {f"steps_{name}": array.copy() for name, array in self._steps._asdict().items()}
        arrays |= {f"last_{name}": array.copy() for name, array in self._last._asdict().items()}
        past = self.past.sequences
        arrays |= {"past_tokens": past.tokens.copy(), "past_starts": past.starts.copy()}
        arrays |= {"past_owner": past.owner.copy()}
        arrays |= {"past_kind": self.past.kind.copy(), "past_day": self.past.day.copy()}
        for kind, tail in self._tails.items():
            arrays |= tail.export(f"tail_{kind}")
        if self.model is not None:
            arrays |= {f"model/{name}": array for name, array in self.model.export()[0].items()}
        return arrays, {
            "today": self.today,
            "fitted": self.model is not None,
            "tails": sorted(self._tails),
            "device": self._device,
        }

    def restore(self, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> None:
        """Go on from what was exported; StateError when the model is damaged."""
        self.today, self._device = int(settings["today"]), str(settings["device"])
        self._steps = Steps(*(arrays[f"steps_{name}"].copy() for name in Steps._fields))
        self._last = Steps(*(arrays[f"last_{name}"].copy() for name in Steps._fields))
        past = Sequences(*(arrays[f"past_{name}"].copy() for name in ("tokens", "starts", "owner")))
        self.past = Past(past, arrays["past_kind"].copy(), arrays["past_day"].copy())
        self._tails = {int(kind): Tail.restored(f"tail_{kind}", arrays) for kind in settings["tails"]}
        if settings["fitted"]:
            own = {
                name.removeprefix("model/"): array
                for name, array in arrays.items()
                if name.startswith("model/")
            }
            self.model = SequenceModel.restored(own, {})


def _digests(asked: Sequences) -> np.ndarray:
    """uint64 (n,) of what each sequence says, in order; owners left out. O(m)."""
    which = np.repeat(np.arange(len(asked)), asked.lengths)
    place = np.arange(len(which)) - asked.starts[:-1][which]
    each = digest(asked.tokens, place)
    out = np.zeros(len(asked), np.uint64)
    np.bitwise_xor.at(out, which, each)
    return out


def _picked(past: Past, rows: np.ndarray) -> Past:
    return Past(past.sequences.pick(rows), past.kind[rows], past.day[rows])


def _joined(old: Past, new: Past) -> Past:
    a, b = old.sequences, new.sequences
    both = Sequences(
        np.concatenate([a.tokens, b.tokens]),
        np.concatenate([a.starts, b.starts[1:] + a.starts[-1]]),
        np.concatenate([a.owner, b.owner]),
    )
    return Past(both, np.concatenate([old.kind, new.kind]), np.concatenate([old.day, new.day]))
