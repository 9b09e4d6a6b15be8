"""The stages that look at whole tweets: alignment and descriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fitecli import describe
from fitecli.inputs import tokenise_like_benchmark
from fitecli.pipeline.derived import as_row, rules_of
from fitecli.records import Alignment
from fitecli.store import DescriptionText, FeatureSetRow, Scope, Store, TweetFaces

ROUNDS = 5  # in which tweets are read again that others change; a later run takes the rest


@dataclass
class TweetStage:
    """What the stages that look at whole tweets share."""

    name = "tweets"
    in_order = False
    batch = 256
    store: Store
    scope: Scope
    _after: int = 0
    _changed: int = 0  # tweets that others changed while they were read
    _rounds: int = 0

    @property
    def work(self) -> Any:
        """See Stage: done on this machine, where the store is."""
        return self

    def prepare(self, item: Any) -> Any:
        """See Work."""
        return item

    def release(self) -> None:
        """Nothing is leased: two processes at once write the same rows."""

    def await_others(self, waiting: Callable[[int], None]) -> bool:
        """See Stage; what others changed meanwhile was not saved, and is read again."""
        again = self._changed > 0 and self._rounds < ROUNDS
        if again:
            self._after, self._changed, self._rounds = 0, 0, self._rounds + 1
        return again


@dataclass
class AlignmentStage(TweetStage):
    """Tweets -> similarities of aspects and faces; what its two kinds share."""

    name = "alignment"
    worker_id: int = 0
    face_worker_id: int = 0
    model: Any = None

    def count(self) -> int:
        """See Stage."""
        return self.store.count_pending_tweets(
            self.scope, worker_id=self.worker_id, face_worker_id=self.face_worker_id
        )

    def claim(self, limit: int) -> Sequence[Any]:
        """See Stage."""
        return self.next_tweets(limit)

    def next_tweets(self, limit: int) -> Sequence[TweetFaces]:
        """The next tweets with faces that the aligner has not looked at."""
        items = self.store.pending_tweets(
            self.scope,
            after=self._after,
            limit=limit,
            worker_id=self.worker_id,
            face_worker_id=self.face_worker_id,
        )
        if items:
            self._after = items[-1].tweet_id
        return items

    def save(self, items: Sequence[Any], results: Sequence[Any]) -> None:
        """See Stage."""
        self._changed += self.store.save_alignments(
            self.worker_id,
            {
                tweet.tweet_id: [
                    (
                        tweet.aspects[item.aspect][0],
                        None if item.face is None else tweet.faces[item.face].face_id,
                        item.similarity,
                    )
                    for item in alignments
                ]
                for tweet, alignments in zip(items, results, strict=True)
            },
            read=items,
        )


class ProminenceStage(AlignmentStage):
    """Tweets -> a guess whose face is whose."""

    def compute(self, prepared: Sequence[TweetFaces]) -> Sequence[Sequence[Alignment]]:
        """See Work."""
        return [
            self.model.align(
                [aspect.text for _, aspect in tweet.aspects],
                [found.face for found in tweet.faces],
            )
            for tweet in prepared
        ]


@dataclass
class DescriptionsStage(TweetStage):
    """Faces and alignments -> the sentences that the model reads."""

    name = "descriptions"
    features: FeatureSetRow | None = None

    @property
    def _features(self) -> FeatureSetRow:
        assert self.features is not None  # noqa: S101 - for mypy: given before it is run
        return self.features

    def count(self) -> int:
        """See Stage."""
        return self.store.count_pending_descriptions(self._features, self.scope)

    def claim(self, limit: int) -> Sequence[tuple[TweetFaces, Sequence[Alignment]]]:
        """See Stage."""
        items = self.store.pending_descriptions(
            self._features, self.scope, after=self._after, limit=limit
        )
        if items:
            self._after = items[-1][0].tweet_id
        return items

    def compute(
        self, prepared: Sequence[tuple[TweetFaces, Sequence[Alignment]]]
    ) -> Sequence[DescriptionText]:
        """See Work."""
        rules = rules_of(self._features)
        results = []
        for tweet, alignments in prepared:
            if not tweet.pictures_seen:
                results.append(DescriptionText("", 0))  # no picture, or none that can be read
                continue
            text, sentences = describe.describe(
                [found.face for found in tweet.faces],
                [tokenise_like_benchmark(aspect.text) for _, aspect in tweet.aspects],
                alignments,
                rules,
            )
            results.append(as_row(tweet, text, sentences))
        return results

    def save(
        self,
        items: Sequence[tuple[TweetFaces, Sequence[Alignment]]],
        results: Sequence[Any],
    ) -> None:
        """See Stage."""
        tweets = [tweet for tweet, _ in items]
        self._changed += self.store.save_descriptions(
            self._features.id,
            {tweet.tweet_id: result for tweet, result in zip(tweets, results, strict=True)},
            read=tweets,
        )
