"""Every table, view and column says what it holds; the ten queries have one source."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest
from sqlalchemy import inspect

from fitecli.records import Prediction, Reject
from fitecli.store import VIEWS, EpochRow, Query, Store, open_store, run_query, ten_queries
from fitecli.store.tables import METADATA
from tests.postgres import Server
from tests.store.test_verbs import fill

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


def test_the_ten_queries_answer_alike_on_every_database(store: Store) -> None:
    row = fill(store)
    store.add_rejects("d", "x", [Reject(3, "no JSON")])
    more = [(1, "x", Prediction("negative", (0.7, 0.2, 0.1), 0.25))]
    for name in ("a", "b"):
        model = store.register_model(name, f"/{name}", name * 64)
        store.save_predictions(model, row.id, more)
    run = store.start_run(
        seed=0, output="/r", preset="p", datasets=["d"], feature_set_id=row.id, settings={},
        fingerprint="key",
    )  # fmt: skip
    store.add_epoch(run, EpochRow(1, 0.9, 0.5, 0.71239, 0.6, 3.0))
    store.finish_run(run, "done", best_epoch=1, dev_accuracy=0.71239)
    found = {query.name: list(map(tuple, run_query(store.place, query.runnable)[1]))
             for query in ten_queries()}  # fmt: skip
    assert sorted(found.pop("labels"), key=str) == [
        ("d", None, "positive", 1),
        ("d", None, None, 1),
    ]
    assert found == {
        "surest_faces": [("set", "d", "1", 0, "a.jpg", "Ann", 0.9)],
        "face_against_prediction": [("d", "1", "Ann", "negative", "happy")] * 2,
        "surest_mistakes": [("d", "1", "Ann", "positive", "negative", 0.7)] * 2,
        "accuracy": [("a", "set", 1, 0.0), ("b", "set", 1, 0.0)],
        "worst_felt": [("Ann", 1, 0.7)],
        "gate": [(1, 0.25, 2)],
        "failed_pictures": [],
        "rejects": [("d", "x", 3, "no JSON")],
        "runs": [(run, "p", 0, "done", 1, 0.7124, 3.0)],
    }


@pytest.mark.parametrize(
    ("value", "told"),
    [("42", 42), ("-4.5", -4.5), ("1e30", 1e30), (f"{2**63}", 2.0**63), ("'NaN'", None)],
)
def test_numbers_of_a_server_are_those_of_json(
    value: str, told: float | None, postgres: Server
) -> None:
    place = postgres.store()
    open_store(place).close()
    ((found,),) = run_query(place, f"select {value}::numeric")[1]
    assert orjson.loads(orjson.dumps(found)) == told
    assert type(found) is (type(told) if told is not None else float)


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
