"""Networks of the inputs and outputs of DeepFace's, with random weights, where DeepFace looks.

"small" is one linear layer over an 8x8 grid of the face. "vgg" has the real networks' layers and
weighs as much, 540 MB each: VGG-16 for age, gender and race. The real ones were trained with the
convolutions of one face recogniser, which were kept as they were, so these share theirs, too. "tiny"
is a small one of that kind.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fitecli.faces.bundled import package_folder
from fitecli.faces.deepface_weights import WEIGHTS

SHAPES = {"Age": (224, 3, 101), "Gender": (224, 3, 2), "Race": (224, 3, 6), "Emotion": (48, 1, 7)}
VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
RECOGNISERS = {  # the widths of the convolutions (0: halve) and of the two layers after them
    "tiny": ((0, 2, 0, 4, 0, 0, 0), 8),
    "vgg": (VGG, 4096),
}
KINDS = ("small", *RECOGNISERS)
VERSIONS = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8}


def install(home: Path, kind: str = "small") -> Path:
    """Fill a home's folder of weights for the detector "dlib"; returns the folder."""
    weights = home / ".deepface" / "weights"
    weights.mkdir(parents=True)
    for name, (side, channels, classes) in SHAPES.items():
        made = _Layers(classes)
        if kind in RECOGNISERS and name != "Emotion":
            made.recogniser(side, channels, classes, *RECOGNISERS[kind])
        else:
            made.linear(side, channels, classes)
        onnx.save(made.model(side, channels, classes), weights / WEIGHTS[name])
    shutil.copy(package_folder() / "shape_predictor_5_face_landmarks.dat", weights)
    return weights


class _Layers:
    """The layers of a softmax network; its input has the channels last, as DeepFace's have."""

    def __init__(self, seed: int) -> None:
        self._own = np.random.default_rng(seed)
        self._shared = np.random.default_rng(0)
        self._weights: list[onnx.TensorProto] = []
        self._nodes = [helper.make_node("Transpose", ["face"], ["0"], perm=[0, 3, 1, 2])]

    def linear(self, side: int, channels: int, classes: int) -> None:
        """One linear layer over an 8x8 grid."""
        grid = min(8, side)
        self._add("AveragePool", kernel_shape=[side // grid] * 2, strides=[side // grid] * 2)
        self._add("Flatten")
        self._add("MatMul", self._weight(self._own, 0.05, grid**2 * channels, classes))
        self._add("Softmax")

    def recogniser(
        self, side: int, depth: int, classes: int, widths: tuple[int, ...], wide: int
    ) -> None:
        """Convolutions that every network has alike, and three layers of its own."""
        for width in widths:
            if width:
                depth = self._convolve(self._shared, depth, width, 3, pads=[1, 1, 1, 1])
            else:
                self._add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
                side //= 2
        depth = self._convolve(self._own, depth, wide, side)
        self._convolve(self._own, depth, wide, 1)
        self._add("Conv", self._weight(self._own, wide**-0.5, classes, wide, 1, 1))
        self._add("Flatten")
        self._add("Softmax")

    def model(self, side: int, channels: int, classes: int) -> onnx.ModelProto:
        """All of it as ONNX."""
        self._nodes[-1].output[0] = "scores"
        face = helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", side, side, channels])
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])
        graph = helper.make_graph(self._nodes, "stand_in", [face], [scores], self._weights)
        return helper.make_model(graph, **VERSIONS)

    def _convolve(
        self, random: np.random.Generator, depth: int, width: int, side: int, **settings: list[int]
    ) -> int:
        """A convolution and what is over zero; returns its width."""
        scale = (2 / (side**2 * depth)) ** 0.5
        filters = self._weight(random, scale, width, depth, side, side)
        self._add("Conv", filters, kernel_shape=[side, side], **settings)
        self._add("Relu")
        return width

    def _add(self, kind: str, *weights: str, **settings: list[int]) -> None:
        inputs = [self._nodes[-1].output[0], *weights]
        self._nodes.append(helper.make_node(kind, inputs, [str(len(self._nodes))], **settings))

    def _weight(self, random: np.random.Generator, scale: float, *shape: int) -> str:
        values = random.standard_normal(shape, np.float32) * np.float32(scale)
        name = f"weight{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name
