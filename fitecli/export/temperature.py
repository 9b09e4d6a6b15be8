"""The temperature that calibrates a model, and how it gets into the exported network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fitecli.calibration import fit_temperature, rescale
from fitecli.errors import NotAModel
from fitecli.metrics import expected_calibration_error
from fitecli.records import LABELS, Example, Prediction

FEWEST = 50  # examples; a temperature of fewer is chance


@dataclass(frozen=True)
class Calibration:
    """The temperature fitted on n labelled examples, and the calibration error there."""

    n: int
    temperature: float
    ece_before: float
    ece_after: float


def calibrate(examples: Sequence[Example], predictions: Sequence[Prediction]) -> Calibration | None:
    """Fit the temperature of predictions on labelled examples; None where there are under FEWEST."""
    pairs = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.label is not None]
    if len(pairs) < FEWEST:
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
    if softmax.op_type != "Softmax":
        raise NotAModel(
            f"The network ends in {softmax.op_type}, not in Softmax: name a checkpoint of fite."
        )
    name = "inverse_temperature"
    constant = numpy_helper.from_array(np.array(1 / temperature, dtype=kind), name)
    model.graph.initializer.append(constant)
    scaled = helper.make_node("Mul", [softmax.input[0], name], ["calibrated_logits"])
    model.graph.node.insert(list(model.graph.node).index(softmax), scaled)
    softmax.input[0] = "calibrated_logits"
    onnx.save(model, str(path))
