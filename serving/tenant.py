"""One tenant's state machine: operations in, scores out. Reads no clock, no environment and no file.

State is a function of a checkpoint and the entries behind it, bit for bit: nothing changes it but `apply`,
and `apply` looks at nothing but the entries and the state.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from features import bodies
from features.errors import StateError
from features.reader import QUARANTINE_BYTES
from models.detector import Detector
from serving.journal import Kind
from serving.results import Aside, Listening
from serving.submission import EventScore, Receipt
from serving.unlearning import Past, unlearn
from serving.watermark import Waiting, WatermarkBuffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from features.enrich import GeoDatabase
    from models.engine import Scores
    from serving.journal import Entry
    from serving.learned import TakenBack
    from serving.results import Sinks
    from serving.settings import CoreSettings

PREFIX = "waiting/"
GROWN_BY_ID = ("known_", "travel_last", "travel_jumps")
"""Arrays by entity id that have spare room at their end, which means nothing."""
HOUSE_EVENTS = 50_000
"""Events scored between two attempts to make room for entities, when the first made none."""
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


class TenantState:
    """Detector, watermark and ledger of one tenant.

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
        detector.alerts.controller.budget = settings.budget
        detector.baselines.entities.limit = settings.quota_of(tenant).entities
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
        self.house_due = 0
        """Scored events before which there is no use in looking for room again."""
        self.past = Past()
        """What was unlearned."""
        self._reader = detector.reader()
        self._scores: dict[int, EventScore] = {}

    # ---------------------------------------------------------------- operations

    def apply(self, entries: Sequence[Entry]) -> list[Receipt]:
        """Apply the entries of one commit, in order; one receipt an entry.

        Events of /v1/score are scored when their entry is reached, after everything that waited before them;
        the rest waits for the watermark, which moves once, at the end.
        """
        receipts: list[Receipt] = []
        together: list[Entry] = []
        for entry in entries:
            operation = entry.operation
            if operation.kind is Kind.SUBMISSION and operation.protocol != "score":
                together.append(entry)
                continue
            receipts += self._take_in(together)
            together = []
            if operation.kind is Kind.SUBMISSION:
                receipts.append(self._score_now(entry))
            else:
                # what is ahead of its time goes on waiting
                self._release(self.buffer.upto(entry.received_us + SKEW_US))
                taken = self._unlearn(entry) if operation.kind is Kind.UNLEARN else None
                receipts.append(Receipt(0, 0, 0, 0, 0, taken_back=taken))
        receipts += self._take_in(together)
        self._release(self.buffer.ready())
        if self.detector.crowded and self.learned_count >= self.house_due:
            self._make_room()
        self.ledger.waiting = len(self.buffer)
        self.position = entries[-1].seq
        return receipts

    def _make_room(self) -> None:
        self._release(self.buffer.all())
        self.sinks.renumbering(self)
        before = self.detector.baselines.entities.count
        self.detector.keep_house()
        self.evicted += before - self.detector.baselines.entities.count
        self._reader.columniser = self.detector.columniser
        # whoever was there today cannot be forgotten: trying it at every group would cost everybody's time
        self.house_due = self.learned_count + HOUSE_EVENTS if self.detector.crowded else 0

    @property
    def learned_count(self) -> int:
        """How many events were scored; the number of the next one."""
        return self.ledger.scored + self.ledger.late

    def _unlearn(self, entry: Entry) -> TakenBack:
        return unlearn(
            self.detector,
            entry.operation.body,
            self.past,
            self.learned_count,
            lambda window: self.sinks.recall(self, window),
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

    def _take_in(self, entries: Sequence[Entry], *, numbered: bool = False) -> list[Receipt]:
        """Decode and let wait. numbered: tag each event with its record, for `_score_now`."""
        if not entries:
            return []
        found = self._decode(entries)
        received_us = np.array([entry.received_us for entry in entries], np.int64)
        bound = received_us[found.body] + round(self.settings.future_seconds * 1e6)
        ahead = found.batch.time_us > bound
        aside = [Aside(entries[a.body], a.record, a.reason, a.raw) for a in found.aside]
        aside += self._ahead(found, entries, np.flatnonzero(ahead))
        if aside:
            self.sinks.aside(self.tenant, aside)
        kept = np.flatnonzero(~ahead)
        tag = (found.record[kept] + 1 if numbered else np.zeros(len(kept), np.int64)) << 1
        batch = found.batch.take(kept) if len(kept) < len(found.uids) else found.batch
        late = self.buffer.late(batch.time_us)
        self.buffer.add(Waiting(batch, found.uids[kept], tag | late), int(received_us[-1]))
        n = len(entries)
        late_of = np.bincount(found.body[kept[late]], minlength=n)
        quarantined = found.quarantined() + np.bincount(found.body[ahead], minlength=n)
        accepted = np.bincount(found.body[kept], minlength=n)
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

    def _score_now(self, entry: Entry) -> Receipt:
        """Score one submission at once, behind everything that waited; the receipt has the scores."""
        self._release(self.buffer.upto(entry.received_us + SKEW_US))
        asides: dict[int, str] = {}
        sinks, self.sinks = self.sinks, Listening(self.sinks, asides)
        try:
            receipt = self._take_in([entry], numbered=True)[0]
        finally:
            self.sinks = sinks
        self._scores = {}
        if receipt.accepted:
            self._release(self.buffer.upto(max(self.buffer.added_us, entry.received_us + SKEW_US)))
        scores = []
        for record in range(max([receipt.received, *(r + 1 for r in asides), *self._scores])):
            if record + 1 in self._scores:
                scores.append(self._scores[record + 1])
            else:
                outcome = "quarantined" if record in asides else "duplicate"
                scores.append(_unscored(asides.get(record, ""), outcome))
        self._scores = {}
        return receipt._replace(scores=scores)

    def _release(self, events: Waiting) -> None:
        """Score events that the watermark let go, learn them, and hand everything on."""
        if not len(events):
            return
        today = self.detector.activity.today
        scores = self.detector.score_learn(events.batch)
        late = int((events.tag & 1).sum())
        self.ledger.late += late
        self.ledger.scored += len(events) - late
        if (events.tag >> 1).any():
            self._answer(events, scores)
        self.sinks.scored(self, events.batch, events.uids, scores)
        now = self.detector.activity.today
        if today not in (-1, now):
            frame = self.detector.entity_days(self.tenant)
            before = frame["day"].to_numpy("datetime64[D]").astype(np.int64) < now
            self.sinks.closed(self.tenant, now, frame[before])
            self.detector.days.forget(now)

    def _answer(self, events: Waiting, scores: Scores) -> None:
        from serving.outputs import event_table

        rows = np.flatnonzero(events.tag >> 1)
        table = event_table(
            self.detector.baselines,
            self.detector.channels.all,
            self.tenant,
            events.batch,
            events.uids.tolist(),
            scores,
        ).take(rows)
        held = scores.held[rows].tolist()
        for place, row in enumerate(table.to_pylist()):
            tag = int(events.tag[rows[place]])
            self._scores[tag >> 1] = EventScore(
                row["event_uid"],
                row["time"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                row["risk"],
                row["evidence"],
                row["p_value"],
                row["top_channel"],
                row["reason"],
                bool(held[place]),
                "late" if tag & 1 else "scored",
            )

    # ---------------------------------------------------------------- reading

    def snapshot(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays (copies) and settings of what was learned, for a detector of its own."""
        arrays, settings = self.detector.export()
        return {name: np.array(array, copy=True) for name, array in arrays.items()}, settings

    def digest(self) -> str:
        """SHA-256 over everything that is state, without spare room: equal for equal histories."""
        arrays, settings = self.export()
        del settings["service"]["segment"]  # how results were cut into files is no state
        return digest_of(arrays, settings)

    def open_days(self) -> pd.DataFrame:
        """Entity-days of the open day, see `models.days.DayBook.frame`."""
        return self.detector.entity_days(self.tenant)

    # ---------------------------------------------------------------- checkpoint

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays (copies, so that writing them can wait) and settings of a checkpoint."""
        arrays, settings = self.snapshot()
        waiting, waiting_settings = self.buffer.export()
        arrays |= {PREFIX + name: array for name, array in waiting.items()}
        settings["service"] = {
            "tenant": self.tenant,
            "position": self.position,
            "segment": self.segment,
            "ledger": asdict(self.ledger),
            "waiting": waiting_settings,
            "unlearned": self.past.export(),
            "evicted": self.evicted,
            "house_due": self.house_due,
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
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the state of {state.tenant} lacks or contradicts a part ({error!r})"
            ) from error
        return state


def digest_of(arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> str:
    """SHA-256 of an exported state."""
    state = hashlib.sha256()
    ids = len(arrays["entity_kind"])
    for name in sorted(arrays):
        array = arrays[name][:ids] if name.startswith(GROWN_BY_ID) else arrays[name]
        state.update(f"{name} {array.dtype} {array.shape}\0".encode())
        state.update(np.ascontiguousarray(array).tobytes())
    state.update(msgspec.json.encode(settings, order="deterministic"))
    return state.hexdigest()


def _unscored(reason: str, outcome: str) -> EventScore:
    return EventScore("", "", 0.0, 0.0, 1.0, "", reason, held=False, outcome=outcome)
