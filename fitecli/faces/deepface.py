"""Faces by DeepFace: its detectors and its four attribute networks, on its ONNX engine."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.errors import MissingWeights
from fitecli.faces import left_to_right
from fitecli.pictures import Picture
from fitecli.records import EMOTIONS, Face, Worker

DETECTOR = "yunet"  # 230 KB of ONNX, fast on a CPU
ENGINE = "onnx"
FACE_SIDE = 224  # pixels of a face as the attribute networks see it
BATCH = 32
ATTRIBUTES = ("Age", "Gender", "Race", "Emotion")
SOURCE = "https://github.com/serengil/deepface_models/releases/download/v1.0/"
WEIGHTS = {
    "Age": "age_model_weights.onnx",
    "Gender": "gender_model_weights.onnx",
    "Race": "race_model_single_batch.onnx",
    "Emotion": "facial_expression_model_weights.onnx",
}
DETECTOR_WEIGHTS = {
    "yunet": (
        "face_detection_yunet_2023mar.onnx",
        "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/",
    ),
    "dlib": ("shape_predictor_5_face_landmarks.dat", "https://dlib.net/files/"),
}


def weights_folder() -> Path:
    """Where DeepFace looks: $DEEPFACE_HOME/.deepface/weights, by default in the home folder."""
    return Path(os.environ.get("DEEPFACE_HOME") or Path.home()) / ".deepface" / "weights"


def missing_weights(detector: str = DETECTOR) -> list[tuple[str, str]]:
    """The weights that are not on disk: file name and the folder of the web that has it."""
    needed = [(name, SOURCE) for name in WEIGHTS.values()]
    if detector in DETECTOR_WEIGHTS:
        needed.append(DETECTOR_WEIGHTS[detector])
    return [(name, source) for name, source in needed if not (weights_folder() / name).is_file()]


class DeepFaceAnalyser:
    """Analyses faces with DeepFace's own classes, one batch per network; see FaceAnalyser."""

    def __init__(
        self, *, detector: str = DETECTOR, offline: bool = False, threads: int = 2
    ) -> None:
        """detector: any of DeepFace's. threads: for detection.

        Raises MissingWeights where a network cannot be loaded.
        """
        self._threads = threads
        missing = missing_weights(detector)
        if missing and offline:
            raise _missing(missing)
        self._detector = detector
        with _as_we_found_it():
            from deepface.modules import modeling
            from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidProtobuf

            try:
                self._models = {
                    name: modeling.build_model(task="facial_attribute", model_name=name)
                    for name in ATTRIBUTES
                }
                modeling.build_model(task="face_detector", model_name=detector)
                _serve_threads(detector)
            except (ValueError, ImportError, OSError, Fail, InvalidProtobuf) as exc:
                missing = missing_weights(detector)
                if missing:
                    raise _missing(missing) from exc
                raise MissingWeights(
                    f"DeepFace's networks in {weights_folder()} cannot be loaded ({exc}). "
                    "Bring them again, or use --faces bundled."
                ) from exc
        self.worker = Worker(
            "faces",
            "deepface",
            metadata.version("deepface"),
            settings={"detector": detector, "engine": ENGINE},
            weights_sha256=self._weights(),
        )

    def _weights(self) -> str:
        digest = hashlib.sha256()
        for name in WEIGHTS.values():
            with (weights_folder() / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        """See FaceAnalyser."""
        with _as_we_found_it(), ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(self._detect, pictures))
            faces = iter(self._attributes([face for item in found for face in item]))
        return [left_to_right([next(faces) for _ in item]) for item in found]

    def _detect(self, picture: Picture) -> list[tuple[tuple[int, int, int, int], float, Any]]:
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

    def _attributes(self, found: Sequence[tuple[Any, float, np.ndarray]]) -> list[Face]:
        faces = []
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            crops = np.stack([crop for _, _, crop in batch])  # (N, 224, 224, 3)
            read = {name: self._predict(name, crops) for name in ATTRIBUTES}
            for row, (box, score, _) in enumerate(batch):
                faces.append(self._face(box, score, {name: read[name][row] for name in read}))
        return faces

    def _predict(self, name: str, crops: np.ndarray) -> np.ndarray:
        """One network over a batch; a single face comes back without its batch dimension."""
        result = np.asarray(self._models[name].predict(crops))
        return result[None] if len(crops) == 1 else result

    @cached_property
    def _labels(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        from deepface.models.demography.DemographyUtils import (
            EMOTION_LABELS,
            GENDER_LABELS,
            RACE_LABELS,
        )

        return tuple(GENDER_LABELS), tuple(RACE_LABELS), tuple(EMOTION_LABELS)

    def _face(self, box: Any, score: float, read: dict[str, Any]) -> Face:
        gender_labels, race_labels, emotion_labels = self._labels
        genders = _distribution(gender_labels, read["Gender"])
        races = _distribution(race_labels, read["Race"])
        emotions = _distribution(emotion_labels, read["Emotion"])
        gender, race, emotion = (max(d, key=d.__getitem__) for d in (genders, races, emotions))
        return Face(
            box=box,
            detection_score=round(score, 4),
            age=int(read["Age"]),
            gender=gender,
            gender_score=genders[gender],
            race=race,
            race_score=races[race],
            emotion=emotion,
            emotion_score=emotions[emotion],
            genders=genders,
            races=races,
            emotions={name: emotions[name] for name in EMOTIONS},
        )


class _Detectors:
    """DeepFace's detectors of one kind, of which an idle one serves each call.

    One of them serves one thread at a time only, and DeepFace keeps but one.
    """

    def __init__(self, first: Any) -> None:
        self._make = type(first)
        self._idle = [first]

    def detect_faces(self, img: np.ndarray) -> Any:
        """See DeepFace's Detector."""
        try:
            detector = self._idle.pop()
        except IndexError:
            detector = self._make()
        try:
            return detector.detect_faces(img)
        finally:
            self._idle.append(detector)


def _serve_threads(name: str) -> None:
    """Put several detectors where DeepFace keeps its only one."""
    from deepface.modules import modeling

    kept = modeling.cached_models["face_detector"]
    if not isinstance(kept[name], _Detectors):
        kept[name] = _Detectors(kept[name])


def _distribution(labels: Sequence[str], scores: np.ndarray) -> dict[str, float]:
    total = float(scores.sum())
    return {
        name: round(float(value) / total, 6) for name, value in zip(labels, scores, strict=True)
    }


def _missing(missing: Sequence[tuple[str, str]]) -> MissingWeights:
    files = "\n".join(f"  {source}{name}" for name, source in missing)
    return MissingWeights(
        "DeepFace's weights are not on disk and cannot be fetched. Bring these files into "
        f"{weights_folder()}, or use --faces bundled:\n{files}"
    )


@contextmanager
def _as_we_found_it() -> Iterator[None]:
    """DeepFace silences every warning of the process when imported; undo that."""
    os.environ["DEEPFACE_BACKEND_ENGINE"] = ENGINE
    with warnings.catch_warnings():
        yield
