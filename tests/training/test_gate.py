"""The gate lets through what is no worse, refuses what is, and says why in words."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
import pytest

from features.baselines import DAY_US
from features.errors import InputError, StateError
from models.risk import Budget
from tests.training.conftest import CUT, RUN
from training import experiment, gate, history
from training.gate import Limits, Side, Verdict
from training.judging import Ground, judged
from training.pedb.protocol import Protocol
from training.pedb.truth import Label, truth_of

PEOPLE, DAYS = 60, 8
START = pd.Timestamp("2026-03-01")
EVIDENCE = {"habit": 3.0, "volume": 2.0}
ATTACKED = {f"user-{n}": n for n in range(6)}
"""Who is attacked on which day."""


def labels() -> list[Label]:
    return [
        Label(f"c{day}", "phishing", str((START + pd.Timedelta(days=day)).date()), "user", name)
        for name, day in ATTACKED.items()
    ]


def side(seed: int = 0, *, skill: float = 8.0, latency: float = 100.0, size: int = 1000) -> Side:
    """A model of so much skill: nats that an attacked entity-day stands out by."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(DAYS):
        risk = rng.exponential(1.0, PEOPLE)
        for name, of_day in ATTACKED.items():
            if of_day == day:
                risk[int(name.split("-")[1])] += skill
        rows.append(
            pd.DataFrame(
                {
                    "entity_kind": "user",
                    "entity": [f"user-{n}" for n in range(PEOPLE)],
                    "day": (START + pd.Timedelta(days=day)).date(),
                    "risk": risk,
                    "rarity": risk,
                    "alert": risk >= np.sort(risk)[-2],
                    "alerted_at": pd.NaT,
                }
            )
        )
    days = pd.concat(rows, ignore_index=True)
    ground = Ground(truth_of(labels()), frozenset())
    found = judged(days, EVIDENCE, Protocol(warm_up_days=0), Budget(), ground)
    return Side(found.metrics, days, latency, size)


def unlabelled(one: Side) -> Side:
    bare = {name: value for name, value in one.metrics.items() if "error" in name}
    return one._replace(metrics=bare)


def refusals(champion: Side, challenger: Side, *verdicts: Verdict, limits: Limits | None = None) -> list[str]:
    found = gate.compare(champion, challenger, list(verdicts), limits or Limits())
    return [check.what for check in found if not check.passed]


def verdict(name: str, what: int) -> Verdict:
    return Verdict("user", name, str((START + pd.Timedelta(days=ATTACKED[name])).date()), what)


def test_a_model_that_is_as_good_passes():
    assert refusals(side(), side()) == []


def test_a_better_model_passes_and_the_worse_one_does_not_come_back():
    good, poor = side(1, skill=8.0), side(1, skill=0.5)
    assert refusals(poor, good) == []
    assert "ap" in refusals(good, poor)
    assert "recall@10" in refusals(good, poor)


def test_average_precision_decides_only_where_recall_does_not():
    champion = side()
    worse = champion._replace(metrics=champion.metrics | {"ap": 0.01})
    assert refusals(champion, worse) == ["ap"]
    before = champion._replace(metrics=champion.metrics | {"recall@10": 0.5})
    assert refusals(before, worse) == []


def test_a_shuffled_ranking_is_refused():
    good = side()
    shuffled = good.days.assign(risk=np.random.default_rng(1).permutation(good.days["risk"].to_numpy()))
    ground = Ground(truth_of(labels()), frozenset())
    worse = judged(shuffled, EVIDENCE, Protocol(warm_up_days=0), Budget(), ground)
    found = refusals(good, good._replace(metrics=worse.metrics, days=shuffled))
    assert {"recall@10", "ap"} <= set(found)


def test_without_labels_and_verdicts_only_a_model_that_ranks_alike_passes():
    champion, other = unlabelled(side(1)), unlabelled(side(2))
    assert refusals(champion, champion) == []
    assert refusals(champion, other) == ["overlap of the rankings"]
    assert refusals(champion, other, limits=Limits(overlap=0.0)) == []


