"""Signing in at an OpenID provider: authorization code with PKCE, and an ID token that is checked in full.

A client of our own rather than a framework's: what it needs is two requests and one signature, which PyJWT
checks. Tenant and role come from the account that an admin has made, never from a claim.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import ssl
import threading
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from features.errors import HabitusError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 10.0
MOST_BYTES = 1 << 20
KEPT_SECONDS = 3600.0
"""How long the provider's configuration and keys are believed."""
AGAIN_SECONDS = 60.0
"""How often an unknown key makes us look for new ones, at the most."""
LEEWAY_SECONDS = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that only the provider can make: none with a shared secret, and never `none`."""
CLAIMS = ("email", "preferred_username", "upn")


class NotSignedIn(HabitusError):
    """The provider let nobody in, or nobody we know. `code` is what the page is told, the message the log."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class OidcSettings:
    """What the operator says about the provider.

    Parameters
    ----------
    issuer
        Its URL, as in its ID tokens.
    client_id, client_secret
        As registered there; without a secret the client is a public one, which PKCE alone protects.
    redirect_uri
        https://.../console/oidc/callback, as registered there.
    name
        On the button.
    claim
        One of CLAIMS: whose value is the login of an account. `email` counts only when it is verified.
    """

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    name: str = "single sign-on"
    claim: str = "email"

    def __post_init__(self) -> None:
        for url in (self.issuer, self.redirect_uri):
            checked_url(url)
        if not self.client_id:
            raise InputError("--oidc-client-id: the provider has given one")
        if self.claim not in CLAIMS:
            raise InputError(f"--oidc-claim {self.claim[:40]!r}: one of {', '.join(CLAIMS)}")


class Started(NamedTuple):
    """Where the browser goes, and what it keeps in a cookie until it comes back."""

    url: str
    cookie: str


class Person(NamedTuple):
    """Who the provider says it is: subject (issuer and sub), which never changes, and the login."""

    subject: str
    login: str


class _Metadata(NamedTuple):
    document: dict[str, Any]
    keys: dict[str, Any]
    read_at: float


