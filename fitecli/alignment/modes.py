"""What CLIP compares to tell whose face is whose: the paper's way, each face's region, nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fitecli.pictures import Box
from fitecli.records import Alignment, Face

FACE_TEXT = "{aspect}, {face}"  # the paper's: the aspect and the face's sentence; appendix A.1
REGION_TEXT = "a photo of {aspect}"
NOBODY_TEXT = "{aspect}, a place or a thing"  # against FACE_TEXT, on the whole picture
NOBODY_REGION_TEXT = "a photo of a person"  # against REGION_TEXT, on a face's region
CONTEXT = 0.5  # of the face's box on every side: hair, collar, a cap; a region is twice as wide


@dataclass(frozen=True)
class Comparison:
    """One similarity to take: of what is seen of a face, and a text about an aspect.

    aspect, face: indices into the tweet's aspects and pooled faces. nobody: whether the text says
    that the aspect is not this face.
    """

    aspect: int
    face: int
    text: str
    nobody: bool = False


@dataclass(frozen=True)
class ClipMode:
    """How CLIP is asked whose face an aspect is.

    The paper compares the whole picture with the aspect and each face's sentence. region: each
    face's region is compared with the aspect's name instead, so it is seen whose face it is, and
    not only which sentence fits the picture. nobody: the face is compared with one text more, that
    of its not being the aspect's; an aspect that this fits best gets no face.
    """

    region: bool = False
    nobody: bool = False

    @property
    def name(self) -> str:
        """The aligner's name."""
        return "clip-region" if self.region else "clip"

    @property
    def settings(self) -> dict[str, Any]:
        """What a worker keeps of it; two modes never share a fingerprint."""
        settings: dict[str, Any] = {"text": REGION_TEXT if self.region else FACE_TEXT}
        if self.region:
            settings["context"] = CONTEXT
        if self.nobody:
            settings["nobody"] = NOBODY_REGION_TEXT if self.region else NOBODY_TEXT
        return settings

    def comparisons(self, aspects: Sequence[str], sentences: Sequence[str]) -> list[Comparison]:
        """All that must be compared for one tweet; equal aspects get equal texts.

        sentences: those of its faces. None where one face and one aspect belong together (appendix
        A.1), unless the face may be nobody's.
        """
        distinct = len(set(aspects))
        if not self.nobody and len(sentences) == distinct == 1:
            return []
        found = []
        for aspect, text in enumerate(aspects):
            for face, sentence in enumerate(sentences):
                found.append(Comparison(aspect, face, self._text(text, sentence)))
                if self.nobody:
                    found.append(Comparison(aspect, face, self._nobody(text), nobody=True))
        return found

    def _text(self, aspect: str, sentence: str) -> str:
        if self.region:
            return REGION_TEXT.format(aspect=called(aspect))
        return FACE_TEXT.format(aspect=aspect, face=sentence)

    def _nobody(self, aspect: str) -> str:
        return NOBODY_REGION_TEXT if self.region else NOBODY_TEXT.format(aspect=aspect)

    def view(self, face: Face) -> Box | None:
        """The box to look at, in pixels of the upright picture; None is the whole picture."""
        if not self.region or face.box is None:
            return None
        left, top, width, height = face.box
        x0, y0 = max(0, round(left - CONTEXT * width)), max(0, round(top - CONTEXT * height))
        right, bottom = left + width * (1 + CONTEXT), top + height * (1 + CONTEXT)
        return x0, y0, round(right) - x0, round(bottom) - y0

    def alignments(
        self, comparisons: Sequence[Comparison], similarities: Sequence[float]
    ) -> list[Alignment]:
        """One row for each aspect and face, and one for nobody: its similarity where the aspect's
        best face is seen, for only similarities of the same view can be set against each other."""
        pairs = list(zip(comparisons, similarities, strict=True))
        rows = [
            Alignment(item.aspect, item.face, float(value))
            for item, value in pairs
            if not item.nobody
        ]
        best: dict[int, Alignment] = {}
        for row in rows:
            if row.aspect not in best or row.similarity > best[row.aspect].similarity:
                best[row.aspect] = row
        return rows + [
            Alignment(item.aspect, None, float(value))
            for item, value in pairs
            if item.nobody and best[item.aspect].face == item.face
        ]


def called(aspect: str) -> str:
    """The name of an aspect without the mark of a mention or a hashtag; part of all its texts."""
    return aspect.lstrip("@# ") or aspect


def cosines(views: Sequence[np.ndarray], texts: Sequence[np.ndarray]) -> list[float]:
    """Row by row: N views and N texts, (D,) each and normalised. Returns N similarities."""
    return [float(np.dot(view, text)) for view, text in zip(views, texts, strict=True)]
