"""Every error that habitus raises on purpose."""

from __future__ import annotations


class HabitusError(Exception):
    """Root of all errors raised on purpose; the message says what, where and what to do."""


class InputError(HabitusError):
    """A file, folder or option that cannot be used as given."""


class RecordError(HabitusError):
    """One record that cannot be decoded: it goes to quarantine and the stream goes on.

    The message is the reason shown to people, so it never quotes more than a few characters of the record.
    """


class StateError(HabitusError):
    """A state folder that is damaged, foreign, locked or of another version."""
