"""ONNX models, read with suspicion into plain data: nodes in order, constants, and what shapes there are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import checker, external_data_helper, helper, numpy_helper, shape_inference

from .._arrays import integer

__all__ = ["Graph", "Node", "Type", "UnsupportedError", "checked", "latest_opset", "node_of", "read"]

_DOMAINS = ("", "ai.onnx")
_LEGACY = "consumed_inputs"  # an attribute of the first opset that says nothing about the result
# Whatever onnx and protobuf raise over bytes that are no model.
_CORRUPT = (
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    DecodeError,
    checker.ValidationError,
    shape_inference.InferenceError,
)
# Checked before anything is computed with them: older versions of onnx divide by a stride of 0.
_LEAST = {"dilations": 1, "group": 1, "kernel_shape": 1, "pads": 0, "strides": 1}
_NUMPY_NAMES = {"float": "float32", "double": "float64"}


class UnsupportedError(ValueError):
    """A model is valid ONNX, and more than convlet can run or express."""


class Type(NamedTuple):
    """What is known of a value before it is computed."""

    dtype: str
    """NumPy's name, or ONNX's where NumPy has none; empty if unknown."""
    shape: tuple[int | None, ...] | None
    """``None`` for a size, or for the whole shape, that is unknown."""


@dataclass(frozen=True)
class Node:
    """One call of an operator: what the graph says about it."""

    op: str
    name: str
    opset: int
    inputs: tuple[str, ...]
    """Names of values, empty for an optional input that is left out."""
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def label(self) -> str:
        """How messages name the node."""
        which = repr(self.name) if self.name else f"of {', '.join(self.outputs)!r}"
        return f"{self.op} node {which}"


@dataclass(frozen=True)
class Graph:
    """A model as plain data."""

    nodes: tuple[Node, ...]
    """In the order of their work, without the Constant nodes."""
    constants: dict[str, NDArray[Any]]
    """Initializers and values of Constant nodes."""
    inputs: dict[str, Type]
    """All of the graph's inputs, also those that an initializer is the default of."""
    outputs: tuple[str, ...]
    declared: dict[str, Type]
    """Types of the constants, which are beyond doubt."""
    model: onnx.ModelProto

    @cached_property
    def types(self) -> dict[str, Type]:
        """What is known of every value: inferred by onnx, which trusts the attributes that it finds.

        Raises:
            ValueError: onnx finds a contradiction.
        """
        try:
            graph = shape_inference.infer_shapes(self.model).graph
            infos = (*graph.value_info, *graph.output, *graph.input)
            return {**{info.name: _type(info.type) for info in infos}, **self.declared}
        except _CORRUPT as error:
            raise ValueError(f"not a valid ONNX model: {_one_line(error)}") from error

    @property
    def required(self) -> tuple[str, ...]:
        """The inputs without a default."""
        return tuple(name for name in self.inputs if name not in self.constants)

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Graph:
        """The graph of a model that :func:`checked` let pass.

        Raises:
            UnsupportedError: it uses a part of ONNX that convlet does not know.
            ValueError: its constants or attributes are corrupt.
        """
        opset = _opset(model)
        graph = model.graph
        if graph.sparse_initializer:
            raise UnsupportedError(f"sparse initializer {graph.sparse_initializer[0].values.name!r}")
        constants, declared, nodes = {}, {}, []
        for tensor in graph.initializer:
            constants[tensor.name] = _array(tensor)
            declared[tensor.name] = Type(_dtype(tensor.data_type), tuple(tensor.dims))
        for proto in graph.node:
            node = node_of(proto, opset)
            if node.op == "Constant":
                value, dtype = _constant(node)
                constants[node.outputs[0]] = value
                declared[node.outputs[0]] = Type(dtype, value.shape)
            else:
                nodes.append(node)
        inputs = {info.name: _type(info.type) for info in graph.input}
        outputs = tuple(info.name for info in graph.output)
        return cls(tuple(nodes), constants, inputs, outputs, declared, model)


