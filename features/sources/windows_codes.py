"""Words for the numbers in Windows records: logon types, NTSTATUS and Kerberos codes, protocols, masks.

Sources: Microsoft's "Security auditing" event pages, [MS-ERREF] 2.3.1 (NTSTATUS), RFC 4120 7.5.9 (Kerberos
errors), RFC 3961 and 4757 (encryption types), the IANA protocol numbers, [MS-ADTS] 5.1.3.2.1 (control
access rights).
"""

from __future__ import annotations

from typing import Final

LOGON_TYPES: Final = {
    0: "system",
    2: "interactive",
    3: "network",
    4: "batch",
    5: "service",
    7: "unlock",
    8: "cleartext",
    9: "newcredentials",
    10: "remoteinteractive",
    11: "cached",
    12: "cachedremote",
    13: "cachedunlock",
}
LOGON_TYPE_WORDS: Final = {
    "Interactive": 2,
    "Network": 3,
    "Batch": 4,
    "Service": 5,
    "Unlock": 7,
    "NetworkCleartext": 8,
    "NewCredentials": 9,
    "RemoteInteractive": 10,
    "CachedInteractive": 11,
}
"""Elastic's Security module writes these words; some exporters put them in place of the number."""

STATUS: Final = {
    0xC0000022: "access denied",
    0xC000005E: "no logon servers",
    0xC0000062: "name malformed",
    0xC0000064: "no such user",
    0xC000006A: "bad password",
    0xC000006C: "password policy not met",
    0xC000006D: "bad user name or password",
    0xC000006E: "account restriction",
    0xC000006F: "outside allowed hours",
    0xC0000070: "workstation not allowed",
    0xC0000071: "password expired",
    0xC0000072: "account disabled",
    0xC000008D: "trust relationship failed",
    0xC00000DC: "server in wrong state",
    0xC000010B: "invalid logon type",
    0xC0000133: "clock skew",
    0xC000015B: "logon type not granted",
    0xC000018C: "trusted domain failure",
    0xC0000192: "netlogon not started",
    0xC0000193: "account expired",
    0xC0000199: "workstation trust account",
    0xC0000198: "server trust account",
    0xC000019B: "domain trust account",
    0xC0000203: "user session deleted",
    0xC0000224: "password must change",
    0xC0000225: "not found",
    0xC0000234: "locked out",
    0xC00002EE: "unfinished context",
    0xC0000371: "no secret stored",
    0xC0000388: "downgrade detected",
    0xC0000413: "authentication firewall",
    0xC0000418: "ntlm blocked",
    0x80090302: "ntlm blocked",
    0x8009030C: "logon denied",
    0x8009030E: "no credentials",
    0x80090325: "untrusted root",
}

FAILURE_REASONS: Final = {
    "%%2304": "error during logon",
    "%%2305": "account expired",
    "%%2306": "netlogon not started",
    "%%2307": "locked out",
    "%%2308": "logon type not granted",
    "%%2309": "password expired",
    "%%2310": "account disabled",
    "%%2311": "outside allowed hours",
    "%%2312": "workstation not allowed",
    "%%2313": "bad user name or password",
}

KERBEROS: Final = {
    0x1: "client entry expired",
    0x2: "server entry expired",
    0x6: "no such user",
    0x7: "no such service",
    0x8: "principal not unique",
    0x9: "null key",
    0xB: "never valid",
    0xC: "policy rejects",
    0xD: "option not accommodated",
    0xE: "encryption type not supported",
    0xF: "checksum type not supported",
    0x10: "pre-authentication type not supported",
    0x12: "account disabled or locked out",
    0x14: "ticket revoked",
    0x15: "client not yet valid",
    0x17: "password expired",
    0x18: "bad password",
    0x19: "pre-authentication required",
    0x1A: "server mismatch",
    0x1B: "must use user-to-user",
    0x1C: "path not accepted",
    0x1D: "service unavailable",
    0x1F: "integrity check failed",
    0x20: "ticket expired",
    0x21: "ticket not yet valid",
    0x22: "request is a replay",
    0x23: "ticket not for us",
    0x25: "clock skew",
    0x26: "wrong address",
    0x28: "wrong message type",
    0x29: "message modified",
    0x34: "response too big",
    0x3C: "generic error",
    0x3E: "client not trusted",
    0x3F: "kdc not trusted",
    0x40: "invalid signature",
    0x42: "user-to-user required",
    0x44: "wrong realm",
    0x4B: "client name mismatch",
}

KERBEROS_ENCRYPTION: Final = {
    0x1: "des",
    0x3: "des",
    0x11: "aes128",
    0x12: "aes256",
    0x13: "aes128",
    0x14: "aes256",
    0x17: "rc4",
    0x18: "rc4",
}

PROTOCOLS: Final = {
    1: "icmp",
    2: "igmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
}

DIRECTORY_RIGHTS: Final = {
    "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2": "DS-Replication-Get-Changes",
    "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2": "DS-Replication-Get-Changes-All",
    "89e95b76-444d-4c62-991a-0facbeda640c": "DS-Replication-Get-Changes-In-Filtered-Set",
    "1131f6ab-9c07-11d1-f79f-00c04fc2dcd2": "DS-Replication-Synchronize",
    "1131f6ac-9c07-11d1-f79f-00c04fc2dcd2": "DS-Replication-Manage-Topology",
    "9923a32a-3607-11d2-b9be-0000f87a36b2": "DS-Install-Replica",
    "00299570-246d-11d0-a768-00aa006e0529": "User-Force-Change-Password",
    "ab721a53-1e2f-11d0-9819-00aa0040529b": "User-Change-Password",
    "bf9679c0-0de6-11d0-a285-00aa003049e2": "Self-Membership",
    "f3a64788-5306-11d1-a9c5-0000f80367c1": "Validated-SPN",
    "0e10c968-78fb-11d2-90d4-00c04f79dc55": "Certificate-Enrollment",
}

DNS_STATUS: Final = {
    9001: "FORMERR",
    9002: "SERVFAIL",
    9003: "NXDOMAIN",
    9004: "NOTIMP",
    9005: "REFUSED",
    9501: "no records",
    9560: "timeout",
    9701: "no record of that type",
    1460: "timeout",
    1214: "invalid name",
    11001: "host not found",
    11004: "no data",
}
"""Win32 error codes of the DNS client (winerror.h)."""

ACCESS_DELETE: Final = 0x10000
ACCESS_WRITE_SECURITY: Final = 0x40000 | 0x80000
FILE_READ: Final = 0x1
FILE_WRITE: Final = 0x2 | 0x4 | 0x10
FILE_SET_ATTRIBUTES: Final = 0x100
KEY_SET_VALUE: Final = 0x2
KEY_CREATE_SUBKEY: Final = 0x4


def protocol_name(number: int) -> str:
    """Lower-case name of an IP protocol number; "" for 0, its digits for one without a name here."""
    return PROTOCOLS.get(number) or (str(number) if number > 0 else "")


def status_words(code: int) -> str:
    """Words for an NTSTATUS code, signed or unsigned; hexadecimal text if unknown, "" for success."""
    code &= 0xFFFFFFFF
    if not code:
        return ""
    return STATUS.get(code) or f"0x{code:08x}"


def kerberos_words(code: int) -> str:
    """Words for a Kerberos result; NTSTATUS values stand in the same field; "" for success."""
    return KERBEROS.get(code) or status_words(code)
