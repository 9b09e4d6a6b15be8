"""Faces are found in dark, small, turned and crowded pictures, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fitecli.faces.bundled import BundledAnalyser
from fitecli.faces.detection import Detector, Seen, lightened
from fitecli.pictures import Picture, open_picture
from fitecli.records import Face
from tests.conftest import DEMO

PERSON = {"grace_hopper.jpg": "neutral", "eileen_collins.jpg": "happy"}


@pytest.fixture(scope="module")
def analyser() -> BundledAnalyser:
    return BundledAnalyser(threads=2)


def portrait(name: str) -> Image.Image:
    return Image.fromarray(open_picture(DEMO / "pictures" / name).array)


def faces_in(analyser: BundledAnalyser, image: Image.Image) -> tuple[Face, ...]:
    (faces,) = analyser.analyse([Picture(np.array(image), *image.size)])
    return faces


def darker(share: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.point(lambda value: int(value * share))


def turned(quarters: int) -> Callable[[Image.Image], Image.Image]:
    return lambda image: Image.fromarray(np.rot90(np.array(image), quarters))


def leaning(degrees: int) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(127, 127, 127))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half as light": darker(0.5),
    "a tenth as light": darker(0.1),
    "a twentieth as light": darker(0.05),
    "on the left side": turned(1),
    "upside down": turned(2),
    "on the right side": turned(3),
    "leaning left": leaning(15),
    "leaning right": leaning(-15),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", PERSON)
def test_a_changed_picture_has_the_same_face(
    name: str, change: str, analyser: BundledAnalyser
) -> None:
    (before,) = faces_in(analyser, portrait(name))
    found = faces_in(analyser, CHANGES[change](portrait(name)))
    face = max(found, key=lambda face: face.detection_score or 0)
    assert len(found) == 1 or change.startswith("leaning")  # then a mission patch can look like one
    assert face.emotion == before.emotion == PERSON[name]
    assert face.gender == before.gender
    assert face.age is not None
    assert before.age is not None
    assert abs(face.age - before.age) <= 4


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_boxes_are_of_the_picture_as_it_lies(quarters: int, analyser: BundledAnalyser) -> None:
    image = portrait("joined.jpg").crop((0, 0, 700, 512))
    (upright,) = faces_in(analyser, image)
    (face,) = faces_in(analyser, turned(quarters)(image))
    assert upright.box is not None
    assert face.box is not None
    left, top, width, height = upright.box
    mask = np.zeros((512, 700), bool)
    mask[top : top + height, left : left + width] = True
    rows, columns = np.nonzero(np.rot90(mask, quarters))
    expected = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert np.abs(np.subtract(face.box, expected)).max() <= 1


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_box_is_turned_back_exactly(turns: int) -> None:
    picture = np.zeros((5, 7, 3), np.uint8)
    picture[1:3, 2:6] = 1  # left 2, top 1, width 4, height 2
    array = np.rot90(picture, turns)
    rows, columns = np.nonzero(array[..., 0])
    box = (int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    assert Seen(array, turns, ()).box_before(box) == (2, 1, 4, 2)


@pytest.mark.parametrize("side", [1000, 640])
def test_small_faces_in_a_large_picture(side: int, analyser: BundledAnalyser) -> None:
    scene = Image.new("RGB", (side, side * 2 // 3), (90, 120, 90))
    for place, name in enumerate(PERSON):
        image = portrait(name)
        (face,) = faces_in(analyser, image)
        assert face.box is not None
        scale = 50 / face.box[2]
        small = image.resize((round(image.width * scale), round(image.height * scale)))
        scene.paste(small, (60 + place * side // 2, side // 4))
    left, right = faces_in(analyser, scene)
    for face in (left, right):
        assert face.box is not None
        assert face.box[2] == pytest.approx(50, abs=12)
    assert right.emotion == "happy"


def test_eight_faces_in_one_picture(analyser: BundledAnalyser) -> None:
    scene = Image.new("RGB", (1024, 512))
    for place in range(8):
        image = portrait(list(PERSON)[place % 2]).crop((60, 0, 472, 412)).resize((256, 256))
        scene.paste(image, (place % 4 * 256, place // 4 * 256))
    faces = faces_in(analyser, scene)
    assert len(faces) == 8
    happy = [face.box for face in faces if face.emotion == "happy"]
    assert len(happy) == 4
    assert all(box is not None and box[0] % 512 >= 256 for box in happy)


def scenes() -> dict[str, Image.Image]:
    """Pictures without a face, made by rule."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (300, 400, 3), np.uint8)
    smooth = Image.fromarray(noise[:30, :40]).resize((800, 600), Image.Resampling.BICUBIC)
    stripes = np.repeat(np.indices((400, 600)).sum(0)[..., None] // 25 % 2 * 255, 3, 2)
    circles = Image.new("RGB", (640, 480), "white")
    text = Image.new("RGB", (600, 400), "white")
    for row in range(0, 400, 14):
        ImageDraw.Draw(text).text((4, row), "no face is told of in these lines " * 3, fill="black")
    for x, y, r in random.integers(20, 400, (40, 3)):
        ImageDraw.Draw(circles).ellipse((x, y, x + r // 4, y + r // 4), outline="black", width=3)
    smiley = Image.new("RGB", (600, 600), "white")
    ImageDraw.Draw(smiley).ellipse((150, 150, 450, 450), "gold", "black", 4)
    for x in (250, 350):
        ImageDraw.Draw(smiley).ellipse((x - 18, 245, x + 18, 295), "black")
    ImageDraw.Draw(smiley).arc((225, 240, 375, 390), 20, 160, "black", 8)
    hidden = portrait("eileen_collins.jpg")
    hidden.paste((127, 127, 127), (110, 0, 330, 200))
    return {
        "noise": Image.fromarray(noise),
        "smooth": smooth,
        "stripes": Image.fromarray(stripes.astype(np.uint8)),
        "circles": circles,
        "text": text,
        "smiley": smiley,
        "a suit with a mission patch": hidden,
        "black": Image.new("RGB", (300, 200)),
        "nearly black": Image.fromarray(noise % 3),
        "one pixel": Image.new("RGB", (1, 1)),
        "a line": Image.new("RGB", (1600, 1)),
    }


@pytest.mark.parametrize("name", list(scenes()))
@pytest.mark.parametrize("change", ["as it is", "a tenth as light"])
def test_no_face_where_there_is_none(name: str, change: str, analyser: BundledAnalyser) -> None:
    scene = scenes()[name]
    assert faces_in(analyser, CHANGES.get(change, lambda image: image)(scene)) == ()


def test_only_dark_pictures_are_made_lighter() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2)
    assert lightened(ramp) is ramp
    lit = lightened(ramp // 8)
    assert lit[0, 0, 0] == 0
    assert lit[-1, -1, 0] == pytest.approx(240, abs=8)


def test_what_settles_a_detection_is_told() -> None:
    assert Detector(0.7).settings["threshold"] == 0.7
    assert Detector(0.7).settings != Detector().settings
