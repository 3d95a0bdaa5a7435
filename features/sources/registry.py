"""All decoders, and how a file finds its own."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from features.errors import InputError

if TYPE_CHECKING:
    from features.sources.base import Decoder, Sample

MODULES = {
    "ocsf": "ocsf:OcsfDecoder",
    "ecs": "ecs:EcsDecoder",
    "windows": "windows_json:WindowsJsonDecoder",
    "evtx": "evtx:EvtxDecoder",
    "cloudtrail": "cloudtrail:CloudTrailDecoder",
    "entra": "entra:EntraDecoder",
    "m365": "m365:M365Decoder",
    "okta": "okta:OktaDecoder",
    "github": "github:GitHubDecoder",
    "mde": "mde:MdeDecoder",
    "zeek": "zeek:ZeekDecoder",
    "suricata": "suricata:SuricataDecoder",
    "syslog": "syslog:SyslogDecoder",
    "auditd": "auditd:AuditdDecoder",
    "lanl": "lanl:LanlDecoder",
    "cert": "cert:CertDecoder",
}
"""Source name -> module and class; imported only when asked for."""

CERTAIN_ENOUGH = 0.1
CERTAIN = 1.0


@cache
def decoder_class(name: str) -> type[Decoder]:
    """The decoder of a source; InputError names the known ones when there is none."""
    if name not in MODULES:
        raise InputError(f"unknown source {name!r}: choose one of auto, {', '.join(MODULES)}")
    module, _, attribute = MODULES[name].partition(":")
    found: type[Decoder] = getattr(import_module(f"features.sources.{module}"), attribute)
    return found


def sniff(sample: Sample) -> str:
    """The source that is surest about a sample, "" when none is; of several, the one that is listed first."""
    best, found = 0.0, ""
    for name in MODULES:
        sure = decoder_class(name).sniff(sample)
        if sure > best:
            best, found = sure, name
        if best >= CERTAIN:  # nobody can be surer, and all of them would cost more than decoding
            break
    return found if best >= CERTAIN_ENOUGH else ""
