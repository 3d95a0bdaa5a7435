r"""Who and where: every way of writing a user or a host becomes one entity name. Rules: docs/identity.md.

Everything here is pure but for one thing: `IdentityResolver` remembers which stable id (SID, guest address)
belongs to which name. All functions take any text and never raise; names are NFKC-normalised, lower case,
free of control and format characters, and at most `NAME_LIMIT` characters long. An empty string means
"nobody" or "the record does not say".
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_LIMIT: Final = 128
"""Characters of an entity name. Windows allows 20 and DNS 63 a label, a longer one is hostile."""
_READ_LIMIT: Final = 1024
"""Characters of the input that are looked at: an ARN with a long path still fits."""
_CACHED_LIMIT: Final = 512
"""Longer inputs are not memoised, so that hostile records cannot fill the memory with keys."""
_CACHE_SIZE: Final = 65_536

_NOT_SAID: Final = frozenset(
    {
        "", "-", "--", "---", "n/a", "n.a.", "null", "nil", "none", "(none)", "(null)", "<null>", "nan",
        "undefined", "unknown", "(unknown)", "<unknown>", "unknown user", "unset", "not available",
        "not-available", "not applicable", "not-found", "not found", "invalid user", "(invalid user)", "?",
        "*", ".", "..", "@", "$", "(empty)", "<empty>", "4294967295", "-1", "hidden_due_to_security_reasons",
        "00000000-0000-0000-0000-000000000000",
    }
)  # fmt: skip
_NOT_PEOPLE: Final = frozenset(
    {
        "system", "local system", "localsystem", "local service", "localservice", "network service",
        "networkservice", "anonymous logon", "anonymous", "everyone", "iusr", "creator owner",
        "app@sharepoint", "sharepoint\\system", "nt authority",
    }
)  # fmt: skip
_SYSTEM_DOMAINS: Final = frozenset(
    {
        "nt authority", "nt service", "nt virtual machine", "iis apppool", "window manager",
        "font driver host",
        # Windows translates this one name: its French, German, Portuguese, Swedish and Polish forms.
        "autorite nt", "nt-autorität", "nt-autoritat", "autoridade nt", "nt instans", "zarządzanie nt",
    }
)  # fmt: skip
_SESSION_ACCOUNT: Final = re.compile(r"(?:dwm|umfd)-\d{1,9}")

_PUBLIC_MAIL: Final = frozenset(
    {
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com",
        "ymail.com", "icloud.com", "me.com", "mac.com", "aol.com", "proton.me", "protonmail.com", "pm.me",
        "gmx.com", "gmx.de", "gmx.net", "web.de", "mail.ru", "yandex.ru", "yandex.com", "qq.com", "163.com",
        "126.com", "zoho.com", "fastmail.com", "tutanota.com", "tuta.io", "hey.com", "mail.com",
    }
)  # fmt: skip
"""Mail providers for everybody: `alice@gmail.com` is not the organisation's alice."""

_SERVICE_PRINCIPALS: Final = ("host", "restrictedkrbhost", "termsrv", "wsman", "cifs", "rpcss")
"""Kerberos services that run as the computer itself, so that the principal is the computer account."""
_FIXED: Final = ("role/", "account/", "group/")
"""Prefixes of names that `IdentityResolver.aws` makes: what follows is kept as it is."""

_PLAIN: Final = r"[^\s\\/|<>\"'`#@,=:;()"
_MAIL: Final = re.compile(rf"{_PLAIN}]{{1,64}}@{_PLAIN}_]{{1,255}}\.{_PLAIN}_.]{{2,63}}")
_SID: Final = re.compile(r"s-1-\d{1,15}(?:-\d{1,10}){0,15}")
_TWELVE_DIGITS: Final = re.compile(r"[0-9]{12}")
_EDGES: Final = " \"'`,;"
# Default-ignorable characters that Unicode does not class as format characters: they show as nothing.
_IGNORABLE: Final = frozenset(
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)


# What a name turned out to be. Plain integers: comparing members of an Enum costs more than all the rest.
_NOTHING: Final = 0
"""A placeholder: look at the SID."""
_NOBODY: Final = 1
"""A part of the operating system, whatever the SID says."""
_NAME: Final = 2
_WEAK: Final = 3
"""A directory's display name: a remembered name is better."""
_GUEST: Final = 4
"""Somebody of another organisation."""
_IS_SID: Final = 5


class _Parsed(NamedTuple):
    kind: int
    entity: str
    mail: str  # the whole address if the domain was dropped from one


def _visible(character: str) -> bool:
    return (
        unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        and ord(character) not in _IGNORABLE
    )


