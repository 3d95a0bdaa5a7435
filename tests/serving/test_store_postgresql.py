"""The same store on a real PostgreSQL server, started for the test where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from features.errors import InputError, StateError
from serving import audit, journal
from serving.core import Core
from serving.journal import Journal, JournalError, Kind, Operation
from serving.keys import Keys, Role
from serving.store.database import open_database
from tests.durable_events import CALM, lines, submission

pytestmark = pytest.mark.integration


def programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian, Ubuntu: apt-get install postgresql)")
    return found[-1].parent


def somebody() -> str | None:
    """Who the server runs as: it refuses to run as root."""
    if os.getuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("no user but root to run PostgreSQL as")


@pytest.fixture(scope="module")
def server():
    binaries, user = programs(), somebody()
    # a socket's path may have 107 characters
    folder = Path(tempfile.mkdtemp(prefix="habitus-pg-", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder, timeout=120)

    run(str(binaries / "initdb"), "-D", "data", "-A", "trust", "-U", "habitus", "--locale=C", "-E", "UTF8")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
    run(str(binaries / "pg_ctl"), "-D", "data", "-w", "-l", "log", "-o", options, "start")
    yield f"postgresql://habitus@/postgres?host={folder}"
    run(str(binaries / "pg_ctl"), "-D", "data", "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def test_journal_keys_and_audit_are_the_same_there(server):
    database = open_database(server)
    book = Journal(database)
    kept = book.append([Operation("acme", Kind.SUBMISSION, "bulk", b"{}\n", "auto", ("a",))])
    assert list(journal.read(database, 0)) == [kept]
    with pytest.raises(StateError, match="another habitus"):
        Journal(database)
    with pytest.raises(JournalError):
        book.append([Operation("a\0b", Kind.SUBMISSION)])
    book.mend()
    assert book.append([Operation("acme", Kind.SUBMISSION)])[0].seq == 2
    assert journal.prune(database, 2, 0, 0) == 2
    book.close()
    keys = Keys(database)
    key = keys.create("acme", Role.ADMIN)
    assert keys.verify(key).tenant == "acme"
    keys.revoke(key.split("_")[1])
    assert audit.verify(database)[:2] == (2, 0)
    database.close()


def test_the_core_works_and_recovers_there(server, tmp_path):
    import asyncio

    with Core(tmp_path / "data", CALM, server) as core:
        receipt = core.offer(submission([*lines(0, 50), b"poison"])).result(300)
        assert receipt[:4] == (51, 50, 0, 1)
        before = asyncio.run(core.digest("acme"))
    with Core(tmp_path / "data", CALM, server) as core:
        assert asyncio.run(core.digest("acme")) == before


def test_alerts_are_worked_on_and_told_of_there(server, tmp_path):
    import asyncio
    import json

    from serving import queries, soc
    from serving.audit import Deed
    from serving.learned import Learned
    from serving.notify import channels
    from serving.notify.channels import Rules, Target
    from serving.notify.sender import Sender
    from serving.sinks import StoreSinks
    from serving.triage import verdicts
    from serving.triage.desk import Desk
    from serving.triage.verdicts import Opinion, Subject
    from serving.triage.words import Asked, Conflict
    from tests.serving.triage.triage_app import alert

    asked = Asked("acme", Deed("k1", "", "", "admin"), key="once", what=b"x")
    with Core(tmp_path / "data", CALM, server) as core:
        core.offer(submission(lines(0, 20))).result(300)
        database = core.database
        url = "https://soc.example/hook"
        channels.create(
            database, asked._replace(key=""), "webhook", "", Target(url=url), Rules(about="alerts")
        )
        sinks = StoreSinks(database, Learned(lambda name: tmp_path / name))
        for _ in range(2):
            sinks._alerts.append({**alert("acme", 1), "alerted_us": None, "entity_risk": None})
            sinks.flush()
        sent = []
        made = Sender(database, lambda channel, parcel: sent.append(parcel))
        made.turn()
        assert [len(parcel.alerts) for parcel in sent] == [1]
        subject, opinion = Subject("acme-1"), Opinion(5, "a backup")
        answers = [asyncio.run(verdicts.give(core, asked, subject, opinion)).answer for _ in range(2)]
        assert json.loads(answers[0]) == json.loads(answers[1])
        desk = Desk(database)
        with pytest.raises(Conflict):
            desk.set_state(asked._replace(version=0, key=""), "acme-1", "closed")
        desk.note(asked._replace(key=""), "acme-1", "noch eine Zeile")
        assert [line["what"] for line in desk.history("acme", "acme-1", 10, 0)] == [
            "verdict",
            "state",
            "note",
        ]
        wanted = queries.Wanted(text="LOGON", states=("triaged",), sort="risk")
        assert len(queries.find_alerts(database, "acme", wanted).alerts) == 1
        raised_us = alert("acme", 1)["raised_us"]
        assert soc.numbers(database, "acme", raised_us, raised_us + 1)["alerts"] == 1
        assert (
            asyncio.run(verdicts.revert(core, asked._replace(key=""), alert_id="acme-1")).effect is not None
        )


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(InputError, match="cannot be opened"):
        open_database("postgresql://habitus@/x?host=/nonexistent")
