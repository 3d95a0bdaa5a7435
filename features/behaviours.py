"""What is watched: each behaviour is one line of data. Adding one here is all that a new habit needs.

A behaviour says: for events of these classes, this *entity* has habits about this *value* column. Behaviours
of one entity kind that share a `cause` look at one thing from several sides (an address, its network, its
country); an event's evidence counts only the strongest of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from features import events as ocsf

ENTITY_KINDS = ("user", "host", "src_ip")

VALUE_COLUMNS = (
    "user",
    "host",
    "src_ip",
    "src_net",
    "src_country",
    "src_host",
    "dst",
    "dst_net",
    "dst_service",
    "process",
    "parent_process",
    "lineage",
    "command",
    "file",
    "api",
    "resource",
    "auth",
    "status_detail",
    "user_agent",
    "domain",
    "target_user",
    "cloud_region",
    "activity",
    "hour",
)
"""Columns whose values can be habits; `features.columns` says how each is made from an event."""

COLUMN = {name: index for index, name in enumerate(VALUE_COLUMNS)}
WIDTH = len(VALUE_COLUMNS) + len(ENTITY_KINDS)
"""Columns of a batch: the values, then the entity ids of user, host and source address."""


@dataclass(frozen=True)
class Behaviour:
    """One habit that is kept and scored.

    Attributes
    ----------
    name
        "<entity kind>.<what>", unique; it is the channel name that people see.
    entity
        "user", "host" or "src_ip": whose habit.
    value
        A name of VALUE_COLUMNS. Events that leave it empty say nothing about this behaviour.
    cause
        Behaviours of one entity kind and cause are one piece of evidence.
    says
        The value in plain words; `{value}` is replaced.
    noun
        What is counted, plural: "0 of 412 logons".
    classes
        OCSF class_uids; empty for all.
    """

    name: str
    entity: str
    value: str
    cause: str
    says: str
    noun: str = "events"
    classes: tuple[int, ...] = ()


LOGON = (ocsf.AUTHENTICATION, ocsf.AUTHORIZE_SESSION, ocsf.RDP_ACTIVITY, ocsf.SSH_ACTIVITY)
PROCESS = (ocsf.PROCESS_ACTIVITY, ocsf.SCRIPT_ACTIVITY)
FILES = (
    ocsf.FILE_ACTIVITY,
    ocsf.REGISTRY_KEY,
    ocsf.REGISTRY_VALUE,
    ocsf.SMB_ACTIVITY,
    ocsf.FTP_ACTIVITY,
    ocsf.FILE_HOSTING,
)
NETWORK = (
    ocsf.NETWORK_ACTIVITY,
    ocsf.HTTP_ACTIVITY,
    ocsf.DNS_ACTIVITY,
    ocsf.RDP_ACTIVITY,
    ocsf.SMB_ACTIVITY,
    ocsf.SSH_ACTIVITY,
    ocsf.FTP_ACTIVITY,
    ocsf.EMAIL_ACTIVITY,
    ocsf.TUNNEL_ACTIVITY,
)

BEHAVIOURS = (
    Behaviour("user.activity", "user", "activity", "activity", "did '{value}'"),
    Behaviour("user.host", "user", "host", "place", "used host {value}"),
    Behaviour("user.src_ip", "user", "src_ip", "source", "came from address {value}"),
    Behaviour("user.src_net", "user", "src_net", "source", "came from network {value}"),
    Behaviour("user.src_country", "user", "src_country", "source", "came from country {value}"),
    Behaviour("user.src_host", "user", "src_host", "source", "came from host {value}", "logons", LOGON),
    Behaviour("user.dst", "user", "dst", "destination", "reached {value}"),
    Behaviour("user.process", "user", "process", "process", "ran {value}", "process starts", PROCESS),
    Behaviour("user.lineage", "user", "lineage", "process", "ran {value}", "process starts", PROCESS),
    Behaviour(
        "user.command", "user", "command", "process", "ran command '{value}'", "process starts", PROCESS
    ),
    Behaviour("user.file", "user", "file", "file", "touched {value}", "file and registry events", FILES),
    Behaviour("user.api", "user", "api", "operation", "called {value}", "calls"),
    Behaviour("user.resource", "user", "resource", "resource", "touched resource {value}"),
    Behaviour("user.auth", "user", "auth", "logon kind", "authenticated by {value}", "logons", LOGON),
    Behaviour("user.status_detail", "user", "status_detail", "outcome", "got outcome '{value}'"),
    Behaviour("user.user_agent", "user", "user_agent", "agent", "used client {value}"),
    Behaviour("user.domain", "user", "domain", "domain", "asked for Internet domain {value}"),
    Behaviour("user.target_user", "user", "target_user", "account", "acted on account {value}"),
    Behaviour("user.cloud_region", "user", "cloud_region", "region", "worked in cloud region {value}"),
    Behaviour("user.hour", "user", "hour", "rhythm", "was active {value}"),
    Behaviour("host.activity", "host", "activity", "activity", "saw '{value}'"),
    Behaviour("host.user", "host", "user", "account", "was used by {value}"),
    Behaviour("host.src_ip", "host", "src_ip", "source", "was reached from address {value}"),
    Behaviour("host.src_net", "host", "src_net", "source", "was reached from network {value}"),
    Behaviour("host.dst", "host", "dst", "destination", "reached {value}", "connections", NETWORK),
    Behaviour(
        "host.dst_net", "host", "dst_net", "destination", "reached network {value}", "connections", NETWORK
    ),
    Behaviour("host.dst_service", "host", "dst_service", "service", "spoke {value}", "connections", NETWORK),
    Behaviour("host.connecting", "host", "process", "program", "had {value} connect", "connections", NETWORK),
    Behaviour("host.domain", "host", "domain", "domain", "asked for Internet domain {value}"),
    Behaviour("host.user_agent", "host", "user_agent", "agent", "used client {value}", "requests"),
    Behaviour("host.process", "host", "process", "process", "ran {value}", "process starts", PROCESS),
    Behaviour("host.lineage", "host", "lineage", "process", "ran {value}", "process starts", PROCESS),
    Behaviour(
        "host.command", "host", "command", "process", "ran command '{value}'", "process starts", PROCESS
    ),
    Behaviour("host.file", "host", "file", "file", "had {value} touched", "file and registry events", FILES),
    Behaviour("host.api", "host", "api", "operation", "saw operation {value}"),
    Behaviour("host.resource", "host", "resource", "resource", "had resource {value} touched"),
    Behaviour("host.hour", "host", "hour", "rhythm", "was active {value}"),
    Behaviour("src_ip.activity", "src_ip", "activity", "activity", "tried '{value}'"),
    Behaviour("src_ip.user", "src_ip", "user", "account", "acted as {value}"),
    Behaviour("src_ip.host", "src_ip", "host", "place", "reached host {value}"),
    Behaviour("src_ip.api", "src_ip", "api", "operation", "called {value}", "calls"),
    Behaviour("src_ip.user_agent", "src_ip", "user_agent", "agent", "used client {value}", "requests"),
)
