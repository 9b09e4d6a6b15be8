"""What no longer holds where a tweet has other aspects or pictures: it is moved, or dropped and made anew."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, or_, select, update

from fitecli.store.connection import tables

IMAGE_FACTS = ("face", "caption", "image_embedding")
Numbers = Collection[int] | Select[Any]  # or a query of them
Upon = Collection[int] | None  # workers whose facts are others now; None: all that was read may be


def move_image(connection: Connection, old: int, new: int) -> None:
    """Move a picture that was known by name, with every fact about it, to the row of its bytes.

    What a worker has found in the bytes already stays, and its older facts go; where they differ, what
    was made from them of the picture's tweets is made anew.
    """
    image, link, analysis = tables["image"], tables["tweet_image"], tables["analysis"]
    before, found = _facts(connection, old), _facts(connection, new)
    changed = [worker for worker in found if found[worker] != before.get(worker)]
    moving = before.keys() - found.keys()
    readers = select(link.c.tweet_id).where(link.c.image_id == old)
    forget_readings(connection, readers, changed)
    forget_predictions(connection, readers, changed)
    for name in IMAGE_FACTS:
        table = tables[name]
        theirs = (table.c.image_id == old, table.c.worker_id.in_(moving))
        connection.execute(update(table).where(*theirs).values(image_id=new))
    looked = (analysis.c.subject_kind == "image", analysis.c.worker_id.in_(moving))
    failed = (*looked, analysis.c.subject_id == new)  # what was found by name is more
    connection.execute(delete(analysis).where(*failed))
    done = (*looked, analysis.c.subject_id == old, analysis.c.status == "done")
    connection.execute(update(analysis).where(*done).values(subject_id=new))
    connection.execute(update(link).where(link.c.image_id == old).values(image_id=new))
    forget_work(connection, "image", [old])
    connection.execute(delete(image).where(image.c.id == old))


def _facts(connection: Connection, image_id: int) -> dict[int, list[tuple[Any, ...]]]:
    """Worker -> what it has found in a picture, if only that there is nothing."""
    analysis = tables["analysis"]
    done = select(analysis.c.worker_id).where(
        analysis.c.subject_kind == "image",
        analysis.c.subject_id == image_id,
        analysis.c.status == "done",
    )
    found: dict[int, list[tuple[Any, ...]]] = {
        worker_id: [] for worker_id in connection.execute(done).scalars()
    }
    for name in IMAGE_FACTS:
        table = tables[name]
        columns = [column for column in table.c if column.name not in ("id", "image_id")]
        query = select(*columns).where(table.c.image_id == image_id).order_by(table.c.id)
        for row in connection.execute(query):
            found.setdefault(row.worker_id, []).append(tuple(row))
    return found


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


def forget_predictions(connection: Connection, tweet_ids: Numbers, upon: Upon = None) -> None:
    """Drop what was predicted of tweets from other pictures, or other facts about them."""
    aspect, prediction, chosen = tables["aspect"], tables["prediction"], tables["feature_set"]
    theirs = select(aspect.c.id).where(aspect.c.tweet_id.in_(tweet_ids))
    query = delete(prediction).where(prediction.c.aspect_id.in_(theirs))
    if upon is not None:
        reads = or_(chosen.c.face_worker_id.in_(upon), chosen.c.caption_worker_id.in_(upon))
        query = query.where(prediction.c.feature_set_id.in_(select(chosen.c.id).where(reads)))
    connection.execute(query)


def forget_readings(connection: Connection, tweet_ids: Numbers, upon: Upon = None) -> None:
    """Drop alignments and descriptions of tweets, so that they are made anew."""
    analysis, description, chosen = tables["analysis"], tables["description"], tables["feature_set"]
    aligned = delete(analysis).where(
        analysis.c.subject_kind == "tweet", analysis.c.subject_id.in_(tweet_ids)
    )
    described = delete(description).where(description.c.tweet_id.in_(tweet_ids))
    if upon is not None:
        aligners = workers_upon(connection, upon, "alignment")
        reading = select(chosen.c.id).where(chosen.c.face_worker_id.in_(upon))
        aligned = aligned.where(analysis.c.worker_id.in_(aligners))
        described = described.where(description.c.feature_set_id.in_(reading))
    connection.execute(aligned)
    connection.execute(described)


def workers_upon(connection: Connection, worker_ids: Collection[int], kind: str) -> list[int]:
    """The workers of a kind that build upon the facts of any of these."""
    worker = tables["worker"]
    query = select(worker.c.fingerprint).where(worker.c.id.in_(worker_ids))
    theirs = set(connection.execute(query).scalars())
    all_of_kind = select(worker.c.id, worker.c.inputs).where(worker.c.kind == kind)
    return [row.id for row in connection.execute(all_of_kind) if theirs.intersection(row.inputs)]
