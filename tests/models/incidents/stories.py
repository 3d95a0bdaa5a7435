"""Alerts told in words, for the tests of incidents."""

from __future__ import annotations

from typing import Any

from models.incidents.alert import Alert, Clue, thing

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START_DAY = 20_148
"""2025-03-01 UTC."""


def at(day: int, hours: float) -> int:
    """Microseconds since 1970 of a day (counted from START_DAY) and a time of day."""
    return (START_DAY + day) * DAY_US + int(hours * HOUR_US)


def clue(channel: str, when_us: int, value: str = "", nats: float = 5.0, **more: Any) -> Clue:
    """One clue; `names` are (kind, name) of things."""
    names = more.pop("names", ())
    says = more.pop("says", f"{channel} {value}: 0 of 412 events by this user; {nats:.1f} nats, 1 in 450")
    cause = more.pop("cause", channel.partition(".")[2])
    things = tuple(thing(*name) for name in names)
    return Clue(
        channel=channel,
        cause=cause,
        value=value,
        nats=nats,
        first_us=when_us,
        last_us=more.pop("last_us", when_us),
        says=says,
        things=things,
        **more,
    )


def alert(who: str, when_us: int, *clues: Clue, risk: float = 8.0, **more: Any) -> Alert:
    """One alert of "user:alice"; its uid is made of entity and day unless it is given."""
    kind, _, name = who.partition(":")
    first = min([one.first_us for one in clues] or [when_us])
    last = max([one.last_us for one in clues] or [when_us])
    return Alert(
        uid=more.pop("uid", f"{who} {when_us // DAY_US}"),
        entity_kind=kind,
        entity=name,
        risk=risk,
        first_us=more.pop("first_us", first),
        last_us=more.pop("last_us", last),
        clues=clues,
        **more,
    )


NEW_DOMAIN = {thing("domain", "files.example"): 0.002}
SESSION = ("session", "alice from 198.51.100.7 on 2025-03-11")
TREE = ("tree", "srv-17: winword.exe > powershell.exe")
RARE = {thing("host", "srv-17"): 0.01, thing("user", "alice"): 0.01, thing("src_ip", "198.51.100.7"): 0.004}


def intrusion(day: int = 10) -> list[Alert]:
    """One story over sign-in, endpoint, network and cloud: an address, a user and two machines."""
    return [
        alert(
            "src_ip:198.51.100.7",
            at(day, 1.0),
            clue(
                "src_ip.failures/hour",
                at(day, 1.0),
                nats=6.0,
                says="40 failures in an hour: usually 0; 6.0 nats",
            ),
            touched=(thing(*SESSION),),
            shares=RARE | {thing(*SESSION): 0.002},
            risk=7.0,
        ),
        alert(
            "user:alice",
            at(day, 1.2),
            clue(
                "user.src_ip",
                at(day, 1.2),
                "198.51.100.7",
                names=[("src_ip", "198.51.100.7")],
                says="came from address 198.51.100.7: 0 of 412 events by this user; 5.0 nats, 1 in 150",
            ),
            clue(
                "user.host",
                at(day, 1.5),
                "srv-17",
                8.0,
                names=[("host", "srv-17")],
                says="used host srv-17: 0 of 412 events by this user; 8.0 nats, 1 in 3,000",
            ),
            clue(
                "user.api",
                at(day, 2.0),
                "iam.amazonaws.com:createaccesskey",
                names=[("api", "iam.amazonaws.com:createaccesskey")],
                says="called iam.amazonaws.com:createaccesskey: 0 of 31 calls by this user; 5 nats, 1 in 150",
            ),
            touched=(thing(*SESSION),),
            shares=RARE | {thing(*SESSION): 0.002},
            risk=10.0,
        ),
        alert(
            "host:srv-17",
            at(day, 1.6),
            clue(
                "host.lineage",
                at(day, 1.6),
                "winword.exe > powershell.exe",
                names=[("lineage", "winword.exe > powershell.exe"), TREE],
                says="ran winword.exe > powershell.exe: first process starts of this host; 5 nats, 1 in 150",
            ),
            clue(
                "host.domain",
                at(day, 1.7),
                "files.example",
                6.0,
                names=[("domain", "files.example")],
                says="asked for Internet domain files.example: 0 of 90 by this host; 6.0 nats, 1 in 400",
            ),
            touched=(thing("user", "alice"),),
            shares=RARE | NEW_DOMAIN,
            risk=9.0,
        ),
        alert(
            "host:ws-4",
            at(day, 3.0),
            clue(
                "host.transfer",
                at(day, 3.0),
                "files.example",
                7.0,
                names=[("domain", "files.example")],
                says="sent 4.2 GB to files.example in a day: known to no other, since today; 7 nats",
            ),
            shares=NEW_DOMAIN,
            risk=9.0,
        ),
    ]
