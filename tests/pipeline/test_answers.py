"""Answers as Parquet: a row for each aspect, no record lost, no more than a row group in memory."""

from __future__ import annotations

import builtins
import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from pyarrow import parquet

from fitecli.errors import MissingPackage
from fitecli.pipeline import answers
from fitecli.pipeline.answers import ROWS, schema, write_parquet

ASPECT = {
    "text": "Ann", "start": 0, "end": 3, "sentiment": "positive",
    "scores": {"negative": 0.04, "neutral": 0.1, "positive": 0.86}, "gate": 0.46, "face": None,
}  # fmt: skip
WHOLE = {
    "id": "1", "text": "Ann met Bob", "features": "f", "aligner": "prominence (guess)",
    "aspects": [ASPECT, {**ASPECT, "text": "Bob", "sentiment": None, "gate": None}],
    "failed_pictures": {"a.jpg": "is no picture", "b.jpg": "is missing"},
}  # fmt: skip


def table(*lines: dict[str, Any]) -> Any:
    stream = io.BytesIO()
    assert write_parquet(iter(lines), stream) == len(lines)
    return parquet.read_table(io.BytesIO(stream.getvalue()))


def test_every_aspect_is_a_row_with_all_that_the_line_tells() -> None:
    first, second = table(WHOLE).to_pylist()
    assert first == {
        "id": "1", "file": None, "line": None, "text": "Ann met Bob", "aspect": "Ann", "start": 0, "end": 3,
        "sentiment": "positive", "negative": 0.04, "neutral": 0.1, "positive": 0.86, "gate": 0.46,
        "face": None, "features": "f", "aligner": "prominence (guess)", "error": None,
        "failed_pictures": [("a.jpg", "is no picture"), ("b.jpg", "is missing")],
    }  # fmt: skip
    assert (second["aspect"], second["sentiment"], second["gate"]) == ("Bob", None, None)


def test_no_record_is_lost() -> None:
    rows = table({"line": 3, "error": "no JSON"}, {"id": "2", "text": "alone", "aspects": []})
    failed, alone = rows.to_pylist()
    assert {key for key, value in failed.items() if value is not None} == {"line", "error"}
    assert {key for key, value in alone.items() if value is not None} == {"id", "text"}
    assert table().schema == schema()


def test_memory_does_not_grow_with_the_answers() -> None:
    def lines(count: int) -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {**WHOLE, "id": str(number), "text": f"{number} " * 20}

    peaks = []
    for groups in (2, 6):
        tracemalloc.start()
        stream = io.BytesIO()
        write_parquet(lines(groups * ROWS // 2), stream)
        peaks.append(tracemalloc.get_traced_memory()[1] - stream.tell())
        tracemalloc.stop()
        assert parquet.ParquetFile(stream).num_row_groups == groups
    assert peaks[1] < 1.3 * peaks[0]


def test_without_pyarrow_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingPackage, match=r"pip install 'fitecli\[parquet\]'"):
        answers.schema()
