"""A checkpoint becomes an ONNX folder with a model card and a parity report."""

from __future__ import annotations

import io
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.calibration import fit_temperature, rescale
from fitecli.classifier import CONFIG, FORMAT, MODEL, Classifier, ExportedConfig, sha256_of
from fitecli.errors import NoExamples, NotAModel, ParityFailure, UsageProblem
from fitecli.metrics import expected_calibration_error
from fitecli.records import LABELS, Example, Prediction

PRECISIONS = ("fp32", "fp16", "int8")
MAX_LABEL_DIFFERENCE = 0.005  # share of the examples whose label may differ
MAX_FP32_DIFFERENCE = 1e-4  # of a probability, in fp32
OPSET = 18
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class Parity:
    """How the exported model agrees with torch on n examples."""

    n: int
    labels_differ: float
    max_probability_difference: float
    mean_probability_difference: float

    def check(self, precision: str) -> None:
        """Raise ParityFailure where the disagreement is more than may be."""
        if self.labels_differ > MAX_LABEL_DIFFERENCE:
            raise ParityFailure(
                f"The {precision} model gives another label on {self.labels_differ:.2%} of "
                f"{self.n} examples; at most {MAX_LABEL_DIFFERENCE:.1%} may differ. Nothing was "
                "written; try `--precision fp32`."
            )
        if precision == "fp32" and self.max_probability_difference > MAX_FP32_DIFFERENCE:
            raise ParityFailure(
                f"A probability of the fp32 model differs by {self.max_probability_difference:.1e}"
                f" from torch; at most {MAX_FP32_DIFFERENCE:.0e} may. Nothing was written."
            )


def export(
    checkpoint: Path,
    output: Path,
    examples: Sequence[Example],
    *,
    precision: str = "fp32",
    threads: int = 0,
    tell: Callable[[str], None] = lambda message: None,
) -> Parity:
    """Write checkpoint as an ONNX folder: model, config, tokeniser, model card, parity report.

    examples: what the parity is measured on, as a rule the dev split of the run. The folder is
    written aside and renamed at the end, so a half-written one is never seen. Raises UsageProblem
    for an unknown precision, NotAModel, NoExamples, ParityFailure.
    """
    if precision not in PRECISIONS:
        raise UsageProblem(
            f"There is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}."
        )
    if not examples:
        raise NoExamples(
            "Parity needs examples; name labelled data with `--dataset` and `--split`."
        )
    if output.exists() and not _ours(output):
        raise UsageProblem(
            f"{output} exists and is no exported model; it is left alone. Choose another --output."
        )
    from fitecli.fusion.checkpoint import CheckpointPredictor, load

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as name:
        folder = Path(name) / "export"
        folder.mkdir()
        reference = CheckpointPredictor(checkpoint, threads=threads, device="cpu")
        tell(f"Tracing the network, optimising it for {precision} …")
        with _quiet():
            _trace(load(checkpoint, attention="eager"), folder / MODEL)
            _optimise(folder / MODEL, precision, reference.config)
        reference.builder.tokeniser.save(folder)
        _write_config(folder, output.name, precision, reference.config)
        tell(f"Comparing with torch on {len(examples)} examples …")
        exported = Classifier(folder, threads=threads)
        raw = exported.predict(examples)
        parity = compare(reference.predict(examples), raw)
        parity.check(precision)
        calibration = calibrate(examples, raw)
        if calibration is not None:
            build_in(folder / MODEL, calibration.temperature)
            _write_config(folder, output.name, precision, reference.config, calibration)
        _write_json(folder / "parity.json", {"precision": precision, **asdict(parity)})
        (folder / "README.md").write_text(
            model_card(output.name, precision, reference.config, parity, calibration, checkpoint),
            "utf-8",
        )
        _move(folder, output)
    return parity


@dataclass(frozen=True)
class Calibration:
    """The temperature fitted on n labelled examples, and the calibration error there."""

    n: int
    temperature: float
    ece_before: float
    ece_after: float


