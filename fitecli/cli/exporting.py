"""How `fite datasets export` writes each format to where it was asked to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fitecli.cli.console import counted, counts, tell
from fitecli.cli.writing import replacing_folder, write, write_parts
from fitecli.outputs import replacing

if TYPE_CHECKING:
    from fitecli.pipeline.exchange import Part
    from fitecli.store import Store


def check(format: str, output: Path | None, *, with_pictures: bool) -> None:
    """Raises UsageProblem for options that do not go together."""
    from fitecli.errors import UsageProblem
    from fitecli.pipeline.exchange import FILES
    from fitecli.pipeline.split_folders import FOLDERS

    if format not in (*FILES, *FOLDERS):
        raise UsageProblem(
            f"There is no format {format!r}; choose one of {', '.join((*FILES, *FOLDERS))}."
        )
    if with_pictures and format != "hf":
        raise UsageProblem(
            "--with-pictures is about --format hf: name it, or leave the pictures out."
        )
    if format in FOLDERS and output is None:
        raise UsageProblem(f"--format {format} writes a folder: name it by --output.")
    if format == "parquet" and output is None and sys.stdout.isatty():
        raise UsageProblem("Parquet is nothing for a terminal; name a file by --output.")


def write_as(
    store: Store,
    dataset: str,
    split: str | None,
    features: str | None,
    format: str,
    output: Path | None,
    with_pictures: bool,
    raw: bool,
) -> None:
    """Write a dataset in a format; what was there before is replaced when the new one is whole."""
    from fitecli.pipeline import exchange

    described = format not in ("jsonl", "tombert-tsv")
    part = exchange.choose(store, dataset, split, features, tell if described else None)
    if format == "jsonl":
        told = counted(write(exchange.tweet_lines(store, part), output), "tweet")
    elif format == "csv":
        told = counted(_csv(store, part, output, raw), "aspect")
    elif format == "parquet":
        told = counted(_parquet(store, part, output), "aspect")
    elif output is not None:
        told = _folder(store, part, format, output, with_pictures)
    if output is not None:
        tell(f"{told} in {output}")


def _csv(store: Store, part: Part, output: Path | None, raw: bool) -> int:
    from fitecli.pipeline.exchange import aspect_rows, csv_lines
    from fitecli.spreadsheets import Cells

    cells = Cells(raw=raw)
    rows = (row for row, _ in aspect_rows(store, part))
    count = write_parts(csv_lines(rows, cells), output) - 1
    if told := cells.told():
        tell(told)
    return count


def _parquet(store: Store, part: Part, output: Path | None) -> int:
    from fitecli.pipeline.exchange import aspect_rows, parquet_schema, write_table

    schema = parquet_schema()
    rows = (row for row, _ in aspect_rows(store, part))
    if output is None:
        return write_table(rows, sys.stdout.buffer, schema)
    with replacing(output) as stream:
        return write_table(rows, stream, schema)


def _folder(store: Store, part: Part, format: str, output: Path, with_pictures: bool) -> str:
    from fitecli.pipeline.split_folders import MARK, write_hf, write_tombert

    with replacing_folder(output, MARK) as folder:
        if format == "hf":
            found = write_hf(store, part, folder, with_pictures=with_pictures)
        else:
            found = write_tombert(store, part, folder, tell)
    return f"{counted(sum(found.values()), 'aspect')} ({counts(found)})"
