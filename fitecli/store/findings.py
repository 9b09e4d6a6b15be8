"""What is found in pictures: faces, captions and embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, select, update

from fitecli.records import Face
from fitecli.store.connection import tables
from fitecli.store.embeddings import Vector, image_rows
from fitecli.store.finishing import Finishing
from fitecli.store.rows import FacesFound, Failure, PendingImage
from fitecli.store.stale import forget_predictions, forget_readings, workers_upon

Result = TypeVar("Result")


class Findings(Finishing):
    """Verbs that save what workers found in pictures."""

    def save_faces(
        self,
        worker_id: int,
        results: Mapping[int, FacesFound | Failure],
        *,
        read: Sequence[PendingImage] = (),
    ) -> int:
        """Keep the faces of pictures, or why there are none, and end their leases.

        read: the pictures as they were claimed; those that have got their bytes since, or are gone,
        are left out. Returns how many those are.

        Earlier faces of the same worker are replaced; readings made from them are made anew.
        """
        face, image, link = tables["face"], tables["image"], tables["tweet_image"]
        analysis = tables["analysis"]
        with self._writing() as connection:
            results = self._of_claimed(connection, worker_id, read, asked := results)
            others = self._seen_otherwise(connection, worker_id, results)
            embedders = workers_upon(connection, [worker_id], "embeddings")
            connection.execute(
                delete(analysis).where(  # their crops are of other faces now
                    analysis.c.subject_kind == "image",
                    analysis.c.subject_id.in_(others),
                    analysis.c.worker_id.in_(embedders),
                )
            )
            readers = select(link.c.tweet_id).where(link.c.image_id.in_(others))
            forget_readings(connection, readers, [worker_id])
            forget_predictions(connection, readers, [worker_id])
            connection.execute(
                delete(face).where(face.c.worker_id == worker_id, face.c.image_id.in_(others))
            )
            rows = []
            for image_id, result in results.items():
                if isinstance(result, FacesFound):
                    rows += [
                        {"image_id": image_id, "worker_id": worker_id, "position": place}
                        | _face_values(item)
                        for place, item in enumerate(result.faces)
                    ]
                    if result.width is not None:
                        connection.execute(
                            update(image)
                            .where(image.c.id == image_id)
                            .values(width=result.width, height=result.height)
                        )
            self._insert_new(connection, "face", rows)
            self._finish(connection, "image", worker_id, results)
        return len(asked) - len(results)

    def _seen_otherwise(
        self, connection: Connection, worker_id: int, results: Mapping[int, FacesFound | Failure]
    ) -> set[int]:
        """The pictures that have other faces than before, or could be looked at and cannot, or the
        other way round: what was read of their tweets is out of date."""
        face, analysis = tables["face"], tables["analysis"]
        ids = list(results)
        had = select(face.c.image_id).where(face.c.worker_id == worker_id, face.c.image_id.in_(ids))
        status = select(analysis.c.subject_id, analysis.c.status).where(
            analysis.c.subject_kind == "image",
            analysis.c.worker_id == worker_id,
            analysis.c.subject_id.in_(ids),
        )
        failed = {number: row == "failed" for number, row in connection.execute(status)}
        return set(connection.execute(had).scalars()) | {
            number
            for number, result in results.items()
            if (isinstance(result, FacesFound) and result.faces)
            or isinstance(result, Failure) != failed.get(number, isinstance(result, Failure))
        }

    def save_captions(
        self,
        worker_id: int,
        results: Mapping[int, str | Failure],
        *,
        read: Sequence[PendingImage] = (),
    ) -> int:
        """Keep the captions of pictures, or why there are none, and end their leases.

        What was predicted with another caption, or without one, is dropped. read, and what is
        returned: see save_faces.
        """
        caption, link = tables["caption"], tables["tweet_image"]
        with self._writing() as connection:
            results = self._of_claimed(connection, worker_id, read, asked := results)
            query = select(caption.c.image_id, caption.c.text).where(
                caption.c.worker_id == worker_id, caption.c.image_id.in_(list(results))
            )
            before = {row.image_id: row.text for row in connection.execute(query)}
            others = [
                number
                for number, text in results.items()
                if isinstance(text, str) and text != before.get(number)
            ]
            readers = select(link.c.tweet_id).where(link.c.image_id.in_(others))
            forget_predictions(connection, readers, [worker_id])
            rows = [
                {"image_id": image_id, "worker_id": worker_id, "text": text}
                for image_id, text in results.items()
                if isinstance(text, str)
            ]
            self._upsert(connection, "caption", rows, ("image_id", "worker_id"))
            self._finish(connection, "image", worker_id, results)
        return len(asked) - len(results)

    def save_embeddings(
        self,
        worker_id: int,
        results: Mapping[int, Mapping[str, Vector] | Failure],
        *,
        read: Sequence[PendingImage] = (),
    ) -> int:
        """Keep the embeddings of pictures and their faces (region -> (D,)), or why there are none, and
        end their leases. read, and what is returned: see save_faces."""
        with self._writing() as connection:
            results = self._of_claimed(connection, worker_id, read, asked := results)
            vectors = {
                (image_id, region): vector
                for image_id, regions in results.items()
                if not isinstance(regions, Failure)
                for region, vector in regions.items()
            }
            self._insert_new(connection, "image_embedding", image_rows(worker_id, vectors))
            self._finish(connection, "image", worker_id, results)
        return len(asked) - len(results)

    def _of_claimed(
        self,
        connection: Connection,
        worker_id: int,
        claimed: Sequence[PendingImage],
        results: Mapping[int, Result],
    ) -> Mapping[int, Result]:
        """The results of pictures that are still what was claimed; the others' leases end.

        A picture whose bytes are known may be called otherwise by now.
        """
        image = tables["image"]
        if not claimed:
            return results
        query = select(image.c.id, image.c.sha256, image.c.name).where(
            image.c.id.in_(list(results))
        )
        now = {row.id: row.sha256 or row.name for row in connection.execute(query)}
        kept = {item.id for item in claimed if now.get(item.id) == (item.sha256 or item.name)}
        self._end_leases(connection, "image", worker_id, [n for n in results if n not in kept])
        return {number: result for number, result in results.items() if number in kept}


def _face_values(face: Face) -> dict[str, Any]:
    left, top, width, height = face.box or (None, None, None, None)
    return {
        "box_left": left,
        "box_top": top,
        "box_width": width,
        "box_height": height,
        "detection_score": face.detection_score,
        "age": face.age,
        "age_score": face.age_score,
        "gender": face.gender,
        "gender_score": face.gender_score,
        "race": face.race,
        "race_score": face.race_score,
        "emotion": face.emotion,
        "emotion_score": face.emotion_score,
        "ages": dict(face.ages),
        "genders": dict(face.genders),
        "races": dict(face.races),
        "emotions": dict(face.emotions),
    }
