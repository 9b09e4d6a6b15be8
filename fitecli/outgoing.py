"""A file is written aside and takes its place when it is whole; nobody's link is followed to it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO


def part_of(path: Path) -> Path:
    """Where a file is until it is whole."""
    return path.with_name(f"{path.name}.part")


def open_part(path: Path) -> BinaryIO:
    """A new part of a file, for writing; one that was left is removed.

    Never through a link, which somebody else may have put there: in a folder such as /tmp the name
    is known beforehand. Raises OSError.
    """
    part = part_of(path)
    part.unlink(missing_ok=True)
    return part.open("xb")
