"""Writing the lines of an answer to stdout or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from fitecli.cli.console import in_json, tell
from fitecli.outputs import folder_beside, replacing, require_folder, take_place, writing

FLUSH = 32  # lines


def write(lines: Iterator[dict[str, object]], output: Path | None) -> int:
    """Write the lines to stdout or a file, as `write_parts` does; returns how many there were."""
    from fitecli.pipeline.classify import encoded

    return write_parts(map(encoded, lines), output)


def write_parts(lines: Iterator[bytes], output: Path | None) -> int:
    """Write lines as they come to stdout or a file, which is replaced only when all are there.

    An interruption leaves those that were written, and tells where.
    """
    if output is None:
        with writing("The output"):
            return _write_to(sys.stdout.buffer, lines)
    require_folder(output)
    first = next(lines, None)  # what cannot begin touches no file
    with replacing(output, lambda part: tell(f"The lines so far are in {part}.")) as stream:
        return _write_to(stream, chain([] if first is None else [first], lines))


def write_answers(lines: Iterator[dict[str, object]], output: Path | None) -> int:
    """Write the lines as Parquet to stdout or a file, which is replaced only when it is whole."""
    from fitecli.errors import UsageProblem
    from fitecli.pipeline.answers import schema, write_parquet

    schema()  # before any work
    if output is None:
        if sys.stdout.isatty():
            raise UsageProblem("Parquet is nothing for a terminal; name a file by --output.")
        with writing("The output"):
            return write_parquet(lines, sys.stdout.buffer)
    require_folder(output)
    first = next(lines, None)
    with replacing(output) as stream:
        return write_parquet(chain([] if first is None else [first], lines), stream)


@contextmanager
def replacing_folder(output: Path, ours: str) -> Iterator[Path]:
    """A new folder beside, which takes the place of the folder when the block ends well.

    Raises UsageProblem where there is one already that is not empty, and whose README.md does not
    hold ours.
    """
    from fitecli.errors import UsageProblem

    output = output.resolve()
    card = output / "README.md"
    with writing(output):
        if output.exists() and not output.is_dir():
            raise UsageProblem(f"{output} is a file; this format takes a folder.")
        replaceable = card.is_file() and ours in card.read_text("utf-8", "replace")
        if output.exists() and any(output.iterdir()) and not replaceable:
            raise UsageProblem(f"{output} holds other files; it is left alone. Choose another.")
    with folder_beside(output) as place, writing(output):
        folder = place / "new"
        folder.mkdir()
        yield folder
        take_place(folder, output)


def _write_to(stream: BinaryIO, lines: Iterator[bytes]) -> int:
    count = 0
    if stream.isatty():  # which would obey the control characters of a tweet
        lines = (in_json(line.decode()).encode() for line in lines)
    for count, line in enumerate(lines, 1):
        stream.write(line)
        if count % FLUSH == 0:
            stream.flush()
    stream.flush()
    return count
