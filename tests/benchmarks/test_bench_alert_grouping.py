"""The grouping benchmark reads alert files, keeps counts, measures honestly, and writes its page."""

from __future__ import annotations

import csv
import gzip

import pytest

from benchmarks import bench_alert_grouping as bench
from features.errors import InputError

HEADER = ("time", "name", "ip", "host", "short", "time_label", "event_label")
DAY = 1_643_068_800
"""2022-01-25 00:00 UTC."""


def everyday(days: int) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for day in range(days):
        for half in range(48):
            for host in ("mail", "web"):
                when = DAY + 86_400 * day + 1_800 * half
                rows += [(when, "Wazuh: ClamAV", "10.0.0.1", host, "W", bench.BENIGN, "-")] * 2
    return rows


def attack(day: int) -> list[tuple[object, ...]]:
    start = DAY + 86_400 * day + 43_200
    rows = []
    for place, (step, name) in enumerate(
        (("wpscan", "Wazuh: 404"), ("webshell", "AMiner: new file"), ("privilege_escalation", "Wazuh: sudo"))
    ):
        rows.append((start + 60 * place, name, "10.0.0.2", "web", "W", step, step))
    return rows + rows[:1] * 300


def write(folder, name: str, rows: list[tuple[object, ...]]) -> None:
    with gzip.open(folder / f"{name}_alerts.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alerts")
    for bed in bench.BEDS:
        write(folder, bed, (everyday(5) + attack(4))[::-1])
    return folder


@pytest.fixture(scope="module")
def rows(folder, tmp_path_factory):
    docs = tmp_path_factory.mktemp("docs")
    page = docs / "incidents.md"
    page.write_text(
        "\n".join(["before", bench.MARK[0], "old", *bench.MARK[1:], "between", *bench.EXAMPLE, "after\n"])
    )
    found = bench.main(["--data", str(folder), "--docs", str(docs)])
    return found, page.read_text()


def test_the_attack_is_one_incident_beside_everyday_ones(rows):
    ours = next(row for row in rows[0] if row.method == "habitus")
    plain = next(row for row in rows[0] if row.method == "rule and host")
    assert (ours.covered, ours.attack) == (3, 1)
    assert plain.attack == 3
    assert ours.lines[2] == 0
    assert ours.alerts == plain.alerts == 5 * 48 * 4 + 303


def test_every_alert_is_in_exactly_one_group_of_each_method(folder):
    alerts = bench.load(folder / "fox_alerts.csv.gz")
    everything = sorted(alert.uid for alert in alerts)
    for groups in (
        bench.by_key(alerts, 4.0, with_rule=True),
        bench.by_key(alerts, 4.0, with_rule=False),
        bench.by_story(alerts, bench.RULES),
    ):
        assert sorted(alert.uid for group in groups for alert in group.alerts) == everything


def test_a_step_that_only_everyday_incidents_hold_is_not_covered():
    alert = bench.Labelled(
        "a", DAY * 1_000_000, "r", "h", 1.0, 1, bench.Counter({"dirb": 1}), bench.Counter({"-": 1})
    )
    hidden = bench.measure("x", "m", [alert], [bench.Group([alert], read=False)])
    shown = bench.measure("x", "m", [alert], [bench.Group([alert])])
    assert (hidden.covered, shown.covered) == (0, 1)
    assert shown.reached["dirb"] == 1
    # attack by its window, benign by its log line: the two labels are counted apart
    assert shown.windows == (1, 0, 0)
    assert shown.lines == (0, 1, 0)


def test_the_page_keeps_what_stands_around_the_table(rows):
    _, text = rows
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| shaw | habitus |" in text
    assert "| webshell |" in text
    assert text.index("| webshell |") < text.index("between") < text.index("[Medium] host web: raised")


def test_a_missing_folder_or_page_says_what_to_do(tmp_path, folder):
    with pytest.raises(InputError, match="--data"):
        bench.main(["--data", str(tmp_path)])
    (tmp_path / "incidents.md").write_text("no marks")
    with pytest.raises(InputError, match="put the marks"):
        bench.main(["--data", str(folder), "--docs", str(tmp_path)])
