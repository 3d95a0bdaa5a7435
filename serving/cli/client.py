"""How commands ask a running service."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
