"""What the stages do with pictures; it knows no store, so an engine may do it on another machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fitecli.errors import FiteError, ShapeMismatch, UnreadableImage
from fitecli.pictures import Box, Picture, open_picture
from fitecli.records import storable
from fitecli.store import FacesFound, PendingImage

_AGAIN = "ingest its tweets again, with `--images DIR` where their pictures lie elsewhere"
WHOLE = "image"  # the region of an embedding that is not of a face


class Work(Protocol):
    """How the items of a stage become results."""

    def prepare(self, item: Any) -> Any:
        """Load what one item needs (runs in a thread); a FiteError fails this item alone."""

    def compute(self, prepared: Sequence[Any]) -> Sequence[Any]:
        """Turn prepared items into results, one for each."""


def prepared(work: Work, item: Any) -> Any:
    """One item as it is computed, or the error without its traceback, whose frames hold the picture."""
    try:
        return work.prepare(item)
    except FiteError as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)


def computed(
    compute: Callable[[Sequence[Any]], Sequence[Any]], items: Sequence[Any]
) -> list[Any | FiteError]:
    """The results of prepared items; those that could not be prepared keep their error."""
    good = [item for item in items if not isinstance(item, FiteError)]
    results = iter(compute(good) if good else ())
    return [item if isinstance(item, FiteError) else next(results) for item in items]


def decode(item: PendingImage) -> Picture:
    """Open a picture of the store; raises UnreadableImage where the file is not known, broken, or another
    one by now: what is seen in it would be kept as seen in the first."""
    if item.path is None and "://" in item.name:
        raise UnreadableImage(
            f"{item.name}: fite fetches no pictures; download it, name its file in the tweet's images, "
            "and ingest the tweet again."
        )
    if item.path is None:
        raise UnreadableImage(f"{item.name}: the file was not found; {_AGAIN}.")
    path = Path(item.path)
    if item.sha256 is not None and path.is_file():
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != item.sha256:
                raise UnreadableImage(f"{path}: it is not the file that was ingested; {_AGAIN}.")
    return open_picture(path)


@dataclass(frozen=True)
class FacesWork:
    """Pictures -> faces with attributes. model: a FaceAnalyser."""

    model: Any

    def prepare(self, item: PendingImage) -> tuple[int, int, list[Any]]:
        """Width, height and what the networks are to see of its faces; raises UnreadableImage."""
        picture = decode(item)
        return picture.width, picture.height, self.model.find(picture)

    def compute(self, prepared: Sequence[tuple[int, int, list[Any]]]) -> Sequence[FacesFound]:
        """See Work."""
        read = self.model.read_pictures([found for _, _, found in prepared])
        return [
            FacesFound(faces, width, height)
            for (width, height, _), faces in zip(prepared, read, strict=True)
        ]


@dataclass(frozen=True)
class CaptionsWork:
    """Pictures -> one sentence about the scene. model: a Captioner."""

    model: Any

    def prepare(self, item: PendingImage) -> Picture:
        """Decode one picture; raises UnreadableImage."""
        return decode(item)

    def compute(self, prepared: Sequence[Picture]) -> Sequence[str]:
        """See Work."""
        found = self.model.caption(prepared)
        captions = list(found) if isinstance(found, Iterable) else []
        texts = [item for item in captions if isinstance(item, str) and storable(item)]
        if len(captions) != len(prepared) or len(texts) != len(captions):
            raise ShapeMismatch(
                f"The captioner {self.model.worker.name!r} wrote {len(captions)} sentences for "
                f"{len(prepared)} pictures, or some are no Unicode text."
            )
        return captions


@dataclass(frozen=True)
class FramedImage:
    """A picture and the boxes of its faces."""

    image: PendingImage
    boxes: tuple[Box, ...]

    @property
    def id(self) -> int:
        """The picture's row."""
        return self.image.id


@dataclass(frozen=True)
class EmbeddingsWork:
    """Pictures -> CLIP's embedding of the picture and of each face's crop. model: a CLIP encoder."""

    model: Any

    def prepare(self, item: FramedImage) -> dict[str, Picture]:
        """What is seen of each region; raises UnreadableImage."""
        picture = decode(item.image)
        return {WHOLE: picture, **{region_of(box): picture.crop(box) for box in item.boxes}}

    def compute(self, prepared: Sequence[dict[str, Picture]]) -> Sequence[dict[str, Any]]:
        """See Work. Returns region -> vector (D,) for each picture."""
        vectors = iter(
            self.model.encode_pictures([view for views in prepared for view in views.values()])
        )
        return [{region: next(vectors) for region in views} for views in prepared]


ImageWork = FacesWork | CaptionsWork | EmbeddingsWork


def region_of(box: Box | None) -> str:
    """A box as the store names the region of an embedding; None is the whole picture."""
    return WHOLE if box is None else ",".join(map(str, box))
