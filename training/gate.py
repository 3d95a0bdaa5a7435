"""The gate between a challenger and the champion's place.

Both replay the days after the training of either, from where each of them stopped, score before they learn,
and are compared on the same days. A challenger passes when it is no worse in anything that is checked; it
need not be better. What cannot be measured is said to be so: without labels and verdicts a model that ranks
differently is neither better nor worse, and a person has to say which one is wanted.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from features.baselines import DAY_US
from features.errors import InputError
from models.risk import Budget
from training import bundle as bundles
from training import stability
from training.events_table import batch_of
from training.fit import microseconds, moment
from training.harvest import Harvest
from training.judging import judged
from training.pedb.protocol import REFERENCE, Protocol
from training.pedb.truth import day_number

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from models.detector import Detector
    from training.bundle import Bundle
    from training.history import EventLake
    from training.judging import Ground

TRUE_POSITIVE, FALSE_POSITIVE, BENIGN = 2, 1, 5
"""OCSF verdict_id."""


@dataclass(frozen=True)
class Limits:
    """How much worse a challenger may be.

    Attributes
    ----------
    average_precision
        Least share of the champion's, where recall at the budget is the same: that counts few campaigns, this
        counts all places.
    calibration
        Most that its calibration error may lie above the champion's, in nats; and `calibration_always` is
        allowed in any case (a factor of two).
    latency, size
        Most times the champion's time an event, and bytes. Time is measured on a shared machine.
    overlap
        Least rank-biased overlap with the champion where there are neither labels nor verdicts.
    """

    average_precision: float = 0.9
    calibration: float = 0.1
    calibration_always: float = math.log(2)
    latency: float = 1.5
    size: float = 1.5
    overlap: float = 0.5


class Verdict(msgspec.Struct, frozen=True):
    """What an analyst said of an entity-day; further fields of a line are ignored. verdict_id: OCSF."""

    entity_kind: str
    entity: str
    day: str
    verdict_id: int


class Side(NamedTuple):
    """One model on the judged days. latency_us: median over slices of microseconds an event."""

    metrics: dict[str, float | None]
    days: pd.DataFrame
    latency_us: float
    bytes: int


class Check(NamedTuple):
    """One line of the gate's table; why: "" when it passed."""

    what: str
    champion: str
    challenger: str
    allowed: str
    why: str

    @property
    def passed(self) -> bool:
        """Whether the challenger is good enough in this."""
        return not self.why


class Decision(NamedTuple):
    """checks: in order. first_day, last_day: judged, ISO dates (UTC); "" when nothing was replayed."""

    checks: list[Check]
    first_day: str
    last_day: str

    @property
    def passed(self) -> bool:
        """Whether the challenger may become champion."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Why not."""
        return [check.why for check in self.checks if not check.passed]

    def rows(self) -> list[list[str]]:
        """The table, the first row its heading."""
        head = ["check", "champion", "challenger", "allowed", ""]
        return [
            head,
            *(
                [one.what, one.champion, one.challenger, one.allowed, "passed" if one.passed else "REFUSED"]
                for one in self.checks
            ),
        ]


