"""Products of int8 answer as floats do, are compared before they are believed, and are optional."""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from fitecli import int8_network
from fitecli.classifier import QUESTION, Classifier, sha256_of
from fitecli.errors import NotAModel
from fitecli.export import export
from fitecli.fusion import presets
from fitecli.fusion.training import build, input_builder
from fitecli.inputs import InputFormat
from fitecli.int8_network import BLOCK, Int8Network
from fitecli.records import Example
from fitecli.sessions import CPU
from fitecli.settings import resource
from tests.conftest import make_encoder

SHIPPED = resource("exported") / "fite-mini"
EXAMPLES = [
    Example(f"What {word} news from $T$ " + "today and " * number, "NASA", "", f"a {word} day")
    for word in ("great", "sad", "odd", "no", "terrible")
    for number in range(9)
]
KNOWN = [  # in words that the small network knows
    Example(f"the $T$ is {word} and {other} !", name, "", f"a {other} day")
    for word in ("great", "awful", "old")
    for other in ("happy", "sad")
    for name in ("NASA", "Grace Hopper")
]
needs_openvino = pytest.mark.skipif(not int8_network.is_there(), reason="OpenVINO is not here")


def scores(classifier: Classifier) -> np.ndarray:
    return np.array([prediction.scores for prediction in classifier.predict(EXAMPLES)])


