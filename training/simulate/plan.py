"""A person's day before anything happens in it: whether and when at work, where, on which machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from training.simulate import networks, places
from training.simulate.chance import Chance
from training.simulate.company import Company
from training.simulate.records import Client
from training.simulate.sensors import Sensors
from training.simulate.worktime import HOUR_MS, Day, is_closing, is_holiday

if TYPE_CHECKING:
    from training.simulate.organisation import Host, Organisation, Person

_BURST_GAP_MS = 22_000


@dataclass
class World:
    """What every behaviour needs: the organisation, its sensors, and streams of chance.

    `desks` are machines that people got in the course of time, by the key of the person.
    """

    organisation: Organisation
    sensors: Sensors = field(default_factory=Sensors)
    desks: dict[str, Host] = field(default_factory=dict)

    @cached_property
    def company(self) -> Company:
        """What befalls everybody."""
        return Company(self.organisation.seed)

    def desk(self, person: Person) -> Host:
        """The machine that somebody works at by now."""
        return self.desks.get(person.key, person.workstation)

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
    home or on a journey; `office_ip` the way out of the office; `gateway_ip` that of remote work while it
    leaves by a gateway, else empty; `inside_ip` the address inside, of the desk or of the VPN. `outside` says
    that work goes through the VPN.
    """

    person: Person
    day: Day
    blocks: list[tuple[float, float]]
    outside: bool
    public_ip: str
    office_ip: str
    gateway_ip: str
    inside_ip: str
    phone_ip: str
    host: Host
    user_agent: str
    command_agent: str
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
        return Client(
            (self.gateway_ip or self.public_ip) if self.outside else self.office_ip, self.user_agent
        )

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


def home_line(world: World, person: Person, day: Day) -> str:
    """Address of the line at home: always the same provider; some change it daily, some hardly ever."""
    fixed = world.lasting("home", person.key)
    prefix = fixed.pick(networks.HOME[person.home_country])
    lease_days = fixed.pick((1, 3, 9, 30, 400))
    lease = world.lasting("lease", person.key, (day.index + fixed.below(lease_days)) // lease_days)
    return networks.within(prefix, lease)


def _at_work(world: World, person: Person, day: Day, chance: Chance) -> bool:
    leave = world.lasting("leave", person.key, day.index // 28)
    if leave.happens(0.3):
        first = leave.below(28)
        if first <= day.index % 28 < first + leave.between(2, 8):
            return False
    if person.role.shifts:
        return _shift(world, person, day) is not None and not chance.happens(0.02)
    if day.weekend or is_holiday(person.site, day.date):
        return chance.happens(0.09 if person.role.name in ("it", "dispatch") else 0.03)
    if person.role.external:
        contract = world.lasting("contract", person.key)
        return day.date.weekday() in contract.some(range(5), contract.between(2, 4))
    return not chance.happens(0.015)


_SHIFTS = (6.0, 6.0, 14.0, 14.0, 22.0, 22.0, None, None)
"""Hour at which a shift begins on each day of the round: early, late, night, free."""


def _shift(world: World, person: Person, day: Day) -> float | None:
    team = world.lasting("team", person.key).below(4)
    return _SHIFTS[(day.index + 2 * team) % len(_SHIFTS)]


def _hours(
    world: World, person: Person, day: Day, chance: Chance, *, quiet: bool
) -> list[tuple[float, float]]:
    """Local hours from and to which somebody works on a working day; a night shift ends after hour 24."""
    begins = _shift(world, person, day) if person.role.shifts else None
    if begins is not None:
        begins += chance.normal(-0.1, 0.08)
        pause = begins + chance.uniform(3.5, 4.5)
        return [(begins, pause), (pause + chance.uniform(0.4, 0.7), begins + chance.normal(8.15, 0.1))]
    begins = chance.normal(person.start_hour + (1.5 if quiet else 0.0), 0.35)
    lasts = max(chance.normal(person.work_hours, 0.7), 2.0) * (0.3 if quiet else 1.0)
    if day.date.weekday() == 4:
        lasts *= 0.88
    if person.role.name == "finance" and is_closing(day.date):
        lasts += chance.uniform(0.0, 2.5)
    lunch = begins + lasts * 0.45
    blocks = (
        [(begins, lunch), (lunch + chance.uniform(0.4, 1.0), begins + lasts)]
        if lasts > 4
        else [(begins, begins + lasts)]
    )
    if chance.happens(0.1):
        evening = max(chance.uniform(19.5, 21.5), begins + lasts + 0.5)
        blocks.append((evening, evening + chance.uniform(0.2, 1.2)))
    return blocks


def make(world: World, person: Person, day: Day) -> Plan:
    """Plan an ordinary day; what is not ordinary is laid over it by `oddities`."""
    chance = world.chance("plan", day, person.key)
    works = _at_work(world, person, day, chance)
    quiet = (day.weekend or is_holiday(person.site, day.date)) and not person.role.shifts
    midnight = day.local_midnight_ms(person.site)
    blocks = _hours(world, person, day, chance, quiet=quiet) if works else []
    outside = chance.happens(person.home_days) or quiet or len(blocks) > 2
    desk = world.desk(person)
    lease = world.lasting("desk lease", person.key, (day.index + len(person.key)) // 17)
    desk_ip = desk.ip if lease.happens(0.7) else f"{desk.ip.rpartition('.')[0]}.{lease.between(220, 250)}"
    pace = person.intensity * 2.0 ** chance.normal(0.0, 0.3) * (0.3 if quiet else 1.0)
    if person.role.name == "finance" and is_closing(day.date):
        pace *= chance.uniform(1.3, 2.0)
    updates = world.lasting("updates", person.key)
    return Plan(
        person=person,
        day=day,
        blocks=[(midnight + start * HOUR_MS, midnight + end * HOUR_MS) for start, end in blocks],
        outside=outside,
        public_ip=home_line(world, person, day),
        office_ip=world.company.exit(person.site, day.index),
        gateway_ip=world.company.gateway(day.index, len(person.key)),
        inside_ip=networks.vpn_pool(chance) if outside else desk_ip,
        phone_ip=networks.mobile(person.home_country, chance),
        host=desk,
        user_agent=places.browser(person.browser, day.date, person.update_delay_days),
        command_agent=person.command_client
        if updates.happens(0.4)
        else places.tool_version(person.command_client, day.date, updates.below(40)),
        pace=pace,
    )
