"""Does the simulator give its campaigns away? Full-size answers; tests ask the same of small organisations.

    python -m benchmarks.bench_guards [--users 250] [--days 42] [--seeds 1 2 3] [--campaigns N] [--keep DIR]

For each seed an organisation is simulated and its files are read without any model. Printed are the best
single feature and the best tree of depth 2 by kind of entity (average precision; 0.5 is too much), values
that only campaigns have (none allowed), and how high simple detectors rank campaigns by difficulty (easy
above hard). The exit status is 1 if an answer is wrong. About 5 minutes a seed at 250 users on one core;
needs pandas and scikit-learn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from training.simulate.guards import HIGHEST_AP, Answer, ask, mean_ease
from training.simulate.writer import Simulation, write


def main() -> int:
    """Simulate, ask, print; 0 if all answers are right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=250)
    parser.add_argument("--days", type=int, default=42)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--campaigns", type=int, default=None)
    parser.add_argument("--keep", type=Path, default=None, help="folder for the simulations; else they go")
    wanted = parser.parse_args()
    answers = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in wanted.seeds:
            folder = (wanted.keep or Path(scratch)) / f"seed-{seed}"
            simulation = Simulation(seed, wanted.users, wanted.days, campaigns=wanted.campaigns)
            summary = write(simulation, folder)
            _say(
                f"seed {seed}: {summary.events:,} events, {len(summary.campaigns)} campaigns with"
                f" {summary.attack_events:,}, {summary.oddities} benign oddities"
            )
            answers.append(ask(folder))
            _show(answers[-1])
            if wanted.keep is None:
                (folder / "events.ndjson").unlink()
    by_difficulty = mean_ease([answer.ranks for answer in answers])
    ordered = by_difficulty.get("easy", 1.0) > by_difficulty.get("hard", 0.0)
    _say("mean rank of campaigns, all seeds: " + ", ".join(f"{k} {v:.3f}" for k, v in by_difficulty.items()))
    passed = ordered and not any(answer.faults() for answer in answers)
    _say("nothing gives the campaigns away" if passed else "FAILED: something gives the campaigns away")
    return 0 if passed else 1


def _show(answer: Answer) -> None:
    for kind, (value, name) in answer.features.items():
        _say(f"  {kind:6} best feature AP {value:.3f} ({name}), tree AP {answer.trees[kind]:.3f}")
    for fault in answer.faults():
        _say(f"  FAULT {fault} (limit {HIGHEST_AP})")
    for kind, difficulty, rank in sorted(answer.ranks):
        _say(f"  {rank:.3f} {difficulty:6} {kind}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
