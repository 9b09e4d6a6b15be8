"""DeepFace's own classes on small networks of the same shapes equal `DeepFace.analyze`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import ExifTags, Image

from fitecli.errors import MissingPackage, MissingWeights, UsageProblem
from fitecli.faces import deepface_library as library
from fitecli.faces import open_analyser
from fitecli.faces.bundled import BundledAnalyser
from fitecli.faces.deepface import DeepFaceAnalyser
from fitecli.faces.deepface_weights import WEIGHTS, folder, missing_weights
from fitecli.pictures import Picture, open_picture
from fitecli.records import Face
from fitecli.settings import Settings
from fitecli.weights import Loading, nvidia
from tests.conftest import DEMO, ROOT
from tools.deepface_networks import install

MINE = folder(None, Settings.from_environment().deepface)  # what this machine has of DeepFace
DETECTORS = (
    "dlib",
    "yunet",
    "opencv",
    "mtcnn",
    "fastmtcnn",
    "mediapipe",
    "centerface",
    "retinaface",
)
GREY = Picture(np.full((200, 300, 3), 128, np.uint8), 300, 200)


def lay_out(models: Path) -> Path:
    """Small networks, dlib's landmarks and the detectors of this machine, where DeepFace looks."""
    weights = install(models)
    for path in MINE.glob("*"):
        if path.suffix in (".onnx", ".xml", ".pt") and not (weights / path.name).exists():
            shutil.copy(path, weights)
    return models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FITE_MODELS in which all of DeepFace lies."""
    return lay_out(tmp_path_factory.mktemp("models"))


def opened(detector: str, models: Path) -> DeepFaceAnalyser:
    return DeepFaceAnalyser(detector, Loading(models=models, offline=True))


@pytest.fixture
def analyser(models: Path) -> DeepFaceAnalyser:
    return opened("dlib", models)


def upright(picture: Picture, models: Path, detector: str) -> list[dict[str, Any]]:
    """What `DeepFace.analyze` tells of a picture, from left to right, but for its pseudo-face."""
    with pytest.MonkeyPatch.context() as environment, warnings.catch_warnings():
        environment.setenv("DEEPFACE_HOME", str(models))
        environment.setenv("DEEPFACE_BACKEND_ENGINE", "onnx")
        from deepface import DeepFace

        found = DeepFace.analyze(
            np.ascontiguousarray(picture.array[:, :, ::-1]),
            actions=("age", "gender", "race", "emotion"),
            detector_backend=detector,
            enforce_detection=False,
            silent=True,
        )
    found = [item for item in found if item["face_confidence"] > 0]
    return sorted(found, key=lambda item: (item["region"]["x"], item["region"]["y"]))


def assert_equal(faces: Sequence[Face], theirs: list[dict[str, Any]]) -> None:
    assert len(faces) == len(theirs)
    for face, expected in zip(faces, theirs, strict=True):
        region = expected["region"]
        assert face.box == (region["x"], region["y"], region["w"], region["h"])
        assert face.detection_score == pytest.approx(expected["face_confidence"], abs=0.01)
        assert face.age == expected["age"]
        assert face.gender == expected["dominant_gender"]
        assert face.race == expected["dominant_race"]
        assert face.emotion == expected["dominant_emotion"]
        for ours, name in ((face.races, "race"), (face.emotions, "emotion")):
            shares = {key: value / 100 for key, value in expected[name].items()}
            assert ours == pytest.approx(shares, abs=1e-4)


def works_here(detector: str, models: Path) -> bool:
    """Whether a detector's package and files are on this machine."""
    try:
        opened(detector, models)
    except (MissingPackage, MissingWeights):
        return False
    return True


PICTURES = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")


@pytest.mark.parametrize("detector", DETECTORS)
def test_results_equal_analyze(detector: str, models: Path) -> None:
    if detector != "dlib" and not works_here(detector, models):
        pytest.skip(f"{detector} is not on this machine")
    analyser = opened(detector, models)
    pictures = [open_picture(DEMO / "pictures" / name) for name in PICTURES]
    found = analyser.analyse([*pictures, GREY])
    assert sum(map(len, found)) >= 3
    for faces, picture in zip(found, [*pictures, GREY], strict=True):
        assert_equal(faces, upright(picture, models, detector))


def test_a_picture_without_a_face_has_none(analyser: DeepFaceAnalyser) -> None:
    assert analyser.analyse([GREY]) == [()]  # DeepFace's pseudo-face of the whole is dropped
    assert analyser.analyse([]) == []


