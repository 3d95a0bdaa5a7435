"""Signing in at an OpenID provider: a real one, small and on this machine, that can misbehave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from features.errors import InputError
from serving import audit
from serving.accounts.oidc import OidcSettings, Provider, checked_url
from serving.accounts.people import People
from serving.http.app import Front
from serving.http.reading import application
from serving.http.settings import Settings
from serving.store.database import open_database
from tests.serving.accounts.desk import PASSWORD, ROOT, Office, cheap
from tests.serving.doubles import MemoryCore, MemoryKeys

SECRET = "a secret: with/characters"


def packed(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


class Idp:
    """What the provider does; `claims` and the other attributes make it misbehave."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.codes = {}
        self.claims = {}
        self.algorithm, self.signing_key, self.kid = "RS256", self.key, "k1"
        self.document_issuer = ""
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self):
        idp = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, value, status=200):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path == "/keys":
                    public = jwt.algorithms.RSAAlgorithm.to_jwk(idp.key.public_key(), as_dict=True)
                    self.answer({"keys": [{**public, "kid": "k1", "use": "sig"}]})
                else:
                    self.answer(
                        {
                            "issuer": idp.document_issuer or idp.url,
                            "authorization_endpoint": f"{idp.url}/authorize?x=1",
                            "token_endpoint": f"{idp.url}/token",
                            "jwks_uri": f"{idp.url}/keys",
                        }
                    )

            def do_POST(self):
                sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                asked = idp.codes.pop(sent["code"][0], None)
                digest = hashlib.sha256(sent["code_verifier"][0].encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
                pair = base64.b64decode(self.headers["Authorization"][6:]).decode()
                right = asked is not None and asked["code_challenge"] == [challenge]
                right &= pair == "habitus:a%20secret%3A%20with%2Fcharacters"
                if not right or sent["redirect_uri"] != asked["redirect_uri"]:
                    self.answer({"error": "invalid_grant"}, 400)
                    return
                self.answer({"id_token": idp.token(asked["nonce"][0]), "access_token": "x"})

        return Handler

    def token(self, nonce):
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": "habitus", "sub": "42", "iat": now, "exp": now + 60, "nonce": nonce,
            "email": "Zoe@acme.example", "email_verified": True, **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm == "HS256":  # by hand: PyJWT would not sign with a public key
            head = packed({"alg": "HS256", "typ": "JWT", "kid": self.kid}) + b"." + packed(claims)
            made = base64.urlsafe_b64encode(hmac.digest(self.signing_key, head, "sha256")).rstrip(b"=")
            return (head + b"." + made).decode()
        return jwt.encode(claims, self.signing_key, self.algorithm, headers={"kid": self.kid})

    def consent(self, location):
        """The person agrees: where the browser is led, as path and query."""
        asked = parse_qs(urlsplit(location).query)
        assert asked["code_challenge_method"] == ["S256"]
        code = f"code{len(self.codes)}"
        self.codes[code] = asked
        return f"/console/oidc/callback?code={code}&state={asked['state'][0]}"


@pytest.fixture(scope="module")
def running():
    made = Idp()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def idp(running):
    running.claims, running.algorithm, running.signing_key, running.kid = {}, "RS256", running.key, "k1"
    running.document_issuer = ""
    return running


@pytest.fixture
def office(tmp_path, idp):
    core = MemoryCore()
    core.database = open_database(f"sqlite:///{tmp_path / 'habitus.db'}")
    core.usage = lambda tenant: {"tenant": tenant}
    made = Office(core)
    provider = Provider(OidcSettings(idp.url, "habitus", SECRET, "http://localhost/console/oidc/callback"))
    made.people = People.over(core.database, is_secure=False, hasher=cheap(), provider=provider)
    made.front = Front(application(), core, MemoryKeys({}), Settings(), people=made.people)
    made.people.book.create("acme", "zoe@acme.example", "analyst", "Zoë", ROOT, oidc=True)
    yield made
    core.database.close()


def came_back(office, idp, browser=None):
    browser = browser or office.browser()
    left = browser.ask("GET", "/console/oidc/start")
    assert left.status_code == 303
    return browser, browser.ask("GET", idp.consent(left.headers["location"]))


def test_who_has_an_account_is_let_in_by_the_provider(office, idp):
    browser, answer = came_back(office, idp)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
    told = browser.ask("GET", "/console/session").json()
    assert (told["login"], told["tenant"], told["role"]) == ("zoe@acme.example", "acme", "analyst")
    assert browser.ask("GET", "/v1/usage").json() == {"tenant": "acme"}
    options = browser.ask("GET", "/console/session/options").json()
    assert options == {"oidc": {"name": "single sign-on"}}
    lines = audit.lines(office.core.database, "acme")
    assert [line["action"] for line in lines] == ["session.open", "account.tied", "account.create"]
    assert office.browser().sign_in("zoe@acme.example", "").status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "another"}, {"aud": ["habitus", "another"]},
        {"aud": ["habitus", "x"], "azp": "x"}, {"iss": "http://127.0.0.1:1"}, {"exp": 1}, {"exp": None},
        {"iat": int(time.time()) + 7200}, {"sub": None}, {"email": None}, {"email_verified": False},
        {"email_verified": "true"}, {"email_verified": None}, {"email": "eve@acme.example"},
    ],
)  # fmt: skip
def test_a_token_that_is_not_all_right_opens_nothing(office, idp, claims):
    idp.claims = claims
    browser, answer = came_back(office, idp)
    assert answer.headers["location"] in ("/console/?signin=failed", "/console/?signin=unknown")
    assert browser.ask("GET", "/console/session").status_code == 401