def read_verdicts(path: Path) -> list[Verdict]:
    """Verdicts of an NDJSON file; InputError when it cannot be read as such."""
    try:
        return msgspec.json.Decoder(Verdict).decode_lines(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(
            f"{path}: not an NDJSON file with entity_kind, entity, day, verdict_id ({str(error)[:160]})"
        ) from error


def first_judged_day(bundles_: list[Bundle], lake: EventLake) -> int:
    """The first whole day that neither model has seen, in days since 1970-01-01 UTC.

    Raises
    ------
    InputError
        If the history ends before it.
    """
    day = max(microseconds(one.manifest.trained_until) for one in bundles_) // DAY_US + 1
    if lake.span_us[1] < day * DAY_US:
        raise InputError(
            f"the history ends on {moment(lake.span_us[1])[:10]}, and the models have seen everything before"
            f" {moment(day * DAY_US)[:10]}: give newer events, or train with data.until some days earlier"
        )
    return day


def replayed(
    bundle: Bundle,
    lake: EventLake,
    first_day: int,
    ground: Ground | None,
    protocol: Protocol,
    budget: Budget,
) -> Side:
    """Let a model go on from where its training stopped, and judge the days from first_day on.

    Time: every event since its training ended is scored and learned once. Memory: two models' worth, one
    slice.
    """
    detector, _ = bundles.load_detector(bundle.folder, bundle.digest)
    detector.alerts.controller.budget = budget
    rest = lake.between(microseconds(bundle.manifest.trained_until) + 1, lake.until_us)
    harvest, spent = Harvest(), []
    for table in rest.slices():
        detector.keep_house()
        spent.append(_timed(detector, table))
        harvest.take(detector)
    days = harvest.finish(detector)
    days = days[stability.day_numbers(days) >= first_day].reset_index(drop=True)
    found = judged(days, harvest.evidence_by_cause(detector), protocol, budget, ground, first_day=first_day)
    return Side(found.metrics, days, float(np.median(spent)) if spent else 0.0, bundle.bytes)


def _timed(detector: Detector, table: object) -> float:
    batch = batch_of(table, detector.baselines)
    began = time.perf_counter()
    detector.score_learn(batch)
    return (time.perf_counter() - began) * 1e6 / len(batch.time_us)


def decide(
    champion: Bundle | None,
    challenger: Bundle,
    lake: EventLake | None,
    *,
    ground: Ground | None = None,
    verdicts: list[Verdict] | None = None,
    budget: Budget | None = None,
    limits: Limits | None = None,
) -> Decision:
    """Compare a challenger with the champion.

    Parameters
    ----------
    champion
        None when nothing serves yet: then only what can be said of the challenger alone is checked.
    lake
        Recent history; may be None when there is no champion.
    verdicts
        Of analysts on entity-days of the judged days; others are left out.

    Raises
    ------
    InputError
        If there is a champion and no history after the training of both.
    StateError
        If a bundle is not what it should be.
    """
    budget, limits = budget or Budget(), limits or Limits()
    if champion is None:
        # loading is the check: schema, digests, finite weights
        bundles.load_detector(challenger.folder, challenger.digest)
        return Decision([Check("can be loaded", "-", "yes", "yes", "")], "", "")
    if lake is None:
        raise InputError("a champion serves: give recent events for the comparison (--events or --lake)")
    first_day = first_judged_day([champion, challenger], lake)
    protocol = Protocol(warm_up_days=0)
    left, right = (replayed(one, lake, first_day, ground, protocol, budget) for one in (champion, challenger))
    inside = [one for one in verdicts or [] if day_number(one.day) >= first_day]
    checks = compare(left, right, inside, limits, protocol.reference)
    return Decision(checks, moment(first_day * DAY_US)[:10], moment(lake.span_us[1])[:10])


def compare(
    champion: Side,
    challenger: Side,
    verdicts: list[Verdict],
    limits: Limits,
    budget: int = REFERENCE,
) -> list[Check]:
    """The gate's table for two models on the same days. verdicts: on these days. budget: of recall."""
    known = "campaigns" in challenger.metrics or bool(verdicts)
    return [
        *_labelled(champion, challenger, budget, limits),
        *_judged_by_people(champion, challenger, verdicts),
        *_agreement(champion, challenger, limits, known=known),
        _calibration(champion, challenger, limits),
        _ratio(
            "time an event with nightly work, µs",
            champion.latency_us,
            challenger.latency_us,
            limits.latency,
            ".1f",
        ),
        _ratio("size, bytes", champion.bytes, challenger.bytes, limits.size, ",.0f"),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _labelled(left: Side, right: Side, budget: int, limits: Limits) -> list[Check]:
    if "campaigns" not in right.metrics:
        return []
    found = []
    recall = f"recall@{budget}"
    # with few campaigns one place moves average precision a lot: it decides only where recall does not
    better = (right.metrics.get(recall) or 0.0) > (left.metrics.get(recall) or 0.0)
    for name, share in ((recall, 1.0), ("ap", 0.0 if better else limits.average_precision)):
        before, now = left.metrics.get(name), right.metrics.get(name)
        least = None if before is None else share * before
        worse = least is not None and (now is None or now < least - 1e-12)
        why = (
            f"{name} fell from {_number(before)} to {_number(now)} on {right.metrics['campaigns']:.0f}"
            " campaigns"
            if worse
            else ""
        )
        found.append(Check(name, _number(before), _number(now), f"at least {_number(least)}", why))
    return found


def _judged_by_people(left: Side, right: Side, verdicts: list[Verdict]) -> list[Check]:
    """What analysts confirmed must still be raised; what they rejected must not be raised more often."""
    if not verdicts:
        return []
    raised = []
    for side in (left, right):
        alerts = side.days[side.days["alert"].to_numpy(bool)]
        keys = zip(
            alerts["entity_kind"], alerts["entity"], stability.day_numbers(alerts).tolist(), strict=True
        )
        raised.append(set(keys))
    found = []
    true = {_key(one) for one in verdicts if one.verdict_id == TRUE_POSITIVE}
    false = {_key(one) for one in verdicts if one.verdict_id in (FALSE_POSITIVE, BENIGN)}
    if true:
        before, now = (len(true & keys) for keys in raised)
        lost = sorted((true & raised[0]) - raised[1])
        names = ", ".join(name for _, name, _ in lost[:3])
        why = f"confirmed findings are no longer raised: {names}" if now < before else ""
        found.append(Check("confirmed findings raised", str(before), str(now), f"at least {before}", why))
    if false:
        before, now = (len(false & keys) for keys in raised)
        why = f"rejected findings are raised {now} times instead of {before}" if now > before else ""
        found.append(Check("rejected findings raised", str(before), str(now), f"at most {before}", why))
    return found


def _key(verdict: Verdict) -> tuple[str, str, int]:
    return verdict.entity_kind, verdict.entity, day_number(verdict.day)


def _agreement(left: Side, right: Side, limits: Limits, *, known: bool) -> list[Check]:
    alike = stability.agreement(left.days, right.days)
    if alike is None:
        return []
    allowed = "any" if known else f"at least {limits.overlap:.2f}"
    why = (
        "it ranks differently, and without labels and verdicts nothing says that this is better: give"
        " --labels or --verdicts, or look at the differences and use --accept-different"
        if not known and alike[0] < limits.overlap
        else ""
    )
    return [Check("overlap of the rankings", "1.000", _number(alike[0]), allowed, why)]


def _calibration(left: Side, right: Side, limits: Limits) -> Check:
    before, now = (side.metrics.get("calibration_error") for side in (left, right))
    most = max(limits.calibration_always, (before or 0.0) + limits.calibration)
    why = (
        f"calibration error {_number(now)}: its alert rates are off by a factor of {math.exp(now):.1f}"
        if now is not None and now > most
        else ""
    )
    return Check("calibration error", _number(before), _number(now), f"at most {most:.3f}", why)


def _ratio(what: str, before: float, now: float, limit: float, form: str) -> Check:
    why = f"{what}: {now / before:.1f} times the champion's" if before > 0 and now > limit * before else ""
    return Check(
        what, format(before, form), format(now, form), f"at most {format(limit * before, form)}", why
    )