def test_a_turned_picture_is_looked_at_upright(
    analyser: DeepFaceAnalyser, models: Path, tmp_path: Path
) -> None:
    plain = open_picture(DEMO / "pictures" / "joined.jpg")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera lay on its side: turn right to see it
    turned = Image.fromarray(plain.array).rotate(90, expand=True)
    turned.save(tmp_path / "turned.png", exif=exif)
    (faces,) = analyser.analyse([open_picture(tmp_path / "turned.png")])
    assert len(faces) >= 2
    assert_equal(faces, upright(plain, models, "dlib"))


def test_faces_of_many_pictures_share_a_batch(analyser: DeepFaceAnalyser) -> None:
    pictures = [open_picture(DEMO / "pictures" / n) for n in ("grace_hopper.jpg", "joined.jpg")]
    together = analyser.analyse(pictures)
    alone = [analyser.analyse([picture])[0] for picture in pictures]
    for first, second in zip(together, alone, strict=True):
        assert [face.box for face in first] == [face.box for face in second]
        for one, other in zip(first, second, strict=True):
            assert one.emotions == pytest.approx(other.emotions, abs=1e-5)


def test_threads_change_no_result(analyser: DeepFaceAnalyser, models: Path) -> None:
    names = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")
    pictures = [open_picture(DEMO / "pictures" / name) for name in names * 2]
    alone = DeepFaceAnalyser("dlib", Loading(threads=1, models=models, offline=True))
    assert analyser.analyse(pictures) == alone.analyse(pictures)


