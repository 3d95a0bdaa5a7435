"""Free text that attackers control, reduced to bounded shapes before it becomes a value of a baseline.

Pure functions from text to text: any text in, at most `SHAPE_LIMIT` printable characters out, nothing raised,
"" for text that says nothing. What varies without meaning (counters, versions, GUIDs, hashes, user names)
becomes `*` (`#` in host names), so that one habit is one value. Results are memoised for inputs of up to 512
characters.
"""

from __future__ import annotations

import re
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Final

from features import identity
from features.identity import clean, visible

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE_LIMIT: Final = 96
"""Characters of a shape."""
_COMMAND_LIMIT: Final = 4096
"""Characters of a command line that are read."""
_CACHED_LIMIT: Final = 512
_CACHE_SIZE: Final = 65_536

_GUID: Final = r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?"
_VARIABLE: Final = re.compile(
    rf"{_GUID}"
    r"|s-1-\d+(?:-\d+)+"  # SID
    r"|\d+(?:\.\d+){2,}"  # version or address
    r"|(?<![a-z0-9])(?:0x)?(?=[a-f]{0,40}\d)[0-9a-f]{6,}(?![a-z0-9])"  # hash
    r"|\d{4,}"
)
_LONG_WORD: Final = re.compile(r"[a-z0-9]{8,}")
_DIGITS: Final = re.compile(r"\d+")
_STARS: Final = re.compile(r"\*[*.\-_]*\*")
_AFTER_DIGIT: Final = re.compile(r"\d[a-z0-9]*")
_EXTENSION: Final = re.compile(r"[a-z0-9_-]{1,10}")
_NOTHING: Final = frozenset(
    {"-", "--", "?", "n/a", "null", "(null)", "none", "unknown", "<unknown process>", "<unknown>"}
)


def _memoised(function: Callable[[str], str]) -> Callable[[str], str]:
    """Remember results of short inputs; a hostile long one must not fill the memory as a key."""
    cached = lru_cache(maxsize=_CACHE_SIZE)(function)

    @wraps(function)
    def call(text: str) -> str:
        return cached(text) if len(text) <= _CACHED_LIMIT else function(text)

    return call


def _random_word(match: re.Match[str]) -> str:
    """`*` for a word that changes between letters and digits at least four times, as random names do."""
    word = match[0]
    runs = len(_DIGITS.findall(word))
    changes = 2 * runs - word[0].isdigit() - word[-1].isdigit()
    return "*" if changes >= 4 else word


def _template(text: str) -> str:
    """Replace GUIDs, SIDs, versions, hashes, long numbers and random words in lower-case text by `*`."""
    if _DIGITS.search(text) is not None:
        text = _LONG_WORD.sub(_random_word, _VARIABLE.sub("*", text))
    return _STARS.sub("*", text) if text.count("*") > 1 else text


def _cut(text: str) -> str:
    return text if len(text) <= SHAPE_LIMIT else text[: SHAPE_LIMIT - 1].rstrip("* ") + "*"


# --- programs --------------------------------------------------------------------

_KERNEL_THREADS: Final = frozenset(
    {
        "kworker", "ksoftirqd", "migration", "cpuhp", "rcuop", "rcuos", "rcuog", "watchdog", "idle_inject",
        "irq", "jbd2", "scsi_eh", "xfs-cil", "xfs-buf", "xfs-data", "xfs-conv", "xfsaild", "kdmflush",
        "nv_queue", "ext4",
    }
)  # fmt: skip


_WINDOWS_PROGRAM: Final = re.compile(
    r"[\\]|^[A-Za-z]:|\.(?:exe|com|bat|cmd|scr|dll|ps1|vbs|js|msi|tmp|temp|sys|cpl)$", re.IGNORECASE
)


