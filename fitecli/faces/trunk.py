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
        if self._last is None or not np.array_equal(self._last[0], values):
            self._last = values.copy(), self.session.run(None, {self._name: values})[0]
        return self._last[1]


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


def share(paths: Mapping[str, Path], providers: Sequence[str]) -> Iterator[tuple[str, Branch]]:
    """Each network's name and session, all behind one trunk; none where they do not begin alike.

    paths: the ONNX files, each of one input and one output. Nothing is computed otherwise than by
    each network alone: the shared nodes have the same operator, attributes, weights and inputs.
    They come one by one, since each may weigh half a gigabyte.
    """
    import onnx

    outlines = {name: _outline(onnx.load(path)) for name, path in paths.items()}
    first, *others = outlines.values()
    common = [key for key in first if all(key in other for other in others)]
    if not (others and common):
        return
    trunk = None
    for name, path in paths.items():
        cut = outlines[name][common[-1]]
        if trunk is None:
            model = onnx.load(path)
            _reduce(model, _source(model), cut)
            trunk = Trunk(_session(model, providers))
        model = onnx.load(path)
        _reduce(model, cut, _output(model))
        yield name, Branch(trunk, _session(model, providers))


def _outline(model: Any) -> dict[str, str]:
    """The key and name of what is made of the input and of weights and is all that the rest needs.

    In the order of the graph; equal keys mean equal values for equal inputs.
    """
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


def _session(model: Any, providers: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=list(providers)
    )
