"""Parquet: one tweet or aspect a row, with the columns of the JSON Lines format; pyarrow is asked for
here."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from math import isnan
from typing import Any, BinaryIO

from fitecli.errors import MissingPackage, UnreadableSource
from fitecli.records import Reject, Tweet
from fitecli.sources.checks import InvalidRecord
from fitecli.sources.rows import ASPECT, tweets_of

COLUMNS = ("id", "text", "aspects", "images", "split", "author", "created_at", "aspect", *ASPECT)
ROWS = 1000  # that are in memory at once
UNREADABLE = (ValueError, OverflowError)  # not UTF-8; a time beyond the year 9999


def read(stream: BinaryIO, name: str) -> Iterator[Tweet | Reject]:
    """Read one tweet a row, or one aspect (see rows), numbered from 1; columns of other names are left
    out.

    stream: of one whole file; held whole where one cannot go back in it. Raises MissingPackage without
    pyarrow, UnreadableSource for a broken or empty file or one without the column text.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as exc:
        raise MissingPackage(
            f"{name}: Parquet needs pyarrow: pip install 'fitecli[parquet]'."
        ) from exc
    number = 0

    def records(file: Any, known: list[str]) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
        nonlocal number
        for batch in file.iter_batches(ROWS, columns=known):
            for row in _rows(batch):
                number += 1
                if isinstance(row, InvalidRecord):
                    yield number, Reject(number, str(row))
                else:
                    yield number, _plain(row)

    try:
        file = ParquetFile(stream if stream.seekable() else BytesIO(stream.read()))
        if "text" not in file.schema_arrow.names:
            raise UnreadableSource(
                f"{name} has no column text (it has {', '.join(file.schema_arrow.names)})."
            )
        known = [column for column in file.schema_arrow.names if column in COLUMNS]
        yield from tweets_of(records(file, known))
    except (ArrowException, OSError, EOFError, zlib.error) as exc:
        raise UnreadableSource(f"{name} cannot be read beyond row {number}: {exc}.") from exc
    if not number:
        raise UnreadableSource(f"{name} is empty: it holds no tweets.")


def _rows(batch: Any) -> Iterator[dict[str, Any] | InvalidRecord]:
    """The rows of a batch; one that holds what Python has no value for is told why."""
    try:
        yield from batch.to_pylist()
    except UNREADABLE:
        for place in range(batch.num_rows):
            try:
                yield batch.slice(place, 1).to_pylist()[0]
            except UNREADABLE as exc:
                yield InvalidRecord(f"cannot be read: {exc}")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON would have it: times as text, and null for what is no number."""
    return {name: _json(value) for name, value in row.items()}


def _json(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and isnan(value) else value
