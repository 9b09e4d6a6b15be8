"""Exported folders equal their checkpoint, are refused when they do not, and never half-written."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fitecli.calibration import rescale
from fitecli.classifier import Classifier, ExportedConfig
from fitecli.errors import NoExamples, NotAModel, ParityFailure, UsageProblem
from fitecli.evaluation import evaluate, open_predictor
from fitecli.export import PRECISIONS, Parity, compare, export
from fitecli.export.int8 import quantise
from fitecli.export.temperature import calibrate
from fitecli.fusion import presets
from fitecli.fusion.checkpoint import CheckpointPredictor
from fitecli.fusion.training import build, input_builder
from fitecli.inputs import InputFormat
from fitecli.int8_network import BLOCK
from fitecli.records import Example, Prediction
from fitecli.sessions import open_session
from fitecli.settings import resource
from tests.conftest import make_encoder

EXAMPLES = [
    Example(
        f"$T$ is {word} " * (1 + i % 3), name, "There are 1 people in the picture. " * (i % 2),
        "A day.", label, faces=i % 3,
    )
    for i, (word, label) in enumerate(
        [("great", "positive"), ("awful", "negative"), ("old", "neutral")] * 4
    )
    for name in ("NASA", "Grace Hopper")
]  # fmt: skip
ENOUGH = EXAMPLES * 3  # for a temperature


@pytest.fixture(scope="module")
def checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network of the real class, on disk."""
    folder = tmp_path_factory.mktemp("checkpoint")
    preset = presets.Preset(
        "tiny", str(tiny_encoder), share_word_embeddings=True, input=InputFormat(max_tokens=48)
    )
    model = build([tiny_encoder], preset, seed=3, record={"features": "f", "datasets": ["d"]})
    with torch.no_grad():
        model.classifier.weight.mul_(40)  # sure of itself, so that labels do not sway
    model.save_pretrained(folder)
    input_builder(tiny_encoder, model.config).tokeniser.save(folder)
    return folder


