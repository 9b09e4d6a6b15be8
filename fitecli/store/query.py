"""SQL for people, on a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from fitecli.errors import NotAStore, QueryRefused, StoreBusy, StoreError, StoreFull
from fitecli.outputs import NEXT
from fitecli.records import storable
from fitecli.store.database import BUSY, FULL, make_engine, refuse_other, shown, store_url
from fitecli.store.files import read_only_address, require_file, unopened
from fitecli.store.views import VIEWS

_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
_READING_PRAGMAS = {
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list",
    "database_list", "schema_version",
}  # fmt: skip
_FUNCTIONS_AS_TABLES = (
    "json_each('')", "json_tree('')", *(f"pragma_{name}" for name in sorted(_READING_PRAGMAS)),
)  # fmt: skip
LOCKED = "another process holds its lock; try again when it is done."

LARGEST = 1 << 24  # bytes of a value: within one function of SQL no interruption is heard
LONGEST = (
    18  # digits of a whole number that JSON and SQLite hold; of a longer one the first are kept
)
BREATH = 1_000_000  # steps of SQLite, some ten milliseconds, until Python may hear an interruption

REVISION = "SELECT version_num FROM alembic_version LEFT JOIN feature_set ON 1 = 0"

_VIEWS = f"Views to ask: {', '.join(VIEWS)}; `fite store info` lists the tables."

Rows = Iterator[Sequence[Any]]


def run_query(place: str | Path, sql: str) -> tuple[list[str], Rows]:
    """Run one reading statement: the column names, and the rows as they come.

    Raises QueryRefused for anything that would write, attach, load or set, for more than one
    statement and for wrong SQL; NotAStore where there is no store; StoreOutdated and StoreTooNew.
    """
    if not sql.strip():
        raise QueryRefused('The query is empty. Try `fite sql "select * from tweet_aspects"`.')
    if not storable(sql):
        raise QueryRefused("The query is no Unicode text: leave out NUL and halves of characters.")
    url = store_url(place)
    if url.get_backend_name() == "sqlite":
        return _sqlite(Path(url.database or ""), sql)
    return _server(url, sql)


def _sqlite(path: Path, sql: str) -> tuple[list[str], Rows]:
    refused: list[str] = []
    connection = reading_connection(path, refused)
    connection.set_progress_handler(lambda: 0, BREATH)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    try:
        cursor = connection.execute(sql)
    except (sqlite3.Error, sqlite3.Warning) as exc:
        connection.close()
        raise _ended(exc, refused) from exc
    columns = [column[0] for column in cursor.description or ()]
    return columns, _rows(connection, cursor, refused)


def reading_connection(
    path: Path, refused: MutableSequence[str], *, any_thread: bool = False
) -> sqlite3.Connection:
    """A connection to a SQLite store on which every statement that does not read is an error.

    It can be neither written through, nor can it attach, load extensions or read other files. What
    was not allowed is appended to refused. Raises NotAStore where there is no store, StoreOutdated,
    StoreTooNew and StoreBusy.
    """
    require_file(path)
    try:
        connection = sqlite3.connect(
            read_only_address(path),
            uri=True,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
    except sqlite3.OperationalError as exc:
        raise unopened(path, str(exc)) from exc
    try:
        row = connection.execute(REVISION).fetchone()
        refuse_other(store_url(path), row and row[0])
        for table in _FUNCTIONS_AS_TABLES:  # are declared when first read, which is refused later
            with suppress(sqlite3.OperationalError):  # an older SQLite lacks some
                connection.execute(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608
    except sqlite3.Error as exc:
        connection.close()
        raise _unreadable(path, exc) from exc
    except StoreError:
        connection.close()
        raise
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(lambda *action: _authorise(action, refused))
    return connection


def _unreadable(path: Path, exc: sqlite3.Error) -> StoreError:
    name = str(getattr(exc, "sqlite_errorname", ""))
    if name.startswith(BUSY):
        return StoreBusy(f"{path}: {LOCKED}")
    if name.startswith("SQLITE_CANTOPEN"):
        return unopened(path, str(exc))
    if name in ("SQLITE_ERROR", "SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return NotAStore(f"{path} is no fite store ({exc}). Choose another file with --db.")
    return StoreError(f"{path} cannot be read: {exc}. {NEXT}")


def _rows(connection: sqlite3.Connection, cursor: sqlite3.Cursor, refused: list[str]) -> Rows:
    with closing(connection):
        try:
            yield from cursor
        except sqlite3.Error as exc:
            raise _ended(exc, refused) from exc


def _ended(exc: Exception, refused: Sequence[str]) -> StoreError | KeyboardInterrupt:
    """Why a query ended: Ctrl-C is heard between two of SQLite's steps, and lost in its callback."""
    if getattr(exc, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
        return KeyboardInterrupt()
    return _refusal(exc, refused)


def _authorise(action: Sequence[Any], refused: MutableSequence[str]) -> int:
    code, first, second = action[0], action[1], action[2]
    if code in _READS:
        return sqlite3.SQLITE_OK
    if code == sqlite3.SQLITE_FUNCTION and str(second).lower() not in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_OK
    setting = str(first).lower() == "schema_version" and second is not None
    if code == sqlite3.SQLITE_PRAGMA and str(first).lower() in _READING_PRAGMAS and not setting:
        return sqlite3.SQLITE_OK
    if code == sqlite3.SQLITE_UPDATE and first == "sqlite_master":  # how SQLite declares it
        refused.append(
            "a table that is a function of SQLite, but for those of JSON and the schema,"
        )
    else:
        refused.append(_NAMES.get(code, "this statement") + (f" {first}" if first else ""))
    return sqlite3.SQLITE_DENY


_NAMES = {
    sqlite3.SQLITE_INSERT: "INSERT into",
    sqlite3.SQLITE_UPDATE: "UPDATE of",
    sqlite3.SQLITE_DELETE: "DELETE from",
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_TRANSACTION: "transaction control:",
    sqlite3.SQLITE_FUNCTION: "a function that reaches outside",
    sqlite3.SQLITE_DROP_TABLE: "DROP of",
    sqlite3.SQLITE_CREATE_TABLE: "CREATE of",
}


def _refusal(exc: Exception, refused: Sequence[str]) -> StoreError:
    name = str(getattr(exc, "sqlite_errorname", ""))
    if name.startswith(BUSY):
        return StoreBusy(f"The query cannot be run: {LOCKED}")
    if name.startswith(FULL):
        return StoreFull(
            f"The query cannot be run: {exc}. Give the folder for temporary files (TMPDIR) room."
        )
    if refused:
        return QueryRefused(
            f"`fite sql` only reads: {refused[0]} is not allowed. To change the store, use the "
            "other commands (`fite --help`)."
        )
    message = str(exc).rstrip(".")
    if "readonly" in message:
        message = "`fite sql` only reads; the statement would have written"
    return QueryRefused(f"The query cannot be run: {message}. {_VIEWS}")


def _server(url: URL, sql: str) -> tuple[list[str], Rows]:
    """The same on PostgreSQL: a cursor of the server, in a transaction that only reads."""
    words, options = make_engine(url).dialect.create_connect_args(url)
    import psycopg

    try:
        connection = psycopg.connect(*words, **options)
    except psycopg.Error as exc:
        raise StoreError(
            f"{shown(url)} cannot be reached: {exc}. Check the address and that the server runs, "
            "then run the same command again."
        ) from exc
    connection.read_only = True
    _answer_as_sqlite_does(connection)
    rows = _server_rows(connection, url, sql)
    return next(rows), rows


def _answer_as_sqlite_does(connection: Any) -> None:
    """Numbers are int or float, JSON is text: what Python's Decimal and dict are not everywhere."""
    from psycopg.adapt import Loader
    from psycopg.types.string import TextLoader

    class Number(Loader):
        def load(self, data: Any) -> int | float:
            text = bytes(data).decode()
            whole = text.lstrip("-").isdecimal() and len(text) <= LONGEST
            return int(text) if whole else float(text)

    connection.adapters.register_loader("numeric", Number)
    for name in ("json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)


def _server_rows(connection: Any, url: URL, sql: str) -> Iterator[Any]:
    """The column names, then the rows; the connection is closed at the end."""
    import psycopg

    with closing(connection):
        try:
            row = connection.execute(REVISION).fetchone()
        except psycopg.errors.UndefinedTable as exc:
            raise NotAStore(f"{shown(url)} is no fite store ({exc}). Choose another --db.") from exc
        except psycopg.Error as exc:
            raise StoreError(
                f"{shown(url)} cannot be read: {exc}. Ask for the right to read it."
            ) from exc
        refuse_other(url, row and row[0])
        try:
            with connection.cursor("reading") as cursor:
                cursor.execute(sql)  # DECLARE takes one statement, and only one that reads
                yield [column.name for column in cursor.description or ()]
                yield from cursor
        except psycopg.Error as exc:
            raise QueryRefused(f"{shown(url)} refused the query: {exc}. {_VIEWS}") from exc
