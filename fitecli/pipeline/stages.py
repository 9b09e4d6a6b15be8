"""The stages from picture to description; each says what the store lacks and how it saves."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fitecli import describe
from fitecli.alignment import pair_text, similarities
from fitecli.errors import FiteError, UnreadableImage
from fitecli.inputs import tokenise_like_benchmark
from fitecli.pictures import Picture, open_picture
from fitecli.pipeline.derived import rules_of
from fitecli.records import Alignment, Face
from fitecli.store import (
    DescriptionText,
    FacesFound,
    Failure,
    FeatureSetRow,
    PendingImage,
    Scope,
    Store,
    TweetFaces,
)

LEASE_SECONDS = 600.0
WHOLE = "image"  # the region of an embedding that is not of a face
Result = TypeVar("Result")


@dataclass
class ImageStage:
    """What every stage that looks at pictures shares: claims by lease, decoding in threads."""

    name = "pictures"
    store: Store
    worker_id: int
    scope: Scope
    model: Any
    retry_failed: bool = False
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    _after: int = 0

    def count(self) -> int:
        """See Stage."""
        return self.store.count_pending_images(
            self.worker_id, self.scope, retry_failed=self.retry_failed
        )

    def claim(self, limit: int) -> Sequence[PendingImage]:
        """See Stage."""
        items = self.store.claim_images(
            self.worker_id,
            self.scope,
            limit=limit,
            owner=self.owner,
            lease_seconds=LEASE_SECONDS,
            retry_failed=self.retry_failed,
            after=self._after,
        )
        if items:
            self._after = items[-1].id
        return items

    def prepare(self, item: PendingImage) -> Any:
        """Decode one picture; raises UnreadableImage."""
        return decode(item)

    def release(self) -> None:
        """See Stage."""
        self.store.release(self.owner)


def decode(item: PendingImage) -> Picture:
    """Open a picture of the store; raises UnreadableImage where the file is not known or broken."""
    if item.path is None:
        raise UnreadableImage(
            f"{item.name}: the file was not found; name its folder with `--images DIR`."
        )
    return open_picture(Path(item.path))


def _by_image(
    items: Sequence[PendingImage], results: Sequence[Result | FiteError]
) -> dict[int, Result | Failure]:
    """Picture id -> its result, or why there is none."""
    return {
        item.id: Failure(str(result)) if isinstance(result, FiteError) else result
        for item, result in zip(items, results, strict=True)
    }


class FacesStage(ImageStage):
    """Pictures -> faces with attributes."""

    name = "faces"

    def compute(self, prepared: Sequence[Picture]) -> Sequence[FacesFound]:
        """See Stage."""
        found = self.model.analyse(prepared)
        return [
            FacesFound(tuple(faces), picture.width, picture.height)
            for picture, faces in zip(prepared, found, strict=True)
        ]

    def save(
        self, items: Sequence[PendingImage], results: Sequence[FacesFound | FiteError]
    ) -> None:
        """See Stage."""
        self.store.save_faces(self.worker_id, _by_image(items, results))


class CaptionsStage(ImageStage):
    """Pictures -> one sentence about the scene."""

    name = "captions"

    def compute(self, prepared: Sequence[Picture]) -> Sequence[str]:
        """See Stage."""
        return list(self.model.caption(prepared))

    def save(self, items: Sequence[PendingImage], results: Sequence[str | FiteError]) -> None:
        """See Stage."""
        self.store.save_captions(self.worker_id, _by_image(items, results))


@dataclass
class EmbeddingsStage(ImageStage):
    """Pictures -> CLIP's embedding of the picture and of each face's crop."""

    name = "embeddings"
    face_worker_id: int = 0
    _faces: dict[int, list[Face]] = field(default_factory=dict)

    def claim(self, limit: int) -> Sequence[PendingImage]:
        """See Stage."""
        items = super().claim(limit)
        found = self.store.faces_of([item.id for item in items], self.face_worker_id)
        self._faces.update(found)  # an earlier batch may still be decoding
        return items

    def prepare(self, item: PendingImage) -> tuple[Picture, dict[str, Picture]]:
        """Decode one picture and cut out its faces; raises UnreadableImage."""
        picture = decode(item)
        boxes = [face.box for face in self._faces.pop(item.id, ()) if face.box is not None]
        return picture, {region_of(box): picture.crop(box) for box in boxes}

    def compute(
        self, prepared: Sequence[tuple[Picture, dict[str, Picture]]]
    ) -> Sequence[dict[str, Any]]:
        """See Stage."""
        named = [
            (place, region, view)
            for place, (picture, crops) in enumerate(prepared)
            for region, view in {WHOLE: picture, **crops}.items()
        ]
        vectors = self.model.encode_pictures([view for _, _, view in named])
        results: list[dict[str, Any]] = [{} for _ in prepared]
        for (place, region, _), vector in zip(named, vectors, strict=True):
            results[place][region] = vector
        return results

    def save(
        self, items: Sequence[PendingImage], results: Sequence[dict[str, Any] | FiteError]
    ) -> None:
        """See Stage."""
        found = _by_image(items, results)
        vectors = {
            (image_id, region): vector
            for image_id, regions in found.items()
            if not isinstance(regions, Failure)
            for region, vector in regions.items()
        }
        self.store.save_image_embeddings(self.worker_id, vectors)
        self.store.finish_images(self.worker_id, found)


def region_of(box: tuple[int, int, int, int]) -> str:
    """A face's box as the store names the region of an embedding."""
    return ",".join(map(str, box))


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
            parts = tuple(
                (
                    tweet.faces[part.face].face_id,
                    None if part.aspect is None else tweet.aspects[part.aspect][0],
                    part.text,
                )
                for part in sentences
            )
            results.append(DescriptionText(text, len(tweet.faces), parts))
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
