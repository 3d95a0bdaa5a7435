"""`habitus serve`: the service in one process."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from serving.bootstrap import Runtime


@dataclass(frozen=True)
class Options:
    """What `habitus serve` was asked for; see the command's own help."""

    host: str
    port: int
    data_dir: Path
    database_url: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    syslog_tcp: str = ""
    syslog_udp: str = ""
    syslog_tenant: str = "default"
    notify_allow: str = ""
    quota: str = ""
    tenant_quota: tuple[str, ...] = ()
    models: str = ""
    follow: tuple[str, ...] = ()
    public_url: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_name: str = "single sign-on"
    oidc_claim: str = "email"


@click.command(name="serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option(
    "--data-dir",
    default="var",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where everything durable lives; one process at a time.",
)
@click.option(
    "--url", "database_url", default="", help="postgresql://... instead of SQLite in the data directory."
)
@click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM certificate chain.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="PEM key of the certificate.")
@click.option("--syslog-tcp", default="", metavar="HOST:PORT", help="Take syslog over TCP (TLS if it is on).")
@click.option("--syslog-udp", default="", metavar="HOST:PORT", help="Take syslog over UDP.")
@click.option("--syslog-tenant", default="default", show_default=True, help="Whose the syslog messages are.")
@click.option(
    "--notify-allow", default="", metavar="NETWORKS", help="Private networks that notifications may reach."
)
@click.option(
    "--quota",
    default="",
    metavar="RATE[:BURST[:ENTITIES[:VERDICTS]]]",
    help="Events a second of any tenant, and more.",
)
@click.option(
    "--tenant-quota",
    multiple=True,
    metavar="TENANT=RATE[:BURST[:ENTITIES[:VERDICTS]]]",
    help="Of one; can be repeated.",
)
@click.option(
    "--models", default="", metavar="REGISTRY", help="Serve the champions of this registry: folder or URL."
)
@click.option(
    "--follow", multiple=True, metavar="TENANT=MODEL", help="A model of another name; can be repeated."
)
@click.option("--public-url", default="", help="https://... as browsers reach the console through a proxy.")
@click.option("--oidc-issuer", default="", help="OpenID provider for the console; needs --public-url.")
@click.option("--oidc-client-id", default="", help="As registered there; secret: HABITUS_OIDC_CLIENT_SECRET.")
@click.option("--oidc-name", default="single sign-on", show_default=True, help="On the sign-in button.")
@click.option("--oidc-claim", default="email", show_default=True, help="Which claim is the login.")
def command(**options: object) -> None:
    """Take events over HTTP and syslog, score them, and answer questions about them.

    Stops on SIGTERM or Ctrl-C when what was taken in is written and scored. Keys: habitus keys create.
    """
    run(Options(**options))  # type: ignore[arg-type]


def run(options: Options) -> None:
    """Serve until told to stop."""
    from features.kernel_cache import is_cold
    from serving.bootstrap import Runtime
    from serving.http import logs
    from serving.http.settings import Settings

    settings = Settings(
        data_dir=options.data_dir,
        database_url=options.database_url,
        host=options.host,
        port=options.port,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        syslog_tcp=options.syslog_tcp,
        syslog_udp=options.syslog_udp,
        syslog_tenant=options.syslog_tenant,
        notify_allow=options.notify_allow,
        quota=options.quota,
        tenant_quotas=",".join(options.tenant_quota),
        models=options.models,
        follow=",".join(options.follow),
        public_url=options.public_url,
        oidc_issuer=options.oidc_issuer,
        oidc_client_id=options.oidc_client_id,
        # a command line can be read by everybody on the machine
        oidc_client_secret=os.environ.get("HABITUS_OIDC_CLIENT_SECRET", ""),
        oidc_name=options.oidc_name,
        oidc_claim=options.oidc_claim,
    )
    if options.host not in ("127.0.0.1", "::1", "localhost") and not settings.is_encrypted:
        click.echo("keys and events travel unencrypted: give --tls-cert and --tls-key", err=True)
    if is_cold():
        click.echo("compiling the kernels of this version, once: about a minute", err=True)
    logs.configure()
    ignore_signals()
    runtime = Runtime.open(settings)
    try:
        started = listen(runtime)
    finally:
        runtime.stop()
    if not started:
        click.echo(
            f"habitus: could not listen on {settings.host}:{settings.port}; the log says why", err=True
        )
        sys.exit(1)


def ignore_signals() -> None:
    """Uvicorn hands a signal on when it has stopped; without a handler that ends the process half-way."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def listen(runtime: Runtime) -> bool:
    """Answer requests until told to stop; False where that could not begin."""
    from serving.bootstrap import Holder
    from serving.http.server import make_server
    from serving.service import make_service

    holder = Holder()
    holder.fill(runtime)
    service = make_service(holder)
    server = make_server(runtime.front(service.to_asgi()), runtime.settings)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    with contextlib.suppress(SystemExit):  # uvicorn's own, when it cannot listen
        server.run()
    return bool(server.started)
