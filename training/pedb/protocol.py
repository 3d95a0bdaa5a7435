"""The rules of PED-B in one place: which days count, and how many entity-days a day people are shown.

Events are replayed in event time and scored before they are learned. The first days are warm-up; what is
ranked on the days after it is judged. The unit is the entity-day: one user or one host on one UTC day
(evidence about source addresses belongs to the users and hosts they touched). Recall is counted in campaigns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from features.errors import InputError

KINDS = ("user", "host")
"""Entity kinds that are ranked; a frame's rows of other kinds are left out."""

BUDGETS = (3, 5, 10, 20)
REFERENCE = 10
"""The budget at which slices, times and the best peer are given."""

RATES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Nominal alert rates at which the realised rate is counted."""


@dataclass(frozen=True)
class Protocol:
    """What is judged.

    warm_up_days: days from the first day of the data that are not judged. per_entities: the number of
    entities a budget is meant for. cold_days: an entity is new for so many days from its first event.
    after_drift_days: days after a drift day, itself included, that count as after drift. history_days: test
    days that must have passed before a method without tail probabilities is held to an alert rate.
    """

    warm_up_days: int = 28
    budgets: tuple[int, ...] = BUDGETS
    reference: int = REFERENCE
    per_entities: int = 500
    false_positive_rate: float = 1e-3
    cold_days: int = 7
    after_drift_days: int = 3
    history_days: int = 7

    def __post_init__(self) -> None:
        """Refuse what cannot be judged."""
        if self.warm_up_days < 0:
            raise InputError(f"warm-up of {self.warm_up_days} days: give 0 or more")
        if not self.budgets or min(self.budgets) <= 0:
            raise InputError(f"budgets {self.budgets}: give positive numbers of entity-days a day")

    def slots(self, budget: float, entities: int) -> int:
        """Entity-days shown on a day with this many entities, for a budget of so many per 500 entities.

        budget * entities / 500, rounded half up, at least 1 and at most all of them.
        """
        return min(max(1, math.floor(budget * entities / self.per_entities + 0.5)), max(entities, 1))
