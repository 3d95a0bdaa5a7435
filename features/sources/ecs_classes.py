"""Elastic Common Schema: is a document one, and which class and activity of OCSF it means.

`event.category` and `event.type` are lists and several values may stand together; the most telling category
decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from features.events import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    APPLICATION_LIFECYCLE,
    AUTHENTICATION,
    BASE_EVENT,
    DATASTORE_ACTIVITY,
    DETECTION_FINDING,
    DNS_ACTIVITY,
    EMAIL_ACTIVITY,
    ENTITY_MANAGEMENT,
    FILE_ACTIVITY,
    GROUP_MANAGEMENT,
    HTTP_ACTIVITY,
    KERNEL_EXTENSION,
    MODULE_ACTIVITY,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    REGISTRY_KEY,
    REGISTRY_VALUE,
)
from features.sources.parsing import mapping
from features.sources.windows_record import OTHER
from features.sources.windows_record import text as scalar_text

if TYPE_CHECKING:
    from collections.abc import Callable


_PRIORITY: Final = (
    "authentication",
    "iam",
    "registry",
    "process",
    "driver",
    "library",
    "file",
    "email",
    "web",
    "network",
    "session",
    "package",
    "database",
    "configuration",
    "api",
    "malware",
    "intrusion_detection",
    "threat",
    "vulnerability",
)
_EVENT_FIELDS: Final = frozenset(
    {"kind", "category", "type", "action", "dataset", "module", "outcome", "provider", "code"}
)
_DOTTED: Final = ("ecs.version", "event.kind", "event.category", "event.action", "event.dataset")
_HTTP_METHODS: Final = {
    "connect": 1,
    "delete": 2,
    "get": 3,
    "head": 4,
    "options": 5,
    "post": 6,
    "put": 7,
    "trace": 8,
    "patch": 9,
}
_FIELD_LIMIT: Final = 2_000
_Types = frozenset[str]


def looks_like_ecs(record: dict[str, object]) -> bool:
    """Say whether a document has a time stamp where ECS has it and ECS's event fields."""
    if "@timestamp" not in record:
        return False
    event = record.get("event")
    if isinstance(event, dict) and not _EVENT_FIELDS.isdisjoint(event):
        return True
    ecs = record.get("ecs")
    if isinstance(ecs, dict) and "version" in ecs:
        return True
    return any(name in record for name in _DOTTED)


def unflatten(record: dict[str, object]) -> dict[str, object]:
    """Open dotted names to objects; names that contradict each other are dropped."""
    if not any(name in record for name in _DOTTED):
        return record
    found: dict[str, object] = {}
    for name, value in list(record.items())[:_FIELD_LIMIT]:
        *path, last = name.split(".", 8)
        node: dict[str, object] = found
        for part in path:
            inner = node.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node.setdefault(last, value)
    return found


def plain(value: object) -> str:
    """Text of a value or of the first of a list, "" for a placeholder or no scalar."""
    if isinstance(value, list):
        value = value[0] if value else None
    found = scalar_text(value)
    return "" if found in ("-", "(null)") else found


def words(value: object) -> _Types:
    """Lower-case set of a text or of a list of texts."""
    if isinstance(value, str):
        return frozenset((value.lower(),))
    if isinstance(value, list):
        return frozenset(item.lower() for item in value[:16] if isinstance(item, str))
    return frozenset()


def first_of(section: dict[str, Any], *names: str) -> str:
    """Text of the first of these fields that says something."""
    for name in names:
        found = plain(section.get(name))
        if found:
            return found
    return ""


# --- class and activity ----------------------------------------------------------------------------


def _pick(types: _Types, choices: tuple[tuple[str, int], ...], default: int = OTHER) -> int:
    for word, activity in choices:
        if word in types:
            return activity
    return default


def _session(types: _Types, action: str, _record: dict[str, object]) -> tuple[int, int]:
    ends = "end" in types or any(
        word in action for word in ("logoff", "log-off", "logout", "logged-out", "log_out")
    )
    return AUTHENTICATION, 2 if ends else 1


def _iam(types: _Types, action: str, record: dict[str, object]) -> tuple[int, int]:
    crud = _pick(types, (("creation", 1), ("deletion", 4), ("change", 3)), 2)
    if "group" in types or ("group" in record and "user" not in types):
        if any(word in action for word in ("remove", "deleted-from", "member-removed")):
            return GROUP_MANAGEMENT, 4
        if "add" in action:
            return GROUP_MANAGEMENT, 3
        return GROUP_MANAGEMENT, {1: 6, 4: 5}.get(crud, OTHER)
    if "user" in types:
        if crud in (1, 4):
            return ACCOUNT_CHANGE, 1 if crud == 1 else 6
        return ACCOUNT_CHANGE, _account_change(action)
    return ENTITY_MANAGEMENT, crud


