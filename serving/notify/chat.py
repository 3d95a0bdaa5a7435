"""E-mail, Slack, Teams and the like, through apprise.

apprise knows more than a hundred services; only those that talk to their maker's own hosts, and e-mail, are
allowed, with the options listed here: others read files, switch off certificates or choose hosts freely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from features.errors import InputError
from serving.notify.addresses import Undelivered

if TYPE_CHECKING:
    from serving.notify.addresses import Network

_MAIL = frozenset({"to", "cc", "bcc", "from", "name", "user", "pass", "smtp", "mode"})
SCHEMES: dict[str, frozenset[str]] = {
    "mailto": _MAIL,
    "mailtos": _MAIL,
    "slack": frozenset(),
    "discord": frozenset(),
    "msteams": frozenset(),
    "workflows": frozenset({"ver", "api-version"}),
    "gchat": frozenset(),
    "tgram": frozenset(),
    "webex": frozenset(),
    "pover": frozenset({"priority"}),
    "pagerduty": frozenset({"region", "source", "component", "class", "group"}),
    "opsgenie": frozenset({"region", "priority"}),
}
"""Schemes that are allowed, with the options that each may have."""
_TEAMS_HOSTS = (".logic.azure.com", ".api.powerplatform.com")
SECONDS = 10.0


def checked(url: str) -> str:
    """An apprise URL; InputError, which does not repeat it (it holds secrets), when it is not allowed."""
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > 2000:
        raise InputError("url: plain ASCII without spaces, at most 2000 characters")
    try:
        found = urlsplit(url)
        options = parse_qsl(found.query, keep_blank_values=True, strict_parsing=bool(found.query))
        host = found.hostname or ""
    except ValueError as error:
        raise InputError("url: it cannot be read; see the service's page in the wiki of apprise") from error
    allowed = SCHEMES.get(found.scheme)
    if allowed is None:
        raise InputError(f"url: its scheme must be one of {', '.join(sorted(SCHEMES))}")
    for name, value in options:
        if name.lower() not in allowed:
            raise InputError(f"url: the option {name[:30]!r} is not allowed with {found.scheme}")
        if name.lower() == "mode" and value.lower() not in ("ssl", "starttls"):
            raise InputError("url: mode must be ssl or starttls")
    if found.scheme == "workflows" and not host.endswith(_TEAMS_HOSTS):
        raise InputError(f"url: the host of a workflow ends with one of {', '.join(_TEAMS_HOSTS)}")
    if _made(url) is None:
        raise InputError(f"url: not complete for {found.scheme}; see its page in the wiki of apprise")
    return url


def _made(url: str) -> Any:
    import apprise

    return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def send(url: str, title: str, text: str, *, urgent: bool, network: Network) -> None:
    """Send a message; Undelivered when the service did not take it.

    The host of e-mail is checked as a webhook's, but apprise looks it up again to connect: whoever controls
    its name can show it two addresses. They would speak a mail protocol there, with nothing to read from it.
    """
    import apprise

    service = _made(checked(url))
    if urlsplit(url).scheme.startswith("mailto"):
        network.resolve(service.smtp_host or service.host, service.port or 587)
    service.redirects = False
    service.verify_certificate = True
    service.socket_connect_timeout = service.socket_read_timeout = SECONDS
    kind = apprise.NotifyType.FAILURE if urgent else apprise.NotifyType.WARNING
    try:
        taken = service.notify(
            body=text, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
        )
    except Exception as error:
        # a plug-in's own failure, whatever it is, is a message that did not arrive
        raise Undelivered(f"the service could not be told ({type(error).__name__})") from error
    if not taken:
        raise Undelivered("the service did not take it")
