"""Okta System Log events (`/api/v1/logs`, log streaming to EventBridge, event hooks' inner objects).

Field names and event types: "System Log API" and "Event types" in Okta's developer documentation. `published`
is UTC. Keys in lower case, as SQL engines give them back, are read too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from features import identity
from features.events import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    AUTHORIZE_SESSION,
    FAILURE,
    GROUP_MANAGEMENT,
    SUCCESS,
    USER_ACCESS,
    Event,
)
from features.sources.parsing import iso_us, json_object, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

OTHER = 99
"""OCSF: the activity is known but the class has no number for it."""

_MIXED = """
    eventType displayMessage legacyEventType authenticationContext debugContext securityContext debugData
    alternateId displayName ipAddress userAgent rawUserAgent ipChain credentialType authenticationProvider
"""
_LOWER = {name.lower(): name for name in _MIXED.split()}

# Longest prefix wins; a prefix stands for itself and for what follows it after a dot or underscore.
_PREFIXES: dict[str, tuple[int, int]] = {
    "user.session.start": (AUTHENTICATION, 1),
    "user.session.end": (AUTHENTICATION, 2),
    "user.session.clear": (AUTHENTICATION, 2),
    "user.session.expire": (AUTHENTICATION, 2),
    "user.session.access_admin_app": (AUTHENTICATION, 1),
    "user.session.impersonation.initiate": (AUTHENTICATION, 1),
    "user.session.impersonation.end": (AUTHENTICATION, 2),
    "user.session.impersonation.grant": (USER_ACCESS, 1),
    "user.session.impersonation.revoke": (USER_ACCESS, 2),
    "user.session": (AUTHENTICATION, OTHER),
    "user.authentication": (AUTHENTICATION, 1),
    "user.authentication.slo": (AUTHENTICATION, 2),
    "user.mfa.attempt_bypass": (AUTHENTICATION, 1),
    "user.mfa.okta_verify": (AUTHENTICATION, OTHER),
    "app.oauth2.signon": (AUTHENTICATION, 1),
    "app.radius.agent": (API_ACTIVITY, OTHER),
    "app.oauth2.authorize": (AUTHORIZE_SESSION, 1),
    "app.oauth2.token.grant": (AUTHORIZE_SESSION, 1),
    "app.oauth2.as.authorize": (AUTHORIZE_SESSION, 1),
    "app.oauth2.as.token.grant": (AUTHORIZE_SESSION, 1),
    "policy.evaluate_sign_on": (AUTHORIZE_SESSION, OTHER),
    "policy.auth_reevaluate": (AUTHORIZE_SESSION, OTHER),
    "user.lifecycle.create": (ACCOUNT_CHANGE, 1),
    "user.lifecycle.activate": (ACCOUNT_CHANGE, 2),
    "user.lifecycle.reactivate": (ACCOUNT_CHANGE, 2),
    "user.lifecycle.unsuspend": (ACCOUNT_CHANGE, 2),
    "user.lifecycle.deactivate": (ACCOUNT_CHANGE, 5),
    "user.lifecycle.suspend": (ACCOUNT_CHANGE, 5),
    "user.lifecycle.delete": (ACCOUNT_CHANGE, 6),
    "user.lifecycle": (ACCOUNT_CHANGE, OTHER),
    "user.account.update_password": (ACCOUNT_CHANGE, 3),
    "user.account.reset_password": (ACCOUNT_CHANGE, 4),
    "user.account.expire_password": (ACCOUNT_CHANGE, 4),
    "user.account.lock": (ACCOUNT_CHANGE, 9),
    "user.account.unlock": (ACCOUNT_CHANGE, 12),
    "user.account.privilege.grant": (USER_ACCESS, 1),
    "user.account.privilege.revoke": (USER_ACCESS, 2),
    "user.account": (ACCOUNT_CHANGE, OTHER),
    "user.mfa.factor.activate": (ACCOUNT_CHANGE, 10),
    "user.mfa.factor.update": (ACCOUNT_CHANGE, 10),
    "user.mfa.factor.unsuspend": (ACCOUNT_CHANGE, 10),
    "user.mfa.factor.deactivate": (ACCOUNT_CHANGE, 11),
    "user.mfa.factor.suspend": (ACCOUNT_CHANGE, 11),
    "user.mfa.factor.reset_all": (ACCOUNT_CHANGE, 11),
    "group.user_membership.add": (GROUP_MANAGEMENT, 3),
    "group.user_membership.remove": (GROUP_MANAGEMENT, 4),
    "group.lifecycle.create": (GROUP_MANAGEMENT, 6),
    "group.lifecycle.delete": (GROUP_MANAGEMENT, 5),
    "group.privilege.grant": (GROUP_MANAGEMENT, 1),
    "group.privilege.revoke": (GROUP_MANAGEMENT, 2),
    "application.user_membership.add": (USER_ACCESS, 1),
    "application.user_membership.remove": (USER_ACCESS, 2),
    "application.user_membership": (USER_ACCESS, OTHER),
    "iam.resourceset.bindings.add": (USER_ACCESS, 3),
    "iam.resourceset.bindings.delete": (USER_ACCESS, 4),
}
_VERBS = {
    **dict.fromkeys(("create", "add", "activate", "grant", "import", "register", "assign", "enroll"), 1),
    **dict.fromkeys(("view", "read", "list", "download", "export", "access", "reveal", "show"), 2),
    **dict.fromkeys(("update", "change", "enable", "disable", "rotate", "reset", "rename", "edit"), 3),
    **dict.fromkeys(("delete", "remove", "revoke", "deactivate", "unassign", "clear", "purge"), 4),
}
_STATUS = {"SUCCESS": SUCCESS, "ALLOW": SUCCESS, "FAILURE": FAILURE, "DENY": FAILURE}
_PEOPLE = frozenset({"User", "AppUser", "user"})
_SERVICES = frozenset({"AppInstance", "PublicClientApp", "Client Application", "app", "OAuth 2.0 Client"})


class OktaDecoder:
    """One System Log event to one event."""

    name: ClassVar[str] = "okta"

    def __init__(self, context: SourceContext) -> None:
        self._context = context

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Tell by `eventType` in Okta's dotted form together with an actor and the fields around it."""
        record = _event(sample.record)
        kind = record.get("eventType", record.get("eventtype"))
        if not isinstance(kind, str) or "." not in kind or not isinstance(record.get("actor"), dict):
            return 0.0
        others = sum(
            key in record for key in ("published", "uuid", "client", "outcome", "target", "transaction")
        )
        return 1.0 if others >= 3 else 0.6 if others == 2 else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Drop blank lines."""
        return ((number, line) for number, line in lines if line.strip())

    def decode(self, record: bytes) -> Event:
        """One record to one event; RecordError for broken JSON and a missing or impossible `published`."""
        row = _event(json_object(record))
        operation = text(row.get("eventType"))
        class_uid, activity_id = classify(operation[:128])
        actor, client = mapping(row.get("actor")), mapping(row.get("client"))
        outcome, device = mapping(row.get("outcome")), mapping(row.get("device"))
        debug = mapping(mapping(row.get("debugContext")).get("debugData"))
        user = self._who(actor)
        target, application, thing = self._targets(row.get("target"), text(actor.get("id")))
        return Event(
            time_us=iso_us(row.get("published")),
            class_uid=class_uid,
            activity_id=activity_id,
            status_id=_STATUS.get(text(outcome.get("result")).upper(), 0),
            uid=text(row.get("uuid")),
            user=user,
            target_user=target if target != user else "",
            src_ip=identity.ip(text(client.get("ipAddress"))) or _first_hop(row.get("request")),
            src_host=identity.host(text(device.get("name"))),
            operation=operation,
            service=application or "Okta",
            resource=thing or application,
            auth=_auth(mapping(row.get("authenticationContext")), debug),
            status_detail=text(outcome.get("reason"))[:200],
            user_agent=text(mapping(client.get("userAgent")).get("rawUserAgent")),
        )

    def _who(self, actor: dict[str, Any]) -> str:
        kind = text(actor.get("type"))
        if kind == "SystemPrincipal":  # Okta itself
            return ""
        name, shown = text(actor.get("alternateId")), text(actor.get("displayName"))
        if kind in _SERVICES:
            name = shown or name
        user = self._context.identity.user
        # An attempt with a name that Okta does not know has "unknown" for an id.
        return user(name, sid=text(actor.get("id"))) or user(shown)

    def _targets(self, targets: object, actor_id: str) -> tuple[str, str, str]:
        """Name the user acted upon, the application, and the first other thing (group, policy, factor)."""
        person = application = thing = ""
        for entry in targets[:16] if isinstance(targets, list) else ():
            if not isinstance(entry, dict):
                continue
            kind, shown = text(entry.get("type")), text(entry.get("displayName"))
            if kind in _PEOPLE:
                uid = text(entry.get("id"))
                if not person and uid != actor_id:
                    # An AppUser's id is its own, not the user's, so only its name says who it is.
                    person = self._context.identity.user(
                        text(entry.get("alternateId")) or shown, sid=uid if kind == "User" else ""
                    )
            elif kind in _SERVICES:
                application = application or shown or text(entry.get("alternateId"))
            else:
                thing = thing or shown or text(entry.get("alternateId"))
        return person, application, "" if thing.lower() == "unknown" else thing


def _event(record: dict[str, Any]) -> dict[str, Any]:
    """Unwrap EventBridge's envelope, and give lower-case keys their capitals back."""
    inner = record.get("detail")
    if "eventType" not in record and isinstance(inner, dict):
        record = inner
    return _canonical(record, 0) if "eventtype" in record else record


