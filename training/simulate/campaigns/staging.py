"""An attack that somebody wants to see now: campaigns of one intruder against one person, all on one day.

What planning lays over weeks is laid onto a day that has been simulated anyway, and its events are then given
the times at which they are wanted.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from training.simulate.campaigns import planning
from training.simulate.chance import Chance
from training.simulate.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.simulate.campaigns.campaign import Campaign
    from training.simulate.plan import World
    from training.simulate.worktime import Day

STAGES = ("account_takeover", "lateral_movement_fast", "ransomware")
"""In the order in which an intruder would: an account, then machines, then what is on them."""
FIRST_NUMBER = 900
"""Numbers of staged campaigns begin here, far from planned ones (`writer.MOST_CAMPAIGNS`)."""
LONGEST_PAUSE_MS = 60_000


def stage(world: World, on: Day, variants: int, kinds: Sequence[str] = STAGES) -> list[Campaign]:
    """Plan attacks of several campaigns each, every one against another person, all on one day.

    Parameters
    ----------
    world
        Of the simulation whose `campaigns` these are to be added to, before its days are run.
    on
        A working day, or people are not at the machines that the intruder needs.
    variants
        Number of attacks.
    kinds
        Of the campaigns of each.

    Returns
    -------
    list of Campaign
        variants x kinds of them, by attack and stage; numbered from FIRST_NUMBER.
    """
    found: list[Campaign] = []
    taken: set[str] = set()
    for variant in range(variants):
        numbers = range(FIRST_NUMBER + len(found), FIRST_NUMBER + len(found) + len(kinds))
        chance = Chance(world.organisation.seed, "staged", variant)
        attack = planning.against_one(world, chance, numbers, kinds, on, taken)
        taken.add(attack[0].person.name)
        found += attack
    return found


def retimed(records: Sequence[Record], at_ms: int, span_ms: int) -> list[Record]:
    """Events of a campaign, in order, from one moment on, within a span; long pauses are cut first.

    The proportions of what is left stay, so that bursts remain bursts.
    """
    ordered = sorted(records, key=lambda record: record.time_ms)
    offsets = [0]
    for before, record in itertools.pairwise(ordered):
        offsets.append(offsets[-1] + min(record.time_ms - before.time_ms, LONGEST_PAUSE_MS))
    scale = min(1.0, span_ms / offsets[-1]) if offsets[-1] else 1.0
    return [
        moved(record, at_ms + int(offset * scale)) for record, offset in zip(ordered, offsets, strict=False)
    ]


def moved(record: Record, time_ms: int) -> Record:
    """The same event at another time."""
    body = record.body.replace(f'"time":{record.time_ms}', f'"time":{time_ms}', 1)
    return Record(time_ms, body, record.mark)
