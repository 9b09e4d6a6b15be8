"""Pictures as bad as they come: some that were thought of, and endless ones by a seeded mutator."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from soak.damaged import bombs, chunk, encoded, huge, notes, png, scene
from soak.trials import PICTURES

PREPARED = 300  # at most so many files were thought of


@cache
def whole() -> dict[str, bytes]:
    """One good file of each kind."""
    with Image.open(sorted(PICTURES.glob("*.jpg"))[0]) as picture:
        portrait = picture.convert("RGB")
    portrait.thumbnail((320, 320))
    frames = [scene().rotate(angle) for angle in (0, 90, 180)]
    moving = {"save_all": True, "append_images": frames, "duration": 10}
    grey = np.linspace(0, 65535, 96 * 144).astype(np.uint16).reshape(96, 144)
    depth = Image.fromarray(grey.astype(np.float32))
    clear = portrait.convert("RGBA")
    clear.putalpha(100)
    return {
        "jpg": encoded("JPEG", portrait, exif=notes(), quality=90),
        "progressive jpg": encoded("JPEG", portrait, progressive=True),
        "CMYK jpg": encoded("JPEG", scene().convert("CMYK")),
        "grey jpg": encoded("JPEG", portrait.convert("L")),
        "png": encoded("PNG", portrait, exif=notes()),
        "clear png": encoded("PNG", clear),
        "palette png": encoded("PNG", clear.quantize(16)),
        "16-bit png": encoded("PNG", Image.fromarray(grey)),
        "apng": encoded("PNG", **moving),
        "gif": encoded("GIF", portrait.quantize(32)),
        "animated gif": encoded("GIF", **moving),
        "webp": encoded("WEBP", portrait, exif=notes()),
        "lossless webp": encoded("WEBP", clear, lossless=True),
        "animated webp": encoded("WEBP", **moving),
        "bmp": encoded("BMP", portrait),
        "tif": encoded("TIFF", portrait, tiffinfo={0x0112: 6}),
        "packed tif": encoded("TIFF", compression="tiff_adobe_deflate"),
        "LZW tif": encoded("TIFF", compression="tiff_lzw"),
        "float tif": encoded("TIFF", depth),
        "pages of tif": encoded("TIFF", save_all=True, append_images=frames),
        "avif": encoded("AVIF", portrait),
        "jp2": encoded("JPEG2000", portrait),
        "ppm": encoded("PPM", portrait),
        "ico": encoded("ICO", clear),
    }


@cache
def prepared() -> tuple[tuple[str, bytes], ...]:
    """Files that are bad in a way somebody thought of."""
    blank = zlib.compress(bytes(80 * (3 * 1000 + 1)))
    wide = [png(width, 1, zlib.compress(bytes(3 * width + 1))) for width in (1, 7, 1_000_000)]
    moving = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    many = [png(1000, 80, blank, *[chunk(b"tEXt", b"k\0v") for _ in range(5000)])]
    large = encoded("PNG", Image.new("RGBA", (8900, 8900), (9, 9, 9, 9)), compress_level=1)
    sixteen = encoded("PNG", Image.fromarray(np.zeros((8900, 8900), np.uint16)), compress_level=1)
    webp = encoded("WEBP", Image.new("RGBA", (8900, 8900), (9, 9, 9, 9)), lossless=True, method=0)
    nothing = encoded("TIFF", Image.fromarray(np.full((40, 40), np.nan, np.float32)))
    return (
        *huge(), *bombs(), *(("png", data) for data in (*wide, *many, png(1000, 80, blank, moving))),
        ("largest clear png", large), ("largest 16-bit png", sixteen), ("largest clear webp", webp),
        ("tif of no numbers", nothing),
        ("endless gif", b"GIF89a" + struct.pack("<HHBBB", 9000, 8000, 0xF7, 0, 0) + bytes(768)
         + b"\x2c" + struct.pack("<HHHHB", 0, 0, 9000, 8000, 0) + b"\x08" + b"\x02\x4c\x01" * 9000),
    )  # fmt: skip


def headers(draw: random.Random, data: bytearray) -> None:
    """Numbers of the header become those that are too large, too small or negative."""
    for _ in range(draw.randrange(1, 4)):
        form = draw.choice((">H", "<H", ">I", "<I"))
        value = draw.choice(
            (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 30000)
        )
        place = draw.randrange(min(len(data), 120))
        data[place : place + struct.calcsize(form)] = struct.pack(
            form, value & 256 ** struct.calcsize(form) - 1
        )


def flipped(draw: random.Random, data: bytearray) -> None:
    """Bits anywhere, more of them at the beginning, become others."""
    for _ in range(draw.choice((1, 2, 8, 64))):
        place = draw.randrange(draw.choice((64, 400, len(data))))
        data[min(place, len(data) - 1)] ^= 1 << draw.randrange(8)


def cut(draw: random.Random, data: bytearray) -> None:
    """The end, or a part within, is missing."""
    start = draw.randrange(1, len(data))
    del data[start : draw.choice((len(data), start + draw.randrange(1, 200)))]


def joined(draw: random.Random, data: bytearray) -> None:
    """The beginning of one file goes on as another one, of whatever format."""
    other = draw.choice(list(whole().values()))
    data[draw.choice((4, 12, 32, 200, len(data) // 2)) :] = other[draw.randrange(len(other)) :]


def doubled(draw: random.Random, data: bytearray) -> None:
    """A part of the file comes again, many times."""
    start = draw.randrange(len(data))
    part = data[start : start + draw.randrange(1, 400)]
    data[start:start] = part * draw.choice((1, 5, 200))


CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    headers,
    flipped,
    cut,
    joined,
    doubled,
)


def picture_of(seed: int, number: int) -> tuple[str, bytes]:
    """What a picture was, and its bytes: first those that were thought of, the rest mutated."""
    if number < PREPARED:
        assert len(prepared()) <= PREPARED
        if number < len(prepared()):
            return prepared()[number]
    draw = random.Random(f"{seed}:{number}")
    kind, data = draw.choice(list(whole().items()))
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2))):
        draw.choice(CHANGES)(draw, changed)
    return kind, bytes(changed)