def _account_change(action: str) -> int:
    for word, activity in (
        ("unlock", 12),
        ("lock", 9),
        ("reset", 4),
        ("passw", 3),
        ("enable", 2),
        ("disable", 5),
        ("delete", 6),
        ("add", 1),
        ("create", 1),
    ):
        if word in action:
            return activity
    return OTHER


def _process(types: _Types, action: str, _record: dict[str, object]) -> tuple[int, int]:
    if "inject" in action or "remotethread" in action:
        return PROCESS_ACTIVITY, 4
    return PROCESS_ACTIVITY, _pick(types, (("start", 1), ("end", 2), ("access", 3)))


def _file(types: _Types, action: str, _record: dict[str, object]) -> tuple[int, int]:
    if "rename" in action:
        return FILE_ACTIVITY, 5
    if action.startswith("open"):
        return FILE_ACTIVITY, 14
    choices = (("creation", 1), ("deletion", 4), ("change", 3), ("access", 2))
    return FILE_ACTIVITY, _pick(types, choices)


def _registry(types: _Types, _action: str, record: dict[str, object]) -> tuple[int, int]:
    if plain(mapping(record.get("registry")).get("value")):
        return REGISTRY_VALUE, _pick(types, (("deletion", 4), ("creation", 2), ("change", 2), ("access", 1)))
    return REGISTRY_KEY, _pick(types, (("creation", 1), ("deletion", 4), ("change", 3), ("access", 2)))


def _network(types: _Types, action: str, record: dict[str, object]) -> tuple[int, int]:
    network = mapping(record.get("network"))
    if "dns" in record or plain(network.get("protocol")).lower() == "dns":
        return DNS_ACTIVITY, 1 if plain(mapping(record.get("dns")).get("type")) == "query" else 6
    if "denied" in types or action in ("deny", "drop", "block", "reject", "denied", "dropped", "blocked"):
        return NETWORK_ACTIVITY, 5
    return NETWORK_ACTIVITY, _pick(types, (("start", 1), ("end", 2), ("error", 4)), 6)


def _web(_types: _Types, _action: str, record: dict[str, object]) -> tuple[int, int]:
    request = mapping(mapping(record.get("http")).get("request"))
    return HTTP_ACTIVITY, _HTTP_METHODS.get(plain(request.get("method")).lower(), 0)


def _changes(class_uid: int) -> Callable[[_Types, str, dict[str, object]], tuple[int, int]]:
    def pick(types: _Types, _action: str, _record: dict[str, object]) -> tuple[int, int]:
        return class_uid, _pick(types, (("creation", 1), ("deletion", 4), ("change", 3), ("access", 2)))

    return pick


def _fixed(class_uid: int, activity: int) -> Callable[[_Types, str, dict[str, object]], tuple[int, int]]:
    return lambda _types, _action, _record: (class_uid, activity)


def _package(types: _Types, _action: str, _record: dict[str, object]) -> tuple[int, int]:
    return APPLICATION_LIFECYCLE, _pick(types, (("installation", 1), ("deletion", 2)))


_CLASSES: Final[dict[str, Callable[[_Types, str, dict[str, object]], tuple[int, int]]]] = {
    "authentication": _session,
    "session": _session,
    "iam": _iam,
    "process": _process,
    "file": _file,
    "registry": _registry,
    "network": _network,
    "web": _web,
    "driver": _fixed(KERNEL_EXTENSION, 1),
    "library": _fixed(MODULE_ACTIVITY, 1),
    "email": _fixed(EMAIL_ACTIVITY, OTHER),
    "package": _package,
    "database": lambda types, _action, _record: (
        DATASTORE_ACTIVITY,
        _pick(types, (("access", 1), ("change", 2))),
    ),
    "configuration": _changes(ENTITY_MANAGEMENT),
    "api": _changes(API_ACTIVITY),
    "malware": _fixed(DETECTION_FINDING, 1),
    "intrusion_detection": _fixed(DETECTION_FINDING, 1),
    "threat": _fixed(DETECTION_FINDING, 1),
    "vulnerability": _fixed(DETECTION_FINDING, 1),
}


def classify(record: dict[str, object], event: dict[str, object]) -> tuple[int, int]:
    """Class and activity from event.kind, category, type and action; (0, 0) if they say nothing."""
    if plain(event.get("kind")) in ("alert", "signal"):
        return DETECTION_FINDING, 1
    categories = words(event.get("category"))
    if categories:
        types, action = words(event.get("type")), plain(event.get("action")).lower()
        for category in _PRIORITY:
            if category in categories:
                return _CLASSES[category](types, action, record)
    return BASE_EVENT, 0
