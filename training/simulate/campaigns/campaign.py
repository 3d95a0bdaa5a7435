"""What all campaigns share: their plan, their grade, their addresses and hours, the marks on their events."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from training.simulate import places
from training.simulate.chance import Chance
from training.simulate.records import Client, Mark
from training.simulate.worktime import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.simulate.organisation import Account, Host, Person
    from training.simulate.plan import Plan, World

T = TypeVar("T")

DIFFICULTIES = ("easy", "medium", "hard")
"""How much, how fast, and how far from the victim's own habits: easy is much, fast and far."""


@dataclass(frozen=True)
class Campaign:
    """One campaign.

    Attributes
    ----------
    kind, technique
        What it is, and its chief technique (MITRE ATT&CK Enterprise id).
    difficulty
        One of `DIFFICULTIES`.
    first, last
        Days by index, both included.
    person
        Whose account or machine it begins with; for an account without a person, who vouches for it.
    ips
        The intruder's public addresses.
    account
        The account that is misused, where it is not the person's own: privileged, of a service or a supplier.
    """

    number: int
    kind: str
    technique: str
    difficulty: str
    first: int
    last: int
    person: Person
    ips: tuple[str, ...]
    account: Account

    @property
    def name(self) -> str:
        """Name in the ground truth."""
        return f"c{self.number:02d}"

    @property
    def days(self) -> int:
        """Number of calendar days."""
        return self.last - self.first + 1

    def graded(self, easy: T, medium: T, hard: T) -> T:
        """One of three, by difficulty."""
        return (easy, medium, hard)[DIFFICULTIES.index(self.difficulty)]

    def lasting(self, world: World, concern: str = "intruder") -> Chance:
        """Chances that stay the same on all days of the campaign."""
        return Chance(world.organisation.seed, concern, self.number)

    def day_of(self, victim: Plan) -> int:
        """Days since the campaign began."""
        return victim.day.index - self.first


@contextmanager
def shown(world: World, campaign: Campaign, *entities: tuple[str, str]) -> Iterator[None]:
    """Mark what is recorded meanwhile as the campaign's, visible at these entities."""
    world.sensors.mark = Mark(campaign.number, entities)
    try:
        yield
    finally:
        world.sensors.mark = None


def user(account: Account) -> tuple[str, str]:
    """An account as an entity."""
    return "user", account.name


def host(machine: Host) -> tuple[str, str]:
    """A machine as an entity."""
    return "host", machine.name.lower()


def address(ip: str) -> tuple[str, str]:
    """A source address as an entity."""
    return "src_ip", ip


def hour(campaign: Campaign, victim: Plan, chance: Chance) -> float:
    """When an intruder comes (UTC milliseconds): in the intruder's own hours, or hidden in the victim's."""
    hidden = campaign.graded(0.2, 0.5, 0.9)
    if victim.blocks and chance.happens(hidden):
        return victim.start_ms + chance.uniform(0.3, 5.0) * HOUR_MS
    return victim.day.midnight_ms + chance.uniform(1.0, 18.0) * HOUR_MS


def intruders_client(world: World, campaign: Campaign, victim: Plan, ip: str = "") -> Client:
    """Address and browser of an intruder: a careful one has the victim's kind of browser."""
    lasting = campaign.lasting(world, "browser")
    model = campaign.person
    if not lasting.happens(campaign.graded(0.0, 0.4, 0.9)):
        model = lasting.pick(world.organisation.people)
    return Client(
        ip or campaign.ips[0], places.browser(model.browser, victim.day.date, model.update_delay_days)
    )


def spread(chance: Chance, first_ms: float, n: int, hours: float) -> list[float]:
    """So many times in the hours after a time, in order."""
    return sorted(first_ms + chance.uniform(0.0, hours * HOUR_MS) for _ in range(n))