def test_a_network_for_a_single_face_is_asked_face_by_face(
    analyser: DeepFaceAnalyser, tmp_path: Path
) -> None:
    models = lay_out(tmp_path)
    for name in ("Race", "Age"):
        path = models / ".deepface" / "weights" / WEIGHTS[name]
        graph = onnx.load(path)
        for value in (*graph.graph.input, *graph.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1
        onnx.save(graph, path)
    picture = open_picture(DEMO / "pictures" / "joined.jpg")
    (expected,), (found,) = analyser.analyse([picture]), opened("dlib", models).analyse([picture])
    assert len(found) == len(expected) >= 2
    for one, other in zip(found, expected, strict=True):
        assert one.age == other.age
        assert one.races == pytest.approx(other.races, abs=1e-5)


def test_warnings_and_environment_are_left_as_they_were(models: Path) -> None:
    code = (
        "import os, sys, warnings\n"
        "from pathlib import Path\n"
        "before = dict(os.environ)\n"
        "from fitecli.faces.deepface import DeepFaceAnalyser\n"
        "from fitecli.weights import Loading\n"
        f"DeepFaceAnalyser('dlib', Loading(models=Path({str(models)!r}), offline=True))\n"
        "assert {k: v for k, v in os.environ.items() if 'DEEPFACE' in k} == {\n"
        "    k: v for k, v in before.items() if 'DEEPFACE' in k}\n"
        "assert 'deepface' in sys.modules\n"
        "silenced = [f for f in warnings.filters if f[:3] == ('ignore', None, Warning)]\n"
        "assert not silenced, silenced\n"
        "warnings.warn('still heard')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "still heard" in done.stderr


def test_the_worker_names_engine_and_weights(analyser: DeepFaceAnalyser) -> None:
    assert analyser.worker.settings == {"detector": "dlib", "engine": "onnx"}
    assert len(analyser.worker.weights_sha256 or "") == 64


def test_broken_weights_are_told_and_auto_falls_back(tmp_path: Path) -> None:
    models = lay_out(tmp_path)
    for name in WEIGHTS.values():
        (models / ".deepface" / "weights" / name).write_bytes(b"nothing")
    with pytest.raises(MissingWeights, match=r"cannot be loaded.*`fite models verify deepface`"):
        opened("dlib", models)
    (models / ".deepface" / "weights" / "face_detection_yunet_2023mar.onnx").write_bytes(b"nothing")
    told: list[str] = []
    analyser = open_analyser("auto", Loading(models=models, tell=told.append))
    assert isinstance(analyser, BundledAnalyser)
    assert told[0].startswith("Faces: bundled. DeepFace's network")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    loading = Loading(models=tmp_path, offline=True, deepface=tmp_path)
    with pytest.raises(MissingWeights) as caught:
        open_analyser("deepface", loading)
    names = [*WEIGHTS.values(), "face_detection_yunet_2023mar.onnx"]
    command = "`fite models pull deepface deepface-yunet`"
    for part in (str(tmp_path / ".deepface" / "weights"), command, "--faces bundled", *names):
        assert part in str(caught.value)
    assert missing_weights(folder(None, tmp_path)) == names
    assert missing_weights(folder(None, tmp_path), "opencv") == [
        *WEIGHTS.values(), "haarcascade_frontalface_default.xml", "haarcascade_eye.xml",
    ]  # fmt: skip


def test_weights_are_looked_for_in_three_places(own_home: Path, tmp_path: Path) -> None:
    inside = Path(".deepface") / "weights"
    told = tmp_path / "told"
    assert folder(None, None) == own_home / inside
    assert folder(tmp_path / "models", None) == tmp_path / "models" / inside
    lay_out(own_home)
    assert folder(tmp_path / "models", None) == own_home / inside
    lay_out(tmp_path / "models")
    assert folder(tmp_path / "models", None) == tmp_path / "models" / inside
    assert folder(tmp_path / "models", told) == told / inside
    assert Settings.from_environment({"DEEPFACE_HOME": str(told)}).deepface == told


def test_a_detector_is_one_of_deepfaces(models: Path) -> None:
    loading = Loading(models=models, offline=True)
    assert open_analyser("auto", loading, "dlib").worker.settings["detector"] == "dlib"
    with pytest.raises(UsageProblem, match=r"no detector 'eyes'; choose from .*dlib.*yunet"):
        open_analyser("deepface", loading, "eyes")


def test_a_detector_without_its_package_names_it_and_the_others(models: Path) -> None:
    if find_spec("mtcnn"):
        pytest.skip("mtcnn is installed here")
    with pytest.raises(
        MissingPackage, match=r"(?s)'mtcnn' needs a package.*pip install mtcnn.*yunet"
    ):
        opened("mtcnn", models)


def test_offline_deepface_takes_what_is_there_and_fetches_nothing(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepface.commons import weight_utils

    fetch = weight_utils.download_weights_if_necessary
    monkeypatch.setattr(weight_utils, "gdown", None)
    weights = models / ".deepface" / "weights"
    with library.no_network(weights):
        told = weight_utils.download_weights_if_necessary(WEIGHTS["Age"], "https://x.invalid")
        assert told == str(weights / WEIGHTS["Age"])
        with pytest.raises(ValueError, match=r"weights/yolov8n-face\.pt is not there, and nothing"):
            weight_utils.download_weights_if_necessary("yolov8n-face.pt", "https://x.invalid")
    assert weight_utils.download_weights_if_necessary is fetch


def test_a_gpu_that_is_named_and_not_got_is_an_error(models: Path) -> None:
    if nvidia():
        pytest.skip("there is a GPU here")
    cpu = DeepFaceAnalyser("dlib", Loading(models=models, device="cpu", offline=True))
    assert cpu.providers == ["CPUExecutionProvider"]
    with pytest.raises(UsageProblem, match="not on CUDA; `fite doctor`"):
        DeepFaceAnalyser("dlib", Loading(models=models, device="cuda", offline=True))


def test_only_the_networks_of_the_attributes_are_needed(
    analyser: DeepFaceAnalyser, models: Path, tmp_path: Path
) -> None:
    weights = tmp_path / ".deepface" / "weights"
    weights.mkdir(parents=True)
    for name in (WEIGHTS["Emotion"], "shape_predictor_5_face_landmarks.dat"):
        shutil.copy(models / ".deepface" / "weights" / name, weights)
    loading = Loading(models=tmp_path, offline=True)
    alone = open_analyser("deepface", loading, "dlib", ("emotion",))
    picture = open_picture(DEMO / "pictures" / "joined.jpg")
    for face, whole in zip(
        alone.analyse([picture])[0], analyser.analyse([picture])[0], strict=True
    ):
        assert (face.age, face.gender, face.race) == (None, None, None)
        assert (face.genders, face.races) == ({}, {})
        assert (face.box, face.emotions) == (whole.box, whole.emotions)
    assert alone.worker.settings["attributes"] == ["emotion"]
    with pytest.raises(MissingWeights, match=WEIGHTS["Age"]):
        open_analyser("deepface", loading, "dlib", ("age", "emotion"))