def visible(text: str) -> str:
    """Text in one spelling: NFKC, no control, format, bidi, surrogate characters, single spaces; case kept.

    Idempotent. At most 1024 characters of the input are read.
    """
    text = text[:_READ_LIMIT]
    if text.isascii() and text.isprintable():
        text = text.strip()
        return text if "  " not in text else " ".join(text.split())
    for _ in range(4):  # removing a character can bring two together that compose; a second round settles it
        once = " ".join(unicodedata.normalize("NFKC", text).split())
        once = " ".join("".join(filter(_visible, once)).split())
        if once == text:
            break
        text = once[:_READ_LIMIT].rstrip()
    return text


def clean(text: str) -> str:
    """`visible` text in lower case; lowering can make new marks, so it is done until nothing changes."""
    for _ in range(4):
        once = visible(text.lower())
        if once == text:
            break
        text = once
    return text


# --- addresses ----------------------------------------------------------------


def ip(text: str) -> str:
    """Address in one spelling, "" if none: no zone, brackets, port or ::ffff:; IPv6 compressed, lower case.

    The unspecified addresses 0.0.0.0 and :: say nothing, so they are "" too. Leading zeros are refused,
    because programs disagree on what they mean (RFC 6943, 3.1.1).
    """
    return _ip(text) if 2 <= len(text) <= 96 and text.isascii() else ""


@lru_cache(maxsize=_CACHE_SIZE)
def _ip(text: str) -> str:
    parts = text.split(".", 4)
    if len(parts) == 4 and all(map(_is_octet, parts)):
        return text if text != "0.0.0.0" else ""  # noqa: S104 - compared, never bound
    # an address has a colon, or ends in a digit once quotes and spaces are off: most names are told here
    if ":" not in text and not text.strip(" \t\r\n\"']/")[-1:].isdigit():
        return ""
    return _slow_ip(text)


_OCTETS: Final = frozenset(map(str, range(256)))
_is_octet = _OCTETS.__contains__


def _slow_ip(text: str) -> str:
    text = text.strip(" \t\r\n\"'").lower()
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        if rest and not (rest[0] == ":" and rest[1:].isdigit()):
            return ""
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not port.isdigit():
            return ""
    text = text.partition("%")[0]
    text, _, prefix = text.partition("/")
    if prefix and prefix != ("128" if ":" in text else "32"):
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return "" if address.is_unspecified else str(address)


# --- hosts --------------------------------------------------------------------

_NO_HOST: Final = frozenset(
    {
        "localhost",
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
        "local",
        "localdomain",
        "unassigned",
    }
)


def host(name: str) -> str:
    """Entity name of a host: short, lower case, no domain; an address stays one; "" for a placeholder."""
    return _host(name) if len(name) <= _CACHED_LIMIT else _host.__wrapped__(name)


@lru_cache(maxsize=_CACHE_SIZE)
def _host(name: str) -> str:
    # nearly every name is this plain, and then its first label is all that the rules below would leave
    plain = _PLAIN_HOST.match(name)
    if plain is not None:
        text, rest = plain[1].lower(), name[plain.end(1) :].lower()
        if f"{text}{rest}" not in _NO_HOST and text not in _NO_HOST and text not in _NOT_SAID:
            return text
    return _any_host(name)


_PLAIN_HOST: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9-]{0,60}[A-Za-z0-9])(?:\.[A-Za-z][A-Za-z0-9-]{0,60})*\Z", re.ASCII
)


def _any_host(name: str) -> str:
    text = clean(name)
    while True:
        before = text
        text = text.strip(_EDGES).lstrip("\\/").partition("\\")[0].strip(_EDGES + ".")
        if text in _NOT_SAID or text in _NO_HOST:
            return ""
        address = ip(text)
        if address:
            return address
        if ":" in text and _is_address_like(text):
            return ""
        stem, colon, port = text.partition(":")
        if colon and port.isdecimal() and stem:
            text = stem
        first = text.partition(".")[0]
        if first and not first.isdecimal():  # 300.1.2.3 is a broken address, not the host 300
            text = first
        elif _is_address_like(text):
            return ""
        text = text[:NAME_LIMIT].rstrip("$ ")
        if text == before:
            return text


def _is_address_like(text: str) -> bool:
    """Say whether the text reads as an unspecified address (`ip` answered "" already)."""
    return not text.strip("0.:[]")


# --- users --------------------------------------------------------------------


