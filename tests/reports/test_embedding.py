"""Pictures in a page: as they were looked at, and with no face where none is wanted."""

from __future__ import annotations

import hashlib
import io
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fitecli.errors import UnreadableImage
from fitecli.reports.embedding import SIDE, Embedded
from fitecli.store import PictureFaces
from tests.conftest import DEMO

JOINED = DEMO / "pictures" / "joined.jpg"
BOX = (687, 82, 96, 96)  # of the second face


def row(path: Path | None = JOINED, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else None
    where = None if path is None else str(path)
    return {"path": where, "sha256": digest, "position": 0, **more}


def pixels(src: str | None) -> np.ndarray:
    assert src is not None
    kind, content = src.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(b64decode(content))) as image:
        assert not image.getexif()
        return np.asarray(image).astype(int)


def seen(*boxes: tuple[int, int, int, int], **more: bool) -> dict[str, PictureFaces]:
    values = {"unplaced": False, "searched": True} | more
    return {row()["sha256"]: PictureFaces(boxes, **values)}


def test_a_picture_is_made_small() -> None:
    plain = pixels(Embedded({}, blur=False)(row()))
    assert plain.shape == (SIDE // 2, SIDE, 3)


def test_a_blurred_face_is_blurred_in_the_pixels() -> None:
    plain = pixels(Embedded({}, blur=False)(row()))
    blurred = pixels(Embedded(seen(BOX), blur=True)(row()))
    scale = 1024 / SIDE
    left, top, width, height = (round(value / scale) for value in BOX)
    face = slice(top, top + height), slice(left, left + width)

    def detail(picture: np.ndarray) -> float:
        return float(np.abs(np.diff(picture[face].mean(axis=2), axis=1)).mean())

    assert detail(blurred) < detail(plain) / 3
    other = slice(0, None), slice(0, SIDE // 2)  # the first face's half
    assert np.abs(plain[other] - blurred[other]).mean() < 1


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        (seen(BOX, unplaced=True), "nobody knows where"),
        (seen(searched=False), "looked for faces"),
        ({}, "looked for faces"),  # another process took the picture away meanwhile
    ],
)
def test_what_cannot_be_blurred_is_left_out(faces: Any, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        Embedded(faces, blur=True)(row())
    assert Embedded(faces, blur=False)(row()) is not None


def test_files_that_are_gone_or_changed(tmp_path: Path) -> None:
    give = Embedded(seen(), blur=False)
    assert give(row(None)) is None
    with pytest.raises(UnreadableImage, match="gone"):
        give(row(tmp_path / "none.jpg"))
    with pytest.raises(UnreadableImage, match="gone"):
        give(row(tmp_path))
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadableImage, match="gone"):
        give(row() | {"path": str(tmp_path / "pipe.jpg")})
    with pytest.raises(UnreadableImage, match="changed since"):
        give(row(sha256="0" * 64))
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(JOINED.read_bytes()[:2000])
    with pytest.raises(UnreadableImage, match="cannot be decoded"):
        give(row(damaged))
