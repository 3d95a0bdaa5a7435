"""Campaigns against the cloud provider's accounts: stolen keys, doors left or put open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import catalogue, places
from training.simulate.campaigns.campaign import Campaign, address, hour, shown, spread, user
from training.simulate.records import Client
from training.simulate.worktime import HOUR_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.plan import Plan, World

_READ, _LIST = places.CLOUD_CALLS[0], places.CLOUD_CALLS[2]
SERVICE_CALLS = {
    "svc-deploy": tuple(places.CLOUD_CALLS[number] for number in (9, 8, 10, 4)),
    "svc-etl": (_READ, places.CLOUD_CALLS[5], _LIST),
}
"""What the keys of services are used for."""


def cloud_key_theft(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """An access key from a build log or a laptop: who am I, what is there, then secrets and data."""
    account, sensors, lasting = campaign.account, world.sensors, campaign.lasting(world)
    own = SERVICE_CALLS.get(account.name, places.CLOUD_CALLS[:8])
    agent = (
        lasting.pick(places.COMMAND_CLIENTS) if campaign.difficulty != "hard" else places.COMMAND_CLIENTS[1]
    )
    client = Client(campaign.ips[0], agent)
    person = campaign.person
    if account is person.account:
        home = (person.cloud_account, person.cloud_region)
    else:
        home = (places.CLOUD_ACCOUNTS[1 if account.name == "svc-etl" else 0], "eu-central-1")
    begin = hour(campaign, victim, chance)
    n = chance.between(*campaign.graded((50, 110), (20, 45), (6, 16)))
    with shown(world, campaign, user(account), address(client.ip)):
        for place, at in enumerate(spread(chance, begin, n, campaign.graded(1.5, 3.0, 6.0))):
            asking = place < n * campaign.graded(0.4, 0.3, 0.15)
            if campaign.day_of(victim) == 0 and asking:
                call = chance.pick(catalogue.CLOUD_QUESTIONS)
            elif chance.happens(campaign.graded(0.2, 0.5, 0.9)):
                call = chance.favourite(own)
            else:
                call = chance.pick((*places.CLOUD_CALLS, *catalogue.CLOUD_CHANGES))
            usual = chance.happens(campaign.graded(0.5, 0.8, 1.0))
            where = home if usual else (chance.pick(places.CLOUD_ACCOUNTS), chance.pick(places.CLOUD_REGIONS))
            denied = chance.happens(campaign.graded(0.3, 0.12, 0.03))
            resource = chance.favourite(call.resources)
            sensors.api(at, account, client, call, resource, *where, denied=denied)


def cloud_misconfiguration(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """With an operator's session logging is stopped and a bucket opened; then it is emptied from outside."""
    account, sensors, person = campaign.account, world.sensors, campaign.person
    client = Client(campaign.ips[0], person.command_client)
    at = hour(campaign, victim, chance)
    region = person.cloud_region if campaign.difficulty == "hard" else chance.pick(places.CLOUD_REGIONS)
    where = (person.cloud_account, region)
    with shown(world, campaign, user(account), address(client.ip)):
        if campaign.day_of(victim) == 0:
            n = chance.between(*campaign.graded((8, 16), (4, 8), (2, 4)))
            changes = (*catalogue.CLOUD_CHANGES, places.CLOUD_CALLS[13])
            for moment in spread(chance, at, n, 1.0):
                call = chance.pick(changes)
                denied = chance.happens(campaign.graded(0.2, 0.1, 0.0))
                resource = chance.favourite(call.resources)
                sensors.api(moment, account, client, call, resource, *where, denied=denied)
            at += HOUR_MS
        bucket = campaign.lasting(world).pick(_READ.resources)
        n = chance.between(*campaign.graded((40, 90), (15, 35), (5, 12)))
        for moment in spread(chance, at, n, campaign.graded(0.5, 2.0, 6.0)):
            call = _LIST if chance.happens(0.1) else _READ
            sensors.api(moment, account, client, call, bucket, *where)
