"""Engine, pragmas, schema: how a store is opened, created and upgraded."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

from fitecli.errors import (
    MissingPackage,
    NotAStore,
    StoreBusy,
    StoreError,
    StoreFull,
    UsageProblem,
)
from fitecli.store.files import at_rest, read_only_address, unopened

SCHEMA = "0004"  # the revision that this version of fite reads and writes
BUSY_SECONDS = 30
WRITING = 0x66697465  # a server's lock, of one database: whoever writes holds it
SECRET = ("password", "sslpassword", "passfile")  # parts of a URL's query that are not shown
BACKUP = ".backup-"  # between a store's name and the revision that it was of
BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
FULL = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_PERM")
_FOREIGN = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_SERVER_FULL = ("53100", "42501", "25006")  # SQLSTATE: disk full, no right, read-only
_SERVER_BUSY = ("40001", "40P01", "55P03")  # serialisation failure, deadlock, no lock


def store_url(place: str | Path) -> URL:
    """Turn a path, or the URL of a SQLite or PostgreSQL database, into a URL.

    Raises UsageProblem for a broken URL, another database, and one that lives in memory only.
    """
    text = str(place)
    if "\0" in text:
        raise UsageProblem(f"{text!r} holds a NUL, which no place does. Choose another --db.")
    scheme = text.partition(":")[0]  # what follows can hold a password
    if scheme.startswith("postgres") and "://" not in text and "@" in text:
        raise UsageProblem(f"{scheme!r}… is no URL of a database: make it begin with {scheme}://.")
    try:
        url = make_url(text) if "://" in text else URL.create("sqlite", database=text)
        if url.drivername == "postgres":
            url = url.set(drivername="postgresql")
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        raise UsageProblem(
            f"{scheme!r}… is no path and no URL of a database. Choose another --db."
        ) from exc
    if backend not in ("sqlite", "postgresql"):
        raise UsageProblem(
            f"{scheme!r}…: a store lives in SQLite or PostgreSQL, not in {backend}. "
            "Choose another --db."
        )
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise UsageProblem(
            f"{text!r} names no file; a store must outlive the command. Name a file by --db."
        )
    return url.set(drivername="postgresql+psycopg") if backend == "postgresql" else url


def make_engine(url: URL, *, migrating: bool = False, read_only: bool = False) -> Engine:
    """An engine whose transactions are real: a write lock is taken when one begins.

    A connection with the execution option `reading` begins without it. While migrating, foreign
    keys are off, or rebuilding a parent table would delete its children. read_only: a SQLite file
    cannot be written through it; so it is on a read-only medium.
    """
    more: dict[str, Any] = {}
    path = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and (read_only or at_rest(path)):
        address = read_only_address(path)
        more["creator"] = lambda: sqlite3.connect(address, uri=True, check_same_thread=False)
    try:
        engine = create_engine(
            url,
            poolclass=NullPool if migrating else None,
            hide_parameters=True,  # or tracebacks would hold what tweets say
            **more,
        )
    except ModuleNotFoundError as exc:
        raise MissingPackage(
            f"{shown(url)}: PostgreSQL needs a driver: pip install 'fitecli[postgres]'."
        ) from exc
    except (ArgumentError, NoSuchModuleError) as exc:
        raise UsageProblem(f"{shown(url)} cannot be used ({exc}). Choose another --db.") from exc
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, foreign_keys=not migrating)
    else:
        _prepare_server(engine)
    return engine


def _prepare_server(engine: Engine) -> None:
    """Writers come one after the other, as SQLite has it: what a verb has seen stays true until it
    has written, and no two can wait for each other. Verbs take milliseconds, models do not."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        connection.commit()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("reading", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITING})")


def _prepare_sqlite(engine: Engine, *, foreign_keys: bool) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA secure_delete = ON")  # what is replaced or forgotten is overwritten
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn the database's own errors into ours, each with what to do next."""
    try:
        yield
    except DBAPIError as exc:
        raise _translate(exc, url) from exc
    except UnicodeEncodeError as exc:  # a file or folder may be called anything, on some systems
        raise UsageProblem(
            f"{exc.object[:200]!r} is no UTF-8, so no store can keep it. Choose another name, or "
            "rename the file or folder."
        ) from exc


