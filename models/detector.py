"""One tenant's detector: everything that is learned about an organisation, and the two doors events come in
by.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from features import checkpoint, identity
from features.baselines import DAY_US, Baselines, schema_digest
from features.behaviours import BEHAVIOURS, COLUMN, ENTITY_KINDS
from features.columns import Columniser
from features.dedup import Deduper
from features.enrich import GeoDatabase
from features.errors import InputError, StateError
from features.identity import IdentityResolver
from features.measures import COUNTS, MEASURES
from features.pairs import name_hashes
from features.reader import Reader
from models import groups, soundness
from models.activity import Activity, joined_findings
from models.alerts import EVERY_HOURS, NEVER, AlertBook
from models.books import Books
from models.calibration import THRESHOLD_NATS
from models.channels import KINDS, Channels
from models.clock import Clock, witnesses
from models.days import DayBook, DayTable
from models.engine import FIRST, LAST, Engine, Evidence, concatenated_scores
from models.feedback import precision
from models.feedback.feedback import Feedback, Verdict
from models.link_evidence import link_findings
from models.links import LinkModel
from models.ranking.ranker import Ranker
from models.ranking.sample import EventSample
from models.ranking.settings import SEQUENCE
from models.sequence.book import SequenceBook
from models.sessions.sessions import Sessions
from models.strongest import strongest
from models.watcher import Watcher
from models.whatif import what_if

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from features.behaviours import Behaviour
    from features.columns import Batch
    from features.reader import Quarantined
    from features.sources.base import Decoder, SourceContext
    from models.activity import DayCounts
    from models.engine import Scores
    from models.entity_risk import EntityRisks
    from models.feedback.exemptions import Exemption
    from models.risk import Budget
    from models.sessions.sessions import Remark

FIRST_FITS = (3, 5, 7, 10)
REFIT_DAYS = 7
"""Nights after which groups and links are fitted anew; at first more often, while habits are young."""
PICTURE_COUNTS = 3
"""Counts named where no single thing explains an entity-day."""
VOICES_US = EVERY_HOURS * DAY_US // 24
VALUE_LIMIT = 20_000_000
"""Distinct value strings that are kept before those without use are forgotten."""


class Detector:
    """Baselines, calibration, identities and deduplication of one tenant.

    `attachments` names files that belong to the state besides its checkpoint; whoever keeps the folder
    decides what they are.

    Parameters
    ----------
    baselines, engine, resolver, deduper
        Parts of a restored state; new ones by default, baselines those of the engine if one is given.
    key_seed
        Secret seed of the deduplication keys; drawn anew when None. Scores do not depend on it.
    geo
        Country and network of addresses; the bundled databases by default.
    ranker
        A restored one, or one with other settings.
    budget
        How many alerts people can read; `Budget()` by default.
    mark_hours
        Hours of event time between two looks at the open day, see `models.alerts`.
    learn_groups
        Whether entities that no directory puts into a peer group are grouped by their habits.
    seed
        Of everything that is fitted.
    off
        Kinds of channels (`models.channels.KINDS`) whose evidence is thrown away; for ablations.
    feedback
        What analysts said; nothing by default.

    Raises
    ------
    ValueError
        If `off` names an unknown kind.
    """

    def __init__(
        self,
        *,
        baselines: Baselines | None = None,
        engine: Engine | None = None,
        resolver: IdentityResolver | None = None,
        deduper: Deduper | None = None,
        key_seed: int | None = None,
        geo: GeoDatabase | None = None,
        activity: Activity | None = None,
        ranker: Ranker | None = None,
        budget: Budget | None = None,
        mark_hours: int = EVERY_HOURS,
        learn_groups: bool = True,
        seed: int = 0,
        off: frozenset[str] = frozenset(),
        feedback: Feedback | None = None,
    ) -> None:
        # what is empty counts as false, but is no less somebody's
        if baselines is None:
            baselines = Baselines() if engine is None else engine.baselines
        self.baselines = baselines
        self.engine = Engine(self.baselines) if engine is None else engine
        self.resolver = IdentityResolver() if resolver is None else resolver
        self.deduper = Deduper() if deduper is None else deduper
        self.key_seed = secrets.randbits(62) if key_seed is None else key_seed
        self.attachments: list[str] = []
        if unknown := off - set(KINDS):
            raise ValueError(f"no such kind of channels: {', '.join(sorted(unknown))}")
        self.channels = Channels(self.baselines.behaviours)
        self.off = off
        self.seed = seed
        self.learn_groups = learn_groups
        self.links: LinkModel | None = None
        self.ranker = Ranker() if ranker is None else ranker
        self.alerts = AlertBook(budget, mark_hours)
        self.clock = Clock()
        self.watcher = Watcher()
        """Told what is scored, raised and closed; no part of the state."""
        self._nights = 0
        self._silent = np.array([KINDS[channel.kind] in off for channel in self.channels.all], np.bool_)
        self.activity = (
            Activity(
                self.baselines,
                self.channels,
                calibration_half_life_days=self.engine.calibration_half_life_days,
            )
            if activity is None
            else activity
        )
        sequences: SequenceBook | None = None
        if self.ranker.settings.on(SEQUENCE):
            sequences = SequenceBook(self.baselines, seed, self.ranker.settings.device)
        self.books = Books(
            DayBook(self.baselines, self.channels, feedback),
            Sessions(self.baselines, self.channels, seed),
            EventSample(seed=seed, identity=self._identity),
            sequences,
        )
        self.geo = geo or GeoDatabase()
        self.columniser = self._columniser()

    def _columniser(self) -> Columniser:
        return Columniser(self.baselines.values, self.baselines.entities, self.resolver, self.geo)

    def share_door(self, other: Detector) -> None:
        """Take events that come in by another detector's door: who is who, and what was there before, is one
        for both from here on.
        """
        self.resolver, self.deduper, self.key_seed = other.resolver, other.deduper, other.key_seed
        self.columniser = self._columniser()

    def reader(
        self,
        *,
        source: str = "auto",
        quarantine: Callable[[Quarantined], None] | None = None,
        make_decoder: Callable[[SourceContext], Decoder] | None = None,
    ) -> Reader:
        """A reader whose batches this detector can score."""
        reader = Reader(
            self.columniser,
            self.resolver,
            self.deduper,
            self.key_seed,
            source=source,
            make_decoder=make_decoder,
        )
        if quarantine is not None:
            reader.quarantine = quarantine
        return reader

    def score_learn(self, batch: Batch) -> Scores:
        """Score events in the order given, then learn them, and add them to the entity-days.

        A new day (UTC) that the clock trusts (`models.clock`) closes the one before: its entity-days get
        their final risk, and alerts are raised at marks (`models.alerts`).
        """
        before = self.clock.newest_us
        newest = self.clock.advance(batch.time_us, witnesses(batch.columns))
        if len(newest) and self._passes_nothing(before, newest):
            return self._score_learn(batch, newest)
        parts = []
        reached = np.concatenate([[before], newest])
        passed = (np.diff(self.alerts.marks(reached)) != 0) | (np.diff(reached // VOICES_US) != 0)
        cuts = [0, *(np.flatnonzero(passed[1:]) + 1).tolist(), len(newest)]
        for first, last in itertools.pairwise(cuts):
            if first == last:
                continue
            if passed[first]:
                self._reach(before if first == 0 else int(newest[first - 1]), int(newest[first]))
            parts.append(self._score_learn(batch.take(slice(first, last)), newest[first:last]))
        return concatenated_scores(parts)

    def _passes_nothing(self, before_us: int, newest: np.ndarray) -> bool:
        """Whether a batch passes neither a mark nor a time at which voices are weighed: nearly every small
        one. Where the earliest and the latest time have one mark, so has every time between.
        """
        ends = np.array([min(before_us, int(newest.min())), int(newest.max())])
        marks, voices = self.alerts.marks(ends), ends // VOICES_US
        return bool(marks[0] == marks[1] and voices[0] == voices[1])

    def _score_learn(self, part: Batch, newest: np.ndarray) -> Scores:
        """Events between two marks. newest: int64 (n,) newest trusted time after each.

        An event of a day that is not open yet is learned as of the newest trusted time: with its own it would
        outweigh, and release, whatever was before.
        """
        ahead = part.time_us // DAY_US > newest // DAY_US
        if not ahead.any():
            scores = self.engine.score_learn(part, self._others)
        else:
            counted = np.flatnonzero(~ahead)
            taken = part._replace(time_us=np.where(ahead, newest, part.time_us))
            scores = self.engine.score_learn(
                taken, lambda batch, fresh, habits: self._others(batch, fresh, habits, counted)
            )
        if self.off:
            scores.details.gain[self._silent[scores.details.behaviour]] = 0.0
        self.books.add(part, scores, ~ahead)
        self.watcher.scored(part)
        return self._without_exempted(part, scores)

    def _without_exempted(self, batch: Batch, scores: Scores) -> Scores:
        """Scores of events in which what is exempted counts for nothing; the books keep it."""
        if not self.feedback.exemptions:
            return scores
        found = scores.details
        gone = found.gain > 0
        gone[gone] = self.feedback.covers(
            self.baselines,
            self.channels,
            found.behaviour[gone].astype(np.int64),
            found.entity[gone].astype(np.int64),
            found.value[gone].astype(np.int64),
            batch.time_us[found.row[gone]],
        )
        if not gone.any():
            return scores
        gain = np.where(gone, 0.0, found.gain)
        evidence, top, p_value = scores.evidence.copy(), scores.top.copy(), scores.p_value.copy()
        touched = np.unique(found.row[gone])
        evidence[touched] = np.bincount(found.row, gain, len(evidence))[touched]
        shown = np.flatnonzero(np.isin(found.row, touched) & (gain > 0))
        top[touched] = -1
        best = shown[strongest(found.nats[shown], found.row[shown])]
        top[found.row[best]] = found.behaviour[best]
        # how rare a part of an event's evidence is was never counted: with nothing left it is everyday
        p_value[touched[evidence[touched] <= 0.0]] = 1.0
        return scores._replace(evidence=evidence, top=top, p_value=p_value, details=found._replace(gain=gain))

    def _reach(self, before_us: int, time_us: int) -> None:
        """The trusted time passes at least one mark: look at the day so far, or close it; weigh voices."""
        day = time_us // DAY_US
        # whenever people look at alerts: else scores would depend on it
        if before_us // VOICES_US != time_us // VOICES_US:
            self.baselines.weigh_voices()
        if day > self.activity.today:
            self._begin_day(day, before_us)
            return
        one, two = self.alerts.marks(np.array([before_us, time_us])).tolist()
        if one != two:
            self._look(self.alerts.mark_after(before_us))

    def _look(self, at_us: int) -> None:
        """Raise what has come up to the line on the open day, as of a mark."""
        if self.alerts.watches:
            table = self._vectors(self.activity.counts_so_far())
            rows = self.alerts.due(table)
            part, _ = self._with_sessions(table.take(rows), remark=False)
            self.alerts.mark(at_us, part, self.risk(part), len(table.day))
            self._tell_marked(table)

    def due_look(self, time_us: int) -> bool:
        """Whether a mark of the open day lies between the newest event and a moment (microseconds UTC)."""
        newest = self.clock.newest_us
        if not self.alerts.watches or time_us <= newest or time_us // DAY_US != self.activity.today:
            return False
        one, two = self.alerts.marks(np.array([newest, time_us])).tolist()
        return bool(one != two)

    def look(self, time_us: int) -> None:
        """Look at the open day without waiting for the event that passes the next mark, if `due_look`.

        Where nothing comes any more for a while, what came last would not be raised until something does.
        """
        if self.due_look(time_us):
            self._look(self.alerts.mark_after(self.clock.newest_us))

    def _tell_marked(self, table: DayTable) -> None:
        """Tell the watcher what everything comes to that was raised on the open day."""
        today = self.activity.today
        rows = np.flatnonzero(
            self.alerts.moments(table.entity.astype(np.int64) << 32 | today, today) != NEVER
        )
        if len(rows):
            raised, _ = self._with_sessions(table.take(rows), remark=False)
            self.watcher.marked(raised, self.risk(raised))

    def _others(
        self, batch: Batch, fresh: np.ndarray, habits: Evidence, counted: np.ndarray | None = None
    ) -> Evidence:
        """Evidence of the channels that are no habits, as rows with gains: the strongest of each event and
        cause. counted: rows of the open day or earlier; all by default.
        """
        if counted is None:
            parts = [self.activity.observe(batch, fresh)]
        else:
            observed = self.activity.observe(batch.take(counted), fresh[counted])
            parts = [observed._replace(row=counted[observed.row])]
        if self.links is not None:
            parts.append(link_findings(self.links, self.channels, habits))
        found = joined_findings(parts)
        excess = found.nats - THRESHOLD_NATS
        gain = np.zeros(len(excess))
        if len(excess):
            kept = strongest(excess, found.row, self.channels.cause_of[found.channel], found.value)
            gain[kept] = excess[kept]
        return Evidence(
            row=found.row,
            behaviour=found.channel.astype(np.int16),
            entity=found.entity.astype(np.int32),
            value=found.value.astype(np.int32),
            raw=found.raw,
            nats=found.nats,
            gain=gain,
            counts=found.counts,
        )

    def _identity(self, entities: np.ndarray) -> np.ndarray:
        """A number for each entity id that does not depend on the order in which ids were given."""
        return name_hashes(self.baselines, self.baselines.entities.name[entities], self.seed)

    def _begin_day(self, day: int, before_us: int) -> None:
        """Close the open day, do the nightly work, and open another one. before_us: newest time of the day
        that ends.
        """
        if self.activity.today >= 0:
            table, remarks = self._with_sessions(self._vectors(self.activity.close_day()))
            self.sessions.close_day()
            if self.sequences is not None:
                self.sequences.close_day()
            scores = self.ranker.score(table)
            risk = self.days.weighed(table, scores.risk)
            self.days.close(table, scores.risk, remarks)
            unknown = precision.unknown(self.feedback.verdicts, self.channels.causes, table.evidence)
            self.alerts.close(self.alerts.mark_after(before_us), self.activity.today, table, risk, unknown)
            self.watcher.closed(table, risk)
            raised = self.alerts.raised(table)
            self.days.repeats.learn(table.entity[raised], self.activity.today, scores.risk[raised])
            self.alerts.forget(self.days.oldest)
            self.ranker.learn_day(table, scores)
            self.feedback.forget(self.activity.today)
            self._nightly()
        self.activity.open_day(day)
        self.sessions.open_day(day)
        if self.sequences is not None:
            self.sequences.open_day(day)

    def _nightly(self) -> None:
        """Fit what is fitted from all that is known: peer groups, links, the ranker."""
        self._nights += 1
        # the first night, then less and less often: early fits age fast
        if self._nights in FIRST_FITS or self._nights % REFIT_DAYS == 0:
            if self.learn_groups:
                groups.apply(self.baselines, groups.learned_groups(self.baselines, None, self.seed))
            if "link" not in self.off:
                self.links = LinkModel.fitted(self.baselines, self.seed)
        if self.ranker.due:
            self.ranker.refit(self.sample, self.what_if)
            self.sessions.refit()
            if self.sequences is not None:
                self.sequences.refit()

    def today(self) -> DayTable:
        """Vectors of the entities of the open day, as far as it has come."""
        return self._today(remark=False)[0]

    def _today(self, *, remark: bool = True) -> tuple[DayTable, dict[int, Remark]]:
        return self._with_sessions(self._vectors(self.activity.counts_so_far()), remark=remark)

    def _with_sessions(self, days: DayTable, *, remark: bool = True) -> tuple[DayTable, dict[int, Remark]]:
        """Entity-days of the open day with the nats of their sessions, and remarks on them by row."""
        judged = self.sessions.judged(days.kind, days.entity)
        scores = self.sessions.scores(judged, len(days.entity))
        if self.sequences is not None:
            scores = np.concatenate([scores, self.sequences.nats(days.entity)[:, None]], axis=1)
        return days._replace(sessions=scores), self.sessions.remarks(judged) if remark else {}

    def _vectors(self, counts: DayCounts) -> DayTable:
        return self.days.vectors(self.activity.today, counts, self.activity.known.first)

    def what_if(self, batch: Batch, group: np.ndarray, target: np.ndarray, base: DayTable) -> DayTable:
        """Entity-days with invented events added, see `models.whatif`; changes nothing."""
        return what_if(self.engine, self.activity, self.channels, batch, group, target, base)

    def risk(self, days: DayTable) -> np.ndarray:
        """Risk of entity-days of one day (ids ascending), float64 (n,): how much they deserve a person, after
        what people were told before and said of the like. Changes nothing.
        """
        return self.days.weighed(days, self.ranker.score(days).risk)

    @property
    def days(self) -> DayBook:
        """Findings, events and counts by entity and day, up to the last event."""
        return self.books.days

    @property
    def sessions(self) -> Sessions:
        """Sessions of the open day and of the past, up to the last event."""
        return self.books.sessions

    @property
    def sample(self) -> EventSample:
        """Raw events that invented days are made of, up to the last one."""
        return self.books.sample

    @property
    def sequences(self) -> SequenceBook | None:
        """The order of events, up to the last one; None where the model of it is off."""
        return self.books.sequences

    @property
    def feedback(self) -> Feedback:
        """What analysts said."""
        return self.books.feedback

    def judge(
        self,
        uid: str,
        written: str,
        kind: str,
        day: int,
        verdict_id: int,
        at_us: int,
        partners: tuple[tuple[str, str], ...] = (),
    ) -> Verdict:
        """Take a verdict on an entity-day (day: days since 1970, UTC); returns what was kept of it.

        The evidence of the day is remembered with it, as far as it is still in the books. partners: see
        `models.feedback.partners`. InputError for an unknown entity or verdict.
        """
        name = self.known_name(written)
        things = self.days.evidence_of(dict(self.baselines.find(name)).get(kind, 0), day)
        verdict = Verdict(
            uid=uid,
            entity_kind=kind,
            entity=name,
            day=day,
            verdict_id=verdict_id,
            at_us=at_us,
            evidence={cause: sum(values.values()) for cause, values in things.items()},
            things=things,
            partners=partners,
        )
        self.feedback.judge(verdict)
        return verdict

    def preview(self, exemption: Exemption, tenant: str = "") -> pd.DataFrame:
        """Entity-days in the books that an exemption would change; changes nothing.

        Columns: those of `models.days.DayBook.frame`, with `risk_after`. InputError as for taking it.
        """
        before = self.entity_days(tenant)
        kept = self.feedback
        try:
            self.days.feedback = Feedback.restored(kept.export())
            self.days.feedback.exempt(exemption, self.channels)
            after = self.entity_days(tenant)
        finally:
            self.days.feedback = kept
        key = ["entity_kind", "entity", "day"]
        both = before.merge(after[[*key, "risk"]].rename(columns={"risk": "risk_after"}), on=key)
        return both[both["risk_after"] < both["risk"]].reset_index(drop=True)

    def entity_days(self, tenant: str, budget: Budget | None = None) -> pd.DataFrame:
        """All entity-days, see `models.days.DayBook.frame`; alerts are those of `models.alerts`.

        budget: what people can read from now on; as before when None. What was raised stays raised.
        """
        if budget is not None:
            self.alerts.controller.budget = budget
        now, remarks = None, None
        if self.activity.today >= 0:
            table, remarks = self._today()
            now = table, self.ranker.score(table).risk
        return self.days.frame(
            tenant,
            now=now,
            now_us=self.clock.newest_us,
            picture=self._picture,
            alerts=self.alerts,
            remarks=remarks,
        )

    def entity_risks(self, entities: np.ndarray) -> EntityRisks:
        """Risk with decay (`models.entity_risk`) of entities as of the newest trusted time.

        entities: int64 (n,) distinct ids, ascending.
        """
        return self.days.entity_risks(entities, self.activity.today, max(self.clock.newest_us, 0))

    def _picture(self, days: DayTable) -> list[str]:
        """A reason for entity-days of which no single thing was odd: the counts farthest from the entity's
        own.
        """
        usual, z = self.ranker.usual(days)
        nouns = {(m.entity, m.what): m.says for m in self.channels.measures}
        texts = []
        for row in range(len(days.day)):
            kind = ENTITY_KINDS[days.kind[row]]
            said = []
            for column in np.argsort(-z[row], kind="stable")[:PICTURE_COUNTS]:
                noun = nouns.get((kind, COUNTS[column]), COUNTS[column])
                said.append(f"{days.counts[row, column]:,.0f} {noun} (usually {usual[row, column]:,.1f})")
            texts.append(f"an unusual mixture of everyday things: {', '.join(said)}")
        return texts

    @property
    def _entities_crowded(self) -> bool:
        return self.baselines.entities.count >= 0.95 * self.baselines.entities.limit

    @property
    def crowded(self) -> bool:
        """Whether entities or strings are near their limits: time to `keep_house`."""
        return self._entities_crowded or len(self.baselines.values) >= VALUE_LIMIT

    def keep_house(self) -> bool:
        """Make room when entities or strings near their limits; True when ids changed and batches made before
        are void.
        """
        baselines = self.baselines
        if not self.crowded:
            return False
        self.books.settle()  # what waits has the old ids
        if self._entities_crowded:
            newcomers = np.zeros(baselines.entities.end, np.bool_)
            first = self.activity.known.first[: len(newcomers)]
            newcomers[: len(first)] = first == self.activity.today
            baselines.shed_entities(newcomers=newcomers)
        held = self.engine.held
        order = np.arange(held.ends[FIRST], held.ends[LAST]) % len(held.slots)
        held_columns = held.columns[order]
        width = len(COLUMN)
        needed = [
            self.days.held_ids(),
            self.activity.held_ids(),
            self.sample.held_ids(),
            self.sessions.held_ids(),
            *(() if self.sequences is None else (self.sequences.held_ids(),)),
            *((ids, np.zeros(0, np.int64)) for ids in (self.ranker.held_ids(), self.alerts.held_ids())),
        ]
        entities, values = baselines.renumber(
            np.concatenate([*(ids for ids, _ in needed), held_columns[:, width:].ravel()]),
            np.concatenate([*(ids for _, ids in needed), held_columns[:, :width].ravel()]),
        )
        held.columns[order, :width] = values[held_columns[:, :width]]
        held.columns[order, width:] = entities[held_columns[:, width:]]
        self.days.renumber(entities, values)
        self.activity.renumber(entities, values)
        self.ranker.renumber(entities)
        self.alerts.renumber(entities)
        self.clock.renumber(entities)
        self.sample.renumber(entities, values)
        self.sessions.renumber(entities, values)
        if self.sequences is not None:
            self.sequences.renumber(entities)
        self.watcher.renumbered(entities)
        if self.links is not None:
            self.links = self.links.renumber(entities, values)
        self.columniser = self._columniser()
        return True

    def known_name(self, written: str) -> str:
        """An entity's name as the baselines have it, however it is written; InputError with similar names
        when there is none.
        """
        baselines = self.baselines
        for name in (written, self.resolver.user(written), identity.host(written), identity.ip(written)):
            if name and baselines.find(name):
                return name
        close = baselines.similar(written)
        hint = f"; similar names: {', '.join(close)}" if close else ""
        raise InputError(
            f"{identity.visible(written)[:64]}: nothing is known of this user, host or address{hint}"
        )

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings of a checkpoint (data only); writing them can wait, see `save`."""
        arrays, settings = self.baselines.export()
        engine_arrays, engine_settings = self.engine.export()
        activity_arrays, activity_settings = self.activity.export()
        current, previous = self.deduper.export()
        for name, part in (
            ("ranker", self.ranker),
            ("sample", self.sample),
            ("sessions", self.sessions),
            ("sequences", self.sequences),
            ("links", self.links),
            ("alerts", self.alerts),
        ):
            if part is not None:
                part_arrays, settings[name] = part.export()
                arrays |= {f"{name}/{key}": array for key, array in part_arrays.items()}
        arrays |= engine_arrays | activity_arrays | self.days.export(self.activity.today)
        arrays |= {"seen_current": current, "seen_previous": previous}
        settings |= engine_settings | {
            "key_seed": self.key_seed,
            "sids": self.resolver.sids,
            "attachments": self.attachments,
            "activity": activity_settings,
            "clock": self.clock.export(),
            "nights": self._nights,
            "learn_groups": self.learn_groups,
            "seed": self.seed,
            "off": sorted(self.off),
            "feedback": self.feedback.export(),
        }
        return arrays, settings

    def save(self, folder: Path) -> None:
        """Write everything to a state folder (data only, checksummed, atomic)."""
        checkpoint.write(folder, *self.export(), self.schema())

    @classmethod
    def load(cls, folder: Path, *, geo: GeoDatabase | None = None) -> Detector:
        """The detector of a state folder; a new one when the folder holds none; StateError when it is damaged
        or foreign.
        """
        found = checkpoint.read(folder, cls.schema())
        if found is None:
            return cls(geo=geo)
        detector = cls.restored(*found, str(folder), geo=geo)
        detector.keep_house()
        return detector

    @classmethod
    def restored(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        place: str = "",
        *,
        geo: GeoDatabase | None = None,
    ) -> Detector:
        """The detector that was exported; StateError, naming the place, when a part is missing.

        Arrays and settings of other names are left alone: their owner may keep more beside them.
        """
        geo = geo or GeoDatabase()
        try:
            fresh = cls(key_seed=0, geo=geo)
            soundness.check(arrays, settings, fresh.export()[0], fresh.channels)
            baselines = Baselines.restored(arrays, settings)
            engine = Engine.restored(baselines, arrays, settings)
            activity = Activity.restored(
                baselines,
                Channels(baselines.behaviours),
                arrays,
                settings["activity"],
                calibration_half_life_days=engine.calibration_half_life_days,
            )
            detector = cls(
                baselines=baselines,
                engine=engine,
                activity=activity,
                ranker=Ranker.restored(_part(arrays, "ranker"), settings["ranker"]),
                learn_groups=settings["learn_groups"],
                seed=settings["seed"],
                off=frozenset(settings.get("off", ())),
                resolver=IdentityResolver(settings["sids"]),
                deduper=Deduper.restored(arrays["seen_current"], arrays["seen_previous"]),
                key_seed=settings["key_seed"],
                geo=geo,
                feedback=Feedback.restored(settings["feedback"]) if "feedback" in settings else None,
            )
            detector.books.sample = EventSample.restored(
                _part(arrays, "sample"), settings["sample"], detector._identity
            )
            detector.alerts = AlertBook.restored(_part(arrays, "alerts"), settings["alerts"])
            detector.clock = Clock.restored(settings["clock"])
            detector.sessions.restore(_part(arrays, "sessions"), settings["sessions"])
            if detector.sequences is not None and "sequences" in settings:
                detector.sequences.restore(_part(arrays, "sequences"), settings["sequences"])
            detector._nights = int(settings["nights"])
            detector.days.resume(arrays)
            if "links" in settings:
                detector.links = LinkModel.restored(_part(arrays, "links"), settings["links"])
            detector.attachments = [str(name) for name in settings["attachments"]]
        except StateError as error:
            raise StateError(f"{place}: {error}") from error
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise StateError(f"{place}: the checkpoint lacks or contradicts a part ({error!r})") from error
        return detector

    @staticmethod
    def schema(behaviours: tuple[Behaviour, ...] = BEHAVIOURS) -> str:
        """Digest of what a checkpoint's ids mean."""
        counted = [(m.name, m.how, m.column, m.classes, m.activities, m.status, m.windows) for m in MEASURES]
        text = schema_digest(behaviours) + json.dumps(counted)
        return hashlib.sha256(text.encode()).hexdigest()


def _part(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Arrays of one part of a checkpoint."""
    return {
        key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")
    }
