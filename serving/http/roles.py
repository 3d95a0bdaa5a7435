"""Which role may do what. A key has one role; everything it does happens inside of its tenant."""

from __future__ import annotations

COLLECTOR, ANALYST, SCIENTIST, ADMIN = "collector", "analyst", "scientist", "admin"

ANYBODY = frozenset({COLLECTOR, ANALYST, SCIENTIST, ADMIN})
"""Any key at all: what collectors ask for at their start."""
MAY_INGEST = frozenset({COLLECTOR, ADMIN})
"""Sends events, and so changes what is normal."""
MAY_TRY = frozenset({COLLECTOR, SCIENTIST, ANALYST, ADMIN})
"""Scores events without learning from them."""
MAY_READ = frozenset({ANALYST, SCIENTIST, ADMIN})
"""Reads alerts, entities and baselines: not for a key that lies on every collector's disk."""
