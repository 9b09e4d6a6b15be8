"""A picture file becomes an array, safely: size checked first, upright, reduced while decoding."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fitecli.errors import UnreadableImage

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 80_000_000  # of the file; Pillow warns from 89 million on, so ours comes first
LONGEST_SIDE = 1600  # pixels that the models get to see
STRIP = 256  # rows

ORIENTATION = 0x0112  # EXIF tag
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000", "PPM", "ICO")
# … and no others: for EPS Pillow starts Ghostscript, and rare formats have rarely tested decoders
DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError, struct.error, zlib.error
)  # fmt: skip
SIDEWAYS = frozenset({5, 6, 7, 8})  # values of it that swap width and height

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Picture:
    """A decoded picture. array: (H, W, 3) uint8 RGB, upright. width, height: of the original,
    upright, in pixels. scale: original pixels per pixel of the array."""

    array: np.ndarray
    width: int
    height: int
    scale: float = 1.0

    def crop(self, box: Box) -> Picture:
        """The part inside a box of the original, at least one pixel."""
        left, top, width, height = (round(value / self.scale) for value in box)
        rows = slice(min(top, len(self.array) - 1), max(top + height, top + 1))
        columns = slice(min(left, self.array.shape[1] - 1), max(left + width, left + 1))
        return Picture(self.array[rows, columns], box[2], box[3], self.scale)

    def original_box(self, left: float, top: float, width: float, height: float) -> Box:
        """A box of the array as (left, top, width, height) in pixels of the original, cut to it."""
        x0, y0 = max(0, round(left * self.scale)), max(0, round(top * self.scale))
        x1 = min(self.width, round((left + width) * self.scale))
        y1 = min(self.height, round((top + height) * self.scale))
        return x0, y0, max(0, x1 - x0), max(0, y1 - y0)


def open_picture(
    path: Path, *, max_pixels: int = MAX_PIXELS, longest_side: int = LONGEST_SIDE
) -> Picture:
    """Decode a picture: the first frame, upright by its EXIF note, as RGB.

    Raises UnreadableImage with the path and the reason: missing, a folder, empty, no picture,
    truncated, or more than max_pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if path.stat().st_size == 0:
            raise UnreadableImage(f"{path}: the file is empty.")
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise UnreadableImage(
                    f"{path}: {width}x{height} pixels are more than {max_pixels:,}."
                )
            if image.getexif().get(ORIENTATION) in SIDEWAYS:
                width, height = height, width
            image.draft("RGB", _at_least(image.size, longest_side))
            ImageOps.exif_transpose(image, in_place=True)
            rgb = _rgb(image)
            rgb.thumbnail((longest_side, longest_side))
    except FileNotFoundError as exc:
        raise UnreadableImage(f"{path}: there is no such file.") from exc
    except UnidentifiedImageError as exc:
        raise UnreadableImage(f"{path}: the file is no picture that can be read.") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise UnreadableImage(f"{path}: it has more than {max_pixels:,} pixels.") from exc
    except DECODER_ERRORS as exc:
        reason = getattr(exc, "strerror", None) or exc  # without the path again
        raise UnreadableImage(f"{path}: the picture cannot be decoded ({reason}).") from exc
    return Picture(np.array(rgb), width, height, max(width, height) / max(rgb.size))


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Pillow's warnings of damaged notes in pictures are not heard meanwhile, in any thread.

    What cannot be decoded is raised by open_picture, warnings or not.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _at_least(size: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """The size down to which a JPEG may be reduced while it is decoded."""
    factor = min(1.0, longest_side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """Deeper greys as uint8: white is 65535, or for floating point 1 or 255 by what is there."""
    if grey.dtype.kind != "f":
        return (grey.clip(0, 65535) // 257).astype(np.uint8)
    grey = np.nan_to_num(grey)  # what is no number is black
    white = 1.0 if grey.max(initial=0) <= 1 else 255.0
    return (grey.clip(0, white) * (255 / white)).astype(np.uint8)


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit RGB: 16-bit greys are scaled, what is transparent becomes white.

    What is RGB already is no copy: a large picture is in memory once.
    """
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """What is transparent becomes white; strip by strip, for whole it would be in memory five times."""
    from PIL import Image

    rgb = Image.new("RGB", image.size)
    for top in range(0, image.height, STRIP):
        box = (0, top, image.width, min(top + STRIP, image.height))
        strip = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        rgb.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    return rgb
