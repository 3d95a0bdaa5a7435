"""What the service can be told: from the command line, or from the environment of a BentoML worker."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError
from serving.accounts.oidc import OidcSettings, checked_url
from serving.notify.addresses import Network
from serving.protocols.limits import Limits
from serving.quota import Quota, parsed_by_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "HABITUS_"


@dataclass(frozen=True)
class Settings:
    """Settings of one process.

    Parameters
    ----------
    data_dir
        Where everything durable lives; one process at a time owns it.
    database_url
        postgresql://..., or "" for SQLite in `data_dir`.
    host, port
        Where HTTP is served; port 0 takes a free one.
    tls_cert, tls_key
        PEM files; HTTP and syslog over TCP are encrypted when both are given.
    syslog_tcp, syslog_udp
        HOST:PORT of the syslog listeners, "" for none.
    syslog_tenant
        Syslog has no credentials: what comes in there belongs to this tenant.
    bulk_patience_seconds
        How long a bulk request waits for room before it is answered 503 (shippers wait 10 s or longer).
    in_flight_bytes
        Bodies held in memory by all requests together; more is answered "busy".
    body_seconds
        Time for a request's head, and again for its body, to arrive.
    connections
        Open connections; more are answered 503.
    stop_seconds
        How long requests may take to finish when the service is asked to stop.
    notify_allow
        Private networks that notifications may reach, such as 10.1.2.0/24, with commas; see
        `serving.notify.addresses`.
    quota, tenant_quotas
        RATE[:BURST[:ENTITIES]] of any tenant, and TENANT=RATE[:BURST[:ENTITIES]] of some, with commas; see
        `serving.quota`.
    models, follow
        Registry whose champions serve (a folder, or the URL of an MLflow server), "" for none; and
        TENANT=MODEL of tenants whose model has another name than they, with commas.
    public_url
        https://... as browsers reach the console, for example through a proxy that has the certificate.
    oidc_issuer, oidc_client_id, oidc_client_secret, oidc_name, oidc_claim
        OpenID provider for the console; see `serving.accounts.oidc.OidcSettings`.
    """

    data_dir: Path = Path("var")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    tls_cert: Path | None = None
    tls_key: Path | None = None
    syslog_tcp: str = ""
    syslog_udp: str = ""
    syslog_tenant: str = "default"
    bulk_patience_seconds: float = 5.0
    in_flight_bytes: int = 256 << 20
    body_seconds: float = 30.0
    connections: int = 2048
    stop_seconds: int = 20
    notify_allow: str = ""
    quota: str = ""
    tenant_quotas: str = ""
    models: str = ""
    follow: str = ""
    public_url: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_name: str = "single sign-on"
    oidc_claim: str = "email"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InputError("--tls-cert and --tls-key go together: give both, or none")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not path.is_file():
                raise InputError(f"{path}: no such file; give the PEM file of the certificate and of its key")

        for listener in (self.syslog_tcp, self.syslog_udp):
            if listener:
                address(listener)

        Network.parsed(self.notify_allow)
        Quota.parsed(self.quota)
        parsed_by_tenant(self.tenant_quotas)
        if self.followed() and not self.models:
            raise InputError("--follow needs --models: the registry that knows the model")
        if self.public_url:
            checked_url(self.public_url)
        self.oidc()

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is on."""
        return self.tls_cert is not None

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the console by TLS only: ours, or that of a proxy."""
        return self.is_encrypted or self.public_url.startswith("https://")

    def followed(self) -> dict[str, str]:
        """Names of models by tenant; InputError when what was given does not do."""
        found: dict[str, str] = {}
        for text in filter(None, (part.strip() for part in self.follow.split(","))):
            tenant, separator, name = text.partition("=")
            if not separator or not name or tenant in found:
                raise InputError(f"{text[:80]!r}: give TENANT=MODEL, once a tenant, with commas")
            found[tenant] = name
        return found

    def oidc(self) -> OidcSettings | None:
        """The OpenID provider, None without one; InputError when what was given does not do."""
        if not self.oidc_issuer:
            return None
        if not self.public_url:
            raise InputError("--oidc-issuer needs --public-url: where the provider sends people back to")
        return OidcSettings(
            self.oidc_issuer,
            self.oidc_client_id,
            self.oidc_client_secret,
            self.public_url.rstrip("/") + "/console/oidc/callback",
            self.oidc_name,
            self.oidc_claim,
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Settings named HABITUS_DATA_DIR, HABITUS_SYSLOG_TCP and so on; InputError for a value of no use."""
        found: dict[str, object] = {}
        for setting in fields(cls):
            text = environment.get(PREFIX + setting.name.upper())
            if text is None or setting.name == "limits":
                continue
            try:
                found[setting.name] = _READ[str(setting.type)](text)
            except ValueError as error:
                raise InputError(f"{PREFIX}{setting.name.upper()}={text!r} is no {setting.type}") from error
        return cls(**found)  # type: ignore[arg-type]


_READ = {"str": str, "int": int, "float": float, "Path": Path, "Path | None": Path}


def address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, :PORT or [::1]:PORT; InputError if it is none."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 0xFFFF:
        raise InputError(f"{text!r} is no HOST:PORT, such as 0.0.0.0:5514")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104 - as asked for
