"""The door to DeepFace: how its parts are opened, and how it is kept from talking."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from fitecli.errors import MissingPackage, MissingWeights, UsageProblem
from fitecli.faces.deepface_weights import WEIGHTS, missing_weights, without
from fitecli.weights import Loading, nvidia

ENGINE = "onnx"
CUDA = "CUDAExecutionProvider"
IN_THREADS = ("dlib", "opencv", "yunet")  # small, and they tell where the eyes are: one a thread


def detectors() -> list[str]:
    """The names of DeepFace's detectors."""
    from deepface.modules import modeling

    return sorted(modeling.AVAILABLE_MODELS["face_detector"])


def check_name(detector: str) -> None:
    """Raise UsageProblem where DeepFace has no detector of that name."""
    if detector not in detectors():
        raise UsageProblem(
            f"DeepFace has no detector {detector!r}; choose from {', '.join(detectors())}."
        )


def open_detector(name: str, folder: Path) -> None:
    """Let DeepFace open a detector, which it keeps for the process.

    Raises MissingPackage where it needs one, MissingWeights where its file is not there or broken.
    """
    from deepface.modules import modeling

    try:
        modeling.build_model(task="face_detector", model_name=name)
    except (ValueError, ImportError, AttributeError, OSError) as exc:
        if isinstance(exc, ImportError | AttributeError) or isinstance(exc.__cause__, ImportError):
            raise MissingPackage(
                f"DeepFace's detector {name!r} needs a package, or another version of it ({exc}). "
                f"Install it, or choose another --detector of {', '.join(detectors())}."
            ) from exc
        if not missing_weights(folder, name, attributes=()):
            raise MissingWeights(
                f"DeepFace's detector {name!r} cannot be used ({exc}). Choose another of "
                f"{', '.join(detectors())}."
            ) from exc
    lacking = missing_weights(folder, name, attributes=())
    if lacking:  # DeepFace could not fetch them, or would do so too late
        raise without(folder, lacking, name)


def open_network(name: str, folder: Path, detector: str) -> Any:
    """An attribute network with a session of its own; raises MissingWeights."""
    from deepface.modules import modeling
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidProtobuf

    try:
        return modeling.get_model_class("facial_attribute", name)()
    except (ValueError, ImportError, OSError, Fail, InvalidProtobuf) as exc:
        if not (folder / WEIGHTS[name]).is_file():
            raise without(folder, [WEIGHTS[name]], detector) from exc
        raise MissingWeights(
            f"DeepFace's network {folder / WEIGHTS[name]} cannot be loaded ({exc}). "
            f"`fite models verify deepface` tells more; or use --faces bundled."
        ) from exc


def providers_of(device: str) -> str:
    """DEEPFACE_ONNX_PROVIDERS for a device; empty is DeepFace's default, CUDA and then the CPU."""
    return "" if device == "cuda" or (device == "auto" and nvidia()) else "cpu"


def check_device(providers: Sequence[str], loading: Loading) -> None:
    """Compare what a session got with what was asked for: a GPU is not lost in silence.

    Raises UsageProblem where one was named.
    """
    if CUDA in providers or providers_of(loading.device) == "cpu":
        return
    message = f"DeepFace's networks run on {providers[0]}, not on CUDA; `fite doctor` tells why."
    if loading.device == "cuda":
        raise UsageProblem(message)
    loading.tell(message)


@contextmanager
def at_work(weights: Path, providers: str | None = None) -> Iterator[None]:
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


@contextmanager
def no_network(weights: Path) -> Iterator[None]:
    """Let DeepFace take its weights from a folder and fetch none that are not there."""
    from deepface.commons import weight_utils

    def on_disk(file_name: str, *_: Any, **__: Any) -> str:
        if not (weights / file_name).is_file():
            raise ValueError(f"{weights / file_name} is not there, and nothing is fetched")
        return str(weights / file_name)

    fetch = weight_utils.download_weights_if_necessary
    weight_utils.download_weights_if_necessary = on_disk
    try:
        yield
    finally:
        weight_utils.download_weights_if_necessary = fetch


class Together:
    """A context that the first of several threads enters and the last one leaves.

    What it changes for the process (DeepFace's: where print goes, warnings) holds for all threads
    until then.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        self._make, self._lock, self._inside = make, Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._context = self._make()
                self._context.__enter__()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._context.__exit__(None, None, None)


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


def serve_threads(name: str) -> None:
    """Put several detectors where DeepFace keeps its only one."""
    from deepface.modules import modeling

    kept = modeling.cached_models["face_detector"]
    if not isinstance(kept[name], _Detectors):
        kept[name] = _Detectors(kept[name])