@_memoised
def process_name(path: str) -> str:
    r"""Name of a program: `C:\Temp\Setup_8f3a2c.tmp` -> `setup_*.tmp`, `kworker/1:2` -> `kworker`.

    Case is kept except for what is a Windows program by its path or extension: on UNIX `Make` and `make` are
    two programs.
    """
    text = visible(path[-_CACHED_LIMIT:]).strip("\"' ")
    if text.lower() in _NOTHING:
        return ""
    if _WINDOWS_PROGRAM.search(text):
        text = clean(text)
    text = text.removesuffix(" (deleted)").replace("\\", "/").rstrip("/").strip("\"' ")
    if text.startswith("[") and text.endswith("]"):  # how ps shows a kernel thread
        text = text[1:-1]
    head, slash, name = text.rpartition("/")
    if slash and head.partition("/")[0] in _KERNEL_THREADS:
        return head.partition("/")[0]
    name = name.strip("\"' ")
    stem, dot, extension = name.rpartition(".")
    if dot and extension in ("tmp", "temp"):
        name = f"{_AFTER_DIGIT.sub('*', stem)}.{extension}"
    lowered = name.lower()
    template = _template(lowered)
    return _short_name(name if template == lowered else template)


def _short_name(name: str) -> str:
    """Cut a long name in the middle, so that the extension survives."""
    name = name.strip("\"' ")
    if len(name) <= SHAPE_LIMIT:
        return "" if name.lower() in _NOTHING else name
    _, dot, extension = name.rpartition(".")
    ending = f".{extension.lower()}" if dot and _EXTENSION.fullmatch(extension.lower()) else ""
    return _template(f"{name.lower()[:60]}*{ending}")


# --- command lines ---------------------------------------------------------------

_TOKEN: Final = re.compile(r"""(?:[^\s"']++|"[^"]*"?|'[^']*'?)++""")
_PROGRAM_WITH_SPACES: Final = re.compile(
    r"[a-z]:\\[^\"|&<>]*?\.(?:exe|com|bat|cmd|scr)(?=\s|$)", re.IGNORECASE
)
_DASH_OPTION: Final = re.compile(r"--?[A-Za-z?][A-Za-z_-]{0,23}")
_SLASH_OPTION: Final = re.compile(r"/[A-Za-z?][A-Za-z0-9_-]{0,15}(?=$|[:=])")
_WORD: Final = re.compile(r"[a-z][a-z0-9-]{1,23}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_FILE_NAME: Final = re.compile(r"[^\s=]*\.[A-Za-z][A-Za-z0-9]{0,4}")
_NUMBER: Final = re.compile(r"[+-]?(?:0x[0-9a-fA-F]+|\d+(?:[.,]\d+)*)%?")
_GUID_ONLY: Final = re.compile(_GUID, re.IGNORECASE)
_ITEM_LIMIT: Final = 8

_WINDOWS: Final = frozenset(
    {
        "arp", "at", "attrib", "bcdedit", "bitsadmin", "certreq", "certutil", "cipher", "cmd", "cmdkey",
        "copy", "del", "dir", "dism", "driverquery", "dsquery", "findstr", "forfiles", "fsutil", "gpresult",
        "gpupdate", "icacls", "ipconfig", "klist", "makecab", "mode", "mountvol", "msiexec", "nbtstat",
        "net", "net1", "netsh", "nltest", "ntdsutil", "powershell", "qwinsta", "query", "quser", "reg",
        "regedit", "regsvr32", "robocopy", "route", "rundll32", "runas", "sc", "schtasks", "setspn",
        "subst", "systeminfo", "takeown", "taskkill", "tasklist", "vssadmin", "w32tm", "wbadmin",
        "wevtutil", "where", "whoami", "wmic", "wusa", "xcopy",
    }
)  # fmt: skip
"""Windows programs that are often written without .exe: /x is an option of theirs, elsewhere it is a path."""
_SUB_COMMANDS: Final = {
    **dict.fromkeys(
        (
            "net", "net1", "sc", "reg", "vssadmin", "wevtutil", "wbadmin", "fsutil", "ntdsutil", "dsquery",
            "query", "git", "svn", "hg", "docker", "podman", "nerdctl", "crictl", "kubectl", "helm",
            "systemctl", "launchctl", "loginctl", "journalctl", "apt", "apt-get", "apt-cache", "yum", "dnf",
            "zypper", "apk", "snap", "flatpak", "brew", "choco", "winget", "pip", "pip3", "npm", "yarn",
            "pnpm", "cargo", "go", "dotnet", "mvn", "gradle", "terraform", "tofu", "vagrant", "openssl",
            "ufw", "diskutil", "tmutil", "security", "dscl", "defaults", "csrutil", "spctl", "nmcli",
            "virsh", "rclone", "restic", "vault", "gh", "glab", "heroku", "psql",
        ),
        1,
    ),
    **dict.fromkeys(("aws", "az", "gcloud", "gsutil", "netsh", "wmic", "ip", "doctl", "oci"), 2),
}  # fmt: skip
"""Programs whose first words are commands of their own, and how many such words."""
_GLUES_VALUES: Final = frozenset(
    {"mysql", "mysqldump", "mysqladmin", "mariadb", "sshpass", "7z", "rar", "gcc"}
)
"""Programs that take `-pPassword`: everything after the letter is a value."""
_SHELLS: Final = {
    **dict.fromkeys(("cmd.exe", "cmd"), ("/c", "/k", "/r")),
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "su"), ("-c", "-lc", "-ic")),
}
_PREFIXES: Final = frozenset(
    {"sudo", "doas", "nohup", "env", "time", "setsid", "exec", "start", "xargs", "watch"}
)
"""Programs that run the one named in their arguments."""
_POWERSHELL_OPTIONS: Final = (
    # full name, shortest abbreviation that PowerShell takes, shape (about_PowerShell_exe)
    ("encodedcommand", 1, "-enc"),
    ("noprofile", 3, "-nop"),
    ("noninteractive", 4, "-noni"),
    ("nologo", 3, "-nologo"),
    ("noexit", 3, "-noexit"),
    ("windowstyle", 1, "-w"),
    ("executionpolicy", 2, "-ep"),
    ("command", 1, "-c"),
    ("file", 1, "-f"),
    ("inputformat", 2, "-if"),
    ("outputformat", 1, "-of"),
    ("version", 1, "-v"),
)


