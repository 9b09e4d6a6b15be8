"""What is read from faces: alignments and descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, delete, literal, select

from fitecli.store.connection import analysed, made_by, tables
from fitecli.store.finishing import Finishing
from fitecli.store.rows import DescriptionText, TweetFaces

Result = TypeVar("Result")


class Features(Finishing):
    """Verbs that save what was read from faces."""

    def save_alignments(
        self,
        worker_id: int,
        results: Mapping[int, Sequence[tuple[int, int | None, float]]],
        *,
        read: Sequence[TweetFaces] = (),
    ) -> int:
        """Keep similarities of whole tweets: tweet id -> (aspect id, face id, similarity).

        read: the tweets as they were read; those that have other aspects, pictures or faces by now, or
        that another process has aligned meanwhile, are left out. Returns how many those are.
        """
        alignment, aspect = tables["alignment"], tables["aspect"]
        with self._writing() as connection:
            results = _of_unchanged(connection, read, asked := results)
            if read:
                done = self._done(connection, "tweet", worker_id, results)
                results = {n: found for n, found in results.items() if n not in done}
            of_tweets = select(aspect.c.id).where(aspect.c.tweet_id.in_(list(results)))
            connection.execute(
                delete(alignment).where(
                    made_by(alignment, worker_id), alignment.c.aspect_id.in_(of_tweets)
                )
            )
            rows = [
                {
                    "aspect_id": aspect_id,
                    "face_id": face_id,
                    "worker_id": worker_id,
                    "similarity": similarity,
                }
                for found in results.values()
                for aspect_id, face_id, similarity in found
            ]
            self._insert_new(connection, "alignment", rows)
            self._finish(connection, "tweet", worker_id, results)
        return len(asked) - len(results)

    def save_descriptions(
        self,
        feature_set_id: int,
        results: Mapping[int, DescriptionText],
        *,
        read: Sequence[TweetFaces] = (),
    ) -> int:
        """Keep the descriptions of tweets; an earlier one is replaced. read, and what is returned: see
        save_alignments."""
        description = tables["description"]
        with self._writing() as connection:
            results = _of_unchanged(connection, read, asked := results)
            mine = and_(
                description.c.feature_set_id == feature_set_id,
                description.c.tweet_id.in_(list(results)),
            )
            connection.execute(delete(description).where(mine))
            rows = [
                {
                    "tweet_id": tweet_id,
                    "feature_set_id": feature_set_id,
                    "text": result.text,
                    "faces": result.faces,
                }
                for tweet_id, result in results.items()
            ]
            self._insert_new(connection, "description", rows)
            query = select(description.c.tweet_id, description.c.id).where(mine)
            ids = {row[0]: row[1] for row in connection.execute(query)}
            sentences = [
                {
                    "description_id": ids[tweet_id],
                    "position": place,
                    "face_id": face_id,
                    "aspect_id": aspect_id,
                    "text": text,
                }
                for tweet_id, result in results.items()
                for place, (face_id, aspect_id, text) in enumerate(result.sentences)
            ]
            self._insert_new(connection, "face_sentence", sentences)
        return len(asked) - len(results)


def _of_unchanged(
    connection: Connection, read: Sequence[TweetFaces], results: Mapping[int, Result]
) -> Mapping[int, Result]:
    """The results of tweets that still have just the aspects, pictures and faces that were read."""
    if not read:
        return results
    ids, worker_id = [tweet.tweet_id for tweet in read], read[0].face_worker_id
    tweets, aspect = tables["tweet"], tables["aspect"]
    link, face = tables["tweet_image"], tables["face"]
    seen = analysed("image", link.c.image_id, worker_id, status="done")
    of_tweets = link.c.tweet_id.in_(ids)
    now: dict[int, set[tuple[Any, ...]]] = {number: set() for number in ids}
    for query in (
        select(tweets.c.id, literal("tweet"), tweets.c.id).where(tweets.c.id.in_(ids)),
        select(aspect.c.tweet_id, literal("aspect"), aspect.c.id).where(aspect.c.tweet_id.in_(ids)),
        select(link.c.tweet_id, literal("picture"), link.c.image_id).where(of_tweets),
        select(link.c.tweet_id, literal("seen"), link.c.image_id).where(of_tweets, seen),
        select(link.c.tweet_id, literal("face"), face.c.id)
        .join(face, face.c.image_id == link.c.image_id)
        .where(of_tweets, made_by(face, worker_id)),
    ):
        for tweet_id, kind, number in connection.execute(query):
            now[tweet_id].add((kind, number))
    then = {
        tweet.tweet_id: {
            ("tweet", tweet.tweet_id),
            *(("aspect", number) for number, _ in tweet.aspects),
            *(("picture", image.id) for image in tweet.images),
            *(("seen", number) for number in tweet.pictures_seen),
            *(("face", found.face_id) for found in tweet.faces),
        }
        for tweet in read
    }
    return {number: result for number, result in results.items() if now[number] == then[number]}
