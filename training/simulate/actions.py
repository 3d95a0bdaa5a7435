"""Things that people do on purpose, in one piece: look around, copy a share, work on a server, send files.

Ordinary days, benign oddities and campaigns all use these. What makes a campaign is who does it, where, when
and how much, never the form of a single event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import catalogue, places
from training.simulate.records import BAD_CLOUD_PASSWORD, MFA_DENIED, NETWORK, OPEN, REMOTE, Client

if TYPE_CHECKING:
    from training.simulate.catalogue import Program
    from training.simulate.chance import Chance
    from training.simulate.organisation import Account, Host
    from training.simulate.plan import World


def command_line(
    world: World, chance: Chance, program: Program, account: Account, area: str = "Public"
) -> str:
    """One of a program's command lines, its blanks filled in."""
    template = chance.favourite(program.commands, 1.2)
    if "{" not in template:
        return template
    organisation = world.organisation
    folder = chance.favourite(places.SHARE_FOLDERS.get(area, ("Forms",)))
    name = places.file_name(area, folder, chance.rank(places.FILES_PER_FOLDER, 0.7))
    if "{domain}" in template:
        template = template.replace("{domain}", site(chance))
    if "{blob}" in template:
        template = template.replace("{blob}", chance.hexadecimal(chance.pick((24, 40, 64))))
    return (
        template.replace("{account}", account.name)
        .replace("{server}", chance.favourite(organisation.servers, 0.6).name)
        .replace("{host}", chance.pick(organisation.of_kind("workstation")).name)
        .replace("{share}", area)
        .replace("{file}", name.rpartition(".")[0])
        .replace("{n}", str(chance.between(1000, 99999)))
    )


def site(chance: Chance) -> str:
    """A small site that hardly anybody asks for, of the form www.name.tld."""
    while True:
        name = places.rare_domain(chance.rank(places.RARE_DOMAINS, 0.5))
        if name.count(".") == 2:
            return name


