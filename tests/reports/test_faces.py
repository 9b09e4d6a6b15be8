"""Faces are drawn into their pictures: inside them, beside each other, over no input."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitecli.errors import Unwritable
from fitecli.reports.faces import LARGEST, SMALLEST, Mark, draw, write_marked
from fitecli.reports.labels import common, drawable, length, place_labels, shortened, way
from tests.conftest import DEMO

JOINED = DEMO / "pictures" / "joined.jpg"
LINES = ("0: Grace Hopper (guess)", "80 Man", "neutral 0.85", "Grace Hopper 0.271")


def plain(path: Path, width: int, height: int, colour: str = "grey") -> Path:
    Image.new("RGB", (width, height), colour).save(path)
    return path


def changed(path: Path, marks: list[Mark]) -> np.ndarray:
    """Where drawing changed a picture of one colour: (H, W)."""
    drawn = np.asarray(draw(path, marks)).astype(int)
    return np.abs(drawn - np.asarray(draw(path, [])).astype(int)).max(axis=2) > 40


@pytest.mark.parametrize("colour", ["white", "black", "#777777"])
def test_box_and_label_are_seen_on_light_and_dark(colour: str, tmp_path: Path) -> None:
    path = plain(tmp_path / "a.png", 800, 600, colour)
    drawn = changed(path, [Mark((300, 200, 100, 120), LINES)])
    assert drawn[200, 300:400].all()  # the box's upper side
    assert drawn[200:320, 300].all()
    assert not drawn[215:305, 315:385].any()  # the face itself is left alone
    assert drawn[320:].sum() > 1000  # the label lies below


@pytest.mark.parametrize("size", [(120, 100), (80, 120), (1024, 512), (3000, 2400), (60, 900)])
def test_labels_grow_with_the_picture_and_stay_inside(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = plain(tmp_path / "a.png", *size)
    width, height = size
    mark = Mark((width // 2, height // 2, width // 5, height // 5), LINES)
    image = draw(path, [mark])
    assert max(image.size) == max(SMALLEST, *size)
    drawn = changed(path, [mark])
    rows, columns = drawn.any(axis=1), drawn.any(axis=0)
    assert not drawn[0].any()
    assert not drawn[-1].any()
    label = rows.sum() / image.size[1] - 0.2
    assert 0.05 < label < 0.5
    assert columns.sum() < 0.8 * image.size[0]


def test_a_huge_picture_is_reduced_with_its_boxes(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.png", 2 * LARGEST, 1000)
    assert draw(path, []).size == (LARGEST, 500)
    drawn = changed(path, [Mark((4000, 400, 400, 200), ("0",))])
    assert drawn[200:300, 2000].all()
    assert not drawn[:, :1900].any()


def eight(side: int) -> np.ndarray:
    """Eight boxes in two rows, as a group stands for a picture."""
    corners = [(60 + 150 * (n % 4), 80 + 200 * (n // 4)) for n in range(8)]
    return np.array([(x, y, x + side, y + side) for x, y in corners], float)


def test_eight_labels_cover_neither_faces_nor_each_other() -> None:
    boxes = eight(60)
    places, covered = place_labels((700, 450), boxes, [(130.0, 70.0)] * 8, gap=3)
    assert covered == 0
    assert common(places[:, None], boxes).sum() == 0
    assert all(common(one, other) == 0 for one, other in combinations(places, 2))
    assert (places >= 0).all()
    assert (places[:, 2:] <= (700, 450)).all()
    assert (length(way(boxes, places)) <= 60).all()


def test_what_must_be_covered_is_no_other_label() -> None:
    boxes = np.array([(0, 0, 100, 100), (0, 100, 100, 200)], float)  # faces fill the picture
    places, covered = place_labels((100, 200), boxes, [(80.0, 40.0)] * 2, gap=3)
    assert covered > 0
    assert common(places[0], places[1]) == 0


def test_a_label_larger_than_the_picture_begins_at_its_corner() -> None:
    places, _ = place_labels((50, 50), np.array([(10.0, 10, 20, 20)]), [(80.0, 60.0)], gap=3)
    assert places.tolist() == [[0, 0, 80, 60]]


def test_lines_between_areas() -> None:
    box = np.array([10.0, 10, 20, 20])
    others = np.array([(30.0, 12, 40, 18), (0, 0, 5, 4), (15, 15, 50, 50)])
    assert way(box, others).tolist() == [[20, 15, 30, 15], [10, 10, 5, 4], [17.5, 17.5, 17.5, 17.5]]
    assert length(way(box, others)).tolist() == pytest.approx([10, 61**0.5, 0])


def test_texts_fit_their_room_and_their_font() -> None:
    assert shortened("Grace", len, 5) == "Grace"
    assert shortened("Grace Hopper", len, 7) == "Grace…"
    assert shortened("Grace", len, 0) == "…"
    assert drawable("Beyoncé Müller, 東京") == "Beyonce Muller, ??"


def test_no_input_is_written_over(tmp_path: Path) -> None:
    first, other = tmp_path / "a.jpg", tmp_path / "b" / "a.jpg"
    other.parent.mkdir()
    for path in (first, other):
        path.write_bytes(JOINED.read_bytes())
    clash = tmp_path / "a-faces.jpg"
    os.link(first, clash)  # another name of an input
    png = plain(tmp_path / "c.png", 20, 20)
    inputs = [first, other, png, tmp_path / "gone.jpg"]
    marks = [Mark((10, 10, 50, 50), ("0",))]
    written = list(write_marked([(path, marks) for path in inputs[:3]], tmp_path, inputs))
    assert [path.name for path in written] == ["a-faces-2.jpg", "a-faces-3.jpg", "c-faces.png"]
    assert first.read_bytes() == other.read_bytes() == clash.read_bytes() == JOINED.read_bytes()
    assert [path.read_bytes()[:4] for path in written] == [b"\xff\xd8\xff\xe0"] * 2 + [b"\x89PNG"]
    again = list(write_marked([(path, marks) for path in inputs[:3]], tmp_path, inputs))
    assert again == written  # its own files are
    for others in (b"no picture", JOINED.read_bytes()):
        written[2].write_bytes(others)
        (third,) = write_marked([(png, marks)], tmp_path, inputs)
        assert third.name == "c-faces-2.png"
        assert written[2].read_bytes() == others


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Unwritable, match="cannot be written"):
        list(write_marked([(JOINED, [])], file, [JOINED]))