def _unwrap(text: str) -> str:
    """Take away one layer of what surrounds a name; the same text if there is none."""
    if text.startswith(_FIXED):
        return text
    if text.startswith("%{") and text.endswith(
        "}"
    ):  # Windows: a SID that the event viewer would have translated
        return text[2:-1]
    if text.startswith("arn:"):
        return _arn(text)
    if "|" in text:  # SharePoint claims: i:0#.f|membership|alice@corp.example
        return text.rpartition("|")[2]
    if text.endswith(">") and "<" in text:  # Alice Smith <alice@corp.example>
        return text[:-1].rpartition("<")[2]
    if text.endswith("(uid=0)") or "(uid=" in text:  # PAM: root(uid=0)
        return text.partition("(uid=")[0]
    if text.startswith(("mailto:", "smtp:", "user:", "live.com#", "serviceaccount:")):
        return text.partition("#" if text.startswith("live") else ":")[2]
    if "@" in text:
        return _without_mail_domain(text)
    if "/" in text:
        return _without_slash(text)
    return text


def _without_mail_domain(text: str) -> str:
    local, _, domain = text.partition("@")
    if not local:
        return domain
    keep = (
        domain in _PUBLIC_MAIL
        or domain.endswith(".gserviceaccount.com")
        or _TWELVE_DIGITS.fullmatch(domain) is not None  # the root user of a cloud account
        or text in _NOT_PEOPLE
    )
    return text if keep else local


def _without_slash(text: str) -> str:
    head, _, tail = text.rpartition("/")
    if "." in head or not head or not tail:  # CORP.EXAMPLE/alice, corp.example/Users/Staff/alice
        return tail or head
    first = text.partition("/")[0]
    if first == "krbtgt":
        return first
    if first in _SERVICE_PRINCIPALS:
        machine = host(tail)
        return f"{machine}$" if machine and not ip(machine) else tail
    return text  # a Kerberos instance such as alice/admin is another principal than alice


def _arn(text: str) -> str:
    fields = text.split(":", 5)
    if len(fields) < 6:
        return text.rpartition(":")[2]
    _, _, service, _, account, resource = fields
    kind, _, rest = resource.partition("/")
    last = rest.rpartition("/")[2]
    if resource == "root":
        return f"root@{account}" if account else "root"
    if service == "sts" and kind == "assumed-role":
        return _assumed_role(*rest.partition("/")[::2])
    if kind in ("user", "federated-user"):
        return last
    if kind in ("role", "group") and service == "iam":
        return f"{kind}/{last}"
    return last or resource


def _assumed_role(role: str, session: str) -> str:
    """Name of the one behind a role session; role and session are clean text.

    A session name is chosen by whoever assumes the role, so it counts as a person only where an identity
    provider sets it: single sign-on roles, and e-mail addresses (SAML and web identity providers send these).
    """
    if role.startswith("awsservicerolefor"):
        return ""
    if session and (role.startswith("awsreservedsso_") or _MAIL.fullmatch(session)):
        return session
    return f"role/{role}" if role else session


def _guest(text: str) -> str:
    """Address in `bob_partner.com#ext#@corp.example` or `urn:spo:guest#bob@partner.com`, or ""."""
    if text.startswith("urn:spo:guest#"):
        address = text.partition("#")[2]
    else:
        outside = text.partition("#ext#")[0]
        local, _, domain = outside.rpartition("_")
        address = f"{local}@{domain}" if "@" not in outside else outside
    return address if len(address) <= NAME_LIMIT and _MAIL.fullmatch(address) else ""


def _layer(text: str, where: str, machine: str) -> _Parsed:
    """Resolve clean text once: domain, guest, directory name, then whatever else surrounds the name."""
    kind = _NAME
    text = text.strip(_EDGES)
    if text in _NOT_SAID or (text.startswith("%%") and text[2:].isdecimal()):
        return _Parsed(_NOTHING, "", "")
    if text in _NOT_PEOPLE or text.startswith("urn:spo:anon"):
        return _Parsed(_NOBODY, "", "")
    if text.startswith(("cn=", "uid=")):  # CN=Smith\, Alice,OU=Staff,DC=corp
        value = text.partition("=")[2].replace("\\,", "")
        text, kind = value.partition(",")[0], _WEAK
    head, slash, tail = text.rpartition("\\")
    if slash:
        where, text = head.rpartition("\\")[2].strip(_EDGES) or where, tail
    if where in _SYSTEM_DOMAINS:
        return _Parsed(_NOBODY, "", "")
    if "#ext#" in text or text.startswith("urn:spo:guest#"):
        guest = _guest(text)
        if guest:
            return _Parsed(_GUEST, guest, "")
        text = text.removeprefix("urn:spo:guest#").partition("#ext#")[0]
    text = text.strip(_EDGES)
    if where and text.startswith(f"{where}/"):
        text = text[len(where) + 1 :]
    mail = text if "@" in text and _MAIL.fullmatch(text) else ""
    base = _unwrap(text)[:NAME_LIMIT].strip(_EDGES)
    if base in _NOT_PEOPLE or _SESSION_ACCOUNT.fullmatch(base):
        return _Parsed(_NOBODY, "", "")
    if base in _NOT_SAID or not base.strip("$"):
        return _Parsed(_NOBODY if text.startswith("arn:") else _NOTHING, "", "")
    short = _machine(machine) if machine and base == text and not base.endswith("$") else ""
    if short and _is_machine(where, machine, short):
        return _Parsed(kind, f"{short}\\{base}"[:NAME_LIMIT].strip(_EDGES), "")
    return _Parsed(kind, base, mail)