class Provider:
    """An OpenID provider. Thread-safe; every method may wait for it.

    Parameters
    ----------
    settings
        See there.
    """

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._metadata: _Metadata | None = None
        self._lock = threading.Lock()

    def start(self, fresh: tuple[str, str, str]) -> Started:
        """Begin. fresh: three random texts, for state, nonce and the verifier (RFC 7636).

        Raises
        ------
        NotSignedIn
            If the provider cannot be reached.
        """
        state, nonce, verifier = fresh
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        place = self._endpoint("authorization_endpoint")
        separator = "&" if "?" in place else "?"
        return Started(f"{place}{separator}{urlencode(query)}", ".".join(fresh))

    def finish(self, query: Mapping[str, str], cookie: str) -> Person:
        """Who came back. query: of the callback. cookie: as it was set when this browser left.

        1 the browser is the one that left, 2 the answer is of this provider, 3 the code is exchanged, with
        the verifier, 4 the token's signature, times, issuer and audience are right, 5 it was made for this
        sign-in.

        Raises
        ------
        NotSignedIn
            If anything is not as it must be.
        """
        state, _, rest = cookie.partition(".")
        nonce, _, verifier = rest.partition(".")
        if not (state and nonce and verifier and query.get("state") == state):  # 1
            raise NotSignedIn("failed", "the answer belongs to no sign-in of this browser")
        if query.get("iss", self.settings.issuer) != self.settings.issuer:  # 2, RFC 9207
            raise NotSignedIn("failed", "the answer names another issuer")
        if "code" not in query:
            raise NotSignedIn("denied", f"the provider says {query.get('error', 'nothing')[:60]!r}")
        answer = self._exchange(query["code"], verifier)  # 3
        claims = self._claims(str(answer.get("id_token", "")))  # 4
        if claims.get("nonce") != nonce:  # 5
            raise NotSignedIn("failed", "the ID token was made for another sign-in")
        login = claims.get(self.settings.claim)
        if not isinstance(login, str) or not login:
            raise NotSignedIn("unknown", f"the ID token has no claim {self.settings.claim}")
        if self.settings.claim == "email" and claims.get("email_verified") is not True:
            raise NotSignedIn("unknown", "the provider has not verified the e-mail address")
        return Person(f"{self.settings.issuer}|{claims['sub']}", login.strip().lower())

    # ------------------------------------------------------------------------------------------- the ID token

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise NotSignedIn("failed", f"ID token: signed with {str(header.get('alg'))[:20]!r}")
            claims: dict[str, Any] = jwt.decode(
                token,
                key=self._key(str(header.get("kid", "")), str(header["alg"])),
                algorithms=[header["alg"]],
                audience=self.settings.client_id,
                issuer=self.settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise NotSignedIn("failed", f"ID token: {error}") from error
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if claims.get("azp", self.settings.client_id) != self.settings.client_id or (
            len(audiences) > 1 and "azp" not in claims
        ):
            raise NotSignedIn("failed", "ID token: made for another client")
        return claims

    def _key(self, kid: str, algorithm: str) -> Any:
        import jwt

        for is_fresh in (False, True):
            known = self._read(newer_than=AGAIN_SECONDS if is_fresh else KEPT_SECONDS).keys
            for one in known.get("keys", []):
                fits = isinstance(one, dict) and one.get("use", "sig") == "sig"
                if fits and (not kid or one.get("kid") == kid) and one.get("alg", algorithm) == algorithm:
                    return jwt.PyJWK(one, algorithm=algorithm)
        raise NotSignedIn("failed", "ID token: signed with a key that the provider does not name")

    # ------------------------------------------------------------------------------------------ the provider

    def _endpoint(self, name: str) -> str:
        place = self._read().document.get(name)
        if not isinstance(place, str):
            raise NotSignedIn("unreachable", f"the provider's configuration has no {name}")
        return checked_url(place)

    def _read(self, newer_than: float = KEPT_SECONDS) -> _Metadata:
        with self._lock:
            known, now = self._metadata, time.monotonic()
            if known is not None and now - known.read_at < newer_than:
                return known
            issuer = self.settings.issuer
            document = _ask(issuer.rstrip("/") + "/.well-known/openid-configuration")
            if document.get("issuer") != issuer:
                raise NotSignedIn("unreachable", "the provider's configuration is of another issuer")
            keys = _ask(str(document.get("jwks_uri", "")))
            self._metadata = _Metadata(document, keys, now)
            return self._metadata

    def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect_uri,
            "client_id": settings.client_id,
            "code_verifier": verifier,
        }
        headers = {}
        methods = self._read().document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if settings.client_secret and "client_secret_basic" in methods:
            # RFC 6749, 2.3.1: both parts are form-encoded first
            pair = f"{quote(settings.client_id, safe='')}:{quote(settings.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        elif settings.client_secret:
            form["client_secret"] = settings.client_secret
        return _ask(self._endpoint("token_endpoint"), urlencode(form), headers)


def checked_url(url: str) -> str:
    """A URL as it is; InputError when it is none of https, or of http on this machine (for trying out)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_here = host == "localhost" or (host.replace(".", "").isdigit() and ip_address(host).is_loopback)
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not is_here):
        raise InputError(f"{url[:80]!r}: an https:// URL is needed")
    return url


def _ask(url: str, form: str = "", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A JSON object from the provider; NotSignedIn when there is none. Redirects are not followed."""
    try:
        parts = urlsplit(checked_url(url))
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        try:
            sent = {"Accept": "application/json", "User-Agent": "habitus", **(headers or {})}
            if form:
                sent["Content-Type"] = "application/x-www-form-urlencoded"
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST" if form else "GET", path, form.encode() or None, sent)
            answer = connection.getresponse()
            content = answer.read(MOST_BYTES + 1)
        finally:
            connection.close()
        if answer.status != 200 or len(content) > MOST_BYTES:
            raise NotSignedIn("unreachable", f"{host} answers {answer.status} with {len(content)} bytes")
        found = msgspec.json.decode(content)
    except (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError, InputError) as error:
        raise NotSignedIn("unreachable", f"the provider: {type(error).__name__}: {error}") from error
    if not isinstance(found, dict):
        raise NotSignedIn("unreachable", "the provider's answer is no JSON object")
    return found
