"""An ONNX file becomes a session of ONNX Runtime, if it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fitecli.errors import NotAModel, UsageProblem

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
AGAIN = "Export the checkpoint again, or name another model by --model."
OUTSIDE = b"location"  # the key by which ONNX names a file that holds weights
LENGTH = (0, 8)  # its last byte before the key, however it is written: protobuf tells it first


class Network(Protocol):
    """What runs batches; threads may do so side by side."""

    provider: str  # what computes
    step: int  # it is fastest with lengths that are multiples of this

    def run(self, batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs for a batch, in the file's order; what it does not read may be in the batch."""


class FloatNetwork:
    """A network in ONNX Runtime, which multiplies floats."""

    step = 1

    def __init__(self, path: Path, device: str) -> None:
        """As open_session."""
        self._session = open_session(path, device)
        self.provider: str = self._session.get_providers()[0]
        self._inputs = [item.name for item in self._session.get_inputs()]

    def run(self, batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs for a batch, in the file's order; what it does not read may be in the batch."""
        feed = {name: batch[name] for name in self._inputs}
        found: list[np.ndarray] = self._session.run(None, feed)
        return found


def offers_cuda() -> bool:
    """Whether the installed ONNX Runtime can compute on a GPU, whether or not there is one."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def open_session(path: Path, device: str) -> Any:
    """A session for a network, one thread a run. device: "cpu", "cuda" or "auto".

    Raises NotAModel where it cannot be loaded, UsageProblem for a GPU that is named and not got.
    """
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    check_whole(path)
    providers = [CPU]
    if device in {"cuda", "auto"} and offers_cuda():
        providers.insert(0, CUDA)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except (Fail, InvalidGraph, InvalidProtobuf) as exc:
        raise NotAModel(f"{path} cannot be loaded by ONNX Runtime ({exc}). {AGAIN}") from exc
    if device == "cuda" and CUDA not in session.get_providers():
        raise UsageProblem(
            "There is no CUDA device that ONNX Runtime can use; `fite doctor` tells more."
        )
    return session


def check_whole(path: Path) -> None:
    """Raise NotAModel where weights lie outside of the file: no sha256 covers them, and ONNX Runtime
    (until 1.23 at least) reads them from wherever the file says."""
    if path.stat().st_size == 0:  # nothing can be mapped
        raise NotAModel(f"{path} is empty. {AGAIN}")
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        place = content.find(OUTSIDE)
        while place > 0:
            if content[place - 1] in LENGTH:
                raise NotAModel(
                    f"{path} has weights in another file, which fite does not read. {AGAIN}"
                )
            place = content.find(OUTSIDE, place + 1)
