"""Files of tweets go into the store, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from fitecli import sources
from fitecli.errors import UnreadableSource
from fitecli.pipeline.picture_folder import PictureFolder
from fitecli.progress import Progress, unwatched
from fitecli.records import CorrectedTweet, Reject, Tweet
from fitecli.store import Added, Store

BATCH = 2000


@dataclass(frozen=True)
class IngestReport:
    """What was added now; and what annotators changed, where they had a hand in it.

    corrected: aspects with another label. withdrawn: aspects taken away (they keep their row, without
    a label). disputed: tweets about which annotators disagreed; the last one's word counts.
    differing: tweets that were known with another label, split, author or time, which stays.
    """

    tweets: int = 0
    aspects: int = 0
    images: int = 0
    skipped: int = 0
    rejected: int = 0
    corrected: int = 0
    withdrawn: int = 0
    disputed: int = 0
    differing: int = 0

    def told(self) -> dict[str, int]:
        """The numbers as commands tell them: of annotators only where there are any."""
        always = ("tweets", "aspects", "images", "skipped", "rejected")
        return {name: value for name, value in vars(self).items() if value or name in always}

    def __add__(self, other: IngestReport) -> IngestReport:
        mine, theirs = vars(self), vars(other)
        return IngestReport(**{name: mine[name] + theirs[name] for name in mine})


def dataset_of(source: Path | BinaryIO) -> str:
    """The name of a dataset that was given none: the file's without its suffix and .gz, or stdin."""
    named = isinstance(source, Path) and Path(source.name.removesuffix(".gz")).stem
    return named or "stdin"


def ingest(
    store: Store,
    source: Path | BinaryIO,
    *,
    dataset: str,
    named: bool = False,
    format: str = "auto",
    name: str | None = None,
    images: Path | None = None,
    split: str | None = None,
    find_aspects: bool = False,
    strict: bool = False,
    threads: int = 2,
    progress: Progress = unwatched,
) -> IngestReport:
    """Add a file of tweets to a dataset; the same file again adds nothing.

    images: the folder of the pictures, by default that of the file. A record that cannot become a
    tweet is kept as a reject with its line and reason, or raises UnreadableSource where strict.
    Annotators' tweets go to the dataset that they came from, where it is told, unless the dataset
    was named.
    """
    if images is not None and not images.is_dir():
        raise UnreadableSource(
            f"The folder of pictures {images} does not exist; name another by --images."
        )
    if isinstance(source, Path):
        images = images or source.parent
        name = name or source.name
    records = sources.read(source, format, name=name)
    return ingest_records(
        store,
        records,
        dataset=dataset,
        named=named,
        name=name or "stdin",
        images=images,
        split=split,
        find_aspects=find_aspects,
        strict=strict,
        threads=threads,
        progress=progress,
    )


def ingest_records(
    store: Store,
    records: Iterator[Tweet | Reject],
    *,
    dataset: str,
    name: str,
    named: bool = False,
    images: Path | None = None,
    split: str | None = None,
    find_aspects: bool = False,
    strict: bool = False,
    threads: int = 2,
    progress: Progress = unwatched,
) -> IngestReport:
    """Add tweets as they come to a dataset, as `ingest` does; name is where they are from."""
    pictures = PictureFolder(images, threads=threads)
    report = IngestReport()
    progress(name, 0, None)
    read = 0
    for batch in _batches(records):
        complete = pictures.resolve_all(
            [_complete(record, split, find_aspects) for record in batch]
        )
        if named:
            complete = [_of_no_dataset(record) for record in complete]
        report += _add(store, complete, dataset, name, strict)
        read += len(batch)
        note = f"{report.skipped:,} known, {report.rejected:,} rejected"
        progress(name, read, None, note)
    return report


def _of_no_dataset(record: Tweet | Reject) -> Tweet | Reject:
    return replace(record, dataset=None) if isinstance(record, CorrectedTweet) else record


def _batches(records: Iterator[Tweet | Reject]) -> Iterator[list[Tweet | Reject]]:
    while batch := list(islice(records, BATCH)):
        yield batch


def _complete(record: Tweet | Reject, split: str | None, find: bool) -> Tweet | Reject:
    if isinstance(record, Reject):
        return record
    if split is not None:
        record = replace(record, split=split)
    if find and not record.aspects and not isinstance(record, CorrectedTweet):
        record = replace(record, aspects=sources.find_aspects(record.text))
    return record


def _add(
    store: Store, records: Sequence[Tweet | Reject], dataset: str, name: str, strict: bool
) -> IngestReport:
    rejects = [record for record in records if isinstance(record, Reject)]
    if strict and rejects:
        raise UnreadableSource(f"{name}, line {rejects[0].line}: {rejects[0].reason}.")
    told = [record for record in records if type(record) is Tweet]
    report = _report(store.add_tweets(dataset, told, source=name), name, strict)
    by_dataset: dict[str, list[CorrectedTweet]] = {}
    for record in records:
        if isinstance(record, CorrectedTweet):
            by_dataset.setdefault(record.dataset or dataset, []).append(record)
    for origin, batch in by_dataset.items():
        report += _correct(store, origin, batch, name, strict)
    store.add_rejects(dataset, name, rejects)
    return report + IngestReport(rejected=len(rejects))


def _correct(
    store: Store, dataset: str, batch: Sequence[CorrectedTweet], name: str, strict: bool
) -> IngestReport:
    changed = store.correct(dataset, batch, source=name)
    return _report(changed.added, name, strict) + IngestReport(
        corrected=changed.labels,
        withdrawn=changed.withdrawn,
        disputed=sum(tweet.disputed for tweet in batch),
    )


def _report(added: Added, name: str, strict: bool) -> IngestReport:
    """Raises UnreadableSource where strict and a tweet's id has another text in the store."""
    if strict and added.conflicts:
        first = added.conflicts[0]
        raise UnreadableSource(f"{name}, line {first.line}: {first.reason}.")
    return IngestReport(
        added.tweets,
        added.aspects,
        added.images,
        added.skipped,
        len(added.conflicts),
        differing=added.differing,
    )
