"""DeepFace's own classes on small networks of the same shapes equal `DeepFace.analyze`."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from fitecli.errors import MissingWeights
from fitecli.faces import open_analyser
from fitecli.faces.deepface import WEIGHTS, DeepFaceAnalyser, weights_folder
from fitecli.pictures import Picture, open_picture
from fitecli.weights import Loading
from tests.conftest import DEMO, ROOT
from tools.deepface_networks import install


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where DeepFace finds small networks and dlib's landmarks."""
    folder = tmp_path_factory.mktemp("deepface")
    install(folder)
    return folder


@pytest.fixture
def analyser(home: Path, monkeypatch: pytest.MonkeyPatch) -> DeepFaceAnalyser:
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    return DeepFaceAnalyser(detector="dlib", offline=True)


@pytest.mark.parametrize("name", ["grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg"])
def test_results_equal_analyze(name: str, analyser: DeepFaceAnalyser) -> None:
    from deepface import DeepFace

    picture = open_picture(DEMO / "pictures" / name)
    (faces,) = analyser.analyse([picture])
    with warnings.catch_warnings():
        theirs = DeepFace.analyze(
            np.ascontiguousarray(picture.array[:, :, ::-1]),
            actions=("age", "gender", "race", "emotion"),
            detector_backend="dlib",
            enforce_detection=False,
            silent=True,
        )
    theirs = sorted(
        (item for item in theirs if item["face_confidence"] > 0), key=lambda i: i["region"]["x"]
    )
    ours = [face for face in faces if (face.detection_score or 0) > 0]
    assert len(ours) == len(theirs) >= 1
    for face, expected in zip(ours, theirs, strict=True):
        region = expected["region"]
        assert face.box == (region["x"], region["y"], region["w"], region["h"])
        assert face.age == expected["age"]
        assert face.gender == expected["dominant_gender"]
        assert face.race == expected["dominant_race"]
        assert face.emotion == expected["dominant_emotion"]
        for ours_, theirs_ in ((face.races, "race"), (face.emotions, "emotion")):
            shares = {key: value / 100 for key, value in expected[theirs_].items()}
            assert ours_ == pytest.approx(shares, abs=1e-4)


def test_faces_of_many_pictures_share_a_batch(analyser: DeepFaceAnalyser) -> None:
    pictures = [open_picture(DEMO / "pictures" / n) for n in ("grace_hopper.jpg", "joined.jpg")]
    together = analyser.analyse(pictures)
    alone = [analyser.analyse([picture])[0] for picture in pictures]
    for first, second in zip(together, alone, strict=True):
        assert [face.box for face in first] == [face.box for face in second]
        for one, other in zip(first, second, strict=True):
            assert one.emotions == pytest.approx(other.emotions, abs=1e-5)


def test_threads_change_no_result(analyser: DeepFaceAnalyser, home: Path) -> None:
    names = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")
    pictures = [open_picture(DEMO / "pictures" / name) for name in names * 2]
    assert DeepFaceAnalyser(detector="dlib", offline=True, threads=3).analyse(
        pictures
    ) == analyser.analyse(pictures)


def test_the_pseudo_face_is_dropped(analyser: DeepFaceAnalyser) -> None:
    grey = Picture(np.full((200, 300, 3), 128, np.uint8), 300, 200)
    assert analyser.analyse([grey]) == [()]


def test_warnings_are_left_as_they_were(home: Path) -> None:
    code = (
        "import sys, warnings\n"
        "before = list(warnings.filters)\n"
        "from fitecli.faces.deepface import DeepFaceAnalyser\n"
        "DeepFaceAnalyser(detector='dlib', offline=True)\n"
        "assert 'deepface' in sys.modules\n"
        "silenced = [f for f in warnings.filters if f[:3] == ('ignore', None, Warning)]\n"
        "assert not silenced, silenced\n"
        "warnings.warn('still heard')\n"
    )
    environment = os.environ | {"DEEPFACE_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "still heard" in done.stderr


def test_the_worker_names_engine_and_weights(analyser: DeepFaceAnalyser) -> None:
    assert analyser.worker.settings == {"detector": "dlib", "engine": "onnx"}
    assert len(analyser.worker.weights_sha256 or "") == 64


def test_broken_weights_are_told_and_auto_falls_back(own_home: Path) -> None:
    weights = weights_folder()
    weights.mkdir(parents=True)
    for name in (*WEIGHTS.values(), "face_detection_yunet_2023mar.onnx"):
        (weights / name).write_bytes(b"nothing")
    code = (
        "from fitecli.faces import open_analyser\n"
        "from fitecli.weights import Loading\n"
        "told = []\n"
        "print(open_analyser('auto', Loading(tell=told.append)).worker.name, told)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "bundled" in done.stdout
    assert "cannot be loaded" in done.stdout


def test_missing_weights_are_named(own_home: Path) -> None:
    with pytest.raises(MissingWeights) as caught:
        open_analyser("deepface", Loading(offline=True))
    message = str(caught.value)
    assert str(weights_folder()) in message
    for name in WEIGHTS.values():
        assert name in message
    assert "--faces bundled" in message
