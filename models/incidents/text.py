"""A described incident as plain text: for terminals, mails and tickets."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from models.incidents.alert import kind_and_name
from models.incidents.attack_data import TACTICS
from models.incidents.story import KIND_WORDS, PLURALS, THING_WORDS, moment

if TYPE_CHECKING:
    from models.incidents.story import Description, Moment

WIDTH = 110


def as_text(told: Description, most_moments: int = 20) -> str:
    """The incident in full, lines of at most WIDTH characters where words allow; ends with a line break.

    most_moments: lines of the timeline; further ones are counted.
    """
    lines = [f"[{told.severity}] {told.title}"]
    counted = f"{told.alerts:,} alerts, {told.events:,} events"
    lines += [f"incident {told.incident_id}, risk {told.risk:.1f} nats, {counted}", ""]
    for paragraph in told.story:
        lines += [*wrap(paragraph, WIDTH), ""]
    lines.append("Timeline (UTC)")
    lines += [_moment(one) for one in told.timeline[:most_moments]]
    if len(told.timeline) > most_moments:
        lines.append(f"  and {len(told.timeline) - most_moments} more")
    lines += ["", "Scope"]
    for title, names in (("alerts about", told.scope.affected), ("named in findings", told.scope.touched)):
        for kind, some in names.items():
            left = told.scope.numbers[kind] - sum(
                len(group.get(kind, ())) for group in (told.scope.affected, told.scope.touched)
            )
            more = f" and {left} more" if left > 0 and names is told.scope.touched else ""
            lines += wrap(
                f"{title}: {_plural(kind, len(some))} {', '.join(some)}{more}",
                WIDTH,
                initial_indent="  ",
                subsequent_indent="    ",
            )
    if told.related:
        lines += ["", f"Related, judged before: {', '.join(told.related)}"]
    if told.techniques:
        lines += ["", f"Likely techniques (ATT&CK {told.attack_version})"]
        lines += [f"  {one.uid:<10} {one.name} ({TACTICS[one.tactic][1]})" for one in told.techniques]
    lines += ["", "Next steps"]
    for steps in told.next_steps:
        kind, name = kind_and_name(steps.who)
        lines.append(f"  {steps.name}: {KIND_WORDS[kind]} {name}")
        for verb, all_of_it in (
            ("check", steps.check),
            ("collect", steps.collect),
            ("contain", steps.contain),
        ):
            for step in all_of_it:
                lines += wrap(f"    {verb:<8} {step}", WIDTH, subsequent_indent=" " * 13)
    return "\n".join(lines) + "\n"


def _moment(one: Moment) -> str:
    until = f" until {moment(one.last_us)}" if one.last_us // 60_000_000 > one.first_us // 60_000_000 else ""
    times = f" ({one.count:,} times{until})" if one.count > 1 else until
    view = "" if one.view == "any" else one.view
    return (
        f"  {moment(one.first_us)}  {view:<8}  {KIND_WORDS[one.entity_kind]} {one.entity} {one.says}{times}"
    )


def _plural(kind: str, number: int) -> str:
    word = THING_WORDS.get(kind, kind)
    if number == 1:
        return word
    return PLURALS.get(kind) or f"{word}{'es' if word.endswith('s') else 's'}"
