from __future__ import annotations

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from features.errors import InputError
from serving import audit
from serving.cli.doctor import command as doctor
from serving.cli.keys import command
from serving.keys import Keys, Principal, Role
from serving.store.database import default_url, open_database


@pytest.fixture
def database(tmp_path):
    found = open_database(default_url(tmp_path))
    yield found
    found.close()


def test_a_key_says_who_it_is_until_it_is_revoked(database):
    keys = Keys(database)
    key = keys.create("acme", Role.COLLECTOR, "beats")
    principal = keys.verify(key)
    assert principal == Principal("acme", Role.COLLECTOR, key.split("_")[1])
    keys.revoke(principal.key_id)
    assert keys.verify(key) is None


def test_a_key_revoked_by_another_process_dies_soon(database):
    keys, elsewhere = Keys(database, fresh_seconds=0.0), Keys(database)
    key = keys.create("acme", Role.ADMIN)
    assert keys.verify(key) is not None
    elsewhere.revoke(key.split("_")[1])
    assert keys.verify(key) is None


def test_what_is_no_key_opens_nothing(database):
    keys = Keys(database)
    key = keys.create("acme", Role.ANALYST)
    prefix, key_id, secret = key.split("_", 2)
    other = keys.create("acme", Role.ANALYST).split("_", 2)
    wrong = [
        "",
        key[:-1],
        key + "A",
        key.upper(),
        f"{prefix}_{other[1]}_{secret}",
        f"{prefix}_{key_id}_{other[2]}",
        f"{prefix}_{'0' * 12}_{secret}",
        f"{prefix}_{key_id}_",
        "hab_' OR 1=1 --_x",
        "x" * 100_000,
        "hab_\u0660" + key[5:],
    ]
    assert [keys.verify(text) for text in wrong] == [None] * len(wrong)
    assert keys.verify(key) is not None


def test_the_store_does_not_have_the_secret(database, tmp_path):
    key = Keys(database).create("acme", Role.ADMIN)
    database.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.split("_", 2)[2].encode() not in content
    assert key.split("_")[1].encode() in content


def test_a_tenant_reaches_only_its_own_keys(database):
    keys = Keys(database)
    mine, theirs = (keys.create(tenant, Role.ADMIN).split("_")[1] for tenant in ("acme", "other"))
    assert [key.key_id for key in keys.all("acme")] == [mine]
    with pytest.raises(InputError, match="no valid key"):
        keys.revoke(theirs, "acme")
    assert len(keys.all()) == 2


@pytest.mark.parametrize("tenant", ["", "../etc", "A", "a" * 64, "a/b", "-a", "a\n"])
def test_a_tenant_that_could_not_be_a_folder_is_refused(database, tenant):
    with pytest.raises(InputError, match="tenant"):
        Keys(database).create(tenant, Role.ADMIN)


def test_roles_and_labels_are_checked(database):
    with pytest.raises(InputError, match="role"):
        Keys(database).create("acme", "root")
    with pytest.raises(InputError, match="label"):
        Keys(database).create("acme", Role.ADMIN, "a\x1b[2J")


def test_what_was_done_to_keys_is_in_the_audit_log(database):
    keys = Keys(database)
    key_id = keys.create("acme", Role.ADMIN, "first").split("_")[1]
    keys.revoke(key_id, actor="somebody")
    lines = audit.lines(database, "acme")
    assert [(line["action"], line["actor"], line["subject"]) for line in lines] == [
        ("key.revoke", "somebody", key_id),
        ("key.create", "cli", key_id),
    ]
    assert audit.lines(database, "other") == []
    assert audit.verify(database)[:2] == (2, 0)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'me' WHERE number = 2",
        "UPDATE audit SET detail = '{}' WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "UPDATE audit SET hash = zeroblob(32) WHERE number = 2",
    ],
)
def test_a_changed_audit_log_is_noticed(database, change):
    """Hashing a line without the one before it, or without one of its fields, makes it fail."""
    keys = Keys(database)
    for _ in range(4):
        keys.create("acme", Role.ADMIN)
    assert audit.verify(database)[:2] == (4, 0)
    with database.write() as connection:
        connection.execute(text(change))
    assert audit.verify(database)[:2] == (1, 2)


def test_an_audit_line_rewritten_with_its_own_hash_is_noticed(database):
    """A hash that leaves out the line before it could be put right with two lines changed."""
    keys = Keys(database)
    for _ in range(4):
        keys.create("acme", Role.ADMIN)
    with database.write() as connection:
        row = dict(connection.execute(text("SELECT * FROM audit WHERE number = 2")).mappings().one())
        sealed = audit.seal({**row, "actor": "me"})
        connection.execute(
            text("UPDATE audit SET actor = 'me', hash = :hash WHERE number = 2"), {"hash": sealed}
        )
        connection.execute(text("UPDATE audit SET previous = :hash WHERE number = 3"), {"hash": sealed})
    assert audit.verify(database)[:2] == (2, 3)


def test_keys_are_made_listed_and_revoked_at_the_command_line(tmp_path):
    where = ["--data-dir", str(tmp_path)]
    run = CliRunner().invoke
    made = run(command, ["create", *where, "--role", "analyst", "--label", "for tests"])
    assert made.exit_code == 0
    key = made.stdout.strip()
    key_id = key.split("_")[1]
    listed = run(command, ["list", *where]).stdout
    assert key_id in listed
    assert "for tests" in listed
    assert key.split("_", 2)[2] not in listed
    assert run(command, ["revoke", *where, key_id]).exit_code == 0
    database = open_database(default_url(tmp_path))
    assert all(line["actor"].startswith("cli:") for line in audit.lines(database, "default"))
    database.close()
    assert "revoked" in run(command, ["list", *where]).stdout


def test_the_doctor_checks_the_audit_log(tmp_path):
    database = open_database(default_url(tmp_path))
    for _ in range(3):
        Keys(database).create("acme", Role.ADMIN)
    run = CliRunner().invoke
    sound = run(doctor, ["--data-dir", str(tmp_path)]).stdout
    assert "audit log: 3 lines, the chain holds" in sound
    with database.write() as connection:
        connection.execute(text("DELETE FROM audit WHERE number = 2"))
    database.close()
    found = run(doctor, ["--data-dir", str(tmp_path)])
    assert found.exit_code == 1
    assert "FAIL audit log: line 2 was changed" in found.stdout
    assert "FAIL store" in run(doctor, ["--data-dir", str(tmp_path / "nowhere")]).stdout
