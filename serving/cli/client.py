"""How commands ask a running service."""

from __future__ import annotations

import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_COLORS = {5: "red", 4: "red", 3: "yellow"}
SECONDS = 600
"""How long the service may take: to unlearn, it reads all events of a window once."""


def service_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a service."""
    function = click.option("--key", envvar="HABITUS_KEY", help="Key of an analyst; also by HABITUS_KEY.")(
        function
    )
    return click.option(
        "--url",
        envvar="HABITUS_URL",
        default="http://127.0.0.1:8080",
        show_default=True,
        help="Address of the service; also by HABITUS_URL.",
    )(function)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Those of `service_options`, and --json."""
    function = click.option("--json", "as_json", is_flag=True, help="Print what the service answered.")(
        function
    )
    return service_options(function)


def once() -> dict[str, str]:
    """A header by which a request that is sent twice is carried out once."""
    return {"Idempotency-Key": secrets.token_hex(16)}


def print_json(value: Any) -> None:
    """Print an answer: json escapes control characters, and everything beyond ASCII with them."""
    click.echo(json.dumps(value, indent=2))


def severity_of(finding: Any) -> str:
    """The severity of an OCSF finding in its colour, in a column of 13."""
    return click.style(f"{finding['severity']:<13}", fg=_COLORS.get(finding["severity_id"]))


def clean(text: object) -> str:
    """Text that does not steer a terminal."""
    from serving.text import printable

    return printable(str(text))


def asked(
    url: str,
    key: str | None,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """The JSON that a service answers; InputError says what it or the way to it had against it."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    from features.errors import InputError
    from serving.text import printable

    if not url.startswith(("https://", "http://")):
        raise InputError(f"--url {url}: must begin with https:// or http://")
    if not key:
        raise click.UsageError("a key is needed: --key, or HABITUS_KEY in the environment")
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})}
    content = None if body is None else json.dumps(body).encode()
    request = Request(url.rstrip("/") + path, content, sent, method=method)  # noqa: S310 - checked above
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
            text = answer.read()
            return json.loads(text) if text else None
    except HTTPError as error:
        said = error.read()[:2000].decode("utf-8", "replace")
        # what is no service of ours is shown in its own words
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = str(json.loads(said)["error"])
        raise InputError(f"{url} answered {error.code}: {printable(said)}") from error
    except (URLError, OSError, ValueError) as error:
        raise InputError(f"{url} cannot be asked: {error}") from error
