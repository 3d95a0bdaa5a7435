"""Who works where, with what: people, machines, roles and what each got used to.

Everything here is fixed for a whole simulation and drawn from streams of its own. Accounts, machines and
people compare by identity: there is one object of each, and the caches of JSON fragments look them up for
every event.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from training.simulate import catalogue, places, tools
from training.simulate.chance import Chance
from training.simulate.roles import FAMILY_NAMES, GIVEN_NAMES, LINUX_PROGRAMS, ROLES, Role
from training.simulate.worktime import SITES, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.simulate.catalogue import Program

_SID = "S-1-5-21-1180699209-877415012-3182924384"


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """An account: name, SID, object id in the cloud, UNIX uid, OCSF type_id (1 user, 2 admin, 3 system)."""

    name: str
    sid: str
    object_id: str
    unix_uid: int
    type_id: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """A machine. `kind` is workstation, kiosk, domain controller, file server, application server, ..."""

    name: str
    kind: str
    linux: bool
    ip: str
    site: Site


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody with an account, a workstation and habits.

    `key` is the name at the start; it names the person's streams of chance for good. `programs`, `folders`,
    `libraries`, `servers`, `domains`, `saas` and `cloud_accounts` are ordered from most to least used.
    `mistypes` is the probability of a wrong password at a logon, `tools` what somebody chose to install.
    """

    key: str
    account: Account
    role: Role
    site: Site
    workstation: Host
    start_hour: float
    work_hours: float
    home_days: float
    intensity: float
    browser: str
    update_delay_days: int
    phone: str
    command_client: str
    home_country: str
    cloud_account: str
    cloud_region: str
    programs: tuple[Program, ...]
    folders: tuple[tuple[str, str], ...]
    libraries: tuple[tuple[str, str], ...]
    servers: tuple[Host, ...]
    domains: tuple[str, ...]
    saas: tuple[tuple[str, str], ...]
    tools: tuple[Program, ...]
    cloud_accounts: tuple[str, ...]
    mistypes: float

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name


@dataclass(frozen=True)
class Organisation:
    """All people, service accounts and machines."""

    seed: int
    people: tuple[Person, ...]
    services: dict[str, Account]
    shared: tuple[Account, ...]
    hosts: tuple[Host, ...]
    admins: dict[str, Account] = field(default_factory=dict)
    """Second, privileged accounts of the administrators, by the name of the person."""

    def of_kind(self, kind: str) -> tuple[Host, ...]:
        """Machines of a kind."""
        return self._by_kind.get(kind, ())

    @cached_property
    def _by_kind(self) -> dict[str, tuple[Host, ...]]:
        kinds: dict[str, list[Host]] = {}
        for host in self.hosts:
            kinds.setdefault(host.kind, []).append(host)
        return {kind: tuple(found) for kind, found in kinds.items()}

    @cached_property
    def servers(self) -> tuple[Host, ...]:
        """Every machine that is nobody's desk."""
        return tuple(host for host in self.hosts if host.kind not in ("workstation", "kiosk"))

    def of_role(self, *names: str) -> tuple[Person, ...]:
        """People of some roles."""
        return tuple(person for person in self.people if person.role.name in names)

    def file_server(self, share: str) -> Host:
        """The machine that offers a share."""
        servers = self.of_kind("file server")
        return servers[sorted(places.SHARE_FOLDERS).index(share) % len(servers)]


BREAK_GLASS = "emergency-01"
_SERVICES = (
    "svc-backup", "svc-deploy", "svc-monitor", "svc-scan", "svc-etl", "svc-sql", "svc-ci", "svc-terraform",
    "svc-inventory", BREAK_GLASS,
)  # fmt: skip


def _account(seed: int, name: str, number: int, type_id: int = 1) -> Account:
    chance = Chance(seed, "account", name)
    return Account(
        name, f"{_SID}-{1104 + number}", str(uuid.UUID(chance.hexadecimal(16))), 10_000 + number, type_id
    )


