"""What analysts' verdicts are worth: four weeks of a simulated operations centre, with and without them.

    python -m benchmarks.bench_feedback [--users 250] [--days 42] [--seeds 8,9,10,11,12]
        [--layers] [--work out/detection] [--docs docs]

Organisations are those of `bench_detection`, scored by the same code and kept in the same folder; what was
odd about each entity-day, and who worked with whom, comes from a second pass (`benchmarks.day_details`).
Every day the riskiest entity-days are shown (10 for 500 users and hosts) and somebody who knows the labels
judges each of them; the verdicts are given to `models.feedback` on the next day. Writes docs/feedback.md with
--docs.
With --layers also centres that weigh evidence by their verdicts, or read some alerts to learn from.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.bench_detection import Job, Organisation, numbers, organisation
from benchmarks.day_details import DayDetails, details_of
from benchmarks.rankings import by_entity_day, keys_of
from features.behaviours import ENTITY_KINDS
from features.kernel_cache import use_user_cache
from models.alerts import NEAR
from models.feedback import precision
from models.feedback.feedback import BENIGN, TRUE_POSITIVE, Feedback, Things, Verdict
from models.repeats import MEMORY_DAYS, Repeats, news
from models.risk import Budget
from training.judging import rarity_of
from training.labels import Lesson
from training.pedb.held_out import allowed
from training.pedb.protocol import KINDS, Protocol
from training.reranker import BATCH, ONLINE, Learner
from training.retraining import Queue, factors, retrain

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.pedb.truth import Truth

WEEKS = 4
MUTED_DAYS = 14
GATE = "gate"
GATE_DAYS = 7
DAY_US = 86_400_000_000
SAMPLES = 2_000
MARK = ("<!-- measured: begin -->", "<!-- measured: end -->")


class Past(NamedTuple):
    """Entity-days of users and hosts in order of day, with what `Feedback` needs to know of them.

    kind: int64 (n,) number in ENTITY_KINDS. true: bool (n,) part of a campaign. things: what the evidence is
    the sum of, by row, ascending; its values are places in `texts`. partners: rows of who worked closely with
    whom on a day, by row.
    """

    kind: np.ndarray
    name: np.ndarray
    entity: np.ndarray
    day: np.ndarray
    rarity: np.ndarray
    evidence: np.ndarray
    true: np.ndarray
    campaigns: list[tuple[int, ...]]
    causes: tuple[str, ...]
    truth: Truth
    things: Things
    texts: list[str]
    partners: dict[int, tuple[tuple[str, str], ...]]

    def of_day(self, rows: np.ndarray) -> Things:
        """Things of the rows of one day, which stand together."""
        first, last = np.searchsorted(self.things.row, [rows[0], rows[-1] + 1])
        part = Things(*(array[first:last] for array in self.things))
        return part._replace(row=part.row - rows[0])

    def by_cause(self, row: int) -> dict[str, dict[str, float]]:
        """Things of one row by cause and value."""
        found: dict[str, dict[str, float]] = {}
        mine = self.of_day(np.array([row]))
        for cause, value, nats in zip(
            mine.cause.tolist(), mine.value.tolist(), mine.nats.tolist(), strict=True
        ):
            found.setdefault(self.causes[cause], {})[self.texts[value]] = nats
        return found


class Texts:
    """The part of an interner that feedback looks values up in."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def many(self, ids: np.ndarray) -> list[str]:
        """The strings of many ids."""
        return [self._texts[one] for one in ids.tolist()]


class Names:
    """The part of baselines that feedback looks things up in."""

    def __init__(self, past: Past) -> None:
        self.kind = np.zeros(int(past.entity.max()) + 1, np.int64)
        self.kind[past.entity] = past.kind
        self.values = Texts(past.texts)
        self._ids: dict[str, dict[str, int]] = {}
        for kind, name, entity in zip(past.kind.tolist(), past.name, past.entity.tolist(), strict=True):
            self._ids.setdefault(name, {})[ENTITY_KINDS[kind]] = entity

    @property
    def entities(self) -> Names:
        """Where the kinds are."""
        return self

    def find(self, name: str) -> list[tuple[str, int]]:
        """(kind, id) of the entities of a name."""
        return list(self._ids.get(name, {}).items())