@_memoised
def command_shape(command: str) -> str:
    """Program, options without values, and the kinds of the other arguments, in order.

    `powershell.exe -NoP -W Hidden -EncodedCommand SQBFAFgA...` -> `powershell.exe -nop -w -enc base64`. Kinds
    are url, ip, unc, path, base64, guid and num. The quoted command of a shell (`cmd /c "..."`) is shaped in
    its place. At most 8 items follow each program. Values are dropped; one glued to a letter (`-pSecret`)
    is only known for the programs that are famous for it.
    """
    return _cut(_command(command[:_COMMAND_LIMIT].replace("\0", " "), 3))


def _command(text: str, depth: int) -> str:
    text = text.strip()
    spaced = _PROGRAM_WITH_SPACES.match(text) if text[1:3] == ":\\" else None
    first = spaced or _TOKEN.match(text)
    if first is None:
        return ""
    raw = first[0]
    if '"' in raw[1:] or "'" in raw[1:]:
        raw = raw.strip("\"'")
    program = process_name(raw).replace(" ", "_")
    rest = text[first.end() :]
    bare = program.removesuffix(".exe")
    if not program or not rest or program.startswith(("-", "/")):
        return program
    items: list[str] = []
    words = _SUB_COMMANDS.get(bare, 0)
    windows = program.endswith((".exe", ".com", ".bat", ".cmd")) or bare in _WINDOWS
    position = 0
    for token in _TOKEN.finditer(rest):
        value = token[0]
        if bare in _PREFIXES and depth and value[0] != "-" and "=" not in value:
            return " ".join([program, *items, _command(rest[token.start() :], depth - 1)])
        item = _option(value, bare, windows=windows)
        if item and depth and item in _SHELLS.get(program, ()):
            inner = rest[token.end() :].strip().strip("\"'")
            return " ".join([program, *items, item, _command(inner, depth - 1)]).rstrip()
        if not item:
            word = value.lower()
            if items and items[-1] == "-m" and bare.startswith("python"):
                item = _template(word)[:24]
            elif position < words and _WORD.fullmatch(word):
                item = _template(word)
            elif position == 0 and bare == "rundll32":
                item = _library(value)
            else:
                item = _kind_of(value.strip("\"'"))
            position += 1
        if item and item not in items:
            items.append(item)
            if len(items) >= _ITEM_LIMIT:
                break
    return " ".join([program, *items])


