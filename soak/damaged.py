"""Damaged picture files, made by rule: the same ones every time, and no two alike."""

from __future__ import annotations

import random
import struct
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from fitecli.pictures import DECODER_ERRORS

FUZZ_SEED = 2022
Files = Iterator[tuple[str, bytes]]  # suffix, content


def encoded(format: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = BytesIO()
    (image or scene()).save(buffer, format, **options)
    return buffer.getvalue()


def scene() -> Image.Image:
    """A picture that compresses badly, so that a cut hits its pixels."""
    random_pixels = np.random.default_rng(0).integers(0, 256, (96, 144, 3), np.uint8)
    return Image.fromarray(random_pixels)


def notes() -> Image.Exif:
    """EXIF that decoders like to stumble over."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    exif[0x8769] = {0x9003: "2020:01:01 00:00:00", 0x920A: (50, 1)}
    return exif


def whole() -> dict[str, bytes]:
    return {
        "jpg": encoded("JPEG", exif=notes()),
        "jpeg": encoded("JPEG", progressive=True),
        "png": encoded("PNG", exif=notes()),
        "gif": encoded("GIF", scene().quantize(32)),
        "webp": encoded("WEBP", exif=notes()),
        "bmp": encoded("BMP"),
        "tif": encoded("TIFF"),
    }


def cut(each: int) -> Files:
    """Every format, cut at many lengths up to nine tenths."""
    for suffix, data in whole().items():
        for length in np.linspace(3, len(data) * 9 // 10, each).astype(int):
            yield suffix, data[:length]


def something_else() -> Files:
    """No pictures, under the names of pictures."""
    contents = (
        b"{}", b"<html><body>404</body></html>", b"%PDF-1.7\n%%EOF", b"PK\x03\x04" + b"\0" * 40,
        b"\0\0\0\x18ftypmp42" + b"\0" * 40, b"\x1f\x8b\x08" + b"\0" * 20, b"\x7fELF" + b"\2" * 60,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>", "häßlich".encode("utf-16"), b"\0" * 5000,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", b"GIF", b"\x89PNG", b"RIFF",
    )  # fmt: skip
    for content in contents:
        for suffix in ("jpg", "png", "gif", "webp"):
            yield suffix, content + suffix.encode()
    yield "jpg", b""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes, *extra: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def huge() -> Files:
    """Headers that claim more pixels than anybody may decode."""
    frame = bytearray(encoded("JPEG"))
    start = frame.index(b"\xff\xc0")
    bitmap, gif = bytearray(encoded("BMP")), bytearray(encoded("GIF", scene().quantize(32)))
    tiff = bytearray(encoded("TIFF"))
    (entries,) = struct.unpack_from("<I", tiff, 4)
    width, height = (tiff.index(struct.pack("<H", tag), entries) + 8 for tag in (256, 257))
    for side in range(9001, 65000, 2500):
        frame[start + 5 : start + 9] = struct.pack(">HH", side, side)
        yield "jpg", bytes(frame)
        yield "png", png(side, side, zlib.compress(b"\0" * 1000))
        gif[6:10] = struct.pack("<HH", side, side)
        yield "gif", bytes(gif)
        bitmap[18:26] = struct.pack("<ii", side, side)
        yield "bmp", bytes(bitmap)
        yield "ppm", b"P6 %d %d 255\n" % (side, side)
        for place in (width, height):
            struct.pack_into("<I", tiff, place, side)
        yield "tif", bytes(tiff)
    for bits in (0x3FFF, 0x3FFE):
        size = struct.pack("<I", bits | bits << 14)
        data = b"VP8L" + struct.pack("<I", 30) + b"\x2f" + size + b"\0" * 25
        yield "webp", b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data


def bombs() -> Files:
    """Notes inside of a PNG that unpack to far more than they are, and pixels that are none."""
    pixels = zlib.compress(b"\0" * 100 * 301)
    for size in range(2, 22):
        packed = zlib.compress(b"\0" * size * 1_000_000, 9)
        yield "png", png(100, 100, pixels, chunk(b"iTXt", b"k\0\1\0\0\0" + packed))
        yield "png", png(100, 100, pixels, chunk(b"zTXt", b"k\0\0" + packed))
        yield "png", png(100, 100, pixels, chunk(b"iCCP", b"k\0\0" + packed))
        yield "png", png(3000, 3000, packed[: len(packed) // 2])
        yield "png", png(10 + size, 8_000_000, packed)
        yield "png", png(900 + size, 1000, zlib.compress(b"\5" * 3000))


def decodes(data: bytes) -> bool:
    """Whether Pillow by itself reads a file to the end, with or without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(data)) as image:
                image.getexif()
                image.load()
        except (*DECODER_ERRORS, UnidentifiedImageError, Image.DecompressionBombError):
            return False
    return True


def fuzzed() -> Files:
    """Endless files with some bytes changed in their first hundreds that Pillow cannot read."""
    chance = random.Random(FUZZ_SEED)
    files = [(s, d) for s, d in whole().items() if s != "tif"]  # libtiff talks to stderr
    text = PngImagePlugin.PngInfo()
    text.add_itxt("key", "value " * 50, zip=True)
    files.append(("png", encoded("PNG", pnginfo=text)))
    while True:
        suffix, data = chance.choice(files)
        changed = bytearray(data)
        for _ in range(chance.choice((1, 2, 4, 16))):
            place = chance.randrange(chance.choice((64, 300, len(changed))))
            changed[place] = chance.randrange(256)
        if not decodes(bytes(changed)):
            yield suffix, bytes(changed)


def damaged(count: int) -> Files:
    """count files, no two alike: all that were thought of, the rest fuzzed."""
    seen: set[bytes] = set()
    for files in (something_else(), huge(), bombs(), cut(70), fuzzed()):
        for suffix, data in islice(files, count):
            if data not in seen and len(seen) < count:
                seen.add(data)
                yield suffix, data
