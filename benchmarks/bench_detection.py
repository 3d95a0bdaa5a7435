"""Detection quality beside peers: PED-B on simulated organisations, habitus, its ablations and open-source
detectors in one run on the same entity-days.

    python -m benchmarks.bench_detection [--users 250] [--days 42] [--seeds 1,2,3,4,5] [--jobs 2]
        [--work out/detection] [--docs docs] [--only habitus,peers,rankings,ablations] [--final]
        [--variants added] [--other out/detection-50/detection.json ...]

Each organisation is simulated once and each method judged once; results are kept in the work folder and used
again as long as neither the code that made them nor what it was given has changed, so a run that was stopped
goes on where it was. Writes docs/detection.md and docs/images/detection-*.svg (with --docs), detection.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.ablations import VARIANTS, Variant
from benchmarks.detection_page import write_page
from benchmarks.rankings import RANKINGS, RememberingRanker, Signals, load_members
from features.kernel_cache import use_user_cache
from models.risk import Budget
from serving import evaluation
from training.pedb.held_out import allowed, held_out
from training.pedb.outcome import Outcome, judge
from training.pedb.protocol import Protocol
from training.pedb.ranking import perfect, ranking_of
from training.pedb.supervised import supervised_scores
from training.pedb.vectors import DayMatrix
from training.stability import budget_ratios

if TYPE_CHECKING:
    import pandas as pd

    from training.pedb.held_out import HeldOut
    from training.pedb.ranking import Ranking

ROOT = Path(__file__).resolve().parent.parent
HABITUS = "habitus"
PARTS = ("habitus", "peers", "rankings")
"""What runs unless something else is asked for; "ablations" replays every organisation once a variant."""
PLAIN = Variant(HABITUS, dict)


@dataclass(frozen=True)
class Job:
    """One organisation and what to judge on it. variants: only those whose names contain this."""

    seed: int
    users: int
    days: int
    work: Path
    protocol: Protocol
    aside: HeldOut
    parts: tuple[str, ...]
    variants: str = ""


class Organisation(NamedTuple):
    """A scored organisation: what the judgement of any method on it needs."""

    dataset: evaluation.Dataset
    days: pd.DataFrame
    signals: Signals
    first_day: int
    last_day: int
    frame: evaluation.Frame

    @property
    def vectors(self) -> DayMatrix:
        """What the peers are fitted on."""
        return self.signals.vectors


class Results:
    """Outcomes of one organisation on disk, each beside the key of what made it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, method: str) -> Path:
        return self._folder / f"{''.join(c if c.isalnum() else '-' for c in method)}.json"

    def get(self, method: str, key: str) -> Outcome | None:
        path = self._path(method)
        if not path.is_file():
            return None
        kept = json.loads(path.read_bytes())
        return msgspec.convert(kept["outcome"], Outcome) if kept["key"] == key else None

    def put(self, outcome: Outcome, key: str, seconds: float) -> None:
        kept = {"key": key, "seconds": round(seconds, 1), "outcome": msgspec.to_builtins(outcome)}
        path = self._path(outcome.method)
        path.with_suffix(".part").write_text(json.dumps(kept) + "\n", "utf-8")
        path.with_suffix(".part").replace(path)


def key_of(*parts: object) -> str:
    """Short digest of anything with an honest repr."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def detector_key(job: Job) -> str:
    """Digest of everything that the detector's scores of an organisation depend on."""
    code = [evaluation.digest_of(ROOT / name) for name in ("features", "models", "training/simulate")]
    replay = hashlib.sha256((ROOT / "serving" / "replay.py").read_bytes()).hexdigest()
    return key_of(code, replay, job.seed, job.users, job.days)


def variant_key(job: Job, variant: Variant) -> str:
    """Digest of everything that a variant's scores of an organisation depend on."""
    untold = () if variant.directory else ("no directory",)
    return key_of(detector_key(job), variant.settings(), *untold)


def judging_key(job: Job) -> str:
    """Digest of the rules and of what is held out."""
    rules = evaluation.digest_of(ROOT / "training" / "pedb")
    return key_of(rules, job.protocol, sorted(job.aside.kinds))


def vectors_key(days: DayMatrix) -> str:
    """Digest of what the peers are given."""
    digest = hashlib.sha256(repr((days.columns, days.kind.tolist(), days.name.tolist())).encode())
    for array in (days.day, days.age_days, days.counts):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:20]


