"""A PostgreSQL server of the tests' own: made by the system's `initdb`, gone when they end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import make_url

from fitecli.store import open_store

ELSEWHERE = "/usr/lib/postgresql/*/bin"  # where Debian has it, outside of PATH
ACCOUNT = "postgres"  # the server refuses to run as root


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/").glob(f"{ELSEWHERE[1:]}/initdb"))
    return folders[-1].parent if folders else None


class Server:
    """A running server; each who asks gets a database of their own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._numbers = count()
        self._store = self.empty()  # is copied, which is faster than to migrate each anew
        open_store(self._store).close()

    def url(self, database: str) -> str:
        """The address of a database, over the server's socket."""
        return f"postgresql://{ACCOUNT}@/{database}?host={self._socket}"

    def run(self, statement: str) -> None:
        """Run a statement about databases."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def empty(self) -> str:
        """The URL of a new database."""
        return self._new("template1")

    def store(self) -> str:
        """The URL of a new, empty store."""
        return self.copy(self._store)

    def copy(self, url: str) -> str:
        """The URL of a copy of a database that nobody has open."""
        return self._new(make_url(url).database or "")

    def _new(self, template: str) -> str:
        name = f"fite_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@contextmanager
def server() -> Iterator[Server]:
    """Start a server on a socket in a folder of its own, without what keeps data after a crash."""
    folder = programs()
    assert folder is not None
    account = ACCOUNT if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="fite-pg-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        if account:
            shutil.chown(place, account, account)

        def run(program: str, *words: str) -> None:
            done = subprocess.run(
                [str(folder / program), "-D", str(place / "data"), *words],
                user=account,
                cwd=place,
                check=False,
                stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert done.returncode == 0, done.stdout or (place / "log").read_text("utf-8")

        run("initdb", "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync")
        options = f"-k {place} -c listen_addresses= -c fsync=off -c max_connections=50"
        run("pg_ctl", "start", "-w", "-l", str(place / "log"), "-o", options)
        try:
            yield Server(place)
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