def calibrate(examples: Sequence[Example], predictions: Sequence[Prediction]) -> Calibration | None:
    """Fit the temperature of predictions on labelled examples; None where there is no label."""
    pairs = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.label is not None]
    if not pairs:
        return None
    gold = np.array([LABELS.index(example.label or "") for example, _ in pairs])
    scores = np.array([prediction.scores for _, prediction in pairs])
    temperature = fit_temperature(gold, scores)
    return Calibration(
        n=len(pairs),
        temperature=temperature,
        ece_before=expected_calibration_error(gold, scores),
        ece_after=expected_calibration_error(gold, rescale(scores, temperature)),
    )


def build_in(path: Path, temperature: float) -> None:
    """Let an exported network divide its logits by the temperature; the file is replaced."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    makers = {name: node for node in model.graph.node for name in node.output}
    softmax, kind = makers["probabilities"], "float32"
    if softmax.op_type == "Cast":  # the network is in half precision
        softmax, kind = makers[softmax.input[0]], "float16"
    assert softmax.op_type == "Softmax"
    name = "inverse_temperature"
    constant = numpy_helper.from_array(np.array(1 / temperature, dtype=kind), name)
    model.graph.initializer.append(constant)
    scaled = helper.make_node("Mul", [softmax.input[0], name], ["calibrated_logits"])
    model.graph.node.insert(list(model.graph.node).index(softmax), scaled)
    softmax.input[0] = "calibrated_logits"
    onnx.save(model, str(path))


def compare(reference: Sequence[Prediction], exported: Sequence[Prediction]) -> Parity:
    """Measure how two models' predictions differ on the same examples."""
    ours = np.array([prediction.scores for prediction in exported])
    theirs = np.array([prediction.scores for prediction in reference])
    gap = np.abs(ours - theirs)
    differ = [a.label != b.label for a, b in zip(reference, exported, strict=True)]
    return Parity(
        n=len(differ),
        labels_differ=float(np.mean(differ)),
        max_probability_difference=float(gap.max()),
        mean_probability_difference=float(gap.mean()),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's and the optimiser's notes (prints, warnings, logs) to themselves."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _trace(model: Any, path: Path) -> None:
    """Write the network as fp32 ONNX with dynamic batch and both lengths."""
    import torch

    config = model.config
    arguments: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    batch = torch.export.Dim("batch", min=1, max=65536)
    for width, branch in enumerate(config.branches, start=7):
        tokens = torch.export.Dim(f"{branch}_tokens", min=2, max=4096)
        for part in INPUTS if config.segments else INPUTS[:2]:
            value = 0 if part == "token_type_ids" else 1
            arguments[f"{branch}_{part}"] = torch.full((2, width), value)  # a batch of 1 is frozen
            shapes[f"{branch}_{part}"] = {0: batch, 1: tokens}
    if config.input["visual"]:
        arguments["visual"] = torch.zeros((2, config.input["visual_size"]))
        shapes["visual"] = {0: batch}
    gated = len(config.branches) > 1 and config.gate != "none"

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Any) -> Any:
            output = self.model(**dict(zip(arguments, inputs, strict=True)))
            probabilities = torch.softmax(output.logits, dim=-1)
            return (probabilities, output.gate) if gated else probabilities

    torch.onnx.export(
        Network().eval(),
        tuple(arguments.values()),
        str(path),
        input_names=list(arguments),
        output_names=["probabilities", "gate"] if gated else ["probabilities"],
        dynamic_shapes=(tuple(shapes.values()),),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _forget_shapes(path)


def _forget_shapes(path: Path) -> None:
    """Drop the tracer's intermediate shapes, which no longer hold once the graph is rewritten."""
    import onnx

    model = onnx.load(str(path))
    del model.graph.value_info[:]
    onnx.save(model, str(path))


def _optimise(path: Path, precision: str, config: Any) -> None:
    """Fuse what ONNX Runtime can fuse, then lower the precision; the file is replaced."""
    from onnxruntime.transformers import optimizer

    from fitecli.export.int8 import quantise

    encoder = next(iter(config.encoders.values()))
    model = optimizer.optimize_model(
        str(path),
        model_type="bert",
        num_heads=encoder["num_attention_heads"],
        hidden_size=encoder["hidden_size"],
        opt_level=0,
    )
    if precision == "fp16":
        model.convert_float_to_float16(keep_io_types=True)
    model.save_model_to_file(str(path))
    if precision == "int8":
        quantise(path)


def _write_config(
    folder: Path, name: str, precision: str, config: Any, calibration: Calibration | None = None
) -> None:
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != CONFIG}
    values = {
        "format": FORMAT,
        "name": name,
        "precision": precision,
        "labels": list(LABELS),
        "input": config.input,
        "segments": config.segments,
        "gate": config.gate,
        "preset": config.preset,
        "features": config.features,
        "files": files,
    }
    if calibration is not None:
        values |= {"temperature": calibration.temperature, "calibration": asdict(calibration)}
    _write_json(folder / CONFIG, values)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def _ours(path: Path) -> bool:
    """Whether a folder may be replaced: it is empty, or an exported model."""
    try:
        return not any(path.iterdir()) or bool(ExportedConfig.read(path))
    except (NotAModel, OSError):
        return False