def organisation(job: Job, variant: Variant = PLAIN) -> Organisation:
    """The scored organisation, from disk if the same code has scored it before."""
    import pandas as pd

    dataset = evaluation.simulated(job.work, job.seed, job.users, job.days)
    key = variant_key(job, variant)
    place = job.work / dataset.name / "scored"
    place.mkdir(exist_ok=True)
    days_path, vectors_path = place / f"{key}.parquet", place / f"{key}.npz"
    members_path, about = place / f"members-{key}.npz", place / f"{key}.json"
    if about.is_file() and members_path.is_file():
        days = pd.read_parquet(days_path).assign(day=lambda frame: pd.to_datetime(frame["day"]))
        signals = Signals.of(days, DayMatrix.load(vectors_path), load_members(members_path))
    else:
        settings = variant.settings()
        asked = settings.get("ranker")
        ranker = RememberingRanker(None if asked is None else asked.settings)
        told = dataset if variant.directory else replace(dataset, directory=None)
        # the warm-up rule is applied below, so that it can change without another replay
        scored = evaluation.score(told, Protocol(warm_up_days=0), settings | {"ranker": ranker})
        days = scored.days.drop(columns="reasons")
        days = days.assign(day=pd.to_datetime(days["day"]))
        days.to_parquet(days_path, index=False)
        scored.vectors.save(vectors_path)
        signals = Signals.of(days, scored.vectors, ranker.said(len(scored.vectors.day)))
        signals.save_members(members_path)
        about.write_text(json.dumps({"settings": repr(settings)}) + "\n", "utf-8")
    number = days["day"].to_numpy("datetime64[D]").astype(np.int64)
    frame = evaluation.frame_of(dataset, days, job.aside)
    first = int(number.min()) + job.protocol.warm_up_days
    return Organisation(dataset, days, signals, first, int(number.max()), frame)


def judged(name: str, ranking: Ranking, one: Organisation, protocol: Protocol) -> Outcome:
    """A method's outcome on one organisation."""
    return judge(
        name,
        ranking,
        one.frame.truth,
        protocol,
        first_day=one.first_day,
        last_day=one.last_day,
        seed=one.dataset.seed,
        users=one.dataset.users,
        drift=one.frame.drift,
        age=one.frame.age,
    )


def run_job(job: Job) -> list[Outcome]:
    """Everything on one organisation but what needs the others."""
    use_user_cache()
    ours = organisation(job)
    results = Results(job.work / ours.dataset.name / "results")
    rules = judging_key(job)
    outcomes = []

    def once(method: str, key: str, make: Any) -> None:
        outcome = results.get(method, key)
        if outcome is None:
            start = time.process_time()
            outcome = make()
            results.put(outcome, key, time.process_time() - start)
        outcomes.append(outcome)

    scored = key_of(detector_key(job), rules)
    once(HABITUS, scored, lambda: judged(HABITUS, ranking_of(ours.days), ours, job.protocol))
    best = perfect(ranking_of(ours.days), ours.frame.truth)
    once("perfect ranking", scored, lambda: judged("perfect ranking", best, ours, job.protocol))
    _peers_and_rankings(job, ours, once)
    if "ablations" in job.parts:
        for variant in VARIANTS:
            if job.variants not in variant.name:
                continue
            once(
                variant.name,
                key_of(variant_key(job, variant), rules),
                lambda variant=variant: judged(
                    variant.name, ranking_of(organisation(job, variant).days), ours, job.protocol
                ),
            )
    return outcomes


def _peers_and_rankings(job: Job, ours: Organisation, once: Any) -> None:
    vectors = ours.vectors
    test_days = np.arange(ours.first_day, ours.last_day + 1)
    rules = judging_key(job)
    if "peers" in job.parts:
        from benchmarks.peers import PEERS

        given = key_of(vectors_key(vectors), rules, evaluation.digest_of(ROOT / "benchmarks" / "peers"))
        for name, peer in PEERS.items():
            once(
                name,
                given,
                lambda name=name, peer=peer: judged(
                    name, ranking_of(vectors.frame(peer(vectors, test_days))), ours, job.protocol
                ),
            )
    if "rankings" in job.parts:
        simpler = hashlib.sha256((ROOT / "benchmarks" / "rankings.py").read_bytes()).hexdigest()
        for name, rank in RANKINGS.items():
            once(
                name,
                key_of(detector_key(job), rules, simpler),
                lambda name=name, rank=rank: judged(
                    name, ranking_of(vectors.frame(rank(ours.signals))), ours, job.protocol
                ),
            )


