"""What is set aside: seeds and kinds of campaign that are looked at once, at the end."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class HeldOut:
    """Seeds that may not be simulated for judging, and kinds of campaign that may not be counted."""

    seeds: frozenset[int]
    kinds: frozenset[str]


def held_out() -> HeldOut:
    """The contents of `held_out.toml` beside this module."""
    text = (Path(__file__).parent / "held_out.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return HeldOut(frozenset(table["seeds"]), frozenset(table["kinds"]))


def allowed(seeds: Iterable[int], *, final: bool) -> HeldOut:
    """What is to be left out of a judgement of these seeds: nothing when it is the final one.

    Raises
    ------
    InputError
        If a seed is held out and this is not the final judgement.
    """
    aside = held_out()
    if final:
        return HeldOut(frozenset(), frozenset())
    refused = sorted(set(seeds) & aside.seeds)
    if refused:
        raise InputError(
            f"seed {refused[0]} is held out for the final judgement: choose another, or give --final"
            " once nothing will be tuned any more"
        )
    return aside
