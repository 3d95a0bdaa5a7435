"""One experiment from end to end: learn, judge, describe, and write a bundle. Same inputs, same bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from models.risk import Budget
from training import bundle as bundles
from training import card, drift, stability
from training.bundle import Facts
from training.fit import fit, moment
from training.judging import ground_of, judged
from training.manifest import CARD, CARD_PAGE, PICTURES, REFERENCE, RUN, DataFact
from training.versions import code_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from features.enrich import GeoDatabase
    from models.detector import Detector
    from training.bundle import Bundle
    from training.fit import Replayed
    from training.history import EventLake
    from training.judging import Judgement
    from training.runfile import Run

SECOND_SEED = 1_000_003
"""Added to the run's seed for the second opinion."""


@dataclass(frozen=True)
class History:
    """What a run learns from, opened.

    Attributes
    ----------
    lake
        The events.
    data
        Digests of what they came from.
    sids
        Which stable ids belong to which names.
    prepare
        Told of a new detector before its first event; sets peer groups.
    labels, oddities
        Ground truth, None where there is none.
    withheld_kinds
        Kinds of campaign that may not be counted yet.
    """

    lake: EventLake
    data: tuple[DataFact, ...]
    sids: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Detector], object] | None = None
    labels: Path | None = None
    oddities: Path | None = None
    withheld_kinds: frozenset[str] = frozenset()


class Experiment(NamedTuple):
    """What came of a run. days: entity-days as they were scored before they were learned."""

    bundle: Bundle
    judgement: Judgement
    replayed: Replayed


def conduct(
    run: Run,
    content: bytes,
    history: History,
    folder: Path,
    *,
    geo: GeoDatabase | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Experiment:
    """Learn a history as a run says, judge the model by what it said on the way, and write its bundle.

    Parameters
    ----------
    content
        Bytes of the run file; they go into the bundle.
    folder
        Of the bundle; does not exist yet.
    progress
        Told what is being done, events done, and all.

    Raises
    ------
    InputError
        If there is no event, or the ground truth cannot be read.
    """
    detector, replayed = fit(
        run,
        history.lake,
        sids=history.sids,
        prepare=history.prepare,
        geo=geo,
        progress=lambda done, total: progress("learning", done, total),
    )
    days = replayed.days
    ground = None
    if history.labels is not None:
        entities = len(stability.people(days)[["entity_kind", "entity"]].drop_duplicates())
        ground = ground_of(history.labels, history.oddities, entities, history.withheld_kinds)
    judgement = judged(days, replayed.evidence, run.protocol(), Budget(run.evaluation.budget), ground)
    if run.evaluation.second_seed:
        judgement.metrics.update(_second_opinion(run, history, replayed, judgement, geo, progress))
    facts = Facts(
        run.name,
        moment(replayed.first_us),
        moment(replayed.last_us),
        replayed.events,
        list(history.data),
        judgement.metrics,
    )
    title, found = card.sections(detector, facts, run, judgement, code_version())
    documents = {
        RUN: content,
        REFERENCE: drift.encoded(drift.reference_of(replayed.samples)),
        CARD: card.markdown(title, found).encode(),
        CARD_PAGE: card.page(title, found).encode(),
    } | {f"{PICTURES}/{name}.svg": text.encode() for name, text in judgement.pictures.items()}
    return Experiment(bundles.write(folder, detector, facts, documents), judgement, replayed)


def _second_opinion(
    run: Run,
    history: History,
    first: Replayed,
    judgement: Judgement,
    geo: GeoDatabase | None,
    progress: Callable[[str, int, int], None],
) -> dict[str, float | None]:
    """How alike the same model of another seed ranks the judged days."""
    _, second = fit(
        run,
        history.lake,
        sids=history.sids,
        prepare=history.prepare,
        seed=(run.detector.seed + SECOND_SEED) % 2**32,
        geo=geo,
        progress=lambda done, total: progress("learning with another seed", done, total),
    )
    both = [frame[stability.day_numbers(frame) >= judgement.first_day] for frame in (first.days, second.days)]
    alike = stability.agreement(both[0], both[1])
    return {
        "seed_overlap": None if alike is None else alike[0],
        "seed_common": None if alike is None else alike[1],
    }


def digests(paths: Iterable[Path], base: Path) -> tuple[DataFact, ...]:
    """Size and SHA-256 of files, in the order given; named relative to a folder where they lie in it.

    One pass over all bytes, in constant memory.
    """
    found = []
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        inside = path.resolve().is_relative_to(base.resolve())
        name = path.resolve().relative_to(base.resolve()).as_posix() if inside else path.name
        found.append(DataFact(name, path.stat().st_size, digest))
    return tuple(found)


def parameters(run: Run) -> dict[str, object]:
    """What was chosen, flat, for the tracking server: `detector.half_life_days` and so on."""
    flat: dict[str, object] = {}
    for name, value in msgspec.to_builtins(run).items():
        if name == "tune":  # says what else was tried, not what this model is
            continue
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": part for key, part in value.items() if part not in (None, "", [])}
        else:
            flat[name] = value
    return flat
