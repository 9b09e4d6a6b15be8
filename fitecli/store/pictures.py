"""Pictures of tweets as people look at them: the file, and where its faces are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, select

from fitecli.store.connection import StoreConnection, tables
from fitecli.store.rows import Box, KnownPicture, PictureFaces


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
            self._pictures(source_id, dataset, *_place(found))
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
            faces = _faces_in(connection, [row.id])[row.id]
        return KnownPicture(row.picture, row.path, row.sha256, faces), _box(row)

    def tweet_pictures(self, source_id: str, dataset: str) -> tuple[KnownPicture, ...]:
        """The pictures of a tweet, in their order."""
        with self._reading() as connection:
            rows = connection.execute(self._pictures(source_id, dataset)).all()
            faces = _faces_in(connection, [row.id for row in rows])
        return tuple(KnownPicture(row.picture, row.path, row.sha256, faces[row.id]) for row in rows)

    def _pictures(self, source_id: str, dataset: str, *more: Any) -> Select[Any]:
        tweet, link, image = tables["tweet"], tables["tweet_image"], tables["image"]
        return (
            select(image.c.id, link.c.picture, image.c.sha256, link.c.path, *more)
            .select_from(tweet)
            .join(link, link.c.tweet_id == tweet.c.id)
            .join(image, image.c.id == link.c.image_id)
            .where(tweet.c.dataset == dataset, tweet.c.source_id == source_id)
            .order_by(link.c.position)
        )


def _faces_in(connection: Connection, image_ids: Sequence[int]) -> dict[int, PictureFaces]:
    """Picture -> where all faces are that anyone found in it."""
    face, image = tables["face"], tables["image"]
    worker, analysis = tables["worker"], tables["analysis"]
    looked = exists(
        select(worker.c.id)
        .join(analysis, analysis.c.worker_id == worker.c.id)
        .where(
            worker.c.kind == "faces",
            analysis.c.subject_kind == "image",
            analysis.c.subject_id == image.c.id,
            analysis.c.status == "done",
        )
    )
    pictures = select(image.c.id, and_(looked, image.c.width.is_not(None)))
    faces = select(face.c.image_id, *_place(face)).where(face.c.image_id.in_(image_ids)).distinct()
    found: dict[int, list[Box | None]] = {number: [] for number in image_ids}
    for row in connection.execute(faces):
        found[row.image_id].append(_box(row))
    return {
        number: PictureFaces(
            boxes=tuple(box for box in found[number] if box is not None),
            unplaced=None in found[number],
            searched=bool(searched),
        )
        for number, searched in connection.execute(pictures.where(image.c.id.in_(image_ids)))
    }


def _place(face: Any) -> tuple[Any, ...]:
    return face.c.box_left, face.c.box_top, face.c.box_width, face.c.box_height


def _box(row: Any) -> Box | None:
    if row.box_left is None:
        return None
    return row.box_left, row.box_top, row.box_width, row.box_height
