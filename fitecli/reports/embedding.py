"""Pictures inside of a page: small JPEGs as data: URIs, their faces made unrecognisable if asked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fitecli.errors import UnreadableImage
from fitecli.pictures import quiet_decoders
from fitecli.reports.thumbnails import check_unchanged, thumbnail
from fitecli.store import PictureFaces

SIDE = 560  # pixels of the longest side
UNPLACED = "it is left out: it has faces, but nobody knows where, so they could not be blurred"
UNSEARCHED = "it is left out: nobody has looked for faces in it, so none could be blurred"


class Embedded:
    """Gives a tweet's pictures as data: URIs; raises UnreadableImage where one cannot be shown.

    faces: of each picture of the tweet. blur: every face that anyone found is blurred in the
    pixels, and a picture where that cannot be done is not shown.
    """

    def __init__(self, faces: Sequence[PictureFaces], *, blur: bool) -> None:
        self._faces = faces
        self._blur = blur

    def __call__(self, image: Mapping[str, Any]) -> str | None:
        """The `src` of a picture, see `cards.card`."""
        if image["path"] is None:
            return None
        path = Path(image["path"])
        hidden = self._hidden(image["position"]) if self._blur else ()
        check_unchanged(path, image["sha256"])
        with quiet_decoders():
            content = thumbnail(path, (), side=SIDE, hidden=hidden)
        return f"data:image/jpeg;base64,{b64encode(content).decode()}"

    def _hidden(self, position: int) -> tuple[tuple[int, int, int, int], ...]:
        found = self._faces[position]
        if found.unplaced:
            raise UnreadableImage(UNPLACED)
        if not found.searched:
            raise UnreadableImage(UNSEARCHED)
        return found.boxes
