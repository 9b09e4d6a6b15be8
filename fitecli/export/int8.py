"""The int8 form of an exported graph: blocks of weights with scales of their own.

Weights are stored small. ONNX Runtime widens them when the graph is loaded and multiplies floats;
OpenVINO multiplies the blocks as they are (int8_network).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fitecli.int8_network import BLOCK

ROW_BLOCK = 32  # values of a word's embedding that share a scale
SMALLEST = 2.0**-24  # above zero in float16
MIN_ROWS = 1000  # tables with fewer rows (positions, segments) stay as they are


def quantise(path: Path) -> None:
    """Store matrices and word embeddings as int8; the file is replaced."""
    import onnx

    model = onnx.load(str(path))
    _split_gemms(model.graph)
    _quantise_matrices(model.graph)
    _quantise_embeddings(model.graph)
    _halve_positions(model.graph)
    onnx.save(model, str(path))


def _split_gemms(graph: Any) -> None:
    """Write every Gemm of a linear layer as MatMul and Add, which have an int8 form."""
    from onnx import helper, numpy_helper

    weights = {item.name: item for item in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "Gemm" or node.input[1] not in weights:
            nodes.append(node)
            continue
        options = {item.name: item.i for item in node.attribute}
        matrix = numpy_helper.to_array(weights[node.input[1]])
        if options.get("transB", 0):
            matrix = np.ascontiguousarray(matrix.T)
        name, output = f"{node.input[1]}.matrix", node.output[0]
        graph.initializer.append(numpy_helper.from_array(matrix, name))
        biased = len(node.input) > 2
        product = f"{output}.product" if biased else output
        nodes.append(
            helper.make_node("MatMul", [node.input[0], name], [product], name=f"{output}.matmul")
        )
        if biased:
            nodes.append(helper.make_node("Add", [product, node.input[2]], [output]))
    _replace(graph, nodes)


def _quantise_matrices(graph: Any) -> None:
    """Store the matrix (K, N) of every MatMul as int8 with a scale for each block of a column."""
    from onnx import helper, numpy_helper

    matrices = {
        item.name: numpy_helper.to_array(item)
        for item in graph.initializer
        if len(item.dims) == 2 and item.data_type == 1
    }
    nodes: list[Any] = []
    used: dict[str, np.ndarray] = {}
    for node in graph.node:
        name = node.input[1] if node.op_type == "MatMul" else ""
        if name in matrices and name not in used:
            used[name] = matrices[name]
            nodes += [
                helper.make_node("Cast", [f"{name}.int8"], [f"{name}.blocks"], to=1),
                helper.make_node("Cast", [f"{name}.scale"], [f"{name}.scales"], to=1),
                helper.make_node("Mul", [f"{name}.blocks", f"{name}.scales"], [f"{name}.columns"]),
                helper.make_node("Reshape", [f"{name}.columns", f"{name}.shape"], [name]),
            ]
        nodes.append(node)
    for name, matrix in used.items():
        rows, columns = matrix.shape
        blocks = matrix.reshape(-1, _block(rows, BLOCK), columns)
        _store(graph, name, blocks, axis=1, shape=(rows, columns))
    _replace(graph, nodes)


def _quantise_embeddings(graph: Any) -> None:
    """Store every word embedding as int8 with one scale for each block of a row."""
    from onnx import helper, numpy_helper

    tables = {
        item.name: numpy_helper.to_array(item)
        for item in graph.initializer
        if len(item.dims) == 2 and item.dims[0] >= MIN_ROWS and item.data_type == 1
    }
    nodes: list[Any] = []
    used = set()
    for node in graph.node:
        if node.op_type != "Gather" or node.input[0] not in tables:
            nodes.append(node)
            continue
        name, indices, output = node.input[0], node.input[1], node.output[0]
        used.add(name)
        nodes += [
            helper.make_node("Gather", [f"{name}.int8", indices], [f"{output}.int8"]),
            helper.make_node("Cast", [f"{output}.int8"], [f"{output}.blocks"], to=1),
            helper.make_node("Gather", [f"{name}.scale", indices], [f"{output}.half"]),
            helper.make_node("Cast", [f"{output}.half"], [f"{output}.scale"], to=1),
            helper.make_node("Mul", [f"{output}.blocks", f"{output}.scale"], [f"{output}.rows"]),
            helper.make_node("Reshape", [f"{output}.rows", f"{name}.shape"], [output]),
        ]
    for name in sorted(used):
        rows, width = tables[name].shape
        blocks = tables[name].reshape(rows, -1, _block(width, ROW_BLOCK))
        _store(graph, name, blocks, axis=2, shape=(0, 0, width))  # 0 keeps batch and length
    _replace(graph, nodes)


def _block(length: int, block: int) -> int:
    """How many of so many values share a scale."""
    return block if length % block == 0 else length


def _store(graph: Any, name: str, blocks: np.ndarray, *, axis: int, shape: tuple[int, ...]) -> None:
    """Add the three parts of a quantised tensor: int8 values, float16 scales, the shape to restore."""
    from onnx import numpy_helper

    top = np.abs(blocks).max(axis=axis, keepdims=True)
    exact = np.maximum(top / 127, SMALLEST)
    scale = exact.astype(np.float16)
    scale = np.where(scale < exact, np.nextafter(scale, np.float16(np.inf)), scale)  # never clips
    small = np.rint(blocks / scale.astype(np.float32)).clip(-127, 127).astype(np.int8)
    parts = {"int8": small, "scale": scale, "shape": np.array(shape, dtype=np.int64)}
    for part, value in parts.items():
        graph.initializer.append(numpy_helper.from_array(value, f"{name}.{part}"))


def _halve_positions(graph: Any) -> None:
    """Store the smaller embedding tables as float16; ONNX Runtime widens them when it loads."""
    from onnx import helper, numpy_helper

    gathered = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    casts = []
    for item in list(graph.initializer):
        if item.name in gathered and len(item.dims) == 2 and item.data_type == 1:
            half = numpy_helper.to_array(item).astype(np.float16)
            graph.initializer.append(numpy_helper.from_array(half, f"{item.name}.half"))
            casts.append(helper.make_node("Cast", [f"{item.name}.half"], [item.name], to=1))
    _replace(graph, [*casts, *graph.node])


def _replace(graph: Any, nodes: list[Any]) -> None:
    """Put other nodes in place; weights that none reads, or that one makes, are dropped."""
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    made = {name for node in nodes for name in node.output}
    kept = [item for item in graph.initializer if item.name in read - made]
    del graph.initializer[:]
    graph.initializer.extend(kept)
