"""Benign oddities of signing in: wrong, old and expired passwords, second factors. `size` scales how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, networks, places
from training.simulate.odd_admin import some_admin
from training.simulate.odd_data import scaled, sometime
from training.simulate.records import BAD_CLOUD_PASSWORD, INTERACTIVE, NETWORK, Client
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.plan import Plan, World

_MAIL = "Office 365 Exchange Online"


def _wrong_at_desk(world: World, plan: Plan, chance: Chance, at: float, n: int) -> float:
    account, host = plan.person.account, plan.host
    for _ in range(n):
        if host.linux:
            world.sensors.ssh(at, account, host, "127.0.0.1", key=False, failed=True)
        else:
            world.sensors.logon(at, account, host, INTERACTIVE, source_ip="127.0.0.1", failed=True)
        at += 3_000 + chance.exponential(20_000)
    return at


def forgotten_password(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A burst of wrong passwords, a call to the help desk, a reset."""
    account = plan.person.account
    controller = world.organisation.of_kind("domain controller")[0]
    at = _wrong_at_desk(world, plan, chance, sometime(plan, chance), scaled(chance, 3, 14, size))
    at += chance.exponential(12 * MINUTE_MS)
    world.sensors.password_change(at, some_admin(world, chance), account, controller, reset=True)
    world.sensors.password_change(at + 90_000, account, account, controller, reset=False)
    if not plan.host.linux:
        world.sensors.logon(at + 120_000, account, plan.host, INTERACTIVE, source_ip="127.0.0.1")


def expired_password(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """The password ran out: it fails at the desk, the VPN and the cloud before somebody changes it."""
    person, account = plan.person, plan.person.account
    at = _wrong_at_desk(world, plan, chance, plan.start_ms, scaled(chance, 1, 5, size))
    if plan.outside:
        gateway = world.organisation.of_kind("vpn gateway")[0]
        for _ in range(scaled(chance, 1, 6, size)):
            world.sensors.vpn(at, person.name, gateway, plan.public_ip, failed=True)
            at += 5_000 + chance.exponential(30_000)
    at = actions.sign_in_cloud(world, chance, at, account, plan.client, wrong=scaled(chance, 1, 6, size))
    controller = world.organisation.of_kind("domain controller")[1]
    world.sensors.password_change(at, account, account, controller, reset=False)


def stale_phone_password(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A changed password that the phone does not know: it tries for hours."""
    account = plan.person.account
    controller = world.organisation.of_kind("domain controller")[1]
    at = plan.start_ms + MINUTE_MS
    world.sensors.password_change(at, account, account, controller, reset=False)
    client = Client(plan.phone_ip, plan.person.phone or places.PHONES[0])
    for _ in range(scaled(chance, 8, 40, size)):
        at += 30_000 + chance.exponential(10 * MINUTE_MS)
        world.sensors.cloud_sign_in(at, account, _MAIL, client, mfa=False, failure=BAD_CLOUD_PASSWORD)


def stale_drive_password(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A drive or a session left open somewhere keeps trying an old password at servers."""
    account = plan.person.account
    servers = chance.some([one for one in world.organisation.servers if not one.linux], chance.between(1, 4))
    at, gap = plan.start_ms + chance.uniform(0, HOUR_MS), chance.uniform(5_000, 6 * MINUTE_MS)
    for step in range(scaled(chance, 8, 50, size)):
        at += chance.exponential(gap)
        world.sensors.logon(
            at, account, servers[step % len(servers)], NETWORK, source=plan.host, source_ip=plan.inside_ip,
            protocol="NTLM", failed=True,
        )  # fmt: skip


def mfa_trouble(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A second factor that does not work: a new phone, a lost one, a missed message."""
    account = plan.person.account
    client = (
        plan.client
        if chance.happens(0.5)
        else Client(networks.mobile(plan.person.home_country, chance), plan.user_agent)
    )
    refused, wrong = scaled(chance, 2, 7, size), chance.below(2)
    at = sometime(plan, chance)
    at = actions.sign_in_cloud(world, chance, at, account, client, wrong=wrong, refused=refused)
    if chance.happens(0.5):
        at += MINUTE_MS
        world.sensors.directory(at, account, client, catalogue.NEW_FACTOR, account.name)


def wrong_name(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """From one desk many names fail: an old list of addresses, a trainer who signs in a whole class."""
    at, client = sometime(plan, chance), plan.client
    people = world.organisation.people
    for person in chance.some(people, min(scaled(chance, 3, 14, size), len(people))):
        wrong = chance.between(1, 2)
        for _ in range(wrong):
            world.sensors.cloud_sign_in(
                at, person.account, "OfficeHome", client, mfa=False, failure=BAD_CLOUD_PASSWORD
            )
            at += 5_000 + chance.exponential(30_000)
        if chance.happens(0.5):
            world.sensors.cloud_sign_in(at, person.account, "OfficeHome", client)