def _option(token: str, program: str, *, windows: bool) -> str:
    """Name of the option, without a value; "" if the token is none."""
    if token[0] == "-":
        if len(token) > 1 and token[1:].isdecimal():  # kill -9, head -20
            return "-#"
        match = _DASH_OPTION.match(token)
        if match is None:
            return ""
        name = match[0]
        rest = token[len(name) :]
        long = name[1] == "-"
        if program in _GLUES_VALUES and not long and len(token) > 2:
            name = f"{name[:2]}*"
        elif rest and rest[0] not in ":=":
            if len(name) > 3 and len(rest) <= 2 and rest.isdecimal():  # -ForceV1
                name = f"{name}#"
            else:  # a value glued to the option, or something far too long
                name = f"{name.rpartition('-')[0] if long and name.rfind('-') > 1 else name[:2]}*"
        if program in ("powershell", "pwsh"):
            return _powershell_option(name.lower())
        return name.lower() if windows else name
    if token[0] == "/" and windows:
        match = _SLASH_OPTION.match(token)
        return match[0].lower() if match is not None else ""
    return ""


def _powershell_option(name: str) -> str:
    short = name.lstrip("-")
    for full, shortest, shape in _POWERSHELL_OPTIONS:
        if len(short) >= shortest and full.startswith(short):
            return shape
    return {"ec": "-enc", "ep": "-ep"}.get(short, name)


def _library(token: str) -> str:
    r"""`C:\Windows\System32\comsvcs.dll,MiniDump` -> `comsvcs.dll`: rundll32 is what it loads."""
    name = process_name(token.strip("\"'").partition(",")[0]).replace(" ", "_")
    return name[:40] if name.endswith((".dll", ".cpl", ".ocx")) else _kind_of(token)


def _kind_of(value: str) -> str:
    if not value:
        return ""
    if "://" in value[:32]:
        return "url"
    if value.startswith(("\\\\", "//")):
        return "unc"
    if _NUMBER.fullmatch(value):
        return "ip" if value.count(".") == 3 and identity.ip(value) else "num"
    if _GUID_ONLY.fullmatch(value):
        return "guid"
    if len(value) <= 64 and ":" in value and identity.ip(value):
        return "ip"
    if _BASE64.fullmatch(value) and not value.islower() and value.count("/") * 8 <= len(value):
        return "base64"
    if "/" in value or "\\" in value or _FILE_NAME.fullmatch(value):
        return "path"
    return ""


# --- files and registry keys -----------------------------------------------------

_FOLDERS: Final = 3
_REGISTRY_LEVELS: Final = 6
_USER_FOLDERS: Final = frozenset({"users", "home", "documents and settings", "profiles", "user", "benutzer"})
_SHARED_PROFILES: Final = frozenset({"public", "default", "all users", "default user"})
_HIVES: Final = {
    "hklm": "hklm", "hkey_local_machine": "hklm", "machine": "hklm", "hkcu": "hkcu",
    "hkey_current_user": "hkcu",
    "hku": "hku", "hkey_users": "hku", "user": "hku", "hkcr": "hkcr", "hkey_classes_root": "hkcr",
    "hkcc": "hkcc", "hkey_current_config": "hkcc", "a": "app",
}  # fmt: skip
_CONTROL_SET: Final = re.compile(r"controlset\d{3}")
_VOLUME: Final = re.compile(r"/device/harddiskvolume\d+")
_VARIABLES: Final = (
    ("/systemroot/", "c:/windows/"),
    ("%systemroot%/", "c:/windows/"),
    ("%windir%/", "c:/windows/"),
    ("%programfiles%/", "c:/program files/"),
    ("%programdata%/", "c:/programdata/"),
    ("%systemdrive%/", "c:/"),
    ("%userprofile%/", "c:/users/*/"),
    ("%appdata%/", "c:/users/*/appdata/roaming/"),
    ("%localappdata%/", "c:/users/*/appdata/local/"),
)
_NOTABLE: Final = frozenset(
    {
        "passwd", "shadow", "group", "gshadow", "sudoers", "hosts", "crontab", "authorized_keys",
        "known_hosts", "id_rsa", "id_ed25519", ".bash_history", ".bashrc", ".profile", ".bash_profile",
        "ntds.dit", "sam", "security", "system", "web.config", "ld.so.preload", "credentials", "kubeconfig",
        "docker.sock", "login data", "cookies", "lsass.dmp", "krb5.keytab", "unattend.xml", "groups.xml",
    }
)  # fmt: skip
"""File names that mean something by themselves; all other names become `*`."""


