"""How many alerts people can read, and what that means for a day."""

from __future__ import annotations

import math
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
    learn_share
        Part of a day's alerts that is kept for what a verdict would teach most (`models.alerts`), 0 to 0.5.
        Default 0; the service's is 0.1.

    Raises
    ------
    InputError
        For numbers that cannot be kept to.
    """

    alerts_per_day: float = 10.0
    cap: float = 2.0
    week: float = 1.15
    page_nats: float = 12.0
    learn_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be kept."""
        if not self.alerts_per_day > 0:
            raise InputError(f"alert budget of {self.alerts_per_day} a day: give a number above 0")
        if not (self.cap >= 1 and self.week >= 1):
            raise InputError("alert budget: the caps of a day and of a week must be at least 1")
        if not 0 <= self.learn_share <= 0.5:
            raise InputError("alert budget: from 0 to 0.5 of it can be for alerts to learn from")

    def to_learn(self, day: int, nominal: int) -> int:
        """Alerts of a day (since 1970) that are there to learn from: over days it comes to the share."""
        a_day = self.learn_share * nominal
        return math.floor((day + 1) * a_day + 1e-9) - math.floor(day * a_day + 1e-9)

    def alerts(self, entities: int) -> int:
        """Alerts allowed on a day with this many entities."""
        return max(1, round(self.alerts_per_day * max(entities, 500) / 500))
