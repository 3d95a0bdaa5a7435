"""Everything that is judged by how much and when rather than by what: volume, returns, traffic, travel.

`Activity` owns the open windows, the moments of closed ones, and the calibration of its channels. It is given
each event once, in the order of arrival, day by day: `open_day`, `observe` any number of times, `close_day`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.activity_bits import ActivityBits
from features.behaviours import COLUMN, LOGON, NETWORK
from features.columns import among
from features.entities import KINDS
from features.events import API_ACTIVITY, WEB_RESOURCES
from features.measures import COUNTS, DAY, WINDOWS
from features.moments import Moments
from features.places import Places
from features.windows import (
    CROWDED,
    ROWS,
    TODAY,
    Seen,
    empty_known,
    empty_open,
    empty_seen,
    packed_seen,
    with_room,
)
from models import dormancy, traffic, travel, volume
from models.calibration import Histograms, empty_histograms
from models.habit import COUNTS as COUNT_COLUMNS

if TYPE_CHECKING:
    from features.baselines import Baselines
    from features.columns import Batch
    from models.channels import Channels

TRAFFIC_CLASSES = tuple(NETWORK)
SIGN_IN_CLASSES = (*LOGON, API_ACTIVITY, WEB_RESOURCES)
ROOM = 4_096


class Findings(NamedTuple):
    """Rows of evidence of these channels, as `models.engine.Evidence` without gains."""

    row: np.ndarray
    channel: np.ndarray
    entity: np.ndarray
    value: np.ndarray
    raw: np.ndarray
    nats: np.ndarray
    counts: np.ndarray


class DayCounts(NamedTuple):
    """What the entities of one day did. entity: ids. kind: int8. counts: float64 (n, len(COUNTS))."""

    entity: np.ndarray
    kind: np.ndarray
    counts: np.ndarray


class Activity:
    """Windows, moments, pairs and whereabouts of one tenant's entities.

    Parameters
    ----------
    baselines
        Whose entities, groups and values; read only.
    channels
        The numbering of findings.
    moments
        Restored ones; new by default.
    max_pairs
        Most (entity, destination) pairs remembered.
    calibration_half_life_days
        As in `models.engine.Engine`.
    """

    def __init__(
        self,
        baselines: Baselines,
        channels: Channels,
        *,
        moments: Moments | None = None,
        places: Places | None = None,
        max_pairs: int = 1 << 22,
        calibration_half_life_days: float = 10.0,
    ) -> None:
        self.baselines = baselines
        self.channels = channels
        self.moments = Moments() if moments is None else moments
        self.max_pairs = max_pairs
        self.calibration_half_life_days = calibration_half_life_days
        self._places = places or Places()
        strata = len(channels.all) - channels.volume
        self._layout = volume.layout(channels.cells, channels.strata)
        self.histograms = empty_histograms(strata)
        self.return_histograms = empty_histograms(3)
        self.pair_histograms = empty_histograms(traffic.STRATA)
        self.travel_histograms = empty_histograms(1)
        self.open = empty_open(1024, 256, channels.cells.widest)
        self.seen = empty_seen()
        self.known = empty_known(1024)
        self.pairs = traffic.empty_pairs()
        self.last_us = np.zeros(1024, np.int64)
        self.last_country = np.full(1024, -1, np.int16)
        self.jumps = np.zeros(1024, np.float32)
        self._bits = ActivityBits(baselines, self._measured)
        self._masked = 0
        self._countries = np.zeros(0, np.int16)
        self._located = 0
        self._score_landmark: int | None = None

    @property
    def today(self) -> int:
        """The open day (days since 1970, UTC); -1 before the first event."""
        return int(self.open.meta[TODAY])

    # ---------------------------------------------------------------- days

    def open_day(self, day: int) -> None:
        """Begin a day later than all before; the last one must be closed."""
        self.open.meta[TODAY] = day
        if self._score_landmark is None:
            self._score_landmark = day
        if day - self._score_landmark > 40 * self.calibration_half_life_days:
            factor = 2.0 ** -min((day - self._score_landmark) / self.calibration_half_life_days, 900.0)
            for histograms in self._all_histograms():
                histograms.bins[:] *= factor
                histograms.tails[:] *= factor
            self._score_landmark = day

    def _all_histograms(self) -> tuple[Histograms, ...]:
        return self.histograms, self.return_histograms, self.pair_histograms, self.travel_histograms

    def _weights(self, day: int) -> tuple[float, float, float]:
        """Weights of a day: of fast sums, slow sums, scores."""
        fast, slow = self.moments.weights(day)
        age = day - (self._score_landmark or 0)
        return fast, slow, float(2.0 ** max(age / self.calibration_half_life_days, -100.0))

    def counts_so_far(self) -> DayCounts:
        """What every entity did today until now."""
        used = int(self.open.meta[ROWS])
        counts = np.zeros((used, len(COUNTS)))
        kind = self.open.kind[:used]
        cells = self.channels.cells
        for of_kind in range(3):
            rows = np.flatnonzero(kind == of_kind)
            for measure in range(cells.first[of_kind], cells.first[of_kind + 1]):
                counts[rows, cells.what[measure]] = self.open.counts[rows, cells.cells[measure, DAY]]
        return DayCounts(self.open.entity[:used].astype(np.int64), kind.copy(), counts)

    def close_day(self) -> DayCounts:
        """Learn the open windows and empty them; returns what the day held."""
        self._make_room_for_ids()  # groups may be new
        found = self.counts_so_far()
        used = len(found.entity)
        weights = self._weights(self.today)
        longest = self.channels.cells.widest + len(WINDOWS)
        # few at a time where memory is tight, or all of them would be let in before the lightest can go
        step = max(1, min(ROOM // 8, self.moments.max_entries // (16 * longest)))
        for first in range(0, used, step):
            most = min(step, used - first) * longest
            lacking = self.moments.own.first[self.open.entity[first : first + step][: used - first]] < 0
            if not self.moments.has_room(int(lacking.sum()) * longest, 2 * most):
                self.moments.make_room(most, 2 * most)
            volume.close_rows(
                self.open,
                self.moments.own,
                self.moments.above,
                self.histograms,
                self._layout,
                self._groups(),
                self._organisation(),
                first,
                min(first + step, used),
                weights,
            )
        self.open.row_of[self.open.entity[:used]] = -1
        self.open.counts[:used] = 0.0
        self.open.meta[ROWS] = 0
        if self.open.meta[CROWDED] > len(self.seen.traces) // 16:
            self.seen = empty_seen(min(4 * len(self.seen.traces), 1 << 26))
        self.open.meta[CROWDED] = 0
        return found

    # ---------------------------------------------------------------- events

    def observe(self, batch: Batch, fresh: np.ndarray) -> Findings:
        """Take in events of the open day (later ones are an error, earlier ones are counted as late).

        fresh: uint8 (n, 3) values that the user, host and address of each event showed for the first time.
        """
        self._make_room_for_ids()
        return joined_findings(
            [self._observe_windows(batch, fresh), self._observe_traffic(batch), self._observe_travel(batch)]
        )

    def _groups(self) -> np.ndarray:
        return self.baselines.entities.group

    def _organisation(self) -> np.ndarray:
        return np.array(self.baselines.entities.organisation, np.int64)

    def _make_room_for_ids(self) -> None:
        ids = len(self.baselines.entities.kind)
        own, above = self.moments.own.first, self.moments.above.first
        if ids <= min(len(by_id) for by_id in (self.open.row_of, own, above, self.known.first, self.jumps)):
            return
        self.open = self.open._replace(row_of=with_room(self.open.row_of, ids, -1))
        self.moments.take_ids(ids)
        self.known = self.known._replace(
            first=with_room(self.known.first, ids, -1),
            last=with_room(self.known.last, ids, -1),
            active=with_room(self.known.active, ids),
        )
        self.last_us = with_room(self.last_us, ids)
        self.last_country = with_room(self.last_country, ids, -1)
        self.jumps = with_room(self.jumps, ids)

    def _observe_windows(self, batch: Batch, fresh: np.ndarray) -> Findings:
        self._bits.meet(batch)
        weights = self._weights(self.today)
        room = 3 * (self.channels.cells.widest + len(WINDOWS))
        n = len(batch.time_us)
        # at least what one event can give; it is doubled when it does not do
        out = empty_findings(max(min(ROOM, 3 * len(self._layout.how) + 16 * n), n // 4))
        woken_row, woken = np.zeros(3 * n + 3, np.int64), np.zeros(3 * n + 3, np.int64)
        produced = np.zeros(2, np.int64)
        row, state = 0, -1
        while state != volume.DONE:
            row, state = volume.observe_rows(
                self.open,
                self.seen,
                self.moments.own,
                self.moments.above,
                self.histograms,
                self._layout,
                self._groups(),
                self._organisation(),
                self._bits.by_id,
                COLUMN["activity"],
                batch.columns,
                batch.time_us,
                batch.bytes_in,
                batch.bytes_out,
                fresh,
                weights,
                room,
                out,
                woken_row,
                woken,
                produced,
                row,
            )
            if state == volume.NEEDS_ROOM:
                if not self.moments.has_room(room, 2 * room):
                    self.moments.make_room(max(ROOM, 2 * room), 4 * room)
                self._grow_open()
            elif state == volume.NEEDS_OUTPUT:
                out = Findings(*(np.concatenate([array, np.zeros_like(array)]) for array in out))
            elif state == volume.NEEDS_CLOSE:
                raise ValueError("events of a day that is not open")
        volumes = Findings(*(array[: produced[0]] for array in out))
        volumes.channel[:] += self.channels.volume
        returns = self._observe_returns(woken_row[: produced[1]], woken[: produced[1]], weights[2])
        return joined_findings([volumes, returns])

    def _grow_open(self) -> None:
        if self.open.meta[ROWS] + 3 > len(self.open.entity):
            size = 2 * len(self.open.entity)
            self.open = self.open._replace(
                entity=with_room(self.open.entity, size),
                kind=with_room(self.open.kind, size),
                five=with_room(self.open.five, size),
                counts=with_room(self.open.counts, size),
            )

    def _observe_returns(self, row: np.ndarray, entity: np.ndarray, weight: float) -> Findings:
        out = empty_findings(len(entity))
        if not len(entity):
            return out
        count = dormancy.observe_returns(
            self.known,
            self.return_histograms,
            self.baselines.entities.kind,
            entity,
            self.today,
            weight,
            1.0 / weight,
            out.row,
            out.raw,
            out.nats,
            out.counts,
        )
        found = Findings(*(array[:count] for array in out))
        chosen = found.row.copy()
        found.entity[:] = entity[chosen]
        found.channel[:] = self.channels.returns + self.baselines.entities.kind[entity[chosen]].astype(
            np.int64
        )
        found.row[:] = row[chosen]
        return found

    def _observe_traffic(self, batch: Batch) -> Findings:
        rows = np.flatnonzero(
            among(batch.class_uid, TRAFFIC_CLASSES) & (batch.time_us // volume.DAY_US == self.today)
        )
        if not len(rows):
            return empty_findings(0)
        self.pairs = traffic.with_values(self.pairs, len(self.baselines.values))
        columns = batch.columns[rows]
        user, host, address = columns[:, -3], columns[:, -2], columns[:, -1]
        holder = np.where(host > 0, host, np.where(user > 0, user, address)).astype(np.int64)
        domain, dst = columns[:, COLUMN["domain"]], columns[:, COLUMN["dst"]]
        value = np.where(domain > 0, domain, dst).astype(np.int64)
        weight = self._weights(self.today)[2]
        parts: list[Findings] = []
        start = 0
        while start < len(rows):
            out = empty_findings(min(ROOM, traffic.CHANNELS * (len(rows) - start)))
            start, count = traffic.observe_pairs(
                self.pairs,
                self.pair_histograms,
                holder,
                value,
                batch.time_us[rows],
                batch.bytes_out[rows],
                weight,
                1.0 / weight,
                out.row,
                out.channel,
                out.raw,
                out.nats,
                out.counts,
                start,
            )
            parts.append(Findings(*(array[:count] for array in out)))
            if self.pairs.meta[0] > len(self.pairs.tags) * 0.6:
                self.pairs = traffic.grown(self.pairs, self.max_pairs)
        found = Findings(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        found.entity[:] = holder[found.row]
        found.value[:] = value[found.row]
        kind = self.baselines.entities.kind[found.entity].astype(np.int64)
        found.channel[:] = self.channels.traffic + kind * traffic.CHANNELS + found.channel
        found.row[:] = rows[found.row]
        return found

    def _observe_travel(self, batch: Batch) -> Findings:
        place = batch.columns[:, COLUMN["src_country"]]
        rows = np.flatnonzero(
            (place > 0) & (batch.columns[:, -3] > 0) & among(batch.class_uid, SIGN_IN_CLASSES)
        )
        if not len(rows):
            return empty_findings(0)
        rows = rows[~self._failed(batch.columns[rows, COLUMN["activity"]])]
        self._locate(place[rows])
        weight = self._weights(self.today)[2]
        out = empty_findings(len(rows))
        entity = batch.columns[rows, -3].astype(np.int64)
        count = travel.observe_travel(
            self.last_us,
            self.last_country,
            self.jumps,
            self.travel_histograms,
            entity,
            self._countries[place[rows]],
            batch.time_us[rows],
            self._places.distances_km,
            weight,
            1.0 / weight,
            out.row,
            out.raw,
            out.nats,
            out.counts,
        )
        found = Findings(*(array[:count] for array in out))
        found.entity[:] = entity[found.row]
        found.value[:] = place[rows][found.row]
        found.channel[:] = self.channels.travel
        found.row[:] = rows[found.row]
        return found

    # ---------------------------------------------------------------- values that decide what is counted

    def masks(self, batch: Batch) -> np.ndarray:
        """Bits of the measures that count each event, int64 (n,)."""
        return self._bits.of(batch)

    def _measured(self, class_uid: int, activity: str) -> int:
        """Bits of the measures that count an activity."""
        return sum(
            1 << index
            for index, measure in enumerate(self.channels.measures)
            if measure.applies(class_uid, activity)
        )

    def _failed(self, activities: np.ndarray) -> np.ndarray:
        distinct, places = np.unique(activities, return_inverse=True)
        texts = self.baselines.values.many(distinct)
        return np.array([text.endswith(" failed") for text in texts], np.bool_)[places]

    def _locate(self, values: np.ndarray) -> None:
        self._countries = with_room(self._countries, len(self.baselines.values) + 1, -2)
        distinct = np.unique(values)
        unknown = distinct[self._countries[distinct] == -2]
        for value in unknown.tolist():
            self._countries[value] = self._places.index(self.baselines.values[value])

    # ---------------------------------------------------------------- what is asked without being told

    def judged(self, entity: np.ndarray, counts: np.ndarray, window: int = DAY) -> np.ndarray:
        """Evidence (calibrated nats, 0 for none) that counts of a window would give; changes nothing.

        entity: (n,) ids. counts: float64 (n, len(COUNTS)). Returns float64 (n, causes of the channels): by
        column of the day's evidence, beyond the everyday.
        """
        self._make_room_for_ids()
        out = np.zeros((len(entity), len(self.channels.causes)))
        volume.judge_counts(
            self.moments.own,
            self.moments.above,
            self.histograms,
            self._layout,
            self._groups(),
            self._organisation(),
            self.baselines.entities.kind,
            self.channels.cells.what,
            self.channels.column_of[self.channels.volume :],
            window,
            self._weights(self.today),
            entity.astype(np.int64),
            counts,
            out,
        )
        return out

    # ---------------------------------------------------------------- house-keeping

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here: those of the open day.

        Whoever has neither habits nor been active today may go, or nobody ever would; their moments and last
        days go with them. Pairs hold no ids, and are forgotten by `renumber`.
        """
        used = int(self.open.meta[ROWS])
        return self.open.entity[:used].astype(np.int64), np.zeros(0, np.int64)

    def renumber(self, entities: np.ndarray, values: np.ndarray) -> None:
        """Follow a renumbering of entities and values (old id -> new id).

        Traces of values seen today and the pairs keep hashes of old ids: they are forgotten, which at most
        counts a value twice today and lets beats begin anew.
        """
        self.moments.renumber(entities)
        used = int(self.open.meta[ROWS])
        names = ("first", "last", "active")
        old = self.known
        kept = np.flatnonzero(entities[: len(old.first)] > 0)
        new = entities[kept]
        fresh = empty_known(max(1024, len(self.baselines.entities.kind)))
        for name in names:
            getattr(fresh, name)[new] = getattr(old, name)[kept]
        self.known = fresh
        for name, fill in (("last_us", 0), ("last_country", -1), ("jumps", 0)):
            array = getattr(self, name)
            moved = np.full(len(fresh.first), fill, array.dtype)
            kept_here = kept[kept < len(array)]
            moved[entities[kept_here]] = array[kept_here]
            setattr(self, name, moved)
        row_of = np.full(len(fresh.first), -1, np.int32)
        self.open.entity[:used] = entities[self.open.entity[:used]]
        row_of[self.open.entity[:used]] = np.arange(used)
        self.open = self.open._replace(row_of=row_of)
        self.seen = empty_seen(len(self.seen.traces))
        self.pairs = traffic.empty_pairs(len(self.pairs.tags))
        self._bits.forget()
        self._countries = np.zeros(0, np.int16)

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Arrays and settings of a checkpoint."""
        moment_arrays, moment_settings = self.moments.export()
        used = int(self.open.meta[ROWS])
        arrays = dict(moment_arrays)
        for name in ("entity", "kind", "five", "counts"):
            arrays[f"open_{name}"] = getattr(self.open, name)[:used].copy()
        arrays["open_meta"] = self.open.meta.copy()
        for prefix, state in (("trace", self.seen), ("known", self.known), ("pair", self.pairs)):
            arrays |= {f"{prefix}_{name}": array.copy() for name, array in state._asdict().items()}
        for name in ("last_us", "last_country", "jumps"):
            arrays[f"travel_{name}"] = getattr(self, name).copy()
        for prefix, histograms in zip(_HISTOGRAMS, self._all_histograms(), strict=True):
            arrays |= {f"{prefix}_{name}": array.copy() for name, array in histograms._asdict().items()}
        settings: dict[str, object] = {
            "moments": moment_settings,
            "score_landmark": self._score_landmark,
            "max_pairs": self.max_pairs,
        }
        return arrays, settings

    @classmethod
    def restored(
        cls,
        baselines: Baselines,
        channels: Channels,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        *,
        calibration_half_life_days: float,
        places: Places | None = None,
    ) -> Activity:
        """The activity that was exported."""
        activity = cls(
            baselines,
            channels,
            moments=Moments.restored(
                arrays,
                settings["moments"],
                channels.cells.per_kind[baselines.entities.kind % KINDS] + len(WINDOWS),
                baselines.entities.kind >= KINDS,
            ),
            places=places,
            max_pairs=settings["max_pairs"],
            calibration_half_life_days=calibration_half_life_days,
        )
        activity._score_landmark = settings["score_landmark"]
        for prefix, histograms in zip(_HISTOGRAMS, activity._all_histograms(), strict=True):
            for name, array in histograms._asdict().items():
                array[:] = arrays[f"{prefix}_{name}"]
        if "trace_tags" in arrays:
            activity.seen = packed_seen(arrays["trace_tags"], arrays["trace_hours"])
        else:
            activity.seen = Seen(arrays["trace_traces"].copy())
        activity.known = type(activity.known)(
            *(arrays[f"known_{name}"].copy() for name in activity.known._fields)
        )
        activity.pairs = type(activity.pairs)(
            *(arrays[f"pair_{name}"].copy() for name in activity.pairs._fields)
        )
        for name in ("last_us", "last_country", "jumps"):
            setattr(activity, name, arrays[f"travel_{name}"].copy())
        used = len(arrays["open_entity"])
        rows = empty_open(len(activity.known.first), max(256, 2 * used), channels.cells.widest)
        for name in ("entity", "kind", "five", "counts"):
            getattr(rows, name)[:used] = arrays[f"open_{name}"]
        rows.meta[:] = arrays["open_meta"]
        rows.row_of[rows.entity[:used]] = np.arange(used)
        activity.open = rows
        return activity


_HISTOGRAMS = ("volume", "return", "pairs", "travel")


def joined_findings(parts: list[Findings]) -> Findings:
    """Several (at least one) as one; the only one that holds any as it is. Most small batches have none."""
    held = [part for part in parts if len(part.row)]
    if len(held) < 2:
        return held[0] if held else parts[0]
    return Findings(*(np.concatenate(arrays) for arrays in zip(*held, strict=True)))


def empty_findings(room: int) -> Findings:
    """Zeroed rows."""
    return Findings(
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.zeros(room),
        np.zeros(room),
        np.zeros((room, COUNT_COLUMNS), np.float32),
    )
