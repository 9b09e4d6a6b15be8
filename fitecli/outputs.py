"""Files and folders that are written: whole, or not at all; and what a disk refuses, in one way."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from fitecli.errors import FiteError, Unwritable, UsageProblem
from fitecli.processes import is_gone, name_of_this

PART = ".part"
LONG = 200  # bytes of a name, which may have 255
STREAMS = ("/dev/std", "/dev/fd/", "/proc/")  # what a process has open, under a name
DATABASE = b"SQLite format 3\0"
LOGS = (
    "-wal",
    "-shm",
    "-journal",
)  # what SQLite keeps beside a database, and which is a part of it
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
REFUSALS = FULL | FORBIDDEN | {errno.EIO, errno.EROFS, errno.EFBIG, errno.ENAMETOOLONG}
_RUST = re.compile(r"\bcode: (\d+)|\bos error (\d+)")  # safetensors, tokenizers
_TORCH = re.compile(r"PytorchStreamWriter|inline_container|iostream error")  # it does not say why
AGAIN = "then run the same command again."
NEXT = f"Check free space and permissions, {AGAIN}"


def refusal(exc: BaseException) -> str | None:
    """What the disk said, where an exception is about that; None for any other."""
    if isinstance(exc, FiteError):
        return None
    if (code := _number(exc)) in REFUSALS:
        return os.strerror(code)
    return "the disk is full or fails" if _TORCH.search(str(exc)) else None


def remedy(exc: BaseException) -> str:
    """What to do about what the disk said, in a sentence."""
    code = _number(exc)
    if code in FULL:
        return f"Make room, {AGAIN}"
    if code in FORBIDDEN:
        return f"Check its permissions and its folder's, {AGAIN}"
    if code == errno.ENOENT:
        return "Make its folder, or choose another place."
    return "Choose another place." if code not in (0, errno.EIO) else NEXT


def _number(exc: BaseException) -> int:
    """The error number of the system that an exception is about; 0 where it is about none."""
    if isinstance(exc, OSError):
        return exc.errno or 0
    found = _RUST.search(str(exc))
    return int(found[1] or found[2]) if found else 0


@contextmanager
def writing(
    place: Path | str, advice: str | None = None, *, any_error: bool = False
) -> Iterator[None]:
    """Raise Unwritable where the disk refuses what the block writes.

    advice: what to do then, by default what the disk's reason suggests. any_error: take every OSError
    for that, but a reader's that went away; for blocks that only write.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as exc:
        reason = refusal(exc)
        if isinstance(exc, OSError):
            if any_error or _is_about(exc, Path(place)):
                reason = exc.strerror or str(exc)
            elif exc.filename is not None:  # of another file, which may have been read
                raise
        if reason is None:
            raise
        told = remedy(exc) if advice is None else advice
        raise Unwritable(f"{place} cannot be written: {reason}. {told}") from exc


def require_folder(place: Path) -> None:
    """Raise Unwritable, before any work, where the folder of a file to write is not there."""
    with writing(place):
        place.absolute().parent.stat()


def _is_about(exc: OSError, place: Path) -> bool:
    """Whether it names the place itself, what is in it or made beside it, or a folder above."""
    if not isinstance(exc.filename, str | bytes) or not exc.filename:
        return False
    name, place = Path(os.fsdecode(exc.filename)).absolute(), place.absolute()
    if name.is_relative_to(place) or place.is_relative_to(name):
        return True
    beside = next((path for path in (name, *name.parents) if path.parent == place.parent), name)
    return beside.name.startswith(f"{_beginning(place)}.") and beside.name.endswith(PART)


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
    with writing(name, any_error=True):
        stream.close()


@contextmanager
def replacing(path: Path, left: Callable[[Path], None] | None = None) -> Iterator[BinaryIO]:
    """A stream into a file beside, which takes the place of path when the block ends well.

    That file is new and nobody else's, so two runs do not meet; what a killed one left is removed.
    left: gets the file of a block that did not end well, which is otherwise removed. A link is
    followed; a device or a pipe is written as it is. Raises Unwritable, for what the disk refuses
    within the block as well, and UsageProblem where the file is a database or would be called `-`.
    """
    if str(path) == "-":
        raise UsageProblem("There is nothing here to write to stdout (-). Name a file.")
    with writing(path, any_error=True):
        passing = str(path).startswith(STREAMS) or (path.exists() and not path.is_file())
    if passing:
        with writing(path, any_error=True):
            stream = path.open("wb")
        with closing(stream, path), writing(path):
            yield stream
        return
    path = Path(os.path.realpath(path))
    with writing(path, any_error=True):
        _spare_databases(path)
        _remove_left(path)
        part = _part_of(path)
        stream = part.open("xb")
    with suppress(OSError):  # who may read the old one may read the new one
        part.chmod(path.stat().st_mode & 0o777)
    try:
        with closing(stream, path), writing(path):
            yield stream
        with writing(path, any_error=True):
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
    with writing(path, any_error=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
        folder = _part_of(path)
        folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take_place(folder: Path, output: Path) -> None:
    """Put a finished folder, which lies beside, where output is; that gives way at the last moment."""
    old = folder.with_name("old")
    if output.exists():
        output.rename(old)
    try:
        folder.rename(output)
    except OSError:
        if old.exists():
            old.rename(output)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, which is there whole or as it was; its folder is made. Raises Unwritable."""
    with writing(path, any_error=True):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as stream:
        stream.write(json.dumps(value, indent=2).encode() + b"\n")


def _spare_databases(path: Path) -> None:
    """Raise UsageProblem where a file is a SQLite database or its log: it may be the store's."""
    names = [path.name, *(path.name.removesuffix(log) for log in LOGS if path.name.endswith(log))]
    for database in map(path.with_name, filter(None, names)):
        if database.is_file():
            with database.open("rb") as file:
                if file.read(len(DATABASE)) == DATABASE:
                    raise UsageProblem(
                        f"{path} is a SQLite database, such as a store, or a part of one, and is not "
                        "written over. Choose another file."
                    )


def _beginning(path: Path) -> str:
    """How the names of a path's parts begin: by its own, or where that is long by its hash."""
    name = os.fsencode(path.name)
    return path.name if len(name) <= LONG else hashlib.sha256(name).hexdigest()[:32]


def _part_of(path: Path) -> Path:
    """A new name beside a path that tells which process has it."""
    owner = f"{name_of_this()}-{os.urandom(4).hex()}"
    return path.with_name(f"{_beginning(path)}.{owner}{PART}")


def _remove_left(path: Path) -> None:
    """Remove what processes that were killed left beside a path."""
    beginning = _beginning(path)
    for part in path.parent.glob(f"{glob.escape(beginning)}.*{PART}"):
        owner = part.name.removeprefix(f"{beginning}.").removesuffix(PART)
        if not is_gone(owner.rpartition("-")[0]):
            continue
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
