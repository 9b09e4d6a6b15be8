"""Datasette over one store: our descriptions, pages and pictures, behind our guard."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasette import NotFound
from datasette.app import Datasette
from datasette.database import Database
from datasette.plugins import pm

from fitecli.browsing.guard import Guard, Nonced
from fitecli.browsing.metadata import NAME, metadata
from fitecli.browsing.pages import Pages
from fitecli.browsing.plugin import Plugin
from fitecli.store import Store, open_store, reading_connection
from fitecli.store.database import store_url

SETTINGS = {
    "allow_download": False,
    "suggest_facets": False,  # each would try every column of views that join ten tables
    "sql_time_limit_ms": 5000,
    "facet_time_limit_ms": 250,  # each; a page of a large store has seven that time out
    "default_cache_ttl": 0,  # the store may be written meanwhile
    "truncate_cells_html": 500,
}
LARGEST = 131_072  # bytes of a value, four of the longest tweet: a thousand rows fit into memory
SMALL = 100_000  # tweets up to which views are sorted within the time limit
KEPT = tuple(
    f"datasette.{name}"
    for name in ("facets", "filters", "sql_functions", "default_permissions", "blob_renderer",
                 "forbidden")
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """app: what a server serves. datasette: what is behind the guard."""

    app: Guard
    datasette: Any


class StoreFile(Database):
    """A store's file that Datasette can only read, by the same rules as `fite sql`."""

    def connect(self, write: bool = False) -> sqlite3.Connection:
        """A connection that refuses whatever does not read."""
        if write:
            raise sqlite3.OperationalError("the store is only read")
        connection = reading_connection(Path(self.path), deque(maxlen=1), any_thread=True)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        self._all_file_connections.append(connection)
        return connection

    async def primary_keys(self, table: str) -> list[str]:
        """The columns of a table's key; NotFound for what is none, since pages of rows only ask this."""
        if await self.table_exists(table) or table in await self.view_names():
            found: list[str] = await super().primary_keys(table)
            return found
        raise NotFound(f"There is no table {table}.")


@contextmanager
def opened_site(db: str, *, blur: bool) -> Iterator[Site]:
    """Datasette over a SQLite store, until the block ends; raises what `open_store` raises."""
    path = Path(store_url(db).database or "").absolute()
    with open_store(path, read_only=True) as store:
        pages = Pages(store, blur=blur)
        with only(Plugin(pages)), pages:
            told = metadata(str(path), small=_is_small(store), blur=blur)
            datasette = Datasette(settings=SETTINGS, metadata=told)
            datasette.remove_database("_memory")
            datasette.add_database(StoreFile(datasette, str(path)), name=NAME)
            datasette.jinja_env.loader = Nonced(datasette.jinja_env.loader)
            try:
                yield Site(Guard(datasette.app()), datasette)
            finally:
                datasette.executor.shutdown()
                for database in datasette.databases.values():
                    database.close()


def _is_small(store: Store) -> bool:
    return sum(store.datasets().values()) <= SMALL


@contextmanager
def only(plugin: Plugin) -> Iterator[None]:
    """Datasette with our plugin and what it needs of its own; no other that is installed.

    Others could write, or show the store to someone else; its own login, too, has no use here.
    """
    put_aside = [(name, found) for name, found in pm.list_name_plugin() if name not in KEPT]
    for name, _ in put_aside:
        pm.unregister(name=name)
    pm.register(plugin, plugin.__name__)
    try:
        yield
    finally:
        pm.unregister(name=plugin.__name__)
        for name, found in put_aside:
            pm.register(found, name)