def _machine(name: str) -> str:
    """Short name of a machine that can own accounts; "" for an address or an impossible name."""
    short = host(name)
    return short if short.replace("-", "").replace("_", "").isalnum() else ""


def _is_machine(where: str, machine: str, short: str) -> bool:
    """Say whether the domain is the machine: its name, full name, or 15-character NetBIOS name."""
    if not where:
        return False
    return where in (".", short, clean(machine).rstrip(".")) or (len(where) == 15 and short.startswith(where))


_PLAIN_USER: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,60}[A-Za-z0-9]\Z", re.ASCII)
_PLAIN_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]{0,64}\Z", re.ASCII)


def _parse(name: str, domain: str, machine: str) -> _Parsed:
    """Resolve what the names alone say. Layers come off until nothing changes, so it is idempotent."""
    if not machine and _PLAIN_USER.match(name) and _PLAIN_DOMAIN.match(domain):
        base = name.lower()
        if base not in _NOT_SAID and base not in _NOT_PEOPLE and base[:2] != "s-" and "-" not in base[:5]:
            return _Parsed(_NOBODY, "", "") if domain.lower() in _SYSTEM_DOMAINS else _Parsed(_NAME, base, "")
    return _parse_any(name, domain, machine)


def _parse_any(name: str, domain: str, machine: str) -> _Parsed:
    found = _layer(clean(name), clean(domain), machine)
    mail, weak = found.mail, found.kind == _WEAK
    while found.kind in (_NAME, _WEAK) and "\\" not in found.entity:
        entity = found.entity
        if _SID.fullmatch(entity):
            return _Parsed(_IS_SID, entity, "")
        found = _layer(entity, "", "")
        mail = mail or found.mail
        if found.entity == entity:
            break
    if found.kind == _NAME and weak:
        found = found._replace(kind=_WEAK)
    return found._replace(mail=mail if mail != found.entity else "")


_parse_cached = lru_cache(maxsize=_CACHE_SIZE)(_parse)


# What a stable id turned out to be, beside _NOTHING and _NOBODY.
_PERSON: Final = 2
_GROUP: Final = 3
"""A built-in group: means something only with its name, as the target of a change."""
_NUMBER: Final = 4
"""A UNIX uid: means something only together with its machine."""


@lru_cache(maxsize=_CACHE_SIZE)
def _classify_id(sid: str) -> tuple[int, str]:
    """Class of a stable id and the key it is remembered under. Well-known SIDs: [MS-DTYP] 2.4.2.4."""
    text = clean(sid).strip(_EDGES + "%{}")
    # Failed logons carry the null SID beside the name that was tried.
    if text in _NOT_SAID or text == "s-1-0-0":
        return _NOTHING, ""
    if _SID.fullmatch(text):
        # Domain and local accounts, Entra ID, Microsoft accounts, UNIX users as Samba writes them.
        if text.startswith(("s-1-5-21-", "s-1-12-1-", "s-1-11-96-", "s-1-22-1-")):
            return _PERSON, text.upper()
        return (_GROUP, "") if text.startswith("s-1-5-32-") else (_NOBODY, "")
    if text.isdecimal():
        return _NUMBER, text[:20]
    return _PERSON, f"id:{text[:NAME_LIMIT]}"


