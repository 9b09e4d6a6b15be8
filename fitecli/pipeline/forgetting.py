"""Forgetting a tweet, a picture, an author, old features: what goes, and what only people remove."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fitecli.alignment import called
from fitecli.errors import NoExamples, UsageProblem
from fitecli.inputs import tokenise_like_benchmark
from fitecli.store import Store, backups_of

FOREVER = (
    "Answers, pages and models that were made before stay as they are; so do rejected records (table "
    "reject), but for those that name the tweet by its id. Reading the same source again brings it back."
)
STILL_THERE = (
    "The rows are gone, but another process has the store open, so some of their bytes are still in "
    "the file. When it is closed: `fite store erase`."
)
SHORTEST = 8  # digits that a picture's sha256 may be cut down to


@dataclass(frozen=True)
class ForgetReport:
    """What was removed, and what is left where fite does not reach.

    removed: rows by table. pictures: files that no tweet of the store has any more. mentions: other
    tweets that name the author. backups: copies of the store that still hold all. erased: whether
    the bytes are gone, too.
    """

    removed: dict[str, int]
    pictures: tuple[str, ...]
    mentions: int
    backups: tuple[str, ...]
    erased: bool


def forget(
    store: Store,
    *,
    tweet: str | None = None,
    image: str | None = None,
    author: str | None = None,
    dataset: str | None = None,
    dry_run: bool = False,
) -> ForgetReport:
    """Remove all rows of one tweet, one picture (by sha256 or file), or an author's tweets.

    Raises UsageProblem where not exactly one is named, NoExamples where the store has none of it.
    """
    if sum(value is not None for value in (tweet, image, author)) != 1:
        raise UsageProblem("Name one of --tweet ID, --image SHA and --author NAME.")
    if image is not None and dataset is not None:
        raise UsageProblem("A picture belongs to no dataset: leave out --dataset.")
    images = [] if image is None else [_image(store, image)]
    tweets: list[int] = []
    if image is None:
        tweets = store.tweets_of(source_id=tweet, author=author, dataset=dataset)
        if not tweets:
            what = f"tweet {tweet!r}" if author is None else f"tweet of {author!r}"
            where = "the store" if dataset is None else f"the dataset {dataset!r}"
            raise NoExamples(
                f"There is no {what} in {where}; nothing was removed. "  # noqa: S608 - a message
                '`fite sql "select source_id, author, dataset from tweet limit 20"` shows how they are '
                "written there."
            )
    texts = store.aspect_texts(tweet_ids=tweets, image_ids=images)
    found = store.forget(
        tweet_ids=tweets,
        image_ids=images,
        names={called(name) for text in texts for name in (text, tokenise_like_benchmark(text))},
        dry_run=dry_run,
    )
    return ForgetReport(
        dict(found.rows),
        tuple(path for path in found.files if Path(path).is_file()),
        0 if author is None else store.mentions_of(author, tweets),
        tuple(map(str, backups_of(store.place))),
        dry_run or store.erase(),
    )


def _image(store: Store, name: str) -> int:
    """The picture of a sha256, of the beginning of one, or of a file."""
    digits = name
    if Path(name).is_file():
        with Path(name).open("rb") as file:
            digits = hashlib.file_digest(file, "sha256").hexdigest()
    elif not re.fullmatch(rf"[0-9a-fA-F]{{{SHORTEST},64}}", name):
        raise UsageProblem(
            f"{name!r} is no file and no sha256 of a picture ({SHORTEST} to 64 hexadecimal digits); "
            "`fite show TWEET --json` tells those of a tweet."
        )
    found = store.images_of(digits)
    if not found:
        raise NoExamples(
            f"There is no picture {digits} in the store; nothing was removed. "
            "`fite show TWEET --json` tells those of a tweet."
        )
    if len(found) > 1:
        raise UsageProblem(f"{len(found)} pictures begin with {name!r}: give more digits.")
    return found[0][0]


def prune(
    store: Store, *, keep: Sequence[str] = (), dry_run: bool = False
) -> tuple[tuple[str, ...], dict[str, int], bool]:
    """Remove all features but those named, or else those that each dataset reads by default.

    Where none is named, features that are not complete are kept, too: somebody may be at them.
    Pictures that no tweet has any more go, too.
    Returns the names kept (their bases and others derived from them are kept, too), the rows removed
    by table, and whether their bytes are gone, too. Raises NoExamples where a name is unknown, or
    none of the features would be kept.
    """
    rows = store.feature_sets()
    if keep and not rows:
        raise NoExamples("There are no features; nothing was removed. `fite extract` makes some.")
    if keep:
        kept = [row for row in rows if row.name in keep]
    else:
        defaults = [store.feature_set(datasets=(dataset,)) for dataset in store.datasets()]
        kept = [row for row in rows if row.completed_at is None or row in defaults]
    known = {row.id: row.name for row in kept}
    unknown = sorted(set(keep) - set(known.values()))
    if unknown or (rows and not known):
        what = (
            f"There are no features {unknown[0]!r}"
            if unknown
            else "No dataset has default features"
        )
        names = ", ".join(row.name for row in rows)
        raise NoExamples(f"{what}; nothing was removed. Name what to keep by --keep: {names}.")
    removed = store.prune(known, dry_run=dry_run)
    return tuple(known.values()), removed, dry_run or not removed or store.erase()


def left_alone(report: ForgetReport) -> list[str]:
    """What people have to look after themselves, a sentence each."""
    told = [f"The picture itself stays on disk: {path}" for path in report.pictures]
    if report.mentions:
        told.append(f"Other tweets that name the author stay: {report.mentions}.")
    told += [f"A backup still holds all of it: {path}" for path in report.backups]
    return [*told, FOREVER]