@dataclass(frozen=True)
class Centre:
    """An operations centre.

    listens: whether what it says is heard. flipped: share of verdicts that are the opposite of the truth.
    late_days: days from what is shown to its verdict. mutes: a harmless verdict hides the entity altogether,
    as a snooze button does, instead of what `models.feedback` makes of it. weighs: fit of the weights by
    cause that are set every day from LEAST_JUDGED verdicts on, without asking anybody; "gate": those that
    `training.retraining` lets in, once a week. learns: part of what is shown that is chosen as
    `models.alerts` chooses what would teach most.
    """

    name: str
    listens: bool = True
    flipped: float = 0.0
    late_days: int = 1
    mutes: bool = False
    weighs: str = ""
    learns: float = 0.0


CENTRES = (
    Centre("no feedback", listens=False),
    Centre("verdicts"),
    Centre("verdicts, three days late", late_days=3),
    Centre("verdicts, 10% flipped", flipped=0.1),
    Centre("verdicts, 30% flipped", flipped=0.3),
    Centre(f"snooze of {MUTED_DAYS} days", mutes=True),
    Centre(f"snooze of {MUTED_DAYS} days, 10% flipped", mutes=True, flipped=0.1),
)
LAYERS = (
    Centre("verdicts, online weights", weighs=ONLINE),
    Centre("verdicts, batch weights", weighs=BATCH),
    Centre("verdicts, weights that the gate lets in", weighs=GATE),
    Centre("verdicts, online weights, 10% flipped", weighs=ONLINE, flipped=0.1),
    Centre("verdicts, batch weights, 10% flipped", weighs=BATCH, flipped=0.1),
    Centre("verdicts, weights that the gate lets in, 10% flipped", weighs=GATE, flipped=0.1),
    Centre("verdicts, 10% to learn from", learns=0.1),
    Centre("verdicts, 20% to learn from", learns=0.2),
    Centre("verdicts, batch weights, 10% to learn from", weighs=BATCH, learns=0.1),
)


class Lived(NamedTuple):
    """What four weeks came to: precision of each week, share of the campaigns shown, and the share of false
    alarms in the last two weeks about somebody who was shown in vain before.
    """

    weeks: np.ndarray
    found: float
    repeats: float


def past_of(one: Organisation, details: DayDetails) -> Past:
    """Users' and hosts' days of a scored organisation."""
    vectors = one.vectors
    scored = by_entity_day(one.days, rarity_of(one.days))
    keys = keys_of(vectors)
    rows = np.array([row for row, key in enumerate(keys) if key[0] in KINDS and key in scored], np.int64)
    rows = rows[np.argsort(vectors.day[rows], kind="stable")]
    campaigns = [tuple(one.frame.truth.marks.get(keys[row], {})) for row in rows]
    place = {keys[row]: number for number, row in enumerate(rows.tolist())}
    things, texts = details.things(place, vectors.causes)
    return Past(
        kind=np.array([ENTITY_KINDS.index(keys[row][0]) for row in rows], np.int64),
        name=vectors.name[rows],
        entity=vectors.entity[rows],
        day=vectors.day[rows],
        rarity=np.array([scored[keys[row]] for row in rows]),
        evidence=vectors.evidence[rows].astype(np.float64),
        true=np.array([bool(part) for part in campaigns]),
        campaigns=campaigns,
        causes=vectors.causes,
        truth=one.frame.truth,
        things=things,
        texts=texts,
        partners=details.partners(place),
    )


