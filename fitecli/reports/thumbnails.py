"""Small pictures for pages: a face's box drawn in, or all faces made unrecognisable."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from fitecli.errors import UnreadableImage
from fitecli.pictures import Box, open_picture

if TYPE_CHECKING:
    from PIL import Image

COLOUR, DARK = "#ffd23f", (16, 16, 20)
QUALITY = 85
KEPT = 4  # pixels a side that are left of a blurred face: colours, no features
AROUND = 0.25  # of a face's box is blurred on every side, too: chin, hair, a loose box
LETTERS = 0.55  # of a letter's height is its width, about


def thumbnail(
    path: Path, boxes: Sequence[Box], *, side: int, hidden: Sequence[Box] | None = ()
) -> bytes:
    """A picture as a JPEG of at most side pixels with boxes drawn in; raises UnreadableImage.

    boxes, hidden: in pixels of the upright original. hidden: the faces to blur; None blurs all of
    the picture, where it is not known where its faces are.
    """
    from PIL import Image, ImageDraw

    picture = open_picture(path, longest_side=side)
    image = Image.fromarray(picture.array)
    areas = [(0, 0, *image.size)] if hidden is None else [
        _widened(_area(box, picture.scale), image.size) for box in hidden
    ]  # fmt: skip
    for area in areas:
        _hide(image, area)
    canvas, line = ImageDraw.Draw(image), max(2, side // 150)
    for box in boxes:
        area = _area(box, picture.scale)
        canvas.rectangle(area, outline=DARK, width=2 * line)
        canvas.rectangle(area, outline=COLOUR, width=line)
    written = io.BytesIO()
    image.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


def check_unchanged(path: Path, sha256: str | None) -> None:
    """Raise UnreadableImage where the file is gone, or another than the one that was looked at."""
    if not path.is_file():  # a pipe could be read for ever
        raise UnreadableImage(f"{path}: the file is gone")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise UnreadableImage(f"{path}: the file cannot be read ({exc.strerror or exc})") from exc
    if sha256 is not None and found != sha256:
        raise UnreadableImage(f"{path}: the file has changed since it was looked at")


def _area(box: Box, scale: float) -> tuple[int, int, int, int]:
    """A box of the original as left, top, right and bottom of the small picture."""
    left, top, width, height = box
    x0, y0, x1, y1 = (round(v / scale) for v in (left, top, left + width, top + height))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _widened(area: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = area
    across, down = round(AROUND * (right - left)) + 1, round(AROUND * (bottom - top)) + 1
    return (
        max(0, left - across), max(0, top - down),
        min(size[0], right + across), min(size[1], bottom + down),
    )  # fmt: skip


def _hide(image: Image.Image, area: tuple[int, int, int, int]) -> None:
    """Put a few mean colours in place of an area; what it showed is gone, not just covered."""
    from PIL import Image

    left, top, right, bottom = area
    if right <= left or bottom <= top:
        return
    small = image.crop(area).resize((KEPT, KEPT), Image.Resampling.BOX)
    image.paste(small.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))


def placeholder(reason: str, *, side: int) -> str:
    """An SVG of side pixels that tells why there is no picture."""
    size = max(9, side // 16)
    lines = wrap(reason, max(8, int(side / (size * LETTERS)) - 3))[: side // (2 * size)]
    spans = "".join(
        f'<text x="{size}" y="{(row + 2) * size * 1.3:.0f}">{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side * 3 // 4}">'
        '<rect width="100%" height="100%" fill="#eee"/>'
        f'<g font-family="sans-serif" font-size="{size}" fill="#a00">{spans}</g></svg>'
    )
