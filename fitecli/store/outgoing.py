"""Whole tweets as they leave the store, and which of them a model is least sure about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from sqlalchemy import Connection, and_, case, func, select

from fitecli.records import Tweet, TweetImage
from fitecli.store.connection import in_scope, tables
from fitecli.store.reading import Reading, aspects_by_tweet
from fitecli.store.rows import ModelRow, Scope, TweetRow

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

    def last_model(self, dataset: str, name: str | None = None) -> ModelRow | None:
        """The model that last predicted an aspect of a dataset, of that name if one is given."""
        tweet, aspect = tables["tweet"], tables["aspect"]
        model, prediction = tables["model"], tables["prediction"]
        query = (
            select(model.c.id, model.c.name)
            .join(prediction, prediction.c.model_id == model.c.id)
            .join(aspect, aspect.c.id == prediction.c.aspect_id)
            .join(tweet, tweet.c.id == aspect.c.tweet_id)
            .where(tweet.c.dataset == dataset)
            .group_by(model.c.id, model.c.name)
            .order_by(func.max(prediction.c.created_at).desc(), func.max(prediction.c.id).desc())
        )
        if name is not None:
            query = query.where(model.c.name == name)
        with self._reading() as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else ModelRow(row[0], row[1])

    def unsure_first(
        self, scope: Scope, model_id: int, *, by_margin: bool = True, limit: int | None = None
    ) -> list[tuple[int, float]]:
        """(tweet id, margin) of the tweets that a model has predicted, the smallest margin first.

        A tweet's margin is the smallest difference between the two best probabilities of one of its
        aspects, in the model's last prediction of it. by_margin False: as they were added.
        """
        tweet, aspect, prediction = tables["tweet"], tables["aspect"], tables["prediction"]
        scores = [prediction.c[name] for name in ("negative", "neutral", "positive")]
        margin = func.min(_margin(*scores)).label("margin")
        query = (
            select(tweet.c.id, margin)
            .join(aspect, aspect.c.tweet_id == tweet.c.id)
            .join(prediction, prediction.c.aspect_id == aspect.c.id)
            .where(prediction.c.id.in_(_last_predictions(model_id)))
            .group_by(tweet.c.id)
            .order_by(*([margin] if by_margin else []), tweet.c.id)
            .limit(limit)
        )
        with self._reading() as connection:
            rows = connection.execute(in_scope(query, scope))
            return [(number, float(value)) for number, value in rows]

    def last_predictions(
        self, model_id: int, aspect_ids: Sequence[int]
    ) -> dict[int, tuple[str, tuple[float, float, float]]]:
        """Aspect id -> the label and scores that a model gave it last."""
        prediction = tables["prediction"]
        mine = prediction.c.aspect_id.in_(aspect_ids)
        query = select(prediction).where(prediction.c.id.in_(_last_predictions(model_id, mine)))
        with self._reading() as connection:
            return {
                row.aspect_id: (row.label, (row.negative, row.neutral, row.positive))
                for row in connection.execute(query)
            }


def _last_predictions(model_id: int, *conditions: Any) -> Any:
    """The ids of a model's last prediction of each aspect, found in one pass."""
    prediction = tables["prediction"]
    query = select(func.max(prediction.c.id)).where(*conditions)
    if conditions:  # by aspects: the model's own index would lead through all of its rows
        query = query.where(prediction.c.model_id + 0 == model_id)
    else:
        query = query.where(prediction.c.model_id == model_id)
    return query.group_by(prediction.c.aspect_id)


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
    """The pictures of tweets; a name is that of the file where it was found, else the stored one."""
    image, link = tables["image"], tables["tweet_image"]
    query = (
        select(link.c.tweet_id, image.c.name, link.c.path, image.c.sha256)
        .join(image, image.c.id == link.c.image_id)
        .where(link.c.tweet_id.in_(tweet_ids))
        .order_by(link.c.tweet_id, link.c.position)
    )
    found: dict[int, list[TweetImage]] = {}
    for tweet_id, name, path, sha256 in connection.execute(query):
        found.setdefault(tweet_id, []).append(TweetImage(_told(name, path), path, sha256))
    return found


def _told(name: str, path: str | None) -> str:
    """The name a tweet gives its picture: two tweets may call the same bytes by other names."""
    if path is None or path.endswith(name):
        return name
    return PurePath(path).name