@pytest.fixture(scope="module")
def exports(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """It in every precision, calibrated, by the precision's name."""
    folders = {name: tmp_path_factory.mktemp(name) / "tiny" for name in PRECISIONS}
    for precision, folder in folders.items():
        export(checkpoint, folder, ENOUGH, precision=precision, threads=1)
    return folders


@pytest.fixture
def exported(exports: dict[str, Path]) -> Path:
    return exports["fp32"]


def parity_in(folder: Path) -> Parity:
    """The parity that an export has reported."""
    report = json.loads((folder / "parity.json").read_text())
    return Parity(**{field.name: report[field.name] for field in dataclasses.fields(Parity)})


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize(("face", "scene"), [(8, 48), (48, 8), (17, 17)])
def test_onnx_equals_torch_at_any_batch_and_length(
    checkpoint: Path, exported: Path, rows: int, face: int, scene: int
) -> None:
    random = np.random.default_rng(rows)
    batch: dict[str, np.ndarray] = {}
    for name, width in (("face", face), ("scene", scene)):
        lengths = random.integers(2, width + 1, rows)
        lengths[0] = width
        mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
        batch[f"{name}_input_ids"] = random.integers(5, 50, (rows, width)) * mask
        batch[f"{name}_attention_mask"] = mask
        batch[f"{name}_token_type_ids"] = random.integers(0, 2, (rows, width)) * mask
    classifier = Classifier(exported)
    found, gates = classifier.run(batch)
    assert gates is not None
    with torch.inference_mode():
        model = CheckpointPredictor(checkpoint, device="cpu").model
        output = model(**{name: torch.from_numpy(array) for name, array in batch.items()})
    expected = torch.softmax(output.logits / classifier.temperature, dim=-1).numpy()
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(gates - output.gate.numpy()).max() < 1e-5


def test_the_last_layers_compute_one_token(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(str(exported / "model.onnx"))
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    model.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in norms)
    onnx.save(model, str(tmp_path / "open.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "open.onnx"))
    feed = {item.name: np.ones((2, 9), np.int64) for item in session.get_inputs()}
    widths = [array.shape[1] for array in session.run(None, feed)[2:]]
    assert sorted(widths) == [1] * 4 + [9] * 6  # of two layers and the embeddings, twice


@pytest.mark.parametrize(
    ("gate", "kind"),
    [
        ("paper", InputFormat(("scene",), max_tokens=48)),
        ("paper", InputFormat(("face",), max_tokens=48, visual="face", visual_size=3)),
        ("none", InputFormat(max_tokens=48)),
        ("released", InputFormat(max_tokens=48, face_mask="scene", token_types=False)),
    ],
)
def test_every_system_is_exported(
    tiny_encoder: Path, tmp_path: Path, gate: str, kind: InputFormat
) -> None:
    preset = presets.Preset("tiny", str(tiny_encoder), gate=gate, input=kind)
    model = build([tiny_encoder], preset, seed=3)
    model.save_pretrained(tmp_path / "checkpoint")
    input_builder(tiny_encoder, model.config).tokeniser.save(tmp_path / "checkpoint")
    examples = [dataclasses.replace(item, visual=(0.1, 0.2, -3.0)) for item in EXAMPLES]
    parity = export(tmp_path / "checkpoint", tmp_path / "m", examples, precision="fp32")
    assert parity.max_probability_difference < 1e-5
    classifier = Classifier(tmp_path / "m")
    assert classifier.config.input == kind
    gated = len(kind.branches) == 2 and gate != "none"
    assert (classifier.predict(examples[:1])[0].gate is not None) == gated


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_exported_network_is_calibrated(
    checkpoint: Path, exports: dict[str, Path], precision: str
) -> None:
    folder = exports[precision]
    parity = parity_in(folder)
    config = json.loads((folder / "config.json").read_text())
    calibration = config["calibration"]
    assert calibration["n"] == len(ENOUGH)
    assert config["temperature"] > 1.5  # it was made too sure of itself
    assert calibration["ece_after"] < calibration["ece_before"]
    classifier, raw = Classifier(folder), CheckpointPredictor(checkpoint, device="cpu")
    scores = [np.array([p.scores for p in model.predict(EXAMPLES)]) for model in (classifier, raw)]
    expected = rescale(scores[1], classifier.temperature)
    assert np.abs(scores[0] - expected).max() <= parity.max_probability_difference + 2e-3
    report, _ = evaluate(classifier, EXAMPLES)
    assert report["ece"] == pytest.approx(calibration["ece_after"], abs=0.02)
    assert report["ece_uncalibrated"] == pytest.approx(calibration["ece_before"], abs=0.02)
    assert "Calibrated by a temperature of" in (folder / "README.md").read_text()


def test_without_enough_labels_nothing_is_calibrated(exported: Path) -> None:
    bare = [dataclasses.replace(item, label=None) for item in ENOUGH]
    predictions = Classifier(exported).predict(ENOUGH)
    assert calibrate(ENOUGH, predictions) is not None
    assert calibrate(bare, predictions) is None
    assert calibrate(EXAMPLES, predictions[: len(EXAMPLES)]) is None  # too few


def test_the_folder_is_complete_and_checked(exported: Path) -> None:
    names = {path.name for path in exported.iterdir()}
    assert names == {"model.onnx", "config.json", "tokenizer.json", "README.md", "parity.json"}
    config = ExportedConfig.read(exported)
    assert (config.name, config.precision, config.features) == ("tiny", "fp32", "f")
    parity = json.loads((exported / "parity.json").read_text())
    assert parity["n"] == len(ENOUGH)
    assert parity["max_probability_difference"] < 1e-4
    card = (exported / "README.md").read_text()
    assert "Parity with torch on 72 examples" in card
    assert "## Limits" in card


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_lower_precisions_agree_and_are_smaller(exports: dict[str, Path], precision: str) -> None:
    parity = parity_in(exports[precision])
    assert parity.labels_differ <= 0.005
    assert 0 < parity.max_probability_difference < 0.2
    small, whole = (exports[name] / "model.onnx" for name in (precision, "fp32"))
    assert small.stat().st_size < whole.stat().st_size


def test_int8_weights_are_stored_small_and_widened(exports: dict[str, Path]) -> None:
    graph = onnx.load(str(exports["int8"] / "model.onnx")).graph
    stored = {item.name: item.data_type for item in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    widened = [node for node in products if f"{node.input[1]}.int8" in stored]
    assert len(widened) > 20
    assert not {node.input[1] for node in products} & set(stored)  # none is left in floats
    whole = {
        item.name: item for item in onnx.load(str(exports["fp32"] / "model.onnx")).graph.initializer
    }
    checked = 0
    for item in graph.initializer:
        name = item.name.removesuffix(".int8")
        if name in whole and name != item.name and len(item.dims) == 3:
            scale = next(s for s in graph.initializer if s.name == f"{name}.scale")
            blocks = onnx.numpy_helper.to_array(item) * onnx.numpy_helper.to_array(scale).astype(
                float
            )
            exact = onnx.numpy_helper.to_array(whole[name])
            assert np.abs(blocks.reshape(exact.shape) - exact).max() < np.abs(exact).max() / 150
            checked += 1
    assert checked > 10  # those that were no Gemm before


def test_small_weights_keep_their_levels(tmp_path: Path) -> None:
    """A block far below the others has a scale of its own, down to what float16 holds."""
    weights = np.random.default_rng(0).normal(size=(2 * BLOCK, 8)).astype(np.float32)
    weights[:BLOCK] *= 1e-4
    weights[:BLOCK, 0] = 0
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    x, y = (
        onnx.helper.make_tensor_value_info(n, 1, ("b", w)) for n, w in (("x", 2 * BLOCK), ("y", 8))
    )
    initial = [onnx.numpy_helper.from_array(weights, "w")]
    path = tmp_path / "model.onnx"
    graph = onnx.helper.make_graph([node], "g", [x], [y], initial)
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    quantise(path)
    session = onnxruntime.InferenceSession(str(path))
    found = session.run(None, {"x": np.eye(2 * BLOCK, dtype=np.float32)})[0]
    for part in (slice(None, BLOCK), slice(BLOCK, None)):
        wrong = np.abs(found[part] - weights[part]).max() / np.abs(weights[part]).max()
        assert wrong < 0.006  # half a level is 1 / 254


def test_more_threads_change_no_score() -> None:
    folder = resource("exported") / "fite-mini"
    one, four = (
        np.array([p.scores for p in Classifier(folder, threads=threads).predict(EXAMPLES)])
        for threads in (1, 4)
    )
    assert np.array_equal(one, four)


def test_large_tables_are_stored_as_int8(tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    make_encoder(encoder, hidden=64, more_words=1000)
    preset = presets.Preset(
        "wide", str(encoder), share_word_embeddings=True, input=InputFormat(max_tokens=48)
    )
    model = build([encoder], preset, seed=1)
    model.save_pretrained(tmp_path / "checkpoint")
    input_builder(encoder, model.config).tokeniser.save(tmp_path / "checkpoint")
    parity = export(tmp_path / "checkpoint", tmp_path / "m", EXAMPLES, precision="int8")
    assert parity.max_probability_difference < 0.05
    kinds = {
        item.name: item.data_type
        for item in onnx.load(str(tmp_path / "m" / "model.onnx")).graph.initializer
    }
    int8 = [name for name, kind in kinds.items() if kind == onnx.TensorProto.INT8]
    assert sum("word_embeddings" in name for name in int8) == 1  # one table for both encoders
    half = [name for name in kinds if name.endswith(".half")]
    assert any("position_embeddings" in name for name in half)


def test_an_older_export_is_replaced_at_once(
    checkpoint: Path, exported: Path, tmp_path: Path
) -> None:
    shutil.copytree(exported, tmp_path / "m")
    (tmp_path / "m" / "stale").touch()
    told: list[str] = []
    parity = export(checkpoint, tmp_path / "m", EXAMPLES[:2], tell=told.append)
    assert parity == parity_in(tmp_path / "m")
    assert not (tmp_path / "m" / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert any("Not calibrated" in message for message in told)  # the older one was
    assert Classifier(tmp_path / "m").temperature == 1
    assert "Calibrated" not in (tmp_path / "m" / "README.md").read_text()


def test_a_folder_of_something_else_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageProblem, match="is no exported model; it is left alone"):
        export(checkpoint, tmp_path, EXAMPLES[:2])
    assert (tmp_path / "thesis.tex").exists()


def test_a_failed_export_leaves_nothing(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(NoExamples, match="--dataset"):
        export(checkpoint, tmp_path / "m", [])
    with pytest.raises(UsageProblem, match="int8"):
        export(checkpoint, tmp_path / "m", EXAMPLES, precision="int4")
    with pytest.raises(NotAModel):
        export(tmp_path, tmp_path / "m", EXAMPLES)
    assert not list(tmp_path.iterdir())


def prediction(*scores: float) -> Prediction:
    label = ("negative", "neutral", "positive")[int(np.argmax(scores))]
    return Prediction(label, (scores[0], scores[1], scores[2]), 0.5)


def test_parity_fails_where_labels_or_probabilities_differ() -> None:
    same, other = prediction(0.1, 0.2, 0.7), prediction(0.7, 0.2, 0.1)
    parity = compare([same] * 100, [same] * 99 + [other])
    assert parity.labels_differ == pytest.approx(0.01)
    assert parity.max_probability_difference == pytest.approx(0.6)
    with pytest.raises(ParityFailure, match="another label on 1"):
        parity.check("int8")
    Parity(1000, 0.005, 0.3, 0.1).check("int8")
    with pytest.raises(ParityFailure, match="fp32"):
        Parity(1000, 0.0, 2e-4, 0.0).check("fp32")


def test_predictions_keep_their_order_and_equal_the_checkpoint(
    checkpoint: Path, exported: Path
) -> None:
    classifier = Classifier(exported, threads=1)
    ours = classifier.predict(EXAMPLES)
    theirs = CheckpointPredictor(checkpoint, device="cpu").predict(EXAMPLES)
    for a, b in zip(ours, theirs, strict=True):
        (expected,) = rescale(np.array([b.scores]), classifier.temperature)
        assert a.scores == pytest.approx(expected, abs=1e-5)
    assert len({p.scores for p in ours}) > 3


def test_the_same_input_is_computed_once(exported: Path) -> None:
    classifier = Classifier(exported)
    rows: list[int] = []
    original = classifier.run

    def counted(batch: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        rows.append(len(batch["face_input_ids"]))
        return original(batch)

    classifier.run = counted  # type: ignore[method-assign]
    found = classifier.predict_hashed([EXAMPLES[0]] * 5 + [EXAMPLES[1]])
    assert sum(rows) == 2
    assert len({digest for _, digest in found}) == 2
    assert found[0] == found[4]
    known = {found[0][1]: Prediction("neutral", (0.1, 0.8, 0.1), 0.5)}
    again = classifier.predict_hashed([EXAMPLES[0], EXAMPLES[1]], known)
    assert sum(rows) == 3  # the known one was not computed
    assert again[0][0].label == "neutral"
    assert classifier.predict([]) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_told(exported: Path, checkpoint: Path) -> None:
    for folder in (exported, checkpoint):
        with pytest.raises(UsageProblem, match="no CUDA device"):
            open_predictor(folder, device="cuda")


def test_evaluation_of_both_kinds_agrees(checkpoint: Path, exported: Path) -> None:
    first, second = (
        evaluate(open_predictor(folder, device="cpu"), EXAMPLES)[0]
        for folder in (checkpoint, exported)
    )
    assert first["accuracy"] == second["accuracy"]
    assert first["confusion"] == second["confusion"]
    assert first["n"] == 24
    assert sum(group["n"] for group in first["by_faces"].values()) == 24
    assert first["pairs_per_second"] > 0


def test_a_changed_model_is_refused(exported: Path, tmp_path: Path) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(NotAModel, match="changed after its export"):
        Classifier(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no protobuf")
    with pytest.raises(NotAModel, match="ONNX Runtime"):
        Classifier(tmp_path, verify=False).predict(EXAMPLES)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(NotAModel, match="cannot be read"):
        Classifier(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("tokenizer.json", b"{}"), ("tokenizer_config.json", b"{}"), ("bpe.codes", b"a b")],
)
def test_a_changed_or_added_tokeniser_is_refused(
    name: str, content: bytes, exported: Path, tmp_path: Path
) -> None:
    shutil.copytree(exported, tmp_path / "m")
    (tmp_path / "m" / name).write_bytes(content)
    with pytest.raises(NotAModel, match=f"{name} was changed after its export"):
        Classifier(tmp_path / "m")


@pytest.mark.parametrize("place", ["weights", "../weights", "/weights", "link"])
def test_weights_in_another_file_are_never_read(place: str, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    (tmp_path / "weights").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(bytes(16))
    (folder / "link").symlink_to(tmp_path / "weights")
    place = place.replace("/weights", f"{tmp_path}/weights") if place[0] == "/" else place
    tensor = TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", place), ("offset", "0"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    answer = helper.make_tensor_value_info("y", 1, [4])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])], "g", [], [answer], [tensor]
    )
    path = folder / "model.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(made.SerializeToString())
    with pytest.raises(NotAModel, match="weights in another file"):
        open_session(path, "cpu")
    length = made.SerializeToString().replace(b"\x08location", b"\x88\x00location")  # 8, too
    path.write_bytes(length)
    with pytest.raises(NotAModel, match="weights in another file"):
        open_session(path, "cpu")


def test_a_name_may_speak_of_a_location(tmp_path: Path) -> None:
    from onnx import helper

    ends = [helper.make_tensor_value_info(name, 1, [1]) for name in ("location_x", "y")]
    node = helper.make_node("Identity", ["location_x"], ["y"], name="/location/Identity")
    graph = helper.make_graph([node], "my locations", ends[:1], ends[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())
    (given,) = open_session(path, "cpu").get_inputs()
    assert given.name == "location_x"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "other"}, "not of the format"),
        ({"input": {"scene": "x", "extra": "y"}}, "incomplete"),
        ({"input": {"branches": []}}, "incomplete"),
        ({"files": {}}, "incomplete"),
        ({"name": None}, "name must be text, not null"),
        ({"precision": 8}, "precision must be text, not 8"),
        ({"arithmetic": "int4"}, "arithmetic must be one of float32, int8"),
        ({"arithmetic": "int8", "answer": [[1, 0, 0]]}, "three scores for each of 3 examples"),
        ({"arithmetic": "int8", "answer": [["x"]]}, "could not convert"),
        ({"answer": [[10**400]]}, "too large"),
        ({"features": ["x"]}, "features must be text"),
        ({"files": {"model.onnx": "0", "../../secret": "0"}}, "no others"),
    ],
)
def test_a_wrong_config_is_told(
    change: dict[str, object], expected: str, exported: Path, tmp_path: Path
) -> None:
    config = json.loads((exported / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotAModel, match=expected):
        ExportedConfig.read(tmp_path)


def test_a_folder_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match="no model folder"):
        open_predictor(tmp_path / "none")
    with pytest.raises(NotAModel, match="fite train"):
        open_predictor(tmp_path)
    for broken in ("{", "[" * 100_000, "[]", "null"):
        (tmp_path / "config.json").write_text(broken)
        with pytest.raises(NotAModel, match="fite export"):
            ExportedConfig.read(tmp_path)


def test_examples_are_values() -> None:
    assert dataclasses.replace(EXAMPLES[0], aspect="x").aspect == "x"