def test_what_analysts_confirmed_must_still_be_raised():
    champion, blind = unlabelled(side(skill=8.0)), unlabelled(side(skill=-1.0))
    confirmed = [verdict(name, gate.TRUE_POSITIVE) for name in ATTACKED]
    assert refusals(champion, blind, *confirmed) == ["confirmed findings raised"]
    assert refusals(blind, champion, *confirmed) == []
    check = gate.compare(champion, blind, confirmed, Limits())[0]
    assert "no longer raised: user-" in check.why


def test_what_analysts_rejected_must_not_be_raised_more_often():
    champion, loud = unlabelled(side(skill=-1.0)), unlabelled(side(skill=8.0))
    rejected = [verdict(name, what) for name, what in zip(ATTACKED, (1, 5, 1, 5, 1, 5), strict=True)]
    assert refusals(champion, loud, *rejected) == ["rejected findings raised"]
    assert refusals(loud, champion, *rejected) == []


def test_a_model_whose_alert_rates_are_off_is_refused():
    champion = side()
    off = champion._replace(metrics=champion.metrics | {"calibration_error": 1.2})
    assert refusals(champion, off) == ["calibration error"]
    assert refusals(off, off) == [], "no worse than what serves"


def test_a_slower_or_larger_model_is_refused():
    champion = side()
    assert refusals(champion, champion._replace(latency_us=149.0, bytes=1499)) == []
    assert refusals(champion, champion._replace(latency_us=151.0)) == ["time an event with nightly work, µs"]
    assert refusals(champion, champion._replace(bytes=1501)) == ["size, bytes"]


def test_a_file_that_holds_no_verdicts_is_refused(tmp_path):
    path = tmp_path / "verdicts.ndjson"
    path.write_text('{"entity_kind":"user","entity":"a","day":"2026-03-01","verdict_id":2,"by":"me"}\n')
    assert gate.read_verdicts(path) == [Verdict("user", "a", "2026-03-01", 2)]
    path.write_text('{"entity":"a"}\n')
    with pytest.raises(InputError, match="not an NDJSON file with entity_kind"):
        gate.read_verdicts(path)


# ------------------------------------------------------------------------------------------- with real models


@pytest.fixture(scope="module")
def champion(office, tmp_path_factory):
    folder = tmp_path_factory.mktemp("champion") / "office"
    return experiment.conduct(office.run, RUN, office.history(), folder).bundle


def test_a_first_model_only_has_to_load(champion):
    decision = gate.decide(None, champion, None)
    assert decision.passed
    with pytest.raises(StateError, match="not the model that was registered"):
        gate.decide(None, champion._replace(digest="0" * 64), None)


def test_days_that_a_model_has_seen_are_not_judged(office, champion):
    day = (CUT - history.EPOCH).days
    assert gate.first_judged_day([champion], office.lake) == day
    with pytest.raises(InputError, match=f"seen everything before {CUT}"):
        gate.decide(champion, champion, office.history().lake)
    with pytest.raises(InputError, match="give recent events"):
        gate.decide(champion, champion, None)


def test_the_same_model_twice_ranks_the_same_and_passes(office, champion):
    lake = office.lake.between(-(1 << 60), ((CUT - history.EPOCH).days + 2) * DAY_US)
    decision = gate.decide(champion, champion, lake, limits=Limits(latency=100.0))
    assert decision.passed, decision.reasons
    table = decision.rows()
    assert table[1][:3] == ["overlap of the rankings", "1.000", "1.000"]
    assert (decision.first_day, decision.last_day) == (str(CUT), "2026-02-08")


def test_a_model_that_hears_half_is_refused_and_the_reason_is_named(office, champion, tmp_path):
    deaf = msgspec.structs.replace(
        office.run,
        detector=msgspec.structs.replace(
            office.run.detector, off=["habit", "volume", "link", "return", "travel"]
        ),
    )
    other = experiment.conduct(deaf, RUN, office.history(), tmp_path / "deaf").bundle
    decision = gate.decide(champion, other, office.lake, limits=Limits(latency=100.0))
    assert not decision.passed
    assert "ranks differently" in decision.reasons[0]
    assert decision.rows()[1][-1] == "REFUSED"
