"""Days as the store and the lake number them: whole days since 1970-01-01, UTC."""

from __future__ import annotations

from datetime import date, timedelta

DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)


def day_of(number: int) -> date:
    """The date of a day number."""
    return _EPOCH + timedelta(days=number)


def number_of(day: date) -> int:
    """The day number of a date (the day of a moment, for a datetime, which must be in UTC)."""
    return day.toordinal() - _EPOCH.toordinal()
