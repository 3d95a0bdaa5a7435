"""One definition of severity, wherever it is shown."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from models.incidents import severity
from serving.triage.words import SEVERITY, least_risk, severity_of

WORDS = Path(__file__).resolve().parents[3] / "serving" / "console" / "static" / "js" / "lib" / "words.js"


@given(st.floats(0.0, 40.0))
def test_an_alert_and_an_incident_of_it_alone_are_equally_grave(risk):
    assert severity_of(risk) == severity.severity_id(risk)
    assert risk >= least_risk(severity_of(risk))


@given(
    st.floats(3.0, 40.0),
    st.floats(0.1, 10.0),
    st.sampled_from(["initial-access", "lateral-movement", "impact"]),
)
def test_what_an_incident_touches_moves_it_by_one_level_at_most(risk, weight, tactic):
    assert abs(severity.severity_id(risk, weight, [tactic]) - severity_of(risk)) <= 1


def test_the_console_has_the_same_bars_and_names():
    source = WORDS.read_text()
    bars = re.search(r"const BARS = (\[\[.*?\]\]);", source)[1]
    assert [tuple(map(float, pair)) for pair in re.findall(r"\[(\d+), (\d)\]", bars)] == list(severity.BARS)
    names = re.search(r"export const SEVERITIES = \[(.*?)\n\];", source, re.DOTALL)[1]
    assert {int(number): name for number, name in re.findall(r'\[(\d), "(\w+)"\]', names)} == SEVERITY
