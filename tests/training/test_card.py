"""The card of a model: two renderings of one structure, in which nothing from data can become markup."""

from __future__ import annotations

from training import card
from training.bars import bars
from training.card import Section

HOSTILE = "<script>alert(1)</script> | `x` [a](javascript:b) \n# big"
CARD = [
    Section("Data", [HOSTILE], [HOSTILE], [["file", "n"], [HOSTILE, "1"]], ["evidence"]),
]


def test_hostile_names_stay_text_in_html():
    page = card.page(HOSTILE, CARD)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5
    assert "default-src 'none'" in page


def test_hostile_names_stay_text_in_markdown():
    text = card.markdown("office", CARD)
    assert "<script" not in text.replace("\\<", "")
    assert "\\](javascript" in text
    assert "](javascript" not in text.replace("\\]", "")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert all(line.replace("\\|", "").count("|") == 3 for line in table)
    assert "\n# big" not in text


def test_pictures_are_those_beside_the_card():
    assert "![evidence](pictures/evidence.svg)" in card.markdown("office", CARD)
    assert '<img src="pictures/evidence.svg"' in card.page("office", CARD)


def test_bars_are_as_long_as_their_values_and_escape_their_names():
    text = bars("Shares", {"<b>": 0.5, "small": 0.25, "none": 0.0})
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert 'width="320.0"' in text
    assert 'width="160.0"' in text
    assert 'width="0.0"' in text
    assert bars("Nothing", {}).startswith("<svg")