@pytest.fixture
def floats(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """What the shipped model says where there is no OpenVINO."""
    with monkeypatch.context() as without:
        without.setattr(int8_network, "is_there", lambda: False)
        classifier = Classifier(SHIPPED)
        assert classifier.provider == CPU
        return scores(classifier)


@needs_openvino
def test_int8_answers_as_floats_do(floats: np.ndarray) -> None:
    classifier = Classifier(SHIPPED, threads=4)
    found = scores(classifier)
    assert classifier.provider == Int8Network.provider
    assert np.abs(found - floats).max() < 0.05
    assert np.abs(found - floats).mean() < 0.005
    assert floats.std(axis=0).min() > 0.1  # they do not all say the same
    sure = np.sort(floats)[:, -1] - np.sort(floats)[:, -2] > 0.1
    assert (found.argmax(axis=1) == floats.argmax(axis=1))[sure].all()


@needs_openvino
def test_many_networks_made_at_once_are_all_right(floats: np.ndarray) -> None:
    for _ in range(5):
        assert np.abs(scores(Classifier(SHIPPED, threads=4, verify=False)) - floats).max() < 0.05


def wrong(network: Int8Network, request: Any, batch: Any) -> list[np.ndarray]:
    """As a network whose weights were lost."""
    rows = len(batch["face_input_ids"])
    return [np.full((rows, 3), 1 / 3, np.float32), np.full(rows, 0.5, np.float32)]


def empty(network: Int8Network, request: Any, batch: Any) -> list[np.ndarray]:
    """As on a processor that OpenVINO is not made for."""
    return [np.zeros((0, 3), np.float32)]


def broken(network: Int8Network, request: Any, batch: Any) -> list[np.ndarray]:
    raise KeyError("an input that nobody knows")


@needs_openvino
@pytest.mark.parametrize("infer", [wrong, empty, broken])
def test_a_network_that_answers_wrongly_is_not_believed(
    infer: Any, floats: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Int8Network, "_infer", infer)
    classifier = Classifier(SHIPPED)
    assert np.array_equal(scores(classifier), floats)
    assert classifier.provider == CPU


@needs_openvino
def test_a_later_network_that_answers_wrongly_is_left_out(
    floats: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(SHIPPED, threads=3)
    assert classifier.provider == Int8Network.provider
    refused = []

    def compiled(network: Int8Network) -> None:
        refused.append(network)
        raise MemoryError

    monkeypatch.setattr(Int8Network, "_compiled", compiled)
    for _ in range(3):
        assert np.abs(scores(classifier) - floats).max() < 0.05  # by the first one alone
    assert 1 <= len(refused) <= 2  # tried by two threads at once, and never again


@needs_openvino
def test_no_more_networks_than_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    compiled = Int8Network._compiled

    def counted(network: Int8Network) -> Any:
        made.append(network)
        return compiled(network)

    monkeypatch.setattr(Int8Network, "_compiled", counted)
    classifier = Classifier(SHIPPED, threads=2)
    with ThreadPoolExecutor(4) as callers:
        first, *others = callers.map(lambda _: scores(classifier), range(4))
    assert all(np.array_equal(first, other) for other in others)
    assert len(made) == 2


@needs_openvino
def test_openvino_that_cannot_be_imported_is_done_without(
    floats: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(int8_network, "is_there", lambda: True)
    classifier = Classifier(SHIPPED)
    assert np.array_equal(scores(classifier), floats)
    assert classifier.provider == CPU


@needs_openvino
def test_openvinos_own_format_is_no_way_around_the_checksum(tmp_path: Path) -> None:
    """It keeps its weights in a file beside, which config.json does not cover."""
    import openvino

    shutil.copytree(SHIPPED, tmp_path / "m")
    network = openvino.Core().read_model(SHIPPED / "model.onnx")
    openvino.save_model(network, tmp_path / "model.xml")
    (tmp_path / "model.bin").rename(tmp_path / "m" / "model.bin")
    (tmp_path / "model.xml").rename(tmp_path / "m" / "model.onnx")
    config = json.loads((SHIPPED / "config.json").read_text())
    config["files"]["model.onnx"] = sha256_of(tmp_path / "m" / "model.onnx")
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotAModel, match="cannot be loaded"):
        Classifier(tmp_path / "m").predict(EXAMPLES)


@needs_openvino
def test_weights_in_another_file_are_never_read(tmp_path: Path) -> None:
    model = onnx.load(str(SHIPPED / "model.onnx"))
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="outside")
    with pytest.raises(NotAModel, match="another file"):
        Int8Network(path, {}, np.zeros((0, 3)), 1)


def test_the_question_is_part_of_the_format() -> None:
    """Another wording takes another format: models have the answers to this one."""
    told = [(item.text, item.aspect, item.description, item.caption) for item in QUESTION]
    place = "a crowd in front of a rocket"
    assert told == [
        ("So proud of $T$ ...", "NASA", "", place),
        ("What a shame, $T$ ...", "NASA", "", place),
        ("They will come by at nine: $T$ ...", "NASA", "", place),
    ]


def test_the_question_tells_a_right_network_from_a_wrong_one() -> None:
    classifier = Classifier(SHIPPED)
    answers = np.array([prediction.scores for prediction in classifier.predict(QUESTION)])
    assert np.abs(answers - np.array(classifier.config.answer)).max() < int8_network.TOLERANCE / 2
    assert np.abs(answers - 1 / 3).max() > 2 * int8_network.TOLERANCE


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose matrices have whole blocks."""
    encoder = tmp_path_factory.mktemp("encoder")
    make_encoder(encoder, hidden=2 * BLOCK)
    preset = presets.Preset(
        "wide", str(encoder), share_word_embeddings=True, input=InputFormat(max_tokens=48)
    )
    folder = tmp_path_factory.mktemp("checkpoint")
    model = build([encoder], preset, seed=3)
    model.classifier.weight.data *= 40  # sure of itself, so that labels do not sway
    model.save_pretrained(folder)
    input_builder(encoder, model.config).tokeniser.save(folder)
    return folder


def arithmetic(folder: Path) -> list[str]:
    """What config and parity report tell."""
    return [
        json.loads((folder / name).read_text())["arithmetic"]
        for name in ("config.json", "parity.json")
    ]


@needs_openvino
def test_int8_is_kept_where_it_agrees(checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "m", KNOWN, precision="int8")
    assert arithmetic(tmp_path / "m") == ["int8", "int8"]
    assert "multiplied in int8" in (tmp_path / "m" / "README.md").read_text()


@needs_openvino
def test_floats_are_kept_where_int8_disagrees(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Int8Network.run

    def turned(network: Int8Network, batch: Any) -> list[np.ndarray]:
        probabilities, *gates = run(network, batch)
        return [probabilities[:, ::-1], *gates]

    monkeypatch.setattr(Int8Network, "run", turned)
    parity = export(checkpoint, tmp_path / "m", KNOWN, precision="int8")
    assert parity.labels_agree
    assert arithmetic(tmp_path / "m") == ["float32", "float32"]
    assert Classifier(tmp_path / "m").provider == CPU


def missing(network: Int8Network, *_: Any) -> None:
    raise ImportError


@pytest.mark.parametrize("there", [True, False])
def test_floats_are_kept_where_int8_cannot_be_compared(
    there: bool, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_network, "is_there", lambda: there)
    monkeypatch.setattr(Int8Network, "__init__", missing)
    export(checkpoint, tmp_path / "m", KNOWN, precision="int8")
    assert arithmetic(tmp_path / "m") == ["float32", "float32"]


def test_a_model_of_before_is_multiplied_as_it_was(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "m")
    config = json.loads((SHIPPED / "config.json").read_text())
    del config["arithmetic"]
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    assert Classifier(tmp_path / "m").provider == CPU
