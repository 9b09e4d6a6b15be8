"""Pictures become faces with attributes: two analysers behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fitecli.errors import MissingWeights, UsageProblem
from fitecli.pictures import Picture
from fitecli.records import Face, Worker
from fitecli.weights import Loading

ANALYSERS = ("auto", "bundled", "deepface")


class FaceAnalyser(Protocol):
    """Finds faces and their attributes."""

    worker: Worker

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        """The faces of each picture, from left to right; boxes in pixels of the original."""


def open_analyser(name: str = "auto", loading: Loading = Loading()) -> FaceAnalyser:
    """Open an analyser; "auto" takes DeepFace where all its weights are on disk, else bundled.

    Raises UsageProblem for an unknown name, MissingWeights where a named one cannot be loaded.
    """
    from fitecli.faces.bundled import BundledAnalyser

    if name not in ANALYSERS:
        raise UsageProblem(f"There is no face analyser {name!r}; choose {', '.join(ANALYSERS)}.")
    if name == "bundled":
        return BundledAnalyser(threads=loading.threads)
    from fitecli.faces.deepface import DeepFaceAnalyser, missing_weights

    if name == "deepface":
        return DeepFaceAnalyser(offline=loading.offline, threads=loading.threads)
    if missing_weights():
        loading.tell("Faces: bundled (DeepFace's weights are not on disk; it tells no race).")
        return BundledAnalyser(threads=loading.threads)
    try:
        analyser = DeepFaceAnalyser(offline=True, threads=loading.threads)
    except MissingWeights as error:
        loading.tell(f"Faces: bundled. {error}")
        return BundledAnalyser(threads=loading.threads)
    loading.tell("Faces: DeepFace.")
    return analyser


def left_to_right(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Faces in the order people read a picture: from left to right, then from top to bottom."""
    return tuple(sorted(faces, key=lambda face: face.box or (0, 0, 0, 0)))
