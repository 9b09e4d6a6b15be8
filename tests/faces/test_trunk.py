"""Networks that begin alike compute their beginning once, and nothing else than before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
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
from fitecli.faces.trunk import Branch, Trunk, cuts, share
from fitecli.pictures import Picture, open_picture
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


def shared_by(paths: dict[str, Path]) -> dict[str, Branch]:
    alike = cuts(paths)
    return dict(share(paths, alike, CPU)) if alike else {}


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
    shared = shared_by(paths)
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
    shared = shared_by(paths)
    for seed in (0, 1):
        for session in shared.values():
            session.run(None, {"face": faces(2, seed)})
    assert asked == [True, False, False, True, False, False]


def test_an_array_that_is_filled_anew_is_computed_anew(paths: dict[str, Path]) -> None:
    session = shared_by(paths)["Age"]
    values = faces(2)
    (before,) = session.run(None, {"face": values})
    values[:] = faces(2, seed=1)
    (after,) = session.run(None, {"face": values})
    np.testing.assert_array_equal(after, alone(paths["Age"], values))
    assert not np.array_equal(before, after)


def test_all_that_is_alike_is_shared(paths: dict[str, Path]) -> None:
    trunk = shared_by(paths)["Age"]._trunk
    assert trunk.run(faces(1)).shape == (1, 4, 7, 7)  # what the last convolution and pooling give


def test_what_differs_early_is_shared_no_further(paths: dict[str, Path]) -> None:
    change(paths["Race"], 1)  # of the second convolution
    shared = shared_by(paths)
    assert shared["Age"]._trunk.run(faces(1)).shape[1] == 2  # the first one's
    for name, session in shared.items():
        (found,) = session.run(None, {"face": faces(2)})
        np.testing.assert_array_equal(found, alone(paths[name], faces(2)))


def test_networks_that_begin_otherwise_share_nothing(paths: dict[str, Path]) -> None:
    change(paths["Age"], 0)
    assert shared_by(paths) == {}
    assert shared_by({"Age": paths["Age"]}) == {}


def pictures() -> list[Picture]:
    return [open_picture(DEMO / "pictures" / n) for n in ("grace_hopper.jpg", "joined.jpg")]


def shares(analyser: DeepFaceAnalyser) -> list[bool]:
    return [isinstance(analyser._models[name].model, Branch) for name in NAMES]


def test_a_run_that_proves_long_shares_and_finds_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyser = DeepFaceAnalyser("dlib", Loading(models=home, offline=True))
    found = [analyser.find(picture) for picture in pictures()]
    monkeypatch.setattr(deepface, "LONG", sum(map(len, found)))
    first = analyser.read_pictures(found)
    assert not any(shares(analyser))
    assert analyser.read_pictures(found) == first
    assert shares(analyser) == [True, True, True, False]


def test_a_run_that_is_known_to_be_long_shares_at_once(home: Path) -> None:
    analyser = DeepFaceAnalyser("dlib", Loading(models=home, offline=True))
    analyser.expect(deepface.LONG - 1)
    first = analyser.analyse(pictures())
    assert not any(shares(analyser))
    analyser.expect(deepface.LONG)
    assert analyser.read([]) == []
    assert not any(shares(analyser))  # nothing to read yet
    assert analyser.analyse(pictures()) == first
    assert shares(analyser) == [True, True, True, False]


@pytest.mark.parametrize("fails_at", [0, 1])
def test_where_sharing_fails_the_run_goes_on_as_it_was(
    home: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    def broken(*given: Any) -> Iterator[tuple[str, Branch]]:
        yield from islice(share(*given), fails_at)
        raise MemoryError("no room")

    told: list[str] = []
    analyser = DeepFaceAnalyser("dlib", Loading(models=home, offline=True, tell=told.append))
    first = analyser.analyse(pictures())
    monkeypatch.setattr(deepface, "share", broken)
    for _ in range(2):
        analyser.expect(deepface.LONG)
        assert analyser.analyse(pictures()) == first
    assert not any(shares(analyser))
    assert [line for line in told if "no room" in line] == told  # and it is tried once


def halved(model: onnx.ModelProto) -> None:
    """Half weights, widened where they are used."""
    for item in list(model.graph.initializer):
        half = numpy_helper.to_array(item).astype(np.float16)
        name = item.name
        item.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        widen = onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, widen)


def as_inputs(model: onnx.ModelProto) -> None:
    """Weights that are inputs, too, as older files have them."""
    for item in model.graph.initializer:
        kind = onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims)
        model.graph.input.append(kind)


def with_a_branch(model: onnx.ModelProto) -> None:
    """An If whose graphs read a tensor of the outer one."""
    last = model.graph.node[-1].input[0]
    kind = onnx.helper.make_tensor_value_info("chosen", onnx.TensorProto.FLOAT, None)
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [last], ["chosen"])], "inner", [], [kind]
    )
    yes = numpy_helper.from_array(np.array(True), "yes")
    model.graph.initializer.append(yes)
    choose = onnx.helper.make_node("If", ["yes"], ["picked"], then_branch=inner, else_branch=inner)
    model.graph.node.insert(len(model.graph.node) - 1, choose)
    model.graph.node[-1].input[0] = "picked"


@pytest.mark.parametrize("change_all", [halved, as_inputs, with_a_branch])
def test_what_is_not_plain_is_left_alone(
    paths: dict[str, Path], change_all: Callable[[onnx.ModelProto], None]
) -> None:
    for path in paths.values():
        model = onnx.load(path)
        change_all(model)
        onnx.save(model, path)
        assert alone(path, faces(1)).shape[0] == 1  # it works by itself
    assert cuts(paths) == {}


def test_threads_that_ask_one_trunk_get_their_own_answers(paths: dict[str, Path]) -> None:
    session = shared_by(paths)["Age"]
    asked = [faces(1, seed) for seed in range(4)]
    expected = [alone(paths["Age"], values) for values in asked]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            got = pool.map(lambda values: session.run(None, {"face": values})[0], asked)
            for found, right in zip(got, expected, strict=True):
                np.testing.assert_array_equal(found, right)
