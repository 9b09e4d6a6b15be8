"""What people have at hand opens the store: sqlite3, sqlite-utils and Datasette, views included."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fitecli.records import Prediction
from fitecli.store import VIEWS, open_store
from tests.store.test_verbs import fill

NAME = "tweets of 'Ann' & Böb 😀.db"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with one row in each view, under a name that must be quoted everywhere."""
    path = tmp_path_factory.mktemp("odd name") / NAME
    with open_store(path) as opened:
        row = fill(opened)
        model = opened.register_model("m", "/m", "abc")
        prediction = Prediction.from_scores((0.2, 0.3, 0.5), 0.5)
        opened.save_predictions(model, row.id, [(1, "x", prediction)])
        yield path  # while it is open, as in life


def run(program: str, *words: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([found, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(store: Path, view: str) -> list[dict[str, Any]]:
    with sqlite3.connect(store) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"select * from {view}")]


@pytest.mark.parametrize("view", VIEWS)
def test_sqlite_utils_reads_every_view(store: Path, view: str) -> None:
    rows = json.loads(run("sqlite-utils", "rows", str(store), view))
    assert rows == expected(store, view) != []


def test_sqlite_utils_lists_tables_views_and_schema(store: Path) -> None:
    views = json.loads(run("sqlite-utils", "views", str(store), "--counts"))
    assert {row["view"]: row["count"] for row in views} == {
        "face_descriptions": 1, "tweet_aspects": 2, "predictions": 1,
    }  # fmt: skip
    tables = json.loads(run("sqlite-utils", "tables", str(store), "--counts"))
    assert next(row["count"] for row in tables if row["table"] == "aspect") == 2
    assert "CREATE VIEW predictions" in run("sqlite-utils", "schema", str(store))
    query = 'select aspect, start, "end" from tweet_aspects order by start'
    found = json.loads(run("sqlite-utils", "query", str(store), query))
    assert found[0] == {"aspect": "Ann", "start": 0, "end": 3}


def test_plain_sqlite3_reads_every_view(store: Path) -> None:
    for view in VIEWS:
        rows = json.loads(run("sqlite3", "-readonly", "-json", str(store), f"select * from {view}"))
        assert rows == expected(store, view)


def test_datasette_serves_every_view(store: Path) -> None:
    app = pytest.importorskip("datasette.app", reason="datasette is not installed")

    async def pages() -> dict[str, list[dict[str, Any]]]:
        served = app.Datasette([str(store)], settings={"num_sql_threads": 1})
        await served.invoke_startup()
        (name,) = (key for key in served.databases if key != "_internal")
        found = {}
        for view in VIEWS:
            path = served.urls.table(name, view, format="json")
            answer = await served.client.get(f"{path}?_shape=array")
            assert answer.status_code == 200, answer.text
            found[view] = answer.json()
        return found

    assert asyncio.run(pages()) == {view: expected(store, view) for view in VIEWS}
