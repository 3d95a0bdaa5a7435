"""What an incident is made of: alerts, the clues in them, and the things that clues name.

A thing is "<kind>:<name>", such as "user:alice" or "domain:files.example". Two alerts that name one thing may
belong to one story; how much that says is decided in `models.incidents.ties`.
"""

from __future__ import annotations

from math import isfinite

import msgspec

from features.errors import InputError

OWN = "habitus"
"""Source of our own alerts."""
SLOT_US = 600_000_000
"""Ten minutes: times closer than that are one moment to the rules that link alerts."""

FAMILY_OF = {
    "user": "who",
    "session": "who",
    "host": "where",
    "src_ip": "where",
    "tree": "where",
    "domain": "what",
    "hash": "what",
    "file": "what",
    "resource": "what",
    "api": "what",
    "process": "what",
    "lineage": "what",
    "command": "what",
    "user_agent": "what",
    "net": "what",
    "service": "what",
    "rule": "what",
}
"""Kinds of things, and what they are about. Things of one family say much the same (an address, a session
from it), so the strongest of a family counts for all.
"""
MOST_TEXT = 300
MOST_NAME = 200
MOST_THING = MOST_NAME + 16
"""With its kind."""
MOST_CLUES = 200
MOST_THINGS = 64


class Clue(msgspec.Struct, frozen=True, kw_only=True):
    """One odd thing in an alert.

    Attributes
    ----------
    channel
        Where it comes from: a name of `models.channels.Channel`, or the name of a foreign rule.
    cause
        Clues of one entity, cause and value are one piece of evidence.
    value
        What was odd, "" where it is a number.
    nats
        Evidence, at least 0.
    first_us, last_us
        When: microseconds since 1970-01-01 UTC, inclusive.
    says
        In plain words.
    count
        How often, for what counts repeats.
    things
        What it names.
    """

    channel: str
    cause: str
    nats: float
    first_us: int
    last_us: int
    says: str
    value: str = ""
    count: int = 1
    things: tuple[str, ...] = ()


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert: of habitus (an entity-day) or of another detector.

    Attributes
    ----------
    uid
        Stable: an alert that comes again under its uid replaces what it said before.
    entity_kind, entity
        Whom it is about: "user", "host" or "src_ip".
    risk
        Nats: the negative logarithm of how often an everyday entity looks like that.
    first_us, last_us
        The time it covers, microseconds since 1970-01-01 UTC, inclusive.
    clues
        Why; may be empty when a whole picture was odd and no single thing.
    touched
        Things that were used around it without being odd (`models.incidents.company`): they hold for the
        whole alert and count by their share among entities alone.
    shares
        By thing: share of the tenant's entities that used it in the last days, 0 to 1. What is not listed
        is taken as rare, and judged by how often alerts name it.
    weight
        Of the entity as an asset, 1 unless a directory says otherwise.
    count
        Events or repeats behind it.
    source
        Which detector.
    techniques
        ATT&CK ids that the detector itself claims.
    """

    uid: str
    entity_kind: str
    entity: str
    risk: float
    first_us: int
    last_us: int
    clues: tuple[Clue, ...] = ()
    touched: tuple[str, ...] = ()
    shares: dict[str, float] = {}
    weight: float = 1.0
    count: int = 1
    source: str = OWN
    techniques: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """The entity as a thing."""
        return thing(self.entity_kind, self.entity)

    def signatures(self) -> frozenset[tuple[str, str, str]]:
        """(entity, cause, value) of each clue: what makes it the same alert as another day's."""
        return frozenset((self.who, clue.cause, clue.value) for clue in self.clues)


def clean(text: str, limit: int = MOST_TEXT) -> str:
    """Text that steers neither a terminal nor the direction of a line: what is not printable (controls,
    direction marks, zero-width characters, lone surrogates) is replaced. At most `limit` characters.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def thing(kind: str, name: str) -> str:
    """A thing's text; the name is cleaned and bounded.

    Raises
    ------
    InputError
        If the kind is unknown.
    """
    if kind not in FAMILY_OF:
        raise InputError(f"{clean(kind, 40)!r} is no kind of thing; use one of {', '.join(FAMILY_OF)}")
    return f"{kind}:{clean(name, MOST_NAME)}"


def kind_and_name(one: str) -> tuple[str, str]:
    """Kind and name of a thing."""
    kind, _, name = one.partition(":")
    return kind, name


def checked(alert: Alert) -> Alert:
    """The alert with printable text, if it can be used.

    Raises
    ------
    InputError
        If it cannot, with what to change.
    """
    where = f"alert {clean(alert.uid, 40)!r}"
    if not alert.uid:
        raise InputError("an alert has no uid; give each one a stable one, updates and repeats need it")
    if alert.entity_kind not in ("user", "host", "src_ip") or not alert.entity:
        raise InputError(f"{where}: the entity must be a named user, host or src_ip")
    if not isfinite(alert.risk) or alert.risk < 0 or not isfinite(alert.weight) or alert.weight <= 0:
        raise InputError(f"{where}: risk must be a finite number from 0, weight one above 0")
    if not 0 <= alert.first_us <= alert.last_us:
        raise InputError(f"{where}: first_us must be at least 0 and not after last_us")
    if len(alert.clues) > MOST_CLUES or len(alert.touched) > MOST_THINGS:
        raise InputError(
            f"{where}: at most {MOST_CLUES} clues and {MOST_THINGS} touched things; send the strongest"
        )
    if not all(0 <= share <= 1 for share in alert.shares.values()):
        raise InputError(f"{where}: shares must lie between 0 and 1")
    for clue in alert.clues:
        if (
            not isfinite(clue.nats)
            or clue.nats < 0
            or not 0 <= clue.first_us <= clue.last_us
            or clue.count < 1
        ):
            raise InputError(
                f"{where}: clue {clean(clue.channel, 40)!r} needs nats from 0, first_us <= last_us "
                "and a count from 1"
            )
        unknown = [one for one in clue.things if kind_and_name(one)[0] not in FAMILY_OF]
        if unknown:
            raise InputError(f"{where}: {clean(unknown[0], 40)!r} is no thing; make things with `thing`")
    return _printable(alert)


def _printable(alert: Alert) -> Alert:
    """Names and words as `clean` has them; what is clean already is not copied."""
    words = [alert.uid, alert.entity, alert.source, *alert.touched, *alert.shares, *alert.techniques]
    for clue in alert.clues:
        words += [clue.channel, clue.cause, clue.value, clue.says, *clue.things]
    if all(len(word) <= MOST_NAME and word.isprintable() for word in words):
        return alert
    return msgspec.structs.replace(
        alert,
        uid=clean(alert.uid, MOST_NAME),
        entity=clean(alert.entity, MOST_NAME),
        source=clean(alert.source, MOST_NAME),
        touched=_names(alert.touched),
        shares={clean(one, MOST_THING): share for one, share in alert.shares.items()},
        techniques=_names(alert.techniques),
        clues=tuple(
            msgspec.structs.replace(
                clue,
                channel=clean(clue.channel, MOST_NAME),
                cause=clean(clue.cause, MOST_NAME),
                value=clean(clue.value),
                says=clean(clue.says),
                things=_names(clue.things),
            )
            for clue in alert.clues
        ),
    )


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(clean(name, MOST_THING) for name in names)
