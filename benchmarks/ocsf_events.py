"""Realistic OCSF events for benchmarks: sign-ins, processes, connections and API calls of people with habits.

Deterministic by seed. Users are chosen by a Zipf law; each has a home machine, a few others, and a handful of
programs and servers of which the first are used most, so that most strings repeat as they do in real logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

START_MS = 1_767_225_600_000
"""2026-01-01 UTC, the time of the first event."""

_PROGRAMS = (
    ("C:\\\\Program Files\\\\Office16\\\\OUTLOOK.EXE", " /recycle"),
    ("C:\\\\Program Files\\\\Google\\\\Chrome\\\\Application\\\\chrome.exe", " --type=renderer --lang=en-US"),
    ("C:\\\\Windows\\\\System32\\\\svchost.exe", " -k netsvcs -p -s Schedule"),
    ("C:\\\\Windows\\\\System32\\\\taskhostw.exe", " Install $(Arg0)"),
    ("C:\\\\Program Files\\\\Microsoft VS Code\\\\Code.exe", " --type=utility --no-sandbox"),
    (
        "C:\\\\Windows\\\\System32\\\\WindowsPowerShell\\\\v1.0\\\\powershell.exe",
        " -NoProfile -File sync.ps1",
    ),
    ("C:\\\\Program Files\\\\Git\\\\cmd\\\\git.exe", " fetch --all --prune"),
    ("C:\\\\Windows\\\\System32\\\\cmd.exe", ' /c \\"C:\\\\Tools\\\\report.bat\\" daily'),
    ("C:\\\\Windows\\\\System32\\\\conhost.exe", " 0xffffffff -ForceV1"),
    ("C:\\\\Program Files\\\\7-Zip\\\\7z.exe", " a -tzip archive.zip ."),
)
_PARENTS = ("C:\\\\Windows\\\\explorer.exe", "C:\\\\Windows\\\\System32\\\\services.exe", _PROGRAMS[7][0])
_CALLS = (
    ("s3.amazonaws.com", "GetObject", "app-data"),
    ("s3.amazonaws.com", "PutObject", "app-exports"),
    ("sts.amazonaws.com", "AssumeRole", "deploy"),
    ("ec2.amazonaws.com", "DescribeInstances", "fleet"),
    ("kms.amazonaws.com", "Decrypt", "key/app"),
    ("secretsmanager.amazonaws.com", "GetSecretValue", "db-password"),
    ("logs.amazonaws.com", "PutLogEvents", "app-logs"),
    ("dynamodb.amazonaws.com", "Query", "orders"),
)
_AGENTS = (
    "aws-cli/2.15.30 Python/3.11.8 Linux/6.1 exe/x86_64",
    "Boto3/1.34.69 md/Botocore#1.34.69 ua/2.0 os/linux#5.10 lang/python#3.11.6",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/124.0 Safari/537.36",
)
_PORTS = ((443, "tcp"), (53, "udp"), (445, "tcp"), (80, "tcp"), (22, "tcp"), (3389, "tcp"))
_REGIONS = ("eu-central-1", "us-east-1", "eu-west-1")
_MICROSOFT = '{"name":"Windows Security"}'
_SYSMON = '{"name":"Sysmon"}'
_AWS = '{"name":"CloudTrail"}'
_FIRST = (
    "alice",
    "bob",
    "carol",
    "dave",
    "erin",
    "frank",
    "grace",
    "heidi",
    "ivan",
    "judy",
    "mallory",
    "niaj",
)
_CHUNK = 50_000
_LOGONS = (("Kerberos", 2, "Network", 3), ("NTLM", 1, "Network", 3), ("Kerberos", 2, "Interactive", 2))


class _Draw(NamedTuple):
    """The random choices of one event."""

    time_ms: int
    uid: str
    user: int
    away: bool
    habit: int
    choice: int
    failed: bool


def lines(n_events: int, n_entities: int = 10_000, seed: int = 0) -> bytes:
    """NDJSON of `n_events` OCSF events in order of time, about 583 bytes each.

    `n_entities` users and machines, half of them each. About 10 microseconds an event; all is held in memory.
    """
    random = np.random.default_rng(seed)
    n_users = max(1, n_entities // 2)
    ranks = 1.0 / np.arange(1, n_users + 1) ** 0.8
    cumulative = np.cumsum(ranks) / ranks.sum()
    order = random.permutation(n_users)
    made = []
    clock = START_MS
    for first in range(0, n_events, _CHUNK):
        n = min(_CHUNK, n_events - first)
        times = clock + np.cumsum(random.integers(0, 40, n))
        clock = int(times[-1])
        ids = random.bytes(16 * n).hex()
        who = np.searchsorted(cumulative, random.random(n)).clip(0, n_users - 1)
        draws = map(
            _Draw,
            times.tolist(),
            (ids[32 * i : 32 * i + 32] for i in range(n)),
            order[who].tolist(),
            (random.random(n) < 0.08).tolist(),
            np.minimum(random.geometric(0.45, n) - 1, 5).tolist(),
            np.minimum(random.geometric(0.5, n) - 1, 2).tolist(),
            (random.random(n) < 0.03).tolist(),
        )
        kinds = np.searchsorted(_MIX, random.random(n), side="right").tolist()
        made.append("".join([_MAKERS[kind](draw, n_users) for kind, draw in zip(kinds, draws, strict=True)]))
    return "".join(made).encode()


def _machine(draw: _Draw, n_users: int) -> int:
    """The user's own machine, or now and then a colleague's."""
    return (draw.user * 7 + 1 + draw.habit) % n_users if draw.away else draw.user


def _address(machine: int) -> str:
    return f"10.{20 + (machine >> 16)}.{machine >> 8 & 255}.{machine & 255}"


def _person(user: int) -> str:
    return (
        f'{{"name":"{_FIRST[user % len(_FIRST)]}.{user}","domain":"CORP",'
        f'"uid":"S-1-5-21-100433634-117723891-68200333-{1000 + user}"}}'
    )


def _device(machine: int) -> str:
    return f'"device":{{"hostname":"ws-{machine:05d}.corp.example"}}'


def _begin(class_uid: int, activity_id: int, draw: _Draw, product: str) -> str:
    return (
        f'{{"class_uid":{class_uid},"activity_id":{activity_id},'
        f'"type_uid":{class_uid * 100 + activity_id},"severity_id":1,"time":{draw.time_ms},'
        f'"metadata":{{"version":"1.8.0","uid":"{draw.uid}","product":{product}}},'
    )


def _sign_in(draw: _Draw, n_users: int) -> str:
    machine = _machine(draw, n_users)
    protocol, protocol_id, logon, logon_id = _LOGONS[draw.choice]
    server = (draw.user + draw.habit * 31) % 200
    ending = (
        '"status_id":2,"status":"Failure","status_detail":"bad password"'
        if draw.failed
        else '"status_id":1,"status":"Success"'
    )
    return (
        f"{_begin(3002, 1, draw, _MICROSOFT)}"
        f'"user":{_person(draw.user)},"device":{{"hostname":"srv-{server:03d}.corp.example"}},'
        f'"src_endpoint":{{"ip":"{_address(machine)}","hostname":"ws-{machine:05d}",'
        f'"port":{49152 + draw.time_ms % 16384}}},'
        f'"auth_protocol":"{protocol}","auth_protocol_id":{protocol_id},"logon_type":"{logon}",'
        f'"logon_type_id":{logon_id},'
        f"{ending}}}\n"
    )


def _process(draw: _Draw, n_users: int) -> str:
    path, arguments = _PROGRAMS[(draw.user + draw.habit) % len(_PROGRAMS)]
    pid = draw.time_ms % 30000
    return (
        f"{_begin(1007, 1, draw, _SYSMON)}"
        f'"actor":{{"user":{_person(draw.user)}}},{_device(_machine(draw, n_users))},'
        f'"process":{{"pid":{pid},"file":{{"path":"{path}"}},"cmd_line":"{path}{arguments}",'
        f'"parent_process":{{"pid":{pid >> 2},'
        f'"file":{{"path":"{_PARENTS[draw.choice]}"}}}}}},"status_id":1}}\n'
    )


def _connection(draw: _Draw, n_users: int) -> str:
    machine = _machine(draw, n_users)
    server = (draw.user + draw.habit * 17) % 500
    port, protocol = _PORTS[(server + draw.choice) % len(_PORTS)]
    path = _PROGRAMS[(draw.user + draw.habit) % len(_PROGRAMS)][0]
    return (
        f"{_begin(4001, 1, draw, _SYSMON)}"
        f'"actor":{{"user":{_person(draw.user)},'
        f'"process":{{"pid":{draw.time_ms % 30000},"file":{{"path":"{path}"}}}}}},'
        f'{_device(machine)},"src_endpoint":{{"ip":"{_address(machine)}",'
        f'"port":{49152 + draw.time_ms % 16384}}},'
        f'"dst_endpoint":{{"ip":"172.16.{server >> 8}.{server & 255}","port":{port},'
        f'"hostname":"app-{server:03d}.corp.example"}},'
        f'"connection_info":{{"protocol_name":"{protocol}","direction_id":2}},'
        f'"traffic":{{"bytes":{draw.time_ms % 99991}}},"status_id":1}}\n'
    )


def _call(draw: _Draw, n_users: int) -> str:
    service, operation, resource = _CALLS[(draw.user + draw.habit) % len(_CALLS)]
    denied = '"status_id":2,"status_code":"AccessDenied"' if draw.failed else '"status_id":1'
    return (
        f"{_begin(6003, 2, draw, _AWS)}"
        f'"actor":{{"user":{{"name":"{_FIRST[draw.user % len(_FIRST)]}.{draw.user}","type_id":1}}}},'
        f'"api":{{"operation":"{operation}","service":{{"name":"{service}"}},"request":{{"uid":"{draw.uid[:16]}"}}}},'
        f'"resources":[{{"name":"{resource}-{draw.user % 300}"}}],'
        f'"src_endpoint":{{"ip":"{_address(_machine(draw, n_users))}"}},'
        f'"http_request":{{"user_agent":"{_AGENTS[draw.user % len(_AGENTS)]}"}},'
        f'"cloud":{{"provider":"AWS","region":"{_REGIONS[draw.choice]}",'
        f'"account":{{"uid":"12345678901{draw.user % 4}"}}}},'
        f"{denied}}}\n"
    )


_MAKERS: tuple[Callable[[_Draw, int], str], ...] = (_sign_in, _process, _connection, _call)
_MIX = np.cumsum([0.35, 0.30, 0.20])
"""Shares of sign-ins, processes and connections; the rest are API calls."""
