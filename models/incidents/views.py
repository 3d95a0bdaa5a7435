"""Where something was seen: on the endpoint, in the network, in the cloud, or at sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.incidents.attack import base

if TYPE_CHECKING:
    from models.incidents.incident import Evidence

ENDPOINT, NETWORK, CLOUD, IDENTITY, ANY = "endpoint", "network", "cloud", "identity", "any"

_WHAT = {
    ENDPOINT: "process lineage command file changes folders files processes commands connecting",
    NETWORK: "dst dst_net dst_service domain user_agent destinations services queries domains "
    "bytes_in bytes_out connections regular chatter transfer",
    CLOUD: "api apis calls resource resources cloud_region",
    IDENTITY: "user users host hosts src_ip src_net src_country src_host sources auth status_detail "
    "target_user accounts failures logons travel return",
}
_VIEW_OF = {what: view for view, names in _WHAT.items() for what in names.split()}
_SOURCES = {
    "suricata": NETWORK,
    "zeek": NETWORK,
    "snort": NETWORK,
    "wazuh": ENDPOINT,
    "aminer": ENDPOINT,
    "cloudtrail": CLOUD,
    "guardduty": CLOUD,
}


def view_of(evidence: Evidence) -> str:
    """The view of a piece of evidence; "any" for what every kind of event can show (an hour, a count)."""
    if evidence.source != "habitus":
        return _SOURCES.get(evidence.source.lower(), ANY)
    return _VIEW_OF.get(base(evidence.channel).partition(".")[2], ANY)
