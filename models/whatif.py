"""What if these events had happened today? Vectors of entity-days with invented events added; nothing is
learned.

Used by `models.ranking` to distort the tenant's own days. Habits and volume are judged as in scoring;
returns, traffic and travel, which need the order of real events, are left as the base day has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.behaviours import COLUMN, ENTITY_KINDS
from features.kernel import MIN_EXPONENT, class_slots
from features.measures import BYTES_IN, BYTES_OUT, COUNTS, DAY, DISTINCT, FRESH, HOUR
from models.calibration import THRESHOLD_NATS, calibrated_many
from models.strongest import strongest
from models.volume import HOUR_US

if TYPE_CHECKING:
    from features.columns import Batch
    from models.activity import Activity
    from models.channels import Channels
    from models.days import DayTable
    from models.engine import Engine


def what_if(
    engine: Engine,
    activity: Activity,
    channels: Channels,
    batch: Batch,
    group: np.ndarray,
    target: np.ndarray,
    base: DayTable,
) -> DayTable:
    """The base days with invented events added.

    group: int64 (events,), which of the m days an event belongs to. target: int32 (m,) the entity of each
    day; an event counts for it through the columns that hold it. base: the m days. Complexity: one scoring of
    the events.
    """
    m = len(target)
    evidence = base.evidence.astype(np.float64)
    counts = base.counts.astype(np.float64)
    entities = batch.columns[:, -len(ENTITY_KINDS) :]
    mine = entities == target[group][:, None]
    raw, fresh = engine.raw_evidence(batch), engine.unseen(batch)
    _add_habits(engine, channels, batch, group, mine, raw, evidence)
    added = _day_counts(activity, channels, batch, group, mine, fresh, m)
    counts += added
    volume = activity.judged(target, counts, DAY)
    hours, of_hour = np.unique(group << 20 | batch.time_us // HOUR_US % (1 << 20), return_inverse=True)
    within = _day_counts(activity, channels, batch, of_hour, mine, fresh, len(hours))
    by_hour = activity.judged(target[hours >> 20], within, HOUR)
    np.maximum.at(volume, hours >> 20, by_hour)
    return base._replace(
        n_events=base.n_events + np.bincount(group, minlength=m),
        evidence=np.maximum(evidence, volume).astype(np.float32),
        counts=counts.astype(np.float32),
    )


def _add_habits(
    engine: Engine,
    channels: Channels,
    batch: Batch,
    group: np.ndarray,
    mine: np.ndarray,
    raw: np.ndarray,
    evidence: np.ndarray,
) -> None:
    """Add the strongest gain of each (day, cause, value) to the days' evidence."""
    program = engine.baselines.program
    stratum = np.full((len(program.first) - 1, len(program.kind)), -1, np.int64)
    for slot in range(len(program.first) - 1):
        listed = np.arange(program.first[slot], program.first[slot + 1])
        stratum[slot, program.listed[listed]] = listed
    row, behaviour = np.nonzero((np.nan_to_num(raw) > 0.0) & mine[:, program.kind])
    slots = class_slots(program, batch.class_uid)
    ratio = engine.baselines.half_life_days / engine.calibration_half_life_days
    exponents = np.clip(engine.baselines.exponents(batch.time_us) * ratio, MIN_EXPONENT, -MIN_EXPONENT)
    nats = calibrated_many(
        engine.behaviours, stratum[slots[row], behaviour], raw[row, behaviour], np.exp2(-exponents[row])
    )
    odd = nats > THRESHOLD_NATS
    row, behaviour, gain = row[odd], behaviour[odd], nats[odd] - THRESHOLD_NATS
    value = batch.columns[row, program.value[behaviour]]
    cause = channels.cause_of[behaviour]
    kept = strongest(gain, group[row], cause, value)
    np.add.at(evidence, (group[row[kept]], channels.column_of[behaviour[kept]]), gain[kept])


def _day_counts(
    activity: Activity,
    channels: Channels,
    batch: Batch,
    group: np.ndarray,
    mine: np.ndarray,
    fresh: np.ndarray,
    m: int,
) -> np.ndarray:
    """Counts by measure that the events alone give each group, float64 (m, len(COUNTS))."""
    out = np.zeros((m, len(COUNTS)))
    masks = activity.masks(batch)
    program = activity.baselines.program
    for index, measure in enumerate(channels.measures):
        kind = ENTITY_KINDS.index(measure.entity)
        column = int(channels.cells.what[index])
        rows = np.flatnonzero(mine[:, kind] & (masks >> index & 1 == 1))
        if not len(rows):
            continue
        if measure.how == DISTINCT:
            value = batch.columns[rows, COLUMN[measure.column]]
            pairs = np.unique((group[rows].astype(np.int64) << 32 | value)[value > 0])
            out[:, column] += np.bincount(pairs >> 32, minlength=m)
        elif measure.how == FRESH:
            row, behaviour = np.nonzero(fresh[rows][:, program.kind == kind])
            value = batch.columns[rows[row], program.value[program.kind == kind][behaviour]]
            keys = np.unique(np.stack([group[rows[row]], behaviour, value.astype(np.int64)], axis=1), axis=0)
            out[:, column] += np.bincount(keys[:, 0], minlength=m)
        else:
            amount = (
                batch.bytes_in[rows].astype(np.float64)
                if measure.how == BYTES_IN
                else batch.bytes_out[rows].astype(np.float64)
                if measure.how == BYTES_OUT
                else np.ones(len(rows))
            )
            out[:, column] += np.bincount(group[rows], amount, m)
    return out
