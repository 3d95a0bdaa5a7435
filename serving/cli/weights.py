"""What `habitus promote` and `habitus rollback` share about weights of evidence: telling a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from serving.cli.client import asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.feedback.weights import Weights

PATH = "/v1/weights"


def service_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a service, if one is to be told."""
    function = click.option(
        "--key", envvar="HABITUS_KEY", help="With --url: key of a scientist or admin; by HABITUS_KEY."
    )(function)
    return click.option(
        "--url", default="", metavar="URL", help="Weights of evidence: the running service that takes them."
    )(function)


def hand_over(url: str, key: str | None, weights: Weights, reason: str) -> None:
    """Let a service weigh with these from now on; the reason is for its audit log."""
    import msgspec

    asked(url, key, "PUT", PATH, {"weights": msgspec.to_builtins(weights), "reason": reason})
    click.echo(f"{url} counts evidence by these weights from now on")
