"""Alerts of other detectors, grouped: AIT alert data of two test beds (fox, shaw) as input events.

Habitus's incidents beside plain deduplication by rule and host, and beside grouping by host alone, all with
the same hours of silence after which a group closes. What could be set was chosen on shaw (`--choose` shows
the trial); fox was only measured.

    python -m benchmarks.bench_alert_grouping --data DIR [--docs docs] [--choose]

Data: Landauer, Skopik, Wurzenberger: "Introducing a New Alert Data Set for Multi-Step Attack Analysis", 2023.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from features.errors import InputError
from models.incidents.book import IncidentBook
from models.incidents.foreign import FOREIGN_RULES, ForeignAlert, ForeignAlerts
from models.incidents.rules import Rules
from models.incidents.story import describe
from models.incidents.text import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = (
    "service_stop",
    "dnsteal",
    "network_scans",
    "service_scans",
    "wpscan",
    "dirb",
    "webshell",
    "cracking",
    "reverse_shell",
    "privilege_escalation",
)
BENIGN = "false_positive"
BEDS = ("shaw", "fox")
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
A_DAY = 10
"""Incidents that somebody reads on a day, for the column that ranks."""
RULES = FOREIGN_RULES
MARK = ("<!-- measured: begin -->", "<!-- measured: end -->")
EXAMPLE = ("<!-- example: begin -->", "<!-- example: end -->")


class Labelled(NamedTuple):
    """One distinct alert: second, rule and host, with its repeats and its labels by number."""

    uid: str
    time_us: int
    rule: str
    host: str
    risk: float
    count: int
    steps: Counter[str]
    lines: Counter[str]


@dataclass
class Group:
    """What one method made: alerts, and whether somebody is meant to read it."""

    alerts: list[Labelled]
    read: bool = True

    @property
    def risk(self) -> float:
        return max(alert.risk for alert in self.alerts)

    @property
    def steps(self) -> set[str]:
        return {step for alert in self.alerts for step in alert.steps} - {BENIGN}

    def purity(self, *, by_line: bool) -> str:
        """attack, benign or mixed, by the labels of windows or of log lines."""
        labels = {name for alert in self.alerts for name in (alert.lines if by_line else alert.steps)}
        benign = "-" if by_line else BENIGN
        if labels == {benign}:
            return "benign"
        return "mixed" if benign in labels else "attack"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    reached: by attack step, the place by risk, within the day, of the first incident to read that holds it; 0
    where none does. windows, lines: incidents with attack only, benign only and both, by either label.
    """

    bed: str
    method: str
    alerts: int
    days: int
    to_read: int
    everyday: int
    attack: int
    reached: dict[str, int]
    windows: tuple[int, int, int]
    lines: tuple[int, int, int]

    @property
    def compression(self) -> float:
        return self.alerts / (self.to_read + self.everyday)

    @property
    def covered(self) -> int:
        return sum(place > 0 for place in self.reached.values())

    @property
    def at_the_top(self) -> int:
        return sum(0 < place <= A_DAY for place in self.reached.values())


def load(path: Path) -> list[Labelled]:
    """A test bed's alerts, repeats within a second counted, with the risk that they come in with."""
    counts: Counter[tuple[int, str, str]] = Counter()
    steps: defaultdict[tuple[int, str, str], Counter[str]] = defaultdict(Counter)
    lines: defaultdict[tuple[int, str, str], Counter[str]] = defaultdict(Counter)
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = (int(row["time"]) * 1_000_000, row["name"], row["host"])
                counts[key] += 1
                steps[key][row["time_label"]] += 1
                lines[key][row["event_label"]] += 1
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: no AIT alerts ({error}); give the folder that holds them by --data"
        ) from error
    foreign = [
        ForeignAlert(time_us, rule, host, rule.split(":")[0])
        for (time_us, rule, host), count in counts.items()
        for _ in range(count)
    ]
    found = []
    for alert in ForeignAlerts().take(foreign):
        key = (alert.first_us, alert.clues[0].cause, alert.entity)
        found.append(Labelled(alert.uid, *key, alert.risk, alert.count, steps[key], lines[key]))
    return found


def by_key(alerts: list[Labelled], quiet_hours: float, *, with_rule: bool) -> list[Group]:
    """Plain deduplication: one group a (rule and) host until it is silent for a while."""
    groups: list[Group] = []
    newest: dict[tuple[str, str], Group] = {}
    for alert in alerts:
        key = (alert.rule if with_rule else "", alert.host)
        group = newest.get(key)
        if group is None or alert.time_us - group.alerts[-1].time_us > quiet_hours * HOUR_US:
            newest[key] = group = Group([])
            groups.append(group)
        group.alerts.append(alert)
    return groups


def by_story(alerts: list[Labelled], rules: Rules) -> list[Group]:
    """Incidents of habitus, hour by hour as they would come in."""
    return list(stories(alerts, rules)[1].values())


