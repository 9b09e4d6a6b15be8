"""Networks of the inputs and outputs of DeepFace's, with random weights, where DeepFace looks.

"small" is one linear layer over an 8x8 grid of the face. "vgg" multiplies as often as the real
networks do: thirteen convolutions of VGG-16 for age, gender and race.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fitecli.faces.bundled import package_folder
from fitecli.faces.deepface import WEIGHTS

SHAPES = {"Age": (224, 3, 101), "Gender": (224, 3, 2), "Race": (224, 3, 6), "Emotion": (48, 1, 7)}
VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)  # 0: halve
KINDS = ("small", "vgg")


def install(home: Path, kind: str = "small") -> Path:
    """Fill a home's folder of weights for the detector "dlib"; returns the folder."""
    weights = home / ".deepface" / "weights"
    weights.mkdir(parents=True)
    for name, (side, channels, classes) in SHAPES.items():
        layers = VGG if kind == "vgg" and name != "Emotion" else ()
        network(weights / WEIGHTS[name], side, channels, classes, layers)
    shutil.copy(package_folder() / "shape_predictor_5_face_landmarks.dat", weights)
    return weights


def network(
    path: Path, side: int, channels: int, classes: int, layers: tuple[int, ...] = ()
) -> None:
    """Save a softmax network; its input has the channels last, as DeepFace's have."""
    random = np.random.default_rng(classes)
    pixels = (side, side)
    constants = []

    def weight(name: str, scale: float, *shape: int) -> str:
        values = random.normal(0, scale, shape).astype(np.float32)
        constants.append(numpy_helper.from_array(values, name))
        return name

    nodes = [helper.make_node("Transpose", ["face"], ["first"], perm=[0, 3, 1, 2])]
    last, depth = "first", channels
    for place, width in enumerate(layers):
        inputs, options = [last], {"kernel_shape": [2, 2], "strides": [2, 2]}
        if width:
            filters = weight(f"filters{place}", (2 / (9 * depth)) ** 0.5, width, depth, 3, 3)
            inputs, options = [last, filters], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        kind = "Conv" if width else "MaxPool"
        nodes.append(helper.make_node(kind, inputs, [f"{kind}{place}"], **options))
        last = f"{kind}{place}"
        if width:
            nodes.append(helper.make_node("Relu", [last], [f"relu{place}"]))
            last, depth = f"relu{place}", width
        else:
            side //= 2
    grid = min(8, side)
    step = {"kernel_shape": [side // grid] * 2, "strides": [side // grid] * 2}
    nodes += [
        helper.make_node("AveragePool", [last], ["grid"], **step),
        helper.make_node("Flatten", ["grid"], ["flat"]),
        helper.make_node(
            "MatMul", ["flat", weight("weight", 0.05, grid**2 * depth, classes)], ["logits"]
        ),
        helper.make_node("Softmax", ["logits"], ["scores"]),
    ]
    face = helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", *pixels, channels])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])
    graph = helper.make_graph(nodes, "stand_in", [face], [scores], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
