"""Days with invented events: what scoring would have found, and nothing learned by asking."""

from __future__ import annotations

import numpy as np
import pytest

from features.measures import COUNTS
from tests.activities import at, batch_of, event
from tests.offices import DAYS, detector, digest, office


@pytest.fixture(scope="module")
def known():
    one = detector()
    one.score_learn(batch_of(one.baselines, office(days=DAYS - 1)))
    return one


def test_what_if_changes_nothing_and_finds_what_scoring_would_have_found(tmp_path):
    one = detector()
    one.score_learn(batch_of(one.baselines, office(days=DAYS - 1)))
    spray = [
        event(at(DAYS - 2, 20 + i / 900), "failure", user="user-4", host=f"srv-{i % 30}", src_ip="10.0.0.4")
        for i in range(200)
    ]
    invented = batch_of(one.baselines, spray)
    table = one.today()
    user = dict(one.baselines.find("user-4"))["user"]
    base = table.take(np.flatnonzero(table.entity == user))
    before = digest(one, tmp_path / "before")
    group = np.zeros(len(spray), np.int64)
    asked = one.what_if(invented, group, np.array([user], np.int32), base)
    again = one.what_if(invented, group, np.array([user], np.int32), base)
    assert digest(one, tmp_path / "after") == before
    assert all(left.tobytes() == right.tobytes() for left, right in zip(asked, again, strict=True))
    assert (asked.n_events - base.n_events).tolist() == [200]
    one.score_learn(invented)
    after = one.today()
    told = after.take(np.flatnonzero(after.entity == user))
    added = {
        name: {
            one.channels.causes[column]
            for column in np.flatnonzero(days.evidence[0] > base.evidence[0] + 0.5)
        }
        for name, days in (("asked", asked), ("told", told))
    }
    assert {"many failures", "many fan-out", "many novelty"} <= added["told"]
    assert len(added["asked"] ^ added["told"]) <= 1, added
    np.testing.assert_allclose(asked.counts[0], told.counts[0], atol=5)


def test_what_if_nothing_happened_gives_the_day_as_it_is(known):
    base = known.today()
    nothing = batch_of(known.baselines, [])
    asked = known.what_if(nothing, np.zeros(0, np.int64), base.entity, base)
    for name in ("entity", "n_events", "counts"):
        assert getattr(asked, name).tolist() == getattr(base, name).tolist()
    assert (asked.evidence >= base.evidence).all()
    np.testing.assert_allclose(asked.evidence, base.evidence, atol=2.5)


def test_every_day_gets_its_own_events_and_only_those_that_hold_its_entity(known):
    table = known.today()
    ids = [dict(known.baselines.find(f"user-{who}"))["user"] for who in (4, 6)]
    base = table.take(np.searchsorted(table.entity, ids))
    assert base.entity.tolist() == ids
    spray = [event(at(DAYS - 2, 20 + i / 900), "failure", user="user-4", host="dc") for i in range(100)]
    others = [event(at(DAYS - 2, 20 + i / 900), "failure", user="user-5", host="dc") for i in range(100)]
    invented = batch_of(known.baselines, spray + others)
    target = np.array(ids, np.int32)
    asked = known.what_if(invented, np.repeat([0, 1], 100), target, base)
    failures = COUNTS.index("failures")
    assert (asked.counts[:, failures] - base.counts[:, failures]).tolist() == [100, 0]
    column = known.channels.causes.index("many failures")
    assert asked.evidence[0, column] > base.evidence[0, column] + 3.0
    assert asked.evidence[1, column] == pytest.approx(base.evidence[1, column], abs=1.0)
    alone = known.what_if(invented.take(slice(0, 100)), np.zeros(100, np.int64), target[:1], base.take([0]))
    for name in ("evidence", "counts", "n_events"):
        assert getattr(alone, name)[0].tolist() == getattr(asked, name)[0].tolist()
