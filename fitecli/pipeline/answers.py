"""Answers of `classify` as Parquet: one row for each aspect, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from fitecli.errors import MissingPackage
from fitecli.records import LABELS

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000  # of a row group, which are in memory at once
Line = Mapping[str, Any]


def schema() -> pa.Schema:
    """The columns of the answers; raises MissingPackage without pyarrow."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError as exc:
        raise MissingPackage(
            "Answers as Parquet need pyarrow: pip install 'fitecli[parquet]'."
        ) from exc
    number, text = pa.int64(), pa.string()
    scores = [(label, pa.float64()) for label in LABELS]
    return pa.schema(
        [
            ("id", text),
            ("file", text),
            ("line", number),
            ("text", text),
            ("aspect", text),
            ("start", number),
            ("end", number),
            ("sentiment", text),
            *scores,
            ("gate", pa.float64()),
            ("face", text),
            ("features", text),
            ("aligner", text),
            ("failed_pictures", pa.map_(text, text)),
            ("error", text),
        ]
    )


def rows_of(line: Line) -> list[dict[str, Any]]:
    """An answer line as rows, one for each aspect; no record is lost.

    A record that failed is a row with line and error, a tweet without aspects one without an aspect.
    """
    names = ("id", "file", "line", "text", "features", "aligner", "error")
    shared: dict[str, Any] = {name: line[name] for name in names if name in line}
    if "failed_pictures" in line:
        shared["failed_pictures"] = list(line["failed_pictures"].items())
    rows = []
    for aspect in line.get("aspects", ()):
        told = {name: aspect[name] for name in ("start", "end", "sentiment", "gate", "face")}
        rows.append({**shared, "aspect": aspect["text"], **told, **aspect["scores"]})
    return rows or [shared]


def write_parquet(lines: Iterator[Line], stream: BinaryIO) -> int:
    """Write lines as row groups; returns how many lines there were."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    count = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for line in lines:
            count += 1
            yield from rows_of(line)

    columns, all_rows = schema(), rows()
    with ParquetWriter(stream, columns, compression="zstd") as writer:
        while batch := list(islice(all_rows, ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema=columns))
    return count
