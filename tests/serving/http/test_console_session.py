"""Signing in to the console, and what a session may do."""

from __future__ import annotations

import re
import time

import pytest

from serving import audit
from serving.accounts import totp
from serving.accounts.sessions import IDLE_US, LIFE_US, Sessions
from serving.http.console import FOR_GOOD, POLICY, Files, application
from serving.http.live import Live
from serving.store.database import open_database
from tests.serving.accounts.desk import ADMIN_KEY, PASSWORD, ROOT, Office
from tests.serving.doubles import MemoryCore


@pytest.fixture
def core(tmp_path):
    made = MemoryCore()
    made.database = open_database(f"sqlite:///{tmp_path / 'habitus.db'}")
    made.usage = lambda tenant: {"tenant": tenant}
    yield made
    made.database.close()


@pytest.fixture
def office(core):
    return Office(core)


def lines(core):
    return [line["action"] for line in audit.lines(core.database, "acme")][::-1]


def test_who_signs_in_is_let_into_v1_as_a_key_of_the_role_would_be(office):
    office.hire("zoe")
    browser = office.browser()
    assert browser.ask("GET", "/v1/usage").status_code == 401
    answer = browser.sign_in("Zoe ")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["login"], told["tenant"], told["role"]) == ("zoe", "acme", "analyst")
    assert not any((told["must_change"], told["totp"], told["pseudonymous"]))
    assert abs(told["expires"] / 1000 - time.time() - 12 * 3600) < 60
    assert browser.ask("GET", "/console/session").json() == told
    assert browser.ask("GET", "/v1/usage").json() == {"tenant": "acme"}
    assert browser.ask("GET", "/v1/accounts").status_code == 403
    assert browser.ask("POST", "/v1/events", content=b"{}").status_code == 403


def test_the_cookie_is_for_this_host_alone_and_no_script(core):
    for is_secure, expected in ((False, "habitus="), (True, "__Host-habitus=")):
        office = Office(core, is_secure=is_secure)
        office.people.book.find("zoe") or office.hire("zoe")
        cookie = office.browser().sign_in("zoe").headers["set-cookie"]
        assert cookie.startswith(expected)
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert ("Secure" in cookie.split("; ")) is is_secure
        assert "Domain" not in cookie