def live(past: Past, centre: Centre, protocol: Protocol, seed: int) -> Lived:
    """The last four weeks of an organisation with an operations centre."""
    first = int(past.day.max()) - 7 * WEEKS + 1
    rng = np.random.default_rng((seed, 17))
    feedback, names, repeats = Feedback(), Names(past), Repeats()
    muted: dict[int, int] = {}
    waiting: list[tuple[int, int, int]] = []
    shown: list[np.ndarray] = []
    weigher = Weigher(past, feedback, centre) if centre.weighs else None
    for day in range(first - MEMORY_DAYS, first):  # people were told of somebody before, too
        rows = np.flatnonzero(past.day == day)
        risk = _fresh(past, rows, repeats.told(past.entity[rows], day))
        top = rows[np.argsort(-risk, kind="stable")][: protocol.slots(protocol.reference, len(rows))]
        repeats.learn(past.entity[top], day, past.rarity[top])
    for day in range(first, first + 7 * WEEKS):
        while waiting and waiting[0][0] <= day:
            _, row, verdict_id = waiting.pop(0)
            _hear(past, row, verdict_id, centre, feedback, muted, day)
            if weigher is not None:
                weigher.hear(row, verdict_id, day)
        if weigher is not None:
            weigher.begin(day, (day - first) % GATE_DAYS == 0)
        rows = np.flatnonzero(past.day == day)
        attacked = feedback.attacked(names, day)  # type: ignore[arg-type]
        risk = _fresh(past, rows, repeats.told(past.entity[rows], day, attacked))
        if centre.mutes:
            risk = np.where([muted.get(e, -1) >= day for e in past.entity[rows].tolist()], 0.0, risk)
        else:
            evidence = past.evidence[rows]
            risk = risk * feedback.factors(
                names,  # type: ignore[arg-type]
                past.causes,
                past.entity[rows],
                day,
                evidence,
                evidence,
                past.of_day(rows),
            )
        slots = protocol.slots(protocol.reference, len(rows))
        order = rows[np.argsort(-risk, kind="stable")]
        top = _chosen(past, order, slots, Budget(learn_share=centre.learns).to_learn(day, slots), feedback)
        if weigher is not None:
            weigher.show(day, top, rows, risk, slots)
        shown.append(top)
        repeats.learn(past.entity[top], day, past.rarity[top])
        # drawn in any case, so that all centres err at the same places
        wrong = rng.random(len(top)) < centre.flipped
        if centre.listens:
            said = np.where(past.true[top] ^ wrong, TRUE_POSITIVE, BENIGN)
            waiting += [
                (day + centre.late_days, row, verdict)
                for row, verdict in zip(top.tolist(), said.tolist(), strict=True)
            ]
    weeks = [np.concatenate(shown[7 * week : 7 * week + 7]) for week in range(WEEKS)]
    seen = {campaign for row in np.concatenate(shown).tolist() for campaign in past.campaigns[row]}
    return Lived(
        np.array([past.true[rows].mean() for rows in weeks]),
        len(seen) / max(1, len(past.truth.campaigns)),
        _repeats(past, shown),
    )


