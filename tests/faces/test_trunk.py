"""Networks that begin alike compute their beginning once, and nothing else than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fitecli.faces import deepface
from fitecli.faces.deepface import ALIKE, DeepFaceAnalyser
from fitecli.faces.deepface_weights import NAMES, WEIGHTS
from fitecli.faces.trunk import Branch, Trunk, share
from fitecli.pictures import open_picture
from fitecli.weights import Loading
from tests.conftest import DEMO
from tools.deepface_networks import install

CPU = ["CPUExecutionProvider"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    install(tmp_path, "tiny")
    return tmp_path


@pytest.fixture
def paths(home: Path) -> dict[str, Path]:
    return {name: home / ".deepface" / "weights" / WEIGHTS[name] for name in ALIKE}


def faces(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 224, 224, 3), np.float32)


def alone(path: Path, values: np.ndarray) -> np.ndarray:
    (found,) = onnxruntime.InferenceSession(str(path), providers=CPU).run(None, {"face": values})
    return np.asarray(found)


def change(path: Path, place: int) -> None:
    """Another weight in a network, the place-th of its own order."""
    model = onnx.load(path)
    values = numpy_helper.to_array(model.graph.initializer[place]).copy()
    values.flat[0] += 1
    model.graph.initializer[place].CopyFrom(
        numpy_helper.from_array(values, model.graph.initializer[place].name)
    )
    onnx.save(model, path)


def test_every_network_says_what_it_says_alone(paths: dict[str, Path]) -> None:
    shared = dict(share(paths, CPU))
    assert list(shared) == list(ALIKE)
    for values in (faces(1), faces(3), faces(3, seed=1)):
        for name, session in shared.items():
            (found,) = session.run(None, {session.get_inputs()[0].name: values})
            np.testing.assert_array_equal(found, alone(paths[name], values))


def test_the_trunk_is_computed_once_a_batch(
    paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    whole = Trunk.run

    def counted(self: Trunk, values: np.ndarray) -> Any:
        before = self._last
        result = whole(self, values)
        asked.append(self._last is not before)
        return result

    monkeypatch.setattr(Trunk, "run", counted)
    shared = dict(share(paths, CPU))
    for seed in (0, 1):
        for session in shared.values():
            session.run(None, {"face": faces(2, seed)})
    assert asked == [True, False, False, True, False, False]


def test_an_array_that_is_filled_anew_is_computed_anew(paths: dict[str, Path]) -> None:
    session = dict(share(paths, CPU))["Age"]
    values = faces(2)
    (before,) = session.run(None, {"face": values})
    values[:] = faces(2, seed=1)
    (after,) = session.run(None, {"face": values})
    np.testing.assert_array_equal(after, alone(paths["Age"], values))
    assert not np.array_equal(before, after)


def test_all_that_is_alike_is_shared(paths: dict[str, Path]) -> None:
    trunk = dict(share(paths, CPU))["Age"]._trunk
    assert trunk.run(faces(1)).shape == (1, 4, 7, 7)  # what the last convolution and pooling give


def test_what_differs_early_is_shared_no_further(paths: dict[str, Path]) -> None:
    change(paths["Race"], 1)  # of the second convolution
    shared = dict(share(paths, CPU))
    assert shared["Age"]._trunk.run(faces(1)).shape[1] == 2  # the first one's
    for name, session in shared.items():
        (found,) = session.run(None, {"face": faces(2)})
        np.testing.assert_array_equal(found, alone(paths[name], faces(2)))


def test_networks_that_begin_otherwise_share_nothing(paths: dict[str, Path]) -> None:
    change(paths["Age"], 0)
    assert dict(share(paths, CPU)) == {}
    assert dict(share({"Age": paths["Age"]}, CPU)) == {}


def test_a_long_run_shares_and_finds_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyser = DeepFaceAnalyser("dlib", Loading(models=home, offline=True))
    pictures = [open_picture(DEMO / "pictures" / n) for n in ("grace_hopper.jpg", "joined.jpg")]
    found = [analyser.find(picture) for picture in pictures]
    monkeypatch.setattr(deepface, "LONG", 1 + sum(map(len, found)))
    first = analyser.read_pictures(found)
    assert not isinstance(analyser._models["Age"].model, Branch)
    assert analyser.read_pictures(found) == first
    assert [isinstance(analyser._models[name].model, Branch) for name in NAMES] == [
        True, True, True, False,
    ]  # fmt: skip
    assert analyser.read_pictures(found) == first