def read(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in a file, with the tensors that it keeps in files beside it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no ONNX model, or corrupt.
    """
    data = Path(path).read_bytes()
    try:
        model = onnx.ModelProto.FromString(data)
        external_data_helper.load_external_data_for_model(model, os.fspath(Path(path).parent))
    except _CORRUPT as error:
        raise ValueError(f"not a valid ONNX file: {_one_line(error)}") from error
    return checked(model)


def checked(model: onnx.ModelProto, full_check: bool = False) -> onnx.ModelProto:
    """The model itself, if it keeps to the rules of ONNX (else ``ValueError``) and all of it is in memory.

    A full check infers all shapes too; models of others with a wrong one are run all the same.
    """
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    for tensor in (*model.graph.initializer, *(attribute.t for attribute in attributes)):
        if external_data_helper.uses_external_data(tensor):
            raise UnsupportedError(f"tensor {tensor.name!r} lies in another file and is not read")
    try:
        checker.check_model(model, full_check)
    except _CORRUPT as error:
        raise ValueError(f"not a valid ONNX model: {_one_line(error)}") from error
    return model


def latest_opset() -> int:
    """The newest version of the operators that the installed onnx knows."""
    return int(onnx.defs.onnx_opset_version())


def node_of(proto: onnx.NodeProto, opset: int) -> Node:
    """A node as plain data, its attributes as Python's numbers, strings and lists, or tensors."""
    found: dict[str, Any] = {}
    node = Node(proto.op_type, proto.name, opset, tuple(proto.input), tuple(proto.output), found)
    if proto.domain not in _DOMAINS:
        raise UnsupportedError(f"{node.label}: operators of the domain {proto.domain!r}")
    for attribute in proto.attribute:
        if attribute.name == _LEGACY:
            continue
        try:
            value = helper.get_attribute_value(attribute)
            found[attribute.name] = value.decode() if isinstance(value, bytes) else value
        except _CORRUPT as error:
            raise ValueError(f"{node.label}: attribute {attribute.name!r}: {_one_line(error)}") from error
        if attribute.name in _LEAST:
            for size in value if isinstance(value, list) else [value]:
                integer(node.label, attribute.name, size, _LEAST[attribute.name])
    return node


def _type(proto: onnx.TypeProto) -> Type:
    """The type of a tensor; of anything else the kind, as a type that no operator takes."""
    kind = proto.WhichOneof("value")
    if kind != "tensor_type":
        return Type((kind or "").removesuffix("_type"), None)
    tensor = proto.tensor_type
    if not tensor.HasField("shape"):
        return Type(_dtype(tensor.elem_type), None)
    sizes = (dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    return Type(_dtype(tensor.elem_type), tuple(sizes))


def _opset(model: onnx.ModelProto) -> int:
    version = max((entry.version for entry in model.opset_import if entry.domain in _DOMAINS), default=0)
    if not 1 <= version <= latest_opset():
        raise UnsupportedError(f"expected a model of opset 1 to {latest_opset()}, got {version}")
    return version


def _dtype(element: int) -> str:
    if element not in onnx.TensorProto.DataType.values():
        raise ValueError(f"not a valid ONNX model: element type {element}")
    name = onnx.TensorProto.DataType.Name(element).lower()
    return "" if name == "undefined" else _NUMPY_NAMES.get(name, name)


def _array(tensor: onnx.TensorProto) -> NDArray[Any]:
    try:
        array: NDArray[Any] = numpy_helper.to_array(tensor)
    except _CORRUPT as error:
        raise ValueError(f"tensor {tensor.name!r}: {_one_line(error)}") from error
    return array


def _constant(node: Node) -> tuple[NDArray[Any], str]:
    """The value of a Constant node, and the name of its type."""
    if len(node.attributes) != 1:
        raise ValueError(f"{node.label}: expected one attribute, got {len(node.attributes)}")
    ((kind, value),) = node.attributes.items()
    if kind == "value":
        return _array(value), _dtype(value.data_type)
    if kind not in ("value_float", "value_floats", "value_int", "value_ints"):
        raise UnsupportedError(f"{node.label}: a constant given by {kind}")
    dtype = "float32" if "float" in kind else "int64"
    return np.array(value, dtype), dtype


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
