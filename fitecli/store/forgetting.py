"""Forgetting: rows of a tweet, a picture, an author or an old worker vanish, with their bytes."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, delete, exists, func, or_, select, update

from fitecli.errors import StoreBusy, StoreFull
from fitecli.store.addition import conflict_reason
from fitecli.store.connection import StoreConnection, tables
from fitecli.store.database import BUSY, shown
from fitecli.store.rows import Forgotten
from fitecli.store.stale import (
    chunks,
    forget_predictions,
    forget_readings,
    forget_unlinked,
    forget_work,
    name_anew,
)


class Forgetting(StoreConnection):
    """Verbs that remove what is known of somebody."""

    def tweets_of(
        self, *, source_id: str | None = None, author: str | None = None, dataset: str | None = None
    ) -> list[int]:
        """The tweets of an id (of any dataset, unless it is named) or of an author, however the
        name is cased and with or without its @."""
        tweet = tables["tweet"]
        query = select(tweet.c.id)
        if source_id is not None:
            query = query.where(tweet.c.source_id == source_id)
        if dataset is not None:
            query = query.where(tweet.c.dataset == dataset)
        with self._reading() as connection:
            if author is not None:
                known = connection.execute(select(tweet.c.author).distinct()).scalars()
                same = [name for name in known if name and _plain(name) == _plain(author)]
                query = query.where(tweet.c.author.in_(same))
            return list(connection.execute(query.order_by(tweet.c.id)).scalars())

    def mentions_of(self, author: str, tweet_ids: Sequence[int]) -> int:
        """How many other tweets name an author by @name."""
        tweet = tables["tweet"]
        query = select(tweet.c.id, tweet.c.text).where(tweet.c.text.contains("@"))
        mention = re.compile(rf"@{re.escape(author.removeprefix('@'))}\b", re.IGNORECASE)
        with self._reading() as connection:
            found = {row[0] for row in connection.execute(query) if mention.search(row[1])}
        return len(found - set(tweet_ids))

    def images_of(self, sha256: str) -> list[tuple[int, str]]:
        """The pictures whose sha256 begins so: (id, sha256)."""
        image = tables["image"]
        query = select(image.c.id, image.c.sha256).where(image.c.sha256.startswith(sha256.lower()))
        with self._reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def aspect_texts(self, *, tweet_ids: Sequence[int], image_ids: Sequence[int]) -> set[str]:
        """The aspects of tweets, and of the tweets that have one of the pictures."""
        aspect, link = tables["aspect"], tables["tweet_image"]
        found: set[str] = set()
        with self._reading() as connection:
            for ids in chunks(tweet_ids):
                query = select(aspect.c.text).where(aspect.c.tweet_id.in_(ids))
                found |= set(connection.execute(query).scalars())
            for ids in chunks(image_ids):
                mine = select(link.c.tweet_id).where(link.c.image_id.in_(ids))
                query = select(aspect.c.text).where(aspect.c.tweet_id.in_(mine))
                found |= set(connection.execute(query).scalars())
        return found

    def forget(
        self,
        *,
        tweet_ids: Sequence[int] = (),
        image_ids: Sequence[int] = (),
        names: Iterable[str] = (),
        dry_run: bool = False,
    ) -> Forgotten:
        """Remove tweets and pictures with all that was computed from them.

        Pictures that only these tweets have go with them. Tweets that lose a picture lose what was
        read from it, and are read anew. names: texts are embedded with them; those embeddings go,
        too. With dry_run nothing is kept of it but the report. Raises StoreBusy where another process
        is looking at the pictures.
        """
        with self._removing(dry_run) as (connection, removed):
            own, shared = _theirs(connection, tweet_ids)
            images = [*image_ids, *own]
            _refuse_leased(connection, images)
            files = _files(connection, images)
            for ids in chunks(images):
                _forget_images(connection, ids)
            for ids in chunks(tweet_ids):
                _forget_tweets(connection, ids)
            name_anew(connection, shared)
            for some in chunks(sorted(names)):
                embedded = tables["text_embedding"]
                named = [embedded.c.text.icontains(name, autoescape=True) for name in some]
                connection.execute(delete(embedded).where(or_(*named)))
        return Forgotten(removed, files)

    def prune(self, keep: Collection[int], *, dry_run: bool = False) -> dict[str, int]:
        """Remove all feature sets but some (with their bases and those derived from them), and all
        that was computed by workers that none of these reads, and pictures that no tweet has any
        more: rows removed by table.

        Runs and models stay.
        """
        features, worker, run = tables["feature_set"], tables["worker"], tables["run"]
        image, link = tables["image"], tables["tweet_image"]
        linked = exists(select(link.c.image_id).where(link.c.image_id == image.c.id))
        with self._removing(dry_run) as (connection, removed):
            kept = _with_relatives(connection, keep)
            gone = run.c.feature_set_id.not_in(kept)
            connection.execute(update(run).where(gone).values(feature_set_id=None))
            connection.execute(delete(features).where(features.c.id.not_in(kept)))
            read = _workers_read(connection)
            connection.execute(delete(worker).where(worker.c.id.not_in(read)))
            unlinked = connection.execute(select(image.c.id).where(~linked)).scalars().all()
            for ids in chunks(unlinked):
                forget_unlinked(connection, ids)
        return removed

    @contextmanager
    def _removing(self, dry_run: bool) -> Iterator[tuple[Connection, dict[str, int]]]:
        """A transaction that removes for good, or for show, and the rows that it has removed by
        table, known when it is over."""
        removed: dict[str, int] = {}
        with self._writing() as connection:
            before = _counts(connection)
            yield connection, removed
            for name, count in _counts(connection).items():
                if before[name] != count:
                    removed[name] = before[name] - count
            if dry_run:
                connection.rollback()

    def erase(self) -> bool:
        """Rewrite a SQLite file, so that nothing is left in it of removed rows; whether it could be.

        False where another process has the store open: rows are gone, but not all of their bytes.
        Raises StoreFull where the file cannot be written. A server looks after that by itself.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout = 1000")
            cursor.execute("VACUUM")
            (busy, _, _) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as exc:
            if not exc.sqlite_errorname.startswith(BUSY):
                raise StoreFull(
                    f"{shown(self.engine.url)}: the rows are removed, but the file cannot be "
                    f"rewritten ({exc}), so some of their bytes are still there. Let it be "
                    "written, with room for a second copy there and where temporary files are "
                    "(TMPDIR), then `fite store erase`."
                ) from exc
            return False
        finally:
            connection.invalidate()  # it waits too shortly for others
        return not busy


