"""The page about incidents shows what the code prints."""

from __future__ import annotations

from models.incidents.book import IncidentBook
from models.incidents.story import describe
from models.incidents.text import WIDTH, as_text
from tests.models.incidents.stories import alert, at, clue, intrusion

MARKS = ("<!-- own: begin -->\n```text\n", "```\n<!-- own: end -->")


def printed() -> str:
    book = IncidentBook("acme")
    book.take(intrusion())
    (incident,) = book.incidents.values()
    return as_text(describe(incident))


def test_the_page_has_the_story_that_the_code_prints(project_root):
    page = (project_root / "docs" / "incidents.md").read_text(encoding="utf-8")
    assert page.partition(MARKS[0])[2].partition(MARKS[1])[0] == printed()


def test_every_part_is_there_in_lines_that_fit():
    text = printed()
    for part in (
        "[Critical] user alice",
        "Timeline (UTC)",
        "Scope",
        "Likely techniques (ATT&CK 17.0)",
        "Next steps",
    ):
        assert part in text
    assert text.endswith(".\n")
    timeline = text.partition("Timeline")[2].partition("Scope")[0].splitlines()
    assert all(len(line) <= WIDTH for line in text.splitlines() if line not in timeline)


def test_a_long_timeline_is_cut_and_the_rest_is_counted():
    clues = [clue("user.file", at(1, 1.0), f"f{number}") for number in range(30)]
    book = IncidentBook("acme")
    book.take([alert("user:alice", at(1, 1.0), *clues)])
    (incident,) = book.incidents.values()
    assert "  and 25 more\n" in as_text(describe(incident), most_moments=5)
