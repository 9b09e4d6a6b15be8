"""SQL for people: everything that reads works, everything else is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitecli.errors import NotAStore, QueryRefused, StoreError
from fitecli.records import Tweet
from fitecli.store import open_store, run_query


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("query") / "my store.db"
    with open_store(path) as store:
        store.add_tweets("d", [Tweet("hello", str(n)) for n in range(3)])
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from tweet",
        "with t as (select 3 as n) select n from t",
        "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select max(n) from t",
        "select max(length(text)) - 2 from tweet; ",
        "explain query plan select 1",
        "pragma table_info(tweet)",
        "select sum(value) from json_each('[1, 2]')",
        "select count(*) - 1 from json_tree('[1, 2, 3]')",
        "select count(*) from pragma_table_info('reject') where name in ('line', 'reason', 'source')",
    ],
)
def test_reading_works(sql: str, path: Path) -> None:
    columns, rows = run_query(path, sql)
    found = list(rows)
    assert columns
    assert found
    if "select" in sql and "explain" not in sql:
        assert found[0][0] == 3


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("delete from tweet", "DELETE from tweet"),
        ("update tweet set text = ''", "UPDATE of tweet"),
        ("insert into tweet (text) values ('x')", "INSERT into tweet"),
        ("drop table tweet", "only reads"),
        ("create table x (y)", "only reads"),
        ("create temp table x (y)", "only reads"),
        ("attach 'other.db' as other", "ATTACH"),
        ("detach main", "DETACH"),
        ("pragma journal_mode = delete", "PRAGMA journal_mode"),
        ("pragma writable_schema = 1", "PRAGMA writable_schema"),
        ("select * from pragma_journal_mode", "only reads: a table that is a function of SQLite"),
        ("select * from pragma_wal_checkpoint", "no such table"),
        ("vacuum into 'copy.db'", "only reads"),
        ("begin", "transaction control"),
        ("select load_extension('x')", "reaches outside"),
        ("select 1; select 2", r"one statement at a time\. Views"),
        ("select * from twet", "face_descriptions"),
        ("select nobody from tweet", "Views to ask"),
        ("selec 1", "syntax error"),
        ("  ", "empty"),
    ],
)
def test_everything_else_is_refused(sql: str, reason: str, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(QueryRefused, match=reason):
        list(run_query(path, sql)[1])
    assert path.read_bytes() == before
    assert {item.name for item in path.parent.iterdir()} <= {
        path.name,
        f"{path.name}-wal",
        f"{path.name}-shm",
    }


def test_reading_goes_on_while_another_writes(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM tweet")
        assert list(run_query(path, "select count(*) from tweet")[1]) == [(3,)]
        other.execute("ROLLBACK")


@pytest.mark.parametrize("content", [b"", b"no database at all" * 99])
def test_another_file_is_told_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(content)
    with pytest.raises(NotAStore, match=r"other\.db is no fite store"):
        run_query(tmp_path / "other.db", "select 1")


def test_a_locked_or_foreign_database_is_told(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM tweet")
        with pytest.raises(StoreError) as caught:
            run_query(path, "select 1")
        assert not isinstance(caught.value, NotAStore)
    with closing(sqlite3.connect(tmp_path / "other.db")) as foreign, foreign:
        foreign.execute("CREATE TABLE alembic_version (version_num)")
        foreign.execute("CREATE TABLE recipes (name)")
    with pytest.raises(NotAStore, match="no fite store"):
        run_query(tmp_path / "other.db", "select * from recipes")
    with pytest.raises(NotAStore, match="recipes"):
        open_store(tmp_path / "other.db")


def test_a_missing_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAStore, match="fite ingest FILE"):
        run_query(tmp_path / "none.db", "select 1")


NASTY = (
    "\x00", "select '\ud800'", "select 1\0; delete from tweet", "select ?", "select :a, @b, $c",
    "/**/", ";", "--", "attach ':memory:' as m", "attach 'file:other.db?mode=rwc' as o",
    "select * from pragma_journal_mode('delete')", "select * from pragma_writable_schema(1)",
    "with t as (select 1) delete from tweet", "replace into tweet values (1)",
    "create virtual table v using fts5(x)",
    "create trigger t after insert on tweet begin select 1; end", "reindex", "analyze",
    "savepoint a", "release a", "commit", "end", "rollback", "begin exclusive",
    "alter table tweet add x", "explain delete from tweet", "pragma main.user_version = 9",
    "pragma wal_checkpoint(truncate)", "vacuum", "pragma schema_version = 9", "pragma optimize",
    "pragma integrity_check", "select readfile('/etc/passwd')", "select writefile('x', 'y')",
    "select edit('x')", "select load_extension('x', 'y')", "select fts3_tokenizer('a')",
    "select * from csv('/etc/passwd')", "select * from fsdir('/')",
    "insert into tweet default values returning *", "update tweet set text = 'x' returning text",
    "select " + "(" * 3000, "select 1" + " union select 1" * 900, "select " + "9" * 9000,
    "select cast(x'ff' as text)", "select 9e999, -9e999, 1/0", "select x'00', char(0)",
    "values (1), (2)", "select json('{')", "select abs(-9223372036854775808)",
    "pragma table_info(tweet); drop table tweet", "select rtreecheck('main', 'tweet')",
    "select * from sqlite_dbpage", "select zeroblob(2000000000)", "select 'x",
)  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but what SQLite keeps of its locks."""
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.suffix != ".db-shm"}


@given(
    st.sampled_from(NASTY) | st.text(),
    st.sampled_from(["", ";", " -- ", "select 1 "]) | st.text(max_size=9),
)
@settings(
    deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_asked_nothing_is_written_or_attached(path: Path, sql: str, more: str) -> None:
    list(run_query(path, "select 1")[1])
    before = contents(path.parent)
    for query in (sql, sql + more, more + sql):
        with suppress(QueryRefused):
            for number, _ in enumerate(run_query(path, query)[1]):
                assert number < 1000
    assert contents(path.parent) == before
    assert not Path("other.db").exists()
    databases = list(run_query(path, "pragma database_list")[1])
    assert [row[1] for row in databases] == ["main"]


@pytest.mark.parametrize("sql", ["select '\ud800'", "select 1\0"])
def test_what_is_no_text_is_told(sql: str, path: Path) -> None:
    with pytest.raises(QueryRefused, match="no Unicode text"):
        run_query(path, sql)


VERBS = st.sampled_from(
    "select delete update insert drop attach pragma vacuum ; tweet * from 1 , ( ) 'x' = into".split()
)


@given(st.lists(VERBS, max_size=8).map(" ".join))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_words_can_write(path: Path, sql: str) -> None:
    with suppress(QueryRefused):
        list(run_query(path, sql)[1])
    assert list(run_query(path, "select count(*) from tweet")[1]) == [(3,)]
