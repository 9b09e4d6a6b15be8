"""Pictures become faces with attributes: two analysers behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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


def open_analyser(
    name: str = "auto", loading: Loading = Loading(), detector: str | None = None
) -> FaceAnalyser:
    """Open an analyser; "auto" takes DeepFace where all its weights are on disk, else bundled.

    A detector is one of DeepFace's, and naming one names DeepFace. Raises UsageProblem for an
    unknown name, MissingWeights or MissingPackage where a named one cannot be loaded.
    """
    if name not in ANALYSERS:
        raise UsageProblem(f"There is no face analyser {name!r}; choose {', '.join(ANALYSERS)}.")
    if name == "bundled" and detector is not None:
        raise UsageProblem("A detector is DeepFace's: --faces bundled has its own.")
    from fitecli.faces.bundled import BundledAnalyser

    if name == "bundled":
        return BundledAnalyser(threads=loading.threads)
    from fitecli.faces import deepface

    if name == "deepface" or detector is not None:
        return deepface.DeepFaceAnalyser(detector or deepface.DETECTOR, loading)
    if deepface.missing_weights(deepface.folder(loading.models, loading.deepface)):
        loading.tell("Faces: bundled (DeepFace's weights are not on disk; it tells no race).")
        return BundledAnalyser(threads=loading.threads)
    try:
        analyser = deepface.DeepFaceAnalyser(loading=replace(loading, offline=True))
    except MissingWeights as error:
        loading.tell(f"Faces: bundled. {error}")
        return BundledAnalyser(threads=loading.threads)
    loading.tell("Faces: DeepFace.")
    return analyser


def left_to_right(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Faces in the order people read a picture: from left to right, then from top to bottom."""
    return tuple(sorted(faces, key=lambda face: face.box or (0, 0, 0, 0)))
