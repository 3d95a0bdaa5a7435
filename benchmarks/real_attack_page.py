"""Ranks of the recordings' targets, and the page that shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

Entity = tuple[str, str]

SIMULATED, NATIVE = "simulated past", "past with the sources"
OURS = "habitus"
TOP = 3


class Place(NamedTuple):
    """Rank of an entity among those of its recording, all of the day, and those of its kind that day; 1 is
    the strangest, 0 says that it did not appear.
    """

    file: int
    day: int
    kind: int


@dataclass
class Outcome:
    """One recording in one organisation.

    entities: number of users, hosts and addresses in the recording; of_day: on that day in all; without_past:
    of the recording's that the quiet days did not have. places: by method and target. bystanders: habitus's
    ranks, among all of the day, of machines without a part in the attack. control: by method, the last
    target's rank among all when it has harmless records of the same sources in place of its part of the
    attack; None where there are none. everyday: habitus's ranks of the targets on the same day without the
    recording.
    """

    file: str
    past: str
    targets: tuple[Entity, ...]
    entities: int
    of_day: int
    without_past: int
    places: dict[str, dict[Entity, Place]]
    bystanders: list[int] = field(default_factory=list)
    control: dict[str, int] | None = None
    everyday: dict[Entity, Place] = field(default_factory=dict)
    reasons: dict[Entity, list[str]] = field(default_factory=dict)


def rank(scores: dict[Entity, float], who: Entity, among: set[Entity] | None = None) -> int:
    """1 for the highest score; of equals the last, so that a tie is no merit; 0 without a score."""
    if who not in scores:
        return 0
    return sum(score >= scores[who] for one, score in scores.items() if among is None or one in among)


def place_of(scores: dict[Entity, float], who: Entity, present: set[Entity]) -> Place:
    """All ranks of an entity; `present` are the entities of its recording."""
    alike = {one for one in scores if one[0] == who[0]}
    return Place(rank(scores, who, present), rank(scores, who), rank(scores, who, alike))


def page(outcomes: list[Outcome]) -> str:
    """The whole page, as Markdown."""
    windows = [one for one in outcomes if one.file.startswith("otrf/")]
    others = [one for one in outcomes if not one.file.startswith("otrf/")]
    parts = [HEADER]
    if windows:
        parts += [
            SUMMARY,
            _summary(windows),
            CONTROLS,
            _controls(windows),
            *(f"## Each Windows recording, {past}\n\n{_each(windows, past)}" for past in (SIMULATED, NATIVE)),
        ]
    if others:
        parts += [OTHERS, _others(others)]
    return "\n\n".join([*parts, LIMITS]) + "\n"


def _in_file(outcomes: list[Outcome]) -> list[Outcome]:
    """Recordings with more entities than the ranks that count: in the others everybody is on top."""
    return [one for one in outcomes if one.entities > TOP]


def _summary(outcomes: list[Outcome]) -> str:
    lines = [
        f"| past | method | recordings | actor in top {TOP} of file | machine | either | actor's rank: of the"
        " day's users | of all | machine's: of the day's hosts | of all |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for past in (SIMULATED, NATIVE):
        some = [one for one in outcomes if one.past == past]
        large = _in_file(some)
        for method in some[0].places if some else ():
            ours = [[one.places[method][who] for who in one.targets] for one in some]
            tops = [[0 < one.places[method][who].file <= TOP for who in one.targets] for one in large]
            middle = [f"{median(places[t][r] for places in ours):g}" for t in (0, 1) for r in (2, 1)]
            lines.append(
                f"| {past} | {method} | {len(some)} | {sum(top[0] for top in tops)} of {len(large)}"
                f" | {sum(top[1] for top in tops)} | {sum(map(any, tops))} | {' | '.join(middle)} |"
            )
    return "\n".join(lines)


def _controls(outcomes: list[Outcome]) -> str:
    lines = [
        "| past | method | machine's median rank of all, attack | the same, harmless records instead"
        " | attack ranks higher, equal, lower |",
        "|---|---|---:|---:|---:|",
    ]
    for past in (SIMULATED, NATIVE):
        some = [one for one in outcomes if one.past == past and one.control is not None]
        for method in some[0].places if some else ():
            pairs = [
                (one.places[method][one.targets[-1]].day, one.control[method])
                for one in some
                if one.control is not None
            ]
            signs = [(a < c) - (a > c) for a, c in pairs]
            counts = ", ".join(str(signs.count(sign)) for sign in (1, 0, -1))
            lines.append(
                f"| {past} ({len(pairs)}) | {method} | {median(a for a, _ in pairs):g}"
                f" | {median(c for _, c in pairs):g} | {counts} |"
            )
    for past in (SIMULATED, NATIVE):
        ranks = [rank for one in outcomes if one.past == past for rank in one.bystanders]
        if ranks:
            lines.append(
                f"\n{past.capitalize()}: the {len(ranks)} bystanding machines have ranks {min(ranks)} to"
                f" {max(ranks)} of all with habitus, median {median(ranks):g}."
            )
    return "\n".join(lines)


def _each(outcomes: list[Outcome], past: str) -> str:
    some = [one for one in outcomes if one.past == past]
    lines = [
        "| recording | actor | in file | of users | without it | of all | machine | in file | of all"
        " | bystanders | machine, harmless | actor in file, of all: events | never seen before"
        " | isolation forest |",
        "|---|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in some:
        actor, machine = one.targets
        mine, its = one.places[OURS][actor], one.places[OURS][machine]
        peers = [
            f"{place[actor].file}, {place[actor].day}" for name, place in one.places.items() if name != OURS
        ]
        name = one.file.removeprefix("otrf/").partition(".")[0].partition("__")[2]
        lines.append(
            f"| {name} | {actor[1]} | {mine.file} of {one.entities} | {mine.kind}"
            f" | {one.everyday[actor].kind if one.everyday else ''} | {mine.day} of {one.of_day}"
            f" | {machine[1]} | {its.file} | {its.day} | {', '.join(map(str, one.bystanders))}"
            f" | {one.control[OURS] if one.control else ''} | {' | '.join(peers)} |"
        )
    return "\n".join(lines)


def _others(outcomes: list[Outcome]) -> str:
    lines = [
        "| recording | target | in file, of all: habitus | events | never seen before | isolation forest"
        " | habitus, harmless part alone |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for one in outcomes:
        for who in one.targets:
            cells = [
                f"{place[who].file} of {one.entities}, {place[who].day} of {one.of_day}"
                for place in one.places.values()
            ]
            harmless = one.control[OURS] if one.control else ""
            lines.append(f"| {one.file} | {who[1]} | {' | '.join(cells)} | {harmless} |")
    lines.append("")
    for one in outcomes:
        for who in one.targets:
            said = "; ".join(one.reasons.get(who, []))
            lines.append(f"- {who[1]}: {said}")
    return "\n".join(lines)


HEADER = """# Attacks of public recordings after a quiet past

