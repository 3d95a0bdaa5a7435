from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from features.errors import InputError, StateError
from serving import journal
from serving.journal import Journal, JournalError, Kind, Operation
from serving.store.database import default_url, open_database


@pytest.fixture
def database(tmp_path):
    found = open_database(default_url(tmp_path))
    yield found
    found.close()


def operations(count: int, tenant: str = "acme") -> list[Operation]:
    return [
        Operation(tenant, Kind.SUBMISSION, "bulk", f'{{"n":{n}}}\n'.encode(), "auto", (f"id{n}", ""))
        for n in range(count)
    ]


def commits(database, after=0):
    return list(journal.read(database, after))


def test_what_is_written_is_read_again_commit_by_commit(database):
    book = Journal(database)
    first, second = book.append(operations(3)), book.append(operations(2, "other"))
    assert commits(database) == [first, second]
    assert [entry.seq for entry in first + second] == [1, 2, 3, 4, 5]
    assert commits(database, after=first[-1].seq) == [second]


def test_a_commit_is_on_disk_when_it_returns(database):
    """P1. The write-ahead log is synced by every commit: with NORMAL it would not be."""
    with database.write() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_failed_commit_leaves_nothing_and_stops_acknowledgement_until_mended(database):
    """P10. Going on after a failed commit, or keeping a part of the group, makes it fail."""
    book = Journal(database)
    kept = book.append(operations(2))
    with database.write() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER fail BEFORE INSERT ON journal WHEN NEW.tenant = 'bad' "
                "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
            )
        )
    with pytest.raises(JournalError, match="disk I/O error"):
        book.append([*operations(2), *operations(1, "bad")])
    assert commits(database) == [kept]
    with pytest.raises(JournalError, match="takes nothing"):
        book.append(operations(1))
    book.mend()
    again = book.append(operations(1))
    assert [entry.seq for entry in again] == [3]
    assert commits(database) == [kept, again]


def test_mending_removes_what_was_written_and_never_acknowledged(database):
    """A commit whose outcome nobody knows was answered 503: it must not come to life later."""
    book = Journal(database)
    kept = book.append(operations(1))
    ghost = book.append(operations(2, "ghost"))
    book.last_seq, book.broken = kept[-1].seq, "fsync failed"
    book.mend()
    assert commits(database) == [kept]
    assert ghost[0].seq == book.append(operations(1))[0].seq


def test_mending_notices_that_acknowledged_entries_are_gone(database):
    book = Journal(database)
    book.append(operations(3))
    with database.write() as connection:
        connection.execute(text("DELETE FROM journal WHERE seq = 3"))
    book.broken = "fsync failed"
    with pytest.raises(StateError, match="acknowledged"):
        book.mend()


def test_numbers_and_receipts_never_go_back(database, monkeypatch):
    """P8. A machine's clock that jumps back does not make receipts older."""
    book = Journal(database, floor=40)
    first = book.append(operations(1))[0]
    assert first.seq == 41
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    second = book.append(operations(1))[0]
    assert second.received_us == first.received_us
    book.close()
    assert Journal(database).append(operations(1))[0].received_us == first.received_us


HOUR_US = 3_600_000_000


@pytest.mark.parametrize("restarted", [False, True])
def test_a_moment_in_which_the_clock_was_years_ahead_dates_nothing_that_comes_later(
    database, monkeypatch, caplog, restarted
):
    """P8. As long as receipts are from 2038, nobody is refused who is years ahead."""
    now_us = time.time_ns() // 1000
    clock = [now_us + 12 * 365 * 24 * HOUR_US]
    monkeypatch.setattr(time, "time_ns", lambda: clock[0] * 1000)
    book = Journal(database, 0, lambda: now_us, HOUR_US)
    assert book.append(operations(1))[0].received_us == clock[0]
    clock[0] = now_us
    if restarted:
        book.close()
        book = Journal(database, 0, lambda: now_us, HOUR_US)
    assert book.append(operations(1))[0].received_us == now_us + HOUR_US
    assert "too late" in caplog.text
    clock[0] = now_us + 2 * HOUR_US
    assert book.append(operations(1))[0].received_us == clock[0]


def test_a_clock_that_was_set_back_makes_nothing_older_than_events_say(database, monkeypatch):
    """P8. Taking the clock's word would put everything aside of machines whose clocks are right."""
    book = Journal(database)
    first_us = book.append(operations(1))[0].received_us
    book.close()
    book = Journal(database, 0, lambda: first_us, HOUR_US)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert book.append(operations(1))[0].received_us == first_us
    book.close()
    again = Journal(database, 0, lambda: first_us, HOUR_US)
    assert again.append(operations(1))[0].received_us == first_us


def test_a_damaged_body_is_noticed(database):
    book = Journal(database)
    book.append(operations(1))
    with database.write() as connection:
        body = bytearray(connection.execute(text("SELECT body FROM journal")).scalar())
        body[-1] ^= 1
        connection.execute(text("UPDATE journal SET body = :body"), {"body": bytes(body)})
    with pytest.raises(StateError, match="damaged"):
        commits(database)


def test_only_what_no_checkpoint_needs_is_pruned(database):
    book = Journal(database)
    for _ in range(10):
        book.append(operations(1))
    everything = time.time_ns()
    assert journal.prune(database, 0, everything, 0) == 0
    assert journal.prune(database, 6, 0, 1 << 30) == 0
    assert journal.prune(database, 6, everything, 1 << 30) == 6
    assert [commit[0].seq for commit in commits(database)] == [7, 8, 9, 10]
    assert journal.prune(database, 10, 0, 0) == 4
    assert Journal(database, floor=10).append(operations(1))[0].seq == 11


def test_a_store_of_a_newer_version_is_refused(database, tmp_path):
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="newer"):
        open_database(default_url(tmp_path))


@pytest.mark.parametrize("url", ["", "mysql://x/y", "sqlite://", "nonsense"])
def test_a_store_that_is_none_is_refused(url):
    with pytest.raises(InputError):
        open_database(url)


def test_the_migrations_make_what_the_tables_say(database):
    """A column added to one of the two alone makes it fail."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from serving.store.tables import metadata

    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
