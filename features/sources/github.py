"""GitHub audit log of an organisation or enterprise: web and Git events of the API, exports and streams.

Field names: "Audit log events for your organization" in GitHub's documentation. Times are milliseconds since
1970 UTC; some pipelines rewrite them as ISO 8601 text. Enterprise Server keeps some fields under `data`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from features import identity
from features.events import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    FAILURE,
    GROUP_MANAGEMENT,
    SUCCESS,
    USER_ACCESS,
    Event,
)
from features.sources.parsing import epoch_us, iso_us, json_object, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

OTHER = 99
"""OCSF: the activity is known but the class has no number for it."""

_ACTIONS = {
    "user.login": (AUTHENTICATION, 1),
    "user.failed_login": (AUTHENTICATION, 1),
    "user.logout": (AUTHENTICATION, 2),
    "org.sso_response": (AUTHENTICATION, 1),
    "business.sso_response": (AUTHENTICATION, 1),
    "user.create": (ACCOUNT_CHANGE, 1),
    "user.unsuspend": (ACCOUNT_CHANGE, 2),
    "user.change_password": (ACCOUNT_CHANGE, 3),
    "user.reset_password": (ACCOUNT_CHANGE, 4),
    "user.forgot_password": (ACCOUNT_CHANGE, 4),
    "user.suspend": (ACCOUNT_CHANGE, 5),
    "user.delete": (ACCOUNT_CHANGE, 6),
    "user.two_factor_enabled": (ACCOUNT_CHANGE, 10),
    "two_factor_authentication.enabled": (ACCOUNT_CHANGE, 10),
    "two_factor_authentication.disabled": (ACCOUNT_CHANGE, 11),
    "org.add_member": (GROUP_MANAGEMENT, 3),
    "org.remove_member": (GROUP_MANAGEMENT, 4),
    "org.remove_outside_collaborator": (USER_ACCESS, 2),
    "org.update_member": (USER_ACCESS, 3),
    "business.add_admin": (USER_ACCESS, 3),
    "business.remove_admin": (USER_ACCESS, 4),
    "business.add_organization": (API_ACTIVITY, 1),
    "team.create": (GROUP_MANAGEMENT, 6),
    "team.destroy": (GROUP_MANAGEMENT, 5),
    "team.add_member": (GROUP_MANAGEMENT, 3),
    "team.remove_member": (GROUP_MANAGEMENT, 4),
    "team.promote_maintainer": (USER_ACCESS, 3),
    "team.demote_maintainer": (USER_ACCESS, 4),
    "team.add_repository": (GROUP_MANAGEMENT, 1),
    "team.update_repository_permission": (GROUP_MANAGEMENT, 1),
    "team.remove_repository": (GROUP_MANAGEMENT, 2),
    "repo.add_member": (USER_ACCESS, 1),
    "repo.update_member": (USER_ACCESS, 1),
    "repo.remove_member": (USER_ACCESS, 2),
    "git.clone": (API_ACTIVITY, 2),
    "git.fetch": (API_ACTIVITY, 2),
    "git.push": (API_ACTIVITY, 3),
}
_TYPES = {"create": 1, "access": 2, "modify": 3, "transfer": 3, "restore": 1, "remove": 4}


def _words(text: str) -> list[str]:
    return text.split()


_VERBS = {
    **dict.fromkeys(
        _words(
            """create add added created generate invite import enable register approve upload publish grant
            start"""
        ),
        1,
    ),
    **dict.fromkeys(_words("download view access export clone fetch read list dump"), 2),
    **dict.fromkeys(
        _words(
            """update updated change modify set rename transfer edit rotate disable enabled disabled reset
            restrict push override completed prepared rerun"""
        ),
        3,
    ),
    **dict.fromkeys(_words("delete destroy remove removed revoke revoked cancel deny dismiss block"), 4),
}
_RUN_FAILED = frozenset({"failure", "timed_out", "startup_failure", "cancelled"})


class GitHubDecoder:
    """One audit log entry to one event."""

    name: ClassVar[str] = "github"

    def __init__(self, context: SourceContext) -> None:
        self._context = context

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Tell by a dotted `action`, a text actor, GitHub's time stamp and at least one of its own fields."""
        record = sample.record
        action = record.get("action")
        if not isinstance(action, str) or not 0 < action.find(".") < 64 or " " in action:
            return 0.0
        if not isinstance(record.get("actor", ""), str | None):
            return 0.0
        if not any(key in record for key in ("@timestamp", "created_at", "at_sign_timestamp")):
            return 0.0
        own = (
            "_document_id",
            "org",
            "repo",
            "business",
            "actor_location",
            "operation_type",
            "transport_protocol_name",
        )
        found = sum(key in record for key in own)
        return 1.0 if found >= 2 else 0.7 if found else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Drop blank lines."""
        return ((number, line) for number, line in lines if line.strip())

    def decode(self, record: bytes) -> Event:
        """One record to one event; RecordError for broken JSON and for a missing or impossible time."""
        row = json_object(record)
        inner = row.get("data")
        if isinstance(inner, dict):
            row = inner | {key: value for key, value in row.items() if value is not None}
        get = row.get
        operation = text(get("action"))
        class_uid, activity_id = classify(operation[:128], text(get("operation_type"))[:32])
        user = self._context.identity.user(text(get("actor")))
        target = self._context.identity.user(text(get("user")))
        failed, detail = _outcome(operation, row)
        protocol = text(get("transport_protocol_name")) or text(get("protocol_name"))
        return Event(
            time_us=_time(row),
            class_uid=class_uid,
            activity_id=activity_id,
            status_id=FAILURE if failed else SUCCESS,
            uid=text(get("_document_id")),
            user=user,
            target_user=target if target != user else "",
            src_ip=identity.ip(text(get("actor_ip"))),
            protocol=protocol.lower(),
            operation=operation,
            service="GitHub",
            resource=_resource(row, operation),
            auth=text(get("programmatic_access_type")).lower(),
            status_detail=detail,
            user_agent=text(get("user_agent")),
            cloud_account=_first_name(get("org")) or _first_name(get("business")),
        )


@lru_cache(maxsize=4096)
def classify(action: str, kind: str) -> tuple[int, int]:
    """OCSF class and activity of an action: by name, else by operation_type, else by the verb in it."""
    if action in _ACTIONS:
        return _ACTIONS[action]
    if kind == "authentication":
        return AUTHENTICATION, 1
    if kind in _TYPES:
        return API_ACTIVITY, _TYPES[kind]
    for word in action.rpartition(".")[2].split("_"):
        if word in _VERBS:
            return API_ACTIVITY, _VERBS[word]
    return API_ACTIVITY, OTHER


def _time(row: dict[str, Any]) -> int:
    stamp = next(
        (
            row[key]
            for key in ("@timestamp", "at_sign_timestamp", "created_at")
            if row.get(key) not in (None, "")
        ),
        None,
    )
    if isinstance(stamp, str) and not stamp.strip().isdecimal():
        return iso_us(stamp)
    return epoch_us(stamp, 1_000)


def _outcome(operation: str, row: dict[str, Any]) -> tuple[bool, str]:
    """Only the name of a login event and a workflow's conclusion tell of failure; the rest was done."""
    if "failed" in operation:
        return True, text(row.get("reason"))[:200] or operation.rpartition(".")[2]
    conclusion = text(row.get("conclusion"))
    return conclusion in _RUN_FAILED, conclusion if conclusion != "success" else ""


def _resource(row: dict[str, Any], operation: str) -> str:
    """What was touched: the team of a team's event, else repository, organisation, enterprise."""
    first = "team" if operation.startswith("team.") else "repo"
    for key in (first, "repo", "repository", "team", "org", "business"):
        name = _first_name(row.get(key))
        if name:
            return name
    return ""


def _first_name(value: object) -> str:
    """Name of an organisation or repository; a list where an app is installed in several."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return text(value)
