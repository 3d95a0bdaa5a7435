"""Campaigns against accounts: guessed, stuffed, stolen and forgotten ones, and what is done in mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, networks, places
from training.simulate.campaigns import suppliers
from training.simulate.campaigns.campaign import (
    Campaign,
    address,
    hour,
    intruders_client,
    shown,
    spread,
    user,
)
from training.simulate.records import BAD_CLOUD_PASSWORD, CLOSE, OPEN, Client
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.organisation import Account
    from training.simulate.plan import Plan, World


def _use_cloud(world: World, campaign: Campaign, chance: Chance, at: float, client: Client) -> float:
    """Read mail and fetch files with somebody's account, more or less of both."""
    account = campaign.account
    at = actions.read_mail(
        world, chance, at, account, client, chance.between(*campaign.graded((12, 30), (6, 16), (3, 8)))
    )
    n, gap = campaign.graded((25, 55), (12, 30), (4, 12)), campaign.graded(5_000, 15_000, 70_000)
    libraries = campaign.person.libraries[: campaign.graded(3, 2, 1)]
    for where in libraries:
        at = actions.fetch_library(world, chance, at, account, client, where, chance.between(*n), gap)
    return at


def _tried(
    world: World,
    campaign: Campaign,
    chance: Chance,
    at: float,
    account: Account,
    client: Client,
    at_cloud: bool,
) -> None:
    """One wrong password at a door to the Internet; shows at the address alone, the account did nothing."""
    with shown(world, campaign, address(client.ip)):
        if at_cloud:
            world.sensors.cloud_sign_in(
                at, account, "OfficeHome", client, mfa=False, failure=BAD_CLOUD_PASSWORD
            )
        else:
            gateway = world.organisation.of_kind("vpn gateway")[0]
            world.sensors.vpn(at, account.name, gateway, client.ip, failed=True)


def _through_the_vpn(world: World, campaign: Campaign, chance: Chance, at: float, ip: str) -> None:
    """A tunnel with a guessed password, and files of shares through it."""
    organisation, account = world.organisation, campaign.account
    gateway = organisation.of_kind("vpn gateway")[0]
    inside_ip = networks.vpn_pool(chance)
    with shown(world, campaign, user(account), address(ip)):
        world.sensors.vpn(at, account.name, gateway, ip)
        world.sensors.tunnel(at + 600, account, gateway, ip, inside_ip, OPEN)
    # what the tunnel carries shows the account and the address inside, no longer the one outside
    own = campaign.person.role.shares
    areas = campaign.graded(("Projects", "Finance", "Sales", "People", "IT"), (*own, "Projects"), own)
    with shown(world, campaign, user(account)):
        for share in chance.some(areas, campaign.graded(3, 2, 1)):
            folder = chance.pick(places.SHARE_FOLDERS[share])
            n = chance.between(*campaign.graded((20, 45), (10, 25), (4, 12)))
            at = actions.copy_folder(
                world, chance, at + 5_000, account, gateway, inside_ip, (share, folder), n, 15_000
            )
    with shown(world, campaign, user(account), address(ip)):
        world.sensors.tunnel(at + 40_000, account, gateway, ip, inside_ip, CLOSE)