def _names(seed: int, n: int) -> list[str]:
    chance = Chance(seed, "names")
    seen: dict[str, int] = {}
    found = []
    for _ in range(n):
        name = f"{chance.pick(GIVEN_NAMES)}.{chance.pick(FAMILY_NAMES)}"
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}{seen[name]}")
    return found


def _roles(n: int) -> list[Role]:
    """Roles of n people in fixed proportion (largest remainder), at least one administrator."""
    counts = {role.name: int(role.part * n) for role in ROLES}
    by_rest = sorted(ROLES, key=lambda role: counts[role.name] - role.part * n)
    for role in by_rest[: n - sum(counts.values())]:
        counts[role.name] += 1
    for needed in ("it", "finance", "sales"):
        if counts[needed] == 0:
            counts[max(counts, key=lambda name: counts[name])] -= 1
            counts[needed] = 1
    return [role for role in ROLES for _ in range(counts[role.name])]


def _server_room(n_people: int) -> list[Host]:
    wanted = (
        ("DC", "domain controller", False, 2),
        ("FS", "file server", False, 2 + n_people // 80),
        ("APP", "application server", False, 3 + n_people // 60),
        ("SQL", "database", False, 2),
        ("PRN", "print server", False, 1),
        ("BKP", "backup server", False, 1),
        ("VPN", "vpn gateway", True, 1),
        ("BUILD", "build server", True, 2 + n_people // 60),
        ("WEB", "web server", True, 3 + n_people // 60),
        ("MON", "monitoring server", True, 1),
        ("SCAN", "scanner", True, 1),
        ("JUMP", "jump host", False, 1 + n_people // 200),
    )
    made: list[Host] = []
    for prefix, kind, linux, count in wanted:
        for number in range(1, count + 1):
            address = f"10.20.{4 + len(made) // 200}.{10 + len(made) % 200}"
            name = f"{prefix.lower()}-{number:02d}" if linux else f"{prefix}-{number:02d}"
            made.append(Host(name, kind, linux, address, SITES[0]))
    return made


def build(seed: int, users: int) -> Organisation:
    """Found an organisation of so many people; the same for the same arguments."""
    servers = _server_room(users)
    names = _names(seed, users)
    roles = Chance(seed, "roles").shuffled(_roles(users))
    sites = (*(SITES[0],) * 5, *(SITES[1],) * 2, *(SITES[2],) * 2, SITES[3])
    people = []
    hosts = list(servers)
    for number, (plain, role) in enumerate(zip(names, roles, strict=True)):
        name = f"ext-{plain}" if role.external else plain
        chance = Chance(seed, "person", name)
        site = chance.pick(sites)
        linux = chance.happens(role.linux)
        subnet = 100 + number // 200
        desk = Host(
            f"{'lx' if linux else 'WS'}-{1001 + number}",
            "workstation",
            linux,
            f"{site.network}.{subnet}.{20 + number % 200}",
            site,
        )
        hosts.append(desk)
        people.append(_person(seed, number, name, role, site, desk, servers))
    hosts.extend(
        Host(f"KIOSK-{n + 1:02d}", "kiosk", False, f"10.20.{90 + n // 200}.{20 + n % 200}", SITES[0])
        for n in range(max(2, users // 25))
    )
    first = users
    services = {}
    for place, name in enumerate(_SERVICES):
        services[name] = _account(seed, name, first + place, 2 if name == BREAK_GLASS else 3)
    first += len(_SERVICES)
    shared = tuple(_account(seed, f"warehouse{n + 1}", first + n) for n in range(max(2, users // 25)))
    first += len(shared)
    admins: dict[str, Account] = {}
    used: set[str] = set()
    for person in people:
        if person.role.name == "it":
            stem = f"adm-{person.name.split('.')[1]}"
            name = next(n for n in (stem, *(f"{stem}x{i}" for i in range(2, users + 2))) if n not in used)
            used.add(name)
            admins[person.name] = _account(seed, name, first + len(admins), 2)
    return Organisation(seed, tuple(people), services, shared, tuple(hosts), admins)


def _reachable(role: Role, servers: Sequence[Host]) -> list[Host]:
    """Servers that a job works on."""
    kinds = ("build server", "web server") if role.name in ("engineering", "contractor") else ()
    return [host for host in servers if host.kind in kinds or (role.name == "it" and host.kind != "scanner")]


def new_job(organisation: Organisation, person: Person, role: Role) -> Person:
    """The same person in another department: its folders and programs first, some of the old ones after."""
    chance = Chance(organisation.seed, "new job", person.key)
    folders = chance.shuffled([(area, name) for area in role.shares for name in places.SHARE_FOLDERS[area]])
    programs = () if person.workstation.linux else chance.some(role.programs, 3)
    return replace(
        person,
        role=role,
        servers=tuple(chance.some(_reachable(role, organisation.servers), 4)),
        folders=(*folders[:5], *person.folders[:2]),
        libraries=(*folders[1:4], *person.libraries[:2]),
        programs=tuple(dict.fromkeys((*person.programs[:3], *programs, *person.programs))),
    )


def _person(
    seed: int, number: int, name: str, role: Role, site: Site, desk: Host, servers: list[Host]
) -> Person:
    chance = Chance(seed, "habits", name)
    own = LINUX_PROGRAMS.get(role.name, role.programs) if desk.linux else role.programs
    usual = () if desk.linux else catalogue.DESKTOP
    programs = tuple(dict.fromkeys((*chance.some(own, 4), *chance.some(usual, 6), *own, *usual)))
    folders = [
        (share, folder) for share in role.shares for folder in chance.shuffled(places.SHARE_FOLDERS[share])
    ]
    reachable = _reachable(role, servers)
    domains = (
        *places.DOMAINS[:6],
        *chance.some(places.ROLE_DOMAINS.get(role.name, ()), 4),
        *chance.some(places.DOMAINS[6:], 24),
    )
    own_account = chance.favourite(places.CLOUD_ACCOUNTS)
    others = [account for account in places.CLOUD_ACCOUNTS if account != own_account]
    accounts = (own_account, *chance.some(others, chance.between(1, 3)))
    return Person(
        key=name,
        account=_account(seed, name, number),
        role=role,
        site=site,
        workstation=desk,
        start_hour=chance.normal(role.start_hour, 0.6),
        work_hours=min(max(chance.normal(8.6, 0.7), 4.0), 11.0),
        home_days=min(max(chance.normal(role.home, 0.2), 0.0), 0.95),
        intensity=min(max(2.0 ** chance.normal(0.0, 0.45), 0.45), 2.4),
        browser="linux" if desk.linux else chance.favourite(("chrome", "edge", "firefox"), 0.8),
        update_delay_days=chance.between(0, 11),
        phone=chance.pick(places.PHONES) if chance.happens(0.7) else "",
        command_client=chance.favourite(places.COMMAND_CLIENTS),
        home_country=chance.pick(("PL", "RO", "IN", site.country)) if role.external else site.country,
        cloud_account=own_account,
        cloud_region=places.CLOUD_REGIONS[2]
        if site.country == "US"
        else chance.favourite(places.CLOUD_REGIONS[:2]),
        programs=programs,
        folders=tuple(folders[: chance.between(5, 8)]),
        libraries=tuple((share, folder) for share, folder in chance.some(folders, 5)),
        servers=tuple(chance.some(reachable, chance.between(3, 12 if role.name == "it" else 5))),
        domains=domains,
        saas=tuple(dict.fromkeys((places.SAAS[0], *(chance.favourite(places.SAAS, 0.7) for _ in range(8))))),
        tools=tuple(
            dict.fromkeys(
                chance.favourite(tools.pool(linux=desk.linux), 0.6) for _ in range(chance.poisson(1.3))
            )
        ),
        cloud_accounts=accounts,
        mistypes=min(0.02 + chance.exponential(0.05), 0.3),
    )
