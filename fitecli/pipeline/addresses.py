"""Files and folders by their addresses: local paths, and whatever fsspec knows."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from fitecli.errors import MissingPackage, UnreadableSource, Unwritable, UsageProblem
from fitecli.outputs import closing, writing
from fitecli.plugins import told

RIGHTS = "Check the address, and that its owner lets you in."


def located(address: str) -> tuple[Any, str]:
    """The file system of an address and the path within it; raises UsageProblem, MissingPackage."""
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(address)
    except ValueError as exc:
        raise UsageProblem(f"{address} is no address that fsspec knows: {exc}.") from exc
    except ImportError as exc:
        raise MissingPackage(f"{address} needs a package: {exc}.") from exc
    except Exception as exc:  # some packages connect at once
        raise UnreadableSource(f"{address} cannot be read ({told(exc)}). {RIGHTS}") from exc
    return files, str(path).rstrip("/")


def named(files: Any, path: str) -> str:
    """How a path of a file system is named everywhere; a local one is just the path."""
    return path if is_local(files) else str(files.unstrip_protocol(path))


def real(address: str) -> str:
    """An address without links, as one compares it with others."""
    files, path = located(address)
    return os.path.realpath(path) if is_local(files) else named(files, path)


def is_local(files: Any) -> bool:
    """Whether a file system is that of this machine."""
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(files, LocalFileSystem)


@contextmanager
def asking(address: str) -> Iterator[None]:
    """Raise UnreadableSource for whatever a file system raises; for blocks that only ask it."""
    try:
        yield
    except Exception as exc:
        raise UnreadableSource(f"{address} cannot be read ({told(exc)}). {RIGHTS}") from exc


def files_under(address: str) -> set[str]:
    """The paths of the files under a folder; none where there is no folder.

    Raises UnreadableSource where a folder in it may not be looked into.
    """
    files, path = located(address)
    strict = {"on_error": "raise"} if is_local(files) else {}
    with asking(address):
        return set(files.find(path, **strict)) if files.exists(path) else set()


@contextmanager
def opened(address: str) -> Iterator[tuple[Path | BinaryIO, str]]:
    """A file to read and its name; a local one as its path, another as bytes, decompressed."""
    files, path = located(address)
    name = PurePosixPath(path).name
    if is_local(files):
        yield Path(path), name
        return
    with asking(address):
        remote = files.open(path, "rb", compression="infer")
    try:
        with remote as stream:
            yield stream, name.removesuffix(".gz")
    except OSError as exc:
        raise UnreadableSource(f"{address} cannot be read: {exc}.") from exc


@contextmanager
def replaced(address: str, scratch: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write that takes its place when it is whole.

    scratch: the folder in which it is made; the system's for temporary files. Raises Unwritable.
    """
    files, path = located(address)
    part = f"{path}.part-{uuid.uuid4().hex}"
    with writing(address):
        aside: Any = tempfile.NamedTemporaryFile(prefix="fite-", dir=scratch)  # noqa: SIM115
    with closing(aside, address):
        yield aside
        with writing(address, any_error=True):
            aside.flush()
            try:
                files.makedirs(path.rpartition("/")[0], exist_ok=True)
                files.put_file(aside.name, part)
                files.mv(part, path)
            except Exception as exc:
                with suppress(Exception):
                    files.rm_file(part)
                if isinstance(exc, OSError) and is_local(files):
                    raise
                raise Unwritable(f"{address} cannot be written ({told(exc)}). {RIGHTS}") from exc
