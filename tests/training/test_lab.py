"""The notebook's view: frames in, frames out, and nothing of a log's text becomes markup."""

from __future__ import annotations

import pandas as pd
import pytest

from features.errors import InputError
from training import lab

BAD = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def log(office) -> pd.DataFrame:
    return lab.read_log(office.folder / "events.ndjson")


@pytest.fixture(scope="module")
def learned(log, office) -> lab.Lab:
    return lab.learn(log, pd.read_csv(office.folder / "directory.csv"), members=["excess"])


def test_a_log_is_a_frame_in_event_time_with_every_event(log, office):
    assert len(log) == len(office.lake)
    assert log["time"].is_monotonic_increasing
    assert str(log["time"].dt.tz) == "UTC"


def test_an_explanation_adds_up_and_leads_to_its_events(log, learned):
    top = learned.days.query("entity_kind == 'user'").sort_values("risk").iloc[-1]
    why = learned.explain(top["entity"], top["day"])
    assert why.risk == top["risk"]
    assert (why.findings["gain"] > 0).all()
    assert len(learned.events(log, top["entity"], top["day"])) == top["n_events"]


def test_text_of_a_log_is_escaped_where_it_is_shown():
    habits = pd.DataFrame({"behaviour": [BAD], "value": [BAD], "share": [1.0], "weight": [2.0]})
    findings = pd.DataFrame({"behaviour": [BAD], "value": [BAD], "gain": [1.0]})
    pages = [lab.Baseline(BAD, habits), lab.Explanation(BAD, 1.0, [BAD], findings)]
    for page in pages:
        assert "<script" not in page._repr_html_()
        assert "&lt;script" in page._repr_html_()


def test_an_exception_never_raises_a_risk(learned):
    top = learned.days.query("entity_kind == 'user'").sort_values("risk").iloc[-1]
    before = learned.days
    changed = learned.exempt("user", entity=top["entity"])
    assert (changed["risk_after"] < changed["risk"]).all()
    both = before.merge(learned.days, on=["entity_kind", "entity", "day"], suffixes=("", "_after"))
    assert (both["risk_after"] <= both["risk"]).all()


def test_what_is_not_there_is_refused_with_a_hint(learned):
    with pytest.raises(InputError, match="nothing is known"):
        learned.baseline("nobody-of-that-name")
    known = learned.days.iloc[0]["entity"]
    with pytest.raises(InputError, match="nothing was seen"):
        learned.explain(known, "2001-01-01")
    with pytest.raises(InputError, match="is no day"):
        learned.explain(known, "yesterday")
