"""Alerts of other detectors (Wazuh, Suricata, an EDR) as alerts of ours.

A foreign alert says what and where, seldom how strange that is. Its risk here is how surprising it is that
this rule fires on this host in these ten minutes, given how often it did in the last days, in nats:

    risk = -ln f,    f = (a + 144 e) / (n + 144),    e = max(f_rule / hosts, 0.5 / 144)

a of n slots so far had this rule on this host; e is what to expect before that is known: the rule's share of
slots, spread over the hosts that fire alerts. So a rule that is new to a host is less of a surprise when it
fires everywhere. A detector's own severity is not used: scales differ, and everyday rules carry high ones.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from models.incidents.alert import SLOT_US, Alert, Clue, clean, thing
from models.incidents.recurrence import PRIOR_ACTIVE, PRIOR_SLOTS, SLOTS_A_DAY, Recurrence, surprise
from models.incidents.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

FOREIGN_RULES = Rules(routine_nats=4.0, join_nats=1.5, merge_nats=3.5, quiet_hours=4.0)
"""For a tenant that has alerts of other detectors only: chosen on one test bed, see docs/incidents.md. Beside
habitus's own alerts, whose times are days, the default rules hold them all.
"""


class ForeignAlert(NamedTuple):
    """One alert as another detector raised it.

    time_us: microseconds since 1970-01-01 UTC. rule: its name. host: where; src_ip: who it came from, user:
    who acted, "" where the alert does not say. An address that is the host's own is left out. techniques:
    ATT&CK ids that it claims.
    """

    time_us: int
    rule: str
    host: str
    source: str = ""
    src_ip: str = ""
    user: str = ""
    techniques: tuple[str, ...] = ()


class ForeignAlerts:
    """Turns foreign alerts of one tenant into alerts, and learns how often each fires where."""

    def __init__(self) -> None:
        self._rules = Recurrence()
        self._hosts: dict[str, int] = {}

    def take(self, alerts: Iterable[ForeignAlert], now_us: int | None = None) -> list[Alert]:
        """Alerts for `models.incidents.book.IncidentBook`, in order of time; their own order does not matter.

        Those that are equal but for fractions of a second are one alert with a count: evidence is added up,
        not dropped. A batch should hold whole slots of ten minutes; what is split over batches counts as
        further alerts. now_us: the tenant's event time, by which old days are forgotten; default: the latest
        alert.
        """
        counts: dict[tuple[int, str, str, str, str, str, tuple[str, ...]], int] = {}
        for one in alerts:
            second = one.time_us // 1_000_000
            key = (second, one.rule, one.host, one.source, one.src_ip, one.user, one.techniques)
            counts[key] = counts.get(key, 0) + 1
        found = []
        for key in sorted(counts):
            second, *_ = key
            one = ForeignAlert(second * 1_000_000, *key[1:])
            found.append(self._alert(one, counts[key]))
            self._learn(one)
        if found:
            now_us = found[-1].last_us if now_us is None else now_us
            self._rules.forget(now_us)
            oldest = now_us // SLOT_US - self._rules.window_days * SLOTS_A_DAY
            self._hosts = {host: slot for host, slot in self._hosts.items() if slot >= oldest}
        return found

    def _risk(self, one: ForeignAlert) -> float:
        hosts = max(1, len(self._hosts))
        everywhere = self._rules.share(f"rule:{one.rule}", one.time_us)
        expected = max(everywhere / hosts, PRIOR_ACTIVE / PRIOR_SLOTS)
        return surprise(self._rules.share(f"at:{one.host}\n{one.rule}", one.time_us, expected))

    def _learn(self, one: ForeignAlert) -> None:
        self._hosts[one.host] = max(one.time_us // SLOT_US, self._hosts.get(one.host, 0))
        self._rules.learn(f"rule:{one.rule}", one.time_us, one.time_us)
        self._rules.learn(f"at:{one.host}\n{one.rule}", one.time_us, one.time_us)

    def _alert(self, one: ForeignAlert, count: int) -> Alert:
        risk = self._risk(one)
        things = [thing("rule", one.rule)]
        if one.src_ip:
            things.append(thing("src_ip", one.src_ip))
        if one.user:
            things.append(thing("user", one.user))
        name = "\x1f".join((*map(str, one[:6]), *one.techniques))
        return Alert(
            uid=hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24],
            entity_kind="host",
            entity=clean(one.host, 200),
            risk=risk,
            first_us=one.time_us,
            last_us=one.time_us,
            clues=(
                Clue(
                    channel=clean(one.rule, 200),
                    cause=clean(one.rule, 200),
                    nats=risk,
                    first_us=one.time_us,
                    last_us=one.time_us,
                    says=f"raised '{clean(one.rule, 200)}'",
                    count=count,
                    things=tuple(things),
                ),
            ),
            count=count,
            source=clean(one.source or "foreign", 60),
            techniques=one.techniques,
        )