def long_name(chance: Chance, domain: str, letters: int) -> str:
    """A name under a domain with so many random letters and digits before it, in labels of at most 40."""
    text = chance.hexadecimal((letters + 1) // 2)[:letters]
    labels = [text[at : at + 40] for at in range(0, letters, 40)]
    return f"{'.'.join(labels)}.{domain}"


def run(
    world: World,
    chance: Chance,
    time_ms: float,
    account: Account,
    host: Host,
    program: Program,
    area: str = "Public",
    parent: str = "",
) -> None:
    """Start a program with one of its command lines."""
    text = command_line(world, chance, program, account, area)
    world.sensors.launch(time_ms, account, host, program.path, parent or program.parent, text)


def run_as_machine(
    world: World, chance: Chance, time_ms: float, host: Host, program: Program, area: str = "Public"
) -> None:
    """Start a program on a machine's own account."""
    text = command_line(world, chance, program, world.organisation.services["svc-monitor"], area)
    world.sensors.launch(time_ms, None, host, program.path, program.parent, text)


def look_around(world: World, chance: Chance, time_ms: float, account: Account, host: Host, n: int) -> float:
    """Ask a Windows machine and its domain n questions from a command prompt; returns when it is done."""
    shell = chance.pick((catalogue.CMD, catalogue.CMD, catalogue.POWERSHELL))
    for program in chance.some(catalogue.RECON_WINDOWS, n):
        run(world, chance, time_ms, account, host, program, parent=shell)
        time_ms += 3_000 + chance.exponential(35_000)
    return time_ms


def open_share(
    world: World,
    time_ms: float,
    account: Account,
    server: Host,
    source: Host,
    source_ip: str,
    *,
    ntlm: bool = False,
) -> None:
    """Turn to a server: a Kerberos ticket (unless NTLM is used) and a network logon."""
    sensors = world.sensors
    if not ntlm:
        controller = world.organisation.of_kind("domain controller")[hash_of(account.name) % 2]
        sensors.ticket(time_ms, account, controller, f"cifs/{server.name}", source_ip)
    sensors.logon(
        time_ms + 40,
        account,
        server,
        NETWORK,
        source=source,
        source_ip=source_ip,
        protocol="NTLM" if ntlm else "Kerberos",
    )


def hash_of(text: str) -> int:
    """A number that stays the same from run to run, which `hash` does not."""
    return sum(place * ord(letter) for place, letter in enumerate(text, 1))


def share_file(
    world: World,
    time_ms: float,
    account: Account,
    source_ip: str,
    where: tuple[str, str],
    number: int,
    activity: int = 2,
) -> None:
    """One file of a share."""
    share, folder = where
    server = world.organisation.file_server(share)
    world.sensors.smb(
        time_ms,
        account,
        server,
        source_ip,
        share,
        f"{folder}\\{places.file_name(share, folder, number)}",
        activity,
    )


def copy_folder(
    world: World,
    chance: Chance,
    time_ms: float,
    account: Account,
    source: Host,
    source_ip: str,
    where: tuple[str, str],
    n: int,
    gap_ms: float,
) -> float:
    """Read n files of a folder of a share one after the other; returns when it is done."""
    open_share(world, time_ms, account, world.organisation.file_server(where[0]), source, source_ip)
    first = chance.below(places.FILES_PER_FOLDER)
    for step in range(n):
        time_ms += 50 + chance.exponential(gap_ms)
        share_file(world, time_ms, account, source_ip, where, (first + step) % places.FILES_PER_FOLDER)
    return time_ms


def pack(world: World, chance: Chance, time_ms: float, account: Account, host: Host, area: str) -> float:
    """Pack files into an archive on a machine's own disk; returns when it is done."""
    number = chance.between(1, 59)
    name = places.file_name(area, "Archive", number).rpartition(".")[0]
    if host.linux:
        run(world, chance, time_ms, account, host, catalogue.DEVELOPER_LINUX[9], area)
        world.sensors.file(time_ms + 4_000, account, host, f"/tmp/{name}.tgz", 1)  # noqa: S108 - a path in a log
    else:
        run(world, chance, time_ms, account, host, catalogue.SEVENZIP, area)
        world.sensors.file(
            time_ms + 4_000, account, host, f"C:\\Users\\{account.name}\\Documents\\{name}.zip", 1
        )
    return time_ms + 60_000


def hand_over(
    world: World, chance: Chance, time_ms: float, account: Account, host: Host, inside: Client, n: int
) -> float:
    """Send n large files to a file exchange on the Internet through the proxy; returns when it is done."""
    domain = chance.pick(places.UPLOAD_DOMAINS)
    world.sensors.dns(time_ms, account, host, inside.ip, domain)
    for _ in range(n):
        time_ms += chance.exponential(45_000)
        size = int(2.0 ** chance.uniform(17.0, 26.0))
        world.sensors.web(time_ms, account, host, inside, domain, sent=True, size=size)
    return time_ms


def on_server(
    world: World,
    chance: Chance,
    time_ms: float,
    account: Account,
    server: Host,
    source: Host,
    source_ip: str,
    n: int,
) -> float:
    """A session on a server by desktop, shell or SSH, with n programs; returns when it is over."""
    sensors = world.sensors
    programs: tuple[Program, ...] = catalogue.REMOTE_LINUX if server.linux else catalogue.REMOTE_WINDOWS
    if server.linux:
        sensors.connection(time_ms - 200, source_ip, server, 22, OPEN)
        sensors.ssh(time_ms, account, server, source_ip, key=not chance.happens(0.15))
        parent = catalogue.BASH
        sensors.launch(time_ms + 300, account, server, catalogue.BASH, catalogue.SSHD, "-bash")
    elif chance.happens(0.45):
        sensors.connection(time_ms - 200, source_ip, server, 3389, OPEN)
        sensors.logon(time_ms, account, server, REMOTE, source=source, source_ip=source_ip)
        parent = catalogue.CMD
        sensors.launch(
            time_ms + 900, account, server, catalogue.EXPLORER, catalogue.USERINIT, catalogue.EXPLORER
        )
    else:
        port, parent = (5985, catalogue.WSMPROVHOST) if chance.happens(0.6) else (445, catalogue.SERVICES)
        sensors.connection(time_ms - 200, source_ip, server, port, OPEN)
        open_share(world, time_ms, account, server, source, source_ip, ntlm=chance.happens(0.15))
    for _ in range(n):
        time_ms += 4_000 + chance.exponential(70_000)
        run(world, chance, time_ms, account, server, chance.favourite(programs, 0.6), "IT", parent)
    if not server.linux:
        sensors.logoff(time_ms + 30_000, account, server, NETWORK)
    return time_ms + 60_000


def sign_in_cloud(
    world: World,
    chance: Chance,
    time_ms: float,
    account: Account,
    client: Client,
    *,
    wrong: int = 0,
    refused: int = 0,
) -> float:
    """Sign in to the cloud after wrong passwords and refused second factors; returns when it is done."""
    app = chance.favourite(
        ("Office 365 Exchange Online", "Office 365 SharePoint Online", "Microsoft Teams", "OfficeHome"), 0.5
    )
    for attempt in range(wrong + refused):
        failure = BAD_CLOUD_PASSWORD if attempt < wrong else MFA_DENIED
        world.sensors.cloud_sign_in(time_ms, account, app, client, mfa=attempt >= wrong, failure=failure)
        time_ms += 8_000 + chance.exponential(25_000)
    world.sensors.cloud_sign_in(time_ms, account, app, client)
    return time_ms + 2_000


def library_file(
    world: World,
    time_ms: float,
    account: Account,
    client: Client,
    where: tuple[str, str],
    number: int,
    activity: int,
) -> None:
    """One file of a cloud library."""
    library, folder = where
    path = f"{folder}/{places.file_name(library, folder, number)}"
    world.sensors.hosted_file(time_ms, account, client, library, path, activity)


def fetch_library(
    world: World,
    chance: Chance,
    time_ms: float,
    account: Account,
    client: Client,
    where: tuple[str, str],
    n: int,
    gap_ms: float,
) -> float:
    """Download n files of a cloud library one after the other; returns when it is done."""
    first = chance.below(places.FILES_PER_FOLDER)
    for step in range(n):
        time_ms += 300 + chance.exponential(gap_ms)
        library_file(world, time_ms, account, client, where, (first + step) % places.FILES_PER_FOLDER, 2)
    return time_ms


def read_mail(
    world: World, chance: Chance, time_ms: float, account: Account, client: Client, n: int
) -> float:
    """Open n messages of one's mailbox; returns when it is done."""
    for _ in range(n):
        time_ms += 1_000 + chance.exponential(50_000)
        world.sensors.mailbox(time_ms, account, client, chance.favourite(places.MAIL_OPERATIONS, 1.2))
    return time_ms