def _fresh(past: Past, rows: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Risk before what people said: `models.days.DayBook.weighed`."""
    rarity = past.rarity[rows]
    return np.asarray(rarity * news(rarity, told))


def _chosen(past: Past, order: np.ndarray, slots: int, to_learn: int, feedback: Feedback) -> np.ndarray:
    """What is shown of a day's rows, the riskiest first: `models.alerts`, of a day that is over."""
    if not to_learn:
        return order[:slots]
    own, near = order[: slots - to_learn], order[slots - to_learn :][: NEAR * slots]
    unknown = precision.unknown(feedback.verdicts, past.causes, past.evidence[near])
    return np.concatenate([own, near[np.argsort(-unknown, kind="stable")][:to_learn]])


class Weigher:
    """Sets a centre's weights from what it says."""

    def __init__(self, past: Past, feedback: Feedback, centre: Centre) -> None:
        self._past, self._feedback, self._centre = past, feedback, centre
        self._learner = Learner(BATCH if centre.weighs == GATE else centre.weighs)
        self._lessons: dict[int, Lesson] = {}
        self._others: dict[int, np.ndarray] = {}
        self._slots: dict[int, int] = {}

    def hear(self, row: int, verdict_id: int, day: int) -> None:
        """Take in a verdict on the day on which it comes."""
        true = verdict_id == TRUE_POSITIVE
        self._lessons[row] = self._lessons[row]._replace(true=true, known_day=day, at_us=day * DAY_US)
        self._learner.learn(self._lessons[row])

    def begin(self, day: int, asks: bool) -> None:
        """Set the weights of a day. asks: whether the gate is asked on it."""
        if self._centre.weighs != GATE:
            if not self._learner.lacks:
                self._feedback.weigh(self._learner.weights())
        elif asks and not self._learner.lacks:
            now = self._feedback.weights
            lessons = list(self._lessons.values())
            again = [
                one._replace(risk=float(one.risk * change))
                for one, change in zip(lessons, factors(now, lessons), strict=True)
            ]
            found = retrain(Queue(again, self._others, self._slots, now), seed=day)
            if found.decision.passed:
                self._feedback.weigh(found.weights)

    def show(self, day: int, top: np.ndarray, rows: np.ndarray, risk: np.ndarray, slots: int) -> None:
        """What was shown of a day, with the risks of all of it, which are kept as without weights."""
        past, at = self._past, {row: place for place, row in enumerate(rows.tolist())}
        made = []
        for row in top.tolist():
            nats = past.evidence[row]
            given = {past.causes[c]: float(nats[c]) for c in np.flatnonzero(nats > 0).tolist()}
            kind = ENTITY_KINDS[int(past.kind[row])]
            made.append(Lesson(kind, str(past.name[row]), day, None, day + 1, float(risk[at[row]]), given))
        plain = factors(self._feedback.weights, made)
        for row, lesson, change in zip(top.tolist(), made, plain.tolist(), strict=True):
            self._lessons[row] = lesson._replace(risk=lesson.risk / change)
        self._others[day] = risk[~np.isin(rows, top)]
        self._slots[day] = slots


def _hear(
    past: Past, row: int, verdict_id: int, centre: Centre, feedback: Feedback, muted: dict[int, int], day: int
) -> None:
    entity = int(past.entity[row])
    if centre.mutes:
        if verdict_id == BENIGN:
            muted[entity] = day + MUTED_DAYS
        else:
            muted.pop(entity, None)
        return
    nats = past.evidence[row]
    feedback.judge(
        Verdict(
            uid=f"{row}",
            entity_kind=ENTITY_KINDS[int(past.kind[row])],
            entity=str(past.name[row]),
            day=int(past.day[row]),
            verdict_id=verdict_id,
            at_us=day * DAY_US,
            evidence={past.causes[c]: float(nats[c]) for c in np.flatnonzero(nats > 0).tolist()},
            things=past.by_cause(row),
            partners=past.partners.get(row, ()) if verdict_id == TRUE_POSITIVE else (),
        )
    )


def _repeats(past: Past, shown: list[np.ndarray]) -> float:
    before: set[int] = set()
    again, in_vain = 0, 0
    for number, rows in enumerate(shown):
        false = past.entity[rows[~past.true[rows]]].tolist()
        if number >= 7 * (WEEKS - 2):
            in_vain += len(false)
            again += sum(entity in before for entity in false)
        before |= set(false)
    return again / max(1, in_vain)


# ----------------------------------------------------------------------------------------------------- page


def interval(values: np.ndarray) -> str:
    """Mean and 95% of a bootstrap over seeds."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (SAMPLES, len(values)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def table(lived: dict[str, list[Lived]]) -> str:
    """Markdown."""
    base = lived[CENTRES[0].name]
    late = np.array([one.weeks[2:].mean() for one in base])
    lines = [
        "| centre | precision, week 1 | week 2 | week 3 | week 4 | weeks 3 and 4 | less none, seed by seed "
        "| relative | campaigns shown | false alarms that repeat somebody |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, ones in lived.items():
        weeks = np.array([one.weeks for one in ones])
        own = weeks[:, 2:].mean(1)
        cells = [f"{week:.3f}" for week in weeks.mean(0)]
        relative = own.mean() / late.mean() - 1.0 if late.mean() else float("nan")
        found, repeats = (
            float(np.mean([getattr(one, what) for one in ones])) for what in ("found", "repeats")
        )
        lines.append(
            f"| {name} | {' | '.join(cells)} | {interval(own)} | {interval(own - late)} | {relative:+.0%} "
            f"| {found:.2f} | {repeats:.2f} |"
        )
    return "\n".join(lines)


def written(page: Path, measured: str) -> None:
    """Put the figures between the page's marks."""
    text = page.read_text("utf-8")
    head, rest = text.split(MARK[0])
    page.write_text(f"{head}{MARK[0]}\n{measured}\n{MARK[1]}{rest.split(MARK[1])[1]}", "utf-8")


def main(arguments: list[str] | None = None, say: Callable[[str], None] = print) -> dict[str, list[Lived]]:
    """Score what is not scored yet, live through it in every centre, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=250)
    parser.add_argument("--days", type=int, default=42)
    parser.add_argument("--seeds", type=numbers, default=(8, 9, 10, 11, 12))
    parser.add_argument("--layers", action="store_true", help="weights and alerts to learn from as well")
    parser.add_argument("--work", type=Path, default=Path("out/detection"))
    parser.add_argument("--docs", type=Path, help="folder of feedback.md, e.g. docs")
    options = parser.parse_args(arguments)
    use_user_cache()
    protocol = Protocol()
    aside = allowed(options.seeds, final=False)
    centres = CENTRES + LAYERS if options.layers else CENTRES
    lived: dict[str, list[Lived]] = {centre.name: [] for centre in centres}
    for seed in options.seeds:
        job = Job(seed, options.users, options.days, options.work, protocol, aside, ())
        past = past_of(organisation(job), details_of(job))
        for centre in centres:
            lived[centre.name].append(live(past, centre, protocol, seed))
        say(f"lived through seed {seed}")
    about = f"{len(options.seeds)} seeds, {options.users} users, the last {7 * WEEKS} of {options.days} days."
    measured = f"{about}\n\n{table(lived)}"
    say(measured)
    if options.docs is not None:
        written(options.docs / "feedback.md", measured)
    return lived


if __name__ == "__main__":
    main()
