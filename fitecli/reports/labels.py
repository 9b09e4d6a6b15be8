"""Where labels go in a picture: beside what they tell of, inside the picture, covering little.

Areas are left, top, right and bottom in pixels, in the last axis of an array.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

GRID = np.linspace(0, 1, 15)  # where labels are tried all over the picture, across and down
ON_BOX, ON_OWN, ON_LABEL = 6.0, 2.0, 12.0  # what covering a whole label's area of these costs
FAR = 0.3  # what lying a picture's side away from the box costs
SHIFTED = 0.1  # of that: what the same way between their middles costs


def place_labels(
    picture: tuple[int, int], boxes: np.ndarray, sizes: Sequence[tuple[float, float]], gap: float
) -> tuple[np.ndarray, float]:
    """Choose a place for the label of each box: (N, 4), and how much they cover (0: nothing).

    boxes: (N, 4). sizes: (width, height) of each label. gap: pixels between a box and its label.
    No label runs out of the picture unless it is larger than it, and none covers another label or
    a box where there is a place that does not.
    """
    places = np.empty((0, 4))
    covered = 0.0
    for own, size in enumerate(sizes):
        taken = np.concatenate([boxes, places])
        worth = np.array([ON_BOX] * len(boxes) + [ON_LABEL] * len(places))
        worth[own] = ON_OWN
        tried = _inside(picture, _beside(boxes[own], size, gap), size)
        if (common(tried[:, None], taken).sum(axis=1) > 0).all():
            tried = np.concatenate([tried, _inside(picture, _anywhere(picture, size), size)])
        hidden = common(tried[:, None], taken) @ worth / max(1.0, size[0] * size[1])
        away = np.maximum(0, length(way(boxes[own], tried)) - gap)
        middles = (tried[:, :2] + tried[:, 2:] - boxes[own, :2] - boxes[own, 2:]) / 2
        away += SHIFTED * np.hypot(*middles.T)
        best = int(np.argmin(hidden + FAR * away / max(picture)))
        places = np.concatenate([places, tried[best : best + 1]])
        covered += float(hidden[best])
    return places, covered


def common(areas: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many pixels areas share."""
    low = np.maximum(areas[..., :2], others[..., :2])
    high = np.minimum(areas[..., 2:], others[..., 2:])
    pixels: np.ndarray = np.maximum(0, high - low).prod(axis=-1)
    return pixels


def way(areas: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The shortest lines between areas: x, y, x, y; of no length where they touch."""
    low = np.maximum(areas[..., :2], others[..., :2])
    high = np.minimum(areas[..., 2:], others[..., 2:])
    middle = (low + high) / 2
    start = middle.clip(areas[..., :2], areas[..., 2:])
    end = middle.clip(others[..., :2], others[..., 2:])
    return np.concatenate([start, end], axis=-1)


def length(lines: np.ndarray) -> np.ndarray:
    """How long lines are."""
    across, down = np.moveaxis(lines[..., 2:] - lines[..., :2], -1, 0)
    found: np.ndarray = np.hypot(across, down)
    return found


def _beside(box: np.ndarray, size: tuple[float, float], gap: float) -> np.ndarray:
    """Corners of labels in line with a side of a box: below, above, right, left. (8, 2)."""
    left, top, right, bottom = box
    width, height = size
    below_and_above = [(x, y) for y in (bottom + gap, top - gap - height)
                       for x in (left, right - width)]  # fmt: skip
    right_and_left = [(x, y) for x in (right + gap, left - gap - width)
                      for y in (top, bottom - height)]  # fmt: skip
    return np.array(below_and_above + right_and_left)


def _anywhere(picture: tuple[int, int], size: tuple[float, float]) -> np.ndarray:
    """Corners of labels all over a picture. (225, 2)."""
    across, down = np.meshgrid((picture[0] - size[0]) * GRID, (picture[1] - size[1]) * GRID)
    return np.stack([across.ravel(), down.ravel()], axis=1)


def _inside(picture: tuple[int, int], corners: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """Areas of that size, moved into the picture where they run out of it."""
    corners = np.maximum(0, np.minimum(corners, np.subtract(picture, size)))
    return np.concatenate([corners, corners + size], axis=1)


def drawable(text: str) -> str:
    """A text in the letters that Pillow's own font has: without accents, "?" for other scripts."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(
        letter if letter.isascii() else "?"
        for letter in letters
        if not unicodedata.combining(letter)
    )


def shortened(text: str, measure: Callable[[str], float], width: float) -> str:
    """A text that is no wider than width, by its measure; its end is left out where it must be."""
    if measure(text) <= width:
        return text
    kept = text
    while kept and measure(f"{kept}…") > width:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"
