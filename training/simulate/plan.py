"""A person's day before anything happens in it: whether and when at work, where, on which machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from training.simulate import networks, places
from training.simulate.chance import Chance
from training.simulate.records import Client
from training.simulate.sensors import Sensors
from training.simulate.worktime import HOUR_MS, Day, is_holiday

if TYPE_CHECKING:
    from training.simulate.organisation import Host, Organisation, Person

_BURST_GAP_MS = 22_000


@dataclass
class World:
    """What every behaviour needs: the organisation, its sensors, and streams of chance."""

    organisation: Organisation
    sensors: Sensors = field(default_factory=Sensors)

    def chance(self, concern: str, day: Day, name: str = "") -> Chance:
        """The stream of one concern on one day, of one person or machine."""
        return Chance(self.organisation.seed, concern, day.index, name)

    def lasting(self, concern: str, name: str, period: int = 0) -> Chance:
        """The stream of something that lasts longer than a day."""
        return Chance(self.organisation.seed, concern, name, period)


@dataclass(slots=True)
class Plan:
    """A person's day.

    `blocks` are the times of work (UTC milliseconds; none on a free day). `public_ip` is the line outside, at
    home or on a journey; `inside_ip` the address inside, of the desk or of the VPN. `outside` says that work
    goes through the VPN.
    """

    person: Person
    day: Day
    blocks: list[tuple[float, float]]
    outside: bool
    public_ip: str
    inside_ip: str
    phone_ip: str
    host: Host
    user_agent: str
    pace: float
    absent: bool = False
    """Not with the organisation yet: not even a phone."""

    @property
    def start_ms(self) -> float:
        """When work begins; noon by the site's clock on a free day."""
        return self.blocks[0][0] if self.blocks else self.local(12.0)

    @property
    def end_ms(self) -> float:
        """When work ends; one o'clock on a free day."""
        return self.blocks[-1][1] if self.blocks else self.local(13.0)

    @property
    def client(self) -> Client:
        """What services on the Internet see: the line at home, or the way out of the office."""
        return Client(self.public_ip if self.outside else office_exit(self.person), self.user_agent)

    @property
    def inside(self) -> Client:
        """What the proxy sees."""
        return Client(self.inside_ip, self.user_agent)

    def local(self, hour: float) -> float:
        """UTC milliseconds of an hour by the clock of the person's site."""
        return self.day.local_midnight_ms(self.person.site) + hour * HOUR_MS

    def moments(self, chance: Chance, n: int) -> list[float]:
        """About n times in the hours of work, in bursts, in order."""
        total = sum(end - start for start, end in self.blocks)
        found: list[float] = []
        while len(found) < n and total > 0:
            at = chance.uniform(0.0, total)
            for start, end in self.blocks:
                if at < end - start:
                    at += start
                    break
                at -= end - start
            for _ in range(min(n - len(found), 1 + int(chance.exponential(4.0)))):
                found.append(at)
                at += chance.exponential(_BURST_GAP_MS)
        found.sort()
        return found


_EXITS = {"DE": "217.91.44.18", "GB": "81.143.77.6", "US": "12.190.31.66", "IN": "115.110.201.34"}


def office_exit(person: Person) -> str:
    """Public address of the person's office."""
    return _EXITS[person.site.country]


def home_line(world: World, person: Person, day: Day) -> str:
    """Address of the line at home: always the same provider; some change it daily, some hardly ever."""
    fixed = world.lasting("home", person.name)
    prefix = fixed.pick(networks.HOME[person.home_country])
    lease_days = fixed.pick((1, 3, 9, 30, 400))
    lease = world.lasting("lease", person.name, (day.index + fixed.below(lease_days)) // lease_days)
    return networks.within(prefix, lease)


def _at_work(world: World, person: Person, day: Day, chance: Chance) -> bool:
    leave = world.lasting("leave", person.name, day.index // 28)
    if leave.happens(0.3):
        first = leave.below(28)
        if first <= day.index % 28 < first + leave.between(2, 8):
            return False
    if day.weekend or is_holiday(person.site, day.date):
        return chance.happens(0.09 if person.role.name in ("it", "dispatch") else 0.03)
    return not chance.happens(0.015)


def make(world: World, person: Person, day: Day) -> Plan:
    """Plan an ordinary day; what is not ordinary is laid over it by `oddities`."""
    chance = world.chance("plan", day, person.name)
    works = _at_work(world, person, day, chance)
    quiet = day.weekend or is_holiday(person.site, day.date)
    begins = chance.normal(person.start_hour + (1.5 if quiet else 0.0), 0.35)
    lasts = max(chance.normal(person.work_hours, 0.7), 2.0) * (0.3 if quiet else 1.0)
    midnight = day.local_midnight_ms(person.site)
    blocks = []
    if works:
        lunch = begins + lasts * 0.45
        blocks = (
            [(begins, lunch), (lunch + chance.uniform(0.4, 1.0), begins + lasts)]
            if lasts > 4
            else [(begins, begins + lasts)]
        )
        if chance.happens(0.1):
            evening = chance.uniform(19.5, 21.5)
            blocks.append(
                (
                    max(evening, begins + lasts + 0.5),
                    max(evening, begins + lasts + 0.5) + chance.uniform(0.2, 1.2),
                )
            )
    outside = chance.happens(person.home_days) or quiet or len(blocks) > 2
    lease = world.lasting("desk lease", person.name, (day.index + len(person.name)) // 17)
    desk_ip = (
        person.workstation.ip
        if lease.happens(0.7)
        else f"{person.workstation.ip.rpartition('.')[0]}.{lease.between(220, 250)}"
    )
    return Plan(
        person=person,
        day=day,
        blocks=[(midnight + start * HOUR_MS, midnight + end * HOUR_MS) for start, end in blocks],
        outside=outside,
        public_ip=home_line(world, person, day),
        inside_ip=networks.vpn_pool(chance) if outside else desk_ip,
        phone_ip=networks.mobile(person.home_country, chance),
        host=person.workstation,
        user_agent=places.browser(person.browser, day.date, person.update_delay_days),
        pace=person.intensity * 2.0 ** chance.normal(0.0, 0.3) * (0.3 if quiet else 1.0),
    )
