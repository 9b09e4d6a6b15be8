"""Every kind of picture file is decoded upright and safely, or refused with its reason."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitecli.errors import UnreadableImage
from fitecli.pictures import open_picture, quiet_decoders
from tests.conftest import ROOT

RED, BLUE = (220, 20, 20), (20, 20, 220)


def two_colours(width: int = 40, height: int = 20) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def close(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < 60)


def test_a_jpeg_is_rgb_as_it_is(tmp_path: Path) -> None:
    two_colours().save(tmp_path / "a.jpg", quality=95)
    picture = open_picture(tmp_path / "a.jpg")
    assert picture.array.shape == (20, 40, 3)
    assert picture.array.dtype == np.uint8
    assert (picture.width, picture.height, picture.scale) == (40, 20, 1)
    assert close(picture.array[10, 5], RED)
    assert close(picture.array[10, 35], BLUE)


@pytest.mark.parametrize("mode", ["CMYK", "L", "1"])
def test_other_modes_of_jpeg_and_tiff(mode: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (9, 9), "white").convert(mode)
    path = tmp_path / ("a.tif" if mode == "1" else "a.jpg")
    image.save(path)
    assert close(open_picture(path).array[4, 4], (255, 255, 255))


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 100).astype(np.uint16).reshape(10, 10)
    Image.fromarray(grey).save(tmp_path / "a.png")
    array = open_picture(tmp_path / "a.png").array
    assert array[..., 0].tolist() == (grey // 257).tolist()
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "f.tif")
    assert open_picture(tmp_path / "f.tif").array.shape == (4, 4, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str, tmp_path: Path) -> None:
    if mode == "P":
        image = Image.new("P", (4, 4), 0)
        image.putpalette([0, 0, 0, 255, 255, 255])
        image.info["transparency"] = 0
        image.save(tmp_path / "a.png", transparency=0)
    else:
        Image.new(mode, (4, 4), 0).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").array.min() == 255


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "mpo"])
def test_the_first_frame_of_an_animation(suffix: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with Image.open(path) as written:
        assert getattr(written, "n_frames", 1) == 2
    assert close(open_picture(path).array[4, 4], RED)


def test_the_first_frame_of_a_gif_that_is_transparent_later(tmp_path: Path) -> None:
    frames = [two_colours(8, 8).convert("P"), Image.new("P", (8, 8), 0)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], transparency=0)
    array = open_picture(tmp_path / "a.gif").array
    assert array.shape == (8, 8, 3)
    assert close(array[4, 7], BLUE)


def test_a_palette_keeps_its_colours_when_reduced(tmp_path: Path) -> None:
    two_colours(400, 200).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    array = open_picture(tmp_path / "a.png", longest_side=40).array
    assert array.shape == (20, 40, 3)
    assert close(array[10, 5], RED)
    assert close(array[10, 35], BLUE)


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"quality": 100}])
@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_every_kind_of_jpeg_is_reduced(mode: str, options: dict[str, int], tmp_path: Path) -> None:
    two_colours(4000, 2000).convert(mode).save(tmp_path / "a.jpg", **options)
    picture = open_picture(tmp_path / "a.jpg", longest_side=500)
    assert picture.array.shape == (250, 500, 3)
    assert (picture.width, picture.height, picture.scale) == (4000, 2000, 8)
    left, right = picture.array[125, 50].astype(int), picture.array[125, 450].astype(int)
    if mode == "L":
        assert np.ptp(left) == np.ptp(right) == 0
        assert left[0] > right[0] + 20  # red is the lighter grey
    else:
        assert close(picture.array[125, 50], RED)
        assert close(picture.array[125, 450], BLUE)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_a_large_picture_that_lies_on_its_side(kind: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = two_colours(1200, 600).transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / f"a.{kind}", exif=exif)
    picture = open_picture(tmp_path / f"a.{kind}", longest_side=300)
    assert picture.array.shape == (150, 300, 3)
    assert (picture.width, picture.height, picture.scale) == (1200, 600, 4)
    assert close(picture.array[75, 30], RED)
    assert close(picture.array[75, 270], BLUE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_upright(orientation: int, tmp_path: Path) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = two_colours()
    if orientation in turns:
        stored = stored.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    picture = open_picture(tmp_path / "a.jpg")
    assert (picture.width, picture.height) == (40, 20)
    assert close(picture.array[10, 5], RED)
    assert close(picture.array[10, 35], BLUE)


def test_a_large_picture_is_reduced_and_boxes_map_back(tmp_path: Path) -> None:
    two_colours(4000, 2000).save(tmp_path / "a.jpg")
    picture = open_picture(tmp_path / "a.jpg", longest_side=1000)
    assert picture.array.shape == (500, 1000, 3)
    assert (picture.width, picture.height, picture.scale) == (4000, 2000, 4)
    assert picture.original_box(100, 50, 10, 20) == (400, 200, 40, 80)
    assert picture.original_box(-5, -5, 2000, 2000) == (0, 0, 4000, 2000)


def huge_png(path: Path, side: int) -> None:
    """A PNG whose header claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize(
    ("side", "reason"),
    [(20_000, "more than"), (10_000, "more than"), (100, "cannot be decoded")],
)
def test_the_pixel_count_is_checked_before_decoding(side: int, reason: str, tmp_path: Path) -> None:
    huge_png(tmp_path / "a.png", side)
    with pytest.raises(UnreadableImage, match=reason):
        open_picture(tmp_path / "a.png")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    two_colours(400, 400).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for name, reason in (
        ("empty.jpg", "is empty"),
        ("text.jpg", "no picture"),
        ("cut.jpg", "cannot be decoded"),
        ("none.jpg", "no such file"),
        (".", "cannot be decoded"),
    ):
        with pytest.raises(UnreadableImage, match=reason) as caught:
            open_picture(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


MEMORY = """
import sys
from pathlib import Path
from fitecli.pictures import open_picture
from soak.memory import peak
open_picture(Path(sys.argv[1]))  # all that is imported
before = peak()
picture = open_picture(Path(sys.argv[2]))
print(*picture.array.shape, picture.width, picture.height, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("kind", "mode", "most"), [("jpg", "RGB", 100), ("png", "RGB", 500), ("png", "RGBA", 800)]
)
def test_a_huge_picture_takes_little_memory(
    kind: str, mode: str, most: int, tmp_path: Path
) -> None:
    """A JPEG is never there in full (288 MB as Pillow keeps it); a PNG is, but only once, and
    twice where it is transparent."""
    two_colours().save(tmp_path / f"small.{kind}")
    Image.new(mode, (9000, 8000)).save(tmp_path / f"huge.{kind}", compress_level=1)
    words = [sys.executable, "-c", MEMORY, f"small.{kind}", f"huge.{kind}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    *shape, width, height, megabytes = map(int, done.stdout.split())
    assert shape == [1422, 1600, 3]
    assert (width, height) == (9000, 8000)
    assert megabytes < most


def test_formats_that_nobody_posts_are_not_tried(tmp_path: Path) -> None:
    two_colours().save(tmp_path / "a.eps")
    with pytest.raises(UnreadableImage, match="no picture that can be read"):
        open_picture(tmp_path / "a.eps")


def test_damaged_notes_are_not_talked_about(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a long description of the picture"
    whole = exif.tobytes()
    two_colours().save(tmp_path / "a.jpg", exif=whole[:-20])
    with pytest.warns(UserWarning, match="Truncated"):
        open_picture(tmp_path / "a.jpg")
    with quiet_decoders():
        assert open_picture(tmp_path / "a.jpg").width == 40


def test_pixels_that_are_no_numbers_are_black_without_a_word(tmp_path: Path) -> None:
    values = np.full((4, 4), np.nan, np.float32)
    values[0], values[1] = np.inf, 255
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert open_picture(tmp_path / "a.tif").array[:, 0, 0].tolist() == [255, 255, 0, 0]
