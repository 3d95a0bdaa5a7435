"""How many entity-days people can read, and what that means for alerts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """How many entity-days people can read.

    alerts_per_day: for every 500 entities seen that day (at least one alert a day). Default 10, the PED-B
    reference point.
    """

    alerts_per_day: float = 10.0

    def alerts(self, entities: int) -> int:
        """Alerts allowed on a day with this many entities."""
        return max(1, round(self.alerts_per_day * max(entities, 500) / 500))
