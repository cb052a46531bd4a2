"""ONNX models for tests, made by hand; to be imported only where onnx is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT

Shapes = Mapping[str, Sequence[int | str]]


def model(
    nodes: Sequence[NodeProto],
    inputs: Shapes,
    outputs: Shapes,
    initializers: Mapping[str, np.ndarray[Any, Any]] | None = None,
    opset: int = 17,
    domains: Sequence[str] = (),
) -> ModelProto:
    """A model of float32 inputs and outputs; a size that is a name may be any number."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()],
    )
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=versions, ir_version=8)
