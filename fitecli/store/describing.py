"""Tweets that wait to be aligned or described: how many, and which next."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, exists, select

from fitecli.records import Alignment
from fitecli.store.connection import analysed, has_face, in_scope, tables
from fitecli.store.reading import Reading, described_by, indexed
from fitecli.store.rows import FeatureSetRow, Scope, TweetFaces


class Describing(Reading):
    """Verbs about tweets that stages still have to read."""

    def count_pending_tweets(self, scope: Scope, *, worker_id: int, face_worker_id: int) -> int:
        """How many tweets with faces an aligner has not looked at."""
        return self._count(_to_align(scope, worker_id, face_worker_id))

    def pending_tweets(
        self, scope: Scope, *, after: int, limit: int, worker_id: int, face_worker_id: int
    ) -> list[TweetFaces]:
        """The next tweets (id > after) with faces that an aligner has not looked at."""
        query = _to_align(scope, worker_id, face_worker_id)
        return self.tweet_faces(self._next(query, after, limit), face_worker_id)

    def count_pending_descriptions(self, features: FeatureSetRow, scope: Scope) -> int:
        """How many tweets can be described now and are not."""
        return self._count(_to_describe(scope, features))

    def pending_descriptions(
        self, features: FeatureSetRow, scope: Scope, *, after: int, limit: int
    ) -> list[tuple[TweetFaces, list[Alignment]]]:
        """The next tweets (id > after) to describe, with the similarities of their faces."""
        ids = self._next(_to_describe(scope, features), after, limit)
        tweets = self.tweet_faces(ids, features.face_worker_id)
        found = self.alignments(ids, features.alignment_worker_id)
        return [(tweet, indexed(tweet, found.get(tweet.tweet_id, []))) for tweet in tweets]

    def to_derive(
        self, base_id: int, features_id: int, scope: Scope, *, after: int, limit: int
    ) -> list[int]:
        """The next tweets (id > after) that one feature set describes and another does not."""
        tweet = tables["tweet"]
        query = select(tweet.c.id).where(described_by(base_id), ~described_by(features_id))
        return self._next(in_scope(query, scope), after, limit)


def _unseen_picture(worker_id: int) -> Any:
    tweet, link = tables["tweet"], tables["tweet_image"]
    return exists(
        select(link.c.image_id).where(
            link.c.tweet_id == tweet.c.id, ~analysed("image", link.c.image_id, worker_id)
        )
    )


def _to_align(scope: Scope, worker_id: int, face_worker_id: int) -> Select[Any]:
    """Tweets whose pictures are all looked at, that have a face and no alignment."""
    tweet = tables["tweet"]
    query = select(tweet.c.id).where(
        has_face(face_worker_id),
        ~_unseen_picture(face_worker_id),
        ~analysed("tweet", tweet.c.id, worker_id),
    )
    return in_scope(query, scope)


def _to_describe(scope: Scope, features: FeatureSetRow) -> Select[Any]:
    """Tweets whose pictures are all looked at and whose faces are aligned, with no description."""
    tweet = tables["tweet"]
    query = select(tweet.c.id).where(
        ~described_by(features.id), ~_unseen_picture(features.face_worker_id)
    )
    if features.alignment_worker_id is not None:
        of_face = tables["tweet_image"].c.tweet_id
        aligned = analysed("tweet", of_face, features.alignment_worker_id)
        query = query.where(~has_face(features.face_worker_id, ~aligned))
    return in_scope(query, scope)
