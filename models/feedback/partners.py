"""Who an entity worked with on a day, closely enough that an attack on the one concerns the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.behaviours import ENTITY_KINDS

if TYPE_CHECKING:
    import numpy as np

    from models.incidents.company import Company

MOST_SHARE, FEW = 0.05, 3
"""A partner shares events with at most this share of the users, or hosts, or with no more than a few: a
person and their workstation, and no domain controller, file server or proxy. From 0.02 to 0.15 it makes
little difference.
"""
MOST_PARTNERS = 8
ADDRESS = ENTITY_KINDS.index("src_ip")


def partners(company: Company, entity: int, day: int, kind_of: np.ndarray) -> list[int]:
    """Ids of users and hosts that shared events with an entity on a day, and with few others in the
    company's window up to it; the closest first, at most MOST_PARTNERS.

    company: who was seen with whom. day: days since 1970, UTC. kind_of: int8 by entity id
    (`features.entities.Entities.kind`). Addresses are left out: many people sit behind one. O(partners log
    pairs), and the pairs of the window when another day is asked about.
    """
    met = company.partners(entity, day)
    met = met[kind_of[met] != ADDRESS]
    total = [int((kind_of == kind).sum()) for kind in range(ADDRESS)]
    found = []
    for one in met.tolist():
        others = company.lately(one, day)
        others = others[kind_of[others] != ADDRESS]
        if len(others) <= max(FEW, MOST_SHARE * total[1 - int(kind_of[one])]):
            found.append((len(others), one))
    return [one for _, one in sorted(found)[:MOST_PARTNERS]]
