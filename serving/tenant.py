"""One tenant's state machine: operations in, scores out. Reads no clock, no environment and no file.

State is a function of a checkpoint and the entries behind it, bit for bit: nothing changes it but `apply`,
and `apply` looks at nothing but the entries and the state.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from features import bodies
from features.errors import StateError
from features.reader import QUARANTINE_BYTES
from models.alerts import NEVER
from models.detector import Detector
from models.watcher import Watcher
from serving import receipts
from serving.answers import Answers, tag_of
from serving.following.beside import PREFIX as SECOND
from serving.following.beside import Beside, joining
from serving.following.orders import OWN, Change, Mark, Shadow, decoded
from serving.incidents.keeping import Incidents
from serving.journal import Kind
from serving.judgement import Bench, Labels
from serving.outputs import scored_rows
from serving.results import Aside
from serving.settings import LIVE_SECONDS
from serving.submission import Protocol, Receipt
from serving.unlearning import Past, unlearn
from serving.watermark import Waiting, WatermarkBuffer, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from features.columns import Batch
    from features.enrich import GeoDatabase
    from models.days import DayTable
    from serving.journal import Entry
    from serving.judgement import Effect, Label
    from serving.learned import TakenBack, Window
    from serving.results import Sinks
    from serving.settings import CoreSettings

log = logging.getLogger(__name__)

PREFIX = "waiting/"
GROWN_BY_ID = ("known_", "travel_last", "travel_jumps")
"""Arrays by entity id that have spare room at their end, which means nothing."""
HOUSE_EVENTS = 50_000
"""Events scored between two attempts to make room for entities, when the first made none."""
TO_LEARN = "to learn from"
"""Why an alert was raised that its risk alone would not have raised."""
SKEW_US = 60_000_000
"""How far ahead of its receipt an event may be and still move the watermark: clocks differ a little."""


@dataclass
class TenantLedger:
    """What became of every record: received = scored + duplicate + late + quarantined + waiting.

    late: older than what had been scored before it; scored and learned all the same. waiting: not yet passed
    by the watermark.
    """

    received: int = 0
    scored: int = 0
    duplicate: int = 0
    late: int = 0
    quarantined: int = 0
    waiting: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.received == self.scored + self.duplicate + self.late + self.quarantined + self.waiting


class _Eyes(Watcher):
    """Lets a tenant's state see what its detector raises."""

    def __init__(self, state: TenantState) -> None:
        self._state = state

    def scored(self, batch: Batch) -> None:
        """See `Watcher`."""
        self._state.incidents.scored(batch)

    def marked(self, raised: DayTable, risk: np.ndarray) -> None:
        """See `Watcher`."""
        self._state.incidents.raised(self._state.detector, raised, risk)

    def closed(self, table: DayTable, risk: np.ndarray) -> None:
        """See `Watcher`."""
        self._state.day_closes(table, risk)

    def renumbered(self, entities: np.ndarray) -> None:
        """See `Watcher`."""
        self._state.incidents.renumber(entities)


