"""Writing the lines of an answer to stdout or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from fitecli.cli.console import tell

FLUSH = 32  # lines


def write(lines: Iterator[dict[str, object]], output: Path | None) -> int:
    """Write the lines to stdout or a file, as `write_parts` does; returns how many there were."""
    from fitecli.pipeline.classify import encoded

    return write_parts(map(encoded, lines), output)


def write_parts(lines: Iterator[bytes], output: Path | None) -> int:
    """Write lines as they come to stdout or a file, which is replaced only when all are there.

    Until then they are in FILE.part, which an interruption leaves behind.
    """
    if output is None:
        return _write_to(sys.stdout.buffer, lines, "The output")
    if output.is_relative_to("/dev") or (output.exists() and not output.is_file()):
        with _writing(output):
            stream = output.open("wb")
        with stream:
            return _write_to(stream, lines, str(output))
    output = output.resolve()  # the file behind a link
    first = next(lines, None)  # what cannot begin touches no file
    part = part_of(output)
    with _writing(output):
        stream = part.open("wb")
    try:
        with stream:
            count = _write_to(stream, chain([] if first is None else [first], lines), str(output))
        with _writing(output):
            part.replace(output)
    finally:
        if part.exists():
            tell(f"The lines so far are in {part}.")
    return count


def part_of(output: Path) -> Path:
    """Where the lines of a file are until all are there."""
    return output.with_name(f"{output.name}.part")


def _write_to(stream: BinaryIO, lines: Iterator[bytes], name: str) -> int:
    count = 0
    for count, line in enumerate(lines, 1):
        with _writing(name):
            stream.write(line)
            if count % FLUSH == 0:
                stream.flush()
    with _writing(name):
        stream.flush()
    return count


@contextmanager
def _writing(name: Path | str) -> Iterator[None]:
    from fitecli.errors import Unwritable

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise Unwritable(f"{name} cannot be written: {exc.strerror or exc}.") from exc
