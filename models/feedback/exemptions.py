"""Exceptions that analysts make: what is odd here is all right, until a day.

An exemption names an entity or a peer group, a behaviour, a value, or several of them; findings that fit all
it names stay in the books and count for nothing. So it holds for what is to come and for what is stored, and
taking it away brings everything back.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from features.baselines import DAY_US
from features.behaviours import ENTITY_KINDS
from features.errors import InputError

if TYPE_CHECKING:
    from features.baselines import Baselines
    from models.channels import Channels

MOST_DAYS = 400
"""Longest that an exemption may hold: what nobody looks at again for a year is no exception."""
LEAST_PREFIX = 3
"""Characters that a value which only has to begin so must give."""
MOST = 1_000
"""Exemptions of a tenant: more are a policy, which belongs into the sources."""


class Exemption(msgspec.Struct, frozen=True, kw_only=True):
    """One exception.

    Attributes
    ----------
    uid
        Unique within the tenant.
    entity_kind
        "user", "host" or "src_ip".
    entity, group
        Name of the entity, or of its peer group, as the baselines have it; "" for any. Not both.
    behaviour
        A channel's name; without its part behind "/" all windows and links of it. "" for any.
    value
        The odd value, or the beginning of it with "*" behind it; "" for any.
    since_us, until_us
        Made at and holding until, microseconds UTC. What happened before `since_us` is covered as well.
    """

    uid: str
    entity_kind: str
    entity: str = ""
    group: str = ""
    behaviour: str = ""
    value: str = ""
    since_us: int
    until_us: int

    @property
    def wide(self) -> bool:
        """Whether it is not about one entity alone: two people should want it."""
        return not self.entity


def checked(exemption: Exemption, channels: Channels) -> Exemption:
    """The exemption as it is; InputError, saying what to name, when it would cover too much or nothing."""
    if exemption.entity_kind not in ENTITY_KINDS:
        raise InputError(f"entity_kind is {exemption.entity_kind[:32]!r}: one of {', '.join(ENTITY_KINDS)}")
    if exemption.entity and exemption.group:
        raise InputError("name an entity or a peer group, not both")
    if exemption.behaviour and not _channels_of(exemption, channels).any():
        names = {part for c in channels.all if c.entity == exemption.entity_kind for part in _names(c.name)}
        close = get_close_matches(exemption.behaviour, sorted(names), n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f"{exemption.behaviour[:64]!r} is no behaviour of a {exemption.entity_kind}{hint}")
    prefix = exemption.value.removesuffix("*")
    if exemption.value.endswith("*") and len(prefix) < LEAST_PREFIX:
        raise InputError(f"give at least {LEAST_PREFIX} characters before the * of a value")
    if not exemption.entity and not (exemption.value and exemption.behaviour):
        raise InputError("an exception for more than one entity must name a behaviour and a value")
    if not exemption.since_us < exemption.until_us <= exemption.since_us + MOST_DAYS * DAY_US:
        raise InputError(f"an exception ends after it begins, and within {MOST_DAYS} days")
    return exemption


def _names(channel: str) -> tuple[str, str]:
    return channel, channel.partition("/")[0]


def _channels_of(exemption: Exemption, channels: Channels) -> np.ndarray:
    """Which channels it is about, bool by number."""
    return np.array(
        [
            c.entity == exemption.entity_kind
            and (not exemption.behaviour or exemption.behaviour in _names(c.name))
            for c in channels.all
        ],
        np.bool_,
    )


def covered(
    exemptions: list[Exemption],
    baselines: Baselines,
    channels: Channels,
    channel: np.ndarray,
    entity: np.ndarray,
    value: np.ndarray,
    time_us: np.ndarray,
) -> np.ndarray:
    """Which findings some exemption covers, bool (n,).

    channel, entity, value: int64 (n,) ids of the findings. time_us: int64 (n,) when they happened.
    O(exemptions x n), and reads texts only where a value is given by its beginning.
    """
    out = np.zeros(len(channel), np.bool_)
    for one in exemptions:
        fits = _channels_of(one, channels)[channel] & (time_us < one.until_us) & ~out
        if one.entity and fits.any():
            fits &= entity == dict(baselines.find(one.entity)).get(one.entity_kind, -1)
        if one.group and fits.any():
            group = [baselines.group_name(each) for each in np.unique(entity[fits]).tolist()]
            named = np.unique(entity[fits])[[name == one.group for name in group]]
            fits &= np.isin(entity, named)
        if one.value and fits.any():
            fits &= _has_value(one.value, baselines, value, fits)
        out |= fits
    return out


def _has_value(wanted: str, baselines: Baselines, value: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if not wanted.endswith("*"):
        found = baselines.values.find(wanted)
        return np.asarray((value == found) & (found > 0))
    distinct = np.unique(value[rows])
    begins = [text.startswith(wanted[:-1]) for text in baselines.values.many(distinct)]
    return np.isin(value, distinct[begins])
