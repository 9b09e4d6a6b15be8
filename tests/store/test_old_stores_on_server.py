"""Old stores on PostgreSQL: the same migrations with the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fitecli.errors import StoreOutdated
from fitecli.store import open_store, run_query
from fitecli.store.database import SCHEMA, store_url
from fitecli.store.migrating import migrate, upgrade
from tests.postgres import Server
from tests.store.old_stores import OLDER, SQL_OF_VIEWS, TABLES, VIEWS, ask, make, rows
from tests.store.test_database import two_revisions


@pytest.fixture(params=OLDER)
def on_server(request: pytest.FixtureRequest, postgres: Server, tmp_path: Path) -> str:
    """An old store on PostgreSQL: the tables of then with the rows of then."""
    import psycopg

    path, place = make(request.param, tmp_path), postgres.empty()
    migrate(store_url(place), request.param[:4])
    with psycopg.connect(place) as connection:
        for table, (columns, found) in rows(path).items():
            names, marks = (
                ", ".join(f'"{column}"' for column in columns),
                ", ".join(["%s"] * len(columns)),
            )
            insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"
            with connection.cursor() as cursor:
                cursor.executemany(insert, found)  # type: ignore[arg-type]
            if "id" in columns:
                connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
                )  # type: ignore[arg-type]
        for name, sql in ask(path, SQL_OF_VIEWS):
            connection.execute(f"DROP VIEW {name}")
            connection.execute(sql)
        connection.execute("CREATE VIEW mine AS SELECT tweet, face FROM face_descriptions")
    return place


def on_postgres(place: str, sql: str) -> list[Any]:
    import psycopg

    with psycopg.connect(place) as connection:
        return connection.execute(sql).fetchall()  # type: ignore[arg-type]


def test_rows_survive_on_a_server(on_server: str) -> None:
    columns = {
        table: [row[0] for row in on_postgres(on_server, COLUMNS_OF.format(table))]
        for table in TABLES
    }
    columns["analysis"].remove("error")  # is told without the picture's place from now on
    before = {table: taken(on_server, table, names) for table, names in columns.items()}
    [(schema,)] = on_postgres(on_server, SCHEMA_OF)
    assert all(before.values())
    for act in (open_store, lambda place: run_query(place, "select 1")):
        with pytest.raises(StoreOutdated, match="`fite store upgrade`"):
            act(on_server)
    assert upgrade(on_server) == (schema, SCHEMA, None)
    assert {table: taken(on_server, table, names) for table, names in columns.items()} == before
    errors = (
        "SELECT DISTINCT error FROM analysis WHERE status = 'failed' AND subject_kind = 'image'"
    )
    assert on_postgres(on_server, errors) == [("the file is no picture that can be read.",)]
    assert on_postgres(on_server, "SELECT count(*) FROM tweet_image WHERE picture = ''") == [(0,)]
    with open_store(on_server) as store:
        assert store.datasets() == {"demo": 7, "words": 16}
        assert store.feature_set("bundled+clip") is not None
    for view in (*VIEWS, "mine"):
        assert list(run_query(on_server, f"select * from {view}")[1]), view
    definition = on_postgres(on_server, "SELECT pg_get_viewdef('face_descriptions'::regclass)")
    assert "earlier" in definition[0][0]  # the view of today


SCHEMA_OF = "SELECT version_num FROM alembic_version"
COLUMNS_OF = (
    "SELECT column_name FROM information_schema.columns WHERE table_name = '{}' AND table_schema = "
    "'public' ORDER BY ordinal_position"
)


def taken(place: str, table: str, columns: Sequence[str]) -> list[str]:
    names = ", ".join(f'"{column}"' for column in columns)
    return sorted(str(row) for row in on_postgres(place, f"SELECT {names} FROM {table}"))


def test_a_step_that_fails_changes_nothing_on_a_server(on_server: str, tmp_path: Path) -> None:
    shape = (
        "SELECT table_name, column_name, is_nullable FROM information_schema.columns ORDER BY 1, 2"
    )
    before, schema = on_postgres(on_server, shape), on_postgres(on_server, SCHEMA_OF)
    body = "    op.execute('CREATE TABLE half (x integer)')\n    raise KeyError('x')"
    with pytest.raises(KeyError):
        upgrade(on_server, two_revisions(tmp_path / "migrations", body))
    assert on_postgres(on_server, shape) == before
    assert on_postgres(on_server, SCHEMA_OF) == schema