Made by `python -m benchmarks.bench_real_attacks --out docs/real-attacks.md`. The question: does the attack
that a recording holds come out on top once the names in it have a past?

A recording is minutes to hours long. Its names are put into a simulated organisation of 40 people and some 60
machines: pgustavo has an office worker's fourteen days, wardog an administrator's, MORDORDC those of a
controller, LabSZ those of a build server. On the next day, a Thursday, everybody goes on as before, those
names too, and the recording is read beside it with its own times of day (the capture with relative times
starts at the time of day in its header; stand-alone recordings whose exporter kept another clock are set
right by Sysmon's stamps). Nothing is planted in the simulation, and no setting was chosen by these ranks. All
entities of the day, users, hosts and addresses, are ranked by `habitus score`'s risk; a tie counts as the
worse rank.

Who acts was decided from descriptions and records before anything was scored
([table](../benchmarks/real_attack_cases.py)): *actor* is the account under which the tool of the title runs,
*machine* where it runs. Every one of the 27 Windows recordings has an account that acts, so none is left
out; but a file of one machine with one user has them on top whatever the method, so top-3 counts are of
files with more than three entities.

Two pasts: *simulated past* has process starts, logons, DNS, web, shares, SSH and cloud calls, but none of the
Sysmon registry, image, handle and pipe events and few of the Security events that fill these recordings.
*Past with the sources* has in addition, at every Windows desk, a stretch of 80 real records a day from
machines that stand by in other recordings; no recording is tried on a past that holds records of its own.
Controllers and servers got none."""

SUMMARY = """## How often on top

Peers see the same counts: events of the day, things never seen before that day, and an isolation forest on
the day's counts fitted on the past. Ranks are medians over the recordings."""

CONTROLS = """## How much of it is only the log source?

The machine's part of the recording is replaced by as many harmless records of machines that stand by in other
recordings, at the same time of day, and the machine is ranked again. Where that rank is as high, the rank of
the machine says that a source or a volume is new, not that an attack is there. With a simulated past this
was run where no bystander tells the same, and nowhere where there are too few harmless records. With the
sources in the past, some of these very records were learned, at this desk and others: there the comparison
is lenient, and only "equal" is safe to read. The actors' control is their own day without the recording,
*without it* in the table of each recording."""

OTHERS = """## NjRAT in a Zeek log, password guessing against SSH

Targets: the sender of most connections labelled malicious (no method sees the labels; the harmless part alone
is the same capture without these connections), and the three addresses with most failed passwords beside the
attacked host. The senders of the capture have the simulated past of desks, the guessing addresses none."""

LIMITS = """## What this does not show

- Harmless work by a person in these sources is not in the recordings: bystanders' records are the system's
  own. So the actors have no control but their own day without the recording: that wardog's everyday work is
  already among the day's oddest leaves little for a short recording to add.
- The day's other people have simulated events only, which are more alike than real ones. Ranks among all of
  the day are therefore flattered, by an amount that the control bounds for machines alone.
- Times of day are the recordings', mostly between 1 and 9 h UTC: before work in the simulated organisation.
- A recording moved to another date keeps no week: a Sunday evening becomes a Thursday's.
- Machine accounts (WORKSTATION5$), link-local addresses and the event collector have no past and count
  against the actors.
- In the NjRAT capture several addresses may belong to one machine; only the labelled one counts as a hit.
- 27 recordings of the same few machines are not 27 independent trials."""
