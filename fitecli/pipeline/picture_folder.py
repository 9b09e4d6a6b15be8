"""The pictures that tweets name, in one folder: known by the hash of their bytes."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fitecli.processes import cores
from fitecli.records import Reject, Tweet, TweetImage

MAX_NAME = 4096  # characters; no file system has longer paths


class PictureFolder:
    """Finds the pictures that tweets name, inside one folder and nowhere else."""

    def __init__(self, folder: Path | None, *, threads: int = 2) -> None:
        """folder: None where pictures are known by name only. threads: 0 for every core."""
        self.folder = folder.resolve() if folder is not None else None
        self.threads = cores(threads)
        self._hash = lru_cache(maxsize=100_000)(_sha256)

    def resolve_all(self, records: Sequence[Tweet | Reject]) -> list[Tweet | Reject]:
        """Put path and sha256 to each picture of a batch that is there; order is kept.

        A missing one is kept by name. A name that leads out of the folder (`..`, an absolute path, a
        link) makes a Reject. Files are read in threads.
        """
        if self.folder is None:
            return list(records)
        names = {
            image.name for tweet in records if isinstance(tweet, Tweet) for image in tweet.images
        }
        places = {name: self._place(self.folder, name) for name in names}
        files = {name: path for name, path in places.items() if isinstance(path, Path)}
        refused = {name: reason for name, reason in places.items() if isinstance(reason, str)}
        images: dict[str, TweetImage] = {}
        if files:
            with ThreadPoolExecutor(self.threads) as pool:
                read = pool.map(self._image, files, files.values())
                images = dict(zip(files, read, strict=True))
        return [_with_images(record, images, refused) for record in records]

    @staticmethod
    def _place(folder: Path, name: str) -> Path | str | None:
        """The file of a name without links, why the name is refused, or None where no file is.

        One look is enough for a plain name, as most are.
        """
        if len(name) > MAX_NAME:
            return None
        path = folder / name
        mode = _mode(path)
        if path.name == name != ".." and not stat.S_ISLNK(mode):
            return path if stat.S_ISREG(mode) else None  # no pipe, which could be read for ever
        try:
            path = path.resolve()
        except (OSError, RuntimeError):
            return "is a link in a circle"
        if not path.is_relative_to(folder):
            return "lies outside of --images"
        return path if stat.S_ISREG(_mode(path)) else None

    def _image(self, name: str, path: Path) -> TweetImage:
        try:
            return TweetImage(name, str(path), self._hash(path))
        except OSError:
            return TweetImage(name)  # it is kept by name, and fails when it is looked at


def _mode(path: Path) -> int:
    """What kind of file lies there, a link as such; 0 where none can be seen."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _with_images(
    record: Tweet | Reject, images: Mapping[str, TweetImage], refused: Mapping[str, str]
) -> Tweet | Reject:
    """A tweet with the pictures that were found; images, refused: by the name."""
    if not isinstance(record, Tweet) or not record.images:
        return record
    for image in record.images:
        if image.name in refused:
            return Reject(record.line or 0, f"the picture {image.name!r} {refused[image.name]}")
    if images.keys().isdisjoint(image.name for image in record.images):
        return record
    return replace(record, images=tuple(images.get(i.name, i) for i in record.images))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
