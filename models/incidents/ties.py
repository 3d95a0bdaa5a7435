r"""How strongly an alert is tied to an incident, in nats.

Two records agree on a value: that says the more, the less likely unrelated records agree on it. That is
the frequency-weighted agreement of record linkage (Fellegi and Sunter, JASA 1969; Winkler 1989), -ln u here,
with u the chance that an unrelated alert names thing t as close in time:

    u_t(gap) = max( s_t,  1 - (1 - f_t)^(gap / slot + 1) )

s_t: share of the tenant's entities that used t in the last days. f_t: share of ten-minute slots in which
alerts above the everyday named it (`models.incidents.recurrence`), so the second term is the chance of at
least one among gap / slot + 1 independent slots. Until alerts have shown f_t it is taken as s_t times the
share of slots with any alert: an unrelated alert names t as often as entities use it. A domain controller
that nearly everybody uses has s near 1 and ties nothing, whatever the time; a domain that nobody asked for
before ties strongly, and less as hours pass.

An incident that has come to name K things of a kind gives chance K times to agree, so ln K is taken off
(Bonferroni): what has grown large is harder to join. Of each family (who, where, what) the best thing counts,
and families add up. What an alert is worth itself enters as ln(p), p = 1 / (1 + e^(REAL_NATS - risk)): an
alert that is likely noise is likely part of nobody's story.
"""

from __future__ import annotations

from math import exp, expm1, log, log1p
from typing import TYPE_CHECKING, NamedTuple

from models.incidents.alert import FAMILY_OF, SLOT_US, Alert, kind_and_name
from models.incidents.recurrence import PRIOR_ACTIVE, PRIOR_SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.incidents.recurrence import Recurrence

REAL_NATS = 3.0
"""Risk at which an alert is as likely noise as not; evidence counts from there on in `models.calibration`."""
UNKNOWN_SHARE = PRIOR_ACTIVE / PRIOR_SLOTS
"""f of a thing that nobody knows anything about: half a slot a day."""
ANY = "any:alert"
"""A thing that every alert names: how busy the tenant is."""
ANY_SHARE = 0.5
"""Share of slots with any alert, before that is known."""
OWN_SLOTS = 2
"""Slots of a thing that may be the story's own naming of it. No more: what names a thing all the time must
not be able to explain that away by being one large incident.
"""
MOST_NATS = 12.0
"""Of one family: no name is so rare that it proves more."""


class Span(NamedTuple):
    """When a thing was named (microseconds UTC, inclusive), and whether it was odd or merely around."""

    first_us: int
    last_us: int
    odd: bool


class Tie(NamedTuple):
    """What ties an alert to an incident: nats in all, and the best thing of each family with its nats."""

    nats: float
    things: tuple[tuple[str, float], ...]


def things_of(alert: Alert) -> dict[str, Span]:
    """All things that an alert names, with their times."""
    found = {alert.who: Span(alert.first_us, alert.last_us, odd=True)}
    for clue in alert.clues:
        for one in clue.things:
            found[one] = joined(found.get(one), Span(clue.first_us, clue.last_us, odd=True))
    for one in alert.touched:
        if one not in found:
            found[one] = Span(alert.first_us, alert.last_us, odd=False)
    return found


def joined(left: tuple[int, int, bool] | None, right: tuple[int, int, bool]) -> Span:
    """Two spans of one thing as one."""
    if left is None:
        return Span(*right)
    return Span(min(left[0], right[0]), max(left[1], right[1]), left[2] or right[2])


def gap_us(left: tuple[int, int, bool], right: tuple[int, int, bool]) -> int:
    """Microseconds between two spans, 0 where they overlap."""
    return max(0, left[0] - right[1], right[0] - left[1])


def tie(
    alert: Alert,
    own: Mapping[str, Span],
    theirs: Mapping[str, tuple[int, int, bool]],
    sizes: Mapping[str, int],
    shares: Mapping[str, float],
    recurrence: Recurrence,
) -> Tie:
    """How strongly an alert is tied to an incident.

    Parameters
    ----------
    alert
        The alert.
    own
        Its things.
    theirs
        The incident's things, as `Span`s.
    sizes
        Number of them by kind.
    shares
        Share of entities by thing, what the incident knows.
    recurrence
        How often alerts name things.
    """
    best: dict[str, tuple[float, str]] = {}
    for one in own:
        if one not in theirs:
            continue
        share = max(alert.shares.get(one, 0.0), shares.get(one, 0.0))
        nats = thing_nats(one, own[one], theirs[one], share, recurrence)
        kind = kind_and_name(one)[0]
        family = FAMILY_OF[kind]
        nats = min(nats, MOST_NATS) - log(sizes[kind])
        if nats > 0 and (family not in best or (-nats, one) < (-best[family][0], best[family][1])):
            best[family] = (nats, one)
    if not best:
        return Tie(0.0, ())
    strongest = sorted(((one, nats) for nats, one in best.values()), key=lambda pair: (-pair[1], pair[0]))
    return Tie(sum(nats for _, nats in strongest) + believed(alert.risk), tuple(strongest))


def thing_nats(
    one: str, own: Span, theirs: tuple[int, int, bool], share: float, recurrence: Recurrence
) -> float:
    """Nats by which naming one thing ties; 0 where it was merely around on both sides and nobody says how
    many use it.
    """
    if not own[2] and not theirs[2] and share <= 0:
        return 0.0
    at_us = max(own[0], theirs[0])
    expected = UNKNOWN_SHARE
    if share > 0:
        expected = min(expected, share * recurrence.share(ANY, at_us, ANY_SHARE))
    named = min(recurrence.share(one, at_us, expected, OWN_SLOTS), 1.0 - 1e-12)
    by_chance = -expm1(log1p(-named) * (gap_us(own, theirs) / SLOT_US + 1))
    return -log(min(1.0, max(share, by_chance, 1e-12)))


def believed(risk: float) -> float:
    """Logarithm of the chance that an alert is not noise, at most 0."""
    return -log1p(exp(min(REAL_NATS - risk, 50.0)))
