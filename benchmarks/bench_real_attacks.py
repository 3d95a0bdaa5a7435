"""Does the attack that a public recording holds come out on top once the names in it have a quiet past?

A recording is minutes to hours long, so it has no past of its own. Here its names are a few among the people
and machines of a simulated organisation: fourteen quiet days are learned, and on the next day everybody goes
on as before while the recording is read beside it, by the reader and the scorer of `habitus score`. Then the
day's entities are ranked. Ground truth: `benchmarks/real_attack_cases.py`, and the labels of the capture,
which no method sees.

    python -m benchmarks.bench_real_attacks --data ../shared/data [--work out/real-attacks]
        [--out docs/real-attacks.md] [--seed 5]
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks import real_attack_past as quiet
from benchmarks import real_attack_records as records_of
from benchmarks.real_attack_cases import ADDRESSES, ALONE, CASES, DOMAIN, Case
from benchmarks.real_attack_page import NATIVE, OURS, SIMULATED, Entity, Outcome, page, place_of, rank
from features.behaviours import ENTITY_KINDS
from features.kernel_cache import use_user_cache
from models.detector import Detector
from serving.evaluation import vectors_of
from serving.replay import choose_sources, replay

if TYPE_CHECKING:
    import pandas as pd

    from training.pedb.vectors import DayMatrix

Scores = dict[Entity, float]

DAY = date(2020, 12, 10)
"""A Thursday, and the day of the year of the SSH log, whose stamps have no year."""
ZEEK, SSH = "zeek/stratosphere-001", "syslog/OpenSSH_2k.log"
GUESSERS = 3
FAILED = re.compile(r"Failed \w+ for (?:invalid user )?\S+ from (\S+)")


class Scored(NamedTuple):
    """A day's entities with each method's score; higher is stranger."""

    scores: dict[str, Scores]
    reasons: dict[Entity, list[str]]


def table_scores(days: DayMatrix, forest: Forest) -> dict[str, Scores]:
    """Scores of the peers on one day's entity vectors."""
    who = list(zip(days.kind.tolist(), days.name.tolist(), strict=True))
    return {
        name: dict(zip(who, np.asarray(values, np.float64).tolist(), strict=True))
        for name, values in (
            ("events", days.column("events")),
            ("never seen before", days.column("first_seen")),
            ("isolation forest", forest.score(days)),
        )
    }


class Forest:
    """Isolation forest on log1p day counts of a past, each kind of entity standardised by itself."""

    def __init__(self, past: DayMatrix, seed: int) -> None:
        from sklearn.ensemble import IsolationForest

        x = np.log1p(np.maximum(past.counts, 0).astype(np.float64))
        self._scale = {}
        for kind in ENTITY_KINDS:
            own = x[past.kind == kind]
            if not len(own):
                own = x
            spread = own.std(axis=0)
            self._scale[kind] = (own.mean(axis=0), np.where(spread > 0, spread, 1.0))
        self._forest = IsolationForest(n_estimators=200, random_state=seed).fit(self._view(past))

    def _view(self, days: DayMatrix) -> np.ndarray:
        x: np.ndarray = np.log1p(np.maximum(days.counts, 0).astype(np.float64))
        for kind in ENTITY_KINDS:
            mean, spread = self._scale[kind]
            x[days.kind == kind] = (x[days.kind == kind] - mean) / spread
        return x

    def score(self, days: DayMatrix) -> np.ndarray:
        """(n,) higher is stranger."""
        score: np.ndarray = -self._forest.score_samples(self._view(days))
        return score


class Stage:
    """An organisation after its quiet days: recordings are tried on it one at a time, and leave no trace."""

    def __init__(self, state: Path, before: list[Path], today: list[Path], day: date, seed: int) -> None:
        self._state, self._today = state, today
        self._day = records_of.day_us(day) // records_of.DAY_US
        detector = Detector(key_seed=1, seed=seed)
        read(detector, before)
        vectors = vectors_of(detector)
        self._forest = Forest(vectors.take(vectors.day < self._day), seed)
        self.known = set(zip(vectors.kind.tolist(), vectors.name.tolist(), strict=True))
        detector.save(state)
        self._quiet: Scores | None = None

    def quiet(self) -> Scores:
        """habitus's scores of the day as it is without any recording."""
        if self._quiet is None:
            self._quiet = self.score(None).scores[OURS]
        return self._quiet

    def score(self, recording: Path | None) -> Scored:
        """The day's entities with the recording beside everyday work."""
        detector = Detector.load(self._state)
        days = read(detector, [*self._today, *([recording] if recording else [])])
        days = days[days["day"] == datetime.fromtimestamp(self._day * 86_400, UTC).date()]
        who = list(zip(days["entity_kind"], days["entity"], strict=True))
        vectors = detector_day(detector, self._day)
        scores = {"habitus": dict(zip(who, days["risk"].tolist(), strict=True))}
        return Scored(
            scores | table_scores(vectors, self._forest), dict(zip(who, days["reasons"], strict=True))
        )


