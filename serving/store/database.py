"""Opening the store: SQLite in the data directory, or PostgreSQL by URL; both at the newest schema."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from features.errors import InputError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "habitus.db"
BUSY_MS = 15_000
"""How long a SQLite connection waits for another one's transaction; ours last milliseconds."""
WRITER_LOCK = 0x68616269
"""PostgreSQL advisory lock of the one writer ("habi")."""
LOCK_SECONDS, LOCK_TRY_SECONDS = 3.0, 0.05


@dataclass(frozen=True)
class Database:
    """A store that is open. `write` begins transactions that may write, `read` those that only look.

    Engines are thread-safe; a connection belongs to the thread that asked for it.
    """

    url: str
    _writer: Engine
    _reader: Engine

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded store."""
        return self._writer.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends, durable when this returns."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the store."""
        with self._reader.begin() as connection:
            yield connection

    def connect(self) -> Connection:
        """A connection for whoever keeps one: the journal."""
        return self._writer.connect()

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._writer.dispose()
        self._reader.dispose()


def default_url(data_dir: Path) -> str:
    """The embedded store of a data directory."""
    return f"sqlite:///{data_dir / FILE}"


def open_database(url: str) -> Database:
    """Open a store and bring its schema up to date.

    Raises
    ------
    InputError
        If the URL is not one of sqlite:///PATH or postgresql://..., or the server cannot be reached.
    StateError
        If the store was written by a newer version of habitus.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError(
            f"{url!r} is no database URL; give sqlite:///PATH or postgresql://USER@HOST/NAME"
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise InputError(f"{parsed.drivername}: the store is SQLite or PostgreSQL (postgresql://...)")
    database = _sqlite(parsed) if parsed.drivername == "sqlite" else _postgresql(parsed)
    try:
        with database.write() as connection:
            _migrate(connection)
    except DBAPIError as error:
        database.close()
        shown = parsed.render_as_string(hide_password=True)
        raise InputError(f"{shown}: cannot be opened ({error.orig})") from error
    return database


def _sqlite(url: Any) -> Database:
    if not url.database or url.database == ":memory:":
        raise InputError("the store must be a file: an acknowledged event has to be on disk")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engines = []
    for begin in ("BEGIN IMMEDIATE", "BEGIN"):
        engine = create_engine(url, connect_args={"timeout": BUSY_MS / 1000, "isolation_level": None})
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _beginner(begin))
        engines.append(engine)
    return Database(str(url), *engines)


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # FULL: a commit returns when the write-ahead log is synced; NORMAL would lose the last commits.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_MS}",
        "foreign_keys=ON",
        "wal_autocheckpoint=4000",
        "journal_size_limit=134217728",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _beginner(statement: str) -> Any:
    # The driver would begin by itself, late and deferred: two writers could then both read before they write.
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


def _postgresql(url: Any) -> Database:
    arguments: dict[str, Any] = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    return Database(
        url.render_as_string(hide_password=True),
        create_engine(url, **arguments),
        create_engine(url, **arguments),
    )


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise StateError(
            f"the store has schema {current}, which this version of habitus does not know: use a newer one"
        )
    if current != scripts.get_current_head():
        command.upgrade(config, "head")


def take_writer_lock(connection: Connection) -> None:
    """PostgreSQL: hold the store as its only writer while the connection lives, else StateError.

    The server notices some time after it that a connection has ended: what one of before still holds is
    waited for, `LOCK_SECONDS` at most.
    """
    if connection.dialect.name != "postgresql":
        return  # the lock of the data directory covers the file in it
    until = time.monotonic() + LOCK_SECONDS
    while True:
        held = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": WRITER_LOCK}).scalar()
        connection.commit()
        if held:
            return
        if time.monotonic() > until:
            raise StateError("another habitus writes to this database; one database serves one service")
        time.sleep(LOCK_TRY_SECONDS)