def _plain(name: str) -> str:
    """An author's name without its @ and its case."""
    return name.removeprefix("@").casefold()


def _counts(connection: Connection) -> dict[str, int]:
    return {
        name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for name, table in tables.items()
    }


def _with_relatives(connection: Connection, keep: Collection[int]) -> set[int]:
    """Feature sets with their bases, and with those that are derived from any of them."""
    table = tables["feature_set"]
    rows = connection.execute(select(table.c.id, table.c.base_id).order_by(table.c.id)).all()
    kept = set(keep)
    for row in reversed(rows):  # a base is older than what is derived from it
        if row.id in kept and row.base_id is not None:
            kept.add(row.base_id)
    for row in rows:
        if row.base_id in kept:
            kept.add(row.id)
    return kept


def _refuse_leased(connection: Connection, image_ids: Sequence[int]) -> None:
    lease = tables["lease"]
    held = (lease.c.subject_kind == "image", lease.c.until > time.time())
    for ids in chunks(image_ids):
        query = select(func.count()).where(*held, lease.c.subject_id.in_(ids))
        if connection.execute(query).scalar_one():
            raise StoreBusy(
                "Another process is looking at these pictures just now; nothing was removed. Let it "
                "finish (or wait ten minutes, if it died), then run the same command again."
            )


def _workers_read(connection: Connection) -> set[int]:
    """The workers that a feature set reads, and those whose embeddings are of its faces."""
    features, worker = tables["feature_set"], tables["worker"]
    columns = (
        features.c.face_worker_id,
        features.c.caption_worker_id,
        features.c.alignment_worker_id,
    )
    read = {number for row in connection.execute(select(*columns)) for number in row if number}
    rows = connection.execute(select(worker.c.id, worker.c.fingerprint, worker.c.inputs)).all()
    known = {row.fingerprint for row in rows if row.id in read}
    return read | {row.id for row in rows if known.intersection(row.inputs)}


def _theirs(connection: Connection, tweet_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """The pictures of tweets: those that no other tweet has, and those that others have, too."""
    link = tables["tweet_image"]
    theirs: set[int] = set()
    for ids in chunks(tweet_ids):
        query = select(link.c.image_id).where(link.c.tweet_id.in_(ids))
        theirs |= set(connection.execute(query).scalars())
    gone, shared = set(tweet_ids), set()
    for images in chunks(sorted(theirs)):
        query = select(link.c.image_id, link.c.tweet_id).where(link.c.image_id.in_(images))
        shared |= {row[0] for row in connection.execute(query) if row[1] not in gone}
    return sorted(theirs - shared), sorted(shared)


def _files(connection: Connection, image_ids: Sequence[int]) -> tuple[str, ...]:
    """Where the pictures were last found."""
    link = tables["tweet_image"]
    found: set[str] = set()
    for ids in chunks(image_ids):
        query = select(link.c.path).where(link.c.image_id.in_(ids), link.c.path.is_not(None))
        found |= set(connection.execute(query).scalars())
    return tuple(sorted(found))


def _forget_images(connection: Connection, ids: Sequence[int]) -> None:
    link, image = tables["tweet_image"], tables["image"]
    query = select(link.c.tweet_id).where(link.c.image_id.in_(ids))
    readers = set(connection.execute(query).scalars())
    for tweets in chunks(sorted(readers)):
        forget_readings(connection, tweets)
        forget_predictions(connection, tweets)
    forget_work(connection, "image", ids)
    connection.execute(delete(image).where(image.c.id.in_(ids)))


def _forget_tweets(connection: Connection, ids: Sequence[int]) -> None:
    tweet, reject = tables["tweet"], tables["reject"]
    query = select(tweet.c.dataset, tweet.c.source_id).where(tweet.c.id.in_(ids))
    told = [conflict_reason(*row) for row in connection.execute(query)]
    connection.execute(delete(reject).where(reject.c.reason.in_(told)))
    forget_work(connection, "tweet", ids)
    connection.execute(delete(tweet).where(tweet.c.id.in_(ids)))