class IdentityResolver:
    """Resolves users; remembers which SID belongs to which name (the one order-dependent state here).

    Parameters
    ----------
    sids
        Pairs from a checkpoint, as the property `sids` gives them.
    max_pairs
        Pairs that are remembered; 1,000,000 take about 200 MB. Further ones are counted in `dropped`.

    Attributes
    ----------
    conflicts : int
        Records that paired a remembered id with another name. The first pairing stays: a rename is rare, and
        a hostile record must not move somebody's history to another name.
    dropped : int
        Pairs that were not remembered because the memory was full.
    """

    def __init__(self, sids: Mapping[str, str] | None = None, *, max_pairs: int = 1_000_000) -> None:
        self._names: dict[str, str] = dict(sids or {})
        self._max_pairs = max_pairs
        self.conflicts = 0
        self.dropped = 0

    def __len__(self) -> int:
        """Pairs that are remembered."""
        return len(self._names)

    @property
    def sids(self) -> dict[str, str]:
        """A copy of what is remembered: SID (upper case), guest address or `id:` + other id -> name."""
        return dict(self._names)

    def user(self, name: str = "", *, domain: str = "", sid: str = "", host: str = "") -> str:
        r"""Entity name of a user, "" for a placeholder or nobody.

        name may be `alice`, `CORP\alice`, `alice@corp.example`, `WS-12$`, an AWS ARN, or "-"; domain is the
        separate domain field if the source has one; sid a Windows SID or other stable id; host the (raw)
        machine of the record, to tell local accounts.
        """
        if len(name) + len(domain) + len(host) <= _CACHED_LIMIT:
            kind, entity, mail = _parse_cached(name, domain, host)
        else:
            kind, entity, mail = _parse(name, domain[:_READ_LIMIT], host[:_READ_LIMIT])
        if kind == _GUEST:
            self._remember(entity, entity)
        elif mail and mail in self._names:
            entity = mail
        if kind == _IS_SID:
            return self._by_id(entity, "", host) if not sid else self._by_id(sid, "", host)
        if not sid or kind == _NOBODY:
            return entity
        return self._by_id(sid, entity, host, learn=kind != _WEAK)

    def _by_id(self, sid: str, entity: str, machine: str, *, learn: bool = True) -> str:
        sid = sid[:_CACHED_LIMIT]
        kind, key = _classify_id(sid)
        if kind in (_NOTHING, _GROUP):
            return entity
        if kind == _NOBODY:
            return ""
        display = key
        if kind == _NUMBER:
            short = _machine(machine[:_READ_LIMIT])
            display = f"{short}\\{key}"[:NAME_LIMIT] if short else key
            key = f"id:{display}"
        if entity and learn:
            self._remember(key, entity)
            return entity
        known = self._names.get(key)
        if known is not None:
            return known
        if entity or not key.startswith("id:"):
            return entity or display
        if kind == _NUMBER:
            return display
        found = _parse_cached(display[3:], "", "")
        return found.entity if found.kind == _NAME else ""

    def _remember(self, key: str, entity: str) -> None:
        known = self._names.get(key)
        if known is None:
            if len(self._names) < self._max_pairs:
                self._names[key] = entity
            else:
                self.dropped += 1
        elif known != entity:
            self.conflicts += 1

    def aws(self, user_identity: dict[str, object]) -> str:
        """Entity name of a CloudTrail `userIdentity`, "" for an AWS service acting on its own.

        See "CloudTrail userIdentity element" in the AWS CloudTrail user guide for the types.
        """
        get = user_identity.get
        kind, arn, name = _text(get("type")), _text(get("arn")), _text(get("userName"))
        account, principal = _text(get("accountId")), _text(get("principalId"))
        if kind == "AWSService" or not (kind or arn or name or principal):
            return ""
        if kind == "Root":
            return self.user(f"root@{account}") if account else self.user(arn or "root")
        if kind == "AWSAccount":
            return self.user(f"account/{account}") if account else ""
        if kind == "AssumedRole":
            return self._aws_role(user_identity, arn, principal)
        if kind == "FederatedUser" and arn:
            return self.user(arn)
        if kind in ("SAMLUser", "WebIdentityUser"):
            return self.user(name or principal.rpartition(":")[2])
        if kind == "IdentityCenterUser":
            behalf = get("onBehalfOf")
            person = _text(behalf.get("userId")) if isinstance(behalf, dict) else ""
            return self.user(name, sid=person or principal)
        return self.user(name) or self.user(arn) or self.user(principal.rpartition(":")[2])

    def _aws_role(self, user_identity: dict[str, object], arn: str, principal: str) -> str:
        context = user_identity.get("sessionContext")
        context = context if isinstance(context, dict) else {}
        issuer = context.get("sessionIssuer")
        role = _text(issuer.get("userName")) if isinstance(issuer, dict) else ""
        _, _, named = arn.partition(":assumed-role/")
        session = named.partition("/")[2] or principal.partition(":")[2]
        # Set by the identity provider and kept through role chaining, so better than the session's name.
        source = clean(_text(context.get("sourceIdentity")))
        if _MAIL.fullmatch(source):
            session = source
        return self.user(_assumed_role(clean(role or named.partition("/")[0]), clean(session)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
