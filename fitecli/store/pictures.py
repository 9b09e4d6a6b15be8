"""Pictures of tweets as people look at them: the file, and where its faces are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from fitecli.store.connection import StoreConnection, analysed, tables
from fitecli.store.rows import Box, KnownPicture


class Pictured(StoreConnection):
    """Verbs about single pictures."""

    def picture_of_face(
        self, source_id: str, dataset: str, features: str, face: int
    ) -> tuple[KnownPicture, Box | None] | None:
        """The picture that a described face is in, and its box where it is known.

        face: its number in the tweet, as in face_descriptions. None where there is no such face.
        """
        found, sentence = tables["face"], tables["face_sentence"]
        description, feature_set = tables["description"], tables["feature_set"]
        query = (
            self._pictures(source_id, dataset, *_box(found))
            .join(description, description.c.tweet_id == tables["tweet"].c.id)
            .join(feature_set, feature_set.c.id == description.c.feature_set_id)
            .join(sentence, sentence.c.description_id == description.c.id)
            .join(found, found.c.id == sentence.c.face_id)
            .where(
                feature_set.c.name == features,
                sentence.c.position == face,
                found.c.image_id == tables["image"].c.id,
            )
        )
        with self._reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        box = None if row.box_left is None else (row[4], row[5], row[6], row[7])
        return self._known(row), box

    def tweet_pictures(self, source_id: str, dataset: str) -> tuple[KnownPicture, ...]:
        """The pictures of a tweet, in their order."""
        with self._reading() as connection:
            rows = connection.execute(self._pictures(source_id, dataset)).all()
        return tuple(self._known(row) for row in rows)

    def _pictures(self, source_id: str, dataset: str, *more: Any) -> Select[Any]:
        tweet, link, image = tables["tweet"], tables["tweet_image"], tables["image"]
        return (
            select(image.c.id, image.c.name, image.c.width, link.c.path, *more)
            .select_from(tweet)
            .join(link, link.c.tweet_id == tweet.c.id)
            .join(image, image.c.id == link.c.image_id)
            .where(tweet.c.dataset == dataset, tweet.c.source_id == source_id)
            .order_by(link.c.position)
        )

    def _known(self, row: Any) -> KnownPicture:
        """The picture of a row, with every face that anyone found in it."""
        face, worker = tables["face"], tables["worker"]
        boxes = select(*_box(face)).where(face.c.image_id == row.id, face.c.box_left.is_not(None))
        looked = select(worker.c.id).where(
            worker.c.kind == "faces", analysed("image", row.id, worker.c.id, status="done")
        )
        with self._reading() as connection:
            found = tuple((r[0], r[1], r[2], r[3]) for r in connection.execute(boxes.distinct()))
            seen = row.width is not None and connection.execute(looked).first() is not None
        return KnownPicture(row.name, row.path, found, seen)


def _box(face: Any) -> tuple[Any, ...]:
    return face.c.box_left, face.c.box_top, face.c.box_width, face.c.box_height
