"""The store in Datasette: all of it can be read, nothing else can be done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import pytest

from fitecli.browsing.metadata import FACETS, HIDDEN, NAME, SIZES, SORTED
from fitecli.browsing.site import KEPT, opened_site, pm
from fitecli.errors import NotAStore, StoreOutdated
from fitecli.records import Tweet
from fitecli.store import VIEWS, open_store, ten_queries
from fitecli.store.tables import METADATA
from tests.browsing.conftest import Asking


def test_every_view_and_table_is_shown_with_its_descriptions(site: Asking) -> None:
    front = site("/")
    assert (front.status_code, front.headers["location"]) == (302, f"/{NAME}")
    page = site(f"/{NAME}").text
    shown = {**{name: view.about for name, view in VIEWS.items()},
             **{name: table.info["about"] for name, table in METADATA.tables.items()}}  # fmt: skip
    for name in shown:
        listed = f'href="/{NAME}/{name}"' in page
        assert listed == (name not in HIDDEN), name
        answer = site(f"/{NAME}/{name}")
        assert answer.status_code == 200, name
        assert "data-column-description" in answer.text or "0 records" in answer.text, name
    assert "alembic_version" not in page
    assert "A tweet, its text byte for byte." in site(f"/{NAME}/tweet").text
    assert "Raw cosine of aspect and face" in site(f"/{NAME}/face_descriptions").text


def test_what_datasette_is_told_names_columns_that_are_there(site: Asking) -> None:
    for name, columns in FACETS.items():
        found = site(f"/{NAME}/{name}.json").json()
        assert set(columns) <= set(found["columns"]), name
        assert set(found["facet_results"]) == set(columns), name
    for name, order in SORTED.items():
        found = site(f"/{NAME}/{name}.json").json()
        assert set(order.values()) <= set(found["columns"])
        assert f"limit {SIZES[name] + 1}" in found["query"]["sql"]
        assert "order by" in found["query"]["sql"]


def test_facets_filter(site: Asking) -> None:
    found = site(f"/{NAME}/face_descriptions.json?emotion=happy").json()
    assert {row[found["columns"].index("emotion")] for row in found["rows"]} == {"happy"}
    facet = {item["value"]: item["count"]
             for item in found["facet_results"]["aligner"]["results"]}  # fmt: skip
    assert facet == {"prominence (guess)": len(found["rows"])}


def test_the_ten_queries_answer_as_fite_sql_does(site: Asking, demo_store: Path) -> None:
    page = site(f"/{NAME}").text
    with closing(sqlite3.connect(demo_store)) as connection:
        for query in ten_queries():
            assert f'href="/{NAME}/{query.name}"' in page
            rows = site.rows(f"/{NAME}/{query.name}.json?_shape=array")
            assert [tuple(row.values()) for row in rows] == connection.execute(
                query.runnable
            ).fetchall()
            assert site(f"/{NAME}/{query.name}").status_code == 200


def test_a_parameter_asks_something_else(site: Asking) -> None:
    default = site.rows(f"/{NAME}/surest_faces.json?_shape=array")
    other = site.rows(f"/{NAME}/surest_faces.json?_shape=array&emotion=neutral")
    assert {row["aspect"] for row in default} == {"Eileen Collins"}
    assert {row["aspect"] for row in other} >= {"Grace Hopper"}
    assert "emotion is happy unless it is given" in site(f"/{NAME}/surest_faces").text


@pytest.mark.parametrize(
    "sql",
    [
        "delete from tweet",
        "insert into tweet (text) values ('x')",
        "attach 'x.db' as x",
        "pragma journal_mode = delete",
        "pragma schema_version = 1",
        "select load_extension('x')",
        "select readfile('/etc/passwd')",
        "select writefile('x', 'y')",
        "select fts3_tokenizer('x')",
        "select * from pragma_table_list; delete from tweet",
        "vacuum into 'copy.db'",
        "with t as (select 1) delete from tweet",
        "explain delete from tweet",
        "select * from pragma_schema_version(1)",
        "select * from pragma_optimize()",
        "select length(zeroblob(900000000))",
        "select length(randomblob(900000000))",
    ],
)
def test_sql_only_reads(sql: str, hostile: Asking, hostile_store: Path) -> None:
    before = hostile_store.read_bytes()
    answer = hostile(f"/{NAME}?sql={quote_plus(sql)}")
    assert answer.status_code == 400, answer.text
    assert hostile_store.read_bytes() == before


def test_datasettes_own_connection_cannot_do_more_than_read(demo_store: Path) -> None:
    with opened_site(str(demo_store), blur=False) as opened:
        file = opened.datasette.get_database(NAME)
        connection = file.connect()
        assert connection.execute("select count(*) from tweet").fetchone() == (7,)
        for sql in ("delete from tweet", "attach 'x.db' as x", "pragma query_only = 0",
                    "create temp table t (a)", "select load_extension('x')"):  # fmt: skip
            with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"):
                connection.execute(sql)
        with pytest.raises(sqlite3.OperationalError, match="only read"):
            file.connect(write=True)


@pytest.mark.parametrize(
    "path",
    [f"/{NAME}.db", "/_internal", "/_internal/databases", "/_memory", "/-/auth-token?token=x",
     "/-/permissions", "/-/static-plugins/fitecli.browsing/../guard.py",
     "/-/static-plugins/fitecli.browsing/%2e%2e/guard.py", "/-/static/../../app.py", "/fite.db"],
)  # fmt: skip
def test_nothing_but_the_store_is_served(path: str, site: Asking) -> None:
    assert site(path).status_code in (403, 404), path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nobody_writes(method: str, site: Asking) -> None:
    answer = site(f"/{NAME}/surest_faces", method=method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_query_has_a_time_limit(site: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "with recursive t(n) as (select 1 union all select n + 1 from t) select max(n) from t"
    answer = site(f"/{NAME}?" + urlencode({"sql": endless, "_timelimit": 50}))
    assert answer.status_code == 400
    assert "interrupted" in answer.text.lower() or "too long" in answer.text
    assert site(f"/{NAME}/tweet").status_code == 200


def test_the_store_can_be_written_meanwhile(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store:
        store.add_tweets("d", [Tweet("one", "1")])
        with opened_site(str(tmp_path / "fite.db"), blur=False) as opened:
            ask = Asking(opened.app)
            assert len(ask.rows(f"/{NAME}/tweet.json?_shape=array")) == 1
            with store.engine.begin() as connection:  # holds the write lock
                connection.exec_driver_sql("update tweet set text = 'other'")
                (row,) = ask.rows(f"/{NAME}/tweet.json?_shape=array")
                assert row["text"] == "one"
            store.add_tweets("d", [Tweet("two", "2")])
            texts = [row["text"] for row in ask.rows(f"/{NAME}/tweet.json?_shape=array")]
            assert texts == ["other", "two"]


def test_odd_paths_are_paths_only(hostile: Asking, hostile_store: Path) -> None:
    assert "?mode=rw" in str(hostile_store)
    assert len(hostile.rows(f"/{NAME}/tweet.json?_shape=array")) == 2


def test_no_other_plugin_has_a_say(demo_store: Path) -> None:
    class Stranger:
        __name__ = "stranger"

    stranger, before = Stranger(), set(pm.get_plugins())
    pm.register(stranger, "stranger")
    try:
        with opened_site(str(demo_store), blur=False):
            assert {pm.get_name(found) for found in pm.get_plugins()} == {
                *KEPT,
                "fitecli.browsing",
            }
        assert set(pm.get_plugins()) == before | {stranger}
    finally:
        pm.unregister(stranger)


def test_only_stores_of_this_version_are_opened(tmp_path: Path) -> None:
    with pytest.raises(NotAStore), opened_site(str(tmp_path / "none.db"), blur=False):
        pass
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "words.db").write_text("no database at all, just words" * 9)
    with pytest.raises(NotAStore), opened_site(str(tmp_path / "words.db"), blur=False):
        pass
    open_store(tmp_path / "old.db").close()
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("update alembic_version set version_num = '0001'")
        connection.commit()
    with pytest.raises(StoreOutdated, match="fite store upgrade"):
        with opened_site(str(tmp_path / "old.db"), blur=False):
            pass


def test_a_large_store_is_not_sorted(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fitecli.browsing.site.SMALL", 3)
    with opened_site(str(demo_store), blur=False) as opened:
        found = Asking(opened.app)(f"/{NAME}/predictions.json").json()
    assert "order by" not in found["query"]["sql"]


def test_bugs_and_only_they_are_printed(
    site: Asking, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (
        "/nothing/here",
        f"/{NAME}/-/query.json",
        f"/{NAME}/-/create",
        f"/{NAME}/tweets/7",
    ):
        assert site(path).status_code == 404, path
    assert "There is no table tweets." in site(f"/{NAME}/tweets/7").text
    assert site("/-/fite/tweet?tweet=none").status_code == 404
    assert "There is no tweet" in site("/-/fite/tweet?tweet=none").text
    assert site("/-/fite/tweet").status_code == 400
    assert site(f"/{NAME}/tweet?_size=x").status_code == 400
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr("fitecli.store.Store.find_tweet", lambda *_: 1 / 0)
    assert site("/-/fite/tweet?tweet=demo-1").status_code == 500
    out, err = capfd.readouterr()
    assert out == ""
    assert "ZeroDivisionError" in err
