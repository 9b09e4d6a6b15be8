"""Folders for stores that nobody asked to keep: they go with what uses them, and do not grow for ever."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fitecli.processes import is_gone, name_of_this

PREFIX = "fite-own-"  # of such a folder, before its process's name
STORE_BYTES = 2**30  # of a store, before another is begun


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that bears this process's name; those of processes that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if is_gone(left.name.removeprefix(PREFIX).rpartition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{PREFIX}{name_of_this()}-")


def has_grown(folder: Path) -> bool:
    """Whether the store of a folder, with what it has written but not yet taken over, is too large."""
    return sum(path.stat().st_size for path in folder.iterdir()) > STORE_BYTES
