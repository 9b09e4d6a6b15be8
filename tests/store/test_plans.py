"""How SQLite finds the rows of a batch: by indexes of the batch's rows, never through whole tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.predicting import WITHOUT_TORCH, ClassifyOptions
from fitecli.records import CorrectedTweet
from fitecli.settings import Settings
from fitecli.store import ModelReading, Scope, Store, open_store
from tests.conftest import DEMO

LARGE = "tweet|aspect|image|tweet_image|analysis|face|caption|alignment|description|face_sentence"
LARGE += "|prediction|image_embedding|text_embedding"
WHOLE = re.compile(rf"SCAN ({LARGE})(_\d+)?\b|INDEX ix_\w+_(worker|model|feature_set)_id")


@contextmanager
def plans(store: Store) -> Iterator[dict[str, list[str]]]:
    """Statement -> the steps of its plan, of all that is asked meanwhile."""
    found: dict[str, list[str]] = {}
    asking = False

    def look(connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        nonlocal asking
        if asking or not statement.lstrip().upper().startswith(("SELECT", "DELETE", "UPDATE")):
            return
        asking = True
        first = values[0] if isinstance(values, list) else values
        rows = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", first).fetchall()
        found[statement] = [row[3] for row in rows]
        asking = False

    event.listen(store.engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        event.remove(store.engine, "before_cursor_execute", look)


def whole(found: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Steps that read a large table from end to end, with their statements."""
    return [
        (step, " ".join(statement.split()))
        for statement, steps in found.items()
        for step in steps
        if WHOLE.search(step)
    ]


def test_batches_are_found_by_their_own_rows(tmp_path: Path, small_clip: Path) -> None:
    settings = Settings(models=small_clip, offline=True)
    with open_store(tmp_path / "fite.db") as store:
        with plans(store) as asked:
            ingest(store, DEMO / "tweets.jsonl", dataset="d", images=DEMO / "pictures")
        assert whole(asked) == []
        extractor = Extractor(
            store, ExtractOptions(captioner="none", aligner="clip"), settings, lambda message: None
        )
        scope = Scope(tweet_ids=tuple(store.tweet_ids(Scope())))
        with plans(store) as asked:
            extractor.run(scope)
        assert len(asked) > 20
        assert whole(asked) == []
        options = ClassifyOptions(extract=WITHOUT_TORCH)
        job = ClassifyJob(store, options, settings, lambda message: None)
        with plans(store) as asked:
            list(job.file(DEMO / "tweets.jsonl", dataset="e", images=DEMO / "pictures"))
        assert len(asked) > 20
        assert whole(asked) == []


def test_a_whole_table_would_be_seen(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store, plans(store) as asked:
        store.info()
    assert any("SCAN tweet" in step for step, _ in whole(asked))


@pytest.mark.parametrize("verb", ["tweets_of", "find_tweet"])
def test_a_person_is_found_by_an_index(tmp_path: Path, verb: str) -> None:
    with open_store(tmp_path / "fite.db") as store:
        ingest(store, DEMO / "tweets.jsonl", dataset="d")
        with plans(store) as asked:
            if verb == "tweets_of":
                store.tweets_of(source_id="demo-1", dataset="d")
            else:
                store.find_tweet("demo-1", "d")
    assert whole(asked) == []


def test_pictures_to_look_at_are_found_by_an_index(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store:
        ingest(store, DEMO / "tweets.jsonl", dataset="d", images=DEMO / "pictures")
        with plans(store) as asked:
            assert len(store.tweet_pictures("demo-1", "d")) == 1
            store.picture_of_face("demo-1", "d", "features", 0)
    assert len(asked) >= 3
    assert whole(asked) == []


def test_pictures_without_bytes_are_found_by_their_names(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store:
        with plans(store) as asked:
            ingest(store, DEMO / "tweets.jsonl", dataset="d")  # none of its pictures is there
        by_name = [steps for statement, steps in asked.items() if "sha256 IS NULL" in statement]
        assert by_name
        for steps in by_name:
            assert any("uq_image_dataset_name (dataset=? AND name=?)" in step for step in steps)


def test_who_is_unsure_is_found_in_one_pass(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store:
        ingest(store, DEMO / "tweets.jsonl", dataset="d")
        with plans(store) as asked:
            store.unsure_first(ModelReading(Scope("d"), 1, 1))
        steps = [step for found in asked.values() for step in found]
        assert steps
        assert not any("CORRELATED" in step for step in steps)  # a search for each prediction
        with plans(store) as asked:
            store.last_predictions(ModelReading(Scope("d"), 1, 1), [1, 2])
            store.tweet_rows([1, 2])
        assert whole(asked) == []


def test_corrections_are_found_by_their_own_rows(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store:
        ingest(store, DEMO / "tweets.jsonl", dataset="d")
        (page,) = store.tweet_pages(Scope("d"))
        tweet = next(row.tweet for row in page if row.tweet.aspects)
        aspects = tuple(replace(aspect, label="neutral") for aspect in tweet.aspects)
        corrected = CorrectedTweet(tweet.text, tweet.source_id, aspects)
        with plans(store) as asked:
            store.correct("d", [corrected])
        assert whole(asked) == []
