"""An ONNX file that keeps its weights in blocks of int8 becomes a network that multiplies int8.

OpenVINO brings what meets a block of weights to int8, too, each token by a scale of its own, and multiplies
with the processor's instructions for that (VNNI).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np

from fitecli.sessions import check_whole

BLOCK = 64  # values of a column of weights that share a scale, and values of a token
TOLERANCE = 0.15  # of a probability: far more than int8 takes, less than lost weights do


def is_there() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


class Int8Network:
    """A network on the CPU; as many threads as like may run it, some of them at once.

    Those that run at once have a compiled network each. OpenVINO can share one (NUM_STREAMS), but 2026.4
    loses scales of weights when the streams start together: 11 of 80 loads gave wrong answers without
    a word, and none of 240 apart. So each is asked a question whose answer is known before it is used.
    """

    provider = "OpenVINO"
    step = 4  # every new shape is prepared for, which takes longer than some more tokens

    def __init__(
        self, path: Path, question: Mapping[str, np.ndarray], answer: np.ndarray, most: int
    ) -> None:
        """Read and compile a file.

        question: a batch of B; answer: its probabilities in floats (B, 3), the first output. most:
        runs at once, the others wait. Raises NotAModel where weights lie outside of the file, another
        error where OpenVINO is broken, cannot read the file, or answers otherwise.
        """
        import openvino

        check_whole(path)
        self._core = openvino.Core()
        onnx = openvino.frontend.FrontEndManager().load_by_framework("onnx")  # and nothing else
        self._model = onnx.convert(onnx.load(str(path)))
        self._inputs = [item.any_name for item in self._model.inputs]
        self._question, self._answer = question, answer
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._idle.put(self._compiled())
        self._more, self._lock = most - 1, Lock()

    def run(self, batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs for a batch, in the file's order; what it does not read may be in the batch."""
        request = self._request()
        try:
            return self._infer(request, batch)
        finally:
            self._idle.put(request)

    def _request(self) -> Any:
        """A network that no other thread runs: an idle one, a new one, or the next that is idle."""
        try:
            return self._idle.get_nowait()
        except Empty:
            with self._lock:
                one_more = self._more > 0
                self._more -= one_more
        if one_more:
            try:
                return self._compiled()
            except Exception:  # noqa: BLE001 - there are others, and no more are tried
                self._more = 0
        return self._idle.get()

    def _compiled(self) -> Any:
        """One more network; raises RuntimeError where its answer is wrong."""
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
        if found.shape != self._answer.shape or not (
            np.abs(found - self._answer).max() < TOLERANCE
        ):
            raise RuntimeError("OpenVINO answers otherwise than is known of the network")
        return request

    def _infer(self, request: Any, batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        request.infer({name: batch[name] for name in self._inputs})
        return [tensor.data.copy() for tensor in request.output_tensors]
