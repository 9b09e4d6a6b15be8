"""The stages that look at whole tweets: alignment and descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fitecli import describe
from fitecli.alignment import pair_text, similarities
from fitecli.errors import UnreadableImage
from fitecli.inputs import tokenise_like_benchmark
from fitecli.pipeline.derived import as_row, rules_of
from fitecli.pipeline.stages import WHOLE, decode
from fitecli.records import Alignment
from fitecli.store import DescriptionText, FeatureSetRow, Scope, Store, TweetFaces


@dataclass
class TweetStage:
    """What the stages that look at whole tweets share."""

    name = "tweets"
    store: Store
    scope: Scope
    _after: int = 0

    def prepare(self, item: Any) -> Any:
        """See Stage."""
        return item

    def release(self) -> None:
        """Nothing is leased: two processes at once write the same rows."""


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

    def claim(self, limit: int) -> Sequence[TweetFaces]:
        """See Stage."""
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

    def save(self, items: Sequence[TweetFaces], results: Sequence[Any]) -> None:
        """See Stage."""
        self.store.save_alignments(
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
        )


class ProminenceStage(AlignmentStage):
    """Tweets -> a guess whose face is whose."""

    def compute(self, prepared: Sequence[TweetFaces]) -> Sequence[Sequence[Alignment]]:
        """See Stage."""
        return [
            self.model.align(
                [aspect.text for _, aspect in tweet.aspects],
                [found.face for found in tweet.faces],
            )
            for tweet in prepared
        ]


@dataclass
class ClipStage(AlignmentStage):
    """Tweets -> cosine similarities of "aspect, face sentence" and the face's picture.

    One picture and one text are encoded once, then kept as rows of the embedding worker; where one
    face meets one aspect nothing is encoded at all (FITE, appendix A.1).
    """

    embedding_worker_id: int = 0

    def compute(self, prepared: Sequence[TweetFaces]) -> Sequence[Sequence[Alignment]]:
        """See Stage."""
        texts = [_pair_texts(tweet) if _needs_clip(tweet) else {} for tweet in prepared]
        vectors = self._texts(sorted({text for pairs in texts for text in pairs.values()}))
        pictures = self._pictures([t for t, pairs in zip(prepared, texts, strict=True) if pairs])
        results: list[list[Alignment]] = []
        for tweet, pairs in zip(prepared, texts, strict=True):
            rows: list[Alignment] = []
            for (aspect, face), text in pairs.items():
                picture = pictures.get(tweet.faces[face].image_id)
                if picture is not None:
                    similarity = similarities(picture, vectors[text][None])[0]
                    rows.append(Alignment(aspect, face, float(similarity)))
            results.append(rows)
        return results

    def _pictures(self, tweets: Sequence[TweetFaces]) -> dict[int, Any]:
        wanted = {image.id: image for tweet in tweets for image in tweet.images}
        rows = self.store.image_embeddings(self.embedding_worker_id, list(wanted))
        known = {
            image_id: rows[image_id, WHOLE] for image_id in wanted if (image_id, WHOLE) in rows
        }
        lacking, opened = [], []
        for image_id, image in wanted.items():
            if image_id not in known:
                try:
                    opened.append(decode(image))
                    lacking.append(image_id)
                except UnreadableImage:
                    continue  # its faces are not there either
        if lacking:
            new = dict(zip(lacking, self.model.encode_pictures(opened), strict=True))
            self.store.save_image_embeddings(
                self.embedding_worker_id, {(key, WHOLE): vector for key, vector in new.items()}
            )
            known.update(new)
        return known

    def _texts(self, texts: Sequence[str]) -> dict[str, Any]:
        known = dict(self.store.text_embeddings(self.embedding_worker_id, texts))
        lacking = [text for text in texts if text not in known]
        if lacking:
            new = dict(zip(lacking, self.model.encode_texts(lacking), strict=True))
            self.store.save_text_embeddings(self.embedding_worker_id, new)
            known.update(new)
        return known


def _needs_clip(tweet: TweetFaces) -> bool:
    distinct = {aspect.text for _, aspect in tweet.aspects}
    return bool(tweet.faces and distinct) and not (len(tweet.faces) == len(distinct) == 1)


def _pair_texts(tweet: TweetFaces) -> dict[tuple[int, int], str]:
    """(place of the aspect, place of the face) -> what CLIP's text encoder reads."""
    faces = [describe.sentence(found.face).strip() for found in tweet.faces]
    return {
        (place, index): pair_text(_aspect(aspect.text), face)
        for place, (_, aspect) in enumerate(tweet.aspects)
        for index, face in enumerate(faces)
    }


def _aspect(text: str) -> str:
    """An aspect as the sentences and the model's texts write it."""
    return tokenise_like_benchmark(text)


@dataclass
class DescriptionsStage(TweetStage):
    """Faces and alignments -> the sentences that the model reads."""

    name = "descriptions"
    features: FeatureSetRow | None = None

    @property
    def _features(self) -> FeatureSetRow:
        assert self.features is not None
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
        """See Stage."""
        rules = rules_of(self._features)
        results = []
        for tweet, alignments in prepared:
            if not tweet.pictures_seen:
                results.append(DescriptionText("", 0))  # no picture, or none that can be read
                continue
            text, sentences = describe.describe(
                [found.face for found in tweet.faces],
                [_aspect(aspect.text) for _, aspect in tweet.aspects],
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
        self.store.save_descriptions(
            self._features.id,
            {tweet.tweet_id: result for (tweet, _), result in zip(items, results, strict=True)},
        )