def password_spray(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """One password for everybody, slowly, from few addresses; on the last day one fits, and is used."""
    people = world.organisation.people
    at_cloud = campaign.lasting(world).happens(0.5)
    n = min(chance.between(*campaign.graded((40, 70), (18, 32), (7, 14))), len(people))
    hours = campaign.graded(3.0, 8.0, 16.0)
    begin = victim.day.midnight_ms + chance.uniform(0.5, 22.0 - hours) * HOUR_MS
    at = begin
    for person, moment in zip(chance.some(people, n), spread(chance, begin, n, hours), strict=True):
        if person is not campaign.person or victim.day.index < campaign.last:
            client = intruders_client(world, campaign, victim, chance.pick(campaign.ips))
            _tried(world, campaign, chance, moment, person.account, client, at_cloud)
        at = moment
    if victim.day.index < campaign.last:
        return
    at += chance.exponential(20 * MINUTE_MS)
    client = intruders_client(world, campaign, victim)
    if not at_cloud:
        _through_the_vpn(world, campaign, chance, at, client.ip)
        return
    with shown(world, campaign, user(campaign.account), address(client.ip)):
        at = actions.sign_in_cloud(world, chance, at, campaign.account, client)
        _use_cloud(world, campaign, chance, at, client)


def credential_stuffing(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """Passwords leaked elsewhere, each tried with its own account, from many lines and browsers.

    One fits; it is looked at briefly at once, and again when it has been sold.
    """
    people = world.organisation.people
    if victim.day.index < campaign.last or campaign.days == 1:
        n = min(chance.between(*campaign.graded((45, 80), (25, 45), (10, 20))), len(people))
        hours = campaign.graded(1.5, 5.0, 14.0)
        begin = victim.day.midnight_ms + chance.uniform(0.5, 22.0 - hours) * HOUR_MS
        for person, moment in zip(chance.some(people, n), spread(chance, begin, n, hours), strict=True):
            model = chance.pick(people)
            agent = places.browser(model.browser, victim.day.date, model.update_delay_days)
            for again in range(1 + int(chance.happens(0.3))):
                client = Client(chance.pick(campaign.ips), agent)
                _tried(world, campaign, chance, moment + again * 4_000, person.account, client, True)
        if campaign.day_of(victim) > 0:
            return
        at, ip = begin + hours * HOUR_MS, campaign.ips[-1]
    else:
        at, ip = hour(campaign, victim, chance), campaign.ips[0]
    client = intruders_client(world, campaign, victim, ip)
    with shown(world, campaign, user(campaign.account), address(ip)):
        at = actions.sign_in_cloud(world, chance, at, campaign.account, client, wrong=chance.below(2))
        if victim.day.index == campaign.last:
            _use_cloud(world, campaign, chance, at, client)
        else:
            actions.read_mail(world, chance, at, campaign.account, client, chance.between(1, 4))


def account_takeover(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """A stolen password, a second factor that was worn down and replaced, then mail and libraries."""
    account = campaign.account
    client = intruders_client(world, campaign, victim)
    at = hour(campaign, victim, chance)
    lasting = campaign.lasting(world)
    with shown(world, campaign, user(account), address(client.ip)):
        if campaign.day_of(victim) > 0:
            at = actions.sign_in_cloud(world, chance, at, account, client)
            _use_cloud(world, campaign, chance, at, client)
            return
        refused = chance.between(*campaign.graded((3, 8), (1, 3), (0, 1)))
        at = actions.sign_in_cloud(world, chance, at, account, client, wrong=chance.below(2), refused=refused)
        if lasting.happens(0.5):
            world.sensors.directory(at, account, client, catalogue.NEW_FACTOR, account.name)
        at = actions.read_mail(world, chance, at + 30_000, account, client, chance.between(3, 12))
        if lasting.happens(0.4):
            world.sensors.mailbox(at, account, client, places.INBOX_RULE)


def impossible_travel(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """A stolen session used far away while its owner works: a little at a time, between the owner's own."""
    account = campaign.account
    if not victim.blocks:
        return
    client = intruders_client(world, campaign, victim)
    n = chance.between(*campaign.graded((20, 40), (10, 20), (4, 9)))
    with shown(world, campaign, user(account), address(client.ip)):
        for at in victim.moments(chance, chance.between(1, campaign.graded(4, 2, 1))):
            actions.sign_in_cloud(world, chance, at, account, client)
        for at in victim.moments(chance, n):
            if chance.happens(0.6):
                operation = chance.favourite(places.MAIL_OPERATIONS, 1.3)
                world.sensors.mailbox(at, account, client, operation)
            else:
                where = chance.favourite(campaign.person.libraries)
                number = chance.rank(places.FILES_PER_FOLDER, 0.7)
                activity = chance.favourite((2, 14), 0.5)
                actions.library_file(world, at, account, client, where, number, activity)


def dormant_account(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """A supplier's account, silent for weeks, is in use again: for other machines and shares than its own."""
    supplier = suppliers.sponsored_by(world.organisation, campaign.person)
    if supplier is None:
        return
    client = intruders_client(world, campaign, victim, campaign.ips[0])
    servers = [host for host in world.organisation.servers if host.kind not in ("scanner", "vpn gateway")]
    for visit in range(chance.between(1, campaign.graded(4, 2, 1))):
        own = chance.happens(campaign.graded(0.0, 0.4, 0.8))
        server = supplier.server if own else chance.pick(servers)
        share = supplier.share if own else chance.pick(sorted(places.SHARE_FOLDERS))
        at = hour(campaign, victim, chance) + visit * HOUR_MS
        files = chance.between(*campaign.graded((20, 55), (10, 25), (3, 12)))
        sign_in = visit == 0
        with shown(world, campaign, user(supplier.account), address(client.ip)):
            suppliers.session(
                world,
                chance,
                at,
                supplier,
                client,
                files=files,
                server=server,
                share=share,
                sign_in=sign_in,
            )


def mailbox_rule_abuse(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """Business mail fraud: a rule that hides answers, searches for invoices, letters, traces gone."""
    account, sensors = campaign.account, world.sensors
    client = intruders_client(world, campaign, victim)
    at = hour(campaign, victim, chance)
    with shown(world, campaign, user(account), address(client.ip)):
        at = actions.sign_in_cloud(world, chance, at, account, client)
        if campaign.day_of(victim) == 0:
            for _ in range(chance.between(1, campaign.graded(4, 2, 1))):
                at += 10_000 + chance.exponential(MINUTE_MS)
                sensors.mailbox(at, account, client, chance.favourite(catalogue.MAIL_CHANGES))
        for operation, some in (
            ("SearchQueryPerformed", (2, 9)),
            ("MailItemsAccessed", (4, 25)),
            ("Send", (3, 40)),
            ("SoftDelete", (2, 30)),
        ):
            high = max(1, round(some[1] * campaign.graded(1.0, 0.5, 0.2)))
            for _ in range(chance.between(min(some[0], high), high)):
                at += 3_000 + chance.exponential(campaign.graded(15_000, 40_000, 120_000))
                sensors.mailbox(at, account, client, operation)
