"""Datasets of the store as other tools read them: lines of our own, tables, folders of splits."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from fitecli.errors import MissingPackage
from fitecli.pipeline.examples import find_features
from fitecli.records import Aspect, TweetImage
from fitecli.spreadsheets import Cells
from fitecli.store import FeatureSetRow, Scope, Store, StoredAspect, TweetRow

FILES = ("jsonl", "csv", "parquet")  # formats of one file
ROWS = 5000  # of a row group, which are in memory at once
CSV_COLUMNS = (
    "id", "text", "aspect", "start", "end", "label", "images", "split", "author", "created_at",
    "origin", "face", "description", "caption", "features",
)  # fmt: skip
SEPARATOR = ";"  # of several pictures in one cell, as `fite ingest` reads it
Tell = Callable[[str], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """Which tweets are to go out, and what they are described by."""

    dataset: str
    split: str | None
    features: FeatureSetRow | None

    @property
    def scope(self) -> Scope:
        """The tweets as the store's verbs name them."""
        return Scope(self.dataset, self.split)


def choose(
    store: Store, dataset: str, split: str | None, features: str | None, tell: Tell | None
) -> Part:
    """What to hand out; raises NoExamples for a dataset, split or feature set that is not there.

    tell: hears which features are read; None where the format tells of none.
    """
    store.require(dataset, split)
    found = find_features(store, features, (dataset,))
    if tell is not None and found is None:
        tell("There are no features yet: no faces and captions are told (`fite extract`).")
    elif tell is not None and features is None and found is not None:
        tell(f"Features: {found.name} (the last complete ones; choose with --features).")
    return Part(dataset, split, found)


# one line for each tweet


def tweet_lines(store: Store, part: Part) -> Iterator[Row]:
    """The tweets as lines of our input format: ingested again, they give the same rows."""
    for page in store.tweet_pages(part.scope):
        for row in page:
            yield _line(row)


def _line(row: TweetRow) -> Row:
    tweet = row.tweet
    line: Row = {
        "id": tweet.source_id,
        "text": tweet.text,
        "aspects": [_told(aspect) for aspect in tweet.aspects],
        "images": [image.name for image in tweet.images],
    }
    more = {name: getattr(tweet, name) for name in ("split", "author", "created_at")}
    return line | {name: value for name, value in more.items() if value is not None}


def _told(aspect: Aspect) -> Row:
    told = {name: getattr(aspect, name) for name in Aspect.__dataclass_fields__}
    if aspect.origin == "given":
        del told["origin"]
    return {name: value for name, value in told.items() if value is not None}


# one row for each aspect


def aspect_rows(store: Store, part: Part) -> Iterator[tuple[Row, tuple[TweetImage, ...]]]:
    """The aspects as rows, with their tweet's pictures; a tweet without an aspect has no row."""
    for page in store.tweet_pages(part.scope):
        described: dict[int, StoredAspect] = {}
        if part.features is not None:
            scope = Scope(tweet_ids=tuple(row.id for row in page))
            found = store.stored_aspects(scope, part.features)
            described = {item.aspect_id: item for item in found}
        for row in page:
            for number, aspect in zip(row.aspect_ids, row.tweet.aspects, strict=True):
                values = _row(row, aspect, described.get(number), part.features)
                yield values, row.tweet.images


def _row(
    row: TweetRow, aspect: Aspect, described: StoredAspect | None, features: FeatureSetRow | None
) -> Row:
    tweet = row.tweet
    return {
        "id": tweet.source_id,
        "text": tweet.text,
        "aspect": aspect.text,
        "start": aspect.start,
        "end": aspect.end,
        "label": aspect.label,
        "origin": aspect.origin,
        "images": [image.name for image in tweet.images],
        "image_paths": [image.path for image in tweet.images],
        "split": tweet.split,
        "author": tweet.author,
        "created_at": tweet.created_at,
        "face": described.face.strip() if described and described.face else None,
        "description": described.description.strip() if described else None,
        "caption": described.caption or None if described else None,
        "features": features.name if features and described else None,
    }


def csv_lines(rows: Iterator[Row], cells: Cells) -> Iterator[bytes]:
    """Rows as CSV with a header; pictures are joined by a semicolon."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        yield _taken(buffer)
        values = row | {"images": SEPARATOR.join(row["images"])}
        writer.writerow(cells.row(values[name] for name in CSV_COLUMNS))
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    """What was written since the last time."""
    found = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return found


def parquet_schema() -> Any:
    """The columns of a table of aspects; raises MissingPackage without pyarrow."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError as exc:
        raise MissingPackage("Parquet needs pyarrow: pip install 'fitecli[parquet]'.") from exc
    kinds = {"start": pa.int64(), "end": pa.int64()}
    kinds |= dict.fromkeys(("images", "image_paths"), pa.list_(pa.string()))
    names = ("id", "text", "aspect", "start", "end", "label", "origin", "images", "image_paths",
             "split", "author", "created_at", "face", "description", "caption", "features")  # fmt: skip
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])


class TableWriter:
    """Writes rows of one schema as Parquet, a row group at a time."""

    def __init__(self, stream: BinaryIO, schema: Any, group: int = ROWS) -> None:
        """stream: an open file; it is not closed. group: rows that are held until they are written."""
        from pyarrow.parquet import ParquetWriter

        self._schema, self._group = schema, group
        self._writer = ParquetWriter(stream, schema, compression="zstd")
        self._held: list[Mapping[str, Any]] = []
        self.count = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one more row."""
        self._held.append(row)
        self.count += 1
        if len(self._held) >= self._group:
            self._flush()

    def close(self) -> None:
        """Write what is held, and the end of the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._held:
            self._writer.write_table(pa.Table.from_pylist(self._held, schema=self._schema))
            self._held = []


def write_table(rows: Iterator[Row], stream: BinaryIO, schema: Any) -> int:
    """Write rows as one Parquet file; returns how many there were."""
    writer = TableWriter(stream, schema)
    for row in rows:
        writer.add(row)
    writer.close()
    return writer.count
