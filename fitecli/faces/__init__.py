"""Pictures become faces with attributes: two analysers behind one interface."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from fitecli.errors import MissingWeights, UsageProblem
from fitecli.pictures import Picture
from fitecli.records import ATTRIBUTES, Face, Worker
from fitecli.weights import Loading

ANALYSERS = ("auto", "bundled", "deepface")


class FaceAnalyser(Protocol):
    """Finds faces and their attributes."""

    worker: Worker

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        """The faces of each picture, from left to right; boxes in pixels of the original."""


def open_analyser(
    name: str = "auto",
    loading: Loading = Loading(),
    detector: str | None = None,
    attributes: Collection[str] = ATTRIBUTES,
) -> FaceAnalyser:
    """Open an analyser; "auto" takes DeepFace where all its weights are on disk, else bundled.

    A detector is one of DeepFace's, and naming one names DeepFace. attributes: the only ones that
    are computed, of ATTRIBUTES. Raises UsageProblem for an unknown name, MissingWeights or
    MissingPackage where a named one cannot be loaded.
    """
    if name not in ANALYSERS:
        raise UsageProblem(f"There is no face analyser {name!r}; choose {', '.join(ANALYSERS)}.")
    if name == "bundled" and detector is not None:
        raise UsageProblem("A detector is DeepFace's: --faces bundled has its own.")
    if not attributes or not set(attributes) <= set(ATTRIBUTES):
        raise UsageProblem(
            f"There are no attributes {', '.join(attributes)!r}; choose from {', '.join(ATTRIBUTES)}."
        )
    from fitecli.faces import deepface
    from fitecli.faces.bundled import BundledAnalyser

    if name == "deepface" or detector is not None:
        return deepface.DeepFaceAnalyser(detector or deepface.DETECTOR, loading, attributes)
    bundled = partial(BundledAnalyser, threads=loading.threads, attributes=attributes)
    if name == "bundled":
        return bundled()
    place = deepface.folder(loading.models, loading.deepface, attributes)
    if deepface.missing_weights(place, attributes=attributes):
        loading.tell("Faces: bundled (DeepFace's weights are not on disk; it tells no race).")
        return bundled()
    try:
        offline = replace(loading, offline=True)
        analyser = deepface.DeepFaceAnalyser(loading=offline, attributes=attributes)
    except MissingWeights as error:
        loading.tell(f"Faces: bundled. {error}")
        return bundled()
    loading.tell("Faces: DeepFace.")
    return analyser


def limited(settings: Mapping[str, Any], attributes: Collection[str]) -> dict[str, Any]:
    """The settings of a worker that computes these attributes alone; all are not worth a word."""
    kept = [name for name in ATTRIBUTES if name in attributes]
    return dict(settings) if kept == list(ATTRIBUTES) else {**settings, "attributes": kept}


def left_to_right(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Faces in the order people read a picture: from left to right, then from top to bottom."""
    return tuple(sorted(faces, key=lambda face: face.box or (0, 0, 0, 0)))
