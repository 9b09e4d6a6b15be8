"""The stages that look at pictures; each says what the store lacks and how it saves."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fitecli.errors import FiteError, UnreadableImage
from fitecli.pictures import Box, Picture, open_picture
from fitecli.records import Face
from fitecli.store import (
    FacesFound,
    Failure,
    PendingImage,
    Scope,
    Store,
)

LEASE_SECONDS = 600.0
WHOLE = "image"  # the region of an embedding that is not of a face
Result = TypeVar("Result")


@dataclass
class ImageStage:
    """What every stage that looks at pictures shares: claims by lease, decoding in threads."""

    name = "pictures"
    in_order = False
    store: Store
    worker_id: int
    scope: Scope
    model: Any
    retry_failed: bool = False
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    _after: int = 0

    def count(self) -> int:
        """See Stage."""
        return self.store.count_pending_images(
            self.worker_id, self.scope, retry_failed=self.retry_failed
        )

    def claim(self, limit: int) -> Sequence[PendingImage]:
        """See Stage."""
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
        return items

    def prepare(self, item: PendingImage) -> Any:
        """Decode one picture; raises UnreadableImage."""
        return decode(item)

    def release(self) -> None:
        """See Stage."""
        self.store.release(self.owner)


def decode(item: PendingImage) -> Picture:
    """Open a picture of the store; raises UnreadableImage where the file is not known or broken."""
    if item.path is None:
        raise UnreadableImage(
            f"{item.name}: the file was not found; name its folder with `--images DIR`."
        )
    return open_picture(Path(item.path))


def _by_image(
    items: Sequence[PendingImage], results: Sequence[Result | FiteError]
) -> dict[int, Result | Failure]:
    """Picture id -> its result, or why there is none."""
    return {
        item.id: Failure(str(result)) if isinstance(result, FiteError) else result
        for item, result in zip(items, results, strict=True)
    }


class FacesStage(ImageStage):
    """Pictures -> faces with attributes."""

    name = "faces"

    def count(self) -> int:
        """See Stage."""
        pending = super().count()
        self.model.expect(pending)
        return pending

    def prepare(self, item: PendingImage) -> tuple[int, int, list[Any]]:
        """Width, height and what the networks are to see of its faces; raises UnreadableImage."""
        picture = decode(item)
        return picture.width, picture.height, self.model.find(picture)

    def compute(self, prepared: Sequence[tuple[int, int, list[Any]]]) -> Sequence[FacesFound]:
        """See Stage."""
        read = self.model.read_pictures([found for _, _, found in prepared])
        return [
            FacesFound(faces, width, height)
            for (width, height, _), faces in zip(prepared, read, strict=True)
        ]

    def save(
        self, items: Sequence[PendingImage], results: Sequence[FacesFound | FiteError]
    ) -> None:
        """See Stage."""
        self.store.save_faces(self.worker_id, _by_image(items, results))


class CaptionsStage(ImageStage):
    """Pictures -> one sentence about the scene."""

    name = "captions"

    def compute(self, prepared: Sequence[Picture]) -> Sequence[str]:
        """See Stage."""
        return list(self.model.caption(prepared))

    def save(self, items: Sequence[PendingImage], results: Sequence[str | FiteError]) -> None:
        """See Stage."""
        self.store.save_captions(self.worker_id, _by_image(items, results))


@dataclass
class EmbeddingsStage(ImageStage):
    """Pictures -> CLIP's embedding of the picture and of each face's crop."""

    name = "embeddings"
    face_worker_id: int = 0
    _faces: dict[int, list[Face]] = field(default_factory=dict)

    def claim(self, limit: int) -> Sequence[PendingImage]:
        """See Stage."""
        items = super().claim(limit)
        found = self.store.faces_of([item.id for item in items], self.face_worker_id)
        self._faces.update(found)  # an earlier batch may still be decoding
        return items

    def prepare(self, item: PendingImage) -> tuple[Picture, dict[str, Picture]]:
        """Decode one picture and cut out its faces; raises UnreadableImage."""
        picture = decode(item)
        boxes = [face.box for face in self._faces.pop(item.id, ()) if face.box is not None]
        return picture, {region_of(box): picture.crop(box) for box in boxes}

    def compute(
        self, prepared: Sequence[tuple[Picture, dict[str, Picture]]]
    ) -> Sequence[dict[str, Any]]:
        """See Stage."""
        named = [
            (place, region, view)
            for place, (picture, crops) in enumerate(prepared)
            for region, view in {WHOLE: picture, **crops}.items()
        ]
        vectors = self.model.encode_pictures([view for _, _, view in named])
        results: list[dict[str, Any]] = [{} for _ in prepared]
        for (place, region, _), vector in zip(named, vectors, strict=True):
            results[place][region] = vector
        return results

    def save(
        self, items: Sequence[PendingImage], results: Sequence[dict[str, Any] | FiteError]
    ) -> None:
        """See Stage."""
        found = _by_image(items, results)
        vectors = {
            (image_id, region): vector
            for image_id, regions in found.items()
            if not isinstance(regions, Failure)
            for region, vector in regions.items()
        }
        self.store.save_image_embeddings(self.worker_id, vectors)
        self.store.finish_images(self.worker_id, found)


def region_of(box: Box | None) -> str:
    """A box as the store names the region of an embedding; None is the whole picture."""
    return WHOLE if box is None else ",".join(map(str, box))