@_memoised
def file_shape(path: str) -> str:
    r"""Leading folders and extension: `C:\Users\bob\AppData\Local\x1.exe` -> `c:/users/*/appdata/*.exe`.

    At most three folders are kept, six levels of a registry key. UNC paths keep server and share.
    """
    text = clean(path).strip("\"' ").replace("\\", "/")
    if not text or text in _NOTHING:
        return ""
    hive = _hive(text)
    if hive:
        return hive
    text = _without_prefix(text)
    if text.startswith("pipe/"):
        return _cut(_template(text))
    root, parts, ending = _root(text)
    parts = [part for part in (part.strip() for part in parts) if part and part != "."]
    folders = [
        _folder(part, parts[index - 1] if index else "") for index, part in enumerate(parts[:_FOLDERS])
    ]
    shape = "/".join(folder[:24] for folder in folders)
    if root and shape:
        shape = f"{root}/{shape}" if root != "/" else f"/{shape}"
    elif root:
        shape = root
    if not ending.strip():
        return _cut(shape.rstrip("/") + "/" if shape else "")
    return _cut(f"{shape.rstrip('/')}/{_file(ending)}" if shape else _file(ending))


def _without_prefix(text: str) -> str:
    """One way of writing volumes: no kernel or long-path prefix, no environment variables."""
    for prefix in ("//?/unc/", "/device/mup/", "/??/unc/"):
        if text.startswith(prefix):
            return "//" + text[len(prefix) :].lstrip("/")
    if text.startswith(("//?/", "//./", "/??/")):
        rest = text[4:]
        return f"c:{rest[rest.find('/') :]}" if rest.startswith("globalroot/device/harddisk") else rest
    match = _VOLUME.match(text)
    if match is not None:
        return f"c:{text[match.end() :]}"
    for variable, folder in _VARIABLES:
        if text.startswith(variable):
            return folder + text[len(variable) :]
    return text


def _root(text: str) -> tuple[str, list[str], str]:
    """Split into drive, share or /; the folders; and the last part, which is empty for a folder."""
    *folders, ending = text.split("/")
    if len(text) >= 2 and text[1] == ":" and text[0].isalpha() and (len(text) == 2 or text[2] == "/"):
        return text[:2], folders[1:], ending if folders else ""
    if not text.startswith("//"):
        return "/" if text.startswith("/") else "", folders, ending
    names = [_part(name) for name in folders if name]
    if len(names) < 2:
        return "//" + "/".join([*names, _part(ending)] if ending else names), [], ""
    return f"//{names[0]}/{names[1]}", folders[4:], ending


def _part(name: str) -> str:
    return _template(name)[:32].strip() or "*"


def _folder(name: str, parent: str) -> str:
    if parent in _USER_FOLDERS and name not in _SHARED_PROFILES:
        return "*"
    return "*" if name.isdecimal() else _template(name).strip() or "*"


