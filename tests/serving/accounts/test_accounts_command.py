from __future__ import annotations

import pytest
from click.testing import CliRunner

from features.errors import InputError
from serving import audit
from serving.accounts.book import Accounts
from serving.cli.accounts import command
from serving.store.database import default_url, open_database
from serving.triage.words import Missing
from tests.serving.accounts.desk import cheap


def test_accounts_are_made_listed_disabled_and_reset_from_a_terminal(tmp_path):
    store = ["--data-dir", str(tmp_path)]

    def run(*arguments):
        return CliRunner().invoke(command, arguments, catch_exceptions=False)

    assert "no accounts" in run("list", *store).stdout
    made = run("create", *store, "Zoe@acme.example", "--role", "admin", "--tenant", "acme", "--name", "Zoë")
    password = made.stdout.strip()
    assert len(password) == 19
    assert password not in made.stderr
    run("create", *store, "sso@acme.example", "--role", "analyst", "--tenant", "acme", "--oidc")
    listed = run("list", *store, "--tenant", "acme").stdout
    assert "zoe@acme.example" in listed
    assert "one-time password" in listed
    assert "OpenID" in listed
    assert password not in listed
    run("disable", *store, "zoe@acme.example")
    assert "disabled" in run("list", *store).stdout
    again = run("reset", *store, "zoe@acme.example").stdout.strip()
    assert again != password
    assert run("reset", *store, "sso@acme.example").stdout == ""
    assert "disabled" not in run("list", *store).stdout
    for wrong in (
        ("create", *store, "zoe@acme.example", "--role", "analyst"),
        ("create", *store, "a b", "--role", "admin"),
    ):
        with pytest.raises(InputError):
            run(*wrong)
    with pytest.raises(Missing):
        run("disable", *store, "nobody")
    database = open_database(default_url(tmp_path))
    try:
        hasher = Accounts(database, cheap())
        row = hasher._row("zoe@acme.example")
        assert hasher.passwords.fits(again, row["password"])
        assert not hasher.passwords.fits(password, row["password"])
        lines = audit.lines(database, "acme")[::-1]
        assert [line["action"] for line in lines] == [
            "account.create", "account.create", "account.disable", "account.reset", "account.reset",
        ]  # fmt: skip
        assert all(line["actor"].startswith("cli:") for line in lines)
        assert audit.verify(database).broken == 0
    finally:
        database.close()
