"""Pictures inside of a page: small JPEGs as data: URIs, their faces made unrecognisable if asked."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fitecli.errors import UnreadableImage
from fitecli.pictures import quiet_decoders
from fitecli.reports.thumbnails import thumbnail
from fitecli.store import PictureFaces

SIDE = 560  # pixels of the longest side
UNPLACED = "it is left out: it has faces, but nobody knows where, so they could not be blurred"
UNSEARCHED = "it is left out: nobody has looked for faces in it, so none could be blurred"


class Embedded:
    """Gives a tweet's pictures as data: URIs; raises UnreadableImage where one cannot be shown.

    faces: by the position of the picture. blur: every face that anyone found is blurred in the
    pixels, and a picture where that cannot be done is not shown.
    """

    def __init__(self, faces: Mapping[int, PictureFaces], *, blur: bool) -> None:
        self._faces = faces
        self._blur = blur

    def __call__(self, image: Mapping[str, Any]) -> str | None:
        """The `src` of a picture, see `cards.card`."""
        if image["path"] is None:
            return None
        path = Path(image["path"])
        hidden = self._hidden(image["position"]) if self._blur else ()
        _check(path, image["sha256"])
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


def _check(path: Path, sha256: str | None) -> None:
    """Raise UnreadableImage where the file is gone, or another than the one that was looked at."""
    if not path.is_file():  # a pipe could be read for ever
        raise UnreadableImage("the file is gone")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise UnreadableImage(f"the file cannot be read ({exc.strerror or exc})") from exc
    if sha256 is not None and found != sha256:
        raise UnreadableImage("the file has changed since it was looked at")