def _move(folder: Path, output: Path) -> None:
    """Put the finished folder in place; an older one gives way only at the last moment."""
    if output.exists():
        old = folder.with_name("old")
        output.rename(old)
        folder.rename(output)
        shutil.rmtree(old)
    else:
        folder.rename(output)


def model_card(
    name: str,
    precision: str,
    config: Any,
    parity: Parity,
    calibration: Calibration | None,
    checkpoint: Path,
) -> str:
    """The README.md of an exported folder: what it is, how it was made, what it cannot do."""
    training = checkpoint / "training.json"
    made = json.loads(training.read_text("utf-8")) if training.is_file() else None
    size = (
        f"{config.face_encoder['num_hidden_layers']} layers of {config.face_encoder['hidden_size']}"
    )
    lines = [
        f"# {name}",
        "",
        "Tells how a tweet feels about one of its entities (negative, neutral, positive), from its",
        "text, a description of the faces in its picture and a caption of the scene. Exported by",
        "`fite export`; read by `fite classify` and `fite evaluate` without torch.",
        "",
        f"- Preset `{config.preset}`, gate `{config.gate}`, two encoders ({size}) "
        f"{'with one table of word embeddings' if config.share_word_embeddings else ''}".rstrip(),
        f"- Precision {precision}; at most {config.input['max_tokens']} tokens a pair",
        f"- Trained with the feature set `{config.features}`"
        + (f" on {', '.join(config.datasets)}" if getattr(config, "datasets", None) else ""),
    ]
    if made:
        lines.append(
            f"- Seed {made['seed']}, epoch {made['best_epoch']} (chosen on dev): accuracy "
            f"{made['dev_accuracy']:.4f}, macro-F1 {made['dev_macro_f1']:.4f} on dev"
        )
    lines += [
        f"- Parity with torch on {parity.n} examples: labels differ on {parity.labels_differ:.2%}, "
        f"a probability by at most {parity.max_probability_difference:.1e}",
    ]
    if calibration is not None:
        lines.append(
            f"- Calibrated by a temperature of {calibration.temperature:.2f} fitted on these "
            f"{calibration.n} examples: expected calibration error {calibration.ece_before:.4f} "
            f"before, {calibration.ece_after:.4f} after (on the same examples)"
        )
    lines += [
        "",
        "## Limits",
        "",
        "English tweets of 2014 to 2017 about people, places and organisations. Face attributes are",
        "guesses of other networks and carry their bias; a sentence about a face can be about the",
        "wrong person. Do not use it to decide about people.",
        "",
    ]
    return "\n".join(lines)
