"""Pictures that wait for a worker: how many, which next, and who has them under a lease."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Select, delete, exists, func, or_, select

from fitecli.store.connection import StoreConnection, analysed, in_scope, tables
from fitecli.store.rows import PendingImage, Scope


class Waiting(StoreConnection):
    """Verbs about pictures that are still to be looked at."""

    def count_pending_images(
        self, worker_id: int, scope: Scope, *, retry_failed: bool = False
    ) -> int:
        """How many pictures of the scope a worker has not looked at."""
        return self._count(_pending_images(worker_id, scope, retry_failed))

    def claim_images(
        self,
        worker_id: int,
        scope: Scope,
        *,
        limit: int,
        owner: str,
        lease_seconds: float = 600.0,
        retry_failed: bool = False,
        after: int = 0,
    ) -> list[PendingImage]:
        """Take the next pictures (id > after) under a lease; those leased by others are left out."""
        image = tables["image"]
        query = _pending_images(worker_id, scope, retry_failed)
        query = query.where(image.c.id > after, image.c.id.not_in(_taken(worker_id, owner)))
        query = query.order_by(image.c.id).limit(limit)
        with self._writing() as connection:
            found = [PendingImage(*row) for row in connection.execute(query)]
            rows = [
                {
                    "subject_kind": "image",
                    "subject_id": item.id,
                    "worker_id": worker_id,
                    "owner": owner,
                    "until": time.time() + lease_seconds,
                }
                for item in found
            ]
            self._upsert(connection, "lease", rows, ("subject_kind", "subject_id", "worker_id"))
        return found

    def count_taken_images(self, worker_id: int, scope: Scope, owner: str) -> int:
        """How many pictures of the scope that a worker has not looked at others have leased."""
        query = _pending_images(worker_id, scope, False)
        return self._count(query.where(tables["image"].c.id.in_(_taken(worker_id, owner))))

    def peek_images(
        self, worker_id: int, scope: Scope, *, limit: int, retry_failed: bool = False
    ) -> list[PendingImage]:
        """The first pictures of the scope that a worker has not looked at, whoever leases them."""
        query = _pending_images(worker_id, scope, retry_failed)
        query = query.order_by(tables["image"].c.id).limit(limit)
        with self._reading() as connection:
            return [PendingImage(*row) for row in connection.execute(query)]

    def owners(self, worker_id: int) -> list[str]:
        """Who holds leases on pictures for a worker."""
        lease = tables["lease"]
        query = select(lease.c.owner).where(lease.c.worker_id == worker_id).distinct()
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def release(self, owner: str) -> None:
        """Give back every lease of an owner."""
        lease = tables["lease"]
        with self._writing() as connection:
            connection.execute(delete(lease).where(lease.c.owner == owner))


def _taken(worker_id: int, owner: str) -> Select[Any]:
    """The pictures that others than the owner have leased for a worker, now."""
    lease = tables["lease"]
    return select(lease.c.subject_id).where(
        lease.c.subject_kind == "image",
        lease.c.worker_id == worker_id,
        lease.c.owner != owner,
        lease.c.until > time.time(),
    )


def _pending_images(worker_id: int, scope: Scope, retry_failed: bool) -> Select[Any]:
    image, link, tweet = tables["image"], tables["tweet_image"], tables["tweet"]
    looked_at = analysed("image", image.c.id, worker_id)
    pending = ~looked_at
    if retry_failed:
        pending = or_(pending, analysed("image", image.c.id, worker_id, status="failed"))
    named = in_scope(select(link.c.image_id).join(tweet, tweet.c.id == link.c.tweet_id), scope)
    wanted: Any
    if scope.tweet_ids is None:
        wanted = exists(named.where(link.c.image_id == image.c.id))
    else:  # few: their pictures are looked up, not all pictures for theirs
        wanted = image.c.id.in_(named)
    path = select(func.max(link.c.path)).where(link.c.image_id == image.c.id).scalar_subquery()
    return select(image.c.id, image.c.name, path, image.c.sha256).where(pending, wanted)