def _translate(exc: DBAPIError, url: URL) -> Exception:
    place = shown(url)
    name = str(getattr(exc.orig, "sqlite_errorname", ""))
    if name.startswith(BUSY):
        return StoreBusy(
            f"{place}: another process has held the write lock for {BUSY_SECONDS} seconds; "
            "finished batches are kept. Wait for it, then run the same command again."
        )
    if name.startswith("SQLITE_CANTOPEN"):
        return unopened(Path(url.database or ""), str(exc.orig))
    if name.startswith(FULL):
        return StoreFull(
            f"{place} cannot be written ({exc.orig}); the last batch was rolled back. Check free "
            "space and permissions, then run the same command again."
        )
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY" or "ForeignKeyViolation" in type(exc.orig).__name__:
        return StoreError(
            f"{place}: what this batch is about was removed meanwhile; finished batches are kept. Run "
            "the same command again."
        )
    if name.startswith(_FOREIGN):
        return NotAStore(f"{place} is no SQLite database. Choose another file with --db.")
    state = str(getattr(exc.orig, "sqlstate", None) or "")
    if state.startswith(_SERVER_FULL):
        return StoreFull(
            f"{place} cannot be written ({exc.orig}); the last batch was rolled back. Give the server "
            "room, or the role its rights, then run the same command again."
        )
    if state.startswith(_SERVER_BUSY):
        return StoreBusy(
            f"{place}: other writers were in the way ({exc.orig}); finished batches are kept. Run the "
            "same command again."
        )
    if url.get_backend_name() != "sqlite" and isinstance(exc, OperationalError):
        return StoreError(
            f"{place} cannot be reached: {exc.orig}. Check the address and that the server runs, then "
            "run the same command again."
        )
    return exc


def shown(url: URL) -> str:
    """The store as messages name it: a path, or a URL without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    open_ = url.set(drivername="postgresql").difference_update_query(SECRET)
    return open_.render_as_string(hide_password=True)


def revision_of(engine: Engine) -> str | None:
    """The revision of a store; None for an empty database.

    Raises NotAStore where there are tables, but not ours.
    """
    with engine.connect().execution_options(reading=True) as connection:
        tables = set(inspect(connection).get_table_names())
        others = tables - {"alembic_version"}
        if others and not {"alembic_version", "tweet", "feature_set"} <= tables:
            raise NotAStore(
                f"{shown(engine.url)} is a database of something else (it has the table "
                f"{min(others)!r}). Choose another file with --db."
            )
        if "alembic_version" not in tables:
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return None if row is None else str(row[0])


def check(engine: Engine, *, create: bool) -> None:
    """Bring an empty database to the head revision, refuse every other but the head itself."""
    if create and engine.dialect.name == "sqlite":
        own_file(Path(engine.url.database or ""))
    with translated(engine.url):
        revision = revision_of(engine)
    if revision is None and create:
        from fitecli.store.migrating import migrate  # alembic is slow to import

        migrate(engine.url)
    else:
        refuse_other(engine.url, revision)
    _use_wal(engine)


def own_file(path: Path, mode: int = 0o600) -> None:
    """Make a file, if there is none, that only its owner can read: tweets may be private.

    SQLite gives what it puts beside it the same rights. What cannot be made is told when it is opened.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def refuse_other(url: URL, revision: str | None) -> None:
    """Raise StoreOutdated, StoreTooNew or NotAStore where a store is not of this version's schema."""
    if revision is None:
        raise NotAStore(f"{shown(url)} is empty; `fite ingest FILE` makes a store.")
    if revision != SCHEMA:
        from fitecli.store.migrating import refusal

        raise refusal(url, revision)


def _use_wal(engine: Engine) -> None:
    """Let readers read while one process writes; only a store of ours is ever switched."""
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                with suppress(sqlite3.OperationalError):  # busy or read-only: next time
                    cursor.execute("PRAGMA journal_mode = WAL")


def backups_of(place: str | Path) -> list[Path]:
    """The backups that upgrades of a SQLite store left beside it."""
    url = store_url(place)
    if url.get_backend_name() != "sqlite":
        return []
    path = Path(url.database or "")
    return sorted(path.parent.glob(f"{escape(path.name)}{BACKUP}*"))
