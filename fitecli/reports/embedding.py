"""Pictures inside of a page: small JPEGs as data: URIs, their faces made unrecognisable if asked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
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

    faces: of the tweet's pictures, by sha256. blur: every face that anyone found is blurred in the
    pixels, and a picture where that cannot be done is not shown.
    """

    def __init__(self, faces: Mapping[str, PictureFaces], *, blur: bool) -> None:
        self._faces = faces
        self._blur = blur

    def __call__(self, image: Mapping[str, Any]) -> str | None:
        """The `src` of a picture, see `cards.card`."""
        if image["path"] is None:
            return None
        path = Path(image["path"])
        hidden = self._hidden(image["sha256"]) if self._blur else ()
        check_unchanged(path, image["sha256"])
        with quiet_decoders():
            content = thumbnail(path, (), side=SIDE, hidden=hidden)
        return f"data:image/jpeg;base64,{b64encode(content).decode()}"

    def _hidden(self, sha256: str) -> tuple[tuple[int, int, int, int], ...]:
        found = self._faces.get(sha256)
        if found is None or not found.searched:
            raise UnreadableImage(UNSEARCHED)
        if found.unplaced:
            raise UnreadableImage(UNPLACED)
        return found.boxes
