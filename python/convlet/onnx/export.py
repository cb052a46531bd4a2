"""Nets as ONNX files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, SupportsIndex

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .. import nn
from .._arrays import Window, integer, texts
from .._files import write_atomically
from ..nn.module import Op, Weighted
from .model import UnsupportedError, checked, latest_opset
from .windows import rounding_up

__all__ = ["DEFAULT_OPSET", "OLDEST_OPSET", "export"]

DEFAULT_OPSET = 17
"""Of 2022, which every engine in use reads."""
OLDEST_OPSET = 13
"""From it on, softmax is along one axis."""
_LARGEST_BYTES = 2**31 - 2**20  # a protobuf holds 2 GiB; the graph needs a few of them
_BATCH, _INPUT, _OUTPUT = "N", "input", "output"


def export(
    net: nn.Sequential,
    path: str | os.PathLike[str],
    input_shape: SupportsIndex | tuple[SupportsIndex, ...],
    opset: SupportsIndex = DEFAULT_OPSET,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a net as an ONNX model, whole or not at all.

    The model takes float32 images ``input`` (N, ...) for any N, in 0..1 if the net was trained on uint8,
    because only convlet itself scales those by 1/255, and gives ``output``. Every layer is one node under the
    layer's name (normalization two), and every parameter an initializer under its own: ``0.weight``. Equal
    nets give equal bytes.

    Args:
        net: the net.
        path: the file, replaced if it is there.
        input_shape: of one image, without N: (C, H, W), or (F,) or F of flat rows.
        opset: the version of the operators, from 13 to the newest that the installed onnx knows.
        metadata: text by name for the model's ``metadata_props``.

    Raises:
        OSError: the file cannot be written; a previous one is untouched.
        TypeError: what is no net, or a size that is no integer.
        UnsupportedError: a layer that no operator of ONNX stands for; a ``ValueError``.
        ValueError: a shape that the layers do not take, an opset out of range, or more than 2 GiB of weights.
    """
    op = "export"
    if not isinstance(net, nn.Sequential):
        raise TypeError(f"{op}: expected a net, a convlet.nn.Sequential, got {type(net).__name__}")
    told = {} if metadata is None else texts(op, "metadata", metadata)
    version = integer(op, "opset", opset, OLDEST_OPSET, latest_opset())
    if 4 * net.parameter_count > _LARGEST_BYTES:
        raise ValueError(f"{op}: expected at most 2 GiB of weights, got {4 * net.parameter_count:,} bytes")
    model = _model(net, input_shape, version)
    helper.set_model_props(model, told)
    write_atomically(path, checked(model, full_check=True).SerializeToString(deterministic=True))


def _model(net: nn.Sequential, input_shape: Any, opset: int) -> onnx.ModelProto:
    from .. import __version__

    plan = net.plan(input_shape)
    ops = net.ops()
    nodes, value = [], _INPUT
    for n, (name, layer) in enumerate(ops.items()):
        result = _OUTPUT if n == len(ops) - 1 else f"{name}.output"
        if isinstance(layer, nn.Normalize):
            nodes += _normalization(name, value, result)
            value = result
            continue
        operator, attributes = _node(name, layer, plan.layers[n])
        parameters = [f"{name}.{key}" for key in layer.slot.shapes] if isinstance(layer, Weighted) else []
        if isinstance(layer, nn.Dropout):
            parameters = [f"{name}.ratio"]
        nodes.append(helper.make_node(operator, [value, *parameters], [result], name, **attributes))
        value = result
    if not nodes:
        nodes.append(helper.make_node("Identity", [_INPUT], [_OUTPUT]))
    graph = helper.make_graph(
        nodes,
        "net",
        [_images(_INPUT, plan.input_shape)],
        [_images(_OUTPUT, plan.output_shape)],
        [
            *(numpy_helper.from_array(array, name) for name, array in net.parameters().items()),
            *(numpy_helper.from_array(array[:, None, None], name) for name, array in net.buffers().items()),
            *(
                numpy_helper.from_array(np.array(layer.p, np.float32), f"{name}.ratio")
                for name, layer in ops.items()
                if isinstance(layer, nn.Dropout)
            ),
        ],
    )
    versions = [helper.make_opsetid("", opset)]
    return helper.make_model(
        graph,
        opset_imports=versions,
        ir_version=helper.find_min_ir_version_for(versions),
        producer_name="convlet",
        producer_version=__version__,
    )


def _normalization(name: str, value: str, result: str) -> list[onnx.NodeProto]:
    """``(x - mean) / std`` as two nodes, of which the second has the layer's name."""
    centred = f"{name}.centred"
    return [
        helper.make_node("Sub", [value, f"{name}.mean"], [centred], f"{name}.centre"),
        helper.make_node("Div", [centred, f"{name}.std"], [result], name),
    ]


def _images(name: str, shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [_BATCH, *shape])


def _node(name: str, layer: Op, step: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The operator that a layer is, and its attributes, for the shapes in its step of the plan."""
    match layer:
        case nn.AdaptiveAvgPool2d():
            return "GlobalAveragePool", {}
        case nn.AdaptiveMaxPool2d():
            return "GlobalMaxPool", {}
        case nn.Identity():
            return "Identity", {}
        case nn.Dropout():
            return "Dropout", {}  # which does nothing at inference
        case nn.Conv2d():
            return "Conv", {**_sliding(layer.window), "group": layer.groups}
        case nn.Linear():
            return "Gemm", {"transB": 1}
        case nn.MaxPool2d():
            return "MaxPool", _pooling(name, layer, step)
        case nn.AvgPool2d():
            if layer.divisor_override is not None:
                raise UnsupportedError(
                    f"export: layer {name!r}: ONNX's AveragePool has no divisor of its own, "
                    f"got divisor_override={layer.divisor_override}"
                )
            attributes = _pooling(name, layer, step)
            del attributes["dilations"]  # 1, and unknown before opset 19
            return "AveragePool", {**attributes, "count_include_pad": int(layer.count_include_pad)}
        case nn.Flatten():
            return "Flatten", {"axis": 1}
        case nn.Softmax() | nn.LogSoftmax():
            return type(layer).__name__, {"axis": 1}  # the only one that a plan takes
        case nn.ReLU():
            return "Relu", {}
        case nn.Sigmoid() | nn.Tanh():
            return type(layer).__name__, {}
        case _:
            raise UnsupportedError(f"export: layer {name!r}: no operator for {type(layer).__name__}")


def _pooling(name: str, layer: nn.MaxPool2d | nn.AvgPool2d, step: Mapping[str, Any]) -> dict[str, Any]:
    window, ceil = layer.window, layer.ceil_mode
    if ceil:
        try:
            window, ceil = rounding_up(window, step["input_shape"][1:], step["output_shape"][1:])
        except UnsupportedError as error:
            raise UnsupportedError(f"export: layer {name!r}: {error}") from error
    return {**_sliding(window), "ceil_mode": int(ceil)}


def _sliding(window: Window) -> dict[str, Any]:
    top, bottom, left, right = window.padding
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "pads": (top, left, bottom, right),
        "dilations": window.dilation,
    }
