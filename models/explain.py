"""Reasons in plain words: the evidence is additive, so the explanation is the score."""

from __future__ import annotations

from math import exp, expm1
from typing import TYPE_CHECKING

from features.measures import BYTES_IN, BYTES_OUT, WINDOWS
from models.channels import CHATTER, HABIT, LINK, REGULAR, RETURN, TRANSFER, TRAVEL, VOLUME
from models.habit import ORG, ORG_ALL, OWN, OWN_ALL, PEER, PEER_ALL

if TYPE_CHECKING:
    import numpy as np

    from features.baselines import Baselines
    from models.channels import Channel

KIND_WORDS = {"user": "this user", "host": "this host", "src_ip": "this address"}
ENTITY_WORDS = {"user": "other users", "host": "other hosts", "src_ip": "other addresses"}


def count(events: float) -> str:
    """A decayed count as people read it: whole numbers, thousands separated, "<1" for a faded one."""
    if 0.001 < events < 0.5:
        return "<1"
    return f"{events:,.0f}" if events < 1e12 else f"{events:.0e}"


def odds(nats: float) -> str:
    """Odds such as "1 in 450" for the tail probability exp(-nats), to two digits."""
    times = exp(min(nats, 40.0))
    if times < 10:
        return f"1 in {times:.0f}"
    digits = len(str(int(times))) - 2
    return f"1 in {round(times, -digits):,.0f}"


def reason(
    baselines: Baselines, channel: Channel, entity: int, value: int, nats: float, numbers: np.ndarray
) -> str:
    """One reason: what was done, how usual it is for the entity, its peers and the organisation, and how odd
    that makes it.

    numbers: the six numbers of the finding as they were when the event was scored; what they are depends on
    the kind of channel.
    """
    said = _SAYS[channel.kind](baselines, channel, entity, value, [float(number) for number in numbers])
    return f"{said}; {nats:.1f} nats, {odds(nats)}"


def _habit(baselines: Baselines, channel: Channel, entity: int, value: int, counts: list[float]) -> str:
    behaviour = baselines.behaviours[channel.index]
    said = behaviour.says.format(value=baselines.values[value])
    parts = [
        f"{count(counts[OWN])} of {count(counts[OWN_ALL])} {behaviour.noun} by {KIND_WORDS[behaviour.entity]}"
    ]
    if counts[OWN_ALL] < 0.5:
        parts = [f"first {behaviour.noun} of {KIND_WORDS[behaviour.entity]}"]
    if counts[PEER_ALL] >= 0.5:
        group = baselines.group_name(entity)
        parts.append(f"{count(counts[PEER])} of {count(counts[PEER_ALL])} in {group}")
    if counts[ORG_ALL] >= 0.5:
        if counts[ORG] < 0.5:
            parts.append(f"never by the {ENTITY_WORDS[behaviour.entity]} (of {count(counts[ORG_ALL])})")
        else:
            share = 100 * counts[ORG] / counts[ORG_ALL]
            parts.append(
                f"{_percent(share)} among all other {ENTITY_WORDS[behaviour.entity].split(' ', 1)[1]}"
            )
    return f"{said}: {', '.join(parts)}"


def amount(number: float, *, is_bytes: bool) -> str:
    """A count, or bytes in decimal units."""
    if not is_bytes:
        return f"{number:,.0f}" if number >= 10 else f"{number:.3g}"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:,.3g} {unit}"
        number /= 1000
    return ""


def _volume(baselines: Baselines, channel: Channel, entity: int, value: int, numbers: list[float]) -> str:
    measure = channel.measure
    if measure is None:
        raise TypeError(f"{channel.name}: a volume channel without a measure")
    is_bytes = measure.how in (BYTES_IN, BYTES_OUT)

    def usual(mean: float) -> str:
        return amount(expm1(mean) if is_bytes else mean, is_bytes=is_bytes)

    noun = measure.says.removeprefix("bytes ") if is_bytes else measure.says
    said = f"{amount(numbers[0], is_bytes=is_bytes)} {noun} in {WINDOWS[channel.window]}"
    parts = [f"usually {usual(numbers[1])} ({count(numbers[2])} such times seen)"]
    if numbers[2] < 0.5:
        parts = ["no such time seen before"]
    group = baselines.group_name(entity)
    if group and numbers[3] >= 0:
        parts.append(f"{usual(numbers[3])} in {group}")
    parts.append(f"{usual(numbers[4])} among all {ENTITY_WORDS[channel.entity].split(' ', 1)[1]}")
    return f"{said}: {', '.join(parts)}"


def _return(baselines: Baselines, channel: Channel, entity: int, value: int, numbers: list[float]) -> str:
    gap, active, span = numbers[:3]
    return f"back after {gap:.0f} days of silence: was active on {active:.0f} of {span:.0f} days before"


def duration(seconds: float) -> str:
    """A time span as people say it."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"


def _traffic(baselines: Baselines, channel: Channel, entity: int, value: int, numbers: list[float]) -> str:
    where = baselines.values[value]
    known = "known to no other" if numbers[3] < 1.5 else f"known to {numbers[3]:.0f} in all"
    age = "since today" if numbers[4] < 0.5 else f"for {numbers[4]:.0f} days"
    if channel.kind == REGULAR:
        beat = f"every {duration(numbers[1])} (varying by {100 * numbers[2]:.0f}%)"
        said = f"contacted {where} {beat}, {numbers[5]:.0f} times"
    elif channel.kind == CHATTER:
        said = f"contacted {where} {count(numbers[0])} times in a day"
    else:
        said = f"sent {amount(numbers[0], is_bytes=True)} to {where} in a day"
    return f"{said}: {known}, {age}"


def _travel(baselines: Baselines, channel: Channel, entity: int, value: int, numbers: list[float]) -> str:
    hours = max(numbers[1], 1 / 60)
    said = f"came from {baselines.values[value]} {duration(3600 * hours)} after a country"
    speed = f"{numbers[0]:,.0f} km away: {numbers[0] / hours:,.0f} km/h"
    return f"{said} {speed}; {count(numbers[3])} such jumps of this user before"


def _link(baselines: Baselines, channel: Channel, entity: int, value: int, numbers: list[float]) -> str:
    behaviour = baselines.behaviours[channel.index]
    said = behaviour.says.format(value=baselines.values[value])
    return f"{said} for the first time: unlike {ENTITY_WORDS[behaviour.entity]} with similar habits"


_SAYS = {
    HABIT: _habit,
    VOLUME: _volume,
    RETURN: _return,
    REGULAR: _traffic,
    CHATTER: _traffic,
    TRANSFER: _traffic,
    TRAVEL: _travel,
    LINK: _link,
}


def _percent(share: float) -> str:
    if share < 0.1:
        return "<0.1%"
    return f"{share:.1f}%" if share < 10 else f"{share:.0f}%"
