"""Faces by DeepFace: its detectors and its four attribute networks, on its ONNX engine."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from contextlib import ExitStack, nullcontext
from functools import cached_property
from importlib import metadata
from threading import Lock
from typing import Any

import numpy as np

from fitecli.catalogue import copy_from_package
from fitecli.faces import FaceAnalyser, limited
from fitecli.faces import deepface_library as library
from fitecli.faces.deepface_weights import (
    DETECTOR,
    WEIGHTS,
    folder,
    missing_weights,
    needed,
    networks_of,
    without,
)
from fitecli.faces.trunk import cuts, share
from fitecli.pictures import Picture
from fitecli.records import ATTRIBUTES, EMOTIONS, Face, Worker
from fitecli.weights import Loading

FACE_SIDE = 224  # pixels of a face as the attribute networks see it
BATCH = 32  # faces that a network reads at once
CPU_BATCH = 8  # the same without a GPU, where more are no faster and take gigabytes
ALIKE = ("Age", "Gender", "Race")  # networks that come from one recogniser of faces
LONG = 200  # faces that repay the making of a shared trunk: half a minute on one core

_Found = tuple[tuple[int, int, int, int], float, np.ndarray]  # box, score, (224, 224, 3) BGR


class DeepFaceAnalyser(FaceAnalyser):
    """Analyses faces with DeepFace's own classes, one batch per network; see FaceAnalyser."""

    def __init__(
        self,
        detector: str = DETECTOR,
        loading: Loading = Loading(),
        attributes: Collection[str] = ATTRIBUTES,
    ) -> None:
        """Load the networks of the attributes and a detector, any of DeepFace's.

        Raises UsageProblem for an unknown detector or a GPU that is named and not got,
        MissingPackage where the detector needs one, MissingWeights where a file cannot be loaded.
        """
        self._folder = folder(loading.models, loading.deepface, attributes)
        self._detector = detector
        self._one_by_one = nullcontext() if detector in library.IN_THREADS else Lock()
        self._at_work = library.Together(lambda: library.at_work(self._folder))
        self._device, self._tell = loading.device, loading.tell
        self._read = 0  # faces so far
        self._tried = False  # to share
        wanted = networks_of(attributes)
        with ExitStack() as stack:
            stack.enter_context(library.at_work(self._folder, library.providers_of(loading.device)))
            library.check_name(detector)
            if loading.offline:
                stack.enter_context(library.no_network(self._folder))
            for file in needed(detector, attributes):
                if not (self._folder / file.name).is_file():
                    copy_from_package(file, self._folder)
            lacking = missing_weights(self._folder, detector, attributes)
            if loading.offline and lacking:
                raise without(self._folder, lacking, detector)
            self._folder.mkdir(parents=True, exist_ok=True)  # DeepFace fetches what is not there
            self._models = {
                name: library.open_network(name, self._folder, detector) for name in wanted
            }
            library.open_detector(detector, self._folder)
            if detector in library.IN_THREADS:
                library.serve_threads(detector)
        sessions = [model.model for model in self._models.values()]
        single = any(isinstance(item.get_inputs()[0].shape[0], int) for item in sessions)
        self.providers: list[str] = sessions[0].get_providers()
        several = CPU_BATCH if self.providers == ["CPUExecutionProvider"] else BATCH
        self._batch = 1 if single else several  # some are exported for a single face
        library.check_device(self.providers, loading)
        self.worker = Worker(
            "faces",
            "deepface",
            metadata.version("deepface"),
            settings=limited({"detector": detector, "engine": library.ENGINE}, attributes),
            weights_sha256=self._weights(),
        )

    def _weights(self) -> str:
        digest = hashlib.sha256()
        for name in self._models:
            with (self._folder / WEIGHTS[name]).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def find(self, picture: Picture) -> list[_Found]:
        """See FaceAnalyser."""
        with self._at_work, self._one_by_one:
            return self._detect(picture)

    def _detect(self, picture: Picture) -> list[_Found]:
        """Boxes, scores and aligned faces of one picture; the pseudo-face of score 0 is dropped."""
        from deepface import DeepFace
        from deepface.modules import preprocessing

        objects = DeepFace.extract_faces(
            np.ascontiguousarray(picture.array[:, :, ::-1]),  # BGR
            detector_backend=self._detector,
            enforce_detection=False,
            align=True,
        )
        found = []
        for item in objects:
            face, area, score = item["face"], item["facial_area"], float(item["confidence"])
            if score <= 0 or 0 in face.shape[:2]:
                continue
            box = picture.original_box(area["x"], area["y"], area["w"], area["h"])
            bgr = face[:, :, ::-1]
            small = preprocessing.resize_image(img=bgr, target_size=(FACE_SIDE, FACE_SIDE))
            found.append((box, score, small[0]))
        return found

    def read(self, found: Sequence[_Found]) -> list[Face]:
        """See FaceAnalyser."""
        faces = []
        with self._at_work:
            if found and not self._tried and max(self.ahead, self._read) >= LONG:
                self._share()
            self._read += len(found)
            for start in range(0, len(found), self._batch):
                batch = found[start : start + self._batch]
                crops = np.stack([crop for _, _, crop in batch])  # (N, 224, 224, 3)
                read = {name: self._predict(name, crops) for name in self._models}
                for row, (box, score, _) in enumerate(batch):
                    faces.append(self._face(box, score, {name: read[name][row] for name in read}))
        return faces

    def _share(self) -> None:
        """Let the networks that begin alike compute their beginning once.

        That is only faster: where it fails, they go on as they were.
        """
        self._tried = True
        paths = {name: self._folder / WEIGHTS[name] for name in ALIKE if name in self._models}
        try:
            alike = cuts(paths)
            for name in alike:
                self._models[name].model = None  # makes room for what takes its place
            for name, session in share(paths, alike, self.providers) if alike else ():
                self._models[name].model = session
        except Exception as error:  # noqa: BLE001 - whatever onnx and its runtimes raise
            self._tell(f"DeepFace's networks do not share what they have in common ({error}).")
            with library.at_work(self._folder, library.providers_of(self._device)):
                for name in paths:
                    self._models[name] = library.open_network(name, self._folder, self._detector)

    def _predict(self, name: str, crops: np.ndarray) -> np.ndarray:
        """What one network says of a batch of faces; it says it of one without the dimension."""
        said = np.asarray(self._models[name].predict(crops))
        return said[None] if len(crops) == 1 else said

    @cached_property
    def _labels(self) -> dict[str, Sequence[str]]:
        from deepface.models.demography.DemographyUtils import (
            EMOTION_LABELS,
            GENDER_LABELS,
            RACE_LABELS,
        )

        return {"Gender": GENDER_LABELS, "Race": RACE_LABELS, "Emotion": EMOTION_LABELS}

    def _face(self, box: Any, score: float, read: dict[str, Any]) -> Face:
        values: dict[str, Any] = {"age": int(read["Age"])} if "Age" in read else {}
        for name in read.keys() & self._labels.keys():
            shares = _distribution(self._labels[name], read[name])
            top = max(shares, key=shares.__getitem__)
            if name == "Emotion":
                shares = {emotion: shares[emotion] for emotion in EMOTIONS}
            key = name.lower()
            values |= {key: top, f"{key}_score": shares[top], f"{key}s": shares}
        return Face(box=box, detection_score=round(score, 4), **values)


def _distribution(labels: Sequence[str], scores: np.ndarray) -> dict[str, float]:
    total = float(scores.sum())
    return {
        name: round(float(value) / total, 6) for name, value in zip(labels, scores, strict=True)
    }
