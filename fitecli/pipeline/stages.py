"""The stages that look at pictures; each says what the store lacks and how it saves."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from fitecli.errors import FiteError
from fitecli.pipeline.local import BATCH
from fitecli.pipeline.work import CaptionsWork, EmbeddingsWork, FacesWork, FramedImage, Work
from fitecli.processes import is_gone, name_of_this
from fitecli.store import (
    FacesFound,
    Failure,
    PendingImage,
    Scope,
    Store,
)

LEASE_SECONDS = 600.0
WAIT_SECONDS = 0.5  # between two looks at what others do
Result = TypeVar("Result")


@dataclass
class ImageStage:
    """What every stage that looks at pictures shares: claims by lease."""

    name = "pictures"
    in_order = False
    batch = BATCH
    kind: ClassVar[Any]  # the Work that is done with the model
    store: Store
    worker_id: int
    scope: Scope
    model: Any
    retry_failed: bool = False
    owner: str = field(default_factory=lambda: f"{name_of_this()}-{uuid.uuid4().hex}")
    _after: int = 0
    _changed: int = 0  # pictures that were not saved, for they are others by now

    @property
    def work(self) -> Work:
        """See Stage."""
        work: Work = self.kind(self.model)
        return work

    def count(self) -> int:
        """See Stage."""
        return self.store.count_pending_images(
            self.worker_id, self.scope, retry_failed=self.retry_failed
        )

    def claim(self, limit: int) -> Sequence[Any]:
        """See Stage; what processes of this machine held that were killed is taken back at once."""
        if not self._after:
            self._take_back()
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
        return self._framed(items)

    def await_others(self, waiting: Callable[[int], None]) -> bool:
        """See Stage; a dead machine is waited for until its lease runs out, and what has got its bytes
        while it was looked at is looked at again."""
        waited, self._changed = self._changed > 0, 0
        while taken := self.store.count_taken_images(self.worker_id, self.scope, self.owner):
            waiting(taken)
            time.sleep(WAIT_SECONDS)
            self._take_back()
            waited = True
        if waited:
            self._after, self.retry_failed = 0, False
        return waited

    def _take_back(self) -> None:
        for owner in self.store.owners(self.worker_id):
            if is_gone(owner.rpartition("-")[0]):
                self.store.release(owner)

    def peek(self, limit: int) -> Sequence[Any]:
        """The first items that the store lacks, without a lease."""
        retry = self.retry_failed
        return self._framed(
            self.store.peek_images(self.worker_id, self.scope, limit=limit, retry_failed=retry)
        )

    def _framed(self, items: Sequence[PendingImage]) -> Sequence[Any]:
        """The pictures with all that the stage's work needs of them."""
        return items

    def release(self) -> None:
        """See Stage."""
        self.store.release(self.owner)


def _by_image(
    items: Sequence[PendingImage | FramedImage], results: Sequence[Result | FiteError]
) -> dict[int, Result | Failure]:
    """Picture id -> its result, or why there is none."""
    return {
        item.id: Failure(_reason(item, result)) if isinstance(result, FiteError) else result
        for item, result in zip(items, results, strict=True)
    }


def _reason(item: PendingImage | FramedImage, error: FiteError) -> str:
    """What an error tells but for the place: every tweet has its own name and path of a picture."""
    image = item.image if isinstance(item, FramedImage) else item
    return str(error).removeprefix(f"{image.path}: ").removeprefix(f"{image.name}: ")


class FacesStage(ImageStage):
    """Pictures -> faces with attributes."""

    name = "faces"
    kind = FacesWork

    def count(self) -> int:
        """See Stage."""
        pending = super().count()
        self.model.expect(pending)
        return pending

    def save(
        self, items: Sequence[PendingImage], results: Sequence[FacesFound | FiteError]
    ) -> None:
        """See Stage."""
        found = _by_image(items, results)
        self._changed += self.store.save_faces(self.worker_id, found, read=items)


class CaptionsStage(ImageStage):
    """Pictures -> one sentence about the scene."""

    name = "captions"
    kind = CaptionsWork

    def save(self, items: Sequence[PendingImage], results: Sequence[str | FiteError]) -> None:
        """See Stage."""
        found = _by_image(items, results)
        self._changed += self.store.save_captions(self.worker_id, found, read=items)


@dataclass
class EmbeddingsStage(ImageStage):
    """Pictures -> CLIP's embedding of the picture and of each face's crop."""

    name = "embeddings"
    kind = EmbeddingsWork
    face_worker_id: int = 0

    def _framed(self, items: Sequence[PendingImage]) -> Sequence[FramedImage]:
        found = self.store.faces_of([item.id for item in items], self.face_worker_id)
        return [
            FramedImage(item, tuple(face.box for face in found.get(item.id, ()) if face.box))
            for item in items
        ]

    def save(
        self, items: Sequence[FramedImage], results: Sequence[dict[str, Any] | FiteError]
    ) -> None:
        """See Stage."""
        found = _by_image(items, results)
        claimed = [item.image for item in items]
        self._changed += self.store.save_embeddings(self.worker_id, found, read=claimed)