def test_a_signature_that_others_can_make_opens_nothing(office, idp):
    public = idp.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for algorithm, key, kid in (
        ("none", None, "k1"), ("HS256", public, "k1"), ("HS256", SECRET.encode() * 2, "k1"),
        ("RS256", other, "k1"), ("RS256", other, "k2"),
    ):  # fmt: skip
        idp.algorithm, idp.signing_key, idp.kid = algorithm, key, kid
        browser, answer = came_back(office, idp)
        assert answer.headers["location"] == "/console/?signin=failed", algorithm
        assert browser.ask("GET", "/console/session").status_code == 401


def test_an_answer_that_this_browser_did_not_ask_for_opens_nothing(office, idp):
    browser, other = office.browser(), office.browser()
    left = browser.ask("GET", "/console/oidc/start").headers["location"]
    back = idp.consent(left)
    assert other.ask("GET", back).headers["location"] == "/console/?signin=failed"
    other.ask("GET", "/console/oidc/start")
    assert other.ask("GET", back).headers["location"] == "/console/?signin=failed"
    for query in ("", "?error=access_denied", "?code=x&state=", "?code=x", "?state=x"):
        answer = browser.ask("GET", f"/console/oidc/callback{query}")
        assert answer.headers["location"].startswith("/console/?signin=")
    browser.ask("GET", "/console/oidc/start")
    state = parse_qs(urlsplit(left).query)["state"][0]
    wrong = browser.ask("GET", f"/console/oidc/callback?code=x&state={state}&iss=https://evil.example")
    assert wrong.headers["location"].startswith("/console/?signin=")


def test_a_code_works_once_and_the_cookie_of_the_way_is_taken_away(office, idp):
    browser = office.browser()
    left = browser.ask("GET", "/console/oidc/start")
    assert "SameSite=Lax" in left.headers["set-cookie"]
    assert "HttpOnly" in left.headers["set-cookie"]
    kept = dict(browser.cookies)
    back = idp.consent(left.headers["location"])
    assert browser.ask("GET", back).headers["location"] == "/console/"
    assert "habitus-oidc" not in browser.cookies
    thief = office.browser()
    thief.cookies.update(kept)
    assert thief.ask("GET", back).headers["location"].startswith("/console/?signin=")


def test_an_account_is_tied_to_the_person_who_came_first(office, idp):
    assert came_back(office, idp)[1].headers["location"] == "/console/"
    idp.claims = {"sub": "43"}
    assert came_back(office, idp)[1].headers["location"] == "/console/?signin=unknown"
    idp.claims = {"sub": "42", "email": "new-name@acme.example"}
    browser, _ = came_back(office, idp)
    assert browser.ask("GET", "/console/session").json()["login"] == "zoe@acme.example"
    office.people.book.disable("zoe@acme.example", ROOT)
    assert came_back(office, idp)[1].headers["location"] == "/console/?signin=unknown"


def test_an_account_with_a_password_is_not_opened_by_the_provider(office, idp):
    office.hire("ann@acme.example")
    idp.claims = {"sub": "7", "email": "ann@acme.example"}
    assert came_back(office, idp)[1].headers["location"] == "/console/?signin=unknown"
    assert office.browser().sign_in("ann@acme.example", PASSWORD).status_code == 200


def test_a_provider_that_is_not_there_or_another_is_no_error_of_ours(office, idp):
    idp.document_issuer = "https://evil.example"
    assert office.browser().ask("GET", "/console/oidc/start").headers["location"].endswith("unreachable")
    gone = Provider(OidcSettings("http://127.0.0.1:9", "x", "", "https://h/console/oidc/callback"))
    office.people = People.over(office.core.database, is_secure=False, hasher=cheap(), provider=gone)
    office.front = Front(application(), office.core, MemoryKeys({}), Settings(), people=office.people)
    assert office.browser().ask("GET", "/console/oidc/start").headers["location"].endswith("unreachable")


def test_without_a_provider_there_is_no_way_to_one(tmp_path):
    core = MemoryCore()
    core.database = open_database(f"sqlite:///{tmp_path / 'habitus.db'}")
    office = Office(core)
    assert office.browser().ask("GET", "/console/oidc/start").status_code == 404
    assert office.browser().ask("GET", "/console/session/options").json() == {"oidc": None}
    core.database.close()


@pytest.mark.parametrize("url", ["", "http://idp.example", "ftp://idp.example", "javascript:alert(1)", "//x"])
def test_a_provider_is_reached_by_tls_only(url):
    with pytest.raises(InputError, match="https"):
        checked_url(url)


def test_settings_of_a_provider_must_be_complete():
    with pytest.raises(InputError, match="public-url"):
        Settings(oidc_issuer="https://idp.example", oidc_client_id="x")
    made = Settings(oidc_issuer="https://idp.example", oidc_client_id="x", public_url="https://soc.example/")
    assert made.oidc().redirect_uri == "https://soc.example/console/oidc/callback"
    assert made.is_secure
    assert not made.is_encrypted
    assert "s3cret" not in repr(Settings(oidc_client_secret="s3cret"))
