"""Open-source detectors on habitus's own entity-day vectors, fitted on the past and fitted again weekly.

Each peer is a function `score(days, test_days) -> (n,) float64`: higher is stranger; nan outside of the test
days and for source addresses. No peer sees labels, and none sees a row before it has scored it.
"""

from __future__ import annotations

from benchmarks.peers.autoencoder import per_entity_autoencoder
from benchmarks.peers.batch import BATCH_PEERS
from benchmarks.peers.common import Peer, never_seen_before
from benchmarks.peers.streaming import STREAMING_PEERS

PEERS: dict[str, Peer] = {
    **BATCH_PEERS,
    **STREAMING_PEERS,
    "autoencoder per entity": per_entity_autoencoder,
    "never seen before": never_seen_before,
}
"""Every peer by the name it has in tables."""
