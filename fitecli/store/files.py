"""The file of a SQLite store: whether it is there, can be opened, or can only be read."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from fitecli.errors import NotAStore, StoreFull

LOG = ("-wal", "-shm")  # after a store's name: what is written ahead, and its index


def read_only_address(path: Path) -> str:
    """The URI by which SQLite opens a file that it must not write."""
    still = "&immutable=1" if at_rest(path) else ""
    return f"file:{quote(os.fsencode(path.resolve()))}?mode=ro{still}"


def at_rest(path: Path) -> bool:
    """Whether a file can be read only as one that nobody changes: on a read-only medium no index
    of its log can be made beside it, and there is no log. A folder that only we may not write into
    is another thing: others may."""
    path = path.resolve()
    log, index = (path.with_name(f"{path.name}{end}") for end in LOG)
    if not os.access(path, os.R_OK) or not _on_read_only_medium(path):
        return False
    empty = not log.exists() or log.stat().st_size == 0
    return path.is_file() and empty and not index.exists()


def _on_read_only_medium(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except (OSError, AttributeError):  # not known outside of Unix
        return False


def require_file(path: Path) -> None:
    """Raise NotAStore where a SQLite store is not there, StoreFull where that cannot be told."""
    try:
        there = path.is_file()
    except OSError as exc:
        raise StoreFull(
            f"{path} cannot be opened: {exc.strerror}. Choose another file with --db."
        ) from exc
    if not there:
        raise NotAStore(
            f"There is no store {path}; `fite ingest FILE` or `fite classify FILE` makes one."
        )


def unopened(path: Path, reason: str) -> StoreFull:
    """Why SQLite cannot open a file, as far as one can see."""
    next = "Choose another file with --db."
    if not os.access(path.parent, os.X_OK) and os.access(path.parent, os.F_OK):
        reason = f"there is no permission to look into {path.parent}"
    elif path.is_dir():
        reason = "it is a folder"
    elif not path.parent.is_dir():
        reason = f"there is no folder {path.parent}"
    elif path.exists() and not os.access(path, os.R_OK):
        reason = "there is no permission to read it"
    elif not os.access(path.parent, os.W_OK):
        reason = f"nothing can be written into {path.parent}"
        if path.exists():  # or a log would not matter
            reason += f", and its log {path.name}{LOG[0]} cannot be read without"
            next = "Copy both to where you can write, and name the copy by --db."
    return StoreFull(f"{path} cannot be opened: {reason}. {next}")
