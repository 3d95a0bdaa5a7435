"""What analysts say changes what they see: at once, for what is stored as well, and not for ever."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from models.detector import Detector
from models.feedback.exemptions import MOST_DAYS, Exemption
from models.feedback.feedback import (
    FALSE_POSITIVE,
    REMEMBERED_DAYS,
    TRUE_POSITIVE,
    Feedback,
    Things,
    Verdict,
)
from models.feedback.watch import WATCH, WATCH_DAYS
from tests.activities import START_DAY, at, batch_of, event
from tests.batches import DAY_US
from tests.offices import DAYS, detector, digest, office

LAST = DAYS - 1
NOW_US = at(LAST, 23.9)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory):
    """The office after its last day, on disk: ws-5 talks to its master, user-2 is in two countries."""
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    folder = tmp_path_factory.mktemp("office")
    one.save(folder)
    return folder


@pytest.fixture
def watched(saved) -> Detector:
    return Detector.load(saved)


def exemption(**named: object) -> Exemption:
    given = {
        "uid": "x1",
        "entity_kind": "host",
        "entity": "ws-5",
        "since_us": NOW_US,
        "until_us": NOW_US + 30 * DAY_US,
    }
    return Exemption(**given | named)


def day_of(one: Detector, entity: str, kind: str = "host", day: int = LAST) -> pd.Series:
    frame = one.entity_days("acme")
    mine = frame[(frame["entity"] == entity) & (frame["entity_kind"] == kind)]
    return mine[pd.to_datetime(mine["day"]) == pd.Timestamp((START_DAY + day) * DAY_US, unit="us")].iloc[0]


def factors(one: Detector, ids: np.ndarray, day: int, evidence: np.ndarray) -> np.ndarray:
    """Of entity-days whose evidence has no values."""
    row, cause = np.nonzero(evidence)
    things = Things(row, cause, np.zeros(len(row), np.int64), evidence[row, cause])
    return one.feedback.factors(
        one.baselines, one.channels.causes, ids, START_DAY + day, evidence, evidence, things
    )


def others(one: Detector, entity: str) -> pd.DataFrame:
    frame = one.entity_days("acme")
    kept = frame[frame["entity"] != entity].drop(columns=["alert", "alerted_at"])
    return kept.sort_values(["entity_kind", "entity", "day"], ignore_index=True)


def test_an_exception_takes_effect_on_what_is_stored_and_brings_it_back_when_it_ends(
    watched: Detector,
) -> None:
    before, rest = day_of(watched, "ws-5"), others(watched, "ws-5")
    assert any("evil.example" in reason for reason in before["reasons"])
    watched.feedback.exempt(exemption(), watched.channels)
    after = day_of(watched, "ws-5")
    assert 0.0 < after["risk"] < 0.2 * before["risk"]
    assert not any("evil.example" in reason for reason in after["reasons"])
    pd.testing.assert_frame_equal(others(watched, "ws-5"), rest)
    assert watched.feedback.end_exemption("x1")
    assert day_of(watched, "ws-5")["risk"] == before["risk"]
    assert not watched.feedback.end_exemption("x1")


def test_an_exception_for_one_thing_leaves_the_others(watched: Detector) -> None:
    before = day_of(watched, "ws-5")
    watched.feedback.exempt(exemption(behaviour="host.regular", value="evil.example"), watched.channels)
    after = day_of(watched, "ws-5")
    assert 0.2 * before["risk"] < after["risk"] < before["risk"]
    gone = set(before["reasons"]) - set(after["reasons"])
    assert gone
    assert all("evil.example" in reason for reason in gone)


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"behaviour": "host.domain"},
        {"behaviour": "host.domain", "value": "never.example"},
        {"behaviour": "host.domain", "value": "never.*"},
        {"entity": "", "behaviour": "host.domain", "value": "never.example"},
    ],
)
def test_the_next_event_is_scored_as_exempted_and_learned_as_ever(watched: Detector, saved, named) -> None:
    plain = Detector.load(saved)
    watched.feedback.exempt(exemption(**named), watched.channels)
    strange = event(at(LAST, 23.95), "traffic", host="ws-5", domain="never.example", dst="srv-1", sent=100)
    scores = [one.score_learn(batch_of(one.baselines, [strange])) for one in (plain, watched)]
    found = [{watched.channels.all[b].name for b in s.details.behaviour[s.details.gain > 0]} for s in scores]
    assert "host.domain" in found[0]
    assert found[1] == (found[0] - {"host.domain"} if named else set())
    assert scores[1].evidence[0] < scores[0].evidence[0]
    assert scores[1].evidence[0] == pytest.approx(scores[1].details.gain.sum())
    assert (scores[1].top[0] == -1) == (not found[1])
    assert scores[0].learned_us.tolist() == scores[1].learned_us.tolist()
    pd.testing.assert_frame_equal(plain.baselines.habits("ws-5"), watched.baselines.habits("ws-5"))


def test_an_exception_ends_by_itself(watched: Detector) -> None:
    before = day_of(watched, "ws-5")["risk"]
    watched.feedback.exempt(exemption(since_us=at(0, 1.0), until_us=at(1, 0.0)), watched.channels)
    assert day_of(watched, "ws-5")["risk"] == before
    watched.feedback.forget(START_DAY + 2)
    assert watched.feedback.exemptions == []


def test_a_preview_says_what_then_happens_and_changes_nothing(watched: Detector) -> None:
    wanted = exemption(entity="", behaviour="host.regular", value="evil.example")
    assert wanted.wide
    before = watched.entity_days("acme")
    seen = watched.preview(wanted, "acme")
    pd.testing.assert_frame_equal(watched.entity_days("acme"), before)
    assert watched.feedback.exemptions == []
    watched.feedback.exempt(wanted, watched.channels)
    key = ["entity_kind", "entity", "day"]
    after = watched.entity_days("acme").set_index(key)["risk"]
    changed = before.set_index(key)["risk"] > after.reindex(pd.MultiIndex.from_frame(before[key]))
    assert set(seen.set_index(key).index) == set(changed.index[changed])
    assert seen.set_index(key)["risk_after"].to_dict() == after[changed.index[changed]].to_dict()


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"entity": ""}, "more than one entity"),
        ({"entity": "", "behaviour": "host.regular"}, "more than one entity"),
        ({"entity": "", "group": "sales", "value": "evil.example"}, "more than one entity"),
        ({"group": "sales"}, "not both"),
        ({"behaviour": "host.regularly"}, "did you mean host.regular"),
        ({"behaviour": "user.host"}, "no behaviour of a host"),
        ({"value": "*"}, "at least 3"),
        ({"value": "ev*"}, "at least 3"),
        ({"entity_kind": "planet"}, "one of user, host"),
        ({"until_us": NOW_US}, "ends after"),
        ({"until_us": NOW_US + (MOST_DAYS + 1) * DAY_US}, "within"),
    ],
)
def test_nobody_silences_a_tenant(watched: Detector, named: dict, why: str) -> None:
    with pytest.raises(InputError, match=why):
        watched.feedback.exempt(exemption(**named), watched.channels)
    assert watched.feedback.exemptions == []


def test_an_exception_for_a_group_is_for_its_members(watched: Detector) -> None:
    watched.baselines.set_groups("host", ["ws-5", "ws-6"], ["labs", "office"])
    wanted = {"entity": "", "behaviour": "host.regular", "value": "evil.example"}
    before = day_of(watched, "ws-5")["risk"]
    watched.feedback.exempt(exemption(**wanted, group="office"), watched.channels)
    assert day_of(watched, "ws-5")["risk"] == before
    watched.feedback.exempt(exemption(**wanted, group="labs"), watched.channels)
    assert day_of(watched, "ws-5")["risk"] < before


def test_what_was_judged_harmless_falls_and_the_same_again_falls_with_it(watched: Detector) -> None:
    before = day_of(watched, "ws-5")["risk"]
    verdict = watched.judge("v1", "WS-5", "host", START_DAY + LAST, FALSE_POSITIVE, NOW_US)
    assert verdict.entity == "ws-5"
    assert verdict.evidence["beat"] > 0
    assert day_of(watched, "ws-5")["risk"] < 0.5 * before
    again = [
        event(at(LAST + 1, i / 8), "traffic", host="ws-5", domain="evil2.example", sent=300_000)
        for i in range(150)
    ]
    more = [
        event(at(LAST + 1, 20.0), "failure", host="ws-5", user=f"x{i}", src_ip="203.0.113.9")
        for i in range(60)
    ]
    forgetful = Detector.restored(*watched.export())
    assert forgetful.feedback.revert("v1")
    for one in (watched, forgetful):
        one.score_learn(batch_of(one.baselines, again))
    told, untold = (day_of(one, "ws-5", day=LAST + 1)["risk"] for one in (watched, forgetful))
    assert told < 0.6 * untold
    for one in (watched, forgetful):
        one.score_learn(batch_of(one.baselines, more))
    told_more, untold_more = (day_of(one, "ws-5", day=LAST + 1)["risk"] for one in (watched, forgetful))
    assert told_more - told > 0.5 * (untold_more - untold) > 0.0, "what is new on top counts in full"


def test_a_verdict_taken_back_leaves_no_trace(watched: Detector, tmp_path) -> None:
    before = digest(watched, tmp_path / "before")
    watched.judge("v1", "ws-5", "host", START_DAY + LAST, FALSE_POSITIVE, NOW_US)
    watched.feedback.exempt(exemption(), watched.channels)
    assert digest(watched, tmp_path / "between") != before
    assert watched.feedback.revert("v1")
    watched.feedback.end_exemption("x1")
    assert digest(watched, tmp_path / "after") == before


def test_an_attack_ends_what_was_remembered_of_the_entity(watched: Detector) -> None:
    before = day_of(watched, "ws-5")["risk"]
    watched.judge("v1", "ws-5", "host", START_DAY + LAST, FALSE_POSITIVE, NOW_US)
    watched.judge("v2", "ws-5", "host", START_DAY + LAST, TRUE_POSITIVE, NOW_US + 1)
    assert day_of(watched, "ws-5")["risk"] == before
    assert watched.feedback.revert("v2")
    assert day_of(watched, "ws-5")["risk"] < before


def test_whoever_was_attacked_is_watched_for_some_days(watched: Detector) -> None:
    heard = Detector.restored(*watched.export())
    heard.judge("v1", "ws-5", "host", START_DAY + LAST, TRUE_POSITIVE, NOW_US)
    assert day_of(heard, "ws-5")["risk"] == day_of(watched, "ws-5")["risk"], "the day itself stays as found"
    # several keep the clock: a day that one host alone speaks of is not begun
    more = [event(at(LAST + 1, 9.0 + k / 60), host=f"ws-{k}", user=f"user-{k}") for k in range(1, 9)]
    more += [
        event(at(LAST + 1, 20.0), "failure", host="ws-5", user=f"x{i}", src_ip="203.0.113.9")
        for i in range(60)
    ]
    for one in (watched, heard):
        one.score_learn(batch_of(one.baselines, more))
    plain, raised = (day_of(one, "ws-5", day=LAST + 1) for one in (watched, heard))
    trust = heard.feedback.record(START_DAY + LAST + 1).trust
    # what was raised before a confirmed attack is news again
    assert raised["risk"] == pytest.approx((1.0 + (WATCH - 1.0) * trust) * plain["rarity"])
    assert 0.5 < trust <= 1.0
    assert 0.0 < plain["risk"] < plain["rarity"]


def test_a_watch_fades_and_ends_with_a_harmless_day(watched: Detector) -> None:
    ids = np.array([dict(watched.baselines.find("ws-5"))["host"]])
    evidence = np.ones((1, len(watched.channels.causes)))

    def times(day: int) -> float:
        return float(factors(watched, ids, day, evidence)[0])

    watched.judge("v1", "ws-5", "host", START_DAY + LAST, TRUE_POSITIVE, NOW_US)
    trust = watched.feedback.record(START_DAY + LAST + 1).trust
    expected = [1.0 + (WATCH - 1.0) * trust * (1.0 - d / WATCH_DAYS) for d in range(WATCH_DAYS)]
    assert [times(LAST + d) for d in range(WATCH_DAYS + 2)] == pytest.approx([1.0, *expected, 1.0])
    # a harmless day before the attack says nothing of what comes after it; one after it ends the watch
    watched.judge("v0", "ws-5", "host", START_DAY + LAST - 1, FALSE_POSITIVE, NOW_US + 1)
    assert times(LAST + 3) > 1.0
    watched.judge("v2", "ws-5", "host", START_DAY + LAST + 2, FALSE_POSITIVE, NOW_US + 2)
    assert times(LAST + 1) > 1.0, "which was before"
    assert times(LAST + 3) <= 1.0
    for uid in ("v0", "v1", "v2"):
        assert watched.feedback.revert(uid)
    assert times(LAST + 1) == 1.0


def test_feedback_survives_a_checkpoint(watched: Detector, tmp_path) -> None:
    watched.judge("v1", "user-2", "user", START_DAY + LAST, FALSE_POSITIVE, NOW_US)
    watched.feedback.exempt(exemption(), watched.channels)
    watched.save(tmp_path)
    again = Detector.load(tmp_path)
    assert again.feedback.export() == watched.feedback.export()
    assert day_of(again, "ws-5")["risk"] == day_of(watched, "ws-5")["risk"]
    assert day_of(again, "user-2", "user")["risk"] == day_of(watched, "user-2", "user")["risk"]


def test_verdicts_are_checked_and_old_ones_forgotten(watched: Detector) -> None:
    with pytest.raises(InputError, match="nothing is known"):
        watched.judge("v1", "nobody-here", "user", START_DAY, FALSE_POSITIVE, NOW_US)
    with pytest.raises(InputError, match="verdict_id is 12"):
        watched.judge("v1", "ws-5", "host", START_DAY, 12, NOW_US)
    watched.judge("v1", "ws-5", "host", START_DAY + LAST, FALSE_POSITIVE, NOW_US)
    watched.feedback.forget(START_DAY + LAST + REMEMBERED_DAYS)
    assert len(watched.feedback.verdicts) == 1
    watched.feedback.forget(START_DAY + LAST + 2 * REMEMBERED_DAYS + 1)
    assert watched.feedback.verdicts == []


def test_damaged_feedback_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected"):
        Feedback.restored({"exemptions": [{"uid": 1}], "verdicts": []})


def test_a_verdict_without_evidence_changes_little(watched: Detector) -> None:
    verdict = Verdict(
        uid="v", entity_kind="host", entity="ws-5", day=START_DAY, verdict_id=1, at_us=1, evidence={}
    )
    before = day_of(watched, "ws-5")["risk"]
    watched.feedback.judge(verdict)
    assert day_of(watched, "ws-5")["risk"] == before


def remembered_of(watched: Detector, **named: object) -> None:
    """ws-5 was judged harmless on its last day with six nats of `domain`."""
    given = {
        "uid": "v",
        "entity_kind": "host",
        "entity": "ws-5",
        "day": START_DAY + LAST,
        "verdict_id": FALSE_POSITIVE,
        "at_us": NOW_US,
        "evidence": {"domain": 6.0},
    }
    watched.feedback.judge(Verdict(**given | named))


def left_of(watched: Detector, value: str, nats: float) -> float:
    """What is left of the risk of ws-5 a day later, when one domain was odd about it."""
    ids = np.array([dict(watched.baselines.find("ws-5"))["host"]])
    column = watched.channels.causes.index("domain")
    evidence = np.zeros((1, len(watched.channels.causes)))
    evidence[0, column] = nats
    one = np.zeros(1, np.int64)
    found = watched.baselines.values.find(value) if value else 0
    assert found or not value
    things = Things(one, one + column, one + found, np.array([nats]))
    causes = watched.channels.causes
    day = START_DAY + LAST + 1
    return float(watched.feedback.factors(watched.baselines, causes, ids, day, evidence, evidence, things)[0])


def test_the_same_thing_is_no_news_and_another_of_its_kind_counts_in_full(watched: Detector) -> None:
    remembered_of(watched, things={"domain": {"evil.example": 6.0, "": 2.0}})
    assert left_of(watched, "evil.example", 6.0) == pytest.approx(0.5 / 6.5)
    assert left_of(watched, "evil.example", 9.0) == pytest.approx(3.5 / 9.5), "as far as it is no stronger"
    assert left_of(watched, "ws-5", 6.0) == 1.0
    assert left_of(watched, "", 2.0) == pytest.approx(0.5 / 2.5), "what has no value is known by its cause"


def test_verdicts_of_versions_that_kept_no_values_are_remembered_by_cause(watched: Detector) -> None:
    remembered_of(watched)
    kept = watched.feedback.export()
    for verdict in kept["verdicts"]:
        del verdict["things"], verdict["partners"]
    watched.days.feedback = Feedback.restored(kept)
    for value in ("evil.example", "ws-5", ""):
        assert left_of(watched, value, 6.0) == pytest.approx(0.5 / 6.5)


def test_what_is_remembered_of_a_day_says_which_things_were_odd(watched: Detector) -> None:
    verdict = watched.judge("v1", "ws-5", "host", START_DAY + LAST, FALSE_POSITIVE, NOW_US)
    assert verdict.things
    assert any("evil.example" in values for values in verdict.things.values())
    assert verdict.evidence == {cause: sum(values.values()) for cause, values in verdict.things.items()}


def test_partners_of_the_attacked_are_watched_until_the_verdict_is_taken_back(watched: Detector) -> None:
    ids = np.array([dict(watched.baselines.find(f"ws-{number}"))["host"] for number in (5, 6)])
    evidence = np.ones((2, len(watched.channels.causes)))
    watched.judge(
        "v1", "user-2", "user", START_DAY + LAST, TRUE_POSITIVE, NOW_US, partners=(("host", "ws-6"),)
    )
    times = factors(watched, ids, LAST + 1, evidence)
    assert times[0] == 1.0
    assert 1.0 < times[1] < WATCH
    assert Detector.restored(*watched.export()).feedback.export() == watched.feedback.export()
    assert watched.feedback.revert("v1")
    assert factors(watched, ids, LAST + 1, evidence).tolist() == [1.0, 1.0]
