"""Paths and schemas of `serving.http.accounts` and `serving.http.sessions` in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http.openapi_parts import in_path, json_answer, ref, refusals

_TEXT = {"type": "string"}
_READ = refusals("400", "401", "403", "404", "503")
_REFUSED = refusals("400", "401", "403", "404", "408", "413", "415", "429", "503")
_LOGIN = in_path("login", _TEXT)
_SESSION: list[dict[str, Any]] = [{"session": []}]


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": ref(name)}}}


def _own(summary: str, status: str, answer: dict[str, Any], body: str = "") -> dict[str, Any]:
    """A route for whoever is signed in."""
    about: dict[str, Any] = {
        "summary": summary,
        "security": _SESSION,
        "responses": {status: answer, **_REFUSED},
    }
    return {**about, "requestBody": _body(body)} if body else about


_SHOWN = json_answer("The session", ref("Session"))

PATHS: dict[str, dict[str, Any]] = {
    "/v1/accounts": {
        "get": {
            "summary": "The people who may sign in to the console; for admins",
            "responses": {"200": json_answer("By login", {"type": "object"}), **_READ},
        },
        "post": {
            "summary": "Make an account; for admins. Its one-time password is shown this once",
            "requestBody": _body("NewAccount"),
            "responses": {"201": json_answer("The password", ref("OneTime")), **_REFUSED},
        },
    },
    "/v1/accounts/{login}": {
        "delete": {
            "summary": "Let nobody sign in with this account, and end its sessions; for admins",
            "parameters": [_LOGIN],
            "responses": {"204": {"description": "It is disabled"}, **_REFUSED},
        }
    },
    "/v1/accounts/{login}/reset": {
        "post": {
            "summary": "A new one-time password; codes and sessions go; for admins",
            "parameters": [_LOGIN],
            "responses": {"200": json_answer("The password", ref("OneTime")), **_REFUSED},
        }
    },
    "/console/session": {
        "get": _own("Who is signed in", "200", _SHOWN),
        "post": {
            **_own("Sign in; the answer sets the session's cookie", "200", _SHOWN, "SignIn"),
            "security": [{}],
            "description": "401 with totp_required where a code is needed; 429 after too many failures.",
        },
        "delete": _own("Sign out", "204", {"description": "The session is over"}),
    },
    "/console/session/options": {
        "get": {
            "summary": "How one can sign in besides with a password",
            "security": [],
            "responses": {"200": json_answer("oidc: null, or its name", {"type": "object"})},
        }
    },
    "/console/session/password": {
        "post": _own("Change the password; other sessions end", "200", _SHOWN, "NewPassword")
    },
    "/console/session/totp": {
        "post": _own(
            "A secret for an authenticator", "200", json_answer("Secret and URL", {"type": "object"})
        ),
        "delete": _own("Ask for no codes any more", "200", _SHOWN, "Proof"),
    },
    "/console/session/totp/confirm": {
        "post": _own("Ask for codes from now on", "200", _SHOWN, "Code"),
    },
    "/console/session/pseudonymous": {
        "post": _own("Show pseudonyms for people's names in this session", "200", _SHOWN, "Pseudonymous"),
    },
}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


SCHEMAS: dict[str, dict[str, Any]] = {
    "NewAccount": {
        "type": "object",
        "required": ["login", "role"],
        "additionalProperties": False,
        "properties": {
            "login": {**_TEXT, "minLength": 2, "maxLength": 100},
            "role": {"enum": ["analyst", "scientist", "admin"]},
            "name": {**_TEXT, "maxLength": 120},
            "oidc": {"type": "boolean", "description": "Signs in at the OpenID provider only"},
        },
    },
    "OneTime": _object(login=_TEXT, password={"type": ["string", "null"]}),
    "SignIn": {
        "type": "object",
        "required": ["login", "password"],
        "additionalProperties": False,
        "properties": {"login": _TEXT, "password": _TEXT, "totp": _TEXT},
    },
    "NewPassword": _object(old=_TEXT, new={**_TEXT, "minLength": 12, "maxLength": 256}),
    "Code": _object(code=_TEXT),
    "Proof": _object(password=_TEXT),
    "Pseudonymous": _object(on={"type": "boolean"}),
    "Session": _object(
        login=_TEXT,
        name=_TEXT,
        tenant=_TEXT,
        role=_TEXT,
        csrf={**_TEXT, "description": "Value of X-CSRF-Token, which every change needs"},
        expires={"type": "integer", "description": "Milliseconds UTC"},
        totp={"type": "boolean"},
        pseudonymous={"type": "boolean"},
        must_change={"type": "boolean", "description": "Only the password can be changed until it was"},
    ),
}
