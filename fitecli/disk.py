"""What a disk refuses: it is full, read-only or not ours. Each library tells it in its own way."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fitecli.errors import FiteError, Unwritable

REFUSALS = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
})  # fmt: skip
_RUST = re.compile(r"\bcode: (\d+)|\bos error (\d+)")  # safetensors, tokenizers
_TORCH = re.compile(
    r"PytorchStreamWriter|inline_container|iostream error"
)  # its writer does not say why
NEXT = "Check free space and permissions, then run the same command again."


def refusal(exc: BaseException) -> str | None:
    """What the disk said, where an exception is about that; None for any other."""
    if isinstance(exc, FiteError):
        return None
    if isinstance(exc, OSError) and exc.errno is not None:
        return exc.strerror or str(exc) if exc.errno in REFUSALS else None
    told = str(exc)
    if (found := _RUST.search(told)) and int(found[1] or found[2]) in REFUSALS:
        return os.strerror(int(found[1] or found[2]))
    return "the disk is full or fails" if _TORCH.search(told) else None


@contextmanager
def writing(place: Path | str, next: str = NEXT) -> Iterator[None]:
    """Raise Unwritable where the disk refuses what the block writes; next: what to do then."""
    try:
        yield
    except Exception as exc:
        reason = refusal(exc)
        if reason is None and isinstance(exc, OSError) and _is_about(exc, str(place)):
            reason = exc.strerror
        if reason is None:
            raise
        raise Unwritable(f"{place} cannot be written: {reason}. {next}") from exc


def _is_about(exc: OSError, place: str) -> bool:
    """Whether it names the place itself, what is in it, or a folder above."""
    name = str(exc.filename)
    return name.startswith(place) or place.startswith(name)


@contextmanager
def replacing(path: Path, next: str = NEXT, *, make_folder: bool = True) -> Iterator[Path]:
    """A new file aside, which takes the place of the file when the block ends well, or is removed.

    Raises Unwritable.
    """
    part = path.with_name(f"{path.name}.part")
    with writing(path, next):
        try:
            if make_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, which is there whole or as it was; its folder is made. Raises Unwritable."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
