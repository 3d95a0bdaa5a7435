"""What verdicts do to a tenant's state, at their place in the stream.

Events that were too strange to be learned wait (`models.engine`: held). On an entity's day

- a true positive keeps out for ever what still waits,
- otherwise a verdict that it was nothing lets it be learned at once,
- without a verdict it is learned when its time has come.

What holds for an event follows from all verdicts on the days of its user, host and address that were not
taken back, and not from the order they came in: taking back a verdict leaves what there would be without it.
Baselines are sums, so an event that is learned late, or taken out again, leaves the same sums.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.behaviours import ENTITY_KINDS
from features.errors import InputError, StateError
from models.feedback import weights
from models.feedback.exemptions import Exemption
from models.held import put_held, take_held
from serving.days import DAY_US
from serving.learned import NUMBERED, Window, batch_of
from serving.triage.words import CLEARED, TRUE_POSITIVE
from serving.unlearning import SPARE_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from models.detector import Detector
    from serving.unlearning import Past

MOST_LABELS = 20_000
"""Verdicts of a tenant that are kept in its state, the newest; years at ten a day."""
WEIGHTS_SET = "weights.set"
"""Action of the audit log when weights change; its detail has them, and none when they ended."""
LEARNED, OUT, WAITING = "learned", "out", "waiting"


class Judged(msgspec.Struct, frozen=True):
    """Body of a verdict's operation.

    subject: alert, event or entity_day. day: since 1970. replaces: uids of verdicts that no longer hold.
    oldest_us: see `serving.unlearning.Unlearn`.
    """

    uid: str
    subject: str
    entity_kind: str
    entity: str
    day: int
    verdict_id: int
    replaces: tuple[str, ...] = ()
    oldest_us: int = 0

    def encoded(self) -> bytes:
        """The body."""
        return msgspec.json.encode(self)


class Reverted(msgspec.Struct, frozen=True):
    """Body of the operation that takes a verdict back."""

    uid: str
    oldest_us: int = 0

    def encoded(self) -> bytes:
        """The body."""
        return msgspec.json.encode(self)


class Partners(Protocol):
    """Tells who an entity worked with on a day (`models.feedback.partners`)."""

    def __call__(self, kind: str, name: str, day: int) -> tuple[tuple[str, str], ...]:
        """Kind and name of each. day: days since 1970, UTC."""


class Effect(NamedTuple):
    """How many held events were learned, kept out, or wait again; and how many unlearned ones came back."""

    learned: int = 0
    kept_out: int = 0
    waiting: int = 0
    learned_again: int = 0


NONE = Effect()


class Label(NamedTuple):
    """A verdict as the state was told. day: since 1970. at_us: when it was given."""

    uid: str
    subject: str
    entity_kind: str
    entity: str
    day: int
    verdict_id: int
    at_us: int

    @property
    def covers_the_day(self) -> bool:
        """Whether it is about everything of that day."""
        return self.subject != "event"


class Moved(NamedTuple):
    """An event that a verdict took out of those that wait. release_us: when its time would have come."""

    time_us: int
    release_us: int
    where: str


class Labels:
    """Verdicts that hold, and the events that they moved, by number; part of a tenant's state."""

    def __init__(self, exported: Mapping[str, Any] | None = None) -> None:
        exported = exported or {}
        self._labels = {row[0]: Label(*row) for row in exported.get("labels", ())}
        self._moved = {int(row[0]): Moved(*row[1:]) for row in exported.get("moved", ())}

    def __len__(self) -> int:
        return len(self._labels)

    def all(self) -> list[Label]:
        """Verdicts that hold, oldest first."""
        return list(self._labels.values())

    def export(self) -> dict[str, Any]:
        """Rows for a checkpoint."""
        return {
            "labels": [list(label) for label in self._labels.values()],
            "moved": [[number, *moved] for number, moved in sorted(self._moved.items())],
        }

    def without_kept_out(self, rows: pa.Table) -> pa.Table:
        """Rows (NUMBERED) without those that were never learned because of a verdict."""
        return self._chosen(rows, {number for number, one in self._moved.items() if one.where == OUT}, False)

    def kept_out(self, rows: pa.Table) -> pa.Table:
        """Rows (NUMBERED) that were never learned because of a verdict."""
        return self._chosen(rows, {number for number, one in self._moved.items() if one.where == OUT}, True)

    def kept_out_only(self) -> Labels:
        """The same verdicts for a model that has learned all but what they keep out."""
        exported = self.export()
        return Labels(exported | {"moved": [row for row in exported["moved"] if row[-1] == OUT]})

    @staticmethod
    def _chosen(rows: pa.Table, numbers: Iterable[int], wanted: bool) -> pa.Table:
        inside = pc.is_in(rows["number"], pa.array(sorted(numbers), pa.int64()))
        return rows.filter(inside if wanted else pc.invert(inside))

    def _verdicts(self) -> dict[tuple[str, str, int], set[int]]:
        """Verdicts by entity-day."""
        found: dict[tuple[str, str, int], set[int]] = {}
        for label in self._labels.values():
            if label.covers_the_day:
                key = (label.entity_kind, label.entity, label.day)
                found.setdefault(key, set()).add(label.verdict_id)
        return found


