"""The habit channel: is this value more typical of everybody else than of this entity?

Evidence in nats is the log-likelihood ratio of Freeman, Jain, Duermuth, Biggio, Giacinto ("Who Are You? A
Statistical Approach to Measuring User Authenticity", NDSS 2016),

    evidence = ln p(value | everyone else) - ln p(value | entity),

with hierarchical back-off. Each level gives part of its probability to what it has not shown yet. That part
grows with its number of distinct values, as the discount does in the two-parameter Poisson-Dirichlet process
(Teh, "A Hierarchical Bayesian Language Model based on Pitman-Yor Processes", ACL 2006):

    novelty(level) = a / (w + a),   a = THETA + DISCOUNT * distinct values,   w = all weight of the level

so an entity that often does something new is not called strange for doing so again. What is new for an entity
is either known elsewhere (with probability `shared`, and then as likely as it is among its peers) or new for
everybody:

    p(v | entity) = (w_v + a * shared * p(v | peers)) / (w + a)            somebody has shown v
    p(v | entity) = a * (1 - shared + shared * novelty(everyone)) / (w + a)   nobody has

`shared` is counted, not chosen: of all (entity, value) pairs of a behaviour, those that were not the first of
their value. The entity's own weight is taken out of the levels above it ("everyone else"). So what is common
elsewhere and odd for you stands out, and what nobody ever did stands out only for entities that rarely do
anything new, in an organisation that rarely does.

That last step departs from shrinking straight to the level above, which makes a value that is new for
everybody as strange as one that is common elsewhere; docs/decisions.md has the figures.
"""

from __future__ import annotations

from numba import njit

THETA = 0.5
"""Strength of the level above for an entity with no history at all, in events (Jeffreys' half an
observation).
"""
DISCOUNT = 0.5
"""Share of a distinct value's first observation that counts for novelty: the middle of its range (0, 1)."""
UNSEEN = 1e-6
"""Events: a decayed weight below this is rounding."""
LEAST = 1e-300
"""Probability below which float64 would end in 0: reached when clocks jump by decades, never by counting."""

OWN, OWN_ALL, PEER, PEER_ALL, ORG, ORG_ALL = range(6)
"""Places in a row of counts: the value's weight and all weight, at each level, the entity's own taken out
above it.
"""
COUNTS = 6


@njit(cache=True, inline="always")
def shared_share(pairs: float, distinct_org: float) -> float:
    """Probability that a value that is new for an entity is known elsewhere: pairs that were not the first of
    their value.
    """
    return max(pairs - distinct_org + 0.5, 0.5) / (pairs + 1.0)


@njit(cache=True, inline="always")
def probabilities(
    own: float,
    own_all: float,
    peer: float,
    peer_all: float,
    org: float,
    org_all: float,
    distinct_own: float,
    distinct_peer: float,
    distinct_org: float,
    shared: float,
) -> tuple[float, float]:
    """p(value | everyone else) and p(value | entity); evidence is the logarithm of their ratio.

    own ... org_all: decayed events of the value and of all values, see OWN..ORG_ALL; zeros for a missing peer
    group. distinct_...: values each level has shown. shared: see `shared_share`.
    """
    strength_org = THETA + DISCOUNT * distinct_org
    novelty = strength_org / (org_all + strength_org)
    strength_own = THETA + DISCOUNT * distinct_own
    if own < UNSEEN and org < UNSEEN:
        mine = strength_own * (1.0 - shared + shared * novelty) / (own_all + strength_own)
        return max(novelty, LEAST), max(mine, LEAST)
    background = org / (org_all + strength_org)
    if org < UNSEEN:
        background += novelty / (distinct_org + 1.0)
    above = background
    if peer_all > 0.0:
        strength_peer = THETA + DISCOUNT * distinct_peer
        above = (peer + strength_peer * background) / (peer_all + strength_peer)
    mine = (own + strength_own * shared * above) / (own_all + strength_own)
    return max(background, LEAST), max(mine, LEAST)
