"""Frontal faces in pictures of any size, light and turn, by dlib's detector.

What each step brings and costs was measured: docs/faces.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

FACE_THRESHOLD = 0.3  # of the score: no upright scene without faces reaches 0.1
LOOKED_AT = 1600  # pixels of the longer side in which faces are looked for
MOST_ENLARGED = 2.0  # dlib's own window is 80 pixels wide, so faces from 40 on are found
SMALLEST = 20  # pixels of the shorter side; in a narrower picture no face could be found
GLANCE = 480  # pixels of the longer side for pictures that may lie on their side or head
DARK = 128  # a picture whose 99th percentile of grey is under it is made lighter …
LIGHT = 240  # … until it is about this

Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Seen:
    """A picture as its faces were found in it, lit and turned so that they are upright.

    array: (H, W, 3) uint8 RGB. turns: the quarters anticlockwise by which the picture was turned.
    faces: a box in pixels of array and a score for each.
    """

    array: np.ndarray
    turns: int
    faces: tuple[tuple[Box, float], ...]

    def box_before(self, box: Box) -> Box:
        """The box in the picture before it was turned."""
        height, width = self.array.shape[:2]
        for _ in range(self.turns):
            left, top, across, down = box
            box = (height - top - down, left, down, across)
            height, width = width, height
        return box


class Detector:
    """Finds faces; may be used by several threads at once."""

    def __init__(self, threshold: float = FACE_THRESHOLD) -> None:
        """threshold: detections that score less are no faces."""
        self.threshold = threshold
        self._idle: list[Any] = []

    @property
    def settings(self) -> dict[str, float]:
        """All that settles what is found."""
        return {
            "threshold": self.threshold,
            "looked_at": LOOKED_AT,
            "most_enlarged": MOST_ENLARGED,
            "glance": GLANCE,
            "dark": DARK,
            "light": LIGHT,
        }

    def find(self, array: np.ndarray) -> Seen:
        """Find the upright faces; where there are none, those of a picture that lies wrongly.

        array: (H, W, 3) uint8 RGB. Only a small copy is looked at in the three other directions,
        so what lies wrongly is found where its largest face is at least a sixth of the picture.
        """
        if min(array.shape[:2]) < SMALLEST:
            return Seen(array, 0, ())
        array = lightened(array)
        grey = _grey(array)
        faces = self._look(grey, LOOKED_AT, MOST_ENLARGED)
        turns = 0 if faces else self._turns(grey)
        if turns:
            array, grey = (np.ascontiguousarray(np.rot90(view, turns)) for view in (array, grey))
            faces = self._look(grey, LOOKED_AT, MOST_ENLARGED)
        return Seen(array, turns, tuple(faces))

    def _turns(self, grey: np.ndarray) -> int:
        """The quarters after which the surest face is upright, 0 where there is no face at all."""
        surest = {0: self.threshold}
        for turns in (1, 2, 3):
            faces = self._look(np.rot90(grey, turns), GLANCE)
            surest[turns] = max((score for _, score in faces), default=self.threshold)
        return max(surest, key=surest.__getitem__)

    def _look(
        self, grey: np.ndarray, longer_side: int, most_enlarged: float = 1.0
    ) -> list[tuple[Box, float]]:
        """Boxes, in pixels of grey, and scores of what is over the threshold."""
        from PIL import Image

        height, width = grey.shape
        scale = min(most_enlarged, longer_side / max(height, width))
        if scale != 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = Image.fromarray(np.ascontiguousarray(grey))
            grey = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
        with self._dlib() as detector:
            boxes, scores, _ = detector.run(np.ascontiguousarray(grey), 0, self.threshold)
        return [
            (_scaled((box.left(), box.top(), box.width(), box.height()), 1 / scale), float(score))
            for box, score in zip(boxes, scores, strict=True)
        ]

    @contextmanager
    def _dlib(self) -> Iterator[Any]:
        """An idle detector of dlib's: one serves one thread, and to build it takes a second."""
        import dlib

        try:
            detector = self._idle.pop()
        except IndexError:
            detector = dlib.get_frontal_face_detector()
        try:
            yield detector
        finally:
            self._idle.append(detector)


def lightened(array: np.ndarray) -> np.ndarray:
    """A dark picture with its greys stretched, any other as it is."""
    from PIL import Image

    counts = Image.fromarray(array).convert("L").histogram()
    low, high = np.searchsorted(np.cumsum(counts) / sum(counts), (0.01, 0.99))
    if high >= DARK:
        return array
    lit = (array.astype(np.float32) - low) * (LIGHT / max(1, high - low))
    result: np.ndarray = lit.clip(0, 255).astype(np.uint8)
    return result


def _grey(array: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(array).convert("L"))


def _scaled(box: Box, factor: float) -> Box:
    left, top, width, height = (value * factor for value in box)
    return left, top, width, height
