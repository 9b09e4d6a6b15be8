"""Counting predictions: whole datasets are counted by the database, and only counts are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Select, and_, func, select

from fitecli.store.connection import StoreConnection, analysed, in_scope, tables
from fitecli.store.counting import Counting, joined
from fitecli.store.counts import Contents, ModelReading, Predicted
from fitecli.store.rows import FeatureSetRow, Scope


class Reporting(StoreConnection):
    """Verbs that count what models predicted."""

    def predicted(self, scope: Scope) -> list[Predicted]:
        """Who has predicted aspects of a scope, under which features; the most first."""
        model, features = tables["model"], tables["feature_set"]
        prediction, base = tables["prediction"], features.alias()
        counted = func.count().label("n")
        last = func.max(prediction.c.created_at).label("last")
        found = (
            in_scope(
                joined(prediction.c.model_id, prediction.c.feature_set_id, counted, last), scope
            )
            .where(prediction.c.feature_set_id.is_not(None))
            .group_by(prediction.c.model_id, prediction.c.feature_set_id)
            .subquery()
        )
        query = (
            select(
                found.c.model_id, model.c.name, model.c.path, model.c.preset, features.c.id,
                features.c.name, base.c.name, found.c.n, found.c.last,
            )
            .join(model, model.c.id == found.c.model_id)
            .join(features, features.c.id == found.c.feature_set_id)
            .outerjoin(base, base.c.id == features.c.base_id)
            .order_by(found.c.n.desc(), found.c.last.desc(), found.c.model_id.desc())
        )  # fmt: skip
        with self._reading() as connection:
            return [Predicted(*row) for row in connection.execute(query)]

    def contents(self, scope: Scope, features: FeatureSetRow) -> Contents:
        """How much of a scope there was to read under a feature set."""
        tweet, aspect, link = tables["tweet"], tables["aspect"], tables["tweet_image"]
        description, reject = tables["description"], tables["reject"]
        tweets = select(func.count()).select_from(tweet)
        aspects = select(func.count()).select_from(
            tweet.join(aspect, aspect.c.tweet_id == tweet.c.id)
        )
        linked = tweet.join(link, link.c.tweet_id == tweet.c.id)
        pictures = select(func.count(link.c.image_id.distinct())).select_from(linked)
        failed = analysed("image", link.c.image_id, features.face_worker_id, status="failed")
        rejected = select(func.count()).select_from(reject)
        if scope.dataset is not None:
            rejected = rejected.where(reject.c.dataset == scope.dataset)
        told = and_(
            description.c.tweet_id == tweet.c.id, description.c.feature_set_id + 0 == features.id
        )
        number = description.c.faces
        faces: Any = select(number, func.count()).select_from(tweet.join(description, told))
        asked: tuple[Select[Any], ...] = (tweets, aspects, pictures, pictures.where(failed))
        with self._reading() as connection:
            counts = [connection.execute(in_scope(query, scope)).scalar_one() for query in asked]
            told_of = connection.execute(in_scope(faces, scope).group_by(number))
            return Contents(
                tweets=counts[0],
                aspects=counts[1],
                pictures=counts[2],
                failed=counts[3],
                rejected=connection.execute(rejected).scalar_one(),
                faces=dict(sorted((row[0], row[1]) for row in told_of)),
            )

    @contextmanager
    def counting(
        self, reading: ModelReading, other: ModelReading | None = None
    ) -> Iterator[Counting]:
        """The predictions of a reading, to be counted while the block lasts.

        other: a second reading to compare with.
        """
        with self._reading() as connection:
            counting = Counting(connection, reading, other)
            yield counting
            counting.close()
