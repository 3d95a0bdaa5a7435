"""The one place where events get their form: OCSF 1.8 JSON as the sensors of an organisation send it.

Benign people, machines and intruders all come through here, so nothing in the form of an event can tell them
apart. A body is everything of a line but its unique id, which the writer adds when the day is in order.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import msgspec

from training.simulate import places

if TYPE_CHECKING:
    from training.simulate.organisation import Account, Host

SUCCESS, FAILURE = 1, 2
OPEN, CLOSE, REFUSE = 1, 2, 5
"""Activities of network connections and tunnels."""

INTERACTIVE, NETWORK, SERVICE, UNLOCK, REMOTE = 2, 3, 5, 7, 10
"""OCSF logon_type_id, the numbers of Windows."""
LOGON_NAMES = {
    2: "Interactive",
    3: "Network",
    4: "Batch",
    5: "OS Service",
    7: "Unlock",
    10: "Remote Interactive",
}
PROTOCOLS = {
    "NTLM": 1,
    "Kerberos": 2,
    "SAML": 5,
    "OAUTH 2.0": 6,
    "RADIUS": 10,
    "Password": 99,
    "Public Key": 99,
}
BAD_PASSWORD = "Unknown user name or bad password"  # noqa: S105 - a status, no secret
BAD_CLOUD_PASSWORD = "InvalidUserNameOrPassword"  # noqa: S105 - as above
MFA_DENIED = "AuthenticationFailedMfaDenied"


class Mark(NamedTuple):
    """Ground truth beside an event: the campaign's number and the (kind, entity) pairs that show it."""

    campaign: int
    entities: tuple[tuple[str, str], ...]


class Record(NamedTuple):
    """An event before it is written: milliseconds since 1970, body, and the mark of a planted one."""

    time_ms: int
    body: str
    mark: Mark | None


class Client(NamedTuple):
    """What a service on the Internet sees of somebody: address and user agent."""

    ip: str
    user_agent: str


@lru_cache(maxsize=65_536)
def quoted(text: str) -> str:
    """Text as JSON."""
    return msgspec.json.encode(text).decode()


def _product(vendor: str, name: str, *profiles: str) -> str:
    listed = f',"profiles":{msgspec.json.encode(profiles).decode()}' if profiles else ""
    return f'"version":"1.8.0","product":{{"vendor_name":{quoted(vendor)},"name":{quoted(name)}}}{listed}}}'


WINDOWS = _product("Microsoft", "Windows Security", "host")
SYSMON = _product("Microsoft", "Sysmon", "host")
AUDITD = _product("Linux", "auditd", "host")
SSHD = _product("OpenBSD", "OpenSSH", "host")
ZEEK = _product("Zeek", "Zeek")
RESOLVER = _product("ISC", "BIND")
PROXY = _product("Squid", "Squid", "host")
VPN = _product("OpenVPN", "Access Server")
ENTRA = _product("Microsoft", "Microsoft Entra ID", "cloud")
M365 = _product("Microsoft", "Microsoft 365", "cloud")
AWS = _product("AWS", "CloudTrail", "cloud")


@lru_cache(maxsize=1024)
def kind_of(product: str, class_uid: int, activity_id: int, status_id: int) -> tuple[str, str]:
    """What stands before and after the time in events of one product, class, activity and outcome."""
    category = class_uid // 1000 % 100
    return f'{product},"time":', (
        f',"class_uid":{class_uid},"category_uid":{category},"activity_id":{activity_id},'
        f'"type_uid":{class_uid * 100 + activity_id},"severity_id":1,"status_id":{status_id},'
        f'"status":"{"Success" if status_id == SUCCESS else "Failure"}"'
    )


_NORMAL = NormalDist()


@lru_cache(maxsize=65_536)
def size_of(name: str, log2_mean: float = 17.0, log2_deviation: float = 2.5) -> int:
    """Bytes of a thing of this name, the same whoever asks: log-normal (base 2), at least 64.

    Sizes of files are close to log-normal (Douceur and Bolosky, SIGMETRICS 1999); the defaults give a median
    of 128 KiB with one file in ten over 1 MiB.
    """
    place = (crc32(name.encode()) + 0.5) / 2**32
    return 64 + int(2.0 ** (log2_mean + log2_deviation * _NORMAL.inv_cdf(place)))


def traffic(received: int, sent: int) -> str:
    """`traffic` with a comma before it, from the point of view of the source endpoint (OCSF 1.8)."""
    return f',"traffic":{{"bytes_in":{received},"bytes_out":{sent}}}'


def full_name(host: Host) -> str:
    """Host name with domain."""
    return f"{host.name}.{places.AD_SUFFIX}"


@lru_cache(maxsize=65_536)
def device(host: Host) -> str:
    """`device` with a comma before it: where something happened."""
    kind = 2 if host.kind in ("workstation", "kiosk") else 1
    system = '{"name":"Linux","type_id":200}' if host.linux else '{"name":"Windows","type_id":100}'
    return f',"device":{{"hostname":{quoted(full_name(host))},"type_id":{kind},"os":{system}}}'


@lru_cache(maxsize=65_536)
def user_of(account: Account, linux: bool) -> str:
    """`user` object as Windows (domain, SID) or Linux (number) writes it."""
    if linux:
        return f'{{"name":{quoted(account.name)},"uid":"{account.unix_uid}","type_id":{account.type_id}}}'
    name = f'"name":{quoted(account.name)},"domain":"{places.AD_DOMAIN}"'
    return f'{{{name},"uid":"{account.sid}","type_id":{account.type_id}}}'


SYSTEM_USERS = {
    False: '{"name":"SYSTEM","domain":"NT AUTHORITY","uid":"S-1-5-18","type_id":3}',
    True: '{"name":"root","uid":"0","type_id":3}',
}


@lru_cache(maxsize=65_536)
def cloud_user(account: Account) -> str:
    """`user` object as the identity provider writes it."""
    mail = quoted(f"{account.name}@{places.MAIL_DOMAIN}")
    return f'{{"name":{mail},"uid":"{account.object_id}","type_id":{account.type_id},"email_addr":{mail}}}'


@lru_cache(maxsize=65_536)
def endpoint(host: Host) -> str:
    """`network_endpoint` object of a machine."""
    return f'{{"ip":"{host.ip}","hostname":{quoted(full_name(host))}}}'


def base_name(path: str) -> str:
    """Last part of a path of any system."""
    return path.replace("\\", "/").rpartition("/")[2]


@lru_cache(maxsize=65_536)
def file_of(path: str) -> str:
    """`file` object."""
    return f'{{"name":{quoted(base_name(path))},"path":{quoted(path)},"type_id":1}}'


def flag(value: bool) -> str:
    """A truth value as JSON."""
    return "true" if value else "false"


class Recorder:
    """Collects the records of a day. While `mark` is set, what is recorded belongs to a campaign."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.mark: Mark | None = None

    def add(self, time_ms: float, kind: tuple[str, str], rest: str) -> None:
        """Take in one event: its time, what `kind_of` answered, and the attributes after that."""
        when = int(time_ms)
        before, after = kind
        self.records.append(Record(when, f"{before}{when}{after}{rest}}}", self.mark))
