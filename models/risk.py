"""How many alerts people can read, and what that means for a day."""

from __future__ import annotations

from dataclasses import dataclass

from features.errors import InputError


@dataclass(frozen=True)
class Budget:
    """How many alerts people can read, and what breaks through.

    Attributes
    ----------
    alerts_per_day
        For every 500 entities seen that day (at least one alert a day). Default 10, the PED-B reference
        point.
    cap
        No day has more than this many times its alerts, those that page apart.
    week
        No seven days in a row have more than this many times their alerts, those that page apart.
    page_nats
        Risk from which an entity-day pages whatever the budget says; counted separately. Default 12 nats: one
        entity-day in 160,000, where the ranking is calibrated.

    Raises
    ------
    InputError
        For numbers that cannot be kept to.
    """

    alerts_per_day: float = 10.0
    cap: float = 2.0
    week: float = 1.15
    page_nats: float = 12.0

    def __post_init__(self) -> None:
        """Refuse what cannot be kept."""
        if not self.alerts_per_day > 0:
            raise InputError(f"alert budget of {self.alerts_per_day} a day: give a number above 0")
        if not (self.cap >= 1 and self.week >= 1):
            raise InputError("alert budget: the caps of a day and of a week must be at least 1")

    def alerts(self, entities: int) -> int:
        """Alerts allowed on a day with this many entities."""
        return max(1, round(self.alerts_per_day * max(entities, 500) / 500))
