"""The measurement of the faces moves the known places with the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tools.measure_faces import CHANGES, View, hidden, hit, small

PLACE = (60.0, 30.0, 20.0)


def dotted() -> View:
    """A white square where the face is said to be."""
    image = Image.new("RGB", (160, 100))
    image.paste((255, 255, 255), (50, 20, 70, 40))
    return View(image, (PLACE,))


MOVES = ["as it is", "mirrored", *(name for name in CHANGES if name.startswith("turned"))]


@pytest.mark.parametrize("name", MOVES)
def test_a_place_stays_on_its_face(name: str) -> None:
    view = CHANGES[name](dotted())
    rows, columns = np.nonzero(np.asarray(view.image.convert("L")) > 200)
    ((x, y, side),) = view.faces
    assert (x, y) == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5), abs=1)
    assert side == 20


def test_small_faces_have_the_side_that_was_asked_for() -> None:
    view = small(10, dotted())
    assert view.image.size == (80, 50)
    assert view.faces == ((30, 15, 10),)
    assert small(40, dotted()).image.size == (160, 100)


def test_a_bar_hides_its_part_only() -> None:
    image = np.asarray(hidden(-0.5, 0.0, 0.5, 0.5, dotted()).image.convert("L"))
    assert image[25, 60] == 255
    assert image[35, 60] < 255


@pytest.mark.parametrize(
    ("box", "expected"),
    [((50, 20, 20, 20), True), ((50, 20, 60, 60), False), ((90, 20, 20, 20), False)],
)
def test_what_counts_as_found(box: tuple[int, int, int, int], expected: bool) -> None:
    assert hit(PLACE, box) is expected
