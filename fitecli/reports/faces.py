"""Faces drawn into their pictures: a box and a label for each, legible on any picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fitecli.outputs import replacing, writing
from fitecli.pictures import Box, open_picture
from fitecli.reports.labels import drawable, length, place_labels, shortened, way

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

LARGEST, SMALLEST = 4000, 640  # longest side of what is drawn, in pixels; small ones are enlarged
LINES_LONG, LINES_SHORT = 42, 20  # of text, along the longest and the shortest side
SMALLER = (1.0, 0.85, 0.7, 0.6)  # sizes of the text that are tried until no label covers anything
LEAST = 12  # pixels of a letter's height
WIDEST = 0.45  # of the picture's width, for a label
COLOURS = (
    "#ffd23f", "#3ec7ff", "#ff7ab6", "#7be06b", "#ff9f43", "#b79cff", "#35e0c2", "#ff6b5e",
)  # fmt: skip
DARK = (16, 16, 20)
GROUND = (*DARK, 215)  # behind text: white on it is read on any picture
JPEG = frozenset({".jpg", ".jpeg", ".jfif"})
QUALITY = 90
NOTE = "Faces drawn by fite"  # in the files


@dataclass(frozen=True)
class Mark:
    """A face to draw: its box in pixels of the original, and the lines of its label."""

    box: Box
    lines: tuple[str, ...]


def write_marked(
    pictures: Iterable[tuple[Path, Sequence[Mark]]], folder: Path, inputs: Sequence[Path]
) -> Iterator[Path]:
    """Write each picture with its marks into a folder and tell where, in order.

    A JPEG stays a JPEG, others become PNGs. No file is ever written over but those of earlier calls:
    such a name gets a number. Raises Unwritable.
    """
    taken = {_identity(path) for path in inputs if path.exists()}
    for path, marks in pictures:
        image = draw(path, marks)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            target = _free(folder, path, taken)
            with replacing(target) as stream:
                _save(image, stream, "JPEG" if target.suffix == ".jpg" else "PNG")
        taken.add(_identity(target))
        yield target


def _free(folder: Path, path: Path, taken: set[tuple[int, int]]) -> Path:
    suffix = ".jpg" if path.suffix.lower() in JPEG else ".png"
    target, number = folder / f"{path.stem}-faces{suffix}", 2
    while target.exists() and (_identity(target) in taken or not _is_ours(target)):
        target, number = folder / f"{path.stem}-faces-{number}{suffix}", number + 1
    return target


def _save(image: Image.Image, stream: BinaryIO, format: str) -> None:
    """Save a picture with a note that fite drew it."""
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("comment", NOTE)
    image.save(stream, format, quality=QUALITY, comment=NOTE, pnginfo=note)


def _is_ours(path: Path) -> bool:
    """Whether a file is a picture that fite drew."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            comment = image.info.get("comment")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return comment in (NOTE, NOTE.encode())


def _identity(path: Path) -> tuple[int, int]:
    """The file itself, whatever it is called."""
    found = path.stat()
    return found.st_dev, found.st_ino


def draw(path: Path, marks: Sequence[Mark]) -> Image.Image:
    """The picture with a box and a label for each mark; raises UnreadableImage.

    What is larger than LARGEST is reduced, what is smaller than SMALLEST enlarged, so that the
    labels can be read.
    """
    from PIL import Image, ImageDraw

    picture = open_picture(path, longest_side=LARGEST)
    image = Image.fromarray(picture.array)
    if max(image.size) < SMALLEST:
        factor = SMALLEST / max(image.size)
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    ratio = max(image.size) / max(picture.width, picture.height)
    boxes = _areas(marks) * ratio
    labels, places = _labels(image.size, boxes, [mark.lines for mark in marks])
    canvas = ImageDraw.Draw(image, "RGBA")
    line = _line(image.size)
    for box, place, colour in zip(boxes, places, cycle(COLOURS)):
        lead = way(box, place)
        canvas.rectangle(tuple(box), outline=DARK, width=2 * line)
        canvas.rectangle(tuple(box), outline=colour, width=line)
        if length(lead) > 2 * line:  # the label is not beside its box
            canvas.line(tuple(lead), fill=DARK, width=3 * line)
            canvas.line(tuple(lead), fill=colour, width=line)
    labels.draw(canvas, places)
    return image


def _areas(marks: Sequence[Mark]) -> np.ndarray:
    boxes = np.array([mark.box for mark in marks], float).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _line(size: tuple[int, int]) -> int:
    """How wide the lines of a picture are, in pixels."""
    return max(2, round(max(size) / 450))


class _Labels:
    """The labels of a picture, in one size of text."""

    def __init__(
        self, size: tuple[int, int], lines: Sequence[tuple[str, ...]], smaller: float
    ) -> None:
        from PIL import ImageFont

        letter = min(max(size) / LINES_LONG, min(size) / LINES_SHORT)
        letter = max(LEAST, letter * smaller)
        self._font: Any = ImageFont.load_default(size=letter)
        self._step = letter * 1.25
        self._margin = letter * 0.4
        room = WIDEST * size[0], size[1] - 2 * self._margin
        most = max(1, int(room[1] / self._step))
        self._lines = [
            [shortened(drawable(words), self._font.getlength, room[0]) for words in mine[:most]]
            for mine in lines
        ]

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """(width, height) of each label."""
        return [
            (
                max(map(self._font.getlength, mine), default=0) + 2 * self._margin,
                len(mine) * self._step + 2 * self._margin,
            )
            for mine in self._lines
        ]

    def draw(self, canvas: ImageDraw.ImageDraw, places: np.ndarray) -> None:
        """Draw each label in its place; its first line has the colour of its box."""
        for lines, place, colour in zip(self._lines, places, cycle(COLOURS)):
            canvas.rectangle(tuple(place), fill=GROUND, outline=colour)
            for row, words in enumerate(lines):
                at = place[0] + self._margin, place[1] + self._margin + row * self._step
                canvas.text(at, words, font=self._font, fill="white" if row else colour)


def _labels(
    size: tuple[int, int], boxes: np.ndarray, lines: Sequence[tuple[str, ...]]
) -> tuple[_Labels, np.ndarray]:
    """The labels in the largest text that covers nothing, or else the least, and their places."""
    tried: list[tuple[float, int, _Labels, np.ndarray]] = []
    for smaller in SMALLER:
        labels = _Labels(size, lines, smaller)
        places, covered = place_labels(size, boxes, labels.sizes, gap=_line(size))
        tried.append((covered, len(tried), labels, places))
        if covered == 0:
            break
    _, _, best, places = min(tried)
    return best, places
