"""Reading what other rooms work on: tweets with faces, aspects with all that a model reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select

from fitecli.records import Alignment, Aspect, Face
from fitecli.store.connection import analysed, in_scope, made_by, tables
from fitecli.store.listing import CHUNK, Listing, first_of_its_kind
from fitecli.store.rows import (
    DescriptionText,
    FeatureSetRow,
    FoundFace,
    PendingImage,
    Scope,
    StoredAspect,
    TweetFaces,
)


class Reading(Listing):
    """Verbs that read what stages and models work on."""

    def descriptions(
        self, features_id: int, tweet_ids: Sequence[int]
    ) -> dict[int, DescriptionText]:
        """Tweet id -> its description under a feature set, with the sentence of each face."""
        description, sentence = tables["description"], tables["face_sentence"]
        mine = (description.c.feature_set_id == features_id, description.c.tweet_id.in_(tweet_ids))
        told = (
            select(
                description.c.tweet_id, sentence.c.face_id, sentence.c.aspect_id, sentence.c.text
            )
            .join(sentence, sentence.c.description_id == description.c.id)
            .where(*mine)
            .order_by(sentence.c.position)
        )
        sentences: dict[int, list[tuple[int, int | None, str]]] = {}
        with self._reading() as connection:
            for tweet_id, *rest in connection.execute(told):
                sentences.setdefault(tweet_id, []).append((rest[0], rest[1], rest[2]))
            return {
                row.tweet_id: DescriptionText(
                    row.text, row.faces, tuple(sentences.get(row.tweet_id, ()))
                )
                for row in connection.execute(select(description).where(*mine))
            }

    def alignments(
        self, tweet_ids: Sequence[int], worker_id: int | None
    ) -> dict[int, list[tuple[int, int | None, float]]]:
        """Tweet id -> (aspect id, face id, similarity) of an aligner."""
        aspect, alignment = tables["aspect"], tables["alignment"]
        columns = (
            aspect.c.tweet_id,
            alignment.c.aspect_id,
            alignment.c.face_id,
            alignment.c.similarity,
        )
        query = (
            select(*columns)
            .join(alignment, alignment.c.aspect_id == aspect.c.id)
            .where(aspect.c.tweet_id.in_(tweet_ids), made_by(alignment, worker_id))
            .order_by(alignment.c.id)
        )
        found: dict[int, list[tuple[int, int | None, float]]] = {}
        with self._reading() as connection:
            for tweet_id, *rest in connection.execute(query):
                found.setdefault(tweet_id, []).append((rest[0], rest[1], rest[2]))
        return found

    def tweet_faces(self, tweet_ids: Sequence[int], face_worker_id: int) -> list[TweetFaces]:
        """Tweets with their aspects, pictures and pooled faces, ascending by id."""
        tweet = tables["tweet"]
        query = select(tweet.c.id, tweet.c.text).where(tweet.c.id.in_(tweet_ids))
        with self._reading() as connection:
            aspects = aspects_by_tweet(connection, tweet_ids)
            images = _images(connection, tweet_ids, face_worker_id)
            faces = _faces(connection, tweet_ids, face_worker_id)
            return [
                TweetFaces(
                    tweet_id=number,
                    face_worker_id=face_worker_id,
                    text=text,
                    aspects=tuple(aspects.get(number, ())),
                    faces=tuple(faces.get(number, ())),
                    images=tuple(image for image, _ in images.get(number, ())),
                    pictures_seen=tuple(image.id for image, seen in images.get(number, ()) if seen),
                )
                for number, text in connection.execute(query.order_by(tweet.c.id))
            ]

    def faces_of(self, image_ids: Sequence[int], worker_id: int) -> dict[int, list[Face]]:
        """Image id -> the faces that a worker found in it, in order."""
        face = tables["face"]
        query = select(face).where(face.c.image_id.in_(image_ids), face.c.worker_id == worker_id)
        found: dict[int, list[Face]] = {}
        with self._reading() as connection:
            for row in connection.execute(query.order_by(face.c.image_id, face.c.position)):
                found.setdefault(row.image_id, []).append(face_record(row))
        return found

    # what a model reads

    def stored_aspects(
        self, scope: Scope, features: FeatureSetRow, *, labelled: bool = False
    ) -> Iterator[StoredAspect]:
        """Stream the aspects of described tweets, by tweet and place; labelled ones only if asked."""
        after = 0
        query = in_scope(select(tables["tweet"].c.id).where(described_by(features.id)), scope)
        while ids := self._next(query, after, CHUNK):
            after = ids[-1]
            with self._reading() as connection:
                rows = connection.execute(_stored(ids, features, labelled)).all()
                captions = _captions(connection, ids, features.caption_worker_id)
            for row in rows:
                caption = " ".join(captions.get(row.tweet_id, ()))
                yield StoredAspect(caption=caption, **row._mapping)


def indexed(tweet: TweetFaces, rows: Sequence[tuple[int, int | None, float]]) -> list[Alignment]:
    aspects = {aspect_id: place for place, (aspect_id, _) in enumerate(tweet.aspects)}
    faces = {found.face_id: place for place, found in enumerate(tweet.faces)}
    return [
        Alignment(aspects[aspect_id], None if face_id is None else faces[face_id], similarity)
        for aspect_id, face_id, similarity in rows
        if aspect_id in aspects and (face_id is None or face_id in faces)
    ]


def described_by(features_id: int) -> Any:
    """Whether a feature set describes the tweet of the query around."""
    tweet, description = tables["tweet"], tables["description"]
    return exists(
        select(description.c.id).where(
            description.c.tweet_id == tweet.c.id, description.c.feature_set_id == features_id
        )
    )


def aspects_by_tweet(
    connection: Connection, tweet_ids: Sequence[int]
) -> dict[int, list[tuple[int, Aspect]]]:
    """Tweet id -> its aspects with their ids, in order."""
    aspect = tables["aspect"]
    query = select(aspect).where(aspect.c.tweet_id.in_(tweet_ids))
    found: dict[int, list[tuple[int, Aspect]]] = {}
    for row in connection.execute(query.order_by(aspect.c.tweet_id, aspect.c.position)):
        record = Aspect(
            row.text, row.start, row.end, row.label, row.origin, row.source_line, row.source_text
        )
        found.setdefault(row.tweet_id, []).append((row.id, record))
    return found


def _images(
    connection: Connection, tweet_ids: Sequence[int], worker_id: int
) -> dict[int, list[tuple[PendingImage, bool]]]:
    image, link = tables["image"], tables["tweet_image"]
    seen = analysed("image", image.c.id, worker_id, status="done")
    query = (
        select(link.c.tweet_id, image.c.id, link.c.picture, link.c.path, seen)
        .join(image, image.c.id == link.c.image_id)
        .where(link.c.tweet_id.in_(tweet_ids), first_of_its_kind())
        .order_by(link.c.tweet_id, link.c.position)
    )
    found: dict[int, list[tuple[PendingImage, bool]]] = {}
    for tweet_id, image_id, name, path, done in connection.execute(query):
        found.setdefault(tweet_id, []).append((PendingImage(image_id, name, path), bool(done)))
    return found


def _faces(
    connection: Connection, tweet_ids: Sequence[int], worker_id: int
) -> dict[int, list[FoundFace]]:
    face, link = tables["face"], tables["tweet_image"]
    query = (
        select(link.c.tweet_id, face)
        .join(link, link.c.image_id == face.c.image_id)
        .where(link.c.tweet_id.in_(tweet_ids), made_by(face, worker_id), first_of_its_kind())
        .order_by(link.c.tweet_id, link.c.position, face.c.position)
    )
    found: dict[int, list[FoundFace]] = {}
    for row in connection.execute(query):
        found.setdefault(row.tweet_id, []).append(FoundFace(row.id, row.image_id, face_record(row)))
    return found


def face_record(row: Any) -> Face:
    """A row of the table face as a record."""
    box = (row.box_left, row.box_top, row.box_width, row.box_height)
    names = [name for name in Face.__dataclass_fields__ if name != "box"]
    values = {name: getattr(row, name) for name in names}
    return Face(box=None if row.box_left is None else box, **values)


def _captions(
    connection: Connection, tweet_ids: Sequence[int], worker_id: int | None
) -> dict[int, list[str]]:
    link, caption = tables["tweet_image"], tables["caption"]
    query = (
        select(link.c.tweet_id, caption.c.text)
        .join(caption, caption.c.image_id == link.c.image_id)
        .where(link.c.tweet_id.in_(tweet_ids), made_by(caption, worker_id), first_of_its_kind())
        .order_by(link.c.tweet_id, link.c.position)
    )
    found: dict[int, list[str]] = {}
    if worker_id is not None:
        for tweet_id, text in connection.execute(query):
            found.setdefault(tweet_id, []).append(text)
    return found


def _stored(ids: Sequence[int], features: FeatureSetRow, labelled: bool) -> Select[Any]:
    aspect, tweet = tables["aspect"], tables["tweet"]
    description, sentence = tables["description"], tables["face_sentence"]
    same = aspect.alias()  # a repeated aspect shares its face
    link, image = tables["tweet_image"], tables["image"]
    first = link.alias()
    query = (
        select(
            aspect.c.id.label("aspect_id"),
            aspect.c.tweet_id,
            aspect.c.key,
            tweet.c.dataset,
            tweet.c.split,
            tweet.c.text,
            aspect.c.text.label("aspect"),
            aspect.c.start,
            aspect.c.end,
            aspect.c.source_line,
            aspect.c.source_text,
            aspect.c.label,
            description.c.text.label("description"),
            description.c.faces,
            sentence.c.text.label("face"),
            image.c.name.label("picture"),
        )
        .join(tweet, tweet.c.id == aspect.c.tweet_id)
        .join(
            description,
            and_(description.c.tweet_id == tweet.c.id, description.c.feature_set_id == features.id),
        )
        .outerjoin(
            sentence,
            and_(
                sentence.c.description_id == description.c.id,
                sentence.c.aspect_id.in_(
                    select(same.c.id).where(
                        same.c.tweet_id == aspect.c.tweet_id, same.c.text == aspect.c.text
                    )
                ),
            ),
        )
        .outerjoin(
            link,
            and_(
                link.c.tweet_id == tweet.c.id,
                link.c.position
                == select(func.min(first.c.position))
                .where(first.c.tweet_id == tweet.c.id)
                .scalar_subquery(),
            ),
        )
        .outerjoin(image, image.c.id == link.c.image_id)
        .where(aspect.c.tweet_id.in_(ids))
        .order_by(aspect.c.tweet_id, aspect.c.position)
    )
    return query.where(aspect.c.label.is_not(None)) if labelled else query