def supervised(jobs: list[Job]) -> list[Outcome]:
    """What labels of the other organisations of the same size teach."""
    found = []
    for users in sorted({job.users for job in jobs}):
        some = [job for job in jobs if job.users == users]
        ones = [organisation(job) for job in some]
        if len(ones) < 2:
            return []
        matrices = [one.vectors for one in ones]
        scores = supervised_scores(
            matrices, [one.frame.truth for one in ones], [one.first_day for one in ones]
        )
        for matrix, score, one, job in zip(matrices, scores, ones, some, strict=True):
            found.append(judged("supervised", ranking_of(matrix.frame(score)), one, job.protocol))
    return found


def budget_weeks(jobs: list[Job]) -> list[tuple[str, float, float]]:
    """Least and most of realised over allowed alerts in any seven days, by organisation, warm-up included."""
    found = []
    for job in jobs:
        ratios = budget_ratios(organisation(job).days, Budget())
        if ratios is not None:
            found.append((f"seed {job.seed}, {job.users} users", *ratios))
    return found


def best_peer(methods: dict[str, list[Outcome]], peers: list[str], protocol: Protocol) -> str | None:
    """The peer with the highest mean recall at the reference budget; the first of equals."""
    from training.pedb.metrics import campaign_recall

    def recall(name: str) -> float:
        values = [
            campaign_recall(o, np.ones((1, len(o.campaigns))), budget=protocol.reference, protocol=protocol)[
                0
            ]
            for o in methods[name]
        ]
        return float(np.mean(values))

    return max(peers, key=recall, default=None)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=numbers, default=(250,))
    parser.add_argument("--days", type=int, default=42)
    parser.add_argument("--warm-up", type=int, default=28)
    parser.add_argument("--seeds", type=numbers, default=(1, 2, 3, 4, 5))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("out/detection"))
    parser.add_argument("--docs", type=Path, help="folder for detection.md and its pictures, e.g. docs")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}, ablations")
    parser.add_argument("--variants", default="", help="only ablations whose names contain this")
    parser.add_argument("--other", type=Path, nargs="*", default=[], help="detection.json of other runs")
    parser.add_argument("--final", action="store_true", help="look at what is held out")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, list[Outcome]]:
    """Run what is missing, print the table, write the page."""
    options = parsed(arguments)
    use_user_cache()
    protocol = Protocol(warm_up_days=options.warm_up)
    aside = allowed(options.seeds, final=options.final)
    parts = tuple(options.only.split(","))
    jobs = [
        Job(seed, users, options.days, options.work, protocol, aside, parts, options.variants)
        for users in options.users
        for seed in options.seeds
    ]
    options.work.mkdir(parents=True, exist_ok=True)
    done: dict[tuple[int, int], list[Outcome]] = {}
    if options.jobs == 1:
        for job in jobs:
            done[job.users, job.seed] = run_job(job)
            print(f"judged seed {job.seed}, {job.users} users", flush=True)
    else:
        with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
            waiting = {pool.submit(run_job, job): job for job in jobs}
            for future in as_completed(waiting):
                job = waiting[future]
                done[job.users, job.seed] = future.result()
                print(f"judged seed {job.seed}, {job.users} users", flush=True)
    methods: dict[str, list[Outcome]] = {}
    for job in jobs:
        for outcome in done[job.users, job.seed]:
            methods.setdefault(outcome.method, []).append(outcome)
    with_labels = supervised(jobs)
    if with_labels:
        methods["supervised"] = with_labels
    peers: list[str] = []
    if "peers" in parts:
        from benchmarks.peers import PEERS

        peers = [name for name in PEERS if name in methods]
    ablations = [name for name in (*RANKINGS, *(variant.name for variant in VARIANTS)) if name in methods]
    sizes = " and ".join(map(str, options.users))
    kept_out = () if options.final else tuple(sorted(held_out().kinds))
    print(
        write_page(
            methods,
            peers,
            ablations,
            best_peer(methods, peers, protocol),
            protocol,
            work=options.work,
            docs=options.docs,
            about=f"{len(options.seeds)} seeds, {sizes} users, {options.days} days",
            held_out=kept_out,
            weeks=budget_weeks(jobs),
            others=options.other,
        )
    )
    return methods


if __name__ == "__main__":
    main()