def stories(alerts: list[Labelled], rules: Rules) -> tuple[IncidentBook, dict[str, Group]]:
    """The book after the last alert, and its incidents' alerts by id."""
    hours: defaultdict[int, list[ForeignAlert]] = defaultdict(list)
    for alert in alerts:
        one = ForeignAlert(alert.time_us, alert.rule, alert.host, alert.rule.split(":")[0])
        hours[alert.time_us // HOUR_US] += [one] * alert.count
    book, source = IncidentBook("ait", rules), ForeignAlerts()
    homes: dict[str, str] = {}
    for hour in sorted(hours):
        homes |= book.take(source.take(hours[hour])).homes
    groups: dict[str, Group] = {}
    for alert in alerts:
        key = book.resolve(homes[alert.uid])
        groups.setdefault(key, Group([], read=not book.incidents[key].routine)).alerts.append(alert)
    return book, groups


def measure(bed: str, method: str, alerts: list[Labelled], groups: list[Group]) -> Row:
    """The figures of one method on one test bed."""
    read = [group for group in groups if group.read]
    days = sorted({alert.time_us // DAY_US for alert in alerts})
    reached = dict.fromkeys(STEPS, 0)
    for day in days:
        opened = [group for group in read if group.alerts[0].time_us // DAY_US == day]
        opened.sort(key=lambda group: (-group.risk, group.alerts[0].time_us, group.alerts[0].uid))
        for place, group in enumerate(opened, 1):
            for step in group.steps:
                reached[step] = min(reached[step] or place, place)
    return Row(
        bed,
        method,
        sum(alert.count for alert in alerts),
        len(days),
        len(read),
        len(groups) - len(read),
        sum(bool(group.steps) for group in read),
        reached,
        _purities(read, by_line=False),
        _purities(read, by_line=True),
    )


def _purities(groups: list[Group], *, by_line: bool) -> tuple[int, int, int]:
    counts = Counter(group.purity(by_line=by_line) for group in groups)
    return counts["attack"], counts["benign"], counts["mixed"]


def compare(bed: str, alerts: list[Labelled], rules: Rules) -> list[Row]:
    """All methods on one test bed, with one window."""
    quiet = rules.quiet_hours
    return [
        measure(bed, "rule and host", alerts, by_key(alerts, quiet, with_rule=True)),
        measure(bed, "host", alerts, by_key(alerts, quiet, with_rule=False)),
        measure(bed, "habitus", alerts, by_story(alerts, rules)),
    ]


COLUMNS = (
    "test bed",
    "grouped by",
    "alerts",
    "incidents a day",
    "to read a day",
    "alerts an incident",
    "steps covered, of 10",
    f"of these in a day's top {A_DAY}",
    "incidents with attack",
    "attack only / benign only / mixed, by window",
    "the same by log line",
)


def table(rows: list[Row]) -> str:
    """The rows as Markdown: the figures, then where each attack step was reached."""
    lines = [_line(COLUMNS), "|---|---|" + "---:|" * (len(COLUMNS) - 2)]
    for row in rows:
        figures = (
            f"{row.alerts:,}",
            f"{(row.to_read + row.everyday) / row.days:.1f}",
            f"{row.to_read / row.days:.1f}",
            f"{row.compression:,.0f}",
            str(row.covered),
            str(row.at_the_top),
            str(row.attack),
            _shares(row.windows),
            _shares(row.lines),
        )
        lines.append(_line((row.bed, row.method, *figures)))
    lines += ["", _line(("attack step", *(f"{row.bed}: {row.method}" for row in rows)))]
    lines.append("|---|" + "---:|" * len(rows))
    lines += [_line((step, *(str(row.reached[step] or "-") for row in rows))) for step in STEPS]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shares(counts: tuple[int, int, int]) -> str:
    total = max(1, sum(counts))
    return " / ".join(f"{100 * count / total:.0f}%" for count in counts)


def choose(alerts: list[Labelled]) -> None:
    """What was tried on shaw."""
    for quiet in (1.0, 2.0, 4.0, 8.0):
        for join in (1.5, 2.0, 2.5, 3.0):
            for routine in (3.0, 4.0):
                rules = Rules(routine_nats=routine, join_nats=join, merge_nats=join + 2, quiet_hours=quiet)
                row = measure("shaw", "", alerts, by_story(alerts, rules))
                print(
                    f"quiet {quiet:g} join {join:g} routine {routine:g}: to read "
                    f"{row.to_read / row.days:.1f} a day, steps {row.covered}, top {row.at_the_top}, "
                    f"attack {row.attack}, windows {_shares(row.windows)}, lines {_shares(row.lines)}",
                    flush=True,
                )


def example(alerts: list[Labelled]) -> str:
    """The incident with the highest risk that holds attack, as an analyst reads it."""
    book, groups = stories(alerts, RULES)
    told = [key for key, group in groups.items() if group.read and group.steps]
    first = min(told, key=lambda key: (-book.incidents[key].risk, key))
    return f"```text\n{as_text(describe(book.incidents[first]), most_moments=12)}```"


def write(page: Path, marks: tuple[str, str], text: str) -> None:
    """Put text between two marks of the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, found, after = rest.partition(marks[1])
    if not found:
        raise InputError(f"{page}: put the marks {marks[0]} and {marks[1]} where the text belongs")
    page.write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{after}", encoding="utf-8")


def main(argv: list[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with fox_alerts.csv.gz and shaw_alerts.csv.gz"
    )
    parser.add_argument("--docs", type=Path, help="folder whose incidents.md gets the table")
    parser.add_argument("--choose", action="store_true", help="show the trial on shaw instead")
    options = parser.parse_args(argv)
    if options.choose:
        choose(load(options.data / "shaw_alerts.csv.gz"))
        return []
    beds = {bed: load(options.data / f"{bed}_alerts.csv.gz") for bed in BEDS}
    rows = [row for bed in BEDS for row in compare(bed, beds[bed], RULES)]
    print(table(rows))
    if options.docs is not None:
        write(options.docs / "incidents.md", MARK, table(rows))
        write(options.docs / "incidents.md", EXAMPLE, example(beds["shaw"]))
    return rows


if __name__ == "__main__":
    main()
