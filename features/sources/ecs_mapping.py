"""Elastic Common Schema: from one ECS document to an Event.

Field names and allowed values: the ECS field reference, version 8. `event.category` and `event.type` are
lists and several may stand together; `ecs_classes` says what they mean. `user` is who acts,
`user.target` and `user.effective` who is acted upon or acted as; on Linux `user.audit` is the one who
logged in and so the one who acts.

Documents with dotted names (`"source.ip": ...`, as exports of flattened documents write them) are read as
well, and a list with one value is that value. Time is `@timestamp`, UTC; `event.created` and
`event.ingested` are the shipper's clocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from features.errors import RecordError
from features.events import (
    BASE_EVENT,
    FAILURE,
    SUCCESS,
    TEXT_ATTRIBUTES,
    Event,
)
from features.sources.ecs_classes import classify, first_of, plain, unflatten, words
from features.sources.parsing import integer, mapping, volume
from features.sources.windows_record import Resolver, set_source, utc_us
from features.sources.windows_record import text as scalar_text

if TYPE_CHECKING:
    from features.sources.base import SourceContext

_ARGUMENT_LIMIT: Final = 64


class EcsMapper:
    """Turns ECS documents into events. One instance a file, because it caches who is who."""

    def __init__(self, context: SourceContext) -> None:
        self._who = Resolver(context)
        self._default_host = self._who.host(context.default_host)
        self._minutes: dict[str, int] = {}

    def event(self, record: dict[str, object]) -> Event:
        """Map one document; RecordError without a usable `@timestamp`."""
        record = unflatten(record)
        stamp = record.get("@timestamp")
        if isinstance(stamp, list):
            stamp = stamp[0] if stamp else None
        about = mapping(record.get("event"))
        if not about and "ecs" not in record:
            raise RecordError("not an ECS document: no event or ecs object")
        class_uid, activity_id = classify(record, about)
        outcome = plain(about.get("outcome")).lower()
        event = Event(
            time_us=utc_us(stamp, self._minutes),
            class_uid=class_uid,
            activity_id=activity_id,
            status_id=SUCCESS if outcome == "success" else FAILURE if outcome == "failure" else 0,
            uid=plain(about.get("id")),
        )
        self._place(event, record)
        self._people(event, record)
        self._network(event, record)
        _things(event, record, about)
        return event

    def fill(self, event: Event, record: dict[str, object]) -> None:
        """Take what an event still lacks from the ECS fields beside it: pipelines move fields there."""
        if not any(
            name in record for name in ("user", "process", "source", "destination", "file", "registry", "dns")
        ):
            return
        try:
            other = self.event(record)
        except RecordError:
            return
        if event.class_uid == BASE_EVENT and not event.activity_id:
            event.class_uid, event.activity_id = other.class_uid, other.activity_id
        if not event.status_id:
            event.status_id = other.status_id
        if not event.dst_port:
            event.dst_port = other.dst_port
        if not (event.bytes_in or event.bytes_out):
            event.bytes_in, event.bytes_out = other.bytes_in, other.bytes_out
        for name in TEXT_ATTRIBUTES:
            if name not in ("uid", "operation", "service", "status_detail") and not getattr(event, name):
                setattr(event, name, getattr(other, name))

    def _place(self, event: Event, record: dict[str, object]) -> None:
        host = record.get("host")
        observer = mapping(record.get("observer"))
        name = first_of(host, "name", "hostname") if isinstance(host, dict) else plain(host)
        if not name:
            name = first_of(observer, "hostname", "name") or plain(
                mapping(mapping(record.get("log")).get("syslog")).get("hostname")
            )
        event.host = self._who.host(name) or self._default_host
        cloud = mapping(record.get("cloud"))
        if cloud:
            event.cloud_account = plain(mapping(cloud.get("account")).get("id"))
            event.cloud_region = plain(cloud.get("region"))

    def _account(self, user: dict[str, Any], computer: str) -> str:
        name = first_of(user, "name", "email", "full_name")
        if not name and not user.get("id"):
            return ""
        identifier = plain(user.get("id"))
        return self._who.user(
            name, plain(user.get("domain")), identifier if identifier[:4] == "S-1-" else "", computer
        )

    def _people(self, event: Event, record: dict[str, object]) -> None:
        user = mapping(record.get("user"))
        host = record.get("host")
        computer = first_of(host, "name", "hostname") if isinstance(host, dict) else plain(host)
        event.user = self._account(mapping(user.get("audit")), computer) or self._account(user, computer)
        if not event.user:
            event.user = self._account(mapping(mapping(record.get("source")).get("user")), computer)
        for part in ("target", "changes", "effective"):
            other = mapping(user.get(part))
            found = self._account(other, computer) if other else ""
            if found and found != event.user:
                event.target_user = found
                break
        if not event.target_user:
            other = mapping(mapping(record.get("destination")).get("user"))
            event.target_user = self._account(other, computer) if other else ""

    def _network(self, event: Event, record: dict[str, object]) -> None:
        source = mapping(record.get("source")) or mapping(record.get("client"))
        if source:
            address = first_of(source, "ip", "address")
            set_source(event, self._who, address, plain(source.get("domain")))
        destination = mapping(record.get("destination")) or mapping(record.get("server"))
        if destination:
            event.dst_ip = self._who.ip(first_of(destination, "ip", "address"))
            name = plain(destination.get("domain"))
            event.dst_host = self._who.host(name)
            event.domain = name if "." in name and not self._who.ip(name) else ""
            port = integer(destination.get("port"))
            event.dst_port = port if 0 < port < 65_536 else 0
        network = mapping(record.get("network"))
        event.protocol = first_of(network, "protocol", "transport").lower()
        _volumes(event, record, source, destination, network)


def _volumes(
    event: Event,
    record: dict[str, object],
    source: dict[str, Any],
    destination: dict[str, Any],
    network: dict[str, Any],
) -> None:
    """Bytes of both directions: of the connection, else of the HTTP messages, else of their bodies.

    `network.bytes` is the sum of both; it tells the missing one of two, but alone it tells no direction.
    """
    event.bytes_out, event.bytes_in = _number(source.get("bytes")), _number(destination.get("bytes"))
    total = _number(network.get("bytes"))
    if event.bytes_out and "bytes" not in destination:
        event.bytes_in = max(total - event.bytes_out, 0)
    elif event.bytes_in and "bytes" not in source:
        event.bytes_out = max(total - event.bytes_in, 0)
    http = mapping(record.get("http"))
    if http and not (event.bytes_out or event.bytes_in):
        sent, answered = mapping(http.get("request")), mapping(http.get("response"))
        event.bytes_out = _number(sent.get("bytes")) or _number(mapping(sent.get("body")).get("bytes"))
        event.bytes_in = _number(answered.get("bytes")) or _number(mapping(answered.get("body")).get("bytes"))


def _number(value: object) -> int:
    """Bytes of a value or of the only one of a list."""
    return volume(value[0] if isinstance(value, list) and value else value)


def _things(event: Event, record: dict[str, object], about: dict[str, object]) -> None:
    process = mapping(record.get("process"))
    if process:
        event.process = first_of(process, "executable", "name")
        event.parent_process = first_of(mapping(process.get("parent")), "executable", "name")
        event.command = plain(process.get("command_line")) or _arguments(process.get("args"))
    event.file = (
        first_of(mapping(record.get("file")), "path", "name")
        or first_of(mapping(record.get("registry")), "path", "key")
        or first_of(mapping(record.get("dll")), "path", "name")
        or plain(mapping(mapping(record.get("url"))).get("path"))
    )
    question = plain(mapping(mapping(record.get("dns")).get("question")).get("name"))
    url = plain(mapping(record.get("url")).get("domain"))
    tls = plain(mapping(mapping(record.get("tls")).get("client")).get("server_name"))
    event.domain = question or url or tls or event.domain
    if question:
        event.protocol = "dns"
    event.user_agent = plain(mapping(record.get("user_agent")).get("original"))
    event.operation = (
        plain(about.get("action")) or _method(record) or " ".join(sorted(words(about.get("type"))))
    )
    event.service = plain(mapping(record.get("service")).get("name")) or plain(about.get("provider"))
    event.resource = (
        plain(mapping(record.get("group")).get("name"))
        or plain(mapping(mapping(record.get("orchestrator")).get("resource")).get("name"))
        or plain(mapping(record.get("package")).get("name"))
        or plain(mapping(record.get("rule")).get("name"))
    )
    event.auth = _auth(record)
    event.status_detail = _status_detail(event, record, about)


def _arguments(value: object) -> str:
    if not isinstance(value, list):
        return ""
    return scalar_text(" ".join(item for item in value[:_ARGUMENT_LIMIT] if isinstance(item, str)))


def _method(record: dict[str, object]) -> str:
    return plain(mapping(mapping(record.get("http")).get("request")).get("method")).upper()


def _auth(record: dict[str, object]) -> str:
    method = plain(mapping(mapping(mapping(record.get("system")).get("auth")).get("ssh")).get("method"))
    return method.lower()


def _status_detail(event: Event, record: dict[str, object], about: dict[str, object]) -> str:
    error = mapping(record.get("error"))
    found = first_of(error, "code", "type") or plain(about.get("reason")) or plain(error.get("message"))
    if found:
        return found
    code = plain(mapping(record.get("dns")).get("response_code"))
    if code and code.upper() != "NOERROR":
        return code.upper()
    status = integer(mapping(mapping(record.get("http")).get("response")).get("status_code"))
    if status >= 400:
        if not event.status_id:
            event.status_id = FAILURE
        return str(status)
    return ""