def _canonical(value: dict[str, Any], depth: int) -> dict[str, Any]:
    return {
        _LOWER.get(key, key): _canonical(item, depth + 1) if isinstance(item, dict) and depth < 4 else item
        for key, item in value.items()
    }


@lru_cache(maxsize=4096)
def classify(operation: str) -> tuple[int, int]:
    """OCSF class and activity of an event type; API Activity by its last verb where nothing else applies."""
    prefix = operation
    while prefix:
        if prefix in _PREFIXES:
            return _PREFIXES[prefix]
        cut = max(prefix.rfind("."), prefix.rfind("_"))
        prefix = prefix[:cut] if cut > 0 else ""
    for word in reversed(operation.replace("_", ".").split(".")):
        if word in _VERBS:
            return API_ACTIVITY, _VERBS[word]
    return API_ACTIVITY, OTHER


def _first_hop(request: object) -> str:
    chain = mapping(request).get("ipChain")
    if isinstance(chain, list) and chain:
        return identity.ip(text(mapping(chain[0]).get("ip")))
    return ""


def _auth(context: dict[str, Any], debug: dict[str, Any]) -> str:
    """Factor or credential, such as "okta_verify_push", "password" or "assertion"."""
    for value in (debug.get("factor"), context.get("credentialType"), context.get("authenticationProvider")):
        name = text(value).lower()
        if name and name != "null":
            return name
    return ""
