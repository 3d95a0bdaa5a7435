"""Which role may do what. A key has one role; everything it does happens inside of its tenant."""

from __future__ import annotations

from serving.keys import Role

ANYBODY = frozenset(Role)
"""Any key at all: what collectors ask for at their start."""
MAY_INGEST = frozenset({Role.COLLECTOR, Role.ADMIN})
"""Sends events, and so changes what is normal."""
MAY_TRY = ANYBODY
"""Scores events without learning from them."""
MAY_JUDGE = frozenset({Role.ANALYST, Role.SCIENTIST, Role.ADMIN})
"""Says what was an incident, and so what is to be unlearned."""
MAY_PROMOTE = frozenset({Role.SCIENTIST, Role.ADMIN})
"""Says which model serves."""
MAY_ADMINISTER = frozenset({Role.ADMIN})
"""Makes and revokes keys, and reads who did what."""
MAY_READ = frozenset({Role.ANALYST, Role.SCIENTIST, Role.ADMIN})
"""Reads alerts, entities and baselines: not for a key that lies on every collector's disk."""