def nobody(kind: str, name: str, day: int) -> tuple[tuple[str, str], ...]:
    """No partners."""
    return ()


class Bench:
    """What an operation works on: the state's parts, and how to find what was learned of a window."""

    def __init__(
        self,
        detector: Detector,
        labels: Labels,
        past: Past,
        recall: Callable[[Window], pa.Table],
        partners: Partners = nobody,
    ) -> None:
        self.detector = detector
        self.labels = labels
        self.past = past
        self._recall = recall
        self._partners = partners

    def judge(self, body: bytes, at_us: int) -> tuple[Label, Effect]:
        """Apply a verdict; returns it as it is kept. at_us: when it was taken in."""
        operation = _decoded(body, Judged)
        labels = self.labels._labels
        replaced = [labels.pop(uid) for uid in operation.replaces if uid in labels]
        again = sum(self._learn_again(uid) for uid in operation.replaces)
        label = Label(
            operation.uid,
            operation.subject,
            operation.entity_kind,
            operation.entity,
            operation.day,
            operation.verdict_id,
            at_us,
        )
        labels[label.uid] = label
        while len(labels) > MOST_LABELS:
            del labels[next(iter(labels))]
        for old in replaced:
            self.detector.feedback.revert(old.uid)
        # that one event was nothing says little about its day; that it was an attack says all
        if label.covers_the_day or label.verdict_id == TRUE_POSITIVE:
            # of an entity that was forgotten for lack of room there is nothing to be learned
            with suppress(InputError):
                attack = label.verdict_id == TRUE_POSITIVE
                self.detector.judge(
                    label.uid,
                    label.entity,
                    label.entity_kind,
                    label.day,
                    label.verdict_id,
                    at_us,
                    self._partners(label.entity_kind, label.entity, label.day) if attack else (),
                )
        return label, self._settle(label, operation.oldest_us)._replace(learned_again=again)

    def revert(self, body: bytes) -> tuple[Label | None, Effect]:
        """Take a verdict back; returns it, None when it holds no more."""
        operation = _decoded(body, Reverted)
        label = self.labels._labels.pop(operation.uid, None)
        again = self._learn_again(operation.uid)
        if label is None:
            return None, Effect(learned_again=again)
        self.detector.feedback.revert(label.uid)
        return label, self._settle(label, operation.oldest_us)._replace(learned_again=again)

    def exempt(self, body: bytes) -> None:
        """Apply an exception."""
        # what cannot be any more (the tenant has too many by now) was said when it was asked for
        with suppress(InputError):
            self.detector.feedback.exempt(_decoded(body, Exemption), self.detector.channels)

    def lift(self, body: bytes) -> None:
        """Take an exception away."""
        self.detector.feedback.end_exemption(_decoded(body, Reverted).uid)

    def weigh(self, body: bytes) -> None:
        """Let causes count as the body says (`models.feedback.weights`), or all the same again (`null`)."""
        try:
            self.detector.feedback.weigh(weights.decoded(body))
        except InputError as error:
            raise StateError(f"journalled weights cannot be read ({error})") from error

    def _learn_again(self, uid: str) -> int:
        """Undo the unlearning that came with a verdict; returns how many events are learned again."""
        count = 0
        for window, number in self.past.undo(uid):
            rows = self._recall(window)
            rows = rows.filter(pc.less(rows["number"], number))
            rows = self.labels.without_kept_out(self.past.fresh(rows))
            self._learn(rows)
            count += len(rows)
        return count

    def _learn(self, rows: pa.Table) -> None:
        if len(rows):
            watermark_us = self.detector.baselines.watermark_us
            self.detector.baselines.learn(batch_of(self.detector, rows))
            self.detector.baselines.watermark_us = watermark_us

    def _settle(self, label: Label, oldest_us: int) -> Effect:
        """Bring the held events of an entity's day to where all verdicts together want them."""
        if not label.covers_the_day:
            return NONE
        moved = self.labels._moved
        now_us = self.detector.baselines.watermark_us
        for number, one in list(moved.items()):
            over = one.where == LEARNED and one.release_us <= now_us
            if over or one.time_us < oldest_us - SPARE_US:
                del moved[number]
        start_us = label.day * DAY_US
        window = Window(label.entity_kind, label.entity, max(start_us, oldest_us), start_us + DAY_US)
        if window.from_us >= window.to_us:
            return NONE
        rows = self.past.fresh(self._recall(window))
        rows = rows.filter(rows["held"]).cast(NUMBERED)
        if not len(rows):
            return NONE
        return self._move(rows, now_us)

    def _move(self, rows: pa.Table, now_us: int) -> Effect:
        moved = self.labels._moved
        batch = batch_of(self.detector, rows)
        wanted = _wanted(rows, self.labels._verdicts())
        numbers = rows["number"].to_numpy()
        known = np.array([number in moved for number in numbers.tolist()])
        # 1 what waits and shall not is taken out
        release_us = np.full(len(rows), -1)
        leaving = np.flatnonzero(~known & (wanted != WAITING))
        release_us[leaving] = take_held(self.detector.engine, batch.take(leaving))
        learn, forget, wait = [], [], []
        for row, number in enumerate(numbers.tolist()):
            target = str(wanted[row])
            time_us = int(rows["time_us"][row].as_py())
            if number not in moved:
                if release_us[row] < 0:
                    continue  # waits and shall, or was learned when its time had come
                moved[number] = Moved(time_us, int(release_us[row]), target)
                if target == LEARNED:
                    learn.append(row)
                continue
            one = moved[number]
            if one.where == target:
                continue
            due = one.release_us <= now_us
            release_us[row] = one.release_us
            if target == OUT:
                forget.append(row)
            elif target == LEARNED or due:
                learn.append(row)
            else:
                wait.append(row)
                if one.where == LEARNED:
                    forget.append(row)
            if target == WAITING:
                del moved[number]
            else:
                moved[number] = one._replace(where=target)
        # 2 the sums follow; 3 what waits again goes back to its place
        if forget:
            self.detector.baselines.unlearn(batch.take(np.array(forget)))
        self._learn(rows.take(pa.array(learn, pa.int64())))
        if wait:
            put_held(self.detector.engine, batch.take(np.array(wait)), release_us[wait])
        out = int(((wanted == OUT) & (release_us >= 0)).sum())
        return Effect(len(learn), out, len(wait))


def _wanted(rows: pa.Table, verdicts: dict[tuple[str, str, int], set[int]]) -> np.ndarray:
    """LEARNED, OUT or WAITING for each row."""
    names = [rows[kind].cast(pa.string()).to_pylist() for kind in ENTITY_KINDS]
    days = (rows["time_us"].to_numpy() // DAY_US).tolist()
    out = []
    for row, day in enumerate(days):
        said: set[int] = set()
        for kind, texts in zip(ENTITY_KINDS, names, strict=True):
            said |= verdicts.get((kind, texts[row], day), set())
        if TRUE_POSITIVE in said:
            out.append(OUT)
        else:
            out.append(LEARNED if said & CLEARED else WAITING)
    return np.array(out, object)


def _decoded(body: bytes, form: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.DecodeError as error:
        raise StateError(f"a journalled verdict cannot be read ({error})") from error
