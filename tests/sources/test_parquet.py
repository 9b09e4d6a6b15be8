"""Tweets in Parquet: the columns of the JSON Lines format."""

from __future__ import annotations

import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from fitecli import sources
from fitecli.errors import UnreadableSource
from fitecli.records import Reject, Tweet

ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "text": "Ann met Bob",
        "aspects": [
            {"text": "Ann", "start": 0, "end": 3, "label": "positive"},
            {"text": "Bob", "start": None, "end": None, "label": None},
        ],
        "images": ["a.jpg"],
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
        "likes": 7,
    },
    {"id": 2, "text": "", "aspects": None, "images": None, "created_at": None, "likes": 0},
    {"id": 3, "text": "alone", "aspects": [], "images": [], "created_at": None, "likes": 0},
]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_rows_are_tweets(tmp_path: Path) -> None:
    path = written(tmp_path / "tweets.parquet", ROWS)
    first, second, third = sources.read(path)
    assert isinstance(first, Tweet)
    assert (first.source_id, first.text, first.line) == ("1", "Ann met Bob", 1)
    assert [(a.text, a.start, a.label) for a in first.aspects] == [
        ("Ann", 0, "positive"),
        ("Bob", 8, None),
    ]
    assert [image.name for image in first.images] == ["a.jpg"]
    assert first.created_at == "2026-01-02T00:00:00+00:00"
    assert second == Reject(2, "text is empty")
    assert isinstance(third, Tweet)
    assert third.line == 3


def test_rows_of_aspects_are_joined(tmp_path: Path) -> None:
    import pandas as pd

    table = pd.DataFrame(
        {
            "id": ["1", "1", "2"],
            "text": ["Ann and Bob", "Ann and Bob", "Ann"],
            "aspect": ["Bob", "Ann", None],
            "start": [8, None, None],  # which makes floats of all
            "end": [11, None, None],
            "label": [1.0, -1.0, None],
        }
    )
    path = tmp_path / "rows.parquet"
    table.to_parquet(path)
    lines = tmp_path / "rows.jsonl"
    table.to_json(lines, orient="records", lines=True)
    for place in (path, lines):
        first, second = sources.read(place)
        assert isinstance(first, Tweet)
        assert isinstance(second, Tweet)
        found = [(aspect.text, aspect.start, aspect.label) for aspect in first.aspects]
        assert found == [("Bob", 8, "positive"), ("Ann", 0, "negative")]
        assert second.aspects == ()


def test_a_pipe_is_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", [{"text": "Ann"}])
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        (tweet,) = sources.read(cat.stdout, "parquet")  # type: ignore[arg-type]
    assert isinstance(tweet, Tweet)


def test_a_stream_is_read_in_parts(tmp_path: Path) -> None:
    rows = [{"id": str(number), "text": f"tweet {number}"} for number in range(2500)]
    path = written(tmp_path / "other.name", rows)
    found = list(sources.read(io.BytesIO(path.read_bytes()), "parquet", name="stream"))
    assert [record.line for record in found] == list(range(1, 2501))


def test_what_is_no_parquet_of_tweets_is_told(tmp_path: Path) -> None:
    bare = written(tmp_path / "bare.parquet", [{"body": "no text"}])
    with pytest.raises(UnreadableSource, match=r"no column text \(it has body\)"):
        list(sources.read(bare))
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(UnreadableSource, match="cannot be read beyond row 0"):
        list(sources.read(broken))
    whole = written(tmp_path / "cut.parquet", ROWS).read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableSource, match="cannot be read beyond row 0"):
        list(sources.read(broken))


def test_a_row_that_python_has_no_value_for_is_a_reject(tmp_path: Path) -> None:
    texts = pa.array([b"Ann", b"\xff\xfe", b"Bob"], pa.binary()).view(pa.string())
    times = pa.array([0, 0, 300_000_000_000], pa.timestamp("s"))
    path = tmp_path / "TWEETS.PARQUET"
    parquet.write_table(pa.table({"text": texts, "created_at": times}), path)
    first, second, third = sources.read(path)
    assert isinstance(first, Tweet)
    assert isinstance(second, Reject)
    assert "utf-8" in second.reason
    assert isinstance(third, Reject)
    assert third.line == 3


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tweets.parquet"
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    with pytest.raises(UnreadableSource, match="holds no tweets"):
        list(sources.read(path))