def detector_day(detector: Detector, day: int) -> DayMatrix:
    """Vectors of one day."""
    vectors = vectors_of(detector)
    return vectors.take(vectors.day == day)


def read(detector: Detector, paths: list[Path]) -> pd.DataFrame:
    """Replay files; entity-days."""
    reader = detector.reader()
    logs, _ = choose_sources(reader, [str(path) for path in paths])
    days, _ = replay(detector, reader, logs)
    return days


def entities_in(path: Path) -> set[Entity]:
    """Users, hosts and addresses that a file names, as the reader sees them."""
    detector = Detector(key_seed=1)
    read(detector, [path])
    found = vectors_of(detector)
    return set(zip(found.kind.tolist(), found.name.tolist(), strict=True))


def tried(
    stage: Stage, past: str, file: str, recording: Path, targets: tuple[Entity, ...], bystanders: list[Entity]
) -> Outcome:
    """Score a recording on a stage and look where its targets are."""
    present = entities_in(recording)
    scored = stage.score(recording)
    of_day = scored.scores["habitus"]
    return Outcome(
        file,
        past,
        targets,
        len(present & of_day.keys()),
        len(of_day),
        len(present - stage.known),
        {
            name: {who: place_of(scores, who, present) for who in targets}
            for name, scores in scored.scores.items()
        },
        [rank(of_day, who) for who in bystanders if who in of_day],
        reasons={who: scored.reasons.get(who, [])[:3] for who in targets},
    )


def targets_of(case: Case) -> tuple[Entity, ...]:
    return ("user", case.actor), ("host", case.host)


def pools(data: Path) -> list[records_of.Stretch]:
    """What bystanders wrote, by recording."""
    people = {case.actor for case in CASES}
    found = []
    for case in CASES:
        if case.bystanders and (data / case.file).is_file():
            records = records_of.recorded(data / case.file)
            found += [
                records_of.stretch_of(case.file, records, host, ADDRESSES[DOMAIN][host], people)
                for host in case.bystanders
            ]
    return [stretch for stretch in found if len(stretch.records) > 1]


