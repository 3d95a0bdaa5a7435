"""Text for terminals."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text that cannot steer a terminal: everything but printable characters is replaced."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