class TenantState:
    """Detector, watermark, incidents and ledger of one tenant.

    Parameters
    ----------
    tenant
        Its id.
    detector
        A new or restored one.
    settings
        Times and limits.
    sinks
        Where results go.
    """

    def __init__(self, tenant: str, detector: Detector, settings: CoreSettings, sinks: Sinks) -> None:
        self.tenant = tenant
        self.detector = detector
        self.settings = settings
        self.sinks = sinks
        # an operator's setting holds from now on, whatever it was when the checkpoint was written
        self._as_set(detector)
        self.model = OWN
        """What serves."""
        self.second: Beside | None = None
        """What scores beside it."""
        self.ledger = TenantLedger()
        self.position = 0
        """The last entry that was applied."""
        self.segment = 0
        """Lake segments that belong to this state."""
        self.buffer = WatermarkBuffer(
            round(settings.lateness_seconds * 1e6), settings.waiting_events, SKEW_US
        )
        self.evicted = 0
        """Entities that were forgotten for lack of room."""
        self.unseen = False
        """Whether events were scored since the open day was looked at; no state, see `look_due`."""
        self.ahead = 0
        """Records of this process that were put aside because their times were ahead; no state."""
        self.house_due = 0
        """Scored events before which there is no use in looking for room again."""
        self.past = Past()
        """What was unlearned."""
        self.labels = Labels()
        """What analysts said."""
        self.incidents = Incidents(tenant)
        """What its alerts are part of."""
        self._ranker_digest = (-1, "")
        detector.watcher = _Eyes(self)
        self._reader = detector.reader()
        self._answers = Answers()

    def _as_set(self, detector: Detector) -> None:
        detector.alerts.controller.budget = self.settings.budget
        detector.alerts.every_hours = self.settings.history_mark_hours
        detector.baselines.entities.limit = self.settings.quota_of(self.tenant).entities

    # ---------------------------------------------------------------- operations

    def apply(self, entries: Sequence[Entry]) -> list[Receipt]:
        """Apply the entries of one commit, in order; one receipt an entry.

        Events of /v1/score are scored when their entry is reached, after everything that waited before them;
        the rest waits for the watermark, which moves once, at the end. Neighbours of one sort are decoded and
        scored together: the order is the same, and so is what comes of it.
        """
        receipts: list[Receipt] = []
        live_us = entries[-1].received_us - round(LIVE_SECONDS * 1e6)
        for detector in self._detectors():
            detector.alerts.follow(live_us, self.settings.mark_minutes)
        for sort, run in itertools.groupby(entries, key=_sort):
            together = list(run)
            if sort is not None:
                receipts += self._score_now(together) if sort is Protocol.SCORE else self._take_in(together)
                continue
            for entry in together:
                # what is ahead of its time goes on waiting
                self._release(self.buffer.upto(entry.received_us + SKEW_US))
                receipts.append(self._operate(entry))
        self._release(self.buffer.ready())
        if any(detector.crowded for detector in self._detectors()) and self.learned_count >= self.house_due:
            self._make_room()
        self.ledger.waiting = len(self.buffer)
        self.position = entries[-1].seq
        if news := self.incidents.news():
            self.sinks.incidents(self.tenant, news)
        return receipts

    def day_closes(self, table: DayTable, risk: np.ndarray) -> None:
        """A day is over, see `models.watcher.Watcher.closed`: receipts are as of now, before anything is
        fitted on it.
        """
        rows = self._raised(table)
        made = self._receipts_of(table, rows)
        learning = self.detector.alerts.learning(table.entity[rows].astype(np.int64) << 32 | table.day[rows])
        for receipt, to_learn in zip(made, learning.tolist(), strict=True):
            if to_learn:
                receipt["why"] = TO_LEARN
        self.sinks.receipts(self.tenant, made)
        self.incidents.raised(self.detector, table.take(rows), risk[rows])
        if len(table.day):
            self.incidents.day_begins(int(table.day[0]) + 1)

    def _make_room(self) -> None:
        self._release(self.buffer.all())
        self.sinks.renumbering(self)
        before = self.detector.baselines.entities.count
        self.detector.keep_house()
        self.evicted += before - self.detector.baselines.entities.count
        self._reader.columniser = self.detector.columniser
        if self.second is not None:
            self.second.detector.keep_house()
        # whoever was there today cannot be forgotten: trying it at every group would cost everybody's time
        full = any(detector.crowded for detector in self._detectors())
        self.house_due = self.learned_count + HOUSE_EVENTS if full else 0

    def _detectors(self) -> tuple[Detector, ...]:
        return (self.detector,) if self.second is None else (self.detector, self.second.detector)

    @property
    def learned_count(self) -> int:
        """How many events were scored; the number of the next one."""
        return self.ledger.scored + self.ledger.late

    def _operate(self, entry: Entry) -> Receipt:
        """Apply what is no submission; everything that came before it is scored."""
        kind = entry.operation.kind
        if kind is Kind.FLUSH:
            for detector in self._detectors():
                detector.look(entry.received_us)
            self.unseen = False
        nothing = Receipt(0, 0, 0, 0, 0)
        if kind is Kind.UNLEARN:
            taken_back = self._unlearn(entry)
            if self.second is not None:
                self.second.unlearn(entry, self.learned_count, self._recall)
            return nothing._replace(taken_back=taken_back)
        if kind in (Kind.MODEL_SHADOW, Kind.MODEL_SWAP, Kind.MODEL_DROP):
            self._change_models(entry)
            return nothing
        if self.second is not None:
            self._said(self.second.bench(self._recall, self._partners), entry)
        bench = Bench(self.detector, self.labels, self.past, self._recall, self._partners)
        label, effect = self._said(bench, entry)
        if label is not None and label.covers_the_day:
            self.incidents.judged(label, self.labels.all(), max(self.detector.clock.newest_us, 0))
        return nothing._replace(effect=effect)

    def _recall(self, window: Window) -> pa.Table:
        return self.sinks.recall(self, window)

    def _partners(self, kind: str, name: str, day: int) -> tuple[tuple[str, str], ...]:
        return self.incidents.partners(self.detector, kind, name, day)

    @staticmethod
    def _said(bench: Bench, entry: Entry) -> tuple[Label | None, Effect | None]:
        """Apply what somebody said; the verdict and its effect, None where it was none."""
        kind, body = entry.operation.kind, entry.operation.body
        if kind is Kind.VERDICT:
            return bench.judge(body, entry.received_us)
        if kind is Kind.REVERT:
            return bench.revert(body)
        if kind is Kind.EXCEPTION:
            bench.exempt(body)
        elif kind is Kind.LIFT:
            bench.lift(body)
        elif kind is Kind.WEIGHTS:
            bench.weigh(body)
        return None, None

    # ---------------------------------------------------------------- models

    def _change_models(self, entry: Entry) -> None:
        kind, body = entry.operation.kind, entry.operation.body
        if kind is Kind.MODEL_SHADOW:
            self._stand_beside(decoded(body, Shadow), entry.received_us)
            return
        digest = decoded(body, Change).digest
        if self.second is None or self.second.mark.digest != digest:
            return  # what stood beside has changed since it was asked for
        if kind is Kind.MODEL_SWAP:
            self._swap(self.second, entry.received_us)
        else:
            self.second = None

    def _stand_beside(self, order: Shadow, received_us: int) -> None:
        """A prepared model scores and learns from here on, instead of one that did."""
        try:
            detector = self.sinks.prepared(order.place)
        except StateError as error:
            # the model that serves needs it for nothing; whoever asked for it sees that it is not there
            log.error("%s does not stand beside what serves %s: %s", order.mark, self.tenant, error)
            return
        detector.share_door(self.detector)
        self._as_set(detector)
        self.second = joining(
            order,
            detector,
            self.labels,
            self.past,
            self.detector.feedback,
            lambda number: self.sinks.behind(self, number),
            self._recall,
            received_us,
        )

    def _swap(self, second: Beside, received_us: int) -> None:
        """The two change places. People keep what they were given: incidents, and what was raised."""
        self.sinks.renumbering(self)
        entities = second.translator(self.detector).entities()
        self.buffer.rewrite(second.translator(self.detector).batch)
        self.incidents.renumber(entities)
        second.detector.alerts.adopt(self.detector.alerts, entities)
        second.detector.days.repeats.adopt(self.detector.days.repeats, entities)
        second.detector.watcher, self.detector.watcher = self.detector.watcher, Watcher()
        former = Beside(self.model, self.detector, self.labels, self.past, received_us, has_served=True)
        former.report = second.report
        self.model, self.detector = second.mark, second.detector
        self.labels, self.past = second.labels, second.past
        self.second = former
        self._reader = self.detector.reader()
        self._ranker_digest = (-1, "")

    # ---------------------------------------------------------------- taking in
    def _unlearn(self, entry: Entry) -> TakenBack:
        return unlearn(
            self.detector,
            entry.operation.body,
            self.past,
            self.learned_count,
            self._recall,
            self.labels.without_kept_out,
        )

    def skip(self, entry: Entry, reason: str) -> Receipt:
        """Put a whole submission aside that the engine could not take."""
        self.position = entry.seq
        if entry.operation.kind is not Kind.SUBMISSION:
            return Receipt(0, 0, 0, 0, 0)
        count = bodies.count_records(entry.operation.body)
        self.sinks.aside(self.tenant, [Aside(entry, 0, reason, entry.operation.body[:QUARANTINE_BYTES])])
        self.ledger.received += count
        self.ledger.quarantined += count
        return Receipt(count, 0, 0, count, 0)

    def _decode(self, entries: Sequence[Entry]) -> bodies.Decoded:
        return bodies.decode(
            self._reader,
            [
                bodies.Body(e.operation.body, e.operation.source, e.operation.ids, e.received_us)
                for e in entries
            ],
        )

    def _take_in(self, entries: Sequence[Entry], leaving: list[Waiting] | None = None) -> list[Receipt]:
        """Decode and let wait. leaving: events are tagged for the answers, and those of each entry leave, at
        once and in turn, into this list.
        """
        found = self._decode(entries)
        received_us = np.array([entry.received_us for entry in entries], np.int64)
        bound = received_us[found.body] + round(self.settings.future_seconds * 1e6)
        ahead = found.batch.time_us > bound
        self.ahead += int(np.count_nonzero(ahead))
        aside = [Aside(entries[a.body], a.record, a.reason, a.raw) for a in found.aside]
        n = len(entries)
        quarantined = found.quarantined()
        batch, uids, body, record = found.batch, found.uids, found.body, found.record
        if ahead.any():
            aside += self._ahead(found, entries, np.flatnonzero(ahead))
            quarantined += np.bincount(body[ahead], minlength=n)
            kept = np.flatnonzero(~ahead)
            batch, uids, body, record = batch.take(kept), uids[kept], body[kept], record[kept]
        if aside:
            self.sinks.aside(self.tenant, aside)
            self._answers.refuse(aside)
        if leaving is None:
            late = self.buffer.late(batch.time_us)
            self.buffer.add(Waiting(batch, uids, late.astype(np.int64)), int(received_us[-1]))
        else:
            late, left = self.buffer.passed(Waiting(batch, uids, tag_of(body, record)), body, received_us)
            leaving.append(left)
        late_of = np.bincount(body[late], minlength=n)
        accepted = np.bincount(body, minlength=n)
        self.ledger.received += int(found.received.sum())
        self.ledger.duplicate += int(found.duplicate.sum())
        self.ledger.quarantined += int(quarantined.sum())
        columns = (found.received, accepted, found.duplicate, quarantined, late_of)
        return [Receipt(*row) for row in np.stack(columns, axis=1).tolist()]

    @staticmethod
    def _ahead(found: bodies.Decoded, entries: Sequence[Entry], rows: np.ndarray) -> list[Aside]:
        out = []
        for row in rows.tolist():
            entry = entries[int(found.body[row])]
            hours = (int(found.batch.time_us[row]) - entry.received_us) / 3.6e9
            reason = f"its time is {hours:,.1f} h ahead of its receipt; is the sender's clock right?"
            record = int(found.record[row])
            raw = bodies.nth_record(entry.operation.body, record)
            out.append(Aside(entry, record, reason, raw[:QUARANTINE_BYTES]))
        return out

    def _score_now(self, entries: list[Entry]) -> list[Receipt]:
        """Score submissions at once, in order, behind everything that waited; receipts have the scores."""
        self._release(self.buffer.upto(entries[0].received_us + SKEW_US))
        self._answers = Answers(entries)
        leaving: list[Waiting] = []
        receipts = self._take_in(entries, leaving)
        self._release(joined(leaving))
        answers, self._answers = self._answers, Answers()
        return [
            receipt._replace(scores=answers.of(place, receipt.received))
            for place, receipt in enumerate(receipts)
        ]

    def _release(self, events: Waiting) -> None:
        """Score events that the watermark let go, learn them, and hand everything on."""
        if not len(events):
            return
        self.unseen = True
        today = self.detector.activity.today
        scores = self.detector.score_learn(events.batch)
        late = int((events.tag & 1).sum())
        self.ledger.late += late
        self.ledger.scored += len(events) - late
        rows = scored_rows(
            self.detector.baselines, self.detector.channels.all, events.batch, events.uids.tolist(), scores
        )
        self._answers.take(events.tag, rows, scores.held, self.detector.channels.all)
        self.sinks.scored(self, events.batch, scores, rows)
        if self.second is not None:
            self.second.score(events.batch, self.detector)
        now = self.detector.activity.today
        if today not in (-1, now):
            frame = self.detector.entity_days(self.tenant)
            before = frame["day"].to_numpy("datetime64[D]").astype(np.int64) < now
            self.sinks.closed(self.tenant, now, frame[before])
            if self.second is not None:
                self.second.day_closes(self.tenant, frame, now)
            self.detector.days.forget(now)

    # ---------------------------------------------------------------- reading

    def look_due(self, now_us: int) -> bool:
        """Whether a flush would look at events that no later one has brought to a mark."""
        return self.unseen and self.detector.due_look(now_us)

    def snapshot(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays (copies) and settings of what was learned, for a detector of its own."""
        arrays, settings = self.detector.export()
        return {name: np.array(array, copy=True) for name, array in arrays.items()}, settings

    def digest(self) -> str:
        """SHA-256 over everything that is state, without spare room: equal for equal histories."""
        arrays, settings = self.export()
        del settings["service"]["segment"]  # how results were cut into files is no state
        return digest_of(arrays, settings)

    def open_receipts(self) -> list[dict[str, Any]]:
        """Receipts (`serving.receipts`) of what was raised on the open day."""
        table = self.detector.today()
        return self._receipts_of(table, self._raised(table))

    def _raised(self, table: DayTable) -> np.ndarray:
        """Places in a day's table of what was raised."""
        if not len(table.day):
            return np.zeros(0, np.int64)
        day = int(table.day[0])
        moments = self.detector.alerts.moments(table.entity.astype(np.int64) << 32 | day, day)
        return np.flatnonzero(moments != NEVER)

    def _receipts_of(self, table: DayTable, rows: np.ndarray) -> list[dict[str, Any]]:
        if not len(rows):
            return []
        day = int(table.day[0])
        if self._ranker_digest[0] != day:
            self._ranker_digest = day, receipts.digest_of_ranker(self.detector.ranker)
        return receipts.take(self.detector, self.tenant, table, rows, self._ranker_digest[1])

    def open_days(self) -> pd.DataFrame:
        """Entity-days of the open day, see `models.days.DayBook.frame`."""
        return self.detector.entity_days(self.tenant)

    # ---------------------------------------------------------------- checkpoint

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays (copies, so that writing them can wait) and settings of a checkpoint."""
        arrays, settings = self.snapshot()
        waiting, waiting_settings = self.buffer.export()
        arrays |= {PREFIX + name: array for name, array in waiting.items()}
        arrays |= self.incidents.export()
        if self.second is not None:
            second_arrays, settings["second"] = self.second.export()
            arrays |= second_arrays
        settings["service"] = {
            "tenant": self.tenant,
            "position": self.position,
            "segment": self.segment,
            "ledger": asdict(self.ledger),
            "waiting": waiting_settings,
            "unlearned": self.past.export(),
            **self.labels.export(),
            "evicted": self.evicted,
            "house_due": self.house_due,
            "model": msgspec.to_builtins(self.model),
        }
        return arrays, settings

    @classmethod
    def restored(
        cls,
        arrays: dict[str, np.ndarray],
        exported: dict[str, Any],
        settings: CoreSettings,
        sinks: Sinks,
        geo: GeoDatabase,
    ) -> TenantState:
        """The state that was exported; StateError when it is not one of the service."""
        if "service" not in exported:
            raise StateError(
                "this state was written by `habitus score`; give the service a data directory of its own"
            )
        own = exported["service"]
        state = cls(
            own["tenant"], Detector.restored(arrays, exported, own["tenant"], geo=geo), settings, sinks
        )
        waiting = {
            name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)
        }
        try:
            state.buffer.resume(waiting, own["waiting"])
            state.ledger = TenantLedger(**own["ledger"])
            state.position, state.segment = int(own["position"]), int(own["segment"])
            state.past, state.evicted = Past(own.get("unlearned", ())), int(own.get("evicted", 0))
            state.house_due = int(own.get("house_due", 0))
            state.labels = Labels(own)
            state.incidents = Incidents.restored(state.tenant, arrays)
            state.model = Mark(**own.get("model", {}))
            if "second" in exported:
                state.second = Beside.restored(arrays, exported["second"], state.tenant, geo)
                state.second.detector.share_door(state.detector)
                state._as_set(state.second.detector)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the state of {state.tenant} lacks or contradicts a part ({error!r})"
            ) from error
        return state


def digest_of(arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> str:
    """SHA-256 of an exported state."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        array, prefix = arrays[name], SECOND if name.startswith(SECOND) else ""
        if name.removeprefix(prefix).startswith(GROWN_BY_ID):
            array = array[: len(arrays[f"{prefix}entity_kind"])]
        state.update(f"{name} {array.dtype} {array.shape}\0".encode())
        state.update(np.ascontiguousarray(array).tobytes())
    state.update(msgspec.json.encode(settings, order="deterministic"))
    return state.hexdigest()


def _sort(entry: Entry) -> Protocol | None:
    """Which entries go together: those that are scored at once, those that wait; None for no submission."""
    if entry.operation.kind is not Kind.SUBMISSION:
        return None
    return Protocol.SCORE if entry.operation.protocol == Protocol.SCORE else Protocol.NATIVE
