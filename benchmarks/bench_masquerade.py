"""Masquerade on real UNIX shell histories: does a block of another user's commands look like another user's?

Four users' commands (UCI KDD UNIX user data, one command a line). The first 5,000 of each are learned; the
rest is cut into blocks of 100. For each user, the own blocks are benign and the other users' blocks stand for
a masquerader at the user's account. The block score of habitus is the sum of the signed evidence of its
events.

Two backgrounds, because a likelihood ratio against a background that holds the impostor is flattered:
  with peers          everybody's first 5,000 commands are learned
  impostor left out   the impostor's are not: one run for each (user, impostor) pair

Beside it, on the same blocks: plain self-surprisal (-ln of the user's smoothed command frequencies) and an
isolation forest on command counts of the user's own training blocks.

    python -m benchmarks.bench_masquerade --data ../shared/data [--out docs/masquerade.md]
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from features.rows import empty_rows, put_events
from features.sources.base import SourceContext
from features.sources.ocsf import OcsfDecoder
from models.detector import Detector
from training.metrics import recall_at_fpr

USERS = ("USER1", "USER2", "USER3", "USER4")
LEARNED = 5_000
BLOCK = 100
START_MS = 1_700_000_000_000
SMOOTHING = 0.01
FALSE_POSITIVES = 0.05


def commands(path: Path) -> list[str]:
    """Commands of one user; blank lines are skipped and the two untidy lines stripped (see the data's
    README).
    """
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def batch_of(detector: Detector, user: str, names: list[str], first_second: int):
    """The commands as OCSF Process Activity events of a user, one a second, through the OCSF decoder."""
    decoder = OcsfDecoder(SourceContext(identity=detector.resolver))
    events = [
        decoder.decode(
            msgspec.json.encode(
                {
                    "class_uid": 1007,
                    "activity_id": 1,
                    "time": START_MS + 1000 * (first_second + index),
                    "metadata": {"version": "1.8.0"},
                    "actor": {"user": {"name": user}},
                    "process": {"name": name},
                }
            )
        )
        for index, name in enumerate(names)
    ]
    rows = empty_rows(len(events))
    put_events(rows, np.arange(len(events)), events, detector.columniser.begin())
    return detector.columniser.batch(rows)


def learned(histories: dict[str, list[str]], users: tuple[str, ...]) -> Detector:
    """A detector that has learned the first commands of some users."""
    detector = Detector(key_seed=1)
    for user in users:
        detector.baselines.learn(batch_of(detector, user, histories[user][:LEARNED], 0))
    return detector


def blocks(names: list[str]) -> list[list[str]]:
    """Whole blocks of the commands that were not learned."""
    rest = names[LEARNED:]
    return [rest[start : start + BLOCK] for start in range(0, len(rest) - BLOCK + 1, BLOCK)]


def block_scores(detector: Detector, account: str, tests: list[list[str]]) -> np.ndarray:
    """Summed signed evidence of each block when it is run at an account."""
    flat = [name for block in tests for name in block]
    evidence = np.nansum(detector.engine.raw_evidence(batch_of(detector, account, flat, LEARNED)), axis=1)
    return evidence.reshape(len(tests), BLOCK).sum(axis=1)


def self_surprisal(history: list[str], tests: list[list[str]]) -> np.ndarray:
    """Mean -ln p of a block under the user's own smoothed command frequencies."""
    names, counts = np.unique(history[:LEARNED], return_counts=True)
    total = LEARNED + SMOOTHING * (len(names) + 1)
    surprise = dict(zip(names, -np.log((counts + SMOOTHING) / total), strict=True))
    unseen = -np.log(SMOOTHING / total)
    return np.array([np.mean([surprise.get(name, unseen) for name in block]) for block in tests])


def isolation_forest(history: list[str], tests: list[list[str]]) -> np.ndarray:
    """Isolation forest on command counts, fitted on the user's own training blocks."""
    vocabulary = {name: index for index, name in enumerate(sorted(set(history[:LEARNED])))}

    def counts(block: list[str]) -> np.ndarray:
        row = np.zeros(len(vocabulary) + 1)
        for name in block:
            row[vocabulary.get(name, len(vocabulary))] += 1
        return row

    own = [history[start : start + BLOCK] for start in range(0, LEARNED, BLOCK)]
    forest = IsolationForest(n_estimators=200, random_state=0).fit(np.array([counts(block) for block in own]))
    return -forest.score_samples(np.array([counts(block) for block in tests]))


@dataclass
class Result:
    """AUC and recall at 5% false positives of one user and method."""

    user: str
    method: str
    auc: float
    recall: float


def evaluate(data: Path) -> list[Result]:
    """All methods for all users."""
    histories = {user: commands(data / "purdue" / f"{user}.txt") for user in USERS}
    tests = {user: blocks(histories[user]) for user in USERS}
    everybody = learned(histories, USERS)
    left_out = {impostor: learned(histories, tuple(u for u in USERS if u != impostor)) for impostor in USERS}
    results = []
    for user in USERS:
        others = [other for other in USERS if other != user]
        foreign = list(itertools.chain.from_iterable(tests[other] for other in others))
        truth = np.r_[np.zeros(len(tests[user])), np.ones(len(foreign))]
        scores = {
            "habitus, peers as background": block_scores(everybody, user, tests[user] + foreign),
            "self-surprisal": self_surprisal(histories[user], tests[user] + foreign),
            "isolation forest": isolation_forest(histories[user], tests[user] + foreign),
        }
        for method, values in scores.items():
            results.append(
                Result(
                    user, method, roc_auc_score(truth, values), recall_at_fpr(truth, values, FALSE_POSITIVES)
                )
            )
        pairs = []
        for other in others:
            values = block_scores(left_out[other], user, tests[user] + tests[other])
            against = np.r_[np.zeros(len(tests[user])), np.ones(len(tests[other]))]
            pairs.append((roc_auc_score(against, values), recall_at_fpr(against, values, FALSE_POSITIVES)))
        auc, recall = np.mean(pairs, axis=0)
        results.append(Result(user, "habitus, impostor left out", auc, recall))
    return results


def table(results: list[Result]) -> str:
    """The results as a Markdown table: AUC / recall at 5% false positives."""
    methods = list(dict.fromkeys(result.method for result in results))
    lines = ["| user | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for user in (*USERS, "mean"):
        cells = []
        for method in methods:
            rows = [r for r in results if r.method == method and user in (r.user, "mean")]
            cells.append(f"{np.mean([r.auc for r in rows]):.3f} / {np.mean([r.recall for r in rows]):.3f}")
        lines.append(f"| {user} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


HEADER = """# Masquerade on real UNIX histories

Made by `python -m benchmarks.bench_masquerade`; AUC / recall at 5% false positives. Four users of the UCI KDD
UNIX user data, the first 5,000 commands of each learned, blocks of 100 from the rest; for each user the other
users' blocks stand for a masquerader at the account. habitus: the block score is the sum of the signed
evidence of its events, read as OCSF Process Activity through the ordinary decoder. "Peers as background":
everybody's first commands are learned, the impostor's too, which flatters a likelihood ratio. "Impostor left
out": the impostor's are not; mean of three runs for each user. There are no hosts, parents or command lines
in this data, so that one behaviour (`user.process`) does nearly all the work; the hour of the day is the
other one, and the time stamps are invented.

"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not (options.data / "MANIFEST.csv").is_file():
        print(f"no real data in {options.data}: name the folder with --data")
        return
    text = table(evaluate(options.data))
    print(text)
    if options.out:
        options.out.write_text(HEADER + text + "\n")


if __name__ == "__main__":
    main()
