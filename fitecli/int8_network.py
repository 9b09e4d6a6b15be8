"""An ONNX file that keeps its weights in blocks of int8 becomes a network that multiplies int8.

OpenVINO brings what meets a block of weights to int8, too, each token by a scale of its own, and multiplies
with the processor's instructions for that (VNNI); where there are none, it computes with floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

BLOCK = 64  # values of a column of weights that share a scale, and values of a token
TOLERANCE = 0.15  # of a probability: far more than int8 takes, less than lost weights do


def is_there() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


class Int8Network:
    """A network on the CPU; as many threads as like may run it at once.

    Each of them gets a compiled network of its own. OpenVINO can share one (NUM_STREAMS), but 2026.4
    loses scales of weights when the streams start together: 11 of 80 loads gave wrong answers without
    a word, and none of 240 apart. So each is asked a question whose answer is known before it is used.
    """

    provider = "OpenVINO"

    def __init__(self, path: Path, question: Mapping[str, np.ndarray], answer: np.ndarray) -> None:
        """Read and compile a file.

        question: a batch of B; answer: its probabilities in floats (B, 3), the first output. Raises
        RuntimeError where OpenVINO cannot read the file, or answers otherwise.
        """
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(path)
        self._inputs = [item.any_name for item in self._model.inputs]
        self._question, self._answer = question, answer
        self._idle: SimpleQueue[Any] = SimpleQueue()
        first = self._compiled()
        if first is None:
            raise RuntimeError(f"OpenVINO answers otherwise than is known of {path}")
        self._idle.put(first)

    def run(self, batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs for a batch, in the file's order; what it does not read may be in the batch."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled() or self._idle.get()
        try:
            return self._infer(request, batch)
        finally:
            self._idle.put(request)

    def _compiled(self) -> Any | None:
        """One more network to run, if its answer is right."""
        network = self._core.compile_model(
            self._model,
            "CPU",
            {
                "NUM_STREAMS": 1,
                "INFERENCE_NUM_THREADS": 1,
                "ENABLE_CPU_PINNING": False,  # or all share one core
                "INFERENCE_PRECISION_HINT": "f32",  # of all that is no product with weights
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": BLOCK,
            },
        )
        request = network.create_infer_request()
        found = self._infer(request, self._question)[0]
        return request if np.abs(found - self._answer).max() < TOLERANCE else None

    def _infer(self, request: Any, batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        request.infer({name: batch[name] for name in self._inputs})
        return [tensor.data.copy() for tensor in request.output_tensors]
