"""What no longer holds where a tweet has other aspects or pictures: it is moved, or dropped and made anew."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, or_, select, update

from fitecli.records import TweetImage
from fitecli.store.connection import tables

CHUNK = 500  # values in one condition
IMAGE_FACTS = ("face", "caption", "image_embedding")
Numbers = Collection[int] | Select[Any]  # or a query of them
Upon = Collection[int] | None  # workers whose facts are others now; None: all that was read may be


def give_bytes(connection: Connection, pictures: Mapping[int, TweetImage]) -> None:
    """Pictures that were known by name are known by their bytes from now on, with all their facts.

    What could not be looked at is looked at anew, and so is what was read without it.
    """
    image, link, analysis = tables["image"], tables["tweet_image"], tables["analysis"]
    known = update(image).where(image.c.id == bindparam("number"))
    values = [
        {"number": number, "bytes": picture.sha256, "called": picture.name}
        for number, picture in pictures.items()
    ]
    known = known.values(sha256=bindparam("bytes"), name=bindparam("called"), dataset=None)
    connection.execute(known, values)
    for ids in chunks(pictures):
        failed = _looked(ids, "failed")
        workers = select(analysis.c.worker_id).where(*failed).distinct()
        for worker_id in connection.execute(workers).scalars().all():
            without = select(analysis.c.subject_id).where(
                *failed, analysis.c.worker_id == worker_id
            )
            readers = select(link.c.tweet_id).where(link.c.image_id.in_(without))
            forget_readings(connection, readers, [worker_id])
            forget_predictions(connection, readers, [worker_id])
        connection.execute(delete(analysis).where(*failed))


def merge_image(connection: Connection, old: int, new: int) -> None:
    """Put a picture that was known by name into the row of its bytes, which others have already.

    What a worker has found in the bytes stays, and its older facts go; what was found by name alone
    is true of the bytes, too. What was read from other facts is made anew: where the two differ, where
    one was not looked at, and of a tweet that had both.
    """
    image, link, analysis = tables["image"], tables["tweet_image"], tables["analysis"]
    before, found = _facts(connection, old), _facts(connection, new)
    differing = {worker for worker in found if found[worker] != before.get(worker)}
    moving = before.keys() - found.keys()
    readers = select(link.c.tweet_id).where(link.c.image_id == old)
    others = select(link.c.tweet_id).where(link.c.image_id == new)
    both = readers.where(link.c.tweet_id.in_(select(others.subquery().c.tweet_id)))
    for tweets, upon in (
        (readers, differing | _failing(connection, old)),
        (others, moving),
        (both, found.keys() | moving),
    ):
        if upon:
            forget_readings(connection, tweets, upon)
            forget_predictions(connection, tweets, upon)
    if before and found:
        _repoint(connection, old, new)
    if moving:
        for name in IMAGE_FACTS:
            table = tables[name]
            theirs = (table.c.image_id == old, table.c.worker_id.in_(moving))
            connection.execute(update(table).where(*theirs).values(image_id=new))
        upon_faces = workers_upon(connection, moving, "embeddings")  # their crops are still to come
        again = analysis.c.worker_id.in_(upon_faces)
        connection.execute(delete(analysis).where(*_looked([new], "done"), again))
        by_moving = analysis.c.worker_id.in_(moving)
        connection.execute(delete(analysis).where(*_looked([new], "failed"), by_moving))
        done = update(analysis).where(*_looked([old], "done"), by_moving)
        connection.execute(done.values(subject_id=new))
    connection.execute(update(link).where(link.c.image_id == old).values(image_id=new))
    forget_work(connection, "image", [old])
    connection.execute(delete(image).where(image.c.id == old))


def _looked(image_ids: Sequence[int], status: str) -> tuple[Any, ...]:
    """The analyses of pictures that ended so."""
    analysis = tables["analysis"]
    return (
        analysis.c.subject_kind == "image",
        analysis.c.subject_id.in_(image_ids),
        analysis.c.status == status,
    )


def _failing(connection: Connection, image_id: int) -> set[int]:
    """The workers that could not look at a picture: its tweets were read without it."""
    query = select(tables["analysis"].c.worker_id).where(*_looked([image_id], "failed"))
    return set(connection.execute(query).scalars())


def _repoint(connection: Connection, old: int, new: int) -> None:
    """What names a face of the one picture names the same face of the other from now on."""
    face, alignment = tables["face"], tables["alignment"]
    other = face.alias()
    same = and_(other.c.worker_id == face.c.worker_id, other.c.position == face.c.position)
    pairs = select(face.c.id, other.c.id).join(other, same)
    pairs = pairs.where(face.c.image_id == old, other.c.image_id == new)
    for gone, kept in connection.execute(pairs).all():
        known = alignment.alias()
        same_pair = (known.c.face_id == kept, known.c.aspect_id == alignment.c.aspect_id)
        twice = exists(
            select(known.c.id).where(*same_pair, known.c.worker_id == alignment.c.worker_id)
        )
        connection.execute(delete(alignment).where(alignment.c.face_id == gone, twice))
        for name in ("alignment", "face_sentence"):
            table = tables[name]
            connection.execute(update(table).where(table.c.face_id == gone).values(face_id=kept))


def _facts(connection: Connection, image_id: int) -> dict[int, list[tuple[Any, ...]]]:
    """Worker -> what it has found in a picture, if only that there is nothing."""
    done = select(tables["analysis"].c.worker_id).where(*_looked([image_id], "done"))
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


def name_anew(connection: Connection, image_ids: Iterable[int]) -> None:
    """Call pictures as the first tweet that has them does, where none calls them as before."""
    image, link = tables["image"], tables["tweet_image"]
    names = select(link.c.picture).where(link.c.image_id == image.c.id)
    first = names.order_by(link.c.tweet_id, link.c.position).limit(1).scalar_subquery()
    kept = exists(names.where(link.c.picture == image.c.name))
    for ids in chunks(image_ids):
        lost = (image.c.id.in_(ids), image.c.sha256.is_not(None), ~kept, exists(names))
        connection.execute(update(image).where(*lost).values(name=first))


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


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values in as many lists as conditions need."""
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
