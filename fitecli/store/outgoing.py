"""Whole tweets as they leave the store, and which of them a model is least sure about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, select

from fitecli.records import Tweet, TweetImage
from fitecli.store.connection import in_scope, tables
from fitecli.store.counting import by_reading, joined
from fitecli.store.counts import ModelReading
from fitecli.store.reading import Reading, aspects_by_tweet
from fitecli.store.rows import Scope, TweetRow

CHUNK = 1000  # tweets read at once


class Outgoing(Reading):
    """Verbs that give tweets out as their sources told them."""

    def tweet_pages(self, scope: Scope) -> Iterator[list[TweetRow]]:
        """Stream the tweets of a scope in pages, in the order they were added."""
        after = 0
        while ids := self.tweet_ids(scope, after=after, limit=CHUNK):
            after = ids[-1]
            yield self.tweet_rows(ids)

    def tweet_rows(self, tweet_ids: Sequence[int]) -> list[TweetRow]:
        """Tweets with their aspects and pictures, in the order of the ids."""
        tweet = tables["tweet"]
        with self._reading() as connection:
            rows = connection.execute(select(tweet).where(tweet.c.id.in_(tweet_ids))).all()
            aspects = aspects_by_tweet(connection, tweet_ids)
            images = _images(connection, tweet_ids)
        found = {}
        for row in rows:
            mine = aspects.get(row.id, [])
            record = Tweet(
                text=row.text,
                source_id=row.source_id,
                aspects=tuple(aspect for _, aspect in mine),
                images=tuple(images.get(row.id, ())),
                split=row.split,
                author=row.author,
                created_at=row.created_at,
                line=row.line,
            )
            found[row.id] = TweetRow(row.id, row.dataset, tuple(n for n, _ in mine), record)
        return [found[number] for number in tweet_ids if number in found]

    def texts_of(self, tweet_ids: Sequence[int]) -> dict[int, str]:
        """Row id -> the tweet's text."""
        tweet = tables["tweet"]
        query = select(tweet.c.id, tweet.c.text).where(tweet.c.id.in_(tweet_ids))
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def unsure_first(
        self, reading: ModelReading, *, by_margin: bool = True, limit: int | None = None
    ) -> list[tuple[int, float]]:
        """(tweet id, margin) of the tweets that a model has predicted, the smallest margin first.

        A tweet's margin is the smallest difference between the two best probabilities of one of its
        aspects, in the model's last prediction of it. by_margin False: as they were added.
        """
        tweet, prediction = tables["tweet"], tables["prediction"]
        scores = [prediction.c[name] for name in ("negative", "neutral", "positive")]
        margin = func.min(_margin(*scores)).label("margin")
        query = (
            joined(tweet.c.id, margin)
            .where(prediction.c.id.in_(_last_predictions(reading)))
            .group_by(tweet.c.id)
            .order_by(*([margin] if by_margin else []), tweet.c.id)
            .limit(limit)
        )
        with self._reading() as connection:
            rows = connection.execute(in_scope(query, reading.scope))
            return [(number, float(value)) for number, value in rows]

    def last_predictions(
        self, reading: ModelReading, aspect_ids: Sequence[int]
    ) -> dict[int, tuple[str, tuple[float, float, float]]]:
        """Aspect id -> the label and scores that a model gave it last."""
        prediction = tables["prediction"]
        last = _last_predictions(reading, prediction.c.aspect_id.in_(aspect_ids))
        query = select(prediction).where(prediction.c.id.in_(last))
        with self._reading() as connection:
            return {
                row.aspect_id: (row.label, (row.negative, row.neutral, row.positive))
                for row in connection.execute(query)
            }


def _last_predictions(reading: ModelReading, *conditions: Any) -> Select[Any]:
    """The ids of a reading's last prediction of each aspect, found in one pass."""
    prediction = tables["prediction"]
    last_first = (prediction.c.created_at.desc(), prediction.c.id.desc())
    rank = func.row_number().over(partition_by=prediction.c.aspect_id, order_by=last_first)
    ranked = (
        select(prediction.c.id, rank.label("rank"))
        .where(*by_reading(prediction, reading), *conditions)
        .subquery()
    )
    return select(ranked.c.id).where(ranked.c.rank == 1)


def _margin(first: Any, second: Any, third: Any) -> Any:
    """The difference between the two largest of three numbers."""
    best = case(
        (and_(first >= second, first >= third), first), (second >= third, second), else_=third
    )
    worst = case(
        (and_(first <= second, first <= third), first), (second <= third, second), else_=third
    )
    return best - (first + second + third - best - worst)


def _images(connection: Connection, tweet_ids: Sequence[int]) -> dict[int, list[TweetImage]]:
    """The pictures of tweets, in their order, by the names that the tweets give them."""
    image, link = tables["image"], tables["tweet_image"]
    query = (
        select(link.c.tweet_id, link.c.picture, link.c.path, image.c.sha256)
        .join(image, image.c.id == link.c.image_id)
        .where(link.c.tweet_id.in_(tweet_ids))
        .order_by(link.c.tweet_id, link.c.position)
    )
    found: dict[int, list[TweetImage]] = {}
    for tweet_id, name, path, sha256 in connection.execute(query):
        found.setdefault(tweet_id, []).append(TweetImage(name, path, sha256))
    return found
