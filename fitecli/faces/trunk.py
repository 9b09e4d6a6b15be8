"""Networks that begin alike: what they share is computed once for all of them.

DeepFace's networks of age, gender and race were trained from one face recogniser whose convolutions
were kept as they were, so nearly all that they compute is the same three times over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class Trunk:
    """The shared beginning of several networks; what it last computed is kept."""

    def __init__(self, session: Any) -> None:
        """session: of onnxruntime, with one input and one output."""
        self.session = session
        self._name = session.get_inputs()[0].name
        self._last: tuple[np.ndarray, Any] | None = None

    def run(self, values: np.ndarray) -> Any:
        """The features of a batch of faces, (N, H, W, C)."""
        last = self._last
        if last is None or not np.array_equal(last[0], values):
            features = self.session.run(None, {self._name: values})[0]
            features.setflags(write=False)  # all branches read the same
            last = self._last = values.copy(), features
        return last[1]


class Branch:
    """One of the networks, in place of its session: the trunk and an end of its own."""

    def __init__(self, trunk: Trunk, session: Any) -> None:
        self._trunk, self._session = trunk, session

    def get_inputs(self) -> Any:
        """See onnxruntime.InferenceSession."""
        return self._trunk.session.get_inputs()

    def get_providers(self) -> list[str]:
        """See onnxruntime.InferenceSession."""
        providers: list[str] = self._trunk.session.get_providers()
        return providers

    def run(self, outputs: Sequence[str] | None, feed: Mapping[str, np.ndarray]) -> Any:
        """See onnxruntime.InferenceSession."""
        (values,) = feed.values()
        return self._session.run(
            outputs, {self._session.get_inputs()[0].name: self._trunk.run(values)}
        )


def cuts(paths: Mapping[str, Path]) -> dict[str, str]:
    """Network -> the tensor up to which all are alike; empty where they do not begin alike.

    paths: the ONNX files, each of one input and one output that is read. Alike are nodes of the same
    operator, attributes, weights and inputs. What goes beyond plain float32 layers is never alike:
    graphs within graphs, functions, sparse or half weights, weights that are inputs, too.
    """
    import onnx

    outlines = {name: _outline(onnx.load(path)) for name, path in paths.items()}
    common = [key for key in next(iter(outlines.values()), {}) if _in_all(key, outlines)]
    if len(outlines) < 2 or not common:
        return {}
    return {name: outline[common[-1]] for name, outline in outlines.items()}


def _in_all(key: str, outlines: Mapping[str, Mapping[str, str]]) -> bool:
    return all(key in outline for outline in outlines.values())


def share(
    paths: Mapping[str, Path], cuts: Mapping[str, str], providers: Sequence[str]
) -> Iterator[tuple[str, Branch]]:
    """Each network's name and session, all behind one trunk, cut where `cuts` says.

    They come one by one, and no file is held beside the session made of it: each may weigh half a
    gigabyte. Raises what ONNX Runtime raises for a part that it cannot run.
    """
    first = next(iter(paths))
    trunk = Trunk(_session(_part(paths[first], None, cuts[first]), providers))
    for name, path in paths.items():
        yield name, Branch(trunk, _session(_part(path, cuts[name], None), providers))


def _part(path: Path, given: str | None, wanted: str | None) -> bytes:
    """A file's network from one tensor to another, from its input or to its output where None."""
    import onnx

    model = onnx.load(path)
    _reduce(model, given or _source(model), wanted or _output(model))
    data: bytes = model.SerializeToString()
    return data


def _outline(model: Any) -> dict[str, str]:
    """The key and name of what is made of the input and of weights and is all that the rest needs.

    In the order of the graph; equal keys mean equal values for equal inputs.
    """
    if not _plain(model):
        return {}
    graph, source = model.graph, _source(model)
    weights = {item.name for item in graph.initializer}
    versions = sorted((item.domain, item.version) for item in model.opset_import)
    keys = {item.name: _key(item.data_type, *item.dims, _bytes(item)) for item in graph.initializer}
    keys[source] = _key("input", *versions)
    read, weighed, found = {source}, set(weights), {}
    for node in graph.node:
        settings = sorted(item.SerializeToString(deterministic=True) for item in node.attribute)
        inputs = [keys.get(name, "") for name in node.input]
        for place, name in enumerate(node.output):
            keys[name] = _key(node.domain, node.op_type, settings, inputs, place)
            for reached in (read, weighed):
                if reached.intersection(node.input):
                    reached.add(name)
            if name in read & weighed and source not in _needed(graph, name, _output(model))[1]:
                found[keys[name]] = name
    found.pop(keys[_output(model)], None)
    return found


def _plain(model: Any) -> bool:
    """Whether a network is made of float32 layers and nothing that could be overlooked."""
    from onnx import AttributeProto, TensorProto

    graph = model.graph
    inner = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    kinds = {TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64}
    weights = {item.name for item in graph.initializer}
    return not (
        model.functions
        or graph.sparse_initializer
        or any(attribute.type in inner for node in graph.node for attribute in node.attribute)
        or any(node.op_type == "Cast" for node in graph.node)
        or any(item.data_type not in kinds for item in graph.initializer)
        or any(item.name in weights for item in graph.input)
        or any(item.type.tensor_type.elem_type != TensorProto.FLOAT for item in graph.input)
    )


def _needed(graph: Any, given: str, wanted: str) -> tuple[set[int], set[str]]:
    """The places of the nodes that make one tensor out of another, and the tensors they read."""
    made = {name: place for place, node in enumerate(graph.node) for name in node.output}
    nodes: set[int] = set()
    seen, ahead = {given}, [wanted]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            if name in made:
                nodes.add(made[name])
                ahead += graph.node[made[name]].input
    return nodes, seen


def _reduce(model: Any, given: str, wanted: str) -> None:
    """Leave of a network the part that makes one tensor out of another."""
    from onnx import TensorProto, helper

    graph = model.graph
    nodes, read = _needed(graph, given, wanted)
    for place in reversed(range(len(graph.node))):
        if place not in nodes:
            del graph.node[place]
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name not in read:
            del graph.initializer[place]
    del graph.value_info[:]
    for ends, name in ((graph.input, given), (graph.output, wanted)):
        known = [item for item in ends if item.name == name]
        del ends[:]
        ends.extend(known or [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])


def _source(model: Any) -> str:
    """The name of the only input that is no weight."""
    weights = {item.name for item in model.graph.initializer}
    (name,) = (item.name for item in model.graph.input if item.name not in weights)
    return str(name)


def _output(model: Any) -> str:
    return str(model.graph.output[0].name)


def _bytes(tensor: Any) -> bytes:
    from onnx import numpy_helper

    data: bytes = tensor.raw_data or numpy_helper.to_array(tensor).tobytes()
    return data


def _key(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\x1f")
    return digest.hexdigest()


def _session(model: bytes, providers: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=list(providers))
