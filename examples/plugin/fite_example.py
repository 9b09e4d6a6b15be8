"""One plug-in of each kind for fite. CONTRIBUTING.md shows these classes; the tests use them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fitecli.alignment import AlignedFace
from fitecli.faces import FaceAnalyser
from fitecli.pictures import Picture
from fitecli.records import Alignment, Face, Reject, Worker
from fitecli.weights import Loading


class Lines:
    """Reads plain text: each line that is not empty is a tweet."""

    def read(
        self, lines: Iterator[tuple[int, bytes]], name: str
    ) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
        """See fitecli.sources.Source."""
        for number, line in lines:
            if not line.strip():
                continue
            try:
                yield number, {"id": f"{name}:{number}", "text": line.decode("utf-8")}
            except UnicodeDecodeError:
                yield Reject(number, "the line is not UTF-8")


class Portrait(FaceAnalyser):
    """Takes each picture as a portrait: one face, as large as the picture, nothing told of it."""

    def __init__(self, loading: Loading) -> None:
        self.worker = Worker("faces", "portrait", "1")

    def find(self, picture: Picture) -> list[tuple[int, int]]:
        """See FaceAnalyser."""
        return [(picture.width, picture.height)]

    def read(self, found: Sequence[tuple[int, int]]) -> list[Face]:
        """See FaceAnalyser."""
        return [Face(box=(0, 0, width, height), detection_score=1.0) for width, height in found]


class Light:
    """Tells whether a picture is dark or bright."""

    def __init__(self, loading: Loading) -> None:
        self.worker = Worker("captions", "light", "1", settings={"middle": 128})

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        """See fitecli.captions.Captioner."""
        middle = self.worker.settings["middle"]
        return [
            f"A {'bright' if picture.array.mean() >= middle else 'dark'} picture."
            for picture in pictures
        ]


class LeftToRight:
    """Gives the faces from left to right to the aspects in the order in which they are named."""

    def __init__(self, loading: Loading) -> None:
        self.worker = Worker("alignment", "left-to-right", "1")

    def align(self, aspects: Sequence[str], faces: Sequence[AlignedFace]) -> list[Alignment]:
        """See fitecli.alignment.Aligner."""
        both = range(min(len(aspects), len(faces)))
        return [Alignment(aspect=number, face=number, similarity=1.0) for number in both]
