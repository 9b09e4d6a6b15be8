"""What no longer holds where a tweet has other aspects or pictures: it is moved, or dropped and made anew."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, and_, delete, exists, select, update

from fitecli.store.connection import tables

IMAGE_FACTS = ("face", "caption", "image_embedding")


def move_image(connection: Connection, old: int, new: int) -> None:
    """Move every fact about a picture that was known by name to the row of its bytes.

    Where a worker has looked at the bytes already, its facts stay and the older ones go. A picture
    that others refer to by its own bytes stays as it is.
    """
    image, link, analysis = tables["image"], tables["tweet_image"], tables["analysis"]
    named = connection.execute(
        select(image.c.id).where(image.c.id == old, image.c.sha256.is_(None))
    ).first()
    if named is None:
        return
    for name in IMAGE_FACTS:
        table = tables[name]
        other = table.alias()
        taken = exists(
            select(other.c.id).where(
                other.c.image_id == new, other.c.worker_id == table.c.worker_id
            )
        )
        connection.execute(
            update(table).where(table.c.image_id == old, ~taken).values(image_id=new)
        )
    other = analysis.alias()
    of_old = and_(analysis.c.subject_kind == "image", analysis.c.subject_id == old)
    taken = exists(
        select(other.c.worker_id).where(
            other.c.subject_kind == "image",
            other.c.subject_id == new,
            other.c.worker_id == analysis.c.worker_id,
        )
    )
    connection.execute(
        update(analysis).where(of_old, analysis.c.status == "done", ~taken).values(subject_id=new)
    )
    connection.execute(delete(analysis).where(of_old))
    connection.execute(update(link).where(link.c.image_id == old).values(image_id=new))
    connection.execute(delete(image).where(image.c.id == old))


def forget_work(connection: Connection, kind: str, ids: Sequence[int]) -> None:
    """Drop the rows that name their subject by kind and id, which no foreign key follows."""
    for name in ("analysis", "lease"):
        table = tables[name]
        mine = (table.c.subject_kind == kind, table.c.subject_id.in_(ids))
        connection.execute(delete(table).where(*mine))


def forget_unlinked(connection: Connection, ids: Sequence[int]) -> None:
    """Drop pictures that no tweet has any more, and what is known of them; those that a process looks
    at just now stay."""
    image, link, lease = tables["image"], tables["tweet_image"], tables["lease"]
    linked = exists(select(link.c.image_id).where(link.c.image_id == image.c.id))
    held = exists(
        select(lease.c.subject_id).where(
            lease.c.subject_kind == "image",
            lease.c.subject_id == image.c.id,
            lease.c.until > time.time(),
        )
    )
    query = select(image.c.id).where(image.c.id.in_(ids), ~linked, ~held)
    if gone := list(connection.execute(query).scalars()):
        forget_work(connection, "image", gone)
        connection.execute(delete(image).where(image.c.id.in_(gone)))


def forget_predictions(connection: Connection, tweet_ids: Iterable[int]) -> None:
    """Drop what was predicted of tweets from other pictures, or other faces in them."""
    aspect, prediction = tables["aspect"], tables["prediction"]
    theirs = select(aspect.c.id).where(aspect.c.tweet_id.in_(sorted(tweet_ids)))
    connection.execute(delete(prediction).where(prediction.c.aspect_id.in_(theirs)))


def forget_readings(connection: Connection, tweet_ids: Iterable[int]) -> None:
    """Drop alignments and descriptions of tweets, so that they are made anew."""
    ids = sorted(tweet_ids)
    if not ids:
        return
    analysis, description = tables["analysis"], tables["description"]
    connection.execute(
        delete(analysis).where(analysis.c.subject_kind == "tweet", analysis.c.subject_id.in_(ids))
    )
    connection.execute(delete(description).where(description.c.tweet_id.in_(ids)))
