"""Small pictures: boxes where they belong, blurred faces that cannot be brought back."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from fitecli.errors import UnreadableImage
from fitecli.reports.thumbnails import placeholder, thumbnail


def read(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def noise(path: Path, width: int = 800, height: int = 400) -> Path:
    """A picture whose every pixel is telling."""
    values = np.random.default_rng(0).integers(0, 2, (height // 8, width // 8, 3)) * 255
    Image.fromarray(values.astype(np.uint8)).resize((width, height), 0).save(path)
    return path


def contrast(area: np.ndarray) -> float:
    return float(area.std(axis=(0, 1)).mean())


def test_the_longest_side_is_kept_and_the_box_scaled(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (800, 400), "blue").save(path)
    found = read(thumbnail(path, [(400, 100, 200, 200)], side=200))
    assert found.shape == (100, 200, 3)
    drawn = found[:, :, 0] > 120  # the line is yellow
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert (rows.min(), rows.max()) == pytest.approx((25, 75), abs=3)
    assert (columns.min(), columns.max()) == pytest.approx((100, 150), abs=3)
    assert not drawn[40:60, 115:135].any()


def test_a_hidden_face_and_its_surroundings_are_gone(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png")
    hidden = read(thumbnail(path, [], side=800, hidden=[(300, 100, 100, 100)]))
    assert contrast(hidden[80:220, 280:420]) < 30
    assert contrast(hidden[:, 450:]) > 100
    assert contrast(hidden[:, :250]) > 100


def test_boxes_over_an_edge_and_tiny_ones_are_hidden(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png")
    boxes = [(-50, -50, 100, 100), (780, 380, 90, 90), (400, 200, 1, 1), (900, 500, 10, 10)]
    found = read(thumbnail(path, [], side=800, hidden=boxes))
    assert contrast(found[:50, :50]) < 30
    assert contrast(found[385:, 785:]) < 30


def test_where_faces_are_not_known_nothing_can_be_recognised(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png")
    assert contrast(read(thumbnail(path, [], side=800, hidden=None))) < 30


def test_no_face_to_hide_hides_nothing(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png")
    assert thumbnail(path, [], side=300, hidden=[]) == thumbnail(path, [], side=300)


def test_what_is_no_picture_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        thumbnail(tmp_path / "gone.jpg", [], side=100)


@pytest.mark.parametrize("side", [60, 240, 1000])
def test_the_placeholder_tells_the_reason_as_text(side: int) -> None:
    reason = "<b>&.jpg: there is no such file, and " + "the reason is long " * 40
    root = ElementTree.fromstring(placeholder(reason, side=side))
    words = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert words.startswith("<b>&")
    assert reason.startswith(words[:20])
