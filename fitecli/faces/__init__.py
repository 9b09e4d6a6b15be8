"""Pictures become faces with attributes: analysers, built in or of plug-ins, behind one interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from fitecli.errors import MissingWeights, ShapeMismatch, UsageProblem
from fitecli.pictures import Picture
from fitecli.plugins import SETTING, Room
from fitecli.records import ATTRIBUTES, Face, Worker
from fitecli.weights import Loading

ROOM = Room(
    "face analyser",
    "fitecli.faces",
    ("auto", "bundled", "deepface"),
    "fitecli.faces.FaceAnalyser",
    ("find", "read", "expect", "read_pictures", "analyse"),
    kind="faces",
)


class FaceAnalyser(Protocol):
    """Finds faces and their attributes: each picture by itself, all faces in batches.

    A plug-in (entry point group fitecli.faces) is a subclass with these two methods, made by
    `Class(loading)`. Its worker is Worker("faces", NAME, VERSION, settings, weights_sha256), whose
    fingerprint must change with anything that changes a result; fite adds the distribution and its
    version. Raise MissingWeights or MissingPackage where it cannot be opened, UnreadableImage from
    find for a picture that alone cannot be used.
    """

    worker: Worker
    ahead: int = 0

    @abstractmethod
    def find(self, picture: Picture) -> list[Any]:
        """What the networks are to see of each face of a picture; several threads may ask.

        picture: array (height, width, 3), uint8 RGB, upright. Returns whatever `read` takes, one
        for each face, without the whole picture in it.
        """

    @abstractmethod
    def read(self, found: Sequence[Any]) -> list[Face]:
        """The attributes of faces that were found in whatever pictures, in their order.

        Boxes are (left, top, width, height) in pixels of the original; see Face.
        """

    def expect(self, pictures: int) -> None:
        """Hear how many pictures are still to come, as far as is known."""
        self.ahead = pictures

    def read_pictures(self, found: Sequence[Sequence[Any]]) -> list[tuple[Face, ...]]:
        """The faces of each picture, from left to right; boxes in pixels of the original."""
        flat = [face for picture in found for face in picture]
        read = self.read(flat)
        if len(read) != len(flat):
            raise ShapeMismatch(
                f"The analyser {self.worker.name!r} read {len(read)} faces of {len(flat)}."
            )
        faces = iter(read)
        return [left_to_right([next(faces) for _ in picture]) for picture in found]

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        """`read_pictures` of what is found in a few pictures, one after the other."""
        return self.read_pictures([self.find(picture) for picture in pictures])


def open_analyser(
    name: str = "auto",
    loading: Loading = Loading(),
    detector: str | None = None,
    attributes: Collection[str] = ATTRIBUTES,
) -> FaceAnalyser:
    """Open an analyser; "auto" takes DeepFace where all its weights are on disk, else bundled.

    Any other name is a plug-in's. A detector is one of DeepFace's, and naming one names DeepFace.
    attributes: the only ones that are computed, of ATTRIBUTES. Raises UsageProblem for an unknown
    name, MissingWeights or MissingPackage where a named one cannot be loaded, BrokenPlugIn.
    """
    if name not in ROOM.builtin:
        return _open_plugin(name, loading, detector, attributes)
    if name == "bundled" and detector is not None:
        raise UsageProblem(
            "A detector is DeepFace's: --faces bundled has its own. Leave out --detector."
        )
    if not attributes or not set(attributes) <= set(ATTRIBUTES):
        raise UsageProblem(
            f"There are no attributes {', '.join(attributes)!r}; choose from {', '.join(ATTRIBUTES)}."
        )
    from fitecli.faces.bundled import BundledAnalyser
    from fitecli.faces.deepface import DeepFaceAnalyser
    from fitecli.faces.deepface_weights import DETECTOR, folder, missing_weights

    if name == "deepface" or detector is not None:
        return DeepFaceAnalyser(detector or DETECTOR, loading, attributes)
    bundled = partial(BundledAnalyser, threads=loading.threads, attributes=attributes)
    if name == "bundled":
        return bundled()
    place = folder(loading.models, loading.deepface, attributes)
    if missing_weights(place, attributes=attributes):
        loading.tell("Faces: bundled (DeepFace's weights are not on disk; it tells no race).")
        return bundled()
    try:
        offline = replace(loading, offline=True)
        analyser = DeepFaceAnalyser(loading=offline, attributes=attributes)
    except MissingWeights as error:
        loading.tell(f"Faces: bundled. {error}")
        return bundled()
    loading.tell("Faces: DeepFace.")
    return analyser


def _open_plugin(
    name: str, loading: Loading, detector: str | None, attributes: Collection[str]
) -> FaceAnalyser:
    """Open another package's analyser, which tells what it tells, with a detector of its own."""
    plugin = ROOM.find(name)
    if plugin is None:
        raise ROOM.unknown(name)
    if detector is not None or set(attributes) != set(ATTRIBUTES):
        raise UsageProblem(
            f"--detector and --attributes are not for the plug-in {name!r}: leave them out."
        )
    analyser: FaceAnalyser = ROOM.open(plugin, loading)
    return analyser


def asked(worker: Worker) -> tuple[str | None, tuple[str, ...]]:
    """The detector and the attributes that an analyser was opened with; a plug-in takes neither."""
    settings = {} if SETTING in worker.settings else worker.settings
    return settings.get("detector"), tuple(settings.get("attributes", ATTRIBUTES))


def limited(settings: Mapping[str, Any], attributes: Collection[str]) -> dict[str, Any]:
    """The settings of a worker that computes these attributes alone; all are not worth a word."""
    kept = [name for name in ATTRIBUTES if name in attributes]
    return dict(settings) if kept == list(ATTRIBUTES) else {**settings, "attributes": kept}


def left_to_right(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Faces in the order people read a picture: from left to right, then from top to bottom."""
    return tuple(sorted(faces, key=lambda face: face.box or (0, 0, 0, 0)))
