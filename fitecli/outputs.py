"""Files and folders that are written: whole, or not at all."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fitecli.errors import Unwritable
from fitecli.processes import is_gone, name_of_this

PART = ".part"


@contextmanager
def writing(name: Path | str) -> Iterator[None]:
    """Whatever cannot be written in the block is Unwritable; a reader that went away is not."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise Unwritable(f"{name} cannot be written: {exc.strerror or exc}.") from exc


@contextmanager
def closing(stream: BinaryIO, name: Path | str) -> Iterator[None]:
    """Close a stream at the end of the block; what cannot be written then is Unwritable.

    Where the block failed, its own error is the one to tell.
    """
    try:
        yield
    except BaseException:
        with suppress(OSError):  # it tries to write once more
            stream.close()
        raise
    with writing(name):
        stream.close()


@contextmanager
def replacing(path: Path, left: Callable[[Path], None] | None = None) -> Iterator[BinaryIO]:
    """A stream into a file beside, which takes the place of path when the block ends well.

    That file is new and nobody else's, so two runs do not meet; what a killed one left is removed.
    left: gets the file of a block that did not end well, which is otherwise removed. A link is
    followed; a device or a pipe is written as it is. Raises Unwritable, but for what the block does.
    """
    if path.is_relative_to("/dev") or (path.exists() and not path.is_file()):
        with writing(path):
            stream = path.open("wb")
        with closing(stream, path):
            yield stream
        return
    path = path.resolve()
    with writing(path):
        _remove_left(path)
        part = _part_of(path)
        stream = part.open("xb")
    try:
        with closing(stream, path):
            yield stream
        with writing(path):
            part.replace(path)
    except BaseException:
        if left is None:
            part.unlink(missing_ok=True)
        else:
            left(part)
        raise


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new folder beside path, which is gone when the block ends, as is what killed runs left.

    Whatever was made in it and is to stay takes the place of path before. Raises Unwritable.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
        folder = _part_of(path)
        folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _part_of(path: Path) -> Path:
    """A new name beside a path that tells which process has it."""
    return path.with_name(f"{path.name}.{name_of_this()}-{os.urandom(4).hex()}{PART}")


def _remove_left(path: Path) -> None:
    """Remove what processes that were killed left beside a path."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*{PART}"):
        owner = part.name.removeprefix(f"{path.name}.").removesuffix(PART)
        if not is_gone(owner.rpartition("-")[0]):
            continue
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
