"""A network becomes an ONNX graph, fused and lowered in precision."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

OPSET = 18
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's and the optimiser's notes (prints, warnings, logs) to themselves."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def trace(model: Any, path: Path) -> None:
    """Write the network as fp32 ONNX with dynamic batch and both lengths; its encoders are shortened."""
    import torch

    from fitecli.export.first_token import shorten

    for encoder in model.encoders.values():
        shorten(encoder)
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


def optimise(path: Path, precision: str, config: Any) -> None:
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
