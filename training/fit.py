"""Learning a model: history through the same door as in the service, score, then learn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from features.baselines import Baselines
from features.errors import InputError
from features.identity import IdentityResolver
from models.detector import Detector
from models.engine import Engine
from models.ranking.ranker import Ranker
from models.risk import Budget
from training.events_table import batch_of
from training.harvest import Harvest, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from features.enrich import GeoDatabase
    from training.history import EventLake
    from training.runfile import Run

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Replayed(NamedTuple):
    """What a detector made of a stretch of history.

    days: entity-days, see `training.harvest.Harvest.finish`. evidence: nats by cause. samples: of the newest
    days. events: scored and learned. first_us, last_us: their times, 0 when there was none.
    """

    days: pd.DataFrame
    evidence: dict[str, float]
    samples: list[Sample]
    events: int
    first_us: int
    last_us: int


def new_detector(
    run: Run,
    sids: Mapping[str, str] | None = None,
    *,
    seed: int | None = None,
    geo: GeoDatabase | None = None,
) -> Detector:
    """The detector that a run describes, before its first event.

    seed: instead of the run's. Its deduplication has no secret: it is a student, nobody sends to it.
    """
    settings = run.detector
    baselines = Baselines(half_life_days=settings.half_life_days)
    return Detector(
        baselines=baselines,
        engine=Engine(
            baselines,
            calibration_half_life_days=settings.calibration_half_life_days,
            hold_days=settings.hold_days,
        ),
        resolver=IdentityResolver(sids),
        key_seed=0,
        geo=geo,
        ranker=Ranker(run.ranker_settings(seed)),
        budget=Budget(run.evaluation.budget),
        learn_groups=settings.learn_groups,
        seed=settings.seed if seed is None else seed,
        off=frozenset(settings.off),
    )


def replay(
    detector: Detector, lake: EventLake, progress: Callable[[int, int], None] | None = None
) -> Replayed:
    """Score and learn all events of a lake; the detector is changed.

    The same lake gives the same detector, bit for bit. Another way to write the same events gives other ids,
    and with them scores that differ by rounding. Memory: the detector, one slice, and about 40 bytes an
    entity-day. progress: told events done, and all.
    """
    harvest = Harvest()
    done = 0
    for table in lake.slices():
        # here no batch is waiting whose ids could become void
        detector.keep_house()
        batch = batch_of(table, detector.baselines)
        detector.score_learn(batch)
        harvest.take(detector)
        done += len(table)
        # the next slice is read before these names mean it
        del table, batch
        if progress is not None:
            progress(done, len(lake))
    days = harvest.finish(detector)
    return Replayed(days, harvest.evidence_by_cause(detector), harvest.samples, done, *lake.span_us)


def fit(
    run: Run,
    lake: EventLake,
    *,
    sids: Mapping[str, str] | None = None,
    prepare: Callable[[Detector], object] | None = None,
    seed: int | None = None,
    geo: GeoDatabase | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Detector, Replayed]:
    """A new detector that has learned a lake, and what it made of it on the way.

    Parameters
    ----------
    sids
        From `training.history.LaidOut`: which stable ids belong to which names.
    prepare
        Told of the new detector before the first event; for peer groups of a directory.
    seed
        Instead of the run's, to see what is chance.

    Raises
    ------
    InputError
        If the lake holds no event.
    """
    if not len(lake):
        raise InputError("the history holds no event between data.since and data.until; widen them")
    detector = new_detector(run, sids, seed=seed, geo=geo)
    if prepare is not None:
        prepare(detector)
    return detector, replay(detector, lake, progress)


def moment(time_us: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    return (EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def microseconds(text: str) -> int:
    """The reverse of `moment`; InputError for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return (found - EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError) as error:
        raise InputError(f"{text[:40]!r} is no time in UTC such as 2026-03-01T00:00:00.000000Z") from error
