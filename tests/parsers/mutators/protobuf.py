"""Mutations of ONNX models that stay protobuf: any field of any message, and what their readers fear."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from . import SIZES

__all__ = ["mutate_model"]

_FAR = tuple(size for size in (*SIZES, *(-size for size in SIZES)) if -(2**63) <= size < 2**63)
_NAMES = (
    "",
    "x",
    "y",
    "0",
    "Conv",
    "Gemm",
    "If",
    "Loop",
    "Constant",
    "Identity",
    "Reshape",
    "MaxPool",
    "\0",
    "ß",
)
_PLACES = (
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "data",
    "\0",
    "model.onnx",
    "/dev/zero",
    "a/../../b",
)


def mutate_model(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """A model with one to three changes."""
    model = onnx.ModelProto.FromString(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.7:
            _change_field(rng, model)
        else:
            rng.choice(_CHANGES)(rng, model)
    return model.SerializeToString()


def _messages(message: Message) -> Iterator[Message]:
    """A message and all within it."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if _repeated(field) else [value]:
                yield from _messages(inner)


def _repeated(field: FieldDescriptor) -> bool:
    return bool(field.default_value == [])


def _change_field(rng: Random, model: onnx.ModelProto) -> None:
    """One field of one message: another value, one more, one less, or none."""
    message = rng.choice(list(_messages(model)))
    present = [field for field, _ in message.ListFields()]
    field = rng.choice(present if present and rng.random() < 0.8 else message.DESCRIPTOR.fields)
    if rng.random() < 0.1:
        message.ClearField(field.name)
    elif _repeated(field):
        _change_list(rng, getattr(message, field.name), field)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _value(rng, field))


def _change_list(rng: Random, items: Any, field: FieldDescriptor) -> None:
    choice = rng.randrange(4)
    if choice == 0 and items:
        del items[rng.randrange(len(items))]
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        if items:
            items.add().CopyFrom(rng.choice(items))
        else:
            items.add()
    elif choice < 3 and items:
        items[rng.randrange(len(items))] = _value(rng, field)
    else:
        items.append(_value(rng, field))


def _value(rng: Random, field: FieldDescriptor) -> Any:
    kind = field.cpp_type
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return rng.choice((0.0, -1.0, 1e30, float("inf"), float("nan")))
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = rng.choice(_NAMES)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice(field.enum_type.values).number
    if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32):
        return rng.choice((0, 1, 2, 7, 16, 20, 22, 2**31 - 1))
    return abs(far) if (far := rng.choice(_FAR)) < 0 and kind == FieldDescriptor.CPPTYPE_UINT64 else far


def _lie_about_tensor(rng: Random, model: onnx.ModelProto) -> None:
    tensor = rng.choice(model.graph.initializer)
    choice = rng.randrange(4)
    if choice == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_FAR)
    elif choice == 1:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    elif choice == 2:
        tensor.data_type = rng.randrange(-1, 30)
    else:
        tensor.dims.extend([rng.choice(_FAR)] * rng.choice((1, 2, 70)))


def _store_elsewhere(rng: Random, model: onnx.ModelProto) -> None:
    tensor = rng.choice(model.graph.initializer)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key in ("location", "offset", "length")[: rng.choice((1, 2, 3, 3))]:
        tensor.external_data.add(
            key=key, value=rng.choice(_PLACES) if key == "location" else str(rng.choice(_FAR))
        )


def _change_attribute(rng: Random, model: onnx.ModelProto) -> None:
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    attribute = rng.choice(attributes)
    if attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(_FAR)
    else:
        attribute.i = rng.choice(_FAR)


def _close_a_circle(rng: Random, model: onnx.ModelProto) -> None:
    nodes = model.graph.node
    node = rng.choice(nodes)
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice((*rng.choice(nodes).output, "", "nowhere"))


def _change_opset(rng: Random, model: onnx.ModelProto) -> None:
    model.opset_import[0].version = rng.choice((*range(28), 2**40))


def _add_function(rng: Random, model: onnx.ModelProto) -> None:
    """A function of the model's own that calls itself."""
    model.functions.add(name="again", domain="own", input=["a"], output=["b"]).node.add(
        op_type="again", domain="own", input=["a"], output=["b"]
    )
    model.functions[-1].opset_import.add(domain="own", version=1)
    model.opset_import.add(domain="own", version=1)
    if rng.random() < 0.7:
        rng.choice(model.graph.node).MergeFrom(onnx.NodeProto(op_type="again", domain="own"))


def _nest_graphs(rng: Random, model: onnx.ModelProto) -> None:
    """Branches in branches in branches."""
    graph = onnx.GraphProto(name="inner")
    for _ in range(rng.choice((2, 10, 30))):
        node = onnx.NodeProto(op_type="If", input=["x"], output=["y"])
        node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g.CopyFrom(graph)
        graph = onnx.GraphProto(name="outer", node=[node])
    model.graph.node.append(graph.node[0])


_CHANGES: tuple[Callable[[Random, onnx.ModelProto], None], ...] = (
    *(_lie_about_tensor, _lie_about_tensor, _store_elsewhere, _change_attribute, _change_attribute),
    *(_close_a_circle, _change_opset, _add_function, _nest_graphs),
)
