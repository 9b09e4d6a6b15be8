"""Files of tweets go into the store, batch by batch; pictures are known by the hash of their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from fitecli import sources
from fitecli.errors import UnreadableSource
from fitecli.records import Reject, Tweet, TweetImage
from fitecli.store import Store

BATCH = 2000


@dataclass(frozen=True)
class IngestReport:
    """What was added now."""

    tweets: int = 0
    aspects: int = 0
    images: int = 0
    skipped: int = 0
    rejected: int = 0

    def __add__(self, other: IngestReport) -> IngestReport:
        mine, theirs = vars(self), vars(other)
        return IngestReport(**{name: mine[name] + theirs[name] for name in mine})


class PictureFolder:
    """Finds the pictures that tweets name, inside one folder and nowhere else."""

    def __init__(self, folder: Path | None, *, threads: int = 2) -> None:
        """folder: None where pictures are known by name only."""
        self.folder = folder.resolve() if folder is not None else None
        self.threads = threads
        self._hash = lru_cache(maxsize=100_000)(_sha256)

    def resolve(self, tweet: Tweet) -> Tweet | Reject:
        """Put path and sha256 to each picture that is there; a missing one is kept by name.

        A name that leads out of the folder (`..`, an absolute path, a link) makes a Reject.
        """
        if not tweet.images or self.folder is None:
            return tweet
        images = []
        for image in tweet.images:
            path = _resolved(self.folder / image.name)
            if path is None or not path.is_relative_to(self.folder):
                why = "lies outside of --images" if path else "is a link in a circle"
                return Reject(tweet.line or 0, f"the picture {image.name!r} {why}")
            images.append(self._image(image, path))
        return replace(tweet, images=tuple(images))

    def resolve_all(self, records: Sequence[Tweet | Reject]) -> list[Tweet | Reject]:
        """Resolve a batch, reading pictures in threads; order is kept."""
        if self.folder is None or not any(isinstance(r, Tweet) and r.images for r in records):
            return list(records)
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(lambda r: self.resolve(r) if isinstance(r, Tweet) else r, records))

    def _image(self, image: TweetImage, path: Path) -> TweetImage:
        try:
            if path.is_file():  # no pipe, which could be read for ever
                return replace(image, path=str(path), sha256=self._hash(path))
        except OSError:
            pass  # it is kept by name, and fails when it is looked at
        return image


def _resolved(path: Path) -> Path | None:
    """The path without links; None where the links go in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_of(source: Path | BinaryIO) -> str:
    """The name of a dataset that was given none: the file's without suffixes, or stdin."""
    name = source.name.removesuffix(".gz").split(".")[0] if isinstance(source, Path) else ""
    return name or "stdin"


def ingest(
    store: Store,
    source: Path | BinaryIO,
    *,
    dataset: str,
    format: str = "auto",
    name: str | None = None,
    images: Path | None = None,
    split: str | None = None,
    find_aspects: bool = False,
    strict: bool = False,
    threads: int = 2,
) -> IngestReport:
    """Add a file of tweets to a dataset; the same file again adds nothing.

    images: the folder of the pictures, by default that of the file. A record that cannot become a
    tweet is kept as a reject with its line and reason, or raises UnreadableSource where strict.
    """
    if images is not None and not images.is_dir():
        raise UnreadableSource(f"The folder of pictures {images} does not exist.")
    if isinstance(source, Path):
        images = images or source.parent
        name = name or source.name
    pictures = PictureFolder(images, threads=threads)
    records = sources.read(source, format, name=name)
    report = IngestReport()
    for batch in _batches(records):
        complete = pictures.resolve_all(
            [_complete(record, split, find_aspects) for record in batch]
        )
        report += _add(store, complete, dataset, name or "stdin", strict)
    return report


def _batches(records: Iterator[Tweet | Reject]) -> Iterator[list[Tweet | Reject]]:
    while batch := list(islice(records, BATCH)):
        yield batch


def _complete(record: Tweet | Reject, split: str | None, find: bool) -> Tweet | Reject:
    if isinstance(record, Reject):
        return record
    if split is not None:
        record = replace(record, split=split)
    if find and not record.aspects:
        record = replace(record, aspects=sources.find_aspects(record.text))
    return record


def _add(
    store: Store, records: Sequence[Tweet | Reject], dataset: str, name: str, strict: bool
) -> IngestReport:
    rejects = [record for record in records if isinstance(record, Reject)]
    if strict and rejects:
        raise UnreadableSource(f"{name}, line {rejects[0].line}: {rejects[0].reason}.")
    added = store.add_tweets(
        dataset, [record for record in records if isinstance(record, Tweet)], source=name
    )
    if strict and added.conflicts:
        first = added.conflicts[0]
        raise UnreadableSource(f"{name}, line {first.line}: {first.reason}.")
    store.add_rejects(dataset, name, rejects)
    return IngestReport(
        added.tweets,
        added.aspects,
        added.images,
        added.skipped,
        len(rejects) + len(added.conflicts),
    )