class Bench:
    """All stages and all recordings of one data folder."""

    def __init__(self, data: Path, work: Path, seed: int) -> None:
        self._data, self._work, self._seed = data, work, seed
        work.mkdir(parents=True, exist_ok=True)
        self._pasts = {name: quiet.simulated(name, DAY, work / name, seed) for name in (DOMAIN, ALONE)}
        self._pool = pools(data)

    def outcomes(self) -> list[Outcome]:
        """Everything: each organisation with a simulated past, then with one that knows the sources."""
        found = []
        for name in (DOMAIN, ALONE):
            past = self._pasts[name]
            stage = Stage(self._work / name / "state", [past.before], [past.day], DAY, self._seed)
            found += [self._windows(stage, SIMULATED, case) for case in self._cases(name)]
            if name == ALONE:
                found += [*self._zeek(stage), *self._ssh(stage)]
            found += self._with_sources(name)
        return found

    def _cases(self, organisation: str) -> list[Case]:
        return [
            case for case in CASES if case.organisation == organisation and (self._data / case.file).is_file()
        ]

    def _with_sources(self, organisation: str) -> list[Outcome]:
        """A recording is tried only where none of its own records is in the past: the domain's in halves."""
        cases = self._cases(organisation)
        files = sorted({stretch.file for stretch in self._pool})
        halves = (files[::2], files[1::2]) if organisation == DOMAIN else (files,)
        found = []
        for number, half in enumerate(halves):
            pool = [stretch for stretch in self._pool if stretch.file in half]
            mine = [
                case
                for place, case in enumerate(cases)
                if case.file not in half and (case.file in files or place % len(halves) == number)
            ]
            if not pool or not mine:
                continue
            folder = self._work / organisation
            before, today = quiet.background(self._pasts[organisation], pool, DAY, self._seed)
            wrote = records_of.write(folder / "background.ndjson", before)
            goes_on = records_of.write(folder / "background-day.ndjson", today)
            past = self._pasts[organisation]
            stage = Stage(
                folder / f"state-{number}", [past.before, wrote], [past.day, goes_on], DAY, self._seed
            )
            found += [self._windows(stage, NATIVE, case) for case in mine]
        return found

    def _windows(self, stage: Stage, past: str, case: Case) -> Outcome:
        records = records_of.on_day(records_of.recorded(self._data / case.file), DAY)
        path = records_of.write(self._work / "recording.ndjson", records)
        bystanders = [("host", host) for host in case.bystanders]
        outcome = tried(stage, past, case.file, path, targets_of(case), bystanders)
        if past == SIMULATED:
            everyday = stage.quiet()
            outcome.everyday = {who: place_of(everyday, who, set()) for who in outcome.targets}
        if past == SIMULATED and case.bystanders:
            return outcome  # the bystanders tell the same there, and cost nothing
        own = [record for record in records if records_of.host_of(record) == case.host]
        others = [record for record in records if records_of.host_of(record) not in ("", case.host)]
        pool = [stretch for stretch in self._pool if stretch.file != case.file]
        address = ADDRESSES[case.organisation][case.host]
        start = int(records_of.times_of(own).min())
        harmless = quiet.control(pool, case.host, address, len(own), start)
        if len(harmless) == len(own):
            scored = stage.score(records_of.write(path, [*others, *harmless]))
            machine = outcome.targets[1]
            outcome.control = {name: rank(scores, machine) for name, scores in scored.scores.items()}
        return outcome

    def _zeek(self, stage: Stage) -> list[Outcome]:
        labelled = self._data / ZEEK / "labeled-conn.log"
        if not labelled.is_file():
            return []
        infected, harmless = zeek_truth(labelled)
        path = self._work / "conn.log"
        plain = (self._data / ZEEK / "conn.log").read_text()
        path.write_text(zeek_on_day(plain, DAY))
        target: Entity = ("host", infected)
        outcome = tried(stage, SIMULATED, f"{ZEEK}/conn.log", path, (target,), [])
        path.write_text(zeek_on_day(plain, DAY, only=harmless))
        scored = stage.score(path)
        outcome.control = {name: rank(scores, target) for name, scores in scored.scores.items()}
        return [outcome]

    def _ssh(self, stage: Stage) -> list[Outcome]:
        source = self._data / SSH
        if not source.is_file():
            return []
        text = source.read_text()
        guessers = Counter(FAILED.findall(text)).most_common(GUESSERS)
        path = self._work / "sshd.log"
        path.write_text(text)
        midnight = records_of.day_us(DAY) // 1_000_000
        os.utime(path, (midnight + 86_399, midnight + 86_399))  # the reader takes the year from here
        targets = (*(("src_ip", address) for address, _ in guessers), ("host", "labsz"))
        return [tried(stage, SIMULATED, SSH, path, targets, [])]


def zeek_truth(labelled: Path) -> tuple[str, set[str]]:
    """Sender of most malicious connections, and the ids of all connections that are not."""
    malicious: Counter[str] = Counter()
    harmless = set()
    for row in zeek_rows(labelled.read_text()):
        if row["label"] == "Malicious":
            malicious[row["id.orig_h"]] += 1
        else:
            harmless.add(row["uid"])
    return malicious.most_common(1)[0][0], harmless


def zeek_rows(text: str) -> list[dict[str, str]]:
    """Rows of a Zeek TSV log."""
    lines = text.splitlines()
    names = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
    return [
        dict(zip(names, line.split("\t"), strict=True)) for line in lines if line and not line.startswith("#")
    ]


def zeek_on_day(text: str, day: date, only: set[str] | None = None) -> str:
    """The log with its relative times put on a day, from the time of day on that its header gives.

    only: ids of the connections to keep.
    """
    opened = re.search(r"^#open\t\d+-\d+-\d+-(\d+)-(\d+)-(\d+)", text, re.MULTILINE)
    clock = [int(part) for part in opened.groups()] if opened else [12, 0, 0]
    base = records_of.day_us(day) // 1_000_000 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    found = []
    for line in text.splitlines():
        if not line.startswith("#") and line:
            cells = line.split("\t")
            if only is not None and cells[1] not in only:
                continue
            cells[0] = f"{float(cells[0]) + base:.6f}"
            found.append("\t".join(cells))
        else:
            found.append(line)
    return "\n".join(found) + "\n"


def main(arguments: list[str] | None = None) -> list[Outcome]:
    """Run, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("HABITUS_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--work", type=Path, default=Path("out/real-attacks"))
    parser.add_argument("--out", type=Path, help="the page, e.g. docs/real-attacks.md")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args(arguments)
    if not (options.data / "otrf").is_dir():
        print(f"no real data in {options.data}: name the folder with --data or HABITUS_TEST_DATA")
        return []
    use_user_cache()
    outcomes = Bench(options.data, options.work, options.seed).outcomes()
    text = page(outcomes)
    print(text)
    if options.out:
        options.out.write_text(text)
    return outcomes


if __name__ == "__main__":
    main()
