"""The sequence model beside a unigram and an n-gram model: on real UNIX histories, and on simulated days.

Two questions on each: how well is the next token foretold (perplexity on what was not learned; lower is
better), and does surprise tell somebody else's sequence from one's own (AUC)?

  purdue      four users of the UCI KDD UNIX user data, one command a token. The first 5,000 commands of each
              are learned; blocks of 100 from the rest are judged as the user's own and as each other user's.
  simulated   sequences of `models.sequence.book` of an invented organisation; the last third of the days is
              judged as the owner's own and as another user's of the same day.

    python -m benchmarks.bench_sequence [--data ../shared/data] [--users 12] [--days 18] [--docs docs]

The folder of the real data may also be named by HABITUS_TEST_DATA; without it that half is skipped.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from models.sequence import fitting
from models.sequence.model import peaks
from models.sequence.ngrams import Ngrams
from models.sequence.sequences import Sequences, sequences_of
from models.sequence.vocabulary import Vocabulary
from training.lab import office, to_lake

USERS = ("USER1", "USER2", "USER3", "USER4")
LEARNED, BLOCK = 5_000, 100
HELD_SHARE = 0.1
"""Of what is learned, the last part: it tells the network when to stop."""
METHODS = {"unigram": 1, "bigram": 2, "trigram": 3, "sequence model": 0}
EPOCHS = 8


@dataclass(frozen=True)
class Task:
    """past, held: what may be learned, and its last part. own, foreign: what is judged, with whose account it
    is taken for as the owner.
    """

    name: str
    past: Sequences
    held: Sequences
    own: Sequences
    foreign: Sequences


@dataclass(frozen=True)
class Result:
    """perplexity: of own sequences. auc_mean: by mean surprisal; auc_ratio: by how much likelier one is to
    everybody's model than to the owner's, mean over tokens; auc_peak: the same over the most telling tokens.
    seconds: processor time of fitting. peak_mb: of the process, the libraries apart.
    """

    task: str
    method: str
    perplexity: float
    auc_mean: float
    auc_ratio: float
    auc_peak: float
    seconds: float
    peak_mb: float


def purdue(folder: Path) -> Task:
    """Commands as tokens; blocks of BLOCK."""
    histories = []
    for user in USERS:
        text = (folder / "purdue" / f"{user}.txt").read_text()
        histories.append([line.strip() for line in text.splitlines() if line.strip()])
    number = {name: code for code, name in enumerate(sorted({n for h in histories for n in h}))}
    codes = [[number[name] for name in history] for history in histories]

    def blocks(first: int, last: int | None) -> tuple[list[list[int]], list[int]]:
        parts, owner = [], []
        for user, history in enumerate(codes):
            stretch = history[first:last]
            for start in range(0, len(stretch) - BLOCK + 1, BLOCK):
                parts.append(stretch[start : start + BLOCK])
                owner.append(user + 1)
        return parts, owner

    cut = int(LEARNED * (1 - HELD_SHARE))
    parts, owner = blocks(LEARNED, None)
    others = [
        (part, 1 + user)
        for part, mine in zip(parts, owner, strict=True)
        for user in range(4)
        if user + 1 != mine
    ]
    return Task(
        "purdue",
        sequences_of(*blocks(0, cut)),
        sequences_of(*blocks(cut, LEARNED)),
        sequences_of(parts, owner),
        sequences_of([part for part, _ in others], [user for _, user in others]),
    )  # fmt: skip


def simulated(users: int, days: int, seed: int = 21) -> Task:
    """Users' days of an invented organisation as `SequenceBook` collects them."""
    from features.baselines import Baselines
    from models.sequence.book import SequenceBook
    from training.events_table import batch_of

    with tempfile.TemporaryDirectory() as place:
        folder = office(Path(place) / "office", users=users, days=days, seed=seed)
        lake = to_lake(folder / "events.ndjson", Path(place) / "lake")
        baselines, kept = Baselines(), []
        book = SequenceBook(baselines)
        first = lake.span_us[0] // 86_400_000_000
        for day in range(first, lake.span_us[1] // 86_400_000_000 + 1):
            book.open_day(day)
            for table in lake.between(day * 86_400_000_000, (day + 1) * 86_400_000_000).slices():
                book.add(batch_of(table, baselines))
            today = book.sequences()
            today = today.pick(np.flatnonzero(baselines.entities.kind[today.owner] == 0))
            kept.append(today)
    judged_from = len(kept) - len(kept) // 3
    held_from = judged_from - max(1, judged_from // 6)
    own = joined(kept[judged_from:])
    foreign = joined([swapped(day) for day in kept[judged_from:] if len(day) > 1])
    return Task("simulated", joined(kept[:held_from]), joined(kept[held_from:judged_from]), own, foreign)


def joined(parts: list[Sequences]) -> Sequences:
    starts, at = [np.zeros(1, np.int64)], 0
    for part in parts:
        starts.append(part.starts[1:] + at)
        at += int(part.starts[-1])
    return Sequences(
        np.concatenate([part.tokens for part in parts]),
        np.concatenate(starts),
        np.concatenate([part.owner for part in parts]),
    )


def swapped(day: Sequences) -> Sequences:
    """Everybody's day at the account of the next one."""
    return replace(day, owner=np.roll(day.owner, 1))


def measured(task: Task, method: str) -> Result:
    """One method on one task; runs in a process of its own, so that memory is its own."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if method == "sequence model":
        import torch  # its own megabytes are no cost of the model

        torch.set_num_threads(1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    scores, background = fitted(task, method)
    seconds = time.process_time() - began
    own, foreign = scores(task.own), scores(task.foreign)
    truth = np.r_[np.zeros(len(task.own)), np.ones(len(task.foreign))]
    mean = [means(values, asked) for values, asked in ((own, task.own), (foreign, task.foreign))]
    both = ((own, task.own), (foreign, task.foreign))
    excess = [(values - background(asked), asked) for values, asked in both]
    ratio = [means(values, asked) for values, asked in excess]
    peak = [peaks(values, asked) for values, asked in excess]
    return Result(
        task.name,
        method,
        float(np.exp(own.mean(dtype=np.float64))),
        float(roc_auc_score(truth, np.concatenate(mean))),
        float(roc_auc_score(truth, np.concatenate(ratio))),
        float(roc_auc_score(truth, np.concatenate(peak))),
        seconds,
        (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    )


def fitted(task: Task, method: str):
    """Surprisal of any sequences, by a method fitted on a task's past; n-grams are mixed half and half of the
    owner's own and everybody's.
    """
    if method == "sequence model":
        settings = replace(fitting.DEFAULTS, epochs=EPOCHS, device="cpu")
        model = fitting.fit(task.past, task.held, settings)
        if model is None:
            raise SystemExit("too few sequences to learn from: give more users or days")
        return model.surprisal, lambda asked: model.surprisal(replace(asked, owner=0 * asked.owner))
    vocabulary = Vocabulary.fitted(task.past, fitting.MOST_TOKENS)
    known = vocabulary.coded(joined([task.past, task.held]))
    order, codes = METHODS[method], len(vocabulary)
    everybody = Ngrams.fitted(known, codes, order)
    personal = {
        owner: Ngrams.fitted(known.pick(np.flatnonzero(known.owner == owner)), codes, order)
        for owner in np.unique(known.owner).tolist()
    }

    def surprisal(asked: Sequences) -> np.ndarray:
        coded = vocabulary.coded(asked)
        out = everybody.surprisal(coded)
        which = np.repeat(np.arange(len(coded)), coded.lengths)
        for owner, model in personal.items():
            rows = np.flatnonzero(coded.owner == owner)
            mine = np.isin(which, rows)
            # half the owner's own habit, half everybody's: a plain mixture
            both = [model.surprisal(coded.pick(rows)), out[mine]]
            out[mine] = np.log(2.0) - np.logaddexp(-both[0], -both[1])
        return out

    return surprisal, lambda asked: everybody.surprisal(vocabulary.coded(asked))


def means(values: np.ndarray, asked: Sequences) -> np.ndarray:
    which = np.repeat(np.arange(len(asked)), asked.lengths)
    return np.bincount(which, values, len(asked)) / np.maximum(asked.lengths, 1)


def evaluate(tasks: list[Task]) -> list[Result]:
    """All methods on all tasks, each in a fresh process."""
    found = []
    for task in tasks:
        for method in METHODS:
            with get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(measured, (task, method)))
            print(found[-1], flush=True)
    return found


def table(results: list[Result]) -> str:
    lines = [
        "| data | method | perplexity | AUC, mean surprisal | AUC, ratio | AUC, ratio of few | fit, s |"
        " memory, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.task} | {r.method} | {r.perplexity:.1f} | {r.auc_mean:.3f} | {r.auc_ratio:.3f} |"
        f" {r.auc_peak:.3f} | {r.seconds:.1f} | {r.peak_mb:.0f} |"
        for r in results
    ]
    return "\n".join(lines)


BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def write_page(path: Path, text: str) -> None:
    """Put the table between its marks."""
    page = path.read_text("utf-8")
    head, rest = page.split(BEGIN)
    path.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("HABITUS_TEST_DATA", "../shared/data"))
    )
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--days", type=int, default=18)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    tasks = []
    if (options.data / "purdue").is_dir():
        tasks.append(purdue(options.data))
    else:
        print(f"no real data in {options.data}: that half is skipped; name the folder with --data")
    if options.users:
        tasks.append(simulated(options.users, options.days))
    text = table(evaluate(tasks))
    print(text)
    if options.docs:
        write_page(options.docs / "sequence.md", text)


if __name__ == "__main__":
    main()
