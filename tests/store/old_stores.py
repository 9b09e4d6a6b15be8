"""Stores as older versions of fite made them (tools/old_stores.py)."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from fitecli.store.database import SCHEMA
from fitecli.store.tables import METADATA
from tests.conftest import DEMO

OLD = Path(__file__).parent / "old"
NAMES = sorted(path.name.removesuffix(".sql.gz") for path in OLD.iterdir())
OLDER = [name for name in NAMES if not name.startswith(SCHEMA)]
TABLES = [table.name for table in METADATA.sorted_tables]
VIEWS = ("face_descriptions", "tweet_aspects", "predictions")
SQL_OF_VIEWS = "SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY name"


def make(name: str, folder: Path) -> Path:
    """A store of then, with its pictures where it knows them."""
    shutil.copytree(DEMO / "pictures", folder / "pictures")
    shutil.copy(DEMO / "tweets.jsonl", folder / "demo.jsonl")
    path = folder / "fite.db"
    text = gzip.decompress((OLD / f"{name}.sql.gz").read_bytes()).decode()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(text.replace("/old/", f"{folder}/"))
    return path


def ask(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def schema_of(path: Path) -> str:
    return str(ask(path, "SELECT version_num FROM alembic_version")[0][0])


def rows(path: Path) -> dict[str, tuple[list[str], list[Any]]]:
    """Of each table its columns, and its rows in the order of their keys."""
    found = {}
    for table in TABLES:
        columns = [row[1] for row in ask(path, f"PRAGMA table_info({table})")]
        names = ", ".join(f'"{column}"' for column in columns)
        found[table] = columns, ask(path, f"SELECT {names} FROM {table} ORDER BY {names}")
    return found
