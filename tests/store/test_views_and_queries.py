"""Every table, view and column says what it holds; the ten queries have one source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect

from fitecli.store import VIEWS, Query, Store, open_store, run_query, ten_queries
from fitecli.store.tables import METADATA

LONGEST = 90  # of a column's description: one line of a table


def test_every_table_and_column_says_what_it_holds() -> None:
    for table in METADATA.tables.values():
        assert table.info["about"].endswith(".")
        for column in table.columns:
            assert column.doc, f"{table.name}.{column.name}"
            assert column.doc.endswith((".", "…")), column.doc
            assert len(column.doc) <= LONGEST, column.doc
            assert "|" not in column.doc, column.doc


def test_every_view_tells_of_its_columns_in_their_order(store: Store) -> None:
    found = inspect(store.engine)
    assert set(found.get_view_names()) == set(VIEWS)
    for name, view in VIEWS.items():
        assert view.about
        assert list(view.columns) == [column["name"] for column in found.get_columns(name)]
        assert all(view.columns.values())


def test_the_ten_queries_run_with_and_without_parameters(tmp_path: Path) -> None:
    open_store(tmp_path / "fite.db").close()
    queries = ten_queries()
    assert len(queries) == 10
    assert len({query.name for query in queries}) == 10
    for query in queries:
        assert re.fullmatch(r"[a-z_]+", query.name)
        columns, _ = run_query(tmp_path / "fite.db", query.runnable)
        assert columns
        asked = set(re.findall(r":([a-z]\w*)", query.asking))
        assert asked == set(query.parameters)
        assert ":" not in query.runnable


def test_a_parameter_is_what_it_is_by_default_or_what_is_given(tmp_path: Path) -> None:
    open_store(tmp_path / "fite.db").close()
    query = Query("name", "title", "select :word as a, 'x' as b", {"word": "it's"})
    assert query.runnable == "select 'it''s' as a, 'x' as b"
    given = query.asking.replace(":word", "''")
    assert list(run_query(tmp_path / "fite.db", given)[1]) == [("it's", "x")]
    given = query.asking.replace(":word", "'hers'")
    assert list(run_query(tmp_path / "fite.db", given)[1]) == [("hers", "x")]


def test_a_parameter_without_a_default_is_a_mistake_of_the_list() -> None:
    with pytest.raises(KeyError):
        _ = Query("name", "title", "select :word").runnable
