"""Summaries, tables and pictures of a judgement; what is held out stays held out."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from features.errors import InputError
from training.pedb import pictures, report
from training.pedb.held_out import allowed, held_out
from training.pedb.outcome import CampaignFact, Hit, Outcome, RateCount, Shown
from training.pedb.protocol import RATES, Protocol

PROTOCOL = Protocol()


def outcomes(method, places):
    facts = [CampaignFact(f"c{i}", ("dns_tunnelling", "a<b")[i % 2], "easy", False, False) for i in range(4)]
    return [
        Outcome(
            method,
            seed,
            250,
            facts,
            [Hit(i, True, place, 500, place, place, 5.0) for i, place in enumerate(places)],
            [Shown(0, False, 500, 0, 10, 0)],
            496,
            [RateCount(rate, after, 5, 496) for rate in RATES for after in (False, True)],
        )
        for seed in (1, 2)
    ]


OURS, THEIRS = outcomes("habitus", [1, 2, 3, 40]), outcomes("peer & co", [1, 40, 40, 40])


def test_a_summary_is_json_with_null_for_what_does_not_exist():
    missed = outcomes("blind", [90, 90, 90, 90])
    data = report.summarise(missed, PROTOCOL, samples=50).as_data()
    text = json.dumps(data, allow_nan=False)
    assert json.loads(text)["hours"]["median"]["value"] is None
    assert data["figures"]["recall@10"]["value"] == 0
    assert data["campaigns"] == 8


def test_tables_have_one_row_a_method_and_the_same_cells_in_markdown_and_plain():
    rows = report.methods_table(
        [report.summarise(each, PROTOCOL, samples=50) for each in (OURS, THEIRS)], PROTOCOL, appendix=True
    )
    assert [row[0] for row in rows] == ["method", "habitus", "peer & co"]
    assert rows[0][1:5] == ["recall@3", "recall@5", "recall@10", "recall@20"]
    assert rows[1][3].startswith("0.75 (")
    assert "ROC AUC" in rows[0]
    assert len({len(row) for row in rows}) == 1
    assert len(report.markdown(rows).splitlines()) == 4
    assert report.plain(rows).splitlines()[1].startswith("habitus")


def test_a_comparison_has_every_figure_of_every_other_method():
    gaps = report.compare(OURS, {"peer & co": THEIRS}, PROTOCOL, samples=200)
    assert gaps["peer & co"]["recall@10"].value == pytest.approx(0.5)
    assert gaps["peer & co"]["recall@10"].low >= 0


def test_slices_and_rates_have_a_table():
    summary = report.summarise(OURS, PROTOCOL, samples=50)
    assert report.slices_table(summary)[2][:3] == ["kind", "dns tunnelling", "4"]
    assert report.rates_table(summary)[0] == ["nominal rate", "all", "ordinary", "after a change"]


@pytest.mark.parametrize("which", ["budget", "calibration", "scenarios"])
def test_pictures_are_well_formed_and_the_same_every_time(which):
    methods = {"habitus": OURS, "peer & co": THEIRS}
    summaries = [report.summarise(each, PROTOCOL, samples=20) for each in methods.values()]
    draw = {
        "budget": lambda: pictures.recall_against_budget(methods, PROTOCOL),
        "calibration": lambda: pictures.calibration(summaries),
        "scenarios": lambda: pictures.scenario_heat_map(methods, PROTOCOL),
    }[which]
    text = draw()
    root = ElementTree.fromstring(text)  # noqa: S314 - our own text
    assert root.tag.endswith("svg")
    words = "".join(root.itertext())
    assert "habitus" in words
    assert "peer & co" in words
    assert text == draw()


def test_the_heat_map_shows_found_and_all_of_each_kind():
    words = "".join(ElementTree.fromstring(pictures.scenario_heat_map({"m": OURS}, PROTOCOL)).itertext())  # noqa: S314
    assert "4/4" in words
    assert "2/4" in words
    assert "dns tunnelling" in words


def test_held_out_seeds_are_refused_until_the_end():
    aside = held_out()
    assert len(aside.seeds) == 2
    assert len(aside.kinds) == 2
    with pytest.raises(InputError, match="--final"):
        allowed([1, *aside.seeds], final=False)
    assert allowed([1, 2], final=False).kinds == aside.kinds
    assert not allowed([1, *aside.seeds], final=True).kinds
