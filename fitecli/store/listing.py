"""Listing what is there: datasets, splits, tweets, and what is known of them at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, exists, func, select

from fitecli.errors import NoExamples
from fitecli.records import Tweet
from fitecli.store.connection import StoreConnection, in_scope, tables
from fitecli.store.rows import FeatureSetRow, Scope

CHUNK = 1000  # tweets read at once


class Listing(StoreConnection):
    """Verbs that list and count."""

    def datasets(self) -> dict[str, int]:
        """The datasets and how many tweets each has."""
        tweet = tables["tweet"]
        query = select(tweet.c.dataset, func.count()).group_by(tweet.c.dataset)
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.order_by(tweet.c.dataset))}

    def labelled_datasets(self) -> list[str]:
        """The datasets that have a labelled aspect."""
        tweet, aspect = tables["tweet"], tables["aspect"]
        query = (
            select(tweet.c.dataset)
            .join(aspect, aspect.c.tweet_id == tweet.c.id)
            .where(aspect.c.label.is_not(None))
            .distinct()
        )
        with self._reading() as connection:
            return sorted(connection.execute(query).scalars())

    def splits(self, dataset: str) -> list[str | None]:
        """The splits of a dataset; None stands for tweets of no split."""
        tweet = tables["tweet"]
        query = select(tweet.c.split).where(tweet.c.dataset == dataset).distinct()
        with self._reading() as connection:
            found = set(connection.execute(query).scalars())
        return sorted(found, key=lambda split: split or "")

    def require(self, dataset: str | None, split: str | None = None) -> None:
        """Raise NoExamples where there is no such dataset, or no such split of it."""
        datasets = self.datasets()
        if dataset is not None and dataset not in datasets:
            raise NoExamples(
                f"The store has no dataset {dataset!r} (known: {', '.join(datasets) or 'none'}). "
                "Add tweets by `fite ingest FILE`, or a benchmark by `fite datasets add twitter2015`."
            )
        if split is None:
            return
        within = datasets if dataset is None else (dataset,)
        splits = {name for known in within for name in self.splits(known) if name}
        if split not in splits:
            raise NoExamples(
                f"{dataset or 'The store'} has no split {split!r} "
                f"(known: {', '.join(sorted(splits)) or 'none'}). `fite stats` shows all."
            )

    def without_aspects(self, tweet_ids: Sequence[int]) -> list[Tweet]:
        """Those of the tweets that have no aspect, as ids and texts."""
        tweet, aspect = tables["tweet"], tables["aspect"]
        query = select(tweet.c.text, tweet.c.source_id).where(
            tweet.c.id.in_(tweet_ids),
            ~exists(select(aspect.c.id).where(aspect.c.tweet_id == tweet.c.id)),
        )
        with self._reading() as connection:
            return [Tweet(row[0], row[1]) for row in connection.execute(query)]

    def tweet_ids(self, scope: Scope, *, after: int = 0, limit: int = CHUNK) -> list[int]:
        """The next tweets of a scope, in the order they were added."""
        tweet = tables["tweet"]
        query = in_scope(select(tweet.c.id).where(tweet.c.id > after), scope)
        with self._reading() as connection:
            return list(connection.execute(query.order_by(tweet.c.id).limit(limit)).scalars())

    def tweet_count(self, scope: Scope) -> int:
        """How many tweets a scope has."""
        return self._count(in_scope(select(tables["tweet"].c.id), scope))

    def image_count(self, scope: Scope) -> int:
        """How many pictures the tweets of a scope have, each counted once."""
        link, tweet = tables["tweet_image"], tables["tweet"]
        query = select(link.c.image_id).join(tweet, tweet.c.id == link.c.tweet_id)
        return self._count(in_scope(query, scope).distinct())

    def source_ids(self, tweet_ids: Sequence[int]) -> dict[int, str]:
        """Row id -> the id that the source gave, in ascending order."""
        tweet = tables["tweet"]
        query = select(tweet.c.id, tweet.c.source_id).where(tweet.c.id.in_(tweet_ids))
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.order_by(tweet.c.id))}

    def described(self, feature_set_id: int, tweet_ids: Sequence[int]) -> set[int]:
        """Which of these tweets have a description under a feature set."""
        description = tables["description"]
        query = select(description.c.tweet_id).where(
            description.c.feature_set_id == feature_set_id, description.c.tweet_id.in_(tweet_ids)
        )
        with self._reading() as connection:
            return set(connection.execute(query).scalars())

    def all_described(self, feature_set_id: int, scope: Scope) -> bool:
        """Whether a feature set describes every tweet of a scope; two counts, whatever their number."""
        tweet, description = tables["tweet"], tables["description"]
        mine = select(description.c.id).where(description.c.feature_set_id == feature_set_id)
        if scope != Scope():
            mine = in_scope(mine.join(tweet, tweet.c.id == description.c.tweet_id), scope)
        return self._count(mine) == self.tweet_count(scope)

    def failed_pictures(
        self, tweet_ids: Sequence[int], features: FeatureSetRow
    ) -> list[tuple[int, str, str]]:
        """(tweet id, name of the picture, reason) of pictures that the face analyser could not read."""
        link, analysis = tables["tweet_image"], tables["analysis"]
        query = (
            select(link.c.tweet_id, link.c.picture, analysis.c.error)
            .join(analysis, analysis.c.subject_id == link.c.image_id)
            .where(
                link.c.tweet_id.in_(tweet_ids),
                analysis.c.subject_kind == "image",
                analysis.c.worker_id == features.face_worker_id,
                analysis.c.status == "failed",
                first_of_its_kind(),
            )
            .order_by(link.c.tweet_id, link.c.position)
        )
        with self._reading() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def _next(self, query: Select[Any], after: int, limit: int) -> list[int]:
        tweet = tables["tweet"]
        page = query.where(tweet.c.id > after).order_by(tweet.c.id).limit(limit)
        with self._reading() as connection:
            return list(connection.execute(page).scalars())


def first_of_its_kind() -> Any:
    """Whether a row of tweet_image is the first of its tweet with that picture."""
    link = tables["tweet_image"]
    earlier = link.alias()
    return ~exists(
        select(earlier.c.position).where(
            earlier.c.tweet_id == link.c.tweet_id,
            earlier.c.image_id == link.c.image_id,
            earlier.c.position < link.c.position,
        )
    )
