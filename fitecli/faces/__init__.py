"""Pictures become faces with attributes: two analysers behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from fitecli.errors import MissingWeights, UsageProblem
from fitecli.pictures import Picture
from fitecli.records import Face, Worker

ANALYSERS = ("auto", "bundled", "deepface")


class FaceAnalyser(Protocol):
    """Finds faces and their attributes."""

    worker: Worker

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        """The faces of each picture, from left to right; boxes in pixels of the original."""


def open_analyser(
    name: str = "auto",
    *,
    threads: int = 2,
    device: str = "auto",
    models: Path | None = None,
    offline: bool = False,
    tell: Callable[[str], None] = lambda message: None,
) -> FaceAnalyser:
    """Open an analyser; "auto" takes DeepFace where all its weights are on disk, else bundled.

    Raises UsageProblem for an unknown name, MissingWeights where a named one cannot be loaded.
    """
    from fitecli.faces.bundled import BundledAnalyser

    if name not in ANALYSERS:
        raise UsageProblem(f"There is no face analyser {name!r}; choose {', '.join(ANALYSERS)}.")
    if name == "bundled":
        return BundledAnalyser(threads=threads)
    from fitecli.faces.deepface import DeepFaceAnalyser, missing_weights

    if name == "deepface":
        return DeepFaceAnalyser(offline=offline)
    if missing_weights():
        tell("Faces: bundled (DeepFace's weights are not on disk; it tells no race).")
        return BundledAnalyser(threads=threads)
    try:
        analyser = DeepFaceAnalyser(offline=True)
    except MissingWeights as error:
        tell(f"Faces: bundled. {error}")
        return BundledAnalyser(threads=threads)
    tell("Faces: DeepFace.")
    return analyser


def left_to_right(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Faces in the order people read a picture: from left to right, then from top to bottom."""
    return tuple(sorted(faces, key=lambda face: face.box or (0, 0, 0, 0)))