def test_the_store_has_neither_token_nor_password(office, core, tmp_path):
    office.hire("zoe")
    browser = office.browser("zoe")
    token = browser.cookies["habitus"]
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (token, PASSWORD, browser.csrf):
        assert secret.encode() not in stored


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_change_needs_what_only_our_own_page_knows(office, method):
    office.hire("boss", "admin")
    browser = office.browser("boss")
    for csrf in ("wrong", browser.csrf[:-1], "x" * 1000):
        answer = browser.ask(method, "/v1/views/mine", csrf=csrf, json={"query": "state=new"})
        assert answer.status_code == 403, csrf
        assert "X-CSRF-Token" in answer.text
    assert "X-CSRF-Token" not in browser.ask(method, "/v1/views/mine", json={"query": ""}).text
    assert browser.ask("DELETE", "/console/session", csrf="wrong").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
    ],
)
def test_another_site_signs_nobody_in(office, headers):
    office.hire("zoe")
    body = b'{"login":"zoe","password":"%s"}' % PASSWORD.encode()
    answer = office.browser().ask("POST", "/console/session", content=body, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_wrong_credentials_look_the_same_whoever_they_name(office):
    office.hire("zoe")
    office.hire("gone")
    office.people.book.disable("gone", ROOT)
    office.people.book.create("acme", "elsewhere", "analyst", "", ROOT, oidc=True)
    answers = [
        office.browser().sign_in(login, password)
        for login, password in (
            ("zoe", "wrong password 1"), ("nobody", "wrong password 1"), ("gone", PASSWORD),
            ("elsewhere", ""), ("zoe", ""), ("zoe'--", "x" * 10_000), ("", ""), ("zoe\0", PASSWORD),
        )
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_guessing_has_to_wait_from_one_place_and_not_from_another(office):
    office.hire("zoe")
    browser = office.browser()
    found = [browser.sign_in("zoe", f"wrong password {number}") for number in range(6)]
    assert [answer.status_code for answer in found] == [401] * 5 + [429]
    assert 1 <= int(found[-1].headers["retry-after"]) <= 30
    assert browser.sign_in("zoe").status_code == 429, "not even the right one, or it would tell"
    elsewhere = office.browser()
    elsewhere.address = "192.0.2.2"
    assert elsewhere.sign_in("zoe").status_code == 200


def test_a_one_time_password_opens_nothing_but_its_own_replacement(office, core):
    password = office.people.book.create("acme", "zoe", "admin", "Zoë", ROOT)
    browser = office.browser()
    assert browser.sign_in("zoe", password).json()["must_change"] is True
    for method, path in (("GET", "/v1/usage"), ("GET", "/v1/accounts"), ("POST", "/console/session/totp")):
        answer = browser.ask(method, path)
        assert answer.status_code == 403
        assert "one-time password" in answer.text
    change = "/console/session/password"
    for old, new, status in (
        ("wrong", "a new long password", 401), (password, "short", 400), (password, password, 400),
        (password, "a new long password", 200),
    ):  # fmt: skip
        assert browser.ask("POST", change, json={"old": old, "new": new}).status_code == status
    assert browser.ask("GET", "/v1/usage").status_code == 200
    assert browser.ask("GET", "/console/session").json()["must_change"] is False
    assert office.browser().sign_in("zoe", password).status_code == 401
    assert office.browser().sign_in("zoe", "a new long password").status_code == 200
    assert lines(core) == [
        "account.create", "session.open", "session.refused", "account.password", "session.refused",
        "session.open",
    ]  # fmt: skip


def test_another_password_ends_the_other_sessions(office):
    office.hire("zoe")
    here, there = office.browser("zoe"), office.browser("zoe")
    body = {"old": PASSWORD, "new": "a new long password"}
    assert here.ask("POST", "/console/session/password", json=body).status_code == 200
    assert here.ask("GET", "/v1/usage").status_code == 200
    assert there.ask("GET", "/v1/usage").status_code == 401


def test_who_signs_out_or_is_disabled_is_out(office):
    for login in ("zoe", "ann", "kim"):
        office.hire(login)
    office.hire("boss", "admin")
    zoe, ann, kim, boss = (office.browser(login) for login in ("zoe", "ann", "kim", "boss"))
    stolen = zoe.cookies["habitus"]
    answer = zoe.ask("DELETE", "/console/session")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    zoe.cookies.set("habitus", stolen)
    assert zoe.ask("GET", "/v1/usage").status_code == 401
    assert boss.ask("DELETE", "/v1/accounts/ann").status_code == 204
    assert ann.ask("GET", "/v1/usage").status_code == 401
    assert office.browser().sign_in("ann").status_code == 401
    told = boss.ask("POST", "/v1/accounts/kim/reset").json()
    assert kim.ask("GET", "/v1/usage").status_code == 401
    assert office.browser().sign_in("kim", told["password"]).json()["must_change"]
    assert boss.ask("DELETE", "/v1/accounts/boss").status_code == 400, "nobody locks themselves out"


def test_an_admin_sees_and_changes_the_accounts_of_the_own_tenant_only(office):
    office.hire("boss", "admin")
    office.hire("other", "analyst", "globex")
    boss = office.browser("boss")
    made = boss.ask("POST", "/v1/accounts", json={"login": "New@Acme.example", "role": "analyst"})
    assert made.status_code == 201
    assert office.browser().sign_in("new@acme.example", made.json()["password"]).status_code == 200
    listed = boss.ask("GET", "/v1/accounts").json()["accounts"]
    assert [account["login"] for account in listed] == ["boss", "new@acme.example"]
    assert "password" not in listed[0]
    for method, path in (("DELETE", "/v1/accounts/other"), ("POST", "/v1/accounts/other/reset")):
        answer = boss.ask(method, path)
        assert answer.status_code == 404
        assert answer.text == boss.ask(method, path.replace("other", "nobody")).text.replace(
            "nobody", "other"
        )
    assert office.browser().sign_in("other").status_code == 200
    for body in (
        {"login": "other", "role": "analyst"}, {"login": "x", "role": "analyst"},
        {"login": "abcdef012345", "role": "analyst"}, {"login": "col", "role": "collector"},
        {"login": "a b", "role": "analyst"}, {"login": "ok1", "role": "root"},
        {"login": "ok1", "role": "analyst", "tenant": "globex"},
        {"login": "ok1", "role": "analyst", "name": "\x1b[31m"},
    ):  # fmt: skip
        assert boss.ask("POST", "/v1/accounts", json=body).status_code == 400, body


def test_codes_once_set_up_are_needed_and_work_once(office, core):
    office.hire("zoe")
    browser = office.browser("zoe")
    begun = browser.ask("POST", "/console/session/totp").json()
    import base64

    secret = base64.b32decode(begun["secret"])
    assert begun["url"].startswith("otpauth://totp/habitus:zoe?secret=")
    assert office.browser().sign_in("zoe").status_code == 200, "not before a code was given"
    confirm = "/console/session/totp/confirm"
    assert browser.ask("POST", confirm, json={"code": "000000"}).status_code == 401
    now = int(time.time() // 30)
    answer = browser.ask("POST", confirm, json={"code": totp.code(secret, now - 1)})
    assert answer.json()["totp"] is True
    assert browser.ask("GET", "/console/session").json()["totp"] is True
    without = office.browser().sign_in("zoe")
    assert (without.status_code, without.json()["totp_required"]) == (401, True)
    assert "totp_required" not in office.browser().sign_in("zoe", "wrong password 1").json()
    assert office.browser().sign_in("zoe", totp=totp.code(secret, now - 1)).status_code == 401, "was used"
    code = totp.code(secret, now)
    assert office.browser().sign_in("zoe", totp=code).status_code == 200
    assert office.browser().sign_in("zoe", totp=code).status_code == 401
    wrong = browser.ask("DELETE", "/console/session/totp", json={"password": "wrong password 1"})
    assert wrong.status_code == 401
    assert browser.ask("DELETE", "/console/session/totp", json={"password": PASSWORD}).status_code == 200
    assert office.browser().sign_in("zoe").status_code == 200
    assert {"account.totp", "account.totp_removed", "session.refused"} <= set(lines(core))


class Clock:
    def __init__(self):
        self.us = time.time_ns() // 1000

    def __call__(self):
        return self.us


def test_a_session_ends_when_it_is_idle_and_at_the_latest_after_its_life(office, core):
    office.hire("zoe")
    clock = Clock()
    sessions = Sessions(core.database, clock)
    token = sessions.open("zoe", "password")
    for _ in range(4):
        clock.us += IDLE_US - 61_000_000
        visitor = sessions.find(token)
        assert visitor is not None
        if sessions.use(visitor):
            sessions.written(visitor)
    elsewhere = Sessions(core.database, clock)
    assert elsewhere.find(token) is not None, "another process knows that it is in use"
    clock.us += IDLE_US + 1
    assert sessions.find(token) is None
    token = sessions.open("zoe", "password")
    start = clock.us
    while clock.us < start + LIFE_US - 1:
        visitor = sessions.find(token)
        assert visitor is not None
        if sessions.use(visitor):
            sessions.written(visitor)
        clock.us += 1500_000_000
    clock.us = start + LIFE_US
    assert sessions.find(token) is None


def test_what_is_no_token_finds_nobody(office):
    sessions = office.people.sessions
    for token in ("", "x" * 42, "x" * 43, "x" * 10_000, "ü" * 43, "\udcff" * 43):
        assert sessions.find(token) is None


def test_a_session_is_no_key_outside_of_v1_and_a_key_is_no_session(office):
    office.hire("boss", "admin")
    browser = office.browser("boss")
    for path in ("/_bulk", "/services/collector", "/score"):
        assert browser.ask("POST", path, content=b"{}").status_code == 401
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    assert office.browser().ask("GET", "/console/session", headers=headers).status_code == 401
    assert office.browser().ask("GET", "/v1/usage", headers=headers).status_code == 200
    wrong = {"Authorization": "Bearer wrong"}
    assert browser.ask("GET", "/v1/usage", headers=wrong).status_code == 401, "a wrong key is not forgiven"


def test_a_page_s_browser_is_never_asked_for_a_password_box(office):
    answer = office.browser().ask("GET", "/v1/usage")
    assert answer.status_code == 401
    assert "Basic" not in answer.headers["www-authenticate"]


# ------------------------------------------------------------------------------------------------- the files


def test_the_console_s_files_come_with_a_strict_policy_and_need_no_session(office, tmp_path):
    browser = office.browser()
    moved = browser.ask("GET", "/console")
    assert (moved.status_code, moved.headers["location"]) == (308, "/console/")
    for path in ("/console/", "/console/alerts/1f", "/console/entities/user/a.b", "/console/settings"):
        answer = browser.ask("GET", path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert "unsafe" not in POLICY
    assert browser.ask("GET", "/console/js/no-such.js").status_code == 404
    for path in ("/console/js/%2e%2e/%2e%2e/%2e%2e/keys.py", "/console/js/a%00.js", "/console/js/../../x.js"):
        assert browser.ask("GET", path).status_code in (401, 404), path
    for method in ("POST", "PUT", "DELETE"):
        assert browser.ask(method, "/console/").status_code in (404, 405)


def test_files_are_found_by_name_read_anew_when_they_change_and_never_outside(tmp_path):
    folder = tmp_path / "static"
    (folder / "js").mkdir(parents=True)
    (folder / "js" / "app.js").write_text("let a = 1;")
    (folder / "notes.py").write_text("secret")
    (tmp_path / "secret.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    files = Files(folder)
    first = files.find("js/app.js")
    assert first.content == b"let a = 1;"
    for name in (
        "link.js",
        "notes.py",
        "../secret.js",
        "js/../../secret.js",
        "js",
        "js/",
        "/js/app.js",
        ".x.js",
    ):
        assert files.find(name) is None, name
    (folder / "js" / "app.js").write_text("let b = 23;")
    assert files.find("js/app.js").tag != first.tag


def test_a_file_that_did_not_change_is_not_sent_again(core, tmp_path):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "index.html").write_text("<!doctype html>")
    office = Office(core)
    office.front._console = application(Live(), tmp_path / "static")
    browser = office.browser()
    tag = browser.ask("GET", "/console/").headers["etag"]
    again = browser.ask("GET", "/console/", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_the_files_of_a_release_are_kept_for_good_and_packed(core, tmp_path):
    static = tmp_path / "static"
    (static / "js").mkdir(parents=True)
    (static / "index.html").write_text(
        '<!doctype html>\n    <link rel="stylesheet" href="/console/css/one.css">\n'
        '    <link rel="stylesheet" href="/console/css/two.css">\n'
        '<script type="module" src="/console/js/main.js"></script>'
    )
    (static / "js" / "main.js").write_text("let a = 1;\n" * 100)
    (static / "css").mkdir()
    (static / "css" / "one.css").write_text("p { margin: 0; }\n")
    (static / "css" / "two.css").write_text("b { color: red; }\n")
    office = Office(core)
    office.front._console = application(Live(), static)
    browser = office.browser()

    def named():
        page = browser.ask("GET", "/console/")
        assert page.headers["cache-control"] == "no-cache"
        return re.search(r'src="(/console/r/[0-9a-f]{16}/js/main.js)"', page.text)[1]

    sheets = re.findall(r'rel="stylesheet" href="([^"]+)"', browser.ask("GET", "/console/").text)
    assert len(sheets) == 1
    together = browser.ask("GET", sheets[0])
    assert together.headers["content-type"].startswith("text/css")
    assert together.text == "p { margin: 0; }\n\nb { color: red; }\n", "in the order of the page"
    first = named()
    packed = browser.ask("GET", first, headers={"accept-encoding": "gzip, br"})
    plain = browser.ask("GET", first, headers={"accept-encoding": "identity"})
    assert packed.headers["cache-control"] == plain.headers["cache-control"] == FOR_GOOD
    assert (packed.headers["content-encoding"], packed.text) == ("gzip", plain.text)
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-security-policy"] == POLICY
    (static / "js" / "main.js").write_text("let b = 2;\n" * 100)
    assert named() != first
    late = browser.ask("GET", first)
    assert late.headers["cache-control"] == "no-cache", (
        "another version's page gets what there is, not for good"
    )
    assert late.text.startswith("let b")
    assert browser.ask("GET", "/console/r/0123456789abcdef/js/no.js").status_code == 404


def test_whoever_opens_the_address_in_a_browser_comes_to_the_console(office):
    answer = office.browser().ask("GET", "/", headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
