"""System calls that audit rules watch: their numbers by architecture, and the OCSF activity that each one is.

Numbers are those of the kernel's system call tables (arch/x86/entry/syscalls,
include/uapi/asm-generic/unistd.h); only calls that have a meaning here are listed. Enriched logs name the
call themselves.
"""

from __future__ import annotations

from typing import Final

from features import events as ocsf
from features.sources import network_terms as terms

_X86_64: Final = {
    2: "open", 41: "socket", 42: "connect", 43: "accept", 44: "sendto", 49: "bind", 50: "listen",
    54: "setsockopt", 56: "clone", 57: "fork", 58: "vfork", 59: "execve", 62: "kill", 76: "truncate",
    77: "ftruncate", 80: "chdir", 82: "rename", 83: "mkdir", 84: "rmdir", 85: "creat", 86: "link",
    87: "unlink", 88: "symlink", 89: "readlink", 90: "chmod", 91: "fchmod", 92: "chown", 93: "fchown",
    94: "lchown", 101: "ptrace", 105: "setuid", 106: "setgid", 113: "setreuid", 117: "setresuid",
    159: "adjtimex", 161: "chroot", 164: "settimeofday", 165: "mount", 166: "umount2", 169: "reboot",
    170: "sethostname", 175: "init_module", 176: "delete_module", 188: "setxattr", 197: "removexattr",
    227: "clock_settime", 234: "tgkill", 257: "openat", 258: "mkdirat", 260: "fchownat", 263: "unlinkat",
    264: "renameat", 265: "linkat", 266: "symlinkat", 268: "fchmodat", 288: "accept4",
    310: "process_vm_readv", 311: "process_vm_writev", 313: "finit_module", 316: "renameat2",
    319: "memfd_create", 321: "bpf", 322: "execveat", 437: "openat2",
}  # fmt: skip
_I386: Final = {
    2: "fork", 5: "open", 8: "creat", 9: "link", 10: "unlink", 11: "execve", 15: "chmod", 21: "mount",
    26: "ptrace", 37: "kill", 38: "rename", 39: "mkdir", 40: "rmdir", 92: "truncate", 102: "socketcall",
    128: "init_module", 129: "delete_module", 295: "openat", 301: "unlinkat", 302: "renameat",
    306: "fchmodat", 350: "finit_module", 358: "execveat", 361: "bind", 362: "connect",
}  # fmt: skip
_AARCH64: Final = {
    35: "unlinkat", 38: "renameat", 40: "mount", 45: "truncate", 53: "fchmodat", 54: "fchownat",
    56: "openat", 105: "init_module", 106: "delete_module", 117: "ptrace", 129: "kill", 200: "bind",
    202: "accept", 203: "connect", 206: "sendto", 220: "clone", 221: "execve", 273: "finit_module",
    276: "renameat2", 281: "execveat", 437: "openat2",
}  # fmt: skip
_TABLES: Final = {"c000003e": _X86_64, "40000003": _I386, "c00000b7": _AARCH64}

_FILE: Final = {
    "open": 14, "openat": 14, "openat2": 14, "creat": 1, "mkdir": 1, "mkdirat": 1, "link": 1, "linkat": 1,
    "symlink": 1, "symlinkat": 1, "truncate": 3, "ftruncate": 3, "unlink": 4, "unlinkat": 4, "rmdir": 4,
    "rename": 5, "renameat": 5, "renameat2": 5, "setxattr": 6, "removexattr": 6, "chmod": 7, "fchmod": 7,
    "fchmodat": 7, "chown": 7, "fchown": 7, "lchown": 7, "fchownat": 7, "readlink": 2, "mount": 12,
    "umount2": 13,
}  # fmt: skip
_REST: Final = {
    "execve": (ocsf.PROCESS_ACTIVITY, 1), "execveat": (ocsf.PROCESS_ACTIVITY, 1),
    "fork": (ocsf.PROCESS_ACTIVITY, 1), "vfork": (ocsf.PROCESS_ACTIVITY, 1),
    "clone": (ocsf.PROCESS_ACTIVITY, 1), "kill": (ocsf.PROCESS_ACTIVITY, 2),
    "tgkill": (ocsf.PROCESS_ACTIVITY, 2), "ptrace": (ocsf.PROCESS_ACTIVITY, 4),
    "process_vm_writev": (ocsf.PROCESS_ACTIVITY, 4), "process_vm_readv": (ocsf.PROCESS_ACTIVITY, 3),
    "setuid": (ocsf.PROCESS_ACTIVITY, 5), "setreuid": (ocsf.PROCESS_ACTIVITY, 5),
    "setresuid": (ocsf.PROCESS_ACTIVITY, 5), "connect": (ocsf.NETWORK_ACTIVITY, terms.OPEN),
    "sendto": (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC), "accept": (ocsf.NETWORK_ACTIVITY, terms.OPEN),
    "accept4": (ocsf.NETWORK_ACTIVITY, terms.OPEN), "bind": (ocsf.NETWORK_ACTIVITY, 7),
    "listen": (ocsf.NETWORK_ACTIVITY, 7), "init_module": (ocsf.KERNEL_EXTENSION, 1),
    "finit_module": (ocsf.KERNEL_EXTENSION, 1), "delete_module": (ocsf.KERNEL_EXTENSION, 2),
}  # fmt: skip
_WRITES: Final = 0b11
"""O_WRONLY | O_RDWR: what the access mode of open(2) is masked with."""


def syscall_name(call: dict[str, str]) -> str:
    """Name of the call: the enriched one, else that of its number on the architecture, "" if not listed."""
    name = call.get("SYSCALL", "")
    if name and name != "unknown":
        return name.strip('"')[:64]
    number = call.get("syscall", "")
    if not number.isdigit():
        return number if number.isidentifier() and len(number) < 64 else ""
    return _TABLES.get(call.get("arch", ""), {}).get(int(number[:6]), "")


def activity_of(name: str, call: dict[str, str], paths: list[dict[str, str]]) -> tuple[int, int]:
    """OCSF class and activity of a call. open(2) is split by what became of the file and by its flags."""
    if name in _REST:
        return _REST[name]
    activity = _FILE.get(name)
    if activity is None:
        return ocsf.BASE_EVENT, 0
    if activity == 14:
        if any(path.get("nametype") == "CREATE" for path in paths):
            return ocsf.FILE_ACTIVITY, 1
        flags = call.get({"open": "a1", "openat": "a2"}.get(name, ""), "")
        try:
            return ocsf.FILE_ACTIVITY, 3 if int(flags[:16], 16) & _WRITES else 2
        except ValueError:
            return ocsf.FILE_ACTIVITY, 14
    return ocsf.FILE_ACTIVITY, activity