def _file(name: str) -> str:
    name, colon, _ = name.strip().partition(":")  # an alternate data stream
    if name in _NOTABLE:
        return name + (":*" if colon else "")
    _, dot, extension = name.rpartition(".")
    keep = dot and _EXTENSION.fullmatch(extension) and not extension.isdecimal()
    ending = f".{_template(extension)}" if keep else ""
    return f"*{ending}" + (":*" if colon else "")


def _hive(text: str) -> str:
    """Shape of a registry key, "" if the text is none."""
    is_kernel = text.startswith("/registry/")
    first, _, tail = text.removeprefix("/registry/").removeprefix("computer/").partition("/")
    if not is_kernel and first in ("machine", "user", "a"):
        return ""
    hive = _HIVES.get(first.rstrip(":"))
    if hive is None:
        return ""
    keys = [key for key in tail.split("/") if key.strip()]
    # The SID is no level of its own: with it, the user's hive is as deep as the machine's.
    levels = _REGISTRY_LEVELS + (hive == "hku") - 1
    return _cut("/".join([hive, *map(_registry_key, keys[:levels])]))


def _registry_key(key: str) -> str:
    return "currentcontrolset" if _CONTROL_SET.fullmatch(key) else _template(key)[:24].strip() or "*"


# --- hosts and other names -------------------------------------------------------

_RANDOM_HOST: Final = re.compile(r"(desktop|laptop|win|minint)-[a-z0-9]{7,11}")
"""What Windows calls a computer that nobody named."""
_HOST_ID: Final = re.compile(
    rf"{_GUID}|(?<![a-z0-9])(?=[0-9]{{0,40}}[a-f])(?=[a-f]{{0,40}}[0-9])[0-9a-f]{{6,}}(?![a-z0-9])"
)
_RESOURCE_ID: Final = re.compile(
    r"(?<=[_-])(?=[a-f]*\d)[0-9a-f]{4,}(?![a-z0-9])|(?<=-)[a-z0-9]*\d[a-z0-9]{7,}$"
)
_SECRET_SUFFIX: Final = re.compile(r"-[a-z0-9]{6}$")
_RESOURCE_PARTS: Final = 4


@_memoised
def host_template(name: str) -> str:
    """Kind of a host, for grouping: `WS-0231` -> `ws-#`, `i-0abc12de34f` -> `i-*`, an address -> `ip`."""
    text = identity.host(name)
    if identity.ip(text):
        return "ip"
    if text.startswith(("desktop-", "laptop-", "win-", "minint-")):
        text = _RANDOM_HOST.sub(r"\1-*", text, count=1)
    return _cut(_DIGITS.sub("#", _HOST_ID.sub("*", text)))


@_memoised
def resource_shape(name: str) -> str:
    """Type and leading part of an ARN, URL, object key, task or service name, with ids as `*`.

    `arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc12de34f` -> `ec2:instance/i-*`;
    `https://api.example/v1/users/4711?x=1` -> `https://api.example/v1/users/*`;
    `CDPUserSvc_3a2f1` -> `cdpusersvc_*`.
    """
    text = clean(name).strip("\"' ")
    if not text or text in _NOTHING:
        return ""
    prefix = ""
    if text.startswith("arn:"):
        fields = text.split(":", 5)
        if len(fields) == 6:
            prefix, text = f"{fields[2][:24]}:", fields[5]
            if fields[2] == "secretsmanager":
                text = _SECRET_SUFFIX.sub("-*", text)
    elif "://" in text[:16]:
        scheme, _, text = text.partition("://")
        text = re.split(r"[?#]", text, maxsplit=1)[0]
        prefix = f"{_template(scheme)}://"
    text = text.replace("\\", "/")
    lead = "/" if text.startswith("/") else ""
    parts = [part.strip() for part in text.split("/") if part.strip()]
    kept = [_resource_part(part) for part in parts[:_RESOURCE_PARTS]]
    if len(parts) > _RESOURCE_PARTS:
        kept[-1] = "*"
    return _cut(prefix + lead + "/".join(kept))


def _resource_part(part: str) -> str:
    if part.isdecimal():
        return "*"
    return _template(_RESOURCE_ID.sub("*", _template(part)))[:48].strip() or "*"
